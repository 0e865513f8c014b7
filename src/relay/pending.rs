//! Who waits for what.
//!
//! One request of a client may become several requests to several peers. Here stands the one who
//! asked, until all of them have an outcome or patience ends; then the outcomes are merged into one
//! Status (reference ssp-primitives G6, G7). Everything is in memory: who waits is gone after a
//! restart, the rows of the outbox are not. Deadlines come in as moments and are kept by the caller.

use std::collections::{BTreeSet, HashMap};

use crate::imps::status::Entity;
use crate::imps::{Code, Moment, Status};

/// Names one question for [`Pending::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// One operation that was started for an asker: a row of the outbox, and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of the outbox row.
    pub row: i64,
    /// Whom it is for; each is in one part only.
    pub recipients: Vec<Entity>,
}

/// What an asker is to be told.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved<K> {
    /// Who asked.
    pub asker: K,
    /// The outcomes of all parts in one.
    pub status: Status,
    /// Whether some part was silent until the deadline.
    pub silent: bool,
}

/// What became of a new question.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened<K> {
    /// It waits.
    Waiting(Ticket),
    /// Nothing is to be waited for, or no more questions are taken: here is the answer already.
    Resolved(Resolved<K>),
}

/// What the outcomes of a row meant.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled<K> {
    /// The last part that was missing: the asker is to be told.
    Resolved(Resolved<K>),
    /// The asker waits on, for other parts.
    Waiting,
    /// Nobody waits any more: failures are to be reported to the author (decisions.md 1).
    Nobody,
}

struct Question<K> {
    asker: K,
    settled: Vec<(Entity, Code)>,
    missing: HashMap<i64, Vec<Entity>>,
    deadline: Moment,
    when_silent: Code,
}

impl<K> Question<K> {
    /// Missing parts get the code of silence, and all is merged.
    fn resolve(mut self) -> Resolved<K> {
        let silent = !self.missing.is_empty();
        let mut missing: Vec<_> = self.missing.into_iter().collect();
        missing.sort_unstable_by_key(|(row, _)| *row);
        for (_, recipients) in missing {
            self.settled.extend(recipients.into_iter().map(|recipient| (recipient, self.when_silent)));
        }
        Resolved { asker: self.asker, status: Status::merge(self.settled), silent }
    }
}

/// Open questions. `K` is whatever finds the asker again.
pub struct Pending<K> {
    questions: HashMap<Ticket, Question<K>>,
    rows: HashMap<i64, Ticket>,
    deadlines: BTreeSet<(Moment, Ticket)>,
    next: u64,
    questions_max: usize,
}

impl<K> std::fmt::Debug for Pending<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("questions", &self.questions.len()).finish_non_exhaustive()
    }
}

impl<K> Pending<K> {
    /// Holds at most so many questions; further askers are answered at once as if all were silent.
    pub fn new(questions_max: usize) -> Self {
        Self {
            questions: HashMap::new(),
            rows: HashMap::new(),
            deadlines: BTreeSet::new(),
            next: 0,
            questions_max,
        }
    }

    /// Somebody asks. `settled` are outcomes that are known already; `parts` are still to come, until
    /// `deadline`. Recipients without outcome then count as `when_silent`: 504 for queries, 202 for
    /// messages, which are safely queued.
    pub fn open(
        &mut self,
        asker: K,
        settled: Vec<(Entity, Code)>,
        parts: Vec<Part>,
        deadline: Moment,
        when_silent: Code,
    ) -> Opened<K> {
        let missing = parts.into_iter().map(|part| (part.row, part.recipients)).collect();
        let question = Question { asker, settled, missing, deadline, when_silent };
        if question.missing.is_empty() || self.questions.len() >= self.questions_max {
            return Opened::Resolved(question.resolve());
        }
        let ticket = Ticket(self.next);
        self.next = self.next.wrapping_add(1);
        for row in question.missing.keys() {
            self.rows.insert(*row, ticket);
        }
        self.deadlines.insert((deadline, ticket));
        self.questions.insert(ticket, question);
        Opened::Waiting(ticket)
    }

    /// A row has its outcomes, final ones, for each of its recipients; recipients that are not named
    /// count as `when_silent`.
    pub fn settle(&mut self, row: i64, outcomes: &[(Entity, Code)]) -> Settled<K> {
        let Some(ticket) = self.rows.remove(&row) else { return Settled::Nobody };
        let Some(question) = self.questions.get_mut(&ticket) else { return Settled::Nobody };
        let Some(recipients) = question.missing.remove(&row) else { return Settled::Nobody };
        for recipient in recipients {
            let code = outcomes
                .iter()
                .find(|(entity, _)| *entity == recipient)
                .map_or(question.when_silent, |(_, code)| *code);
            question.settled.push((recipient, code));
        }
        if !question.missing.is_empty() {
            return Settled::Waiting;
        }
        self.take(ticket).map_or(Settled::Nobody, |question| Settled::Resolved(question.resolve()))
    }

