//! The memory of a session for what it has answered, so that a repeat is answered again and not
//! carried out twice (decisions.md 6, reference client-android §1).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::imps::{Moment, TransactionId};

/// Documents remembered per session (decisions.md 6).
pub const REMEMBERED_MAX: usize = 64;
/// Octets of one answer that are kept. Larger ones are answers to queries, or messages handed over;
/// a repeat of such a query is carried out again.
pub const ANSWER_OCTETS_MAX: usize = 16 * 1024;
/// Octets of answers kept per session; beyond that the oldest are forgotten.
pub const ANSWERS_OCTETS_MAX: usize = 64 * 1024;
/// After that long without an answer, work is taken for lost and a repeat is fresh.
pub const IN_WORK_MAX: Duration = Duration::from_secs(120);

/// What a document is to a session that may have seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// New: carry it out, then call `finish` with the answer, or `abandon`.
    Fresh,
    /// A repeat: send this body again.
    Repeat(Arc<[u8]>),
    /// A repeat of what is still being carried out.
    InWork,
}

#[derive(Debug)]
struct Remembered {
    transaction: TransactionId,
    digest: u64,
    begun: Moment,
    answer: Option<Arc<[u8]>>,
}

/// The last documents of one session with their answers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    documents: VecDeque<Remembered>,
    octets: usize,
}

impl Memory {
    fn place(&self, transaction: &TransactionId, digest: u64) -> Option<usize> {
        self.documents.iter().rposition(|known| known.digest == digest && known.transaction == *transaction)
    }

    fn forget(&mut self, place: usize) {
        if let Some(gone) = self.documents.remove(place) {
            self.octets -= gone.answer.map_or(0, |answer| answer.len());
        }
    }

    /// A document arrived.
    pub(super) fn begin(&mut self, transaction: &TransactionId, digest: u64, now: Moment) -> Begin {
        if let Some(place) = self.place(transaction, digest) {
            match self.documents.get(place) {
                Some(Remembered { answer: Some(answer), .. }) => return Begin::Repeat(answer.clone()),
                Some(known) if now.since(known.begun) < IN_WORK_MAX => return Begin::InWork,
                _ => self.forget(place),
            }
        }
        while self.documents.len() >= REMEMBERED_MAX {
            self.forget(0);
        }
        self.documents.push_back(Remembered {
            transaction: transaction.clone(),
            digest,
            begun: now,
            answer: None,
        });
        Begin::Fresh
    }

    /// The answer is ready.
    pub(super) fn finish(&mut self, transaction: &TransactionId, digest: u64, answer: Arc<[u8]>) {
        let Some(place) = self.place(transaction, digest) else { return };
        if answer.len() > ANSWER_OCTETS_MAX {
            self.forget(place);
            return;
        }
        if let Some(known) = self.documents.get_mut(place) {
            self.octets += answer.len();
            self.octets -= known.answer.replace(answer).map_or(0, |old| old.len());
        }
        while self.octets > ANSWERS_OCTETS_MAX {
            self.forget(0);
        }
    }

    /// No answer will come; a repeat is to be carried out.
    pub(super) fn abandon(&mut self, transaction: &TransactionId, digest: u64) {
        if let Some(place) = self.place(transaction, digest) {
            self.forget(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;
    use crate::wire::digest;

    fn id(text: &str) -> TransactionId {
        text.parse().unwrap()
    }

    fn answer(octets: usize) -> Arc<[u8]> {
        vec![7; octets].into()
    }

    #[test]
    fn a_repeat_gets_the_stored_answer() {
        let mut memory = Memory::default();
        let digest = digest(b"body");
        assert_eq!(memory.begin(&id("1"), digest, at(0)), Begin::Fresh);
        assert_eq!(memory.begin(&id("1"), digest, at(1)), Begin::InWork);
        memory.finish(&id("1"), digest, answer(3));
        assert_eq!(memory.begin(&id("1"), digest, at(2)), Begin::Repeat(answer(3)));
    }

    #[test]
    fn the_same_id_with_another_body_or_the_same_body_with_another_id_is_fresh() {
        let mut memory = Memory::default();
        assert_eq!(memory.begin(&id("1"), digest(b"a"), at(0)), Begin::Fresh);
        assert_eq!(memory.begin(&id("1"), digest(b"b"), at(0)), Begin::Fresh);
        assert_eq!(memory.begin(&id("2"), digest(b"a"), at(0)), Begin::Fresh);
    }

    #[test]
    fn abandoned_or_lost_work_may_be_repeated() {
        let mut memory = Memory::default();
        memory.begin(&id("1"), 1, at(0));
        memory.abandon(&id("1"), 1);
        assert_eq!(memory.begin(&id("1"), 1, at(0)), Begin::Fresh);
        assert_eq!(memory.begin(&id("1"), 1, at(119)), Begin::InWork);
        assert_eq!(memory.begin(&id("1"), 1, at(120)), Begin::Fresh);
        assert_eq!(memory.documents.len(), 1);
    }

    #[test]
    fn the_last_sixty_four_are_remembered_and_no_more() {
        let mut memory = Memory::default();
        for number in 0..65_u64 {
            let transaction = id(&number.to_string());
            memory.begin(&transaction, number, at(number));
            memory.finish(&transaction, number, answer(10));
        }
        assert_eq!(memory.documents.len(), REMEMBERED_MAX);
        assert_eq!(memory.octets, 640);
        assert_eq!(memory.begin(&id("1"), 1, at(70)), Begin::Repeat(answer(10)));
        assert_eq!(memory.begin(&id("0"), 0, at(70)), Begin::Fresh);
    }

    #[test]
    fn large_answers_do_not_fill_the_memory() {
        let mut memory = Memory::default();
        memory.begin(&id("1"), 1, at(0));
        memory.finish(&id("1"), 1, answer(ANSWER_OCTETS_MAX + 1));
        assert_eq!((memory.documents.len(), memory.octets), (0, 0));
        for number in 0..10_u64 {
            let transaction = id(&number.to_string());
            memory.begin(&transaction, number, at(0));
            memory.finish(&transaction, number, answer(ANSWER_OCTETS_MAX));
        }
        assert_eq!((memory.documents.len(), memory.octets), (4, ANSWERS_OCTETS_MAX));
    }
}
