//! Whose turn it is: the rows of the window by sender.
//!
//! Each sender has a lane. Those with something to send take turns, one row each, so that whoever comes anew
//! waits for one turn of the others at most, however much they have. And no lane fills the window: each may
//! grow to a quarter of the room that is left, so that there is always some for others. What does not fit
//! stays in the store: the lane is *behind*, and is filled from there when half of it has left.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::Bounds;
use crate::relay::ports::StoredOutgoing;

/// Queues of lanes without rows that are kept for the next.
const SPARE_MAX: usize = 64;
/// The lane of rows from before there were turns. It is never behind: rows of other lanes may have to keep
/// their order with them.
const OF_ALL: u64 = 0;

/// One sender's.
#[derive(Debug, Default)]
struct Lane {
    /// Rows that may leave, oldest first.
    ready: VecDeque<StoredOutgoing>,
    /// Rows in the window, ready or not.
    rows: usize,
    /// Octets of their bodies.
    octets: usize,
    /// What of it is in the store alone.
    rest: Option<Rest>,
}

/// Rows of a lane that were passed over: all above this one.
#[derive(Debug)]
struct Rest {
    after: i64,
    /// The lowest row that was announced since the store was asked for them.
    missed: Option<i64>,
}

/// The lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    bounds: Bounds,
    by_key: HashMap<u64, Lane>,
    /// Lanes with rows that may leave, each once: who is next.
    turns: VecDeque<u64>,
    behind: BTreeSet<u64>,
    /// One that is behind has become short since this was last looked at.
    short: bool,
    spare: Vec<VecDeque<StoredOutgoing>>,
    rows: usize,
    octets: usize,
}

