//! The one connection that writes, and its group commit.
//!
//! Whatever waits is carried out in one transaction, and every asker is answered after its commit: the
//! disk is asked once for up to [`BATCH_OPERATIONS_MAX`] operations. An asker on an idle store is served
//! at once; under load a batch fills while the disk works on the one before, and is then given a moment
//! more ([`CROWD_LINGER`]). What nobody waits for, such as the end of an outbox row, does not ask the disk
//! on its own account: it joins the next commit, or makes one after [`UNASKED_LINGER`].
//!
//! Operations are first run plainly, one after the other. Only if one of them fails is everything
//! rolled back and run again with a savepoint around each, so that the failing ones fail alone
//! (decisions.md 22): savepoints make SQLite copy every page that an operation touches, which would be
//! paid for by all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Result};
use tokio::sync::oneshot;

use super::changes::{Changes, Limits, Numbers};
use super::memory::Memory;
use super::trouble::Trouble;
use crate::relay::events::Events;
use crate::relay::ports::{Change, Outcome, StoreError};

/// Operations of one commit.
const BATCH_OPERATIONS_MAX: usize = 256;
/// Octets of bodies after which a batch is closed.
const BATCH_OCTETS_MAX: usize = 8 * 1024 * 1024;
/// What an entry of a contact, block or grant list weighs, for the same bound.
const LISTS_ENTRY_OCTETS: usize = 256;
/// How long operations that nobody waits for are held back for company.
const UNASKED_LINGER: Duration = Duration::from_millis(10);
/// How long a batch is kept open for more while many ask.
const CROWD_LINGER: Duration = Duration::from_micros(300);
/// So many operations in the last batch are many.
const CROWD: usize = 8;
/// Operations that nobody waits for and that failed with everything else are kept for another try, so many
/// at most.
const OWED_MAX: usize = 65_536;
/// Octets that are written and removed again to learn whether a disk that failed takes something: a commit
/// of some size.
const PROBE_OCTETS: u32 = 65_536;
/// How long an idle writer sleeps before it looks whether another process has written.
const LOOK_ROUND: Duration = Duration::from_millis(250);

/// What became of one operation.
pub(super) type Answer = std::result::Result<Vec<Outcome>, StoreError>;

/// Changes that belong together, and who asked for them.
pub(super) struct Operation {
    pub(super) changes: Vec<Change>,
    /// Of the bodies inside, see [`octets`].
    pub(super) octets: usize,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// What the writer thread is told.
pub(super) enum Job {
    Commit(Operation),
    Close,
}

/// What was handed to the writer and is not answered yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) operations: AtomicUsize,
    pub(super) octets: AtomicUsize,
}

/// Which part of a batch failed.
enum Failure {
    /// One operation; the transaction stands.
    Operation(rusqlite::Error),
    /// The transaction.
    Batch(rusqlite::Error),
}

