//! Presence in the store.

use super::Promise;
use crate::element::presence::{Edit, Following, Publisher};
use crate::imps::{Domain, SessionId, UserId};

/// Users of other domains that one of ours may follow, each of its clients counted.
pub const FOLLOWING_MAX: usize = 5000;

/// A change of what presence knows.
#[derive(Clone, Debug, PartialEq)]
pub enum PresenceChange {
    /// Change what one of our users has, all steps or none. Outcome: `Done`, `Conflict` if it has another
    /// version by now, or `Missing` if there is no such account.
    Edit {
        /// Whose.
        owner: UserId,
        /// The version that the steps were decided on.
        version: u64,
        /// In this order.
        edits: Vec<Edit>,
    },
    /// Clients of one user follow users of other domains. Outcome: `Done`, `Full` if they would be too many,
    /// or `Missing` if the follower has no account.
    Follow(Vec<Following>),
    /// One follows these no more: with one of its clients, or with all. Outcome: `Done` or `Missing`.
    Unfollow {
        /// Who.
        watcher: UserId,
        /// With which client.
        session: Option<SessionId>,
        /// Whom.
        presentities: Vec<UserId>,
    },
}

/// Questions about presence.
pub trait PresenceStore {
    /// What these users have, in order; `None` where there is no account.
    fn publishers(&self, owners: Vec<UserId>) -> Promise<Vec<Option<Publisher>>>;

    /// Whom this user follows in other domains, with each of its clients.
    fn following(&self, watcher: UserId) -> Promise<Vec<Following>>;

    /// Who of ours follows users of this domain.
    fn followed_in(&self, domain: Domain) -> Promise<Vec<Following>>;
}
