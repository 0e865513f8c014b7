//! The embedded store: one SQLite file, one writing thread, a few reading ones.
//!
//! ```text
//!  commit ──▶ bounded inbox ──▶ writer ── BEGIN … up to 256 operations … COMMIT ──▶ answers
//!  ask    ──▶ memory of accounts, or bounded inbox ──▶ readers (read-only connections)
//! ```
//! Write-ahead log with `synchronous=FULL`: a commit that was answered survives `kill -9` and power
//! loss. Other processes (`causeway user add`) may open the same store beside a running node; only
//! nodes exclude each other, by [`ServeLock`].

mod accounts;
pub mod backup;
mod bounded;
mod changes;
mod common;
mod content;
mod erase;
mod folding;
mod groups;
mod history;
mod inline;
mod lists;
mod lock;
mod memory;
mod operators;
mod presence;
mod questions;
mod readers;
mod rows;
mod schema;
mod services;
mod system;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

use std::fs::{DirBuilder, OpenOptions};
use std::future::ready;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fmt, io};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::oneshot;

use self::changes::{Limits, Numbers};
use self::content::Octets;
use self::folding::Folding;
use self::inline::Inline;
use self::memory::Memory;
use self::readers::Readers;
use self::schema::SchemaError;
use self::writer::{Job, Operation, Waiting, Writer};
use crate::element::im::StoredMail;
use crate::element::im::hosted::Manner;
use crate::imps::{Domain, MessageId, Moment, SessionId, UserId};
use crate::relay::events::{Events, Silent};
use crate::relay::ports::{
    Account, Change, Excerpt, Outcome, Promise, QueueSummary, SeenKey, Sent, Store, StoreError,
    StoredOutgoing, Suspension,
};
use crate::session::{csp, ssp};

pub use self::inline::{Batch, Disk};
pub use self::lock::ServeLock;
pub use self::trouble::{Ailment, Trouble};

/// Name of the database in the data folder.
pub const DATABASE: &str = "causeway.db";
/// Reading threads.
const READERS: usize = 2;
/// How long another process may hold the database before we give up.
const BUSY: Duration = Duration::from_secs(5);

/// Where the store lies, and how much it takes.
#[derive(Clone)]
pub struct Settings {
    /// The data folder; made with mode 0700 if it is missing. The database in it is [`DATABASE`].
    pub data: PathBuf,
    /// Messages and reports that may wait in one mailbox. Default: 10 000.
    pub mailbox_messages_max: u64,
    /// Octets of their bodies. Default: 64 MiB.
    pub mailbox_octets_max: u64,
    /// Octets of bodies that may wait for one peer. Default: 1 GiB.
    pub queue_bytes_per_peer: u64,
    /// Octets of those that one of our users has written. Default: 64 MiB.
    pub queue_bytes_per_user: u64,
    /// Operations, and questions, that may wait to be carried out. Default: 8192.
    pub waiting_operations_max: usize,
    /// Octets of bodies that may wait to be written. Default: 64 MiB.
    pub waiting_octets_max: usize,
    /// Is told how long commits take, and when they fail.
    pub events: Arc<dyn Events>,
    /// Makes the disk bad, for those who try how that is borne.
    pub trouble: Trouble,
}

impl Settings {
    /// A store in this folder, with every default.
    pub fn at(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            mailbox_messages_max: 10_000,
            mailbox_octets_max: 64 * 1024 * 1024,
            queue_bytes_per_peer: 1024 * 1024 * 1024,
            queue_bytes_per_user: 64 * 1024 * 1024,
            waiting_operations_max: 8192,
            waiting_octets_max: 64 * 1024 * 1024,
            events: Arc::new(Silent),
            trouble: Trouble::default(),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            mailbox_messages: self.mailbox_messages_max,
            mailbox_octets: self.mailbox_octets_max,
            queue_octets: self.queue_bytes_per_peer,
            share_octets: self.queue_bytes_per_user,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("data", &self.data).finish_non_exhaustive()
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it could not be made or opened.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The database could not be opened or brought up to date.
    #[error("{}: {cause}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// What SQLite said.
        cause: rusqlite::Error,
    },
    /// A newer program has written this store.
    #[error(
        "{}: written by a newer version (schema {found}, this one knows {known}): run that version",
        path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Schema of the store.
        found: i64,
        /// Schema of this program.
        known: i64,
    },
    /// The file is the database of some other program.
    #[error("{}: is the database of another program", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// The tables were made by a program that is not this one nor an older one.
    #[error("{}: schema step {step} differs from the one this program knows", path.display())]
    Altered {
        /// Which.
        path: PathBuf,
        /// Which step.
        step: i64,
    },
    /// Another node runs on this store.
    #[error("{}: another node is running on this data folder", data.display())]
    InUse {
        /// The data folder.
        data: PathBuf,
    },
}

