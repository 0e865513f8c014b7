//! What holds whatever happens: every row leaves once, each pair keeps its order, everybody has a turn, and
//! the window stays small.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::tests::of;
use super::*;

const BOUNDS: Bounds = Bounds { rows: 64, octets: 4000, lane_rows: 2, behind: 3, page: 8 };
/// Rows that have left and may come back at a time.
const FLYING_MAX: usize = 10;
/// Octets of a body at most.
const BODY_MAX: usize = 60;

#[derive(Clone, Debug)]
enum Move {
    /// Rows of a sender, for one of its pairs each, are committed and announced.
    Commit { lane: u64, pairs: Vec<u64>, octets: usize },
    /// Two senders' rows are announced in the wrong order.
    Crossed { lanes: (u64, u64) },
    /// Rows leave before they are written.
    Unwritten { lane: u64, pair: u64 },
    /// The store is asked; the answer comes later.
    Ask,
    /// The answer comes.
    Answer,
    /// Rows leave.
    Draw(usize),
    /// One that has left is done.
    Done(usize),
    /// One that has left is tried again later.
    Again(usize),
    /// The clock advances.
    Wait,
    /// The peer was heard from.
    Hurry,
    /// A row expires.
    Expire(usize),
}

fn moves() -> impl Strategy<Value = Move> {
    let few = 1_u64..4;
    prop_oneof![
        3 => (1_u64..8, prop::collection::vec(0_u64..3, 1..5), 0_usize..BODY_MAX)
            .prop_map(|(lane, pairs, octets)| Move::Commit { lane, pairs, octets }),
        2 => (1_u64..3, prop::collection::vec(0_u64..40, 10..60), 0_usize..30)
            .prop_map(|(lane, pairs, octets)| Move::Commit { lane, pairs, octets }),
        1 => (few, 4_u64..8).prop_map(|lanes| Move::Crossed { lanes }),
        2 => (1_u64..8, 0_u64..3).prop_map(|(lane, pair)| Move::Unwritten { lane, pair }),
        3 => Just(Move::Ask),
        3 => Just(Move::Answer),
        4 => (1_usize..20).prop_map(Move::Draw),
        6 => any::<usize>().prop_map(Move::Done),
        2 => any::<usize>().prop_map(Move::Again),
        1 => Just(Move::Wait),
        1 => Just(Move::Hurry),
        1 => any::<usize>().prop_map(Move::Expire),
    ]
}

/// A window, the store behind it, and what was seen of both.
struct World {
    window: Window,
    /// Rows that are not done.
    rows: BTreeMap<i64, StoredOutgoing>,
    /// Those of them that are on disk.
    stored: BTreeMap<i64, StoredOutgoing>,
    flying: BTreeMap<i64, StoredOutgoing>,
    asked: Option<(Excerpt, Vec<StoredOutgoing>)>,
    /// How often others were drawn while a lane had a row that might leave.
    passed: HashMap<u64, HashMap<u64, u32>>,
    number: i64,
    now: u64,
}

impl World {
    fn new() -> Self {
        Self {
            window: Window::bounded(BOUNDS),
            rows: BTreeMap::new(),
            stored: BTreeMap::new(),
            flying: BTreeMap::new(),
            asked: None,
            passed: HashMap::new(),
            number: 0,
            now: 0,
        }
    }

    fn row(&mut self, lane: u64, pair: u64, octets: usize) -> StoredOutgoing {
        self.number += 1;
        let mut row = of(self.number, lane, lane * 1000 + pair);
        row.outgoing.body = vec![0; octets].into();
        row
    }

    fn write(&mut self, row: &StoredOutgoing) {
        self.rows.insert(row.row, row.clone());
        self.stored.insert(row.row, row.clone());
    }

    fn ended(&mut self, row: i64) {
        self.rows.remove(&row);
        self.stored.remove(&row);
    }

    fn ask(&mut self) -> bool {
        if self.asked.is_none()
            && let Some(part) = self.window.wants()
        {
            let is_meant = |row: &&StoredOutgoing| match &part.lanes {
                ports::Lanes::Only(lane) => row.outgoing.lane == *lane,
                ports::Lanes::Without(lanes) => !lanes.contains(&row.outgoing.lane),
            };
            let until = part.until.unwrap_or(i64::MAX);
            let above = self.stored.range(part.after + 1..).map(|(_, row)| row);
            let rows = above.take_while(|row| row.row <= until).filter(is_meant).take(part.limit);
            let rows = rows.cloned().collect();
            self.asked = Some((part, rows));
        }
        self.asked.is_some()
    }

