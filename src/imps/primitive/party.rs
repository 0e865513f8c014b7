//! Who takes part: users, groups, screen names, clients (reference ssp-types §2, csp-messages §1).

use crate::imps::address::{ContactListId, GroupId, UserId};
use crate::imps::domain::Domain;
use crate::imps::ids::ServiceId;
use crate::imps::status::Entity;

/// A device or program of a user; qualifies a user, never routes. Opaque texts, compared as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientId {
    /// A URL by name; clients send any word.
    pub url: Option<Box<str>>,
    /// A mobile number.
    pub msisdn: Option<Box<str>>,
    /// Bare text (1.3).
    pub text: Option<Box<str>>,
}

/// A user as a party of a primitive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// The address.
    pub id: UserId,
    /// A name to show (1.3).
    pub friendly_name: Option<Box<str>>,
    /// One of the user's clients.
    pub client: Option<ClientId>,
    /// One of the user's applications (1.3).
    pub application: Option<Box<str>>,
}

impl From<UserId> for User {
    fn from(id: UserId) -> Self {
        Self { id, friendly_name: None, client: None, application: None }
    }
}

/// A name inside one group, without meaning outside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScreenName {
    /// The name.
    pub name: Box<str>,
    /// The group.
    pub group: GroupId,
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// A user.
    User(User),
    /// Everybody in a group.
    Group(GroupId),
    /// One member of a group, privately.
    ScreenName(ScreenName),
    /// Everybody on a contact list of the sender; expanded at the sender's home, never crosses SSP.
    ContactList(ContactListId),
}

impl Recipient {
    /// The domain that serves this recipient, as written; `None` if the address has none yet.
    pub fn domain_str(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.id.domain_str(),
            Self::Group(group) => group.domain_str(),
            Self::ScreenName(screen_name) => screen_name.group.domain_str(),
            Self::ContactList(list) => list.domain_str(),
        }
    }

    /// How the recipient is named in a [`DetailedResult`](crate::imps::DetailedResult).
    pub fn entity(&self) -> Entity {
        match self {
            Self::User(user) => Entity::User(user.id.clone()),
            Self::Group(group) => Entity::Group(group.clone()),
            Self::ScreenName(screen_name) => Entity::ScreenName(screen_name.clone()),
            Self::ContactList(list) => Entity::ContactList(list.clone()),
        }
    }

    /// The same recipient with a domain: its own if it has one, else `home`.
    #[must_use]
    pub fn completed(&self, home: &Domain) -> Self {
        match self {
            Self::User(user) => Self::User(User { id: user.id.completed(home), ..user.clone() }),
            Self::Group(group) => Self::Group(group.completed(home)),
            Self::ScreenName(screen_name) => Self::ScreenName(ScreenName {
                name: screen_name.name.clone(),
                group: screen_name.group.completed(home),
            }),
            Self::ContactList(list) => Self::ContactList(list.completed(home)),
        }
    }
}

/// Somebody who takes part: a user, a group, or a name inside a group (reference ssp-types §2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A user.
    User(User),
    /// A group as a whole.
    Group(GroupId),
    /// A name inside a group.
    ScreenName(ScreenName),
}

impl Party {
    /// The domain that serves this party, as written; `None` if the address has none yet.
    pub fn domain_str(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.id.domain_str(),
            Self::Group(group) => group.domain_str(),
            Self::ScreenName(name) => name.group.domain_str(),
        }
    }

    /// How the party is named in a [`DetailedResult`](crate::imps::DetailedResult).
    pub fn entity(&self) -> Entity {
        match self {
            Self::User(user) => Entity::User(user.id.clone()),
            Self::Group(group) => Entity::Group(group.clone()),
            Self::ScreenName(name) => Entity::ScreenName(name.clone()),
        }
    }

    /// The user, if it is one.
    pub const fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Group(_) | Self::ScreenName(_) => None,
        }
    }

    /// The same party with a domain: its own if it has one, else `home`.
    #[must_use]
    pub fn completed(&self, home: &Domain) -> Self {
        match self {
            Self::User(user) => Self::User(User { id: user.id.completed(home), ..user.clone() }),
            Self::Group(group) => Self::Group(group.completed(home)),
            Self::ScreenName(name) => {
                Self::ScreenName(ScreenName { name: name.name.clone(), group: name.group.completed(home) })
            }
        }
    }
}

impl From<User> for Party {
    fn from(user: User) -> Self {
        Self::User(user)
    }
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The author: a user, or the group that passes a member's message on.
    pub author: Author,
    /// How the author wishes to appear; wins over `author` for display (SSP `SenderDisplay`;
    /// in CSP `Sender/Group/ScreenName`).
    pub shown: Option<Display>,
}

/// The author of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Author {
    /// A user.
    User(User),
    /// A group; the member behind it may stay hidden.
    Group(GroupId),
}

/// How somebody appears to others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Display {
    /// By address.
    User(UserId),
    /// As a group.
    Group(GroupId),
    /// By screen name.
    ScreenName(ScreenName),
    /// By a plain name.
    Name(Box<str>),
}

impl From<User> for Sender {
    fn from(user: User) -> Self {
        Self { author: Author::User(user), shown: None }
    }
}

/// Who asks, beside every SSP request (reference ssp-types §3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetaInfo {
    /// A user asked for this; else the server acts on its own, and `user` does not count.
    pub client_originated: bool,
    /// The originating server: the domain of the user, or of the group for group traffic.
    pub service: ServiceId,
    /// The requesting user with its client.
    pub user: Option<User>,
}
