//! The window of a peer's outbox that is held in memory: which row may leave next.
//!
//! Rows of the same sender and recipient leave one after the other; a row that waits for another try
//! holds back those behind it, and no others (reference ssp-transport §3.6, ssp-behaviour §6). Each pair
//! has a line, in which its rows stand in order; a row with several recipients stands in several lines, and
//! leaves when it is the first in all of them. The outbox in the store is the real queue: the window is
//! bounded, and what does not fit is read again later.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::ports::StoredOutgoing;
use crate::element::im::orders;
use crate::imps::Moment;

/// Rows held in memory for one peer at most.
pub const WINDOW_ROWS_MAX: usize = 4096;

/// The rows of one pair of sender and recipient.
#[derive(Debug)]
struct Line {
    /// In flight, waiting for its time, or the first here and not in another line.
    first: i64,
    behind: VecDeque<i64>,
}

/// The window.
#[derive(Debug)]
pub struct Window {
    /// Not looked at yet, oldest first.
    fresh: VecDeque<StoredOutgoing>,
    /// The first in all their lines since another row left, oldest first.
    freed: BTreeMap<i64, StoredOutgoing>,
    /// Rows that wait for their time; the first in all their lines.
    later: BTreeMap<(Moment, i64), StoredOutgoing>,
    /// Rows that stand behind another in a line.
    parked: HashMap<i64, StoredOutgoing>,
    /// By order value of the pair.
    lines: HashMap<u64, Line>,
    /// Order values of the rows in lines that have several.
    several: HashMap<i64, Vec<u64>>,
    /// Rows in `fresh`, `freed`, `later` and `parked`.
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
            freed: BTreeMap::new(),
            later: BTreeMap::new(),
            parked: HashMap::new(),
            lines: HashMap::new(),
            several: HashMap::new(),
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

    /// Takes rows that are not in the store, if nothing older is missing, there is room, and none of them
    /// would stand behind a row that waits for its time. They stay until they are done.
    pub fn take_unwritten(&mut self, rows: Vec<StoredOutgoing>) -> Result<(), Vec<StoredOutgoing>> {
        let room = self.complete && self.held.saturating_add(rows.len()) <= WINDOW_ROWS_MAX;
        if !room || rows.iter().any(|row| self.is_held_up(row.outgoing.order)) {
            return Err(rows);
        }
        for row in rows {
            self.take(row);
        }
        Ok(())
    }

    /// Whether the first in this line waits for its time.
    fn is_held_up(&self, order: u64) -> bool {
        let first = self.lines.get(&order).map(|line| line.first);
        first.is_some_and(|first| self.later.keys().any(|(_, row)| *row == first))
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

    /// The next row that may leave now. It keeps its place in its lines until [`Window::done`].
    pub fn next(&mut self, now: Moment) -> Option<StoredOutgoing> {
        if self.later.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
            self.held -= 1;
            return self.later.pop_first().map(|(_, row)| row);
        }
        loop {
            let row = match self.freed.pop_first() {
                Some((_, row)) => row,
                None => match self.fresh.pop_front() {
                    Some(row) if self.line_up(&row) => row,
                    Some(row) => {
                        self.parked.insert(row.row, row);
                        continue;
                    }
                    None => return None,
                },
            };
            if row.not_before <= now {
                self.held -= 1;
                return Some(row);
            }
            self.later.insert((row.not_before, row.row), row);
        }
    }

    /// Takes a place in each line of the row; `true` if it is the first in all.
    fn line_up(&mut self, row: &StoredOutgoing) -> bool {
        let mut is_first = true;
        let orders = orders(row.outgoing.order, &row.outgoing.body);
        for order in &orders {
            match self.lines.entry(*order) {
                Entry::Vacant(line) => {
                    line.insert(Line { first: row.row, behind: VecDeque::new() });
                }
                Entry::Occupied(mut line) => {
                    line.get_mut().behind.push_back(row.row);
                    is_first = false;
                }
            }
        }
        if orders != [row.outgoing.order] {
            self.several.insert(row.row, orders);
        }
        is_first
    }

