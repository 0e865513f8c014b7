//! `causeway export` and `causeway import`: accounts, lists, groups and shared content as JSON Lines, straight
//! from and into the store, with the node running or not.
//!
//! Sessions, waiting messages and subscriptions are no part of it: those belong to the moment.

mod content;
mod read;
mod record;
#[cfg(test)]
mod tests;
mod write;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use self::content::Shelf;
use self::read::Reader;
use self::record::{Header, Line, VERSION};
use self::write::Whole;
use super::audit::recorded;
use super::user::{open, settings};
use super::{Configuration, Ended, Streams, now, today};
use crate::config::StoreSettings;
use crate::element::group::HISTORY_MESSAGES_MAX;
use crate::imps::{GroupId, UserId};
use crate::ops::audit::Act;
use crate::relay::ports::{
    Account, Change, CommonStore as _, GroupStore as _, ListsStore as _, OperatorsStore as _, Outcome,
    PresenceStore as _, Store as _, Watchers,
};
use crate::store::seal::Sealer;
use crate::store::sqlite::Sqlite;

/// Accounts that are read at a time.
const PAGE: usize = 200;
/// Octets of one line.
const LINE_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// What becomes of passwords in an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Passwords {
    /// Sealed, as they are: of use only together with the node's secret key
    Sealed,
    /// Left out: each account needs a new one
    None,
    /// As they are: whoever has the file can log in as anybody
    Clear,
}

/// Words of `export`.
#[derive(clap::Args, Debug)]
pub struct Export {
    #[command(flatten)]
    configuration: Configuration,
    /// Write to this file, for its owner alone, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What becomes of passwords
    #[arg(long, value_enum, default_value = "sealed")]
    passwords: Passwords,
    /// Leave shared content out: its octets may be many
    #[arg(long)]
    without_content: bool,
}

/// Words of `import`.
#[derive(clap::Args, Debug)]
pub struct Import {
    /// An export; - is standard input
    #[arg(value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    configuration: Configuration,
    /// Leave accounts and groups that are there as they are, and take the others
    #[arg(long)]
    skip_existing: bool,
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().build().context("the store cannot be asked")
}

/// Runs `export`.
pub fn export(words: &Export, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let Some(settings) = settings(&words.configuration.file, streams)? else { return Ok(Ended::Failed) };
    let to = words.output.as_ref().map(|path| path.display().to_string());
    let act = Act::new("export", to.unwrap_or_default()).with(match words.passwords {
        Passwords::Sealed => "passwords sealed",
        Passwords::None => "passwords none",
        Passwords::Clear => "passwords clear",
    });
    recorded(&settings.node.data, &act, || write_all(words, &settings, streams))
}

fn write_all(words: &Export, settings: &StoreSettings, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let store = open(settings)?;
    let sealer = match words.passwords {
        Passwords::Clear => Some(Sealer::open(&settings.node.secret_key)?),
        Passwords::Sealed | Passwords::None => None,
    };
    let header = Header {
        version: VERSION,
        exported: today().to_string(),
        domains: settings.node.domains.iter().map(ToString::to_string).collect(),
    };
    let mut file = match &words.output {
        None => None,
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Some(std::io::BufWriter::new(file.with_context(|| {
                format!("{} cannot be made; name a file that is not there yet", path.display())
            })?))
        }
    };
    let output: &mut dyn Write = match &mut file {
        Some(file) => file,
        None => streams.output,
    };
    line(output, &Line::Causeway(header))?;
    runtime()?.block_on(async {
        let accounts = store.all_accounts().await?;
        for page in accounts.chunks(PAGE) {
            for whole in read_page(&store, page, &settings.node.domains).await? {
                let record = write::account(&whole, words.passwords, sealer.as_ref())
                    .with_context(|| format!("the password of {}", whole.account.user))?;
                line(output, &Line::Account(Box::new(record)))?;
            }
        }
        for group in store.all_groups().await? {
            // One that ended meanwhile is none any more.
            if let Some(found) = store.group(group.clone()).await? {
                let (said, _) = store.said(group, HISTORY_MESSAGES_MAX).await?;
                line(output, &Line::Group(Box::new(write::group(&found.group, &said, now()))))?;
            }
        }
        let sharing = if words.without_content { &[] } else { &accounts[..] };
        for account in sharing {
            content::write(&store, &account.user, output).await?;
        }
        anyhow::Ok(())
    })?;
    output.flush().context("the export could not be written to its end")?;
    if let Some(file) = file {
        file.get_ref().sync_all().context("the export could not be written to its end")?;
    }
    Ok(Ended::Done)
}

fn line(output: &mut dyn Write, line: &Line) -> anyhow::Result<()> {
    writeln!(output, "{}", serde_json::to_string(line)?).context("the export could not be written")
}

async fn read_page(
    store: &Sqlite,
    page: &[Account],
    domains: &[crate::imps::Domain],
) -> anyhow::Result<Vec<Whole>> {
    let users: Vec<UserId> = page.iter().map(|account| account.user.clone()).collect();
    let profiles = store.profiles(users.clone()).await?;
    let lists = store.lists(users.clone()).await?;
    let publishers = store.publishers(users, Watchers::Nobody).await?;
    let mut all = Vec::with_capacity(page.len());
    for (((account, profile), lists), publisher) in page.iter().zip(profiles).zip(lists).zip(publishers) {
        // Those here are properties of the groups.
        let mut auto_joins = store.auto_joins(account.user.clone()).await?;
        auto_joins.retain(|group| !domains.iter().any(|own| group.domain_str() == Some(own.as_str())));
        all.push(Whole {
            account: account.clone(),
            profile: profile.unwrap_or_default(),
            lists: (*lists).clone(),
            publisher,
            auto_joins,
        });
    }
    Ok(all)
}

