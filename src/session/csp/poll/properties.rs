//! What holds for every sequence of events: no row is lost, none is offered twice at once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::testing::{Counting, at};
use super::*;
use crate::imps::Status;
use crate::imps::primitive::MessageDelivered;

const KEEP_ALIVE: Duration = Duration::from_secs(100);

/// Something that happens to one mailbox and two sessions of its owner.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// So many rows are committed together; the sessions hear of them in another order.
    Arrive(usize),
    /// A session hears of a row it has not heard of yet.
    Hear(usize, usize),
    /// A session asks for rows.
    Ask(usize),
    /// The store's answer to the last question arrives.
    Loaded(usize),
    /// The client polls.
    Poll(usize),
    /// The client answers its oldest or newest open request and takes what comes with the reply.
    Answer(usize, bool),
    /// The reply that carried the newest request was lost.
    Lose(usize),
    /// The store lets go of a row that was answered.
    Settle,
    /// A row expires, or is fetched by another way.
    Expire(usize),
    /// The session ends; the client logs in again.
    Relogin(usize),
    /// Time passes, seconds.
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let session = 0..2_usize;
    let event = prop_oneof![
        2 => (1..40_usize).prop_map(Event::Arrive),
        4 => (session.clone(), any::<usize>()).prop_map(|(who, which)| Event::Hear(who, which)),
        3 => session.clone().prop_map(Event::Ask),
        3 => session.clone().prop_map(Event::Loaded),
        6 => session.clone().prop_map(Event::Poll),
        6 => (session.clone(), any::<bool>()).prop_map(|(who, newest)| Event::Answer(who, newest)),
        1 => session.clone().prop_map(Event::Lose),
        4 => Just(Event::Settle),
        1 => any::<usize>().prop_map(Event::Expire),
        1 => session.prop_map(Event::Relogin),
        2 => (0..150_u64).prop_map(Event::Wait),
    ];
    proptest::collection::vec(event, 0..120)
}

/// One session with what its client knows.
struct Side {
    poll: Poll,
    unheard: Vec<i64>,
    asked: Option<(Wants, Vec<i64>, bool)>,
    /// Requests that the client has not answered, in the order in which they came.
    open: Vec<(TransactionId, i64, u64)>,
}

struct World {
    chance: Counting,
    mailbox: BTreeSet<i64>,
    last: i64,
    /// Answered, the commit still under way.
    settling: Vec<i64>,
    /// Every row that a client said to have.
    had: BTreeMap<i64, usize>,
    expired: BTreeSet<i64>,
    sides: Vec<Side>,
    now: u64,
}

