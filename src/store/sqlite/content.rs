//! Shared content: rows, and the octets in files beside the database.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::future::ready;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Result, Row, params};

use super::Sqlite;
use super::rows::{self, Columns, change, many, millis, one};
use crate::element::content::{ContentId, Item};
use crate::imps::{Moment, UserId};
use crate::relay::ports::{ContentChange, ContentStore, Outcome, Promise, StoreError};

/// The folder of the files, beside the database.
pub(super) const FOLDER: &str = "content";
/// What a file is called while it is written.
const UNFINISHED: &str = "tmp";
/// Items that expire in one commit.
const EXPIRE_PAGE: usize = 500;
/// Items of one user that are listed.
const LISTED_MAX: usize = 10_000;

const ITEM: &str = "SELECT c.id, a.address, c.name, c.content_type, c.octets, c.sha256, c.audience,
                           c.created, c.expires
                    FROM content_item c JOIN account a ON a.id = c.owner";

fn item(row: &Row<'_>) -> Result<Item> {
    let mut columns = Columns::of(row);
    Ok(Item {
        id: columns.parsed()?,
        owner: columns.parsed()?,
        name: columns.get()?,
        content_type: columns.get()?,
        octets: columns.count()?,
        digest: columns.get()?,
        audience: columns.parsed()?,
        created: columns.moment()?,
        expires: columns.moment()?,
    })
}

/// Carries out one change.
pub(super) fn apply(connection: &Connection, wanted: &ContentChange) -> Result<Outcome> {
    let done_if = |rows: usize| if rows > 0 { Outcome::Done } else { Outcome::Missing };
    match wanted {
        ContentChange::Begin { id, until } => {
            let sql = "INSERT OR REPLACE INTO content_litter (id, from_then_on) VALUES (?1, ?2)";
            change(connection, sql, params![id.as_str(), millis(*until)])?;
            Ok(Outcome::Done)
        }
        ContentChange::Keep { item, quota } => {
            let Some(owner) = rows::account_id(connection, &item.owner)? else { return Ok(Outcome::Missing) };
            let sql = "SELECT count(*), coalesce(sum(octets), 0) FROM content_item WHERE owner = ?1";
            let used = one(connection, sql, [owner], |row| {
                let mut columns = Columns::of(row);
                Ok((columns.count()?, columns.count()?))
            })?;
            let (items, octets) = used.unwrap_or((0, 0));
            if items >= quota.items || octets.saturating_add(item.octets) > quota.octets {
                return Ok(Outcome::Full);
            }
            change(
                connection,
                "INSERT INTO content_item
                     (id, owner, name, content_type, octets, sha256, audience, created, expires)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    item.id.as_str(),
                    owner,
                    item.name,
                    item.content_type,
                    i64::try_from(item.octets).unwrap_or(i64::MAX),
                    item.digest,
                    item.audience.to_string(),
                    millis(item.created),
                    millis(item.expires)
                ],
            )?;
            swept(connection, &item.id)?;
            Ok(Outcome::Done)
        }
        ContentChange::Alter(item) => {
            let sql = "UPDATE content_item SET name = ?2, audience = ?3, expires = ?4 WHERE id = ?1";
            let values =
                params![item.id.as_str(), item.name, item.audience.to_string(), millis(item.expires)];
            change(connection, sql, values).map(done_if)
        }
        ContentChange::Drop(id) => {
            let rows = change(connection, "DELETE FROM content_item WHERE id = ?1", [id.as_str()])?;
            if rows > 0 {
                let sql = "INSERT OR REPLACE INTO content_litter (id, from_then_on) VALUES (?1, 0)";
                change(connection, sql, [id.as_str()])?;
            }
            Ok(done_if(rows))
        }
        ContentChange::Expire { by } => {
            let page = "SELECT id FROM content_item WHERE expires <= ?1 ORDER BY expires LIMIT ?2";
            let values = params![millis(*by), rows::octets(EXPIRE_PAGE)];
            let ids: Vec<String> = many(connection, page, values, |row| row.get(0))?;
            for id in ids {
                let sql = "INSERT OR REPLACE INTO content_litter (id, from_then_on) VALUES (?1, 0)";
                change(connection, sql, [&id])?;
                change(connection, "DELETE FROM content_item WHERE id = ?1", [&id])?;
            }
            Ok(Outcome::Done)
        }
        ContentChange::Swept(id) => swept(connection, id).map(done_if),
    }
}

fn swept(connection: &Connection, id: &ContentId) -> Result<usize> {
    change(connection, "DELETE FROM content_litter WHERE id = ?1", [id.as_str()])
}

/// An account is gone: what it kept is litter.
pub(super) fn account_removed(connection: &Connection, owner: i64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO content_litter (id, from_then_on)
               SELECT id, 0 FROM content_item WHERE owner = ?1";
    change(connection, sql, [owner])?;
    change(connection, "DELETE FROM content_item WHERE owner = ?1", [owner])?;
    Ok(())
}

fn item_of(connection: &Connection, id: &ContentId) -> Result<Option<Item>> {
    one(connection, &[ITEM, " WHERE c.id = ?1"].concat(), [id.as_str()], item)
}

fn items_of(connection: &Connection, owner: &UserId) -> Result<Vec<Item>> {
    let Some(owner) = rows::account_id(connection, owner)? else { return Ok(Vec::new()) };
    let sql = [ITEM, " WHERE c.owner = ?1 ORDER BY c.created, c.id LIMIT ?2"].concat();
    many(connection, &sql, params![owner, rows::octets(LISTED_MAX)], item)
}