    fn answer(&mut self) {
        if let Some((part, rows)) = self.asked.take() {
            self.window.loaded(&part, rows);
        }
    }

    /// `false`: none may leave now.
    fn draw(&mut self) -> bool {
        let Some(row) = self.window.next(Moment::from_millis(self.now)) else { return false };
        assert!(self.rows.contains_key(&row.row), "row {} leaves though it is done", row.row);
        let order = row.outgoing.order;
        let first = self.rows.values().find(|other| other.outgoing.order == order).map(|first| first.row);
        assert_eq!(first, Some(row.row), "those of a pair leave in their order");
        let drawn = row.outgoing.lane;
        self.passed.remove(&drawn);
        let waiting = self.window.lanes.in_turn();
        self.passed.retain(|lane, _| waiting.contains(lane));
        for lane in waiting.into_iter().filter(|lane| *lane != drawn) {
            let times = self.passed.entry(lane).or_default().entry(drawn).or_default();
            *times += 1;
            assert!(*times <= 1, "lane {drawn} has had {times} turns while {lane} waits");
        }
        assert!(self.flying.insert(row.row, row).is_none(), "a row leaves once at a time");
        true
    }

    fn flying(&mut self, pick: usize) -> Option<StoredOutgoing> {
        let key = *self.flying.keys().nth(pick % self.flying.len().max(1))?;
        self.flying.remove(&key)
    }

    fn carry_out(&mut self, step: Move) {
        match step {
            Move::Commit { lane, pairs, octets } => {
                let rows: Vec<_> = pairs.into_iter().map(|pair| self.row(lane, pair, octets)).collect();
                for row in &rows {
                    self.write(row);
                }
                for row in rows {
                    self.window.committed(row);
                }
            }
            Move::Crossed { lanes } => {
                let (one, other) = (self.row(lanes.0, 1, 0), self.row(lanes.1, 1, 0));
                self.write(&one);
                self.write(&other);
                self.window.committed(other);
                self.window.committed(one);
            }
            Move::Unwritten { lane, pair } => {
                let row = self.row(lane, pair, 1);
                self.rows.insert(row.row, row.clone());
                if self.window.take_unwritten(vec![row.clone()]).is_err() {
                    self.write(&row);
                    self.window.committed(row);
                }
            }
            Move::Ask => drop(self.ask()),
            Move::Answer => self.answer(),
            Move::Draw(times) => drop((0..times).all(|_| self.flying.len() < FLYING_MAX && self.draw())),
            Move::Done(pick) => {
                if let Some(row) = self.flying(pick) {
                    self.ended(row.row);
                    self.window.done(row.row, row.outgoing.order);
                }
            }
            Move::Again(pick) => {
                if let Some(row) = self.flying(pick) {
                    self.window.later(row, Moment::from_millis(self.now + 50));
                }
            }
            Move::Wait => self.now += 60,
            Move::Hurry => self.window.hurry(),
            // A page that is under way would bring it again.
            Move::Expire(pick) if self.asked.is_none() => {
                let waiting: Vec<i64> =
                    self.rows.keys().copied().filter(|row| !self.flying.contains_key(row)).collect();
                if let Some(row) = waiting.get(pick % waiting.len().max(1)) {
                    // It may have been all that its lane had.
                    self.passed.clear();
                    self.ended(*row);
                    self.window.forget(*row);
                }
            }
            Move::Expire(_) => {}
        }
        // What comes back from the link finds its place in any case.
        assert!(self.window.held() <= BOUNDS.rows + FLYING_MAX);
        assert!(self.window.lanes.octets() <= BOUNDS.octets + FLYING_MAX * BODY_MAX);
        assert!(self.window.lanes.behind().len() <= BOUNDS.behind);
    }

    /// The peer takes everything.
    fn end(&mut self) {
        for _ in 0..10_000 {
            self.answer();
            self.now += 60;
            let mut moved = self.draw();
            while let Some(row) = self.flying(0) {
                self.ended(row.row);
                self.window.done(row.row, row.outgoing.order);
                moved = true;
            }
            if !self.ask() && !moved {
                break;
            }
        }
        assert_eq!(self.rows.keys().next(), None, "of {} left behind", self.rows.len());
        assert_eq!((self.window.held(), self.window.lines.len(), self.window.known.len()), (0, 0, 0));
        assert!(self.window.lanes.behind().is_empty() && self.window.complete);
    }
}

proptest! {
    #[test]
    fn every_row_leaves_once_in_its_turn(steps in prop::collection::vec(moves(), 1..200)) {
        let mut world = World::new();
        for step in steps {
            world.carry_out(step);
        }
        world.end();
    }
}
