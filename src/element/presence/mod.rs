//! Presence: what users publish, who may see it, who watches, and what watchers are told
//! (reference presence-attributes §4, csp-messages §6, ssp-primitives §2).
//!
//! The aggregate is a [`Publisher`]: everything of one user of ours that presence needs. Requests decide
//! [`Edit`]s; [`fan::tell`] says after them what each watcher has to hear, and nothing else does: whatever
//! changed (a value, a grant, a contact list, a session), a watcher hears of it if what it may see is not
//! what it was told last. What each sees is decided in [`view`].

pub mod fan;
pub mod notices;
pub mod requests;
#[cfg(test)]
mod tests;
pub mod view;

use crate::imps::presence::{AttributeName, AttributeSet, ClientInfo, PresenceSubList};
use crate::imps::primitive::{ClientId, NotificationSet, User, WatcherStatus};
use crate::imps::{ContactListId, Moment, SessionId, UserId, Version};

use super::lists::Lists;

/// Subscriptions to one user.
pub const WATCHERS_MAX: u64 = 100_000;
/// Watchers who are told in one step, and read for it.
pub const WATCHERS_PAGE: usize = 2000;
/// Watchers whom one answer lists.
pub const WATCHERS_LISTED_MAX: usize = 10_000;
/// Attribute lists that one user may keep.
pub const GRANTS_MAX: usize = 500;
/// Questions to one user that wait for an answer.
pub const QUESTIONS_MAX: usize = 200;
/// Octets of what one client publishes, or of what a user publishes of itself.
pub const PUBLISHED_OCTETS_MAX: usize = 64 * 1024;
/// Users whose presence one request may name, lists expanded.
pub const USERS_MAX: usize = 2000;
/// Subscriptions that one user of another domain may have here (reference ssp-behaviour §9).
pub const SUBSCRIPTIONS_OF_VISITOR_MAX: u64 = 500;
/// Of those who watched a user or looked at it, so many are remembered.
pub const PAST_MAX: usize = 500;
/// And for so many seconds: 30 days.
pub const PAST_SECONDS: u32 = 30 * 86_400;
/// Seconds that a notice or a notification of 1.3 waits for a client of ours: as long as its session, which it
/// ends with.
pub const SESSION_SECONDS: u32 = 7 * 86_400;
/// Contact lists that the subscriptions of one user follow, each of its clients counted.
pub const FOLLOWED_LISTS_MAX: usize = 200;
/// Seconds until an unanswered question is forgotten: 30 days.
pub const QUESTION_SECONDS: u32 = 30 * 86_400;

/// What the lists of contacts may see of a user who never said anything else (reference
/// presence-attributes §4.1).
pub const CONTACTS_SEE: &[AttributeName] = &[
    AttributeName::OnlineStatus,
    AttributeName::UserAvailability,
    AttributeName::StatusText,
    AttributeName::Alias,
];

/// Everything that presence knows of one user of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Publisher {
    /// Whose.
    pub owner: UserId,
    /// Counts the changes.
    pub version: u64,
    /// What was published.
    pub published: Vec<Published>,
    /// Who may see what.
    pub grants: Vec<Grant>,
    /// Who asked to see something, and waits for the user's word.
    pub questions: Vec<Question>,
    /// Who watches, as far as it matters at this moment.
    pub watchers: Vec<Watch>,
    /// How many subscriptions there are in all.
    pub subscriptions: u64,
    /// Who watched, or looked once; those who watch now among them.
    pub past: Vec<Past>,
}

/// What one client published of itself, or the user of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The client, as [`client_key`] writes it; empty for user status.
    pub client: Box<str>,
    /// The values; their clients are left out.
    pub attributes: PresenceSubList,
}

/// For whom an attribute list is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum For {
    /// Everybody who has no other.
    Everybody,
    /// This user.
    User(UserId),
    /// Everybody on this contact list.
    List(ContactListId),
}

/// An attribute list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// For whom.
    pub to: For,
    /// What it may see; `None` for a contact list says that the list grants nothing any more, not even
    /// what every list grants from the beginning.
    pub attributes: Option<AttributeSet>,
    /// Whether the user hears of new watchers that see something by it (1.3).
    pub notify: bool,
}

/// What the client of a session wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whose session.
    pub session: SessionId,
    /// Of what.
    pub types: NotificationSet,
}

/// Somebody wants to see something, and nothing says whether it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub watcher: UserId,
    /// What.
    pub attributes: AttributeSet,
    /// When it is forgotten.
    pub until: Moment,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// Who; of a peer's users the client too.
    pub watcher: User,
    /// The session of a client of ours, with which it ends.
    pub session: Option<SessionId>,
    /// What it wants to see.
    pub wanted: AttributeSet,
    /// What it was told last.
    pub told: Told,
}

/// Somebody who watched, or looked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Who.
    pub watcher: UserId,
    /// What it did: [`WatcherStatus::Former`] or [`WatcherStatus::Access`].
    pub status: WatcherStatus,
    /// When it did so last.
    pub at: Moment,
    /// The session of a client of ours with which it subscribed.
    pub session: Option<SessionId>,
}

/// What a watcher was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The attributes that it could see.
    pub shown: AttributeSet,
    /// A digest of their values; 0: nothing was told.
    pub digest: i64,
}

/// What tells the subscriptions of a publisher apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatchKey {
    /// Who watches.
    pub watcher: UserId,
    /// The session of a client of ours; the client of a peer's user as [`client_key`] writes it.
    pub place: Box<str>,
}

