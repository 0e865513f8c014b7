//! Presence in the store.

use super::Promise;
use crate::element::presence::{
    Edit, FollowedList, Following, Past, Publisher, WATCHERS_PAGE, WatchKey, Wish,
};
use crate::imps::{ContactListId, Domain, Moment, SessionId, UserId};

/// Users of other domains that one of ours may follow, each of its clients counted.
pub const FOLLOWING_MAX: usize = 5000;

/// Which subscriptions to a user are read together with it: there may be very many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watchers {
    /// None.
    Nobody,
    /// Those of this user, of all its clients.
    Of(UserId),
    /// A page of all of them; those of one domain stand together.
    Page {
        /// Those behind this one.
        after: Option<WatchKey>,
        /// So many at most.
        limit: usize,
    },
}

impl Watchers {
    /// The page behind this one, of those who are told in one step.
    pub const fn behind(after: Option<WatchKey>) -> Self {
        Self::Page { after, limit: WATCHERS_PAGE }
    }
}

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
    /// Everybody was told of all changes up to this version; later ones may still have to be told. Changes no
    /// version. Outcome: `Done`, or `Missing` if there was nothing to be told.
    ToldAll {
        /// Whose changes.
        owner: UserId,
        /// The version.
        version: u64,
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
    /// A peer is out of reach since then; `None`: it is within reach. Outcome: `Done`, or `Missing` if nothing
    /// was changed by it.
    Unreachable {
        /// Which.
        peer: Domain,
        /// Since when.
        since: Option<Moment>,
    },
    /// Somebody looked at a user once. Changes no version. Outcome: `Done`, or `Missing` if there is no such
    /// account.
    Past {
        /// At whom.
        owner: UserId,
        /// Who.
        past: Past,
    },
    /// A session ends: what it watched it watched until this moment. Outcome: `Done`.
    WatchedUntil {
        /// Which session.
        session: SessionId,
        /// When.
        at: Moment,
    },
    /// What the client of a session wants to hear of from now on. Outcome: `Done`, or `Missing` if there is no
    /// such session.
    Wish(Wish),
    /// A client follows whoever is on its user's contact lists. Outcome: `Done`, `Full` if the lists would be
    /// too many, or `Missing` if the follower has no account.
    FollowLists(Vec<FollowedList>),
    /// It follows these lists no more: with one of its clients, or with all. Outcome: `Done` or `Missing`.
    UnfollowLists {
        /// Who.
        watcher: UserId,
        /// With which client.
        session: Option<SessionId>,
        /// Which lists.
        lists: Vec<ContactListId>,
    },
    /// The subscriptions to users of this domain have to be renewed, or have been. Outcome: `Done`.
    Stale {
        /// Which domain.
        domain: Domain,
        /// Whether they have to be.
        stale: bool,
    },
}

/// Questions about presence.
pub trait PresenceStore {
    /// What these users have, in order, and these of their watchers; `None` where there is no account.
    fn publishers(&self, owners: Vec<UserId>, watchers: Watchers) -> Promise<Vec<Option<Publisher>>>;

    /// Users of ours with a change of which not all watchers have heard yet, at most `limit`.
    fn untold(&self, limit: usize) -> Promise<Vec<UserId>>;

    /// Whom this user follows in other domains, with each of its clients.
    fn following(&self, watcher: UserId) -> Promise<Vec<Following>>;

    /// Who of ours follows users of this domain.
    fn followed_in(&self, domain: Domain) -> Promise<Vec<Following>>;

    /// The domains whose users somebody of ours follows; with `stale` those alone where a subscription has to
    /// be renewed.
    fn followed_domains(&self, stale: bool) -> Promise<Vec<Domain>>;

    /// The contact lists whose members this user's clients follow.
    fn followed_lists(&self, watcher: UserId) -> Promise<Vec<FollowedList>>;

    /// What the clients of these sessions want to hear of; who said nothing is left out.
    fn wishes(&self, sessions: Vec<SessionId>) -> Promise<Vec<Wish>>;

    /// How many subscriptions to users of ours this user has.
    fn subscriptions_of(&self, watcher: UserId) -> Promise<u64>;

    /// How many subscriptions to users of ours all users of another domain together have.
    fn subscriptions_from(&self, domain: Domain) -> Promise<u64>;

    /// Users of another domain who watch users of ours: whom, and who, at most `limit` of them.
    fn watchers_from(&self, domain: Domain, limit: usize) -> Promise<Vec<(UserId, UserId)>>;

    /// Since when peers are out of reach, as far as that was written down.
    fn unreachable(&self) -> Promise<Vec<(Domain, Moment)>>;
}