/// Owns the writing connection.
pub(super) struct Writer {
    connection: Connection,
    changes: Changes,
    memory: Arc<Memory>,
    events: Arc<dyn Events>,
    trouble: Trouble,
    /// `PRAGMA data_version` when last looked at: changes when another process commits.
    data_version: i64,
    /// What nobody waits for and could not be carried out yet: the promise may be dropped, the changes
    /// happen all the same.
    owed: Vec<Operation>,
    /// Whether the last commit failed, so that a full disk is logged once and not a thousand times a second.
    failing: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        limits: Limits,
        numbers: Numbers,
        memory: Arc<Memory>,
        events: Arc<dyn Events>,
        trouble: Trouble,
    ) -> Self {
        Self {
            connection,
            changes: Changes::new(limits, numbers),
            memory,
            events,
            trouble,
            data_version: 0,
            owed: Vec::new(),
            failing: false,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection, for a writer that remembers nothing.
    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Whether a batch is due although nobody asks: pages are still to be forgotten.
    pub(super) fn has_chores(&self) -> bool {
        self.changes.is_forgetting()
    }

    /// Carries out operations in one commit; one answer for each.
    pub(super) fn run(&mut self, batch: &[&[Change]]) -> Vec<Answer> {
        let started = Instant::now();
        let answers = match self.attempt(batch, false) {
            Err(Failure::Operation(error)) if batch.len() > 1 && !is_of_the_disk(&error) => {
                self.roll_back();
                self.attempt(batch, true)
            }
            done => done,
        };
        let answers = match answers {
            Ok(answers) => {
                self.events.store_commit(started.elapsed());
                tracing::trace!(operations = batch.len(), took = ?started.elapsed(), "committed");
                self.wrote();
                answers
            }
            Err(failure) => {
                let of_the_batch = matches!(failure, Failure::Batch(_));
                let (Failure::Operation(error) | Failure::Batch(error)) = failure;
                self.roll_back();
                if of_the_batch || is_of_the_disk(&error) {
                    self.failed(&error);
                } else {
                    tracing::error!(%error, "an operation failed");
                }
                let error = StoreError::Failed(error.to_string());
                batch.iter().map(|_| Err(error.clone())).collect()
            }
        };
        self.memory.forget(&self.changes.take_touched());
        answers
    }

    fn attempt(&mut self, batch: &[&[Change]], apart: bool) -> std::result::Result<Vec<Answer>, Failure> {
        let whole = Failure::Batch;
        self.trouble.befall(&mut self.connection).map_err(whole)?;
        self.connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut s| s.execute([])).map_err(whole)?;
        self.look_round().map_err(whole)?;
        let all = batch.iter().copied().flatten();
        self.changes.prepare(&self.connection, all).map_err(whole)?;
        self.changes.forget_page(&self.connection).map_err(whole)?;
        let mut answers = Vec::with_capacity(batch.len());
        for changes in batch {
            let answer = if apart {
                self.apply_apart(changes)?
            } else {
                Ok(self.changes.apply(&self.connection, changes).map_err(Failure::Operation)?)
            };
            answers.push(answer);
        }
        self.connection.prepare_cached("COMMIT").and_then(|mut s| s.execute([])).map_err(whole)?;
        self.changes.committed();
        Ok(answers)
    }

    /// Carries out one operation in a savepoint: if it fails, it fails alone.
    fn apply_apart(&mut self, changes: &[Change]) -> std::result::Result<Answer, Failure> {
        let savepoint = |sql: &str| self.connection.execute_batch(sql).map_err(Failure::Batch);
        savepoint("SAVEPOINT operation")?;
        let error = match self.changes.apply(&self.connection, changes) {
            Ok(outcomes) => {
                savepoint("RELEASE operation")?;
                return Ok(Ok(outcomes));
            }
            Err(error) => error,
        };
        // Some errors have already ended the whole transaction, others would meet the next operation too.
        if self.connection.is_autocommit() || is_of_the_disk(&error) {
            return Err(Failure::Batch(error));
        }
        savepoint("ROLLBACK TO operation; RELEASE operation")?;
        self.changes.recount();
        tracing::error!(%error, "an operation failed; the others of its commit are kept");
        Ok(Err(StoreError::Failed(error.to_string())))
    }

    fn roll_back(&mut self) {
        self.changes.rolled_back();
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "the store could not roll back");
        }
    }

    /// A commit failed. The log and readiness are told when it is the first one.
    fn failed(&mut self, error: &rusqlite::Error) {
        self.events.store_commit_failed();
        if self.failing {
            tracing::debug!(%error, "the store failed again");
        } else {
            self.failing = true;
            self.events.store_writes(false);
            tracing::error!(%error, "the store failed: nothing is accepted until it writes again");
        }
    }

    /// A commit is on disk.
    fn wrote(&mut self) {
        if self.failing {
            self.failing = false;
            self.events.store_writes(true);
            tracing::info!("the store writes again");
        }
    }

    /// Learns whether a store that failed writes again, for whoever asks by readiness sends nothing meanwhile.
    /// Needs room like others: a key that nothing else has is kept, and removed again.
    pub(super) fn probe(&mut self) {
        if !self.failing {
            return;
        }
        let keep = "INSERT OR REPLACE INTO seen (key, until) VALUES (zeroblob(?1), 0)";
        let remove = "DELETE FROM seen WHERE key = zeroblob(?1)";
        let mut written = || {
            self.trouble.befall(&mut self.connection)?;
            self.connection.execute(keep, [PROBE_OCTETS])?;
            self.connection.execute(remove, [PROBE_OCTETS])
        };
        match written() {
            Ok(_) => self.wrote(),
            Err(error) => tracing::debug!(%error, "the store does not write yet"),
        }
    }

    /// Forgets what was remembered if another process has written since.
    fn look_round(&mut self) -> Result<()> {
        let version =
            self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if version != self.data_version {
            self.data_version = version;
            self.changes.recount();
            self.memory.clear();
        }
        Ok(())
    }

    /// Serves until told to close, or until nobody can ask any more.
    pub(super) fn serve(mut self, inbox: &Receiver<Job>, waiting: &Waiting) {
        let mut closing = false;
        let mut last_batch = 0;
        while !closing {
            let patience = if self.has_chores() { Duration::ZERO } else { LOOK_ROUND };
            let mut job = match inbox.recv_timeout(patience) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if self.has_chores() => None,
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(error) = self.look_round() {
                        tracing::debug!(%error, "could not look for changes by others");
                    }
                    self.serve_batch(Vec::new(), 0, waiting);
                    self.probe();
                    continue;
                }
            };
            let mut batch: Vec<Operation> = Vec::new();
            let mut octets = 0;
            let begin = Instant::now();
            loop {
                match job.take() {
                    Some(Job::Commit(operation)) => {
                        octets += operation.octets;
                        batch.push(operation);
                    }
                    Some(Job::Close) => closing = true,
                    None => {}
                }
                if closing || batch.len() >= BATCH_OPERATIONS_MAX || octets >= BATCH_OCTETS_MAX {
                    break;
                }
                if let Ok(next) = inbox.try_recv() {
                    job = Some(next);
                    continue;
                }
                let linger = if batch.is_empty() {
                    Duration::ZERO
                } else if batch.iter().all(|operation| operation.reply.is_closed()) {
                    UNASKED_LINGER
                } else if last_batch >= CROWD {
                    CROWD_LINGER
                } else {
                    Duration::ZERO
                };
                let left = linger.saturating_sub(begin.elapsed());
                if left.is_zero() {
                    break;
                }
                job = inbox.recv_timeout(left).ok();
            }
            last_batch = batch.len();
            self.serve_batch(batch, octets, waiting);
        }
        // What was handed in before the end is still carried out.
        while let Ok(job) = inbox.try_recv() {
            if let Job::Commit(operation) = job {
                let octets = operation.octets;
                self.serve_batch(vec![operation], octets, waiting);
            }
        }
    }

    pub(super) fn serve_batch(&mut self, fresh: Vec<Operation>, octets: usize, waiting: &Waiting) {
        if fresh.is_empty() && self.owed.is_empty() && !self.has_chores() {
            return;
        }
        let asked = fresh.len();
        let mut batch = std::mem::take(&mut self.owed);
        batch.extend(fresh);
        let changes: Vec<&[Change]> = batch.iter().map(|operation| operation.changes.as_slice()).collect();
        let answers = self.run(&changes);
        waiting.operations.fetch_sub(asked, Ordering::Relaxed);
        waiting.octets.fetch_sub(octets, Ordering::Relaxed);
        // One that fails where others do not would fail for ever.
        let nothing_done = answers.iter().all(Result::is_err);
        for (operation, answer) in batch.into_iter().zip(answers) {
            if answer.is_err() && operation.reply.is_closed() {
                if nothing_done && self.owed.len() < OWED_MAX {
                    self.owed.push(operation);
                } else {
                    tracing::error!("changes that nobody waits for could not be stored and are given up");
                }
                continue;
            }
            // Nobody may be there any more to hear it.
            let _ = operation.reply.send(answer);
        }
    }
}

/// Whether everybody meets this error, and not only whoever asked for this operation.
fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::NotADatabase
                | ErrorCode::OutOfMemory
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
        )
    )
}

/// Octets of the bodies in these changes, for the bound on what waits.
pub(super) fn octets(changes: &[Change]) -> usize {
    changes.iter().map(body).sum()
}

fn body(change: &Change) -> usize {
    match change {
        Change::Deliver { mail, .. } => mail.body.len(),
        Change::Send(outgoing) => outgoing.body.len(),
        Change::ReplaceOutgoing { by, .. } => by.body.len(),
        Change::Keep(stored) => stored.outgoing.body.len(),
        Change::PutCspSession(record) => record.capabilities.len(),
        Change::Group(change) => change.entries() * LISTS_ENTRY_OCTETS,
        Change::Lists(change) => change.entries() * LISTS_ENTRY_OCTETS,
        Change::Then(inner) => body(inner),
        _ => 0,
    }
}