    /// Whether somebody waits for this row.
    pub fn waits_for(&self, row: i64) -> bool {
        self.rows.contains_key(&row)
    }

    /// The work of one row goes on under another: what is left of a request is sent again.
    /// `recipients` stay open; the others have these outcomes.
    pub fn replace(&mut self, row: i64, by: i64, recipients: Vec<Entity>, outcomes: &[(Entity, Code)]) {
        let Some(ticket) = self.rows.remove(&row) else { return };
        let Some(question) = self.questions.get_mut(&ticket) else { return };
        question.missing.remove(&row);
        question.settled.extend(outcomes.iter().cloned());
        question.missing.insert(by, recipients);
        self.rows.insert(by, ticket);
    }

    /// Answers everybody whose patience has ended.
    pub fn expire(&mut self, now: Moment) -> Vec<Resolved<K>> {
        let mut resolved = Vec::new();
        while let Some((deadline, ticket)) = self.deadlines.first().copied()
            && deadline <= now
        {
            match self.take(ticket) {
                Some(question) => resolved.push(question.resolve()),
                None => {
                    self.deadlines.remove(&(deadline, ticket));
                }
            }
        }
        resolved
    }

    /// The asker is gone; what comes for it is nobody's.
    pub fn cancel(&mut self, ticket: Ticket) -> Option<K> {
        self.take(ticket).map(|question| question.asker)
    }