impl Watch {
    /// Its key.
    pub fn key(&self) -> WatchKey {
        let place = match &self.session {
            Some(session) => session.as_str().into(),
            None => self.watcher.client.as_ref().map(client_key).unwrap_or_default(),
        };
        WatchKey { watcher: self.watcher.id.clone(), place }
    }
}

/// A subscription of a client of ours to a user who is at home elsewhere; told by that home, shared out
/// here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// Who watches.
    pub watcher: UserId,
    /// With which client.
    pub session: SessionId,
    /// Whom.
    pub presentity: UserId,
    /// What it wants to see.
    pub wanted: AttributeSet,
    /// The home of the presentity was out of reach so long that the subscription has to be renewed.
    pub stale: bool,
}

/// A contact list whose members a client of ours watches, whoever they are by and by (AutoSubscribe).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedList {
    /// Who watches; the list is its own.
    pub watcher: UserId,
    /// With which client.
    pub session: SessionId,
    /// Which list.
    pub list: ContactListId,
    /// What it wants to see.
    pub wanted: AttributeSet,
}

/// One step of a change of a [`Publisher`].
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Put in the place of what the client published; nothing published removes it.
    Publish(Published),
    /// Put an attribute list in the place of that for the same.
    Grant(Grant),
    /// Drop the attribute list.
    Revoke(For),
    /// Remember a question in the place of an earlier one of the same user.
    Ask(Question),
    /// Forget the question of this user.
    Answered(UserId),
    /// Put a subscription in the place of that with the same key.
    Watch(Watch),
    /// Drop a subscription.
    Unwatch(WatchKey),
    /// A watcher was told something.
    Told(WatchKey, Told),
    /// There are watchers who have yet to be told of this change.
    Untold,
    /// Remember that somebody watched, in the place of what was remembered of it.
    Past(Past),
}

/// A client that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Online {
    /// Its session.
    pub session: SessionId,
    /// The client.
    pub client: ClientId,
    /// The version it speaks.
    pub version: Version,
    /// What is known here of the client before it says anything: its type and the content that it takes, as
    /// negotiated, and its application. `None` for clients of which another home speaks.
    pub info: Option<Box<ClientInfo>>,
}

/// What decisions about a user's presence look at.
#[derive(Clone, Copy, Debug)]
pub struct Home<'h> {
    /// The user.
    pub publisher: &'h Publisher,
    /// Its contact lists, block and grant lists.
    pub lists: &'h Lists,
    /// Its clients, the one that was active last first.
    pub online: &'h [Online],
    /// Sessions of watchers that speak 1.1.
    pub old: &'h [SessionId],
}

/// A client as one text, to tell clients apart.
pub fn client_key(client: &ClientId) -> Box<str> {
    let parts = [client.url.as_deref(), client.msisdn.as_deref(), client.text.as_deref()];
    parts.map(Option::unwrap_or_default).join("\u{1F}").into()
}

/// What a request names, as a set; absent or empty means all.
pub fn wanted(attributes: Option<&PresenceSubList>) -> AttributeSet {
    match attributes {
        Some(list) if !list.attributes.is_empty() => list.names(),
        _ => AttributeSet::ALL,
    }
}

impl Publisher {
    /// What a user has who never did anything.
    pub const fn new(owner: UserId) -> Self {
        Self {
            owner,
            version: 0,
            published: Vec::new(),
            grants: Vec::new(),
            questions: Vec::new(),
            watchers: Vec::new(),
            subscriptions: 0,
            past: Vec::new(),
        }
    }

    /// Carries out a step here, as the store does there.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Publish(published) => {
                self.published.retain(|other| other.client != published.client);
                if !published.attributes.attributes.is_empty() {
                    self.published.push(published.clone());
                }
            }
            Edit::Grant(grant) => {
                self.grants.retain(|other| other.to != grant.to);
                self.grants.push(grant.clone());
            }
            Edit::Revoke(to) => self.grants.retain(|other| other.to != *to),
            Edit::Ask(question) => {
                self.questions.retain(|other| other.watcher != question.watcher);
                self.questions.push(question.clone());
            }
            Edit::Answered(watcher) => self.questions.retain(|other| other.watcher != *watcher),
            Edit::Watch(watch) => {
                self.apply(&Edit::Unwatch(watch.key()));
                self.watchers.push(watch.clone());
                self.subscriptions += 1;
            }
            Edit::Unwatch(key) => {
                let before = self.watchers.len();
                self.watchers.retain(|other| other.key() != *key);
                let gone = u64::try_from(before - self.watchers.len()).unwrap_or_default();
                self.subscriptions = self.subscriptions.saturating_sub(gone);
            }
            Edit::Told(key, told) => {
                if let Some(watch) = self.watchers.iter_mut().find(|watch| watch.key() == *key) {
                    watch.told = *told;
                }
            }
            // Of interest only to whoever tells them.
            Edit::Untold => {}
            Edit::Past(past) => {
                self.past.retain(|other| other.watcher != past.watcher);
                self.past.push(past.clone());
            }
        }
    }

    /// What a client, or the user itself (an empty key), has published.
    pub fn of_client(&self, client: &str) -> Option<&PresenceSubList> {
        self.published.iter().find(|published| &*published.client == client).map(|it| &it.attributes)
    }

    /// The attribute list for exactly these.
    pub fn grant(&self, to: &For) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.to == *to)
    }

    /// The question of this user that is still open.
    pub fn question(&self, watcher: &UserId, now: Moment) -> Option<&Question> {
        self.questions.iter().find(|question| question.watcher == *watcher && question.until > now)
    }
}
