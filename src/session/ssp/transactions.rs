//! The transactions that we have open towards a peer, and those that wait for a place in a POST.
//!
//! ```text
//! Waiting ──taken──▶ Posting ──2xx, request──▶ Answering ──answer──▶ done
//!    ▲                  │  └──2xx, notice or answer──────────────▶ done
//!    └──── put back ────┘        (an answer may overtake the 2xx) 30 s ──▶ unanswered
//! ```
//! Entered before the POST leaves, since the answer may come before its 2xx (reference
//! ssp-transport §3.3). Answers of ours go first: the peer waits for them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::output::{Body, Kind, NotTaken, OperationId, Part};
use crate::imps::{Moment, SessionId, TransactionId};
use crate::wire::Mode;

/// How long a request waits for its protocol answer (decisions.md 3).
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Operations in the table, in whatever state.
const OPERATIONS_MAX: usize = 4096;
/// Answers of ours that wait for a POST; beyond, the oldest is dropped and the peer has to ask again.
const ANSWERS_MAX: usize = 4096;
/// Octets of one POST of several; a larger one leaves alone.
const POST_OCTETS_MAX: usize = 256 * 1024;
/// How often an answer of ours is posted before it is dropped.
const ANSWER_TRIES: u32 = 5;
/// Notices that have left lately, whose acknowledgements are expected.
const NOTICES_MAX: usize = 4096;

/// Names an entry; never reused.
pub(super) type Key = u64;

#[derive(Debug, Default)]
pub(super) struct Transactions {
    items: BTreeMap<Key, Item>,
    /// Requests and notices by the id under which an answer would come.
    wire: HashMap<TransactionId, Key>,
    operations: HashMap<OperationId, Key>,
    /// Answers of ours in the table, so that a repeat does not queue the same one twice.
    answering: HashSet<TransactionId>,
    /// Answers that wait, oldest first: the entries in state Waiting.
    urgent: VecDeque<Key>,
    /// Operations that wait, oldest first: the entries in state Waiting.
    waiting: VecDeque<Key>,
    /// Deadlines of the entries in state Answering.
    deadlines: BTreeSet<(Moment, Key)>,
    notices: Recent,
    /// Operations in states Waiting and Posting.
    unsettled: usize,
    last: Key,
}

#[derive(Debug)]
struct Item {
    owner: Owner,
    transaction: TransactionId,
    body: Body,
    state: State,
    /// Times it was refused for now; only answers count.
    failures: u32,
    /// A POST of several was refused for good: find out which one it is.
    alone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Operation(OperationId, Kind),
    Answer,
}

#[derive(Debug)]
enum State {
    Waiting,
    Posting,
    /// Our id of the session on which it left.
    Answering(Moment, SessionId),
}

/// What became of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Settled(OperationId),
    Failed(OperationId),
    Returned(OperationId),
    AnswerDropped(TransactionId),
}

/// What an answer from the peer belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    Operation(OperationId),
    /// A notice.
    Notice {
        /// Which.
        operation: OperationId,
        /// Its 2xx has not come yet: the answer settles it.
        early: bool,
    },
    Nothing,
}

impl Transactions {
    /// Room for operations: `in_flight` unsettled ones, and the size of the table.
    pub(super) fn capacity(&self, in_flight: usize) -> usize {
        in_flight.saturating_sub(self.unsettled).min(OPERATIONS_MAX.saturating_sub(self.operations.len()))
    }

    /// Operations that are open.
    pub(super) fn open(&self) -> usize {
        self.operations.len()
    }

    /// Whether something waits for a session.
    pub(super) fn is_waiting(&self) -> bool {
        !self.urgent.is_empty() || !self.waiting.is_empty()
    }

