//! Rows of the outbox that leave before they are written: cut-through (architecture §1 idea 4).
//!
//! While a peer is up and answers in time, its word that it has a message is as good as our own disk: the row
//! goes to the link with its number, and nobody is told that the message is accepted before one of two things has
//! happened, the peer's answer or our commit. Here stands which rows are in that state and who wants to hear
//! of it. A row that gets no answer soon, or has to wait for whatever reason, is written like any other, under
//! the number, and so under the transaction id, that it had from the beginning.
//!
//! ```text
//!          ┌─ answered in time ─▶ gone, never written
//! insert ──┤
//!          └─ late, put off, link down ─▶ write ─▶ written: a row like all others
//!                                           └─ failed ─▶ as before
//! ```
//! What is lost with the process was accepted by nobody, and whoever sent it sends it again.

use std::collections::HashMap;
use std::time::Duration;

use super::ports::StoredOutgoing;
use crate::imps::{Domain, Moment};

/// Rows at most.
pub const ROWS_MAX: usize = 8192;
/// Octets of their bodies at most.
pub const OCTETS_MAX: usize = 16 * 1024 * 1024;
/// What goes to a peer that was late is written first for so long.
pub const AFTER_LATE: Duration = Duration::from_secs(2);

/// Rows that are not on disk. `W` is who wants to hear what becomes of one.
#[derive(Debug)]
pub struct Unwritten<W> {
    rows: HashMap<i64, Entry<W>>,
    octets: usize,
    /// Peers that were late, until when they count so. One entry for each peer at most.
    late: HashMap<Domain, Moment>,
}

#[derive(Debug)]
struct Entry<W> {
    row: StoredOutgoing,
    /// Commits that write it and are under way.
    writing: u32,
    waiters: Vec<W>,
}

/// What became of a row that left the table.
#[derive(Debug, PartialEq, Eq)]
pub enum Left<W> {
    /// It was never written; these want to hear of it.
    Unwritten(Vec<W>),
    /// The commit that writes it is under way; these want to hear of it.
    Writing(Vec<W>),
    /// It was not here: it is on disk, or gone already.
    Stored,
}

impl<W> Default for Unwritten<W> {
    fn default() -> Self {
        Self { rows: HashMap::new(), octets: 0, late: HashMap::new() }
    }
}

impl<W> Unwritten<W> {
    /// Whether a row with such a body may leave for the peer before it is written.
    pub fn admits(&self, peer: &Domain, octets: usize, now: Moment) -> bool {
        self.rows.len() < ROWS_MAX
            && self.octets.saturating_add(octets) <= OCTETS_MAX
            && self.late.get(peer).is_none_or(|until| *until <= now)
    }

    /// A row is about to leave.
    pub fn insert(&mut self, row: StoredOutgoing, waiter: Option<W>) {
        self.octets = self.octets.saturating_add(row.outgoing.body.len());
        let entry = Entry { writing: 0, waiters: waiter.into_iter().collect(), row };
        self.rows.insert(entry.row.row, entry);
    }

    /// Somebody more wants to hear of the row; gives him back if it is not here.
    pub fn wait(&mut self, row: i64, waiter: W) -> Result<(), W> {
        match self.rows.get_mut(&row) {
            Some(entry) => {
                entry.waiters.push(waiter);
                Ok(())
            }
            None => Err(waiter),
        }
    }

    /// Whether the row is not on disk yet.
    pub fn holds(&self, row: i64) -> bool {
        self.rows.contains_key(&row)
    }

    /// The row as it has to be written now; `None` if it is on disk, or a commit that writes it is under way.
    pub fn write(&mut self, row: i64) -> Option<StoredOutgoing> {
        self.rows.get(&row).filter(|entry| entry.writing == 0)?;
        self.write_with(row)
    }

    /// The row as it has to be written in the same commit with something that is about it, whether or not
    /// another commit writes it; `None` if it is on disk.
    pub fn write_with(&mut self, row: i64) -> Option<StoredOutgoing> {
        let entry = self.rows.get_mut(&row)?;
        entry.writing = entry.writing.saturating_add(1);
        Some(entry.row.clone())
    }

    /// A commit that writes the row was done, or failed and the row is as it was: those who are to hear of
    /// it. Nobody hears of a failure while another commit may still do it.
    pub fn wrote(&mut self, row: i64, is_written: bool) -> Vec<W> {
        if is_written {
            return self.remove(row).map(|entry| entry.waiters).unwrap_or_default();
        }
        let Some(entry) = self.rows.get_mut(&row) else { return Vec::new() };
        entry.writing = entry.writing.saturating_sub(1);
        if entry.writing > 0 { Vec::new() } else { std::mem::take(&mut entry.waiters) }
    }

