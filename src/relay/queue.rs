//! The window of a peer's outbox that is held in memory: which row may leave next.
//!
//! Rows of the same order value (sender and recipients) leave one after the other; a row that waits
//! for another try holds back those behind it, and no others (reference ssp-transport §3.6,
//! ssp-behaviour §6). The outbox in the store is the real queue: the window is bounded, and what
//! does not fit is read again later.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::ports::StoredOutgoing;
use crate::imps::Moment;

/// Rows held in memory for one peer at most.
pub const WINDOW_ROWS_MAX: usize = 4096;

/// The window.
#[derive(Debug)]
pub struct Window {
    /// Not looked at yet, oldest first.
    fresh: VecDeque<StoredOutgoing>,
    /// Rows that wait for their time; each owns its order value.
    later: BTreeMap<(Moment, i64), StoredOutgoing>,
    /// Order values that are owned by a row in flight or in `later`, with the rows behind it.
    owned: HashMap<u64, VecDeque<StoredOutgoing>>,
    /// Rows in `fresh`, `later` and behind owned order values.
    held: usize,
    /// Rows in the window or in flight, so that a page of the store brings none of them twice.
    known: HashSet<i64>,
    /// Every row up to here was taken into the window once; meaningless while `complete`.
    resume: i64,
    /// The store holds no row that was never taken.
    complete: bool,
    /// A row was passed over since [`Window::wants`] was asked.
    passed_over: bool,
}

impl Default for Window {
    /// Empty, and ignorant of the store.
    fn default() -> Self {
        Self {
            fresh: VecDeque::new(),
            later: BTreeMap::new(),
            owned: HashMap::new(),
            held: 0,
            known: HashSet::new(),
            resume: 0,
            complete: false,
            passed_over: false,
        }
    }
}

impl Window {
    /// A row was just committed. It is taken if nothing older is missing and there is room; else it
    /// is found in the store when its turn comes.
    pub fn committed(&mut self, row: StoredOutgoing) {
        if self.complete && self.held < WINDOW_ROWS_MAX {
            self.take(row);
            return;
        }
        // Commits of several tasks may be announced a little out of order.
        let before = row.row - 1;
        self.resume = if self.complete { before } else { self.resume.min(before) };
        self.complete = false;
        self.passed_over = true;
    }

    /// Whether the store is to be asked for rows.
    pub const fn is_short(&self) -> bool {
        !self.complete && self.held < WINDOW_ROWS_MAX / 2
    }

    /// From which row on the store is to be asked, if the window runs low and something may be there.
    pub fn wants(&mut self) -> Option<i64> {
        if !self.is_short() {
            return None;
        }
        self.passed_over = false;
        Some(self.resume)
    }

    /// The store's answer to [`Window::wants`]: rows above the one asked for, oldest first; fewer than
    /// `limit` means that there are no more.
    pub fn loaded(&mut self, rows: Vec<StoredOutgoing>, limit: usize) {
        if !self.passed_over {
            self.complete = rows.len() < limit;
            self.resume = rows.last().map_or(self.resume, |row| row.row);
        }
        for row in rows {
            self.take(row);
        }
    }

    fn take(&mut self, row: StoredOutgoing) {
        if self.known.insert(row.row) {
            self.held += 1;
            self.fresh.push_back(row);
        }
    }

