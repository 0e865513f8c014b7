//! Cut-through: what goes on to a peer that is up is written only if the peer does not answer soon.
//!
//! Which rows are in that state is kept by [`crate::relay::unwritten`]; here are the waiting and the writing.
//! Whoever brought a message waits until it has left or is on disk, so that everything in hand is on disk or
//! answered before a node that is told to stop has drained.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::Sap;
use super::peer::Encoded;
use crate::imps::Domain;
use crate::relay::events::CutThrough;
use crate::relay::ports::{Change, Outcome, Outgoing, Promise, StoreError, StoredOutgoing};
use crate::relay::transit::Waiter;
use crate::relay::unwritten::{Left, Unwritten};

/// How long a row that cannot be written is kept in hand; then whoever brought it hears that it was not
/// accepted. As long as the answer of a peer is waited for.
const PATIENCE: Duration = crate::relay::outbox::ANSWER_WAIT;
/// How soon a write that failed is tried again.
const WRITE_AGAIN: Duration = Duration::from_millis(250);

/// The table that the node has.
pub(super) type Rows = Arc<Mutex<Unwritten<Hears>>>;

/// What became of a row that was not on disk.
#[derive(Debug)]
pub(super) enum Landed {
    /// It is on disk.
    Written,
    /// It has left, or was given up.
    Gone,
    /// It has left, and this is the answer for the one who waits for it.
    Answered(Waiter, Encoded),
    /// It could not be written and is as it was.
    Failed(StoreError),
}

/// Somebody who wants to hear of a row.
#[derive(Debug)]
pub(super) struct Hears {
    to: oneshot::Sender<Landed>,
    /// It gives the answer back.
    takes_answer: bool,
}

impl Hears {
    /// One who gives the answer back, if there is one.
    pub(super) fn answer() -> (Self, oneshot::Receiver<Landed>) {
        let (to, landed) = oneshot::channel();
        (Self { to, takes_answer: true }, landed)
    }

    fn tell(self, landed: Landed) {
        // Nobody may be there any more to hear it.
        let _ = self.to.send(landed);
    }
}

impl Sap {
    /// Messages and other rows that are on their way to peers and are not on disk.
    pub fn in_hand(&self) -> usize {
        self.unwritten().len()
    }

