//! The store in memory: everything happens on the thread of whoever calls, for tests and simulations
//! (decisions.md 30).
//!
//! Left alone it carries out a commit at once. A [`Disk`] makes it behave like a real one: commits gather
//! in a batch and are answered together after a while, or fail together, and questions take their time.
//! What has gathered when the store is taken over by its successor is lost, as in a crash.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Settings;
use super::changes::Numbers;
use super::memory::Memory;
use super::writer::{Operation, Writer, octets};
use crate::relay::ports::{Change, Outcome, Promise, StoreError};

/// How the disk under a store in memory behaves. Durations need a tokio runtime around the store; zero
/// needs none.
pub trait Disk: Send + Sync {
    /// A batch of commits begins: after how long it is on disk, or that it fails then.
    fn batch(&self) -> Batch {
        Batch::Kept(Duration::ZERO)
    }

    /// How long a question takes. It is answered with what was there when it was asked.
    fn question(&self) -> Duration {
        Duration::ZERO
    }
}

/// The fate of a batch of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// On disk after this time.
    Kept(Duration),
    /// Failed after this time; nothing of it took effect.
    Failed(Duration),
}

/// A disk that takes no time and never fails.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Instant;

impl Disk for Instant {}

/// A store in memory.
pub(super) struct Inline {
    state: Mutex<State>,
    numbers: Numbers,
    disk: Box<dyn Disk>,
    settings: Settings,
}

struct State {
    /// `None` once a successor has taken it over.
    writer: Option<Writer>,
    /// The batch that gathers.
    batch: VecDeque<Operation>,
}

impl Inline {
    pub(super) fn new(connection: Connection, settings: &Settings, disk: Box<dyn Disk>) -> Arc<Self> {
        let memory = Arc::new(Memory::new());
        let numbers = Numbers::default();
        let events = Arc::clone(&settings.events);
        let trouble = settings.trouble.clone();
        let writer = Writer::new(connection, settings.limits(), numbers.clone(), memory, events, trouble);
        let state = State { writer: Some(writer), batch: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state), numbers, disk, settings: settings.clone() })
    }

    /// The next number that is set aside. A store that was taken over gives none.
    pub(super) fn number(&self) -> Option<i64> {
        let is_open = self.state().writer.is_some();
        is_open.then(|| self.numbers.next()).flatten()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same database under another disk; this one is closed. `None` if it is already.
    pub(super) fn succeeded(&self, disk: Box<dyn Disk>) -> Option<Arc<Self>> {
        let (writer, lost) = {
            let mut state = self.state();
            (state.writer.take()?, std::mem::take(&mut state.batch))
        };
        // Whoever waits for them hears that the store is closed.
        drop(lost);
        Some(Self::new(writer.into_connection(), &self.settings, disk))
    }

    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Promise<T> {
        let answer = match &self.state().writer {
            None => Err(StoreError::Closed),
            Some(writer) => {
                question(writer.connection()).map_err(|error| StoreError::Failed(error.to_string()))
            }
        };
        match self.disk.question() {
            Duration::ZERO => Box::pin(ready(answer)),
            time => Box::pin(async move {
                tokio::time::sleep(time).await;
                answer
            }),
        }
    }

    pub(super) fn commit(self: &Arc<Self>, changes: Vec<Change>) -> Promise<Vec<Outcome>> {
        let mut state = self.state();
        let State { writer, batch } = &mut *state;
        let Some(writer) = writer else { return Box::pin(ready(Err(StoreError::Closed))) };
        if batch.is_empty() {
            let (time, fails) = match self.disk.batch() {
                Batch::Kept(Duration::ZERO) => {
                    let answer = writer.run(&[&changes]).pop().unwrap_or(Err(StoreError::Closed));
                    while writer.has_chores() {
                        writer.run(&[]);
                    }
                    return Box::pin(ready(answer));
                }
                Batch::Kept(time) => (time, false),
                Batch::Failed(time) => (time, true),
            };
            self.flush_after(time, fails);
        }
        let (reply, answer) = oneshot::channel();
        batch.push_back(Operation { octets: octets(&changes), changes, reply });
        Box::pin(async { answer.await.unwrap_or(Err(StoreError::Closed)) })
    }

    fn flush_after(self: &Arc<Self>, time: Duration, fails: bool) {
        let store = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            store.flush(fails);
        });
    }

    /// The batch is on disk, or has failed. What nobody waits for is then tried again, as the writer with a
    /// thread of its own does.
    fn flush(self: &Arc<Self>, fails: bool) {
        let mut state = self.state();
        if fails {
            let batch = std::mem::take(&mut state.batch);
            let (owed, asked): (VecDeque<_>, VecDeque<_>) =
                batch.into_iter().partition(|operation| operation.reply.is_closed());
            if !owed.is_empty() {
                state.batch = owed;
                self.flush_after(Duration::from_millis(250), false);
            }
            drop(state);
            for operation in asked {
                let error = StoreError::Failed("the disk of the simulation is full".to_owned());
                // Nobody may be there any more to hear it.
                let _ = operation.reply.send(Err(error));
            }
            return;
        }
        let batch = std::mem::take(&mut state.batch);
        let Some(writer) = &mut state.writer else { return };
        let changes: Vec<&[Change]> = batch.iter().map(|operation| operation.changes.as_slice()).collect();
        let answers = writer.run(&changes);
        while writer.has_chores() {
            writer.run(&[]);
        }
        drop(state);
        for (operation, answer) in batch.into_iter().zip(answers) {
            // Nobody may be there any more to hear it.
            let _ = operation.reply.send(answer);
        }
    }
}
