//! What the common features ask of storage: open invitations and profiles.

use crate::element::common::invite::Invitation;
use crate::element::common::profile::ProfileChange;
use crate::element::common::search::query::Query;
use crate::element::common::system::Asked;
use crate::imps::primitive::Property;
use crate::imps::{Address, GroupId, InviteId, Moment, UserId};

use super::Promise;

/// A change of invitations or profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommonChange {
    /// Remember open invitations of one inviter, each in the place of an earlier one with the same inviter,
    /// id and invitee. Outcome: `Done`, or `Full` if the inviter made too many in this hour
    /// ([`INVITATIONS_PER_HOUR`](crate::element::common::invite::INVITATIONS_PER_HOUR)); then none is
    /// remembered.
    PutInvitations {
        /// Of one inviter.
        invitations: Vec<Invitation>,
        /// When they are made.
        now: Moment,
    },
    /// An invitation is answered, taken back, or was never heard: everybody who was told of it because the
    /// inviter named `addressed`. Outcome: `Done` or `Missing`.
    DropInvitation {
        /// Who invited.
        inviter: UserId,
        /// Chosen by the inviter.
        id: InviteId,
        /// Whom the inviter named.
        addressed: Address,
    },
    /// A user of ours is told something by the provider, in the place of an earlier announcement of the same id.
    /// Outcome: `Done`, `Full` if there are too many ([`ASKED_MAX`](crate::element::common::system::ASKED_MAX)),
    /// or `Missing` without an account.
    Announce(Box<Asked>),
    /// A user answered an announcement. Outcome: `Done`, or `Missing` if there is none that is open.
    AnswerAnnouncement {
        /// Who.
        user: UserId,
        /// Which.
        id: Box<str>,
        /// The answer chosen.
        chosen: Option<u32>,
        /// When.
        now: Moment,
    },
    /// Change the profile of a user of ours; names of properties that are not public are for the operator.
    /// Outcome: `Done` or `Missing`.
    SetProfile {
        /// Whose.
        user: UserId,
        /// What.
        change: ProfileChange,
    },
}

/// Questions about invitations and profiles.
pub trait CommonStore {
    /// The invitations of this inviter and id, in the order in which they were remembered, ended ones too.
    fn invitations(&self, inviter: UserId, id: InviteId) -> Promise<Vec<Invitation>>;

    /// The invitations of this id that this user was told of, oldest first, ended ones too.
    fn invitations_to(&self, invitee: UserId, id: InviteId) -> Promise<Vec<Invitation>>;

    /// The profiles of these users, in order, with what only the operator sets; `None` where there is no
    /// account.
    fn profiles(&self, users: Vec<UserId>) -> Promise<Vec<Option<Vec<Property>>>>;

    /// The announcement of this id that this user has, over or not.
    fn announced(&self, user: UserId, id: Box<str>) -> Promise<Option<Asked>>;

    /// The announcements that this user has to answer and has not, oldest first.
    fn unanswered(&self, user: UserId, now: Moment) -> Promise<Vec<Asked>>;

    /// Everybody who has the announcement of this id, ordered by address, after `after`, at most `limit`.
    fn announced_to(&self, id: Box<str>, after: Option<UserId>, limit: usize) -> Promise<Vec<Asked>>;

    /// The users who fit, ordered by address, at most `limit`.
    fn find_users(&self, query: Query, limit: usize) -> Promise<Vec<UserId>>;

    /// The groups that want to be found and fit, ordered by address, at most `limit`.
    fn find_groups(&self, query: Query, limit: usize) -> Promise<Vec<GroupId>>;
}
