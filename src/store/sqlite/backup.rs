//! A copy of a store, made while a node works with it, and the way back from one.
//!
//! ```text
//!  FOLDER/causeway.db     the database as it was at one moment
//!  FOLDER/content/ab/…    the octets of the shared content that it names
//!  FOLDER/secret.key      the key that its passwords are sealed with, unless it was left out
//! ```
//! A backup appears whole or not at all: it is written under another name and renamed at its end. What is
//! restored is checked first, and takes its place at the end, too. It is another store than the one that it was
//! copied from: it has a new [`crate::relay::ports::Store::instance`], so that transactions it names never look
//! like those that the other has named since, and no sessions, since nobody knows which of them have ended.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest as _, Sha256};

use super::content::{self, FOLDER as CONTENT};
use super::rows::one;
use super::schema::{self, SchemaError};
use super::{DATABASE, OpenError, ServeLock, common, read_connection, wall_clock};
use crate::element::content::ContentId;
use crate::imps::UserId;
use crate::store::seal::{KEY_OCTETS, SealError, Sealer};

/// The key in a backup.
pub const KEY: &str = "secret.key";
/// Where a restored store is prepared, in the data folder.
const STAGE: &str = "restore.unfinished";
/// Octets of a key file that are read: more than a key has.
const KEY_OCTETS_READ: usize = KEY_OCTETS + 1;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no store to be copied.
    #[error("{}: there is no store here", .0.display())]
    NoStore(PathBuf),
    /// The folder of the backup is there already.
    #[error("{}: is there already; name a folder that is not", .0.display())]
    Exists(PathBuf),
    /// The data folder holds a store, which may not be replaced.
    #[error("{}: holds a store already; --replace puts the backup in its place", .0.display())]
    Occupied(PathBuf),
    /// The database is damaged.
    #[error("{}: the database is damaged: {what}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What SQLite found first.
        what: String,
    },
    /// Octets of shared content are missing in the backup, or are others.
    #[error("{}: the octets of {id} are missing or damaged", path.display())]
    Content {
        /// The backup.
        path: PathBuf,
        /// Of which item.
        id: ContentId,
    },
    /// The node has another key than the backup.
    #[error("secret key {}: is another than that of the backup; --replace puts that in its place", .0.display())]
    OtherKey(PathBuf),
    /// The backup has no key, and neither has the node.
    #[error("the backup holds no key: put the one that its passwords are sealed with at {} first", .0.display())]
    NoKey(PathBuf),
    /// A password of the backup does not open with the key.
    #[error("secret key {}: does not open the passwords of this backup", .0.display())]
    WrongKey(PathBuf),
    /// The key could not be read.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A file or the database cannot be read or written, a node runs on the data folder, or the backup was made
    /// by another version.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Accounts.
    pub accounts: u64,
    /// Messages and reports that wait in mailboxes.
    pub mailbox: u64,
    /// Rows that wait for peers.
    pub outbox: u64,
    /// Items of shared content.
    pub content: u64,
    /// Items whose octets were missing in the store itself: they are not in the copy.
    pub lost: Vec<ContentId>,
}

type Done<T> = Result<T, BackupError>;

fn file(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
    move |cause| OpenError::File { path: path.to_owned(), cause }.into()
}

fn database(path: &Path) -> impl FnOnce(rusqlite::Error) -> BackupError + '_ {
    move |cause| OpenError::Database { path: path.to_owned(), cause }.into()
}

/// A folder that goes unless it is kept.
struct Stage(Option<PathBuf>);

