//! Presence: subscriptions, notifications, queries, updates and who may see what (reference
//! csp-messages §6, ssp-primitives §2).

use crate::imps::address::{ContactListId, UserId};
use crate::imps::presence::PresenceSubList;
use crate::imps::status::Status;
use crate::imps::words::words;

use super::User;

/// Notify me of the presence of these users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscribePresenceRequest {
    /// Whose presence.
    pub users: Vec<UserId>,
    /// And that of everybody on these lists of the watcher; expanded at the watcher's home.
    pub contact_lists: Vec<ContactListId>,
    /// Which attributes; absent or empty means all.
    pub attributes: Option<PresenceSubList>,
    /// Whether the subscription follows the lists (1.2).
    pub auto_subscribe: Option<bool>,
}

/// Notify me no more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnsubscribePresenceRequest {
    /// Of these users.
    pub users: Vec<UserId>,
    /// And of everybody on these lists.
    pub contact_lists: Vec<ContactListId>,
}

/// The presence of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// Whose.
    pub user: UserId,
    /// The values; several lists on the wire are read as one.
    pub attributes: PresenceSubList,
}

/// The presence of users, told to a watcher.
#[derive(Clone, Debug, PartialEq)]
pub struct PresenceNotification {
    /// The watchers; SSP only, in CSP it is the session's user.
    pub users: Vec<User>,
    /// The values.
    pub presences: Vec<Presence>,
}

/// What is the presence of these users?
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetPresenceRequest {
    /// Whose presence.
    pub users: Vec<UserId>,
    /// And that of everybody on these lists; expanded at the home of who asks.
    pub contact_lists: Vec<ContactListId>,
    /// Which attributes; absent or empty means all.
    pub attributes: Option<PresenceSubList>,
}

/// The presence of users.
#[derive(Clone, Debug, PartialEq)]
pub struct GetPresenceResponse {
    /// For each user.
    pub result: Status,
    /// The values.
    pub presences: Vec<Presence>,
}

/// This is my presence from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdatePresenceRequest {
    /// Attributes that are replaced; others stay.
    pub attributes: PresenceSubList,
}

/// Who watches me?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetWatcherListRequest {
    /// Look back so many seconds (1.2).
    pub history_period: Option<u32>,
    /// At most so many (1.2).
    pub limit: Option<u32>,
}

words! {
    /// What a watcher does or did.
    WatcherStatus {
        /// Is subscribed.
        Current = "CURRENT_SUBSCRIBER",
        /// Was subscribed.
        Former = "FORMER_SUBSCRIBER",
        /// Asked once.
        Access = "PRESENCE_ACCESS",
    }
}

/// Somebody who watches.
#[derive(Clone, Debug, PartialEq)]
pub struct Watcher {
    /// Who.
    pub user: User,
    /// How (1.2).
    pub status: Option<WatcherStatus>,
}

/// Those who watch a user.
#[derive(Clone, Debug, PartialEq)]
pub struct GetWatcherListResponse {
    /// What became of the request.
    pub result: Status,
    /// Seconds that were looked back (1.2).
    pub history_period: Option<u32>,
    /// How many there are in all (1.3).
    pub count: Option<u32>,
    /// Who.
    pub watchers: Vec<Watcher>,
}

/// These may see these attributes of mine.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateAttributeListRequest {
    /// The attributes, by name.
    pub attributes: PresenceSubList,
    /// These users.
    pub users: Vec<UserId>,
    /// Everybody on these lists of mine.
    pub contact_lists: Vec<ContactListId>,
    /// Everybody else.
    pub default_list: bool,
    /// Tell me of new watchers by the default list (1.3).
    pub default_notify: Option<bool>,
    /// Tell me of new watchers by user (1.3).
    pub user_notify: Option<bool>,
    /// Tell me of new watchers by contact list (1.3).
    pub contact_list_notify: Option<bool>,
}

/// Forget what these may see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteAttributeListRequest {
    /// These users.
    pub users: Vec<UserId>,
    /// These lists.
    pub contact_lists: Vec<ContactListId>,
    /// Everybody else.
    pub default_list: bool,
}

/// What may these see?
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetAttributeListRequest {
    /// Everybody else.
    pub default_list: bool,
    /// These lists.
    pub contact_lists: Vec<ContactListId>,
    /// These users; nobody at all named means everybody.
    pub users: Vec<UserId>,
}

/// For whom an attribute list is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// A user.
    User(UserId),
    /// Everybody on a contact list.
    ContactList(ContactListId),
}

/// What somebody may see.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeGrant {
    /// Who.
    pub audience: Audience,
    /// Whether its owner is told when it watches: where it is a user (1.3).
    pub user_notify: Option<bool>,
    /// Where it is a contact list (1.3).
    pub contact_list_notify: Option<bool>,
    /// The attributes, by name.
    pub attributes: PresenceSubList,
}

/// What everybody else may see.
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultAttributeList {
    /// Whether its owner is told of new watchers (1.3).
    pub notify: Option<bool>,
    /// The attributes, by name.
    pub attributes: PresenceSubList,
}

/// What others may see.
#[derive(Clone, Debug, PartialEq)]
pub struct GetAttributeListResponse {
    /// For each that was asked for.
    pub result: Status,
    /// Everybody else.
    pub default: Option<DefaultAttributeList>,
    /// Users and lists.
    pub grants: Vec<AttributeGrant>,
}

/// May this user see your presence? (1.1, 1.2)
#[derive(Clone, Debug, PartialEq)]
pub struct PresenceAuthRequest {
    /// Who.
    pub user: UserId,
    /// Which attributes; absent means all.
    pub attributes: Option<PresenceSubList>,
}

/// It may, or may not. (1.1, 1.2)
#[derive(Clone, Debug, PartialEq)]
pub struct PresenceAuthUser {
    /// Who.
    pub user: UserId,
    /// Whether.
    pub acceptance: bool,
    /// Which attributes (1.2); absent means those it asked for.
    pub attributes: Option<PresenceSubList>,
}

/// It may no longer. (1.1, 1.2)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelAuthRequest {
    /// Who.
    pub user: UserId,
}

words! {
    /// What became of the question whether somebody may see one's presence.
    ReactiveAuthState {
        /// Not answered yet.
        Pending = "PENDING",
        /// It may.
        Granted = "GRANTED",
        /// It may not.
        Denied = "DENIED",
    }
}

/// What did I answer these? (1.2)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetReactiveAuthStatusRequest {
    /// Who; nobody named means everybody.
    pub users: Vec<UserId>,
}

/// What was answered one user (1.2).
#[derive(Clone, Debug, PartialEq)]
pub struct ReactiveAuthStatus {
    /// Who.
    pub user: UserId,
    /// What.
    pub state: ReactiveAuthState,
    /// Which attributes it may see.
    pub attributes: Option<PresenceSubList>,
}

/// What was answered (1.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetReactiveAuthStatusResponse {
    /// For each user.
    pub statuses: Vec<ReactiveAuthStatus>,
}