    /// The next deadline.
    pub fn wake_at(&self) -> Option<Moment> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// How many questions are open.
    pub fn len(&self) -> usize {
        self.questions.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    fn take(&mut self, ticket: Ticket) -> Option<Question<K>> {
        let question = self.questions.remove(&ticket)?;
        self.deadlines.remove(&(question.deadline, ticket));
        for row in question.missing.keys() {
            self.rows.remove(row);
        }
        Some(question)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(text: &str) -> Entity {
        Entity::User(text.parse().unwrap())
    }

    fn part(row: i64, recipients: &[&str]) -> Part {
        Part { row, recipients: recipients.iter().map(|text| user(text)).collect() }
    }

    const SOON: Moment = Moment::from_millis(5000);

    #[test]
    fn an_asker_waits_for_all_its_parts_and_hears_one_status() {
        let mut pending = Pending::new(10);
        let known = vec![(user("a@north.example"), Code::SUCCESSFUL)];
        let parts = vec![part(1, &["b@south.example"]), part(2, &["c@east.example"])];
        assert!(matches!(pending.open("ada", known, parts, SOON, Code::ACCEPTED), Opened::Waiting(_)));
        assert_eq!(pending.wake_at(), Some(SOON));
        let good = [(user("b@south.example"), Code::SUCCESSFUL)];
        assert_eq!(pending.settle(1, &good), Settled::Waiting);
        let bad = [(user("c@east.example"), Code::UNKNOWN_USER)];
        let Settled::Resolved(resolved) = pending.settle(2, &bad) else { panic!("not resolved") };
        assert_eq!((resolved.asker, resolved.status.code), ("ada", Code::PARTIALLY_SUCCESSFUL));
        assert_eq!(resolved.status.code_for(&user("c@east.example")), Code::UNKNOWN_USER);
        assert!(pending.is_empty() && pending.wake_at().is_none());
        assert_eq!(pending.settle(2, &bad), Settled::Nobody);
    }

    #[test]
    fn a_silent_domain_contributes_its_code_for_each_of_its_recipients() {
        let mut pending = Pending::new(10);
        let parts = vec![part(1, &["b@south.example", "d@south.example"]), part(2, &["c@east.example"])];
        pending.open((), Vec::new(), parts, SOON, Code::TIMEOUT);
        pending.settle(2, &[(user("c@east.example"), Code::SUCCESSFUL)]);
        assert!(pending.expire(Moment::from_millis(4999)).is_empty());
        let resolved = pending.expire(SOON);
        let [only] = &resolved[..] else { panic!("one asker waited") };
        assert!(only.silent);
        assert_eq!(only.status.details.len(), 1);
        assert_eq!(only.status.code_for(&user("d@south.example")), Code::TIMEOUT);
        assert_eq!(pending.settle(1, &[]), Settled::Nobody, "the author hears by report instead");
    }

    #[test]
    fn a_message_that_is_queued_is_a_success_for_who_waits_no_longer() {
        let mut pending = Pending::new(10);
        pending.open((), Vec::new(), vec![part(1, &["b@south.example"])], SOON, Code::ACCEPTED);
        assert_eq!(pending.expire(SOON)[0].status, Status::ok());
    }

    #[test]
    fn nothing_to_wait_for_is_answered_at_once_and_so_is_one_too_many() {
        let mut pending = Pending::new(1);
        let known = vec![(user("a@north.example"), Code::UNKNOWN_USER)];
        let Opened::Resolved(resolved) = pending.open((), known, Vec::new(), SOON, Code::ACCEPTED) else {
            panic!("there was nothing to wait for")
        };
        assert_eq!(resolved.status.code, Code::UNKNOWN_USER);
        pending.open((), Vec::new(), vec![part(1, &["b@south.example"])], SOON, Code::ACCEPTED);
        let second = pending.open((), Vec::new(), vec![part(2, &["b@south.example"])], SOON, Code::ACCEPTED);
        assert!(matches!(second, Opened::Resolved(_)));
        assert_eq!(pending.len(), 1);
    }

    #[test]
    fn what_is_left_of_a_request_goes_on_under_another_row() {
        let mut pending = Pending::new(1);
        let recipients = ["b@south.example", "c@south.example"];
        pending.open((), Vec::new(), vec![part(1, &recipients)], SOON, Code::ACCEPTED);
        pending.replace(1, 7, vec![user(recipients[1])], &[(user(recipients[0]), Code::UNKNOWN_USER)]);
        let settled = pending.settle(7, &[(user(recipients[1]), Code::SUCCESSFUL)]);
        let Settled::Resolved(resolved) = settled else { panic!("not resolved") };
        assert_eq!(resolved.status.code, Code::PARTIALLY_SUCCESSFUL);
    }

    #[test]
    fn who_has_gone_is_not_told() {
        let mut pending = Pending::new(1);
        let Opened::Waiting(ticket) =
            pending.open("ada", Vec::new(), vec![part(1, &["b@south.example"])], SOON, Code::ACCEPTED)
        else {
            panic!("not waiting")
        };
        assert_eq!(pending.cancel(ticket), Some("ada"));
        assert!(!pending.waits_for(1) && pending.expire(SOON).is_empty());
    }

    proptest! {
        #[test]
        fn the_merged_status_tells_each_recipient_its_own_outcome(
            codes in proptest::collection::vec(
                proptest::sample::select(vec![200_u16, 516, 531, 532]), 1..8,
            ),
        ) {
            let mut pending = Pending::new(1);
            let name = |n: usize| format!("u{n}@south.example");
            let parts = (0..codes.len()).map(|n| part(i64::try_from(n).unwrap(), &[&name(n)])).collect();
            pending.open((), vec![], parts, SOON, Code::TIMEOUT);
            let mut last = Settled::Nobody;
            for (n, code) in codes.iter().enumerate() {
                let outcome = [(user(&name(n)), Code::new(*code).unwrap())];
                last = pending.settle(i64::try_from(n).unwrap(), &outcome);
            }
            let Settled::Resolved(Resolved { status, .. }) = last else { panic!("not resolved") };
            for (n, code) in codes.iter().enumerate() {
                prop_assert_eq!(status.code_for(&user(&name(n))).get(), *code);
            }
            prop_assert_eq!(status.code.is_success(), codes.contains(&200));
        }

        #[test]
        fn whoever_asks_is_answered_exactly_once(
            questions in proptest::collection::vec((0_u64..20, 0_usize..4), 1..12),
            order in proptest::collection::vec((any::<bool>(), 0_i64..48), 0..60),
        ) {
            let mut pending = Pending::new(8);
            let mut answered = vec![0_u32; questions.len()];
            for (asker, (deadline, parts)) in questions.iter().enumerate() {
                let parts = (0..*parts)
                    .map(|n| part(i64::try_from(asker * 4 + n).unwrap(), &["b@south.example"]))
                    .collect();
                let deadline = Moment::from_millis(*deadline);
                if let Opened::Resolved(resolved) = pending.open(asker, vec![], parts, deadline, Code::TIMEOUT) {
                    answered[resolved.asker] += 1;
                }
            }
            for (settle, number) in order {
                if settle {
                    if let Settled::Resolved(resolved) = pending.settle(number, &[]) {
                        answered[resolved.asker] += 1;
                    }
                } else {
                    for resolved in pending.expire(Moment::from_millis(number.unsigned_abs() / 2)) {
                        answered[resolved.asker] += 1;
                    }
                }
            }
            for resolved in pending.expire(Moment::from_millis(1000)) {
                answered[resolved.asker] += 1;
            }
            prop_assert!(answered.iter().all(|times| *times == 1), "{answered:?}");
            prop_assert!(pending.is_empty() && pending.rows.is_empty() && pending.deadlines.is_empty());
        }
    }
}
