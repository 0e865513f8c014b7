//! Shared content in an export: what is known of a piece, and then its octets, a part in each line.
//!
//! Octets are too much to be held until everything is checked. An import writes them under their ids as it reads
//! them, as an upload does: without a row they are nobody's, and go again if the import ends badly.

use std::io::Write;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use super::line;
use super::read::{Reader, parsed};
use super::record::{ContentRecord, Line, OctetsRecord};
use crate::cli::now;
use crate::cli::user::clear_litter;
use crate::element::content::{ITEM_OCTETS_MAX, Item, NAME_OCTETS_MAX, Quota};
use crate::imps::{Moment, UserId};
use crate::relay::ports::{Change, ContentChange, ContentStore as _, Outcome, Store as _};
use crate::store::sqlite::Sqlite;

/// Octets that one line carries.
const OCTETS_OF_LINE: usize = 3 * 256 * 1024;
/// How long octets may lie there before everything else is read: after that they are litter.
const READING_LIMIT: std::time::Duration = std::time::Duration::from_secs(86_400);
/// What was accepted once is not counted again.
const ANY: Quota = Quota { octets: u64::MAX, items: u64::MAX };

/// Writes what this user shares.
pub(super) async fn write(store: &Sqlite, owner: &UserId, output: &mut dyn Write) -> anyhow::Result<()> {
    for item in store.items_of(owner.clone()).await? {
        // One that ended, or was dropped between both looks.
        let octets = if item.expires > now() { store.read_octets(item.id.clone()).await? } else { None };
        let Some(octets) = octets else { continue };
        line(output, &Line::Content(Box::new(record(&item))))?;
        for part in octets.chunks(OCTETS_OF_LINE) {
            let of = item.id.to_string();
            line(output, &Line::Octets(OctetsRecord { of, base64: STANDARD.encode(part) }))?;
        }
    }
    Ok(())
}

fn record(item: &Item) -> ContentRecord {
    ContentRecord {
        id: item.id.to_string(),
        owner: item.owner.to_string(),
        name: item.name.as_deref().map(str::to_owned),
        content_type: item.content_type.to_string(),
        octets: item.octets,
        sha256: STANDARD.encode(item.digest),
        audience: item.audience.to_string(),
        created: item.created.millis(),
        expires: item.expires.millis(),
    }
}

fn item(record: &ContentRecord, reader: &Reader<'_>) -> anyhow::Result<Item> {
    if record.octets == 0 || record.octets > ITEM_OCTETS_MAX {
        bail!("{} octets of shared content; allowed: 1..={ITEM_OCTETS_MAX}", record.octets);
    }
    let long = |text: &str| text.len() > NAME_OCTETS_MAX || text.chars().any(char::is_control);
    if record.name.as_deref().is_some_and(long) || long(&record.content_type) {
        bail!("the name or the type of {} is too long, or no text", record.id);
    }
    let digest = STANDARD.decode(&record.sha256).ok().and_then(|octets| octets.try_into().ok());
    Ok(Item {
        id: parsed(&record.id)?,
        owner: reader.user(&record.owner)?,
        name: record.name.as_deref().map(Into::into),
        content_type: record.content_type.as_str().into(),
        octets: record.octets,
        digest: digest.context("sha256 is no SHA-256 in BASE64")?,
        audience: parsed(&record.audience)?,
        created: Moment::from_millis(record.created),
        expires: Moment::from_millis(record.expires),
    })
}

/// Where an import puts octets while it reads.
pub(super) struct Shelf<'s> {
    store: &'s Sqlite,
    runtime: &'s Runtime,
    /// The piece whose octets are being read, and those there are of it.
    open: Option<(Item, Vec<u8>)>,
    /// Pieces that are whole, and whether their octets were written here.
    whole: Vec<(Item, bool)>,
}

impl<'s> Shelf<'s> {
    pub(super) const fn new(store: &'s Sqlite, runtime: &'s Runtime) -> Self {
        Self { store, runtime, open: None, whole: Vec::new() }
    }

    /// Another piece begins.
    pub(super) fn begin(&mut self, record: &ContentRecord, reader: &Reader<'_>) -> anyhow::Result<()> {
        self.end()?;
        let item = item(record, reader)?;
        if self.whole.iter().any(|(other, _)| other.id == item.id) {
            bail!("{} is there twice", item.id);
        }
        self.open = Some((item, Vec::new()));
        Ok(())
    }

    /// Some of its octets.
    pub(super) fn octets(&mut self, record: &OctetsRecord) -> anyhow::Result<()> {
        let Some((item, octets)) = self.open.as_mut().filter(|(item, _)| item.id.as_str() == record.of)
        else {
            bail!("these are octets of {}, which does not stand before them", record.of);
        };
        octets.extend(STANDARD.decode(&record.base64).context("the octets are no BASE64")?);
        if octets.len() as u64 > item.octets {
            bail!("{} has more octets than it says", item.id);
        }
        Ok(())
    }

    /// What other kind of line comes, or the end: the piece before must be whole.
    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        let Some((item, octets)) = self.open.take() else { return Ok(()) };
        if <[u8; 32]>::from(Sha256::digest(&octets)) != item.digest {
            bail!("the octets of {}, which end before this line, are not those that it says", item.id);
        }
        let written = self.runtime.block_on(async {
            match self.store.item(item.id.clone()).await? {
                Some(there) if there.owner != item.owner || there.digest != item.digest => {
                    bail!("{} is another piece of content here", item.id)
                }
                Some(_) => Ok(false),
                None => {
                    let begin =
                        ContentChange::Begin { id: item.id.clone(), until: now().after(READING_LIMIT) };
                    self.store.commit(vec![Change::Content(begin)]).await?;
                    self.store.write_octets(item.id.clone(), octets.into()).await?;
                    Ok(true)
                }
            }
        })?;
        self.whole.push((item, written));
        Ok(())
    }

    /// The first piece that is there already.
    pub(super) fn existing(&self) -> Option<&Item> {
        self.whole.iter().find(|(_, written)| !written).map(|(item, _)| item)
    }

    /// Makes the rows; how many were made, and how many were there.
    pub(super) async fn keep(&mut self) -> anyhow::Result<(usize, usize)> {
        let (mut made, mut kept) = (0, 0);
        while let Some((item, written)) = self.whole.pop() {
            if !written {
                kept += 1;
                continue;
            }
            let (id, owner) = (item.id.clone(), item.owner.clone());
            let keep = ContentChange::Keep { item: Box::new(item.clone()), quota: ANY };
            let outcome = self.store.commit(vec![Change::Content(keep)]).await?.first().copied();
            if outcome != Some(Outcome::Done) {
                self.whole.push((item, true));
                bail!("{id} could not be taken; there must be an account of {owner}");
            }
            made += 1;
        }
        Ok((made, kept))
    }

    /// Removes the octets of whatever got no row.
    pub(super) async fn clear(&mut self) -> anyhow::Result<()> {
        for (item, written) in std::mem::take(&mut self.whole) {
            if written {
                let begin = ContentChange::Begin { id: item.id, until: Moment::from_millis(0) };
                self.store.commit(vec![Change::Content(begin)]).await?;
            }
        }
        clear_litter(self.store).await
    }
}