    /// The next row that may leave now. Its order value is owned until [`Window::done`] or
    /// [`Window::later`].
    pub fn next(&mut self, now: Moment) -> Option<StoredOutgoing> {
        if self.later.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
            self.held -= 1;
            return self.later.pop_first().map(|(_, row)| row);
        }
        while let Some(row) = self.fresh.pop_front() {
            if let Some(behind) = self.owned.get_mut(&row.outgoing.order) {
                behind.push_back(row);
                continue;
            }
            self.owned.insert(row.outgoing.order, VecDeque::new());
            if row.not_before > now {
                self.later.insert((row.not_before, row.row), row);
                continue;
            }
            self.held -= 1;
            return Some(row);
        }
        None
    }

    /// The row in flight has left for good, or is given up: the one behind it may go.
    pub fn done(&mut self, row: i64, order: u64) {
        self.known.remove(&row);
        let Some(behind) = self.owned.get_mut(&order) else { return };
        match behind.pop_front() {
            None => {
                self.owned.remove(&order);
            }
            Some(next) => {
                // The rows left behind stay in order: they meet the owner again in `next`.
                let rest = std::mem::take(behind);
                self.owned.remove(&order);
                for row in rest.into_iter().rev() {
                    self.fresh.push_front(row);
                }
                self.fresh.push_front(next);
            }
        }
    }

    /// The row in flight is to be tried again, not before this moment.
    pub fn later(&mut self, mut row: StoredOutgoing, not_before: Moment) {
        row.not_before = not_before;
        row.attempts = row.attempts.saturating_add(1);
        self.held += 1;
        self.later.insert((not_before, row.row), row);
    }

    /// The row in flight goes back to the front: the link had no room.
    pub fn unsent(&mut self, row: StoredOutgoing) {
        self.held += 1;
        self.later.insert((Moment::default(), row.row), row);
    }

    /// Everything that waits for its time may go at once: the peer was heard from.
    pub fn hurry(&mut self) {
        let rows = std::mem::take(&mut self.later);
        self.later = rows.into_iter().map(|((_, number), row)| ((Moment::default(), number), row)).collect();
    }

    /// Rows given up elsewhere (expired) leave the window; those in flight are not touched.
    pub fn forget(&mut self, row: i64) {
        let before = self.fresh.len() + self.later.len();
        self.fresh.retain(|held| held.row != row);
        let key = self.later.keys().find(|(_, number)| *number == row).copied();
        let order = key.and_then(|key| self.later.remove(&key)).map(|row| row.outgoing.order);
        let mut gone = before - self.fresh.len() - self.later.len();
        for behind in self.owned.values_mut() {
            let length = behind.len();
            behind.retain(|held| held.row != row);
            gone += length - behind.len();
        }
        self.held = self.held.saturating_sub(gone);
        if gone > 0 {
            self.known.remove(&row);
        }
        if let Some(order) = order {
            self.done(row, order);
        }
    }

    /// When the next row that waits for its time is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    /// Rows in the window.
    pub const fn held(&self) -> usize {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::ports::{Outgoing, Settlement};

    fn row(number: i64, order: u64) -> StoredOutgoing {
        StoredOutgoing {
            row: number,
            attempts: 0,
            not_before: Moment::default(),
            outgoing: Outgoing {
                own: "north.example".parse().unwrap(),
                peer: "south.example".parse().unwrap(),
                settlement: Settlement::Request,
                primitive: "SendMessageRequest".into(),
                message_id: None,
                author: None,
                reply_to: None,
                order,
                accepted: Moment::default(),
                expires: Moment::default(),
                replaces: None,
                via: None,
                body: Vec::new().into(),
            },
        }
    }

    fn window(rows: &[(i64, u64)]) -> Window {
        let mut window = Window::default();
        assert_eq!(window.wants(), Some(0));
        window.loaded(rows.iter().map(|&(number, order)| row(number, order)).collect(), 100);
        window
    }

    fn drain(window: &mut Window, now: u64) -> Vec<i64> {
        std::iter::from_fn(|| window.next(Moment::from_millis(now))).map(|row| row.row).collect()
    }

    #[test]
    fn a_pair_keeps_its_order_and_others_pass() {
        let mut window = window(&[(1, 7), (2, 7), (3, 8), (4, 7)]);
        assert_eq!(drain(&mut window, 0), [1, 3]);
        window.done(0, 7);
        assert_eq!(drain(&mut window, 0), [2]);
        window.done(0, 8);
        window.done(0, 7);
        assert_eq!(drain(&mut window, 0), [4]);
        window.done(0, 7);
        assert_eq!((window.held(), window.owned.len()), (0, 0));
    }

    #[test]
    fn a_row_that_waits_holds_back_its_pair_only() {
        let mut window = window(&[(1, 7), (2, 7), (3, 8)]);
        let first = window.next(Moment::default()).unwrap();
        window.later(first, Moment::from_millis(50));
        assert_eq!(drain(&mut window, 10), [3]);
        assert_eq!(window.next_due(), Some(Moment::from_millis(50)));
        let again = window.next(Moment::from_millis(50)).unwrap();
        assert_eq!((again.row, again.attempts), (1, 1));
        window.done(0, 7);
        assert_eq!(drain(&mut window, 50), [2]);
    }

    #[test]
    fn the_peer_was_heard_from_and_nothing_waits_any_more() {
        let mut window = window(&[(1, 7)]);
        let first = window.next(Moment::default()).unwrap();
        window.later(first, Moment::from_millis(600_000));
        window.hurry();
        assert_eq!(drain(&mut window, 1), [1]);
    }

    #[test]
    fn what_does_not_fit_is_read_from_the_store_again() {
        let mut window = window(&[]);
        for number in 1..=5000 {
            window.committed(row(number, 1000 + number.unsigned_abs()));
        }
        assert_eq!((window.held(), window.wants()), (WINDOW_ROWS_MAX, None));
        let gone = drain(&mut window, 0);
        assert_eq!(gone.len(), WINDOW_ROWS_MAX);
        assert_eq!(window.wants(), Some(4096));
        window.committed(row(5001, 1)); // not taken: older rows are missing, and the page may be read already
        assert_eq!(window.held(), 0);
        window.loaded((4097..=5000).map(|number| row(number, 1000 + number.unsigned_abs())).collect(), 2000);
        assert_eq!(drain(&mut window, 0).first(), Some(&4097));
        assert_eq!(window.wants(), Some(4096));
        window.loaded((4097..=5001).map(|number| row(number, 1000 + number.unsigned_abs())).collect(), 2000);
        assert_eq!(drain(&mut window, 0), [5001]);
        assert_eq!(window.wants(), None);
    }

    #[test]
    fn a_row_announced_out_of_order_is_not_lost() {
        let mut window = window(&[]);
        window.committed(row(2, 1));
        window.committed(row(1, 2));
        assert_eq!(drain(&mut window, 0), [2, 1]);
    }

    #[test]
    fn a_row_given_up_frees_its_pair() {
        let mut window = window(&[(1, 7), (2, 7), (3, 9)]);
        let first = window.next(Moment::default()).unwrap();
        window.later(first, Moment::from_millis(600_000));
        assert_eq!(drain(&mut window, 0), [3]);
        window.forget(1);
        assert_eq!(drain(&mut window, 0), [2]);
        assert_eq!(window.held(), 0);
    }
}
