//! What carries envelopes away.
//!
//! A peer's link or, later, a gateway. An exit reads its queue from the store; being offered a row only
//! saves it that question, so that an exit may forget what it was offered at any time (it is full, it
//! is down, the process ends) and nothing is lost (decisions.md 21, 25). Only what it takes before it was
//! written ([`Exit::take`]) it may not forget while the process lives.

use std::sync::Arc;

use crate::imps::{Domain, TransactionId};

use super::ports::StoredOutgoing;

/// Takes rows of the outbox out of the house. Calls return at once.
pub trait Exit: Send + Sync {
    /// These rows were just committed, in this order; all are for this exit.
    fn offer(&self, rows: Vec<StoredOutgoing>);

    /// These rows are not on disk, and the exit is the only one that has them from now on. Gives them back if
    /// they would not leave at once: the peer is not up, or others wait before them.
    fn take(&self, rows: Vec<StoredOutgoing>) -> Result<(), Vec<StoredOutgoing>>;

    /// Something may have changed: the peer was resumed, its agreement reloaded, its rows made due.
    /// The exit looks at its queue again.
    fn wake(&self);

    /// The row was given up (expired, or its peer closed): the exit forgets it.
    fn withdraw(&self, row: i64);

    /// The peer is closed: forgets the row, unless the peer may have taken it. `false`: it may have.
    fn take_back(&self, row: i64) -> bool;

    /// The row `old` with this order value, which came back, is replaced by another that says less; none if
    /// nothing of it is left. What stands behind it stays behind.
    fn replaced(&self, old: i64, order: u64, by: Option<StoredOutgoing>);

    /// An answer for this peer to a request of its own, an encoded primitive. `for_now`: its next copy
    /// counts as new.
    fn answer(&self, transaction: &TransactionId, fragment: Arc<[u8]>, for_now: bool);

    /// Whether rows are known not to leave for a while: nobody should wait for their outcome.
    fn is_down(&self) -> bool;

    /// Whether nothing has got through since an attempt failed, whatever is tried meanwhile.
    fn is_failing(&self) -> bool;
}

/// Finds the exit for a link. Asked after each commit that wrote to the outbox.
pub trait Exits: Send + Sync {
    /// The exit from our domain `own` to `peer`; `None` if there is none now, and the rows wait in the
    /// store until there is.
    fn exit(&self, own: &Domain, peer: &Domain) -> Option<Arc<dyn Exit>>;
}