impl Stage {
    fn make(path: PathBuf) -> Done<Self> {
        DirBuilder::new().mode(0o700).create(&path).map_err(file(&path))?;
        Ok(Self(Some(path)))
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Copies the store of this data folder into `folder`, which must not be there yet, and the key at `key` unless
/// it is `None`. A node may run meanwhile; its writers do not wait.
pub fn back_up(data: &Path, key: Option<&Path>, folder: &Path) -> Done<Copied> {
    let live_path = data.join(DATABASE);
    if !live_path.is_file() {
        return Err(BackupError::NoStore(data.to_owned()));
    }
    let Some(name) = folder.file_name().filter(|_| fs::symlink_metadata(folder).is_err()) else {
        return Err(BackupError::Exists(folder.to_owned()));
    };
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let stage = Stage::make(parent.join(format!(".{}.unfinished", name.to_string_lossy())))?;
    let path = stage.path().join(DATABASE);
    // Made here for the mode: SQLite takes an empty file for none.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(file(&path))?;
    let live = read_connection(&live_path).map_err(database(&live_path))?;
    live.execute("VACUUM INTO ?1", [path.to_string_lossy()]).map_err(database(&live_path))?;
    let copy = write_copy(&path).map_err(database(&path))?;
    check(&copy, &live_path)?;
    let mut copied = counted(&copy).map_err(database(&path))?;
    for (id, octets, _) in items(&copy).map_err(database(&path))? {
        if copy_octets(data, stage.path(), &id, octets)? {
            continue;
        }
        // Deleted since, as it may be, or lost before: in both cases nobody can read it.
        if named(&live, &id).map_err(database(&live_path))? {
            copied.lost.push(id.clone());
        }
        copy.execute("DELETE FROM content_item WHERE id = ?1", [id.as_str()]).map_err(database(&path))?;
        copied.content = copied.content.saturating_sub(1);
    }
    copy.close().map_err(|(_, cause)| database(&path)(cause))?;
    File::open(&path).and_then(|written| written.sync_all()).map_err(file(&path))?;
    if let Some(key) = key {
        write_key(&stage.path().join(KEY), &read_key(key)?)?;
    }
    sync_tree(stage.path())?;
    // A folder that came meanwhile and is not empty is not replaced by this.
    fs::rename(stage.path(), folder).map_err(file(folder))?;
    stage.keep();
    sync(parent)?;
    Ok(copied)
}

/// Makes a data folder, for its owner alone, unless it is there.
pub fn make_data(data: &Path) -> Result<(), BackupError> {
    if data.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(file(data))
}

/// Puts the backup in `folder` into this data folder, and its key, if it has one, at `key`. No node may run on
/// the data folder; it is made if it is missing. Only with `replace` does the backup take the place of another
/// store or another key.
pub fn restore(folder: &Path, data: &Path, key: &Path, replace: bool) -> Done<Copied> {
    let source = folder.join(DATABASE);
    if !source.is_file() {
        return Err(BackupError::NoStore(folder.to_owned()));
    }
    make_data(data)?;
    let _lock = ServeLock::take(data)?;
    let log = folder.join(format!("{DATABASE}-wal"));
    if log.exists() {
        let what = "a log lies beside it: this is the folder of a node, and no backup".to_owned();
        return Err(BackupError::Damaged { path: source, what });
    }
    let target = data.join(DATABASE);
    if target.exists() && !replace {
        return Err(BackupError::Occupied(data.to_owned()));
    }
    let stage = data.join(STAGE);
    // Left by one that was cut off; nobody else is here.
    match fs::remove_dir_all(&stage) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(file(&stage)(cause)),
        _ => {}
    }
    let stage = Stage::make(stage)?;
    let path = stage.path().join(DATABASE);
    copy_file(&source, &path)?;
    let mut copy = write_copy(&path).map_err(database(&path))?;
    check(&copy, &source)?;
    schema::migrate(&mut copy, None, wall_clock()).map_err(|error| told(&source, error))?;
    let new_key = key_for(folder, key, replace)?;
    let sealer = match &new_key {
        Some(octets) => Sealer::from_key(octets)?,
        None => Sealer::read(key)?,
    };
    let opens = opens(&copy, &sealer).map_err(database(&source))?;
    if !opens {
        return Err(BackupError::WrongKey(if new_key.is_some() { folder.join(KEY) } else { key.to_owned() }));
    }
    for (id, octets, digest) in items(&copy).map_err(database(&source))? {
        let damaged = || BackupError::Content { path: folder.to_owned(), id: id.clone() };
        if !copy_octets(folder, stage.path(), &id, octets)? {
            return Err(damaged());
        }
        let written = content::path(&stage.path().join(CONTENT), &id);
        if *Sha256::digest(fs::read(&written).map_err(file(&written))?) != *digest {
            return Err(damaged());
        }
    }
    become_another(&copy).map_err(database(&path))?;
    let copied = counted(&copy).map_err(database(&path))?;
    copy.close().map_err(|(_, cause)| database(&path)(cause))?;
    File::open(&path).and_then(|written| written.sync_all()).map_err(file(&path))?;
    sync_tree(stage.path())?;
    if let Some(octets) = new_key {
        let beside = stage.path().join(KEY);
        write_key(&beside, &octets)?;
        move_key(&beside, key)?;
    }
    let (old, new) = (data.join(CONTENT), stage.path().join(CONTENT));
    if old.is_dir() {
        fs::remove_dir_all(&old).map_err(file(&old))?;
    }
    if new.is_dir() {
        fs::rename(&new, &old).map_err(file(&old))?;
    }
    // A log of the old store must never be found beside the new one.
    for suffix in ["-wal", "-shm", "-journal"] {
        let log = data.join(format!("{DATABASE}{suffix}"));
        match fs::remove_file(&log) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(file(&log)(cause)),
            _ => {}
        }
    }
    sync(data)?;
    fs::rename(&path, &target).map_err(file(&target))?;
    sync(data)?;
    Ok(copied)
}