impl OpenError {
    fn of_schema(path: &Path, error: SchemaError) -> Self {
        let path = path.to_owned();
        match error {
            SchemaError::Newer { found, known } => Self::Newer { path, found, known },
            SchemaError::Foreign => Self::Foreign { path },
            SchemaError::Altered(step) => Self::Altered { path, step },
            SchemaError::Database(cause) => Self::Database { path, cause },
        }
    }
}

/// A store in an SQLite file, or in memory for tests and simulations.
pub struct Sqlite {
    engine: Engine,
    instance: Box<str>,
    /// The octets of shared content.
    octets: Arc<Octets>,
}

enum Engine {
    Threads(Threads),
    /// In memory.
    Inline(Arc<Inline>),
}

struct Threads {
    inbox: SyncSender<Job>,
    waiting: Arc<Waiting>,
    waiting_octets_max: usize,
    /// The writer, and who folds its log.
    writer: Mutex<Option<(JoinHandle<()>, Folding)>>,
    readers: Readers,
    memory: Arc<Memory>,
    numbers: Numbers,
}

impl Sqlite {
    /// Opens the store, and makes or migrates it first where needed.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let data = &settings.data;
        let file = |path: &Path| {
            let path = path.to_owned();
            move |cause| OpenError::File { path, cause }
        };
        if !data.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(file(data))?;
        }
        let path = data.join(DATABASE);
        // Made here rather than by SQLite, for the mode; its companions take it over.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(OpenError::File { path, cause }),
        }
        let database = |cause| OpenError::Database { path: path.clone(), cause };

        let mut connection = patiently(|| write_connection(&path)).map_err(database)?;
        patiently(|| {
            schema::migrate(&mut connection, None, wall_clock()).map_or_else(
                |error| if let SchemaError::Database(error) = error { Err(error) } else { Ok(Err(error)) },
                |()| Ok(Ok(())),
            )
        })
        .map_err(database)?
        .map_err(|error| OpenError::of_schema(&path, error))?;
        let instance = instance(&connection).map_err(database)?;
        let connections = (0..READERS)
            .map(|_| patiently(|| read_connection(&path)))
            .collect::<Result<_, _>>()
            .map_err(database)?;

        let own = patiently(|| write_connection(&path)).map_err(database)?;
        let folding = Folding::start(&mut connection, own).map_err(file(&path))?;
        let memory = Arc::new(Memory::new());
        let numbers = Numbers::default();
        let writer = Writer::new(
            connection,
            settings.limits(),
            numbers.clone(),
            Arc::clone(&memory),
            Arc::clone(&settings.events),
            settings.trouble.clone(),
        );
        let readers = Readers::start(connections, settings.waiting_operations_max).map_err(file(&path))?;
        let (inbox, jobs) = sync_channel(settings.waiting_operations_max);
        let waiting = Arc::new(Waiting::default());
        let writer = thread::Builder::new()
            .name("store-write".to_owned())
            .spawn({
                let waiting = Arc::clone(&waiting);
                move || writer.serve(&jobs, &waiting)
            })
            .map_err(file(&path))?;
        let waiting_octets_max = settings.waiting_octets_max;
        let writer = Mutex::new(Some((writer, folding)));
        let threads = Threads { inbox, waiting, waiting_octets_max, writer, readers, memory, numbers };
        let octets = Arc::new(Octets::beside(data));
        Ok(Self { engine: Engine::Threads(threads), instance, octets })
    }

    /// A store in memory with every default, named `memory`; everything happens on the thread of whoever calls.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::in_memory_with(&Settings::at(":memory:"), "memory")
    }

    /// A store in memory with these limits and this [`Store::instance`].
    pub fn in_memory_with(settings: &Settings, instance: &str) -> Result<Self, OpenError> {
        let path = || settings.data.clone();
        let connection = Connection::open_in_memory().and_then(|mut connection| {
            common(&connection)?;
            match schema::migrate(&mut connection, Some(instance), Moment::default()) {
                Err(SchemaError::Database(error)) => Err(error),
                _ => Ok(connection),
            }
        });
        let connection = connection.map_err(|cause| OpenError::Database { path: path(), cause })?;
        let inline = Inline::new(connection, settings, Box::new(inline::Instant));
        let octets = Arc::new(Octets::in_memory());
        Ok(Self { engine: Engine::Inline(inline), instance: instance.into(), octets })
    }

    /// What the next process finds: the same database, which this store gives up; it is closed from now
    /// on, and commits that were not kept yet are lost. For stores in memory; `None` for others, and if
    /// there is a successor already.
    pub fn succeeded(&self, disk: Box<dyn Disk>) -> Option<Self> {
        match &self.engine {
            Engine::Inline(inline) => {
                let engine = Engine::Inline(inline.succeeded(disk)?);
                Some(Self { engine, instance: self.instance.clone(), octets: Arc::clone(&self.octets) })
            }
            Engine::Threads(_) => None,
        }
    }

    /// Carries out what was handed in, folds the log into the database and closes it. Blocks until that
    /// is done; later calls are answered [`StoreError::Closed`]. Dropping does the same.
    pub fn close(&self) {
        let Engine::Threads(threads) = &self.engine else { return };
        threads.readers.close();
        let writer = threads.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((writer, folding)) = writer {
            let _ = threads.inbox.send(Job::Close);
            let _ = writer.join();
            folding.end();
        }
    }

    /// Asks a question.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Promise<T> {
        let failed = |error: rusqlite::Error| StoreError::Failed(error.to_string());
        match &self.engine {
            Engine::Threads(threads) => {
                let (reply, answer) = oneshot::channel();
                let asked = threads.readers.ask(Box::new(move |connection| {
                    if !reply.is_closed() {
                        let _ = reply.send(question(connection).map_err(failed));
                    }
                }));
                match asked {
                    Ok(()) => Box::pin(async { answer.await.unwrap_or(Err(StoreError::Closed)) }),
                    Err(error) => Box::pin(ready(Err(error))),
                }
            }
            Engine::Inline(inline) => inline.ask(question),
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqlite({})", self.instance)
    }
}