    /// The row is done with.
    pub fn leave(&mut self, row: i64) -> Left<W> {
        match self.remove(row) {
            None => Left::Stored,
            Some(entry) if entry.writing > 0 => Left::Writing(entry.waiters),
            Some(entry) => Left::Unwritten(entry.waiters),
        }
    }

    /// A peer has not answered in time.
    pub fn late(&mut self, peer: &Domain, now: Moment) {
        self.late.insert(peer.clone(), now.after(AFTER_LATE));
    }

    /// How many rows are here.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether everything is on disk.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn remove(&mut self, row: i64) -> Option<Entry<W>> {
        let entry = self.rows.remove(&row)?;
        self.octets = self.octets.saturating_sub(entry.row.outgoing.body.len());
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::ports::{Outgoing, testing};

    const NOW: Moment = Moment::from_millis(1_000_000);

    fn south() -> Domain {
        "south.example".parse().unwrap()
    }

    fn row(number: i64, octets: usize) -> StoredOutgoing {
        let row = testing::row(number, vec![b'x'; octets]);
        let outgoing = Outgoing { order: 7, accepted: NOW, expires: NOW, ..row.outgoing };
        StoredOutgoing::fresh(number, outgoing, NOW)
    }

    #[test]
    fn an_answer_in_time_leaves_nothing_to_write() {
        let mut rows = Unwritten::default();
        rows.insert(row(1, 10), Some("ada"));
        assert_eq!(rows.leave(1), Left::Unwritten(vec!["ada"]));
        assert_eq!((rows.write(1), rows.leave(1)), (None, Left::Stored));
        assert_eq!((rows.len(), rows.octets), (0, 0));
    }

    #[test]
    fn a_row_is_written_once_and_then_is_like_any_other() {
        let mut rows = Unwritten::default();
        rows.insert(row(1, 10), None);
        assert_eq!(rows.write(1).map(|row| row.row), Some(1));
        assert_eq!(rows.write(1), None);
        assert!(rows.holds(1), "not on disk before the commit is done");
        rows.wait(1, "bo").unwrap();
        assert_eq!(rows.wrote(1, true), ["bo"]);
        assert_eq!(rows.wait(1, "cy"), Err("cy"));
        assert_eq!(rows.leave(1), Left::Stored);
    }

    #[test]
    fn a_write_that_fails_changes_nothing() {
        let mut rows = Unwritten::default();
        rows.insert(row(1, 10), Some("ada"));
        assert!(rows.write(1).is_some());
        assert_eq!(rows.wrote(1, false), ["ada"]);
        assert!(rows.write(1).is_some(), "it can be tried again");
    }

    #[test]
    fn a_failure_is_told_when_no_other_commit_is_left() {
        let mut rows = Unwritten::default();
        rows.insert(row(1, 10), Some("ada"));
        assert!(rows.write(1).is_some());
        assert!(rows.write_with(1).is_some());
        assert!(rows.wrote(1, false).is_empty());
        assert_eq!(rows.write(1), None, "the other commit may drop it as well");
        assert_eq!(rows.wrote(1, true), ["ada"]);
        assert!(rows.wrote(1, false).is_empty());
    }

    #[test]
    fn an_answer_during_the_write_says_that_there_will_be_a_row_to_drop() {
        let mut rows = Unwritten::default();
        rows.insert(row(1, 10), Some("ada"));
        assert!(rows.write(1).is_some());
        assert_eq!(rows.leave(1), Left::Writing(vec!["ada"]));
        assert!(rows.wrote(1, true).is_empty());
        assert!(rows.is_empty());
    }

    #[test]
    fn a_late_peer_is_not_trusted_for_a_while() {
        let mut rows = Unwritten::<()>::default();
        assert!(rows.admits(&south(), 10, NOW));
        rows.late(&south(), NOW);
        assert!(!rows.admits(&south(), 10, NOW.after(AFTER_LATE / 2)));
        assert!(rows.admits(&"east.example".parse().unwrap(), 10, NOW));
        assert!(rows.admits(&south(), 10, NOW.after(AFTER_LATE)));
    }

    #[test]
    fn rows_and_octets_are_bounded() {
        let mut rows = Unwritten::<()>::default();
        rows.insert(row(0, OCTETS_MAX - 10), None);
        assert!(rows.admits(&south(), 10, NOW));
        assert!(!rows.admits(&south(), 11, NOW));
        rows.leave(0);
        for number in 0..i64::try_from(ROWS_MAX).unwrap() {
            assert!(rows.admits(&south(), 1, NOW));
            rows.insert(row(number, 1), None);
        }
        assert!(!rows.admits(&south(), 1, NOW));
    }
}