    /// Takes an operation. One that is waiting for its answer is sent once more; one that is on its
    /// way already stays as it is.
    pub(super) fn enqueue(
        &mut self,
        operation: OperationId,
        transaction: TransactionId,
        kind: Kind,
        body: Body,
        in_flight: usize,
    ) -> Result<(), NotTaken> {
        if let Some(key) = self.operations.get(&operation).copied() {
            if self.items.get(&key).is_some_and(|item| !matches!(item.state, State::Answering(..))) {
                return Ok(());
            }
            self.remove(key);
        }
        if kind != Kind::Reply && self.wire.contains_key(&transaction) {
            return Err(NotTaken::InUse);
        }
        if self.capacity(in_flight) == 0 {
            return Err(NotTaken::Full);
        }
        let key = self.next();
        self.operations.insert(operation, key);
        if kind != Kind::Reply {
            self.wire.insert(transaction.clone(), key);
        }
        self.unsettled += 1;
        self.waiting.push_back(key);
        self.items.insert(key, Item::new(Owner::Operation(operation, kind), transaction, body));
        Ok(())
    }

    /// Queues an answer to a request of the peer. Gives back the answer that had to make room.
    pub(super) fn answer(&mut self, transaction: TransactionId, body: Body) -> Option<Ended> {
        if !self.answering.insert(transaction.clone()) {
            return None;
        }
        let key = self.next();
        self.urgent.push_back(key);
        self.items.insert(key, Item::new(Owner::Answer, transaction, body));
        if self.answering.len() <= ANSWERS_MAX {
            return None;
        }
        let oldest = self.urgent.front().copied()?;
        self.remove(oldest).map(|item| Ended::AnswerDropped(item.transaction))
    }

    /// Takes an operation back. `false` if it is not here.
    pub(super) fn withdraw(&mut self, operation: OperationId) -> bool {
        self.operations.get(&operation).copied().and_then(|key| self.remove(key)).is_some()
    }

    /// Takes what goes into the next POST: what has come the same way only (decisions.md 13).
    pub(super) fn take(&mut self, max: usize) -> Vec<(Key, Part)> {
        let mut taken: Vec<(Key, Part)> = Vec::new();
        let mut octets = 0_usize;
        while taken.len() < max.max(1) {
            let urgent = !self.urgent.is_empty();
            let queue = if urgent { &mut self.urgent } else { &mut self.waiting };
            let Some(key) = queue.pop_front() else { break };
            let Some(item) = self.items.get_mut(&key) else { continue };
            octets = octets.saturating_add(item.body.octets());
            let other_way =
                taken.first().is_some_and(|(_, first): &(Key, Part)| first.body.via() != item.body.via());
            let apart = (item.alone || octets > POST_OCTETS_MAX) && !taken.is_empty();
            if apart || other_way {
                queue.push_front(key);
                break;
            }
            item.state = State::Posting;
            let alone = item.alone;
            taken.push((key, item.part()));
            if alone {
                break;
            }
        }
        taken
    }

    /// Takes the answers of these transactions, if they were the last that were queued; they count as sent.
    /// What would make more than so many octets stays.
    pub(super) fn take_answers(&mut self, of: &[TransactionId], octets_max: usize) -> Vec<Part> {
        let mut taken = Vec::with_capacity(of.len());
        let mut octets = 0_usize;
        while let Some(key) = self.urgent.back().copied()
            && let Some(item) = self.items.get_mut(&key)
            && of.contains(&item.transaction)
        {
            octets = octets.saturating_add(item.body.octets());
            if octets > octets_max {
                break;
            }
            self.urgent.pop_back();
            item.state = State::Posting;
            taken.extend(self.remove(key).map(|item| item.part()));
        }
        taken.reverse();
        taken
    }

    /// The POST was accepted.
    pub(super) fn accepted(&mut self, key: Key, session: &SessionId, now: Moment) -> Option<Ended> {
        let item = self.items.get_mut(&key)?;
        match item.owner {
            Owner::Operation(_, Kind::Request) => {
                let deadline = now.after(ANSWER_WITHIN);
                item.state = State::Answering(deadline, session.clone());
                self.unsettled -= 1;
                self.deadlines.insert((deadline, key));
                None
            }
            Owner::Operation(operation, kind) => {
                let item = self.remove(key)?;
                if kind == Kind::Notice {
                    self.notices.insert(item.transaction, operation);
                }
                Some(Ended::Settled(operation))
            }
            Owner::Answer => {
                self.remove(key);
                None
            }
        }
    }