    pub(super) fn unwritten(&self) -> MutexGuard<'_, Unwritten<Hears>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers for rows that may leave before they are written; all or none.
    pub(super) fn numbers_unwritten<'a>(
        &self,
        rows: impl Iterator<Item = &'a Outgoing> + Clone,
    ) -> Option<Vec<i64>> {
        let now = self.now();
        if self.settings.cut_through.is_zero() || !self.unwritten_may_all_leave(rows.clone(), now) {
            return None;
        }
        rows.map(|_| self.store.number()).collect()
    }

    fn unwritten_may_all_leave<'a>(
        &self,
        rows: impl Iterator<Item = &'a Outgoing>,
        now: crate::imps::Moment,
    ) -> bool {
        let mut octets = 0_usize;
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return false;
        }
        let unwritten = self.unwritten();
        rows.all(|row| {
            octets = octets.saturating_add(row.body.len());
            row.replaces.is_none() && unwritten.admits(&row.peer, octets, now)
        })
    }

    /// Sends rows on that were put into the table; those that their exit does not take at once are written
    /// first.
    pub(super) async fn send_unwritten(&self, rows: Vec<StoredOutgoing>) -> Result<(), StoreError> {
        let mut by_link: BTreeMap<(Domain, Domain), Vec<StoredOutgoing>> = BTreeMap::new();
        for row in rows {
            by_link.entry((row.outgoing.own.clone(), row.outgoing.peer.clone())).or_default().push(row);
        }
        let mut left = Vec::new();
        for ((own, peer), rows) in by_link {
            let taken = match self.exits.get().and_then(|exits| exits.exit(&own, &peer)) {
                Some(exit) => exit.take(rows),
                None => Err(rows),
            };
            left.extend(taken.err().unwrap_or_default());
        }
        if !left.is_empty() {
            let numbers: Vec<i64> = left.iter().map(|row| row.row).collect();
            self.landed(&numbers).await?;
            self.offer(left);
        }
        Ok(())
    }

    /// Comes back when these rows have left or are on disk; writes those that are neither. An error means
    /// that some cannot be written.
    pub(super) async fn landed(&self, rows: &[i64]) -> Result<(), StoreError> {
        let begin = Instant::now();
        loop {
            let waits: Vec<_> = {
                let mut unwritten = self.unwritten();
                let held = rows.iter().filter(|row| unwritten.holds(**row)).copied().collect::<Vec<_>>();
                let wait = |row| {
                    let (to, landed) = oneshot::channel();
                    unwritten.wait(row, Hears { to, takes_answer: false }).is_ok().then_some(landed)
                };
                held.into_iter().filter_map(wait).collect()
            };
            if waits.is_empty() {
                return Ok(());
            }
            self.write(rows);
            let mut failed = None;
            for landed in waits {
                match landed.await {
                    Ok(Landed::Written | Landed::Gone | Landed::Answered(..)) => {}
                    Ok(Landed::Failed(error)) => failed = Some(error),
                    Err(_) => failed = Some(StoreError::Closed),
                }
            }
            match failed {
                None => return Ok(()),
                Some(error @ StoreError::Closed) => return Err(error),
                Some(error) if begin.elapsed() >= PATIENCE => return Err(error),
                Some(error) => debug!(%error, "what was late cannot be written; once more"),
            }
            sleep(WRITE_AGAIN).await;
        }
    }

    /// Writes those of the rows that are not on disk.
    pub(super) fn write(&self, rows: &[i64]) {
        let mut unwritten = self.unwritten();
        let (mut numbers, mut changes) = (Vec::new(), Vec::new());
        for row in rows.iter().filter_map(|row| unwritten.write(*row)) {
            self.events.cut_through(&row.outgoing.peer, CutThrough::Written);
            numbers.push(row.row);
            changes.push(Change::Keep(Box::new(row)));
        }
        if changes.is_empty() {
            return;
        }
        // Asked for under the lock: whoever finds the rows in writing commits behind this.
        let commit = self.store.commit(changes);
        drop(unwritten);
        let table = Arc::clone(&self.unwritten);
        tokio::spawn(async move {
            let written = commit.await.map(|_| ());
            tell(&table, &numbers, &written);
        });
    }

    /// Commits what is about a row. If the row is not on disk, it is written in the same commit.
    pub(super) fn commit_about(&self, row: i64, mut changes: Vec<Change>) -> Promise<Vec<Outcome>> {
        let mut unwritten = self.unwritten();
        let first = unwritten.write(row);
        if let Some(row) = &first {
            self.events.cut_through(&row.outgoing.peer, CutThrough::Written);
        }
        let Some(stored) = first.or_else(|| unwritten.write_with(row)) else {
            return self.store.commit(changes);
        };
        changes.insert(0, Change::Keep(Box::new(stored)));
        // Under the lock, as above.
        let commit = self.store.commit(changes);
        drop(unwritten);
        let table = Arc::clone(&self.unwritten);
        let (reply, answer) = oneshot::channel();
        tokio::spawn(async move {
            let done = commit.await;
            tell(&table, &[row], &done.as_ref().map(|_| ()).map_err(Clone::clone));
            // Mostly nobody asks.
            let _ = reply.send(done.map(|outcomes| outcomes.into_iter().skip(1).collect()));
        });
        Box::pin(async { answer.await.unwrap_or(Err(StoreError::Closed)) })
    }

    /// The row is done with: it goes from the disk, if it ever was there. An `answer` goes to whoever waits
    /// for it in hand; gives it back if that is nobody.
    pub(super) fn drop_row(
        &self,
        row: &StoredOutgoing,
        answer: Option<(Waiter, Encoded)>,
    ) -> Option<(Waiter, Encoded)> {
        let left = self.unwritten().leave(row.row);
        let hear = match left {
            Left::Unwritten(hear) => {
                self.events.cut_through(&row.outgoing.peer, CutThrough::Answered);
                hear
            }
            Left::Writing(hear) => {
                self.drop_stored(row.row);
                hear
            }
            Left::Stored => {
                self.drop_stored(row.row);
                return answer;
            }
        };
        let mut answer = answer;
        for hears in hear {
            match answer.take() {
                Some((waiter, encoded)) if hears.takes_answer => {
                    if let Err(Landed::Answered(waiter, encoded)) =
                        hears.to.send(Landed::Answered(waiter, encoded))
                    {
                        answer = Some((waiter, encoded));
                    }
                }
                kept => {
                    answer = kept;
                    hears.tell(Landed::Gone);
                }
            }
        }
        answer
    }

    fn drop_stored(&self, row: i64) {
        // Carried out though nobody waits for it.
        drop(self.store.commit(vec![Change::DropOutgoing { row }]));
    }

    /// Rows that can neither leave nor be written are given up: they were accepted by nobody.
    pub(super) fn give_up(&self, rows: &[StoredOutgoing], error: &StoreError) {
        for row in rows {
            warn!(row = row.row, peer = %row.outgoing.peer, %error, "neither answered nor written: not accepted");
            if let Some(exit) = self.exit(&row.outgoing) {
                exit.withdraw(row.row);
            }
            let hear = match self.unwritten().leave(row.row) {
                Left::Unwritten(hear) => hear,
                Left::Writing(hear) => {
                    self.drop_stored(row.row);
                    hear
                }
                Left::Stored => Vec::new(),
            };
            for hears in hear {
                hears.tell(Landed::Failed(error.clone()));
            }
        }
    }
}

/// A commit that writes these rows is done.
fn tell(table: &Mutex<Unwritten<Hears>>, rows: &[i64], written: &Result<(), StoreError>) {
    let hear: Vec<Hears> = {
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().flat_map(|row| table.wrote(*row, written.is_ok())).collect()
    };
    for hears in hear {
        hears.tell(match written {
            Ok(()) => Landed::Written,
            Err(error) => Landed::Failed(error.clone()),
        });
    }
}
