//! What operators ask of storage: suspensions and blocks that outlive the process, and a look at what waits.

use super::{Account, Promise, StoredOutgoing};
use crate::imps::{Domain, GroupId, Moment, UserId};
use crate::relay::blocks::{Block, Subject};

/// A decision of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorsChange {
    /// Nothing flows to and from this peer until it is resumed. Outcome: `Done`, or `Duplicate` if it was
    /// suspended before.
    Suspend {
        /// Which peer.
        peer: Domain,
        /// Since when.
        since: Moment,
    },
    /// The suspension is over. Outcome: `Done` or `Missing`.
    Resume(Domain),
    /// Somebody is kept out; takes the place of a block of the same. A user that is kept out watches nobody from
    /// then on and waits for nobody's leave to. Outcome: `Done`, or `Full` at
    /// [`BLOCKS_MAX`](crate::relay::blocks::BLOCKS_MAX).
    Block(Block),
    /// The block is removed. Outcome: `Done` or `Missing`.
    Unblock(Subject),
    /// A domain is a guest, with whom something passed last at this moment. Outcome: `Done`.
    Guest(Guest),
    /// It is none any more. Outcome: `Done` or `Missing`.
    GuestGone(Domain),
    /// The row may leave at once. Outcome: `Done` or `Missing`.
    MakeDue {
        /// Which row of the outbox.
        row: i64,
    },
}

/// A peer that an operator suspended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Which.
    pub peer: Domain,
    /// Since when.
    pub since: Moment,
}

/// A domain without an entry that has an agreement, since federation is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Which.
    pub domain: Domain,
    /// When something passed last, within an hour.
    pub used: Moment,
}

/// A row of the outbox as operators see it: without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The row; its body is empty.
    pub row: StoredOutgoing,
    /// Octets of its body.
    pub octets: u64,
}

/// Questions of operators.
pub trait OperatorsStore {
    /// Every suspension, ordered by peer.
    fn suspensions(&self) -> Promise<Vec<Suspension>>;

    /// Every guest, ordered by domain.
    fn guests(&self) -> Promise<Vec<Guest>>;

    /// Every block, those that are over too.
    fn blocks(&self) -> Promise<Vec<Block>>;

    /// Rows of the outbox with numbers above `after`, of one peer or of all, oldest first, at most `limit`.
    fn queued(&self, peer: Option<Domain>, after: i64, limit: usize) -> Promise<Vec<Queued>>;

    /// Accounts behind this one, ordered by address, at most `limit`.
    fn accounts_behind(&self, after: Option<UserId>, limit: usize) -> Promise<Vec<Account>>;

    /// Every group of ours, ordered by address.
    fn all_groups(&self) -> Promise<Vec<GroupId>>;

    /// One row of the outbox, with its body.
    fn outgoing(&self, row: i64) -> Promise<Option<StoredOutgoing>>;
}
