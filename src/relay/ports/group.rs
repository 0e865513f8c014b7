//! Groups in the store, and which of our clients are in groups elsewhere.

use super::Promise;
use crate::element::group::{Edit, Group, Said};
use crate::imps::primitive::ClientId;
use crate::imps::{GroupId, MessageId, Moment, SessionId, UserId};

/// A group as it stands in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredGroup {
    /// Counts its changes.
    pub version: u64,
    /// The group.
    pub group: Group,
}

/// A client of ours in a group of another domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Whose client.
    pub user: UserId,
    /// Which client: the group's home knows it by this.
    pub client: ClientId,
    /// The client's session, with which the visit ends.
    pub session: SessionId,
    /// The group.
    pub group: GroupId,
    /// Under which name, as far as it is known here.
    pub name: Option<Box<str>>,
}

/// Groups elsewhere that one user may want to be in whenever it is logged in.
pub const AUTO_JOINS_MAX: u64 = 100;

/// A change of groups.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupChange {
    /// Make a group. Outcome: `Done`, or `Duplicate` if there is one of this address.
    Create(Box<Group>),
    /// Change a group: all edits or none. Outcome: `Done`, `Conflict` if it has another version by now,
    /// or `Missing`.
    Edit {
        /// Which.
        group: GroupId,
        /// The version that the edits were decided on.
        version: u64,
        /// In this order.
        edits: Vec<Edit>,
    },
    /// A group keeps a message; its oldest give way
    /// ([`HISTORY_MESSAGES_MAX`](crate::element::group::HISTORY_MESSAGES_MAX)). Outcome: `Done`, `Duplicate`
    /// if it has this message, or `Missing` without such a group.
    Say(Said),
    /// A user of ours wants to be in a group elsewhere whenever it is logged in, or no longer. Outcome: `Done`,
    /// or `Full` if there are too many ([`AUTO_JOINS_MAX`]).
    AutoJoin {
        /// Who.
        user: UserId,
        /// Which group.
        group: GroupId,
        /// Whether it wants to.
        wish: bool,
    },
    /// A client of ours enters a group elsewhere, or has another name there. Outcome: `Done`.
    Visit(Visit),
    /// It is out. Outcome: `Done` or `Missing`.
    EndVisit {
        /// Whose session.
        session: SessionId,
        /// Which group.
        group: GroupId,
    },
}

impl GroupChange {
    /// How much there is to write, in rows.
    pub fn entries(&self) -> usize {
        match self {
            Self::Create(group) => 1 + group.properties.len() + group.occupants.len(),
            Self::Edit { edits, .. } => 1 + edits.len(),
            Self::Say(_) | Self::AutoJoin { .. } | Self::Visit(_) | Self::EndVisit { .. } => 1,
        }
    }
}

/// Questions about groups.
pub trait GroupStore {
    /// A group of ours.
    fn group(&self, group: GroupId) -> Promise<Option<StoredGroup>>;

    /// How many groups this user made, and how many there are in all.
    fn group_counts(&self, owner: UserId) -> Promise<(u64, u64)>;

    /// The groups of ours that this session is in.
    fn groups_of_session(&self, session: SessionId) -> Promise<Vec<GroupId>>;

    /// The newest messages that a group keeps, newest first, at most `limit`, and how many there are.
    fn said(&self, group: GroupId, limit: usize) -> Promise<(Vec<Said>, u64)>;

    /// A message that a group keeps in which this session is.
    fn said_to(&self, session: SessionId, message_id: MessageId) -> Promise<Option<Said>>;

    /// A message that a group keeps in which a client of this user is that has no session here.
    fn said_to_guest(&self, user: UserId, message_id: MessageId) -> Promise<Option<Said>>;

    /// The groups that this user wants to be in whenever it is logged in, here and elsewhere.
    fn auto_joins(&self, user: UserId) -> Promise<Vec<GroupId>>;

    /// Groups of ours that ended by this moment for want of occupants, at most `limit`.
    fn groups_ended(&self, now: Moment, limit: usize) -> Promise<Vec<GroupId>>;

    /// The groups elsewhere that this session is in.
    fn visits(&self, session: SessionId) -> Promise<Vec<Visit>>;

    /// Which sessions of these users are in a group elsewhere.
    fn visitors(&self, group: GroupId, users: Vec<UserId>) -> Promise<Vec<Visit>>;

    /// Whoever is in a group elsewhere, at most `limit`.
    fn all_visitors(&self, group: GroupId, limit: usize) -> Promise<Vec<Visit>>;

    /// The groups elsewhere that somebody is in, at most `limit`, after this one in an order of their own.
    fn visited(&self, after: Option<GroupId>, limit: usize) -> Promise<Vec<GroupId>>;

    /// Sessions that are over, and are in groups, watch somebody or have something in a mailbox, at most `limit`.
    fn absent_sessions(&self, limit: usize) -> Promise<Vec<SessionId>>;
}