impl Lanes {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            by_key: HashMap::new(),
            turns: VecDeque::new(),
            behind: BTreeSet::new(),
            short: false,
            spare: Vec::new(),
            rows: 0,
            octets: 0,
        }
    }

    /// Rows in the window.
    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// Whether so many more fit into the window. A body fits into an empty one in any case.
    pub(super) const fn have_room(&self, rows: usize, octets: usize) -> bool {
        let fits = self.octets.saturating_add(octets) <= self.bounds.octets || self.rows == 0;
        self.rows.saturating_add(rows) <= self.bounds.rows && fits
    }

    /// Whether enough of the window is free to ask the store for a page.
    pub(super) const fn are_short(&self) -> bool {
        self.rows <= self.bounds.rows - self.bounds.rows / 8 && self.octets <= self.bounds.octets / 2
    }

    /// Whether a lane may get another row now.
    pub(super) fn may_grow(&self, lane: u64) -> bool {
        lane == OF_ALL || self.by_key.get(&lane).is_none_or(|lane| self.has_room(lane))
    }

    fn has_room(&self, lane: &Lane) -> bool {
        let (rows, octets) = self.allowance();
        lane.rows < rows && lane.octets < octets
    }

    /// Rows and octets that one lane may have now: a quarter of the room that is left below what all of them
    /// may have together, and a few in any case.
    fn allowance(&self) -> (usize, usize) {
        let of_all = |bound: usize| bound / 4 * 3;
        let rows = of_all(self.bounds.rows).saturating_sub(self.rows) / 4;
        let octets = of_all(self.bounds.octets).saturating_sub(self.octets) / 4;
        (rows.max(self.bounds.lane_rows), octets.max(self.bounds.octets / 1024))
    }

    /// A row is in the window from now on.
    pub(super) fn came(&mut self, row: &StoredOutgoing) {
        let octets = row.outgoing.body.len();
        let spare = &mut self.spare;
        let lane = self
            .by_key
            .entry(row.outgoing.lane)
            .or_insert_with(|| Lane { ready: spare.pop().unwrap_or_default(), ..Lane::default() });
        lane.rows += 1;
        lane.octets += octets;
        self.rows += 1;
        self.octets += octets;
    }

    /// It is not any more.
    pub(super) fn went(&mut self, row: &StoredOutgoing) {
        let octets = row.outgoing.body.len();
        self.rows = self.rows.saturating_sub(1);
        self.octets = self.octets.saturating_sub(octets);
        let key = row.outgoing.lane;
        let (rows_may, octets_may) = self.allowance();
        let Some(lane) = self.by_key.get_mut(&key) else { return };
        lane.rows = lane.rows.saturating_sub(1);
        lane.octets = lane.octets.saturating_sub(octets);
        if lane.rest.is_some() {
            self.short |= lane.rows <= rows_may / 2 && lane.octets <= octets_may / 2;
        } else if lane.rows == 0 {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: u64) {
        if let Some(lane) = self.by_key.remove(&key)
            && self.spare.len() < SPARE_MAX
        {
            self.spare.push(lane.ready);
        }
    }

    /// A row of the window may leave when it is the turn of its lane.
    pub(super) fn ready(&mut self, row: StoredOutgoing) {
        let Some(lane) = self.by_key.get_mut(&row.outgoing.lane) else { return };
        if lane.ready.is_empty() {
            self.turns.push_back(row.outgoing.lane);
        }
        if lane.ready.back().is_none_or(|last| last.row < row.row) {
            lane.ready.push_back(row);
        } else {
            let place = lane.ready.partition_point(|other| other.row < row.row);
            lane.ready.insert(place, row);
        }
    }

    /// The lanes with rows that may leave.
    #[cfg(test)]
    pub(super) fn in_turn(&self) -> Vec<u64> {
        self.turns.iter().copied().collect()
    }

    /// Octets of the bodies in the window.
    #[cfg(test)]
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    /// The row whose turn it is. It still counts as one of the window.
    pub(super) fn draw(&mut self) -> Option<StoredOutgoing> {
        let key = self.turns.pop_front()?;
        let lane = self.by_key.get_mut(&key)?;
        let row = lane.ready.pop_front()?;
        if !lane.ready.is_empty() {
            self.turns.push_back(key);
        }
        Some(row)
    }

    /// Takes out a row that may leave, wherever it stands. It still counts as one of the window.
    pub(super) fn take_out(&mut self, row: i64) -> Option<StoredOutgoing> {
        let (key, lane, place) = self.by_key.iter_mut().find_map(|(key, lane)| {
            let place = lane.ready.binary_search_by_key(&row, |other| other.row).ok()?;
            Some((*key, lane, place))
        })?;
        let row = lane.ready.remove(place);
        if lane.ready.is_empty() {
            self.turns.retain(|other| *other != key);
        }
        row
    }

    /// From which row on a lane is in the store alone, if it is behind.
    pub(super) fn rest(&self, lane: u64) -> Option<i64> {
        if self.behind.is_empty() {
            return None;
        }
        self.by_key.get(&lane)?.rest.as_ref().map(|rest| rest.after)
    }

    /// What of the lane is above `after` stays in the store; `false` if it must not: too many are behind.
    pub(super) fn leave_behind(&mut self, lane: u64, after: i64) -> bool {
        if lane == OF_ALL || self.behind.len() >= self.bounds.behind {
            return false;
        }
        self.by_key.entry(lane).or_default().rest = Some(Rest { after, missed: None });
        self.behind.insert(lane);
        self.look_again();
        true
    }

    /// A row of a lane that is behind was committed.
    pub(super) fn missed(&mut self, lane: u64, row: i64) {
        if let Some(rest) = self.by_key.get_mut(&lane).and_then(|lane| lane.rest.as_mut()) {
            rest.missed = Some(rest.missed.map_or(row, |missed| missed.min(row)));
            rest.after = rest.after.min(row.saturating_sub(1));
        }
    }

    /// The lanes that are behind, in no order that means anything.
    pub(super) fn behind(&self) -> Vec<u64> {
        self.behind.iter().copied().collect()
    }

    /// Whether [`Lanes::wants`] may find something.
    pub(super) const fn want(&self) -> bool {
        self.short
    }

    /// More may be found by [`Lanes::wants`] than the last time.
    pub(super) fn look_again(&mut self) {
        self.short = !self.behind.is_empty();
    }

    /// A lane that is behind and short, from which row on, and how many rows it may get. What is above `until`
    /// is none of its business.
    pub(super) fn wants(&mut self, until: Option<i64>, page: usize) -> Option<(u64, i64, usize)> {
        if !self.short || !self.have_room(page, 0) || self.octets > self.bounds.octets / 2 {
            return None;
        }
        let (rows, octets) = self.allowance();
        let lanes = &mut self.by_key;
        let found = self.behind.iter().find_map(|key| {
            let lane = lanes.get_mut(key)?;
            let is_short = lane.rows <= rows / 2 && lane.octets <= octets / 2;
            let rest = lane.rest.as_mut()?;
            if !is_short || until.is_some_and(|until| until < rest.after) {
                return None;
            }
            rest.missed = None;
            Some((*key, rest.after, (rows - lane.rows).clamp(1, page)))
        });
        self.short = found.is_some();
        found
    }

    /// The store was asked for what is behind of a lane, and the rows up to `last` are in the window now; `all`
    /// if there were no more.
    pub(super) fn caught_up(&mut self, key: u64, last: Option<i64>, all: bool) {
        let Some(lane) = self.by_key.get_mut(&key) else { return };
        let Some(rest) = &mut lane.rest else { return };
        if all && rest.missed.is_none() {
            lane.rest = None;
            self.behind.remove(&key);
            if lane.rows == 0 {
                self.remove(key);
            }
            return;
        }
        rest.after = last.unwrap_or(rest.after).max(rest.after);
        if let Some(missed) = rest.missed {
            rest.after = rest.after.min(missed.saturating_sub(1));
        }
        self.short = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::of;
    use super::*;

    fn lanes(rows: &[(i64, u64)]) -> Lanes {
        let mut lanes = Lanes::new(Bounds::default());
        for &(number, lane) in rows {
            let row = of(number, lane, number.unsigned_abs());
            lanes.came(&row);
            lanes.ready(row);
        }
        lanes
    }

    fn drawn(lanes: &mut Lanes) -> Vec<i64> {
        std::iter::from_fn(|| {
            let row = lanes.draw()?;
            lanes.went(&row);
            Some(row.row)
        })
        .collect()
    }

    #[test]
    fn lanes_take_turns_and_each_keeps_its_order() {
        let mut lanes = lanes(&[(1, 10), (2, 10), (3, 10), (4, 20), (6, 30), (5, 30)]);
        assert_eq!(drawn(&mut lanes), [1, 4, 5, 2, 6, 3]);
        assert_eq!((lanes.rows(), lanes.by_key.len(), lanes.turns.len()), (0, 0, 0));
    }

    #[test]
    fn whoever_comes_anew_waits_for_one_turn_of_the_others() {
        let flood: Vec<(i64, u64)> =
            (1_i64..=900).map(|number| (number, 1 + number.unsigned_abs() % 3)).collect();
        let mut lanes = lanes(&flood);
        let late = of(901, 50, 901);
        lanes.came(&late);
        lanes.ready(late);
        assert_eq!(drawn(&mut lanes).iter().position(|row| *row == 901), Some(3));
    }

    #[test]
    fn a_row_that_is_taken_out_costs_nobody_a_turn() {
        let mut lanes = lanes(&[(1, 10), (2, 20), (3, 30), (4, 20)]);
        for number in [2, 4] {
            let row = lanes.take_out(number).unwrap();
            lanes.went(&row);
        }
        assert_eq!(lanes.take_out(2), None);
        let again = of(5, 20, 5);
        lanes.came(&again);
        lanes.ready(again);
        assert_eq!(drawn(&mut lanes), [1, 3, 5]);
    }

    #[test]
    fn a_lane_leaves_most_of_the_room_to_others_and_a_few_rows_are_free_for_each() {
        let mut lanes = Lanes::new(Bounds::default());
        let mut number = 0;
        let mut most = Vec::new();
        for lane in 1..=60 {
            let mut count = 0;
            while lanes.may_grow(lane) {
                number += 1;
                count += 1;
                lanes.came(&of(number, lane, 1));
            }
            most.push(count);
        }
        assert_eq!(most.first(), Some(&614), "one alone");
        assert_eq!(most.last(), Some(&Bounds::default().lane_rows), "one of very many");
        assert!(lanes.are_short(), "and there is room for more: {}", lanes.rows());
    }
}