    /// The POST did not get through, for no fault of its own: first in line again. Call in reverse
    /// order of the POST's parts.
    pub(super) fn put_back(&mut self, key: Key) {
        let Some(item) = self.items.get_mut(&key) else { return };
        item.state = State::Waiting;
        match item.owner {
            Owner::Operation(..) => self.waiting.push_front(key),
            Owner::Answer => self.urgent.push_front(key),
        }
    }

    /// The POST was refused for now: operations go back to the outbox, answers stay a few times.
    pub(super) fn postponed(&mut self, key: Key) -> Option<Ended> {
        let item = self.items.get_mut(&key)?;
        item.failures += 1;
        match item.owner {
            Owner::Answer if item.failures < ANSWER_TRIES => {
                self.put_back(key);
                None
            }
            Owner::Answer => self.remove(key).map(|item| Ended::AnswerDropped(item.transaction)),
            Owner::Operation(operation, _) => {
                self.remove(key);
                Some(Ended::Returned(operation))
            }
        }
    }

    /// The POST was refused for good. Of several transactions each gets a POST of its own first.
    pub(super) fn refused(&mut self, key: Key, of_several: bool) -> Option<Ended> {
        if of_several {
            self.items.get_mut(&key)?.alone = true;
            self.put_back(key);
            return None;
        }
        let item = self.remove(key)?;
        Some(match item.owner {
            Owner::Operation(operation, _) => Ended::Failed(operation),
            Owner::Answer => Ended::AnswerDropped(item.transaction),
        })
    }

    /// Whether a Response under this id would belong to something.
    pub(super) fn awaits(&self, transaction: &TransactionId) -> bool {
        self.wire.contains_key(transaction)
    }

    /// A Response has come under this id.
    pub(super) fn arrived(&mut self, transaction: &TransactionId) -> Match {
        if let Some(key) = self.wire.get(transaction).copied()
            && let Some(item) = self.remove(key)
        {
            return match item.owner {
                Owner::Operation(operation, Kind::Request) => Match::Operation(operation),
                Owner::Operation(operation, _) => Match::Notice { operation, early: true },
                Owner::Answer => Match::Nothing,
            };
        }
        match self.notices.remove(transaction) {
            Some(operation) => Match::Notice { operation, early: false },
            None => Match::Nothing,
        }
    }

    /// Requests whose time for an answer is over.
    pub(super) fn overdue(&mut self, now: Moment) -> Vec<OperationId> {
        let later = self.deadlines.split_off(&(now.after(Duration::from_millis(1)), 0));
        let due = std::mem::replace(&mut self.deadlines, later);
        due.into_iter().filter_map(|(_, key)| self.remove(key)?.operation()).collect()
    }

    /// When [`Transactions::overdue`] has something.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The session is over: whoever waits for an answer on it waits in vain.
    pub(super) fn orphans(&mut self, session: &SessionId) -> Vec<OperationId> {
        let lost = |item: &Item| matches!(&item.state, State::Answering(_, on) if on == session);
        let keys: Vec<Key> = self.items.iter().filter(|(_, item)| lost(item)).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| self.remove(key)?.operation()).collect()
    }

    /// The peer may have lost what it took and did not answer: all of that leaves once more, under the
    /// same ids, before what waits.
    pub(super) fn repeat(&mut self) {
        let answering = |item: &Item| matches!(item.state, State::Answering(..));
        let keys: Vec<Key> =
            self.items.iter().filter(|(_, item)| answering(item)).map(|(key, _)| *key).collect();
        for key in keys.into_iter().rev() {
            self.unsettled += 1;
            self.put_back(key);
        }
        self.deadlines.clear();
    }

    /// Empties the table: the operations that were in it, oldest first.
    pub(super) fn drain(&mut self) -> Vec<OperationId> {
        let keys: Vec<Key> = self.items.keys().copied().collect();
        keys.into_iter().filter_map(|key| self.remove(key)?.operation()).collect()
    }

    fn next(&mut self) -> Key {
        self.last += 1;
        self.last
    }

    fn remove(&mut self, key: Key) -> Option<Item> {
        let item = self.items.remove(&key)?;
        match (&item.state, item.owner) {
            (State::Waiting, Owner::Operation(..)) => self.waiting.retain(|waiting| *waiting != key),
            (State::Waiting, Owner::Answer) => self.urgent.retain(|waiting| *waiting != key),
            (State::Answering(deadline, _), _) => {
                self.deadlines.remove(&(*deadline, key));
            }
            (State::Posting, _) => {}
        }
        match item.owner {
            Owner::Operation(operation, kind) => {
                self.operations.remove(&operation);
                if kind != Kind::Reply {
                    self.wire.remove(&item.transaction);
                }
                if !matches!(item.state, State::Answering(..)) {
                    self.unsettled -= 1;
                }
            }
            Owner::Answer => {
                self.answering.remove(&item.transaction);
            }
        }
        Some(item)
    }
}