fn told(source: &Path, error: SchemaError) -> BackupError {
    OpenError::of_schema(source, error).into()
}

/// A copy is a plain file without a log.
fn write_copy(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    common(&connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// `of`: the file that is told of.
fn check(connection: &Connection, of: &Path) -> Done<()> {
    let damaged = |what: String| BackupError::Damaged { path: of.to_owned(), what };
    let found = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
        .map_err(|error| damaged(error.to_string()))?;
    if found == "ok" { Ok(()) } else { Err(damaged(found)) }
}

fn counted(connection: &Connection) -> rusqlite::Result<Copied> {
    let count = |sql: &str| {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok::<_, rusqlite::Error>(u64::try_from(count).unwrap_or(0))
    };
    Ok(Copied {
        accounts: count("SELECT count(*) FROM account WHERE removed = 0")?,
        mailbox: count("SELECT count(*) FROM mailbox")?,
        outbox: count("SELECT count(*) FROM outbox")?,
        content: count("SELECT count(*) FROM content_item")?,
        lost: Vec::new(),
    })
}

/// Shared content: id, octets, digest. As many as there are; each is a name and a digest.
fn items(connection: &Connection) -> rusqlite::Result<Vec<(ContentId, u64, Vec<u8>)>> {
    let sql = "SELECT id, octets, sha256 FROM content_item ORDER BY id";
    super::rows::many(connection, sql, [], |row| {
        let mut columns = super::rows::Columns::of(row);
        Ok((columns.parsed()?, columns.count()?, columns.get()?))
    })
}

fn named(connection: &Connection, id: &ContentId) -> rusqlite::Result<bool> {
    Ok(one(connection, "SELECT 1 FROM content_item WHERE id = ?1", [id.as_str()], |_| Ok(()))?.is_some())
}

/// Copies the octets of an item from one store to another; `false`: they are not there, or not as many.
fn copy_octets(from: &Path, to: &Path, id: &ContentId, octets: u64) -> Done<bool> {
    let (from, to) = (content::path(&from.join(CONTENT), id), content::path(&to.join(CONTENT), id));
    match fs::metadata(&from) {
        Ok(found) if found.len() == octets => {}
        Ok(_) => return Ok(false),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(file(&from)(cause)),
    }
    if let Some(below) = to.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(below).map_err(file(below))?;
    }
    match copy_file(&from, &to) {
        Ok(()) => Ok(true),
        // It went between the look and the copy.
        Err(BackupError::Open(OpenError::File { cause, .. })) if cause.kind() == io::ErrorKind::NotFound => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Copies a file for its owner alone, to the disk.
fn copy_file(from: &Path, to: &Path) -> Done<()> {
    let mut source = File::open(from).map_err(file(from))?;
    let mut target =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(file(to))?;
    io::copy(&mut source, &mut target).map_err(file(to))?;
    target.sync_all().map_err(file(to))
}

type Key = zeroize::Zeroizing<[u8; KEY_OCTETS]>;

fn read_key(path: &Path) -> Done<Key> {
    let mut octets = zeroize::Zeroizing::new(Vec::with_capacity(KEY_OCTETS_READ));
    let limit = u64::try_from(KEY_OCTETS_READ).unwrap_or(u64::MAX);
    File::open(path).map_err(file(path))?.take(limit).read_to_end(&mut octets).map_err(file(path))?;
    let key = <[u8; KEY_OCTETS]>::try_from(octets.as_slice())
        .map_err(|_| SealError::Length { path: path.to_owned(), found: octets.len() })?;
    Ok(zeroize::Zeroizing::new(key))
}

fn write_key(path: &Path, key: &Key) -> Done<()> {
    let mut target =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(file(path))?;
    target.write_all(&**key).and_then(|()| target.sync_all()).map_err(file(path))
}

/// The key that has to be put at `key`; `None`: the right one is there.
fn key_for(folder: &Path, key: &Path, replace: bool) -> Done<Option<Key>> {
    let in_backup = folder.join(KEY);
    match (in_backup.exists(), key.exists()) {
        (false, false) => Err(BackupError::NoKey(key.to_owned())),
        (false, true) => Ok(None),
        (true, false) => read_key(&in_backup).map(Some),
        (true, true) => {
            let octets = read_key(&in_backup)?;
            match read_key(key) {
                Ok(present) if *present == *octets => Ok(None),
                _ if replace => Ok(Some(octets)),
                _ => Err(BackupError::OtherKey(key.to_owned())),
            }
        }
    }
}

/// The key may lie on another disk than the data.
fn move_key(from: &Path, to: &Path) -> Done<()> {
    if fs::rename(from, to).is_err() {
        let mut beside = to.as_os_str().to_owned();
        beside.push(".unfinished");
        let beside = PathBuf::from(beside);
        copy_file(from, &beside)?;
        fs::rename(&beside, to).map_err(file(to))?;
        fs::remove_file(from).map_err(file(from))?;
    }
    sync(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Whether the key opens the password of the first account that has one.
fn opens(connection: &Connection, sealer: &Sealer) -> rusqlite::Result<bool> {
    let sql = "SELECT address, sealed_password FROM account WHERE sealed_password <> x'' LIMIT 1";
    let found = one(connection, sql, [], |row| {
        let mut columns = super::rows::Columns::of(row);
        Ok((columns.parsed()?, columns.get()?))
    })?;
    let found: Option<(UserId, Vec<u8>)> = found;
    Ok(found.is_none_or(|(user, sealed)| sealer.unseal(&user, &sealed).is_ok()))
}

/// What was restored is not the store that was copied, which has gone on since.
fn become_another(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "BEGIN;
         UPDATE meta SET value = lower(hex(randomblob(6))) WHERE name = 'instance';
         -- The node ends them when it starts, with all that hangs on them.
         UPDATE csp_session SET last_active = 0;
         DELETE FROM ssp_session;
         COMMIT;",
    )
}

/// What was made or renamed in a folder is on disk.
fn sync(folder: &Path) -> Done<()> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(file(folder))
}

/// The names of all files in a backup are on disk.
fn sync_tree(folder: &Path) -> Done<()> {
    let content = folder.join(CONTENT);
    if content.is_dir() {
        for below in fs::read_dir(&content).map_err(file(&content))? {
            sync(&below.map_err(file(&content))?.path())?;
        }
        sync(&content)?;
    }
    sync(folder)
}
