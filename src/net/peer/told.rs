//! Notices that a peer took and may still say something about.
//!
//! A notice is settled when the peer has taken it, and its row is gone then. The protocol answer comes later
//! or never; what it says of those who should have been told is worth hearing as long as it is known what
//! the notice was.

use std::collections::{HashMap, VecDeque};

use crate::relay::ports::{Settlement, StoredOutgoing};
use crate::session::ssp::OperationId;

/// Notices that are kept; the oldest make room.
const NOTICES_MAX: usize = 512;
/// A larger one is not kept.
const OCTETS_MAX: usize = 16 * 1024;

/// Notices that have arrived lately.
#[derive(Debug, Default)]
pub(super) struct Told {
    rows: HashMap<OperationId, StoredOutgoing>,
    order: VecDeque<OperationId>,
}

impl Told {
    /// Keeps the row if it is a notice of a size that may be kept.
    pub(super) fn keep(&mut self, operation: OperationId, row: &StoredOutgoing) {
        if row.outgoing.settlement != Settlement::Notice || row.outgoing.body.len() > OCTETS_MAX {
            return;
        }
        if self.rows.insert(operation, row.clone()).is_none() {
            self.order.push_back(operation);
        }
        if self.order.len() > NOTICES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.rows.remove(&oldest);
        }
    }

    /// The row, which is kept no longer.
    pub(super) fn take(&mut self, operation: OperationId) -> Option<StoredOutgoing> {
        self.rows.remove(&operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::ports::testing;

    fn row(number: i64, settlement: Settlement, octets: usize) -> StoredOutgoing {
        let mut row = testing::row(number, vec![b' '; octets]);
        row.outgoing.settlement = settlement;
        row.outgoing.primitive = "PresenceNotification".into();
        row
    }

    #[test]
    fn small_notices_are_kept_once_and_within_a_bound() {
        let mut told = Told::default();
        told.keep(OperationId(1), &row(1, Settlement::Notice, OCTETS_MAX + 1));
        told.keep(OperationId(2), &row(2, Settlement::Question, 1));
        assert_eq!((told.take(OperationId(1)), told.take(OperationId(2))), (None, None));
        let bound = i64::try_from(NOTICES_MAX).unwrap();
        for number in 0..=bound {
            told.keep(OperationId(number), &row(number, Settlement::Notice, 1));
        }
        assert_eq!(told.take(OperationId(0)), None, "the oldest made room");
        assert_eq!(told.take(OperationId(bound)).map(|row| row.row), Some(bound));
        assert_eq!(told.take(OperationId(bound)), None, "an answer is heard once");
    }
}
