//! The window of a peer's outbox that is held in memory: which row may leave next.
//!
//! Rows of the same sender and recipient leave one after the other; a row that waits for another try
//! holds back those behind it, and no others (reference ssp-transport §3.6, ssp-behaviour §6). Each pair
//! has a line, in which its rows stand in order; a row with several recipients stands in several lines, and
//! leaves when it is the first in all of them. The outbox in the store is the real queue: the window is
//! bounded, and what does not fit is read again later.
//!
//! Senders take turns, whoever came first, so that nobody waits for all that another has (`lanes`). A sender
//! with more than its part of the window is *behind*: the rest of what it has is passed over when the store is
//! read for the others, and asked for by itself when there is room for it. A sender that is not behind has all
//! its rows up to the one where reading for all has come to in the window.

mod lanes;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use self::lanes::Lanes;
use super::ports::{self, Excerpt, StoredOutgoing};
use crate::element::im::{is_for_several, orders};
use crate::imps::Moment;

/// Rows held in memory for one peer at most.
pub const WINDOW_ROWS_MAX: usize = 4096;
/// Octets of their bodies at most, if it is more than one row.
pub const WINDOW_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Senders of whom rows are passed over at most; then rows are read in order of acceptance.
pub const BEHIND_MAX: usize = 256;
/// Rows of a sender that the window takes however full it is.
const LANE_ROWS_LEAST: usize = 8;
/// Rows that are asked for at a time.
const PAGE: usize = 256;

/// How large a window may become.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    rows: usize,
    octets: usize,
    /// Rows of one sender in any case.
    lane_rows: usize,
    /// Senders that are passed over.
    behind: usize,
    /// Rows of a page.
    page: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            rows: WINDOW_ROWS_MAX,
            octets: WINDOW_OCTETS_MAX,
            lane_rows: LANE_ROWS_LEAST,
            behind: BEHIND_MAX,
            page: PAGE,
        }
    }
}

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
    /// Rows that are the first in all their lines, and how many rows each sender has here.
    lanes: Lanes,
    /// Rows that wait for their time; the first in all their lines.
    later: BTreeMap<(Moment, i64), StoredOutgoing>,
    /// Rows that stand behind another in a line.
    parked: HashMap<i64, StoredOutgoing>,
    /// By order value of the pair.
    lines: HashMap<u64, Line>,
    /// Order values of the rows in lines that have several.
    several: HashMap<i64, Vec<u64>>,
    /// Rows in the window or in flight, so that a page of the store brings none of them twice.
    known: HashSet<i64>,
    /// Every row up to here was taken into the window once, or is of a sender that is behind; meaningless while
    /// `complete`.
    resume: i64,
    /// The store holds no row that was never taken, but of senders that are behind.
    complete: bool,
    /// The lowest row that was passed over since [`Window::wants`] was asked.
    missed: Option<i64>,
    page: usize,
}

impl Default for Window {
    /// Empty, and ignorant of the store.
    fn default() -> Self {
        Self::bounded(Bounds::default())
    }
}

impl Window {
    fn bounded(bounds: Bounds) -> Self {
        Self {
            lanes: Lanes::new(bounds),
            later: BTreeMap::new(),
            parked: HashMap::new(),
            lines: HashMap::new(),
            several: HashMap::new(),
            known: HashSet::new(),
            resume: 0,
            complete: false,
            missed: None,
            page: bounds.page,
        }
    }

    /// A row was just committed. It is taken if nothing older is missing and there is room; else it
    /// is found in the store when its turn comes.
    pub fn committed(&mut self, row: StoredOutgoing) {
        let (number, lane) = (row.row, row.outgoing.lane);
        let has_room = self.lanes.have_room(1, row.outgoing.body.len());
        // Commits of several tasks may be announced a little out of order.
        match self.lanes.rest(lane) {
            Some(after) if number <= after && has_room => self.take(row),
            Some(_) => self.lanes.missed(lane, number),
            None if !self.complete && number > self.resume => self.miss(number),
            None if !has_room => self.miss(number),
            None if self.lanes.may_grow(lane) => self.take(row),
            None if self.lanes.leave_behind(lane, number.saturating_sub(1)) => {}
            None => self.take(row),
        }
    }

    /// The row stays in the store, to be read for all.
    fn miss(&mut self, row: i64) {
        let before = row.saturating_sub(1);
        self.resume = if self.complete { before } else { self.resume.min(before) };
        self.complete = false;
        self.missed = Some(self.missed.map_or(row, |missed| missed.min(row)));
    }