/// What is to be made, in the order of the file.
enum Wanted {
    Account(UserId, Vec<Change>),
    Group(GroupId, Vec<Change>),
}

/// Runs `import`.
pub fn import(words: &Import, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let Some(settings) = settings(&words.configuration.file, streams)? else { return Ok(Ended::Failed) };
    let act = Act::new("import", words.from.display());
    recorded(&settings.node.data, &act, || read_all(words, &settings, streams))
}

fn read_all(words: &Import, settings: &StoreSettings, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let sealer = Sealer::open(&settings.node.secret_key)?;
    let reader = Reader { sealer: &sealer, domains: &settings.node.domains };
    let mut file;
    let input: &mut dyn BufRead = if words.from.as_os_str() == "-" {
        streams.input
    } else {
        let opened = std::fs::File::open(&words.from);
        file = BufReader::new(opened.with_context(|| format!("{} cannot be read", words.from.display()))?);
        &mut file
    };
    let store = open(settings)?;
    let runtime = runtime()?;
    let mut shelf = Shelf::new(&store, &runtime);
    // Everything is read and checked before anything is taken.
    let took = understand(input, &reader, &mut shelf)
        .and_then(|wanted| runtime.block_on(take(&store, wanted, &mut shelf, words.skip_existing)));
    runtime.block_on(shelf.clear())?;
    store.close();
    let (made, kept) = took?;
    writeln!(streams.output, "{made} made, {kept} left as they were")?;
    Ok(Ended::Done)
}

/// Takes what was read; how much was made, and how much was there.
async fn take(
    store: &Sqlite,
    wanted: Vec<Wanted>,
    shelf: &mut Shelf<'_>,
    skip_existing: bool,
) -> anyhow::Result<(usize, usize)> {
    if !skip_existing {
        refuse_existing(store, &wanted, shelf).await?;
    }
    let (mut made, mut kept) = (0, 0);
    for wanted in wanted {
        let (what, changes) = match wanted {
            Wanted::Account(user, changes) => (user.to_string(), changes),
            Wanted::Group(group, changes) => (group.to_string(), changes),
        };
        let outcomes = store.commit(changes).await?;
        match outcomes.first() {
            Some(Outcome::Duplicate) => kept += 1,
            _ if outcomes.iter().all(|outcome| outcome.took_effect()) => made += 1,
            _ => bail!(
                "{what} could be taken in part only: {outcomes:?}; `causeway user erase` removes what is there"
            ),
        }
    }
    let (more, there) = shelf.keep().await?;
    Ok((made + more, kept + there))
}

/// Reads every line; an error says which one is wrong.
fn understand(
    input: &mut dyn BufRead,
    reader: &Reader<'_>,
    shelf: &mut Shelf<'_>,
) -> anyhow::Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    let mut begun = false;
    for number in 1_usize.. {
        let mut text = String::new();
        let octets = std::io::Read::take(&mut *input, LINE_OCTETS_MAX + 1).read_line(&mut text);
        let octets = octets.with_context(|| format!("line {number} cannot be read; it must be UTF-8"))?;
        if octets == 0 {
            break;
        }
        if u64::try_from(octets).unwrap_or(u64::MAX) > LINE_OCTETS_MAX {
            bail!("line {number} is longer than {LINE_OCTETS_MAX} octets");
        }
        if text.trim().is_empty() {
            continue;
        }
        let read = serde_json::from_str::<Line>(&text).map_err(anyhow::Error::from).and_then(|line| {
            if !matches!(line, Line::Octets(_)) {
                shelf.end()?;
            }
            Ok(match line {
                Line::Causeway(header) if header.version != VERSION => {
                    bail!("version {} of exports is not known; this program reads {VERSION}", header.version)
                }
                Line::Causeway(_) => {
                    begun = true;
                    None
                }
                _ if !begun => {
                    bail!("the first line of an export says {{\"causeway\":{{\"version\":{VERSION}, …}}}}")
                }
                Line::Account(record) => {
                    Some(Wanted::Account(reader.user(&record.address)?, reader.account(&record)?))
                }
                Line::Group(record) => {
                    let (group, changes) = reader.group(&record, now())?;
                    Some(Wanted::Group(group, changes))
                }
                Line::Content(record) => {
                    shelf.begin(&record, reader)?;
                    None
                }
                Line::Octets(record) => {
                    shelf.octets(&record)?;
                    None
                }
            })
        });
        wanted.extend(read.with_context(|| format!("line {number} is wrong, and nothing was taken"))?);
    }
    if !begun {
        bail!("this is no export: it holds nothing; `causeway export` makes one");
    }
    shelf.end().context("the last line is not all, and nothing was taken")?;
    Ok(wanted)
}

async fn refuse_existing(store: &Sqlite, wanted: &[Wanted], shelf: &Shelf<'_>) -> anyhow::Result<()> {
    let refuse = |what: &str| {
        bail!("{what} exists already, and nothing was taken; --skip-existing takes what is not there yet")
    };
    for wanted in wanted {
        let (there, what) = match wanted {
            Wanted::Account(user, _) => (store.account_now(user.clone()).await?.is_some(), user.to_string()),
            Wanted::Group(group, _) => (store.group(group.clone()).await?.is_some(), group.to_string()),
        };
        if there {
            return refuse(&what);
        }
    }
    shelf.existing().map_or(Ok(()), |item| refuse(item.id.as_str()))
}