impl Item {
    fn new(owner: Owner, transaction: TransactionId, body: Body) -> Self {
        Self { owner, transaction, body, state: State::Waiting, failures: 0, alone: false }
    }

    fn part(&self) -> Part {
        let mode = match self.owner {
            Owner::Operation(_, Kind::Request | Kind::Notice) => Mode::Request,
            Owner::Operation(_, Kind::Reply) | Owner::Answer => Mode::Response,
        };
        Part { transaction: self.transaction.clone(), mode, body: self.body.clone() }
    }

    const fn operation(&self) -> Option<OperationId> {
        match self.owner {
            Owner::Operation(operation, _) => Some(operation),
            Owner::Answer => None,
        }
    }
}

/// The last so many ids.
#[derive(Debug, Default)]
struct Recent {
    ids: HashMap<TransactionId, OperationId>,
    order: VecDeque<TransactionId>,
}

impl Recent {
    fn insert(&mut self, id: TransactionId, operation: OperationId) {
        self.ids.insert(id.clone(), operation);
        self.order.push_back(id);
        if self.order.len() > NOTICES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &TransactionId) -> Option<OperationId> {
        self.ids.remove(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_millis(1_000_000);

    fn id(text: &str) -> TransactionId {
        text.parse().unwrap()
    }

    fn session() -> SessionId {
        "1@a.test".parse().unwrap()
    }

    fn body() -> Body {
        Body::Encoded(b"<X/>".as_slice().into())
    }

    fn with(kinds: &[Kind]) -> Transactions {
        let mut table = Transactions::default();
        for (n, kind) in (1_i64..).zip(kinds) {
            table.enqueue(OperationId(n), id(&format!("t{n}")), *kind, body(), 10).unwrap();
        }
        table
    }

    #[test]
    fn a_request_waits_for_its_answer_and_a_notice_does_not() {
        let mut table = with(&[Kind::Request, Kind::Notice, Kind::Reply]);
        let taken = table.take(10);
        let modes: Vec<_> = taken.iter().map(|(_, part)| part.mode).collect();
        assert_eq!(modes, [Mode::Request, Mode::Request, Mode::Response]);
        let ended: Vec<_> =
            taken.iter().filter_map(|(key, _)| table.accepted(*key, &session(), NOW)).collect();
        assert_eq!(ended, [Ended::Settled(OperationId(2)), Ended::Settled(OperationId(3))]);
        assert_eq!(table.arrived(&id("t1")), Match::Operation(OperationId(1)));
        assert_eq!(table.arrived(&id("t1")), Match::Nothing);
        let late = Match::Notice { operation: OperationId(2), early: false };
        assert_eq!(table.arrived(&id("t2")), late);
        assert_eq!(table.arrived(&id("t3")), Match::Nothing);
        assert_eq!((table.capacity(10), table.next_deadline()), (10, None));
    }

    #[test]
    fn several_share_a_post_as_long_as_it_stays_small() {
        let mut table = Transactions::default();
        let large = Body::Encoded(vec![b' '; POST_OCTETS_MAX - 10].into());
        for (n, body) in [(1, body()), (2, body()), (3, large.clone()), (4, large), (5, body())] {
            table.enqueue(OperationId(n), id(&format!("t{n}")), Kind::Request, body, 10).unwrap();
        }
        let posts = std::iter::from_fn(|| Some(table.take(16).len()).filter(|taken| *taken > 0));
        assert_eq!(posts.collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn an_answer_may_overtake_the_2xx() {
        let mut table = with(&[Kind::Request, Kind::Notice]);
        let taken = table.take(10);
        assert_eq!(table.arrived(&id("t1")), Match::Operation(OperationId(1)));
        let early = Match::Notice { operation: OperationId(2), early: true };
        assert_eq!(table.arrived(&id("t2")), early);
        for (key, _) in taken {
            assert_eq!(table.accepted(key, &session(), NOW), None);
        }
        assert_eq!(table.capacity(10), 10);
    }

    #[test]
    fn an_unanswered_request_comes_up_after_thirty_seconds_and_may_be_sent_again() {
        let mut table = with(&[Kind::Request]);
        let (key, _) = table.take(1).remove(0);
        table.accepted(key, &session(), NOW);
        let deadline = table.next_deadline().unwrap();
        assert_eq!(deadline, NOW.after(Duration::from_secs(30)));
        assert!(table.overdue(NOW).is_empty());
        table.enqueue(OperationId(1), id("t1"), Kind::Request, body(), 10).unwrap();
        assert!(table.overdue(deadline).is_empty());
        let (key, _) = table.take(1).remove(0);
        table.accepted(key, &session(), deadline);
        assert_eq!(table.overdue(deadline.after(ANSWER_WITHIN)), [OperationId(1)]);
        assert_eq!(table.capacity(10), 10);
    }

    #[test]
    fn of_several_refused_transactions_each_is_tried_alone() {
        let mut table = with(&[Kind::Request, Kind::Request]);
        let taken = table.take(10);
        for (key, _) in taken.iter().rev() {
            assert_eq!(table.refused(*key, true), None);
        }
        let (first, second) = (table.take(10), table.take(10));
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_eq!(first[0].1.transaction, id("t1"));
        assert_eq!(table.refused(first[0].0, false), Some(Ended::Failed(OperationId(1))));
    }

    #[test]
    fn answers_go_first_once_each_and_are_given_up_after_five_tries() {
        let mut table = with(&[Kind::Request]);
        assert_eq!(table.answer(id("p1"), body()), None);
        assert_eq!(table.answer(id("p1"), body()), None);
        for tries in 1..=5 {
            let taken = table.take(1);
            assert_eq!(taken[0].1.transaction, id("p1"));
            let ended = table.postponed(taken[0].0);
            assert_eq!(ended, (tries == 5).then(|| Ended::AnswerDropped(id("p1"))));
        }
        assert_eq!(table.take(10).len(), 1);
        for n in 0..=ANSWERS_MAX {
            let dropped = table.answer(id(&n.to_string()), body());
            assert_eq!(dropped.is_some(), n == ANSWERS_MAX);
        }
    }

    #[test]
    fn answers_just_given_may_be_taken_and_those_that_waited_before_stay() {
        let mut table = Transactions::default();
        for name in ["before", "p1", "p2"] {
            table.answer(id(name), body());
        }
        let of = [id("before"), id("p1"), id("p2")];
        let ids = |parts: Vec<Part>| {
            parts.iter().map(|part| part.transaction.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(table.take_answers(&of[1..], 1000)), ["p1", "p2"]);
        assert!(table.take_answers(&of[1..], 1000).is_empty(), "they count as sent");
        assert!(table.take_answers(&of, 1).is_empty(), "it is too long");
        // What was taken may be answered anew, to a repeat; what stayed leaves in a POST.
        assert_eq!(table.answer(id("p1"), body()), None);
        let left = table.take(10).into_iter().map(|(_, part)| part).collect();
        assert_eq!(ids(left), ["before", "p1"]);
    }

    #[test]
    fn the_table_takes_no_more_than_it_has_room_for() {
        let mut table = with(&[Kind::Request, Kind::Request]);
        let full = table.enqueue(OperationId(3), id("t3"), Kind::Request, body(), 2);
        assert_eq!(full, Err(NotTaken::Full));
        let used = table.enqueue(OperationId(3), id("t1"), Kind::Request, body(), 10);
        assert_eq!(used, Err(NotTaken::InUse));
        assert_eq!(table.enqueue(OperationId(1), id("t1"), Kind::Request, body(), 2), Ok(()));
        assert!(table.withdraw(OperationId(1)));
        assert!(!table.withdraw(OperationId(1)));
        assert_eq!(table.drain(), [OperationId(2)]);
        assert!(!table.is_waiting());
    }
}