fn litter(connection: &Connection, now: Moment, limit: usize) -> Result<Vec<ContentId>> {
    let sql = "SELECT id FROM content_litter WHERE from_then_on <= ?1 ORDER BY from_then_on LIMIT ?2";
    many(connection, sql, params![millis(now), rows::octets(limit)], |row| Columns::of(row).parsed())
}

impl ContentStore for Sqlite {
    fn item(&self, id: ContentId) -> Promise<Option<Item>> {
        self.ask(move |connection| item_of(connection, &id))
    }

    fn items_of(&self, owner: UserId) -> Promise<Vec<Item>> {
        self.ask(move |connection| items_of(connection, &owner))
    }

    fn litter(&self, now: Moment, limit: usize) -> Promise<Vec<ContentId>> {
        self.ask(move |connection| litter(connection, now, limit))
    }

    fn write_octets(&self, id: ContentId, octets: Arc<[u8]>) -> Promise<()> {
        self.with_octets(move |place| place.write(&id, &octets))
    }

    fn read_octets(&self, id: ContentId) -> Promise<Option<Vec<u8>>> {
        self.with_octets(move |place| place.read(&id))
    }

    fn remove_octets(&self, id: ContentId) -> Promise<()> {
        self.with_octets(move |place| place.remove(&id))
    }
}

impl Sqlite {
    /// Does something with octets, where nobody is kept waiting by the disk.
    fn with_octets<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Octets) -> io::Result<T> + Send + 'static,
    ) -> Promise<T> {
        let failed = |error: io::Error| StoreError::Failed(format!("shared content: {error}"));
        let octets = Arc::clone(&self.octets);
        if !octets.is_on_disk() {
            return Box::pin(ready(work(&octets).map_err(failed)));
        }
        // It is carried through also if nobody waits for it any more.
        let working = tokio::task::spawn_blocking(move || work(&octets));
        Box::pin(
            async move { working.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(failed) },
        )
    }
}

/// Where octets lie.
#[derive(Debug)]
pub(super) enum Octets {
    /// In files of a folder, spread over folders below it.
    Folder(PathBuf),
    /// In memory, for tests and simulations.
    Memory(Mutex<HashMap<ContentId, Arc<[u8]>>>),
}

impl Octets {
    /// Beside the database in this folder.
    pub(super) fn beside(data: &Path) -> Self {
        Self::Folder(data.join(FOLDER))
    }

    /// In memory.
    pub(super) fn in_memory() -> Self {
        Self::Memory(Mutex::default())
    }

    fn held(held: &Mutex<HashMap<ContentId, Arc<[u8]>>>) -> MutexGuard<'_, HashMap<ContentId, Arc<[u8]>>> {
        held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it takes time.
    pub(super) const fn is_on_disk(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Writes all of them or, seen from outside, none.
    pub(super) fn write(&self, id: &ContentId, octets: &Arc<[u8]>) -> io::Result<()> {
        let folder = match self {
            Self::Memory(held) => {
                Self::held(held).insert(id.clone(), Arc::clone(octets));
                return Ok(());
            }
            Self::Folder(folder) => folder,
        };
        let path = path(folder, id);
        let below = path.parent().unwrap_or(folder);
        if !below.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(below)?;
            sync(folder)?;
            if let Some(data) = folder.parent() {
                sync(data)?;
            }
        }
        let unfinished = path.with_extension(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        sync(below)
    }

    /// Reads them.
    pub(super) fn read(&self, id: &ContentId) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Memory(held) => Ok(Self::held(held).get(id).map(|octets| octets.to_vec())),
            Self::Folder(folder) => match fs::read(path(folder, id)) {
                Ok(octets) => Ok(Some(octets)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Removes them, finished or not.
    pub(super) fn remove(&self, id: &ContentId) -> io::Result<()> {
        let folder = match self {
            Self::Memory(held) => {
                Self::held(held).remove(id);
                return Ok(());
            }
            Self::Folder(folder) => folder,
        };
        let path = path(folder, id);
        for path in [path.with_extension(UNFINISHED), path] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// `content/ab/abcdef…`: ids are random, so that folders fill evenly. Names differ by the case of letters.
pub(super) fn path(folder: &Path, id: &ContentId) -> PathBuf {
    folder.join(id.as_str().get(..2).unwrap_or_default()).join(id.as_str())
}

/// What was made or renamed in a folder is on disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn octets_are_whole_or_not_there_and_removal_really_removes() {
        let folder = Folder(std::env::temp_dir().join(format!("causeway-content-{}", std::process::id())));
        fs::create_dir_all(&folder.0).unwrap();
        let octets = Octets::beside(&folder.0);
        let id: ContentId = "aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        assert_eq!(octets.read(&id).unwrap(), None);
        octets.remove(&id).unwrap();
        octets.write(&id, &Arc::from(&b"one"[..])).unwrap();
        assert_eq!(octets.read(&id).unwrap().as_deref(), Some(&b"one"[..]));
        // A crash in the middle of writing leaves an unfinished file, which is no content
        let other: ContentId = "bbbbbbbbbbbbbbbbbbbbbbbb".parse().unwrap();
        let unfinished = path(&folder.0.join(FOLDER), &other).with_extension(UNFINISHED);
        fs::create_dir_all(unfinished.parent().unwrap()).unwrap();
        fs::write(&unfinished, b"tw").unwrap();
        assert_eq!(octets.read(&other).unwrap(), None);
        for id in [&id, &other] {
            octets.remove(id).unwrap();
        }
        let files = |folder: &str| fs::read_dir(folder_of(&octets).join(folder)).unwrap().count();
        assert_eq!((files("aa"), files("bb")), (0, 0));
    }

    fn folder_of(octets: &Octets) -> &Path {
        match octets {
            Octets::Folder(folder) => folder,
            Octets::Memory(_) => unreachable!(),
        }
    }
}
