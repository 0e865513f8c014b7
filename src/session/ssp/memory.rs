//! What the peer has asked lately, so that a repeated request is answered again and not carried out
//! again (decisions.md 6, reference ssp-behaviour §3).
//!
//! Kept for 10 minutes, at most 10 000 ids and 8 MiB of answers; the oldest go first. What is
//! forgotten here is still caught by the store, which knows message ids for eight days.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::output::Body;
use crate::imps::{Moment, SessionId, TransactionId};

/// How long an id is remembered.
const KEPT: Duration = Duration::from_secs(600);
/// How many ids are remembered.
const IDS_MAX: usize = 10_000;
/// Octets of ids and stored answers.
const OCTETS_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Memory {
    known: HashMap<TransactionId, Known>,
    /// In order of arrival; an entry counts only while `known` holds the same serial.
    order: VecDeque<(Moment, u64, TransactionId)>,
    octets: usize,
    serial: u64,
}

#[derive(Debug)]
struct Known {
    serial: u64,
    /// Our id of the session it came on: a peer that lost its state may count from one again.
    session: SessionId,
    name: &'static str,
    digest: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Handed up, not on disk yet.
    InHand,
    /// On disk; the answer comes later, or never.
    Accepted,
    /// Answered so.
    Answered(Body),
}

/// What is known about a request.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// Never seen.
    Fresh,
    /// Seen and not on disk yet.
    InHand,
    /// Seen and in work.
    InWork,
    /// Seen and answered so.
    Answered(Body),
    /// The id was used for something else.
    Reused,
}

impl Memory {
    /// Looks a request up.
    pub(super) fn seen(
        &self,
        id: &TransactionId,
        session: &SessionId,
        name: &'static str,
        digest: u64,
    ) -> Seen {
        let Some(known) = self.known.get(id) else { return Seen::Fresh };
        if known.digest != digest || known.name != name {
            return if known.session == *session { Seen::Reused } else { Seen::Fresh };
        }
        match &known.state {
            State::InHand => Seen::InHand,
            State::Accepted => Seen::InWork,
            State::Answered(body) => Seen::Answered(body.clone()),
        }
    }

    /// Remembers a fresh request.
    pub(super) fn insert(
        &mut self,
        id: TransactionId,
        session: &SessionId,
        name: &'static str,
        digest: u64,
        now: Moment,
    ) {
        self.remove(&id);
        self.serial += 1;
        self.octets += Self::weight(&id);
        let known =
            Known { serial: self.serial, session: session.clone(), name, digest, state: State::InHand };
        self.known.insert(id.clone(), known);
        self.order.push_back((now, self.serial, id));
        self.purge(now);
    }

    /// The request is on disk.
    pub(super) fn accepted(&mut self, id: &TransactionId) {
        if let Some(known) = self.known.get_mut(id)
            && matches!(known.state, State::InHand)
        {
            known.state = State::Accepted;
        }
    }

    /// The request was answered so.
    pub(super) fn answered(&mut self, id: &TransactionId, body: &Body) {
        if let Some(known) = self.known.get_mut(id) {
            if let State::Answered(old) = &known.state {
                self.octets -= old.octets();
            }
            self.octets += body.octets();
            known.state = State::Answered(body.clone());
        }
        self.shrink();
    }

    /// The request could not be taken: its next copy is a fresh one. Only while it is not on disk.
    pub(super) fn abandoned(&mut self, id: &TransactionId) {
        if self.known.get(id).is_some_and(|known| matches!(known.state, State::InHand)) {
            self.remove(id);
        }
    }

    /// Forgets the request, whatever became of it.
    pub(super) fn forget(&mut self, id: &TransactionId) {
        self.remove(id);
    }

    fn weight(id: &TransactionId) -> usize {
        2 * id.as_str().len() + 128
    }

    fn remove(&mut self, id: &TransactionId) {
        if let Some(known) = self.known.remove(id) {
            self.octets -= Self::weight(id);
            if let State::Answered(body) = known.state {
                self.octets -= body.octets();
            }
        }
    }

    /// Forgets what is too old or too much.
    pub(super) fn purge(&mut self, now: Moment) {
        while self.order.front().is_some_and(|(at, ..)| now.since(*at) >= KEPT) {
            self.forget_oldest();
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.order.len() > IDS_MAX || self.octets > OCTETS_MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, serial, id)) = self.order.pop_front() else { return };
        if self.known.get(&id).is_some_and(|known| known.serial == serial) {
            self.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TransactionId {
        text.parse().unwrap()
    }

    fn body(octets: usize) -> Body {
        Body::Encoded(vec![b'x'; octets].into())
    }

    const START: Moment = Moment::from_millis(1_000_000);

    #[test]
    fn a_request_goes_from_fresh_over_in_hand_and_in_work_to_answered() {
        let (mut memory, session) = (Memory::default(), "1@a.test".parse().unwrap());
        let seen = |memory: &Memory| memory.seen(&id("t"), &session, "Status", 7);
        assert_eq!(seen(&memory), Seen::Fresh);
        memory.insert(id("t"), &session, "Status", 7, START);
        assert_eq!(seen(&memory), Seen::InHand);
        memory.abandoned(&id("t"));
        assert_eq!(seen(&memory), Seen::Fresh);
        memory.insert(id("t"), &session, "Status", 7, START);
        memory.accepted(&id("t"));
        memory.abandoned(&id("t"));
        assert_eq!(seen(&memory), Seen::InWork);
        memory.answered(&id("t"), &body(3));
        assert_eq!(seen(&memory), Seen::Answered(body(3)));
        memory.purge(START.after(KEPT));
        assert_eq!(seen(&memory), Seen::Fresh);
        assert_eq!(memory.octets, 0);
    }

    #[test]
    fn other_content_under_a_known_id_is_a_reuse_unless_the_session_is_new() {
        let mut memory = Memory::default();
        let (old, new) = ("1@a.test".parse().unwrap(), "2@a.test".parse().unwrap());
        memory.insert(id("t"), &old, "Status", 7, START);
        assert_eq!(memory.seen(&id("t"), &old, "Status", 8), Seen::Reused);
        assert_eq!(memory.seen(&id("t"), &old, "LogoutRequest", 7), Seen::Reused);
        assert_eq!(memory.seen(&id("t"), &new, "Status", 8), Seen::Fresh);
        assert_eq!(memory.seen(&id("t"), &new, "Status", 7), Seen::InHand);
    }

    #[test]
    fn memory_is_bounded_in_number_and_octets() {
        let (mut memory, session) = (Memory::default(), "1@a.test".parse().unwrap());
        for n in 0..IDS_MAX + 5 {
            memory.insert(id(&n.to_string()), &session, "Status", 7, START);
        }
        assert_eq!((memory.known.len(), memory.order.len()), (IDS_MAX, IDS_MAX));
        assert_eq!(memory.seen(&id("4"), &session, "Status", 7), Seen::Fresh);
        for n in 5..205 {
            memory.answered(&id(&n.to_string()), &body(100_000));
        }
        assert!(memory.octets <= OCTETS_MAX);
        for n in 0..300 {
            memory.insert(id("same"), &session, "Status", n, START);
        }
        memory.purge(START.after(KEPT));
        assert_eq!((memory.known.len(), memory.order.len(), memory.octets), (0, 0, 0));
    }
}