    /// The row in flight has left for good, or is given up: those behind it may go.
    pub fn done(&mut self, row: i64, order: u64) {
        self.known.remove(&row);
        for order in self.several.remove(&row).unwrap_or_else(|| vec![order]) {
            let Some(line) = self.lines.get_mut(&order) else { continue };
            if line.first != row {
                line.behind.retain(|behind| *behind != row);
                continue;
            }
            match line.behind.pop_front() {
                None => {
                    self.lines.remove(&order);
                }
                Some(next) => {
                    line.first = next;
                    self.free(next);
                }
            }
        }
    }

    /// The row has become the first in one of its lines: it may go if it is in all of them.
    fn free(&mut self, row: i64) {
        let Some(parked) = self.parked.get(&row) else { return };
        let is_first = |order: &u64| self.lines.get(order).is_some_and(|line| line.first == row);
        let may_go = match self.several.get(&row) {
            Some(orders) => orders.iter().all(is_first),
            None => is_first(&parked.outgoing.order),
        };
        if may_go && let Some(freed) = self.parked.remove(&row) {
            self.freed.insert(row, freed);
        }
    }

    /// The row in flight is replaced by another, for some of its recipients, that takes its place in their
    /// lines and leaves when it is due.
    pub fn replaced(&mut self, row: i64, order: u64, by: StoredOutgoing) {
        // A page of the store may have brought it already, at the end of the lines.
        if by.row != row && self.known.contains(&by.row) {
            self.forget(by.row);
        }
        let kept = orders(by.outgoing.order, &by.outgoing.body);
        let left = self.several.remove(&row).unwrap_or_else(|| vec![order]);
        let (kept, freed): (Vec<u64>, Vec<u64>) = left.into_iter().partition(|order| kept.contains(order));
        for order in &kept {
            if let Some(line) = self.lines.get_mut(order).filter(|line| line.first == row) {
                line.first = by.row;
            }
        }
        self.several.insert(row, freed);
        self.done(row, order);
        if kept != [by.outgoing.order] {
            self.several.insert(by.row, kept);
        }
        self.known.insert(by.row);
        self.held += 1;
        self.later.insert((by.not_before, by.row), by);
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
        if let Some(place) = self.fresh.iter().position(|held| held.row == row) {
            self.fresh.remove(place);
            self.held -= 1;
            self.known.remove(&row);
            return;
        }
        let key = self.later.keys().find(|(_, number)| *number == row).copied();
        let waiting = key.and_then(|key| self.later.remove(&key));
        let found = waiting.or_else(|| self.freed.remove(&row)).or_else(|| self.parked.remove(&row));
        if let Some(found) = found {
            self.held -= 1;
            self.done(row, found.outgoing.order);
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
            unanswered: 0,
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
        window.done(1, 7);
        assert_eq!(drain(&mut window, 0), [2]);
        window.done(3, 8);
        window.done(2, 7);
        assert_eq!(drain(&mut window, 0), [4]);
        window.done(4, 7);
        assert_eq!((window.held(), window.lines.len()), (0, 0));
    }

    /// A message of ada to these users, as a row.
    fn message(number: i64, to: &[&str]) -> StoredOutgoing {
        use crate::imps::primitive::{MessageInfo, Recipient, SendMessageRequest, User};
        let user = |name: &str| User::from(name.parse::<crate::imps::UserId>().unwrap());
        let sender = user("wv:ada@north.example");
        let recipients: Vec<_> =
            to.iter().map(|name| Recipient::User(user(&format!("wv:{name}@south.example")))).collect();
        let order = crate::element::im::order("wv:ada@north.example", &recipients);
        let info = MessageInfo {
            id: Some(format!("{number}@north.example").parse().unwrap()),
            recipients,
            sender: Some(sender.clone().into()),
            ..MessageInfo::default()
        };
        let request = SendMessageRequest { delivery_report: false, info, content: Some("hi".into()) };
        let meta = crate::imps::primitive::MetaInfo {
            client_originated: true,
            service: crate::imps::ServiceId::of("north.example".parse().unwrap()),
            user: Some(sender),
        };
        let style = crate::wire::ssp::Style { version: crate::imps::Version::V1_3, legacy: false };
        let body = crate::wire::ssp::encode_primitive(&request.into(), Some(&meta), style).unwrap();
        let mut row = row(number, order);
        row.outgoing.body = body.into();
        row
    }

    #[test]
    fn a_message_for_several_keeps_its_place_in_the_line_of_each() {
        let mut window = Window::default();
        let to: [&[&str]; 6] = [&["bo"], &["bo", "cy"], &["cy"], &["di"], &["cy", "di"], &["bo"]];
        let rows: Vec<_> = (1..).zip(to).map(|(number, to)| message(number, to)).collect();
        let orders: Vec<u64> = rows.iter().map(|row| row.outgoing.order).collect();
        window.loaded(rows, 100);
        assert_eq!(drain(&mut window, 0), [1, 4]);
        window.done(4, orders[3]);
        assert!(drain(&mut window, 0).is_empty());
        window.done(1, orders[0]);
        assert_eq!(drain(&mut window, 0), [2]);
        window.done(2, orders[1]);
        assert_eq!(drain(&mut window, 0), [3, 6]);
        window.done(3, orders[2]);
        assert_eq!(drain(&mut window, 0), [5]);
        window.done(5, orders[4]);
        window.done(6, orders[5]);
        assert_eq!((window.held(), window.lines.len(), window.several.len()), (0, 0, 0));
    }

    #[test]
    fn a_row_given_up_in_the_middle_of_its_lines_holds_nobody_back() {
        let mut window = Window::default();
        let rows: Vec<_> = (1..)
            .zip([&["bo"][..], &["bo", "cy"], &["cy"]])
            .map(|(number, to)| message(number, to))
            .collect();
        window.loaded(rows, 100);
        assert_eq!(drain(&mut window, 0), [1]);
        window.forget(2);
        assert_eq!(drain(&mut window, 0), [3]);
        assert_eq!((window.held(), window.several.len()), (0, 0));
    }

    #[test]
    fn what_is_left_of_a_row_stays_before_those_behind_it() {
        let mut window = Window::default();
        let rows: Vec<_> = (1..)
            .zip([&["bo", "cy"][..], &["bo"], &["cy"], &["di"]])
            .map(|(number, to)| message(number, to))
            .collect();
        let orders: Vec<u64> = rows.iter().map(|row| row.outgoing.order).collect();
        window.loaded(rows, 100);
        assert_eq!(drain(&mut window, 0), [1, 4]);
        let left = || {
            let mut left = message(9, &["cy"]);
            left.outgoing.order = orders[0];
            StoredOutgoing { not_before: Moment::from_millis(50), attempts: 1, ..left }
        };
        window.committed(left());
        window.replaced(1, orders[0], left());
        assert_eq!(drain(&mut window, 0), [2], "bo has it; what is for cy stays behind the rest for cy");
        assert_eq!(drain(&mut window, 50), [9]);
        window.done(9, orders[0]);
        assert_eq!(drain(&mut window, 50), [3]);
        for (row, order) in [(2, orders[1]), (3, orders[2]), (4, orders[3])] {
            window.done(row, order);
        }
        assert_eq!((window.held(), window.lines.len(), window.several.len()), (0, 0, 0));
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
        window.done(1, 7);
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
    fn what_is_not_written_is_taken_only_if_it_can_leave() {
        let mut ignorant = Window::default();
        assert!(ignorant.take_unwritten(vec![row(1, 7)]).is_err(), "older rows may be in the store");
        let mut window = window(&[(1, 7)]);
        assert!(window.take_unwritten(vec![row(2, 7), row(3, 8)]).is_ok());
        assert_eq!(drain(&mut window, 0), [1, 3]);
        window.committed(row(4, 7));
        window.done(1, 7);
        assert_eq!(drain(&mut window, 0), [2], "those of one pair keep their order, on disk or not");
        window.later(row(2, 7), Moment::from_millis(50));
        assert_eq!(window.take_unwritten(vec![row(5, 7), row(6, 8)]), Err(vec![row(5, 7), row(6, 8)]));
        assert!(window.take_unwritten(vec![row(7, 9)]).is_ok());
        assert_eq!(drain(&mut window, 0), [7]);
        let many = (10..).take(WINDOW_ROWS_MAX).map(|number| row(number, number.unsigned_abs()));
        assert!(window.take_unwritten(many.collect()).is_err(), "there is no room");
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