impl Threads {
    fn commit(&self, changes: Vec<Change>) -> Result<oneshot::Receiver<writer::Answer>, StoreError> {
        let octets = writer::octets(&changes);
        let waiting = &self.waiting;
        let overloaded = || StoreError::Overloaded(waiting.operations.load(Ordering::Relaxed));
        let before = waiting.octets.fetch_add(octets, Ordering::Relaxed);
        if before > 0 && before.saturating_add(octets) > self.waiting_octets_max {
            waiting.octets.fetch_sub(octets, Ordering::Relaxed);
            return Err(overloaded());
        }
        waiting.operations.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let sent = self.inbox.try_send(Job::Commit(Operation { changes, octets, reply }));
        sent.map(|()| answer).map_err(|error| {
            waiting.operations.fetch_sub(1, Ordering::Relaxed);
            waiting.octets.fetch_sub(octets, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => overloaded(),
                TrySendError::Disconnected(_) => StoreError::Closed,
            }
        })
    }
}

impl Store for Sqlite {
    fn commit(&self, changes: Vec<Change>) -> Promise<Vec<Outcome>> {
        match &self.engine {
            _ if changes.is_empty() => Box::pin(ready(Ok(Vec::new()))),
            Engine::Threads(threads) => match threads.commit(changes) {
                Ok(answer) => Box::pin(async { answer.await.unwrap_or(Err(StoreError::Closed)) }),
                Err(error) => Box::pin(ready(Err(error))),
            },
            Engine::Inline(inline) => inline.commit(changes),
        }
    }

    fn accounts(&self, users: Vec<UserId>) -> Promise<Vec<Option<Account>>> {
        match &self.engine {
            Engine::Threads(threads) => {
                if let Some(accounts) = threads.memory.accounts.remembered(&users) {
                    return Box::pin(ready(Ok(accounts)));
                }
                let memory = Arc::clone(&threads.memory);
                self.ask(move |connection| memory.accounts.load(connection, &users))
            }
            Engine::Inline(_) => self.ask(move |connection| accounts::read(connection, &users)),
        }
    }