fn text(id: i64) -> Row {
    Row { id, kind: RowKind::Message { octets: 1, content_type: None, group: None } }
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            chance: Counting::default(),
            mailbox: BTreeSet::new(),
            last: 0,
            settling: Vec::new(),
            had: BTreeMap::new(),
            expired: BTreeSet::new(),
            sides: Vec::new(),
            now: 0,
        };
        world.sides = (0..2).map(|_| world.side()).collect();
        world
    }

    fn side(&mut self) -> Side {
        Side { poll: Poll::new(&mut self.chance), unheard: Vec::new(), asked: None, open: Vec::new() }
    }

    fn ask(&mut self, who: usize) {
        if let Some(wants) = self.sides[who].poll.wants_more() {
            let rows: Vec<i64> = self.mailbox.range(wants.after + 1..).copied().collect();
            let complete = rows.len() <= wants.count;
            self.sides[who].asked = Some((wants, rows.into_iter().take(wants.count).collect(), complete));
        }
    }

    fn loaded(&mut self, who: usize) {
        if let Some((wants, rows, complete)) = self.sides[who].asked.take() {
            self.sides[who].poll.loaded(wants, rows.into_iter().map(text).collect(), complete);
        }
    }

    /// A server request reaches the client, as the Service Access Point sends it: rows that the
    /// store no longer has are passed over.
    fn request(&mut self, who: usize, occasion: Occasion) -> Option<i64> {
        loop {
            let side = &mut self.sides[who];
            let offer = side.poll.next(occasion, &Abilities::default(), KEEP_ALIVE, at(self.now))?;
            let Offered::Row { id, .. } = offer.what else { panic!("no farewell was said") };
            if !self.mailbox.contains(&id) {
                side.poll.removed(id);
                continue;
            }
            // Until the commit, the other client may still be offered what this one has.
            let had_here = self.settling.contains(&id) && self.had.get(&id) == Some(&who);
            assert!(!had_here, "row {id} was answered");
            if let Some(place) = side.open.iter().position(|(_, row, _)| *row == id) {
                let (transaction, _, since) = side.open.remove(place);
                assert_eq!(transaction, offer.transaction, "a repeat keeps its id");
                assert!(self.now - since >= 2 * KEEP_ALIVE.as_secs(), "row {id} was offered twice at once");
            }
            assert!(side.open.iter().all(|(known, ..)| *known != offer.transaction), "ids are unique");
            side.open.push((offer.transaction, id, self.now));
            return Some(id);
        }
    }

    fn answer(&mut self, who: usize, newest: bool) {
        let side = &mut self.sides[who];
        if side.open.is_empty() {
            return;
        }
        let place = if newest { side.open.len() - 1 } else { 0 };
        let (transaction, row, _) = side.open.remove(place);
        let answer: Primitive = if newest {
            Status::ok().into()
        } else {
            MessageDelivered { message_id: "m".parse().unwrap() }.into()
        };
        match side.poll.answered(&transaction, &answer) {
            Answered::Delivered { row: settled } => {
                assert_eq!(settled, row);
                self.had.insert(row, who);
                self.settling.push(row);
            }
            // Taken or expired meanwhile.
            Answered::Unknown { .. } => assert!(!self.mailbox.contains(&row)),
            other => panic!("{other:?}"),
        }
        self.request(who, Occasion::Answer);
    }

    fn let_go(&mut self, row: i64) {
        self.mailbox.remove(&row);
        for side in &mut self.sides {
            side.poll.removed(row);
        }
    }

    fn settle_all(&mut self) {
        while let Some(row) = self.settling.pop() {
            self.let_go(row);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(count) => {
                for _ in 0..count {
                    self.last += 1;
                    self.mailbox.insert(self.last);
                    for side in &mut self.sides {
                        side.unheard.push(self.last);
                    }
                }
            }
            Event::Hear(who, which) => {
                let side = &mut self.sides[who];
                if !side.unheard.is_empty() {
                    let row = side.unheard.swap_remove(which % side.unheard.len());
                    side.poll.arrived(text(row));
                }
            }
            Event::Ask(who) => self.ask(who),
            Event::Loaded(who) => self.loaded(who),
            Event::Poll(who) => {
                self.request(who, Occasion::Poll);
            }
            Event::Answer(who, newest) => self.answer(who, newest),
            Event::Lose(who) => {
                let side = &mut self.sides[who];
                if let Some((transaction, ..)) = side.open.pop() {
                    side.poll.lost(&transaction);
                }
            }
            Event::Settle => {
                if let Some(row) = self.settling.pop() {
                    self.let_go(row);
                }
            }
            Event::Expire(which) => {
                let waiting: Vec<i64> =
                    self.mailbox.iter().filter(|row| !self.settling.contains(row)).copied().collect();
                if !waiting.is_empty() {
                    let row = waiting[which % waiting.len()];
                    self.expired.insert(row);
                    self.let_go(row);
                }
            }
            Event::Relogin(who) => {
                // A client hears of the commit before it does anything else.
                self.settle_all();
                let unheard = std::mem::take(&mut self.sides[who].unheard);
                self.sides[who] = Side { unheard, ..self.side() };
            }
            Event::Wait(seconds) => self.now += seconds,
        }
        for side in &self.sides {
            assert!(side.poll.window.len() <= WINDOW_ROWS_MAX);
            assert!(side.poll.window.is_sorted_by_key(|entry| entry.row));
        }
    }

    /// Everybody becomes well-behaved: whatever is left reaches the first client.
    fn come_to_rest(&mut self) {
        for who in 0..2 {
            self.loaded(who);
            for row in std::mem::take(&mut self.sides[who].unheard) {
                self.sides[who].poll.arrived(text(row));
            }
        }
        let mut idle = 0;
        while idle < 3 {
            self.ask(0);
            self.loaded(0);
            let came = self.request(0, Occasion::Poll).is_some();
            let open = !self.sides[0].open.is_empty();
            self.answer(0, false);
            self.settle_all();
            idle = if came || open { 0 } else { idle + 1 };
            self.now += if idle > 0 { 2 * KEEP_ALIVE.as_secs() } else { 1 };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_row_is_lost_and_none_is_offered_twice_at_once(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.come_to_rest();
        prop_assert!(world.mailbox.is_empty(), "left behind: {:?}", world.mailbox);
        for row in 1..=world.last {
            prop_assert!(world.had.contains_key(&row) || world.expired.contains(&row), "row {} was lost", row);
        }
        prop_assert!(!world.sides[0].poll.flag(KEEP_ALIVE, at(world.now)), "an empty mailbox sends nobody polling");
    }
}