    /// Takes rows that are not in the store, if nothing older is missing, there is room, and none of them
    /// would stand behind a row that waits for its time. They stay until they are done.
    pub fn take_unwritten(&mut self, rows: Vec<StoredOutgoing>) -> Result<(), Vec<StoredOutgoing>> {
        let octets = rows.iter().map(|row| row.outgoing.body.len()).sum();
        let room = self.complete && self.lanes.have_room(rows.len(), octets);
        let stays = |row: &StoredOutgoing| {
            let lane = row.outgoing.lane;
            self.lanes.rest(lane).is_some()
                || !self.lanes.may_grow(lane)
                || self.is_held_up(row.outgoing.order)
        };
        if !room || rows.iter().any(stays) {
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
        (!self.complete && self.lanes.are_short()) || self.lanes.want()
    }

    /// What the store is to be asked for, if the window runs low and something may be there. The answer is for
    /// [`Window::loaded`], before this is asked again.
    pub fn wants(&mut self) -> Option<Excerpt> {
        if !self.complete && self.lanes.are_short() {
            self.missed = None;
            let lanes = ports::Lanes::Without(self.lanes.behind());
            return Some(Excerpt { after: self.resume, until: None, lanes, limit: self.page });
        }
        let until = (!self.complete).then_some(self.resume);
        let (lane, after, limit) = self.lanes.wants(until, self.page)?;
        Some(Excerpt { after, until, lanes: ports::Lanes::Only(lane), limit })
    }

    /// The store's answer to what was asked: fewer rows than the limit mean that there are no more.
    pub fn loaded(&mut self, part: &Excerpt, rows: Vec<StoredOutgoing>) {
        let all = rows.len() < part.limit;
        match part.lanes {
            ports::Lanes::Only(lane) => self.loaded_of(lane, rows, all),
            ports::Lanes::Without(_) => self.loaded_for_all(rows, all),
        }
    }

    fn loaded_for_all(&mut self, rows: Vec<StoredOutgoing>, mut all: bool) {
        let mut last = self.resume;
        for row in rows {
            let (number, lane) = (row.row, row.outgoing.lane);
            let is_known = self.known.contains(&number) || self.lanes.rest(lane).is_some();
            if !is_known {
                if !self.lanes.have_room(1, row.outgoing.body.len()) {
                    all = false;
                    break;
                }
                let before = number.saturating_sub(1);
                if self.lanes.may_grow(lane) || !self.lanes.leave_behind(lane, before) {
                    self.take(row);
                }
            }
            last = number;
        }
        self.complete = all && self.missed.is_none();
        self.resume = self.missed.map_or(last, |missed| last.min(missed.saturating_sub(1)));
        self.lanes.look_again();
    }

    fn loaded_of(&mut self, lane: u64, rows: Vec<StoredOutgoing>, mut all: bool) {
        let mut last = None;
        for row in rows {
            let number = row.row;
            if !self.complete && number > self.resume {
                // It and those above it are read for all.
                all = true;
                break;
            }
            if !self.lanes.have_room(1, row.outgoing.body.len()) {
                all = false;
                break;
            }
            self.take(row);
            last = Some(number);
        }
        self.lanes.caught_up(lane, last, all);
    }

    fn take(&mut self, row: StoredOutgoing) {
        if !self.known.insert(row.row) {
            return;
        }
        self.lanes.came(&row);
        if self.line_up(&row) {
            self.lanes.ready(row);
        } else {
            self.parked.insert(row.row, row);
        }
    }

    /// The next row that may leave now. It keeps its place in its lines until [`Window::done`].
    pub fn next(&mut self, now: Moment) -> Option<StoredOutgoing> {
        while let Some(first) = self.later.first_entry() {
            let due = first.key().0;
            if due > now {
                break;
            }
            self.lanes.ready(StoredOutgoing { not_before: due, ..first.remove() });
        }
        while let Some(row) = self.lanes.draw() {
            if row.not_before <= now {
                self.lanes.went(&row);
                return Some(row);
            }
            self.later.insert((row.not_before, row.row), row);
        }
        None
    }

    /// Takes a place in each line of the row; `true` if it is the first in all.
    fn line_up(&mut self, row: &StoredOutgoing) -> bool {
        let order = row.outgoing.order;
        if !is_for_several(order) {
            return self.stand_in(order, row.row);
        }
        let orders = orders(order, &row.outgoing.body);
        let mut is_first = true;
        for order in &orders {
            is_first &= self.stand_in(*order, row.row);
        }
        if orders != [order] {
            self.several.insert(row.row, orders);
        }
        is_first
    }

    /// Takes the last place in a line; `true` if it is the first, too.
    fn stand_in(&mut self, order: u64, row: i64) -> bool {
        match self.lines.entry(order) {
            Entry::Vacant(line) => {
                line.insert(Line { first: row, behind: VecDeque::new() });
                true
            }
            Entry::Occupied(mut line) => {
                line.get_mut().behind.push_back(row);
                false
            }
        }
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
            self.lanes.ready(freed);
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
        self.lanes.came(&by);
        self.later.insert((by.not_before, by.row), by);
    }

    /// The row in flight is to be tried again, not before this moment.
    pub fn later(&mut self, mut row: StoredOutgoing, not_before: Moment) {
        row.not_before = not_before;
        row.attempts = row.attempts.saturating_add(1);
        self.lanes.came(&row);
        self.later.insert((not_before, row.row), row);
    }

    /// The row in flight goes back to the front: the link had no room.
    pub fn unsent(&mut self, row: StoredOutgoing) {
        self.lanes.came(&row);
        self.later.insert((Moment::default(), row.row), row);
    }

    /// Everything that waits for its time may go at once: the peer was heard from.
    pub fn hurry(&mut self) {
        let rows = std::mem::take(&mut self.later);
        self.later = rows.into_iter().map(|((_, number), row)| ((Moment::default(), number), row)).collect();
    }

    /// Rows given up elsewhere (expired) leave the window; those in flight are not touched.
    pub fn forget(&mut self, row: i64) {
        if !self.known.contains(&row) {
            return;
        }
        let key = self.later.keys().find(|(_, number)| *number == row).copied();
        let waiting = key.and_then(|key| self.later.remove(&key));
        let found = waiting.or_else(|| self.parked.remove(&row)).or_else(|| self.lanes.take_out(row));
        if let Some(found) = found {
            self.lanes.went(&found);
            self.done(row, found.outgoing.order);
        }
    }

    /// When the next row that waits for its time is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    /// Rows in the window.
    pub const fn held(&self) -> usize {
        self.lanes.rows()
    }
}