    fn account_now(&self, user: UserId) -> Promise<Option<Account>> {
        let remembering = match &self.engine {
            Engine::Threads(threads) => Some(Arc::clone(&threads.memory)),
            Engine::Inline(_) => None,
        };
        self.ask(move |connection| {
            let users = [user];
            let found = match remembering {
                Some(memory) => memory.accounts.load(connection, &users)?,
                None => accounts::read(connection, &users)?,
            };
            Ok(found.into_iter().next().flatten())
        })
    }

    fn all_accounts(&self) -> Promise<Vec<Account>> {
        self.ask(questions::all_accounts)
    }

    fn manners(&self) -> Promise<Vec<(UserId, Manner)>> {
        self.ask(questions::manners)
    }

    fn mailbox(
        &self,
        owner: UserId,
        reader: Option<SessionId>,
        after: i64,
        limit: usize,
    ) -> Promise<Vec<StoredMail>> {
        self.ask(move |connection| questions::mailbox(connection, &owner, reader.as_ref(), after, limit))
    }

    fn message(&self, owner: UserId, message_id: MessageId) -> Promise<Option<StoredMail>> {
        self.ask(move |connection| questions::message(connection, &owner, &message_id))
    }

    fn newest(&self, owner: UserId, limit: usize) -> Promise<(Vec<StoredMail>, u64)> {
        self.ask(move |connection| questions::newest(connection, &owner, limit))
    }

    fn expired_mail(&self, now: Moment, limit: usize) -> Promise<Vec<StoredMail>> {
        self.ask(move |connection| questions::expired_mail(connection, now, limit))
    }

    fn outbox(&self, own: Domain, peer: Domain, after: i64, limit: usize) -> Promise<Vec<StoredOutgoing>> {
        self.ask(move |connection| questions::outbox(connection, &own, &peer, after, limit))
    }

    fn outbox_excerpt(&self, own: Domain, peer: Domain, part: Excerpt) -> Promise<Vec<StoredOutgoing>> {
        self.ask(move |connection| questions::outbox_excerpt(connection, &own, &peer, &part))
    }

    fn expired_outgoing(&self, now: Moment, limit: usize) -> Promise<Vec<StoredOutgoing>> {
        self.ask(move |connection| questions::expired_outgoing(connection, now, limit))
    }

    fn queues(&self) -> Promise<Vec<QueueSummary>> {
        self.ask(questions::queues)
    }

    fn was_seen(&self, key: SeenKey) -> Promise<bool> {
        self.ask(move |connection| questions::was_seen(connection, &key))
    }

    fn expected(&self, message_id: MessageId, peer: Domain) -> Promise<Option<Sent>> {
        self.ask(move |connection| questions::expected(connection, &message_id, &peer))
    }

    fn csp_sessions(&self) -> Promise<Vec<csp::record::SessionRecord>> {
        self.ask(questions::csp_sessions)
    }

    fn links(&self) -> Promise<Vec<ssp::SessionRecord>> {
        self.ask(questions::links)
    }

    fn number(&self) -> Option<i64> {
        match &self.engine {
            Engine::Threads(threads) => threads.numbers.next(),
            Engine::Inline(inline) => inline.number(),
        }
    }

    fn instance(&self) -> &str {
        &self.instance
    }
}

/// The suspensions in the store of this data folder, which is neither made nor brought up to date for the
/// question. `None`: there is no store, or it is older than suspensions.
pub fn suspensions(data: &Path) -> Option<Vec<Suspension>> {
    let file = data.join(DATABASE);
    if !file.exists() {
        return None;
    }
    operators::suspensions(&read_connection(&file).ok()?).ok()
}

/// What holds for every connection.
fn common(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)
}

fn write_connection(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    common(&connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    // KiB; holds the hot ends of tables and indexes, the rest is in the system's cache. No more: whenever a
    // tree is balanced SQLite gives a page a number far behind the last, and then searches the whole cache
    // for such pages at the end of the commit.
    connection.pragma_update(None, "cache_size", -8192)?;
    // Never by itself, see `folding`; cut to 64 MiB if it ever outgrew that.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    Ok(connection)
}

fn read_connection(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    common(&connection)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    Ok(connection)
}

fn instance(connection: &Connection) -> rusqlite::Result<Box<str>> {
    connection.query_row("SELECT value FROM meta WHERE name = 'instance'", [], |row| row.get(0))
}

/// Repeats what fails because another process is at the database: some of the steps of opening are not
/// covered by SQLite's own waiting.
fn patiently<T>(mut step: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let started = Instant::now();
    loop {
        match step() {
            Err(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                ) && started.elapsed() < BUSY =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn wall_clock() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
