//! The one door.
//!
//! Whatever asks something of this node, a client or a peer, is compared here with what it may be:
//! the client with its login, the peer with its agreement and its domain. What comes out is
//! [`Admitted`], which nothing else can make; every later decision takes it instead of a bare
//! primitive. Addresses in it are complete, its sender is who it says, and recipients that this link
//! does not serve have been taken out, with a code for each (reference ssp-behaviour §1 rows 11–13, §2).

mod blocked;
mod client;
mod common;
mod delegated;
mod groups;
mod named;
mod peer;
mod presence;

use std::collections::BTreeSet;

use crate::element::im::forward;
use crate::element::lists::Lists;
use crate::imps::agreement::Agreement;
use crate::imps::primitive::{ClientId, NewMessage, Recipient, User};
use crate::imps::status::Entity;
use crate::imps::{Code, ContactListId, DetailedResult, Domain, Primitive, Status, UserId};

use super::blocks::Block;
use super::events;

pub use client::from_client;
pub(crate) use common::domain_of;
pub(crate) use groups::group_of;
pub use peer::{from_peer, unread_from_peer};

/// The link a primitive came in on.
#[derive(Clone, Copy, Debug)]
pub struct PeerContext<'a> {
    /// Our domain on this link.
    pub own: &'a Domain,
    /// The agreement with the other side.
    pub agreement: &'a Agreement,
}

impl PeerContext<'_> {
    /// Whether the peer may speak for a domain: it is its own, or one it carries.
    pub(super) fn vouches_for(&self, domain: &str) -> bool {
        speaks_for(self.agreement, domain)
    }
}

fn speaks_for(agreement: &Agreement, domain: &str) -> bool {
    agreement.domain.as_str() == domain || agreement.carries.iter().any(|carried| carried.as_str() == domain)
}

/// The link, and whose server speaks over it now.
#[derive(Clone, Copy, Debug)]
struct Door<'a> {
    /// Our domain on this link.
    own: &'a Domain,
    /// The agreement with the other side.
    agreement: &'a Agreement,
    /// The domain that asks, the peer's own or one it carries: what names no domain is there.
    home: &'a Domain,
}

impl Door<'_> {
    fn vouches_for(&self, domain: &str) -> bool {
        speaks_for(self.agreement, domain)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client of ours.
    Client {
        /// The user of its login.
        user: UserId,
        /// Which of the user's clients.
        client: ClientId,
    },
    /// A peer, for one of its users or for itself.
    Peer {
        /// The originating domain: the peer's own, or one it carries.
        domain: Domain,
        /// The requesting user, if one asked.
        user: Option<User>,
        /// Whether a user asked for this, or the server acts on its own.
        client_originated: bool,
    },
}

/// A primitive that has passed the door.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    origin: Origin,
    primitive: Primitive,
    refused: Vec<(Entity, Code)>,
    beyond: Beyond,
}

/// Where, beside our domains, recipients of a message may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Nowhere: it came from a peer, and is not passed on.
    Nothing,
    /// In this domain of the peer, whose element we run.
    Hosted(Domain),
    /// Anywhere: its author is ours.
    Anywhere,
}

impl Admitted {
    /// Who asks.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What; every address has a domain.
    pub const fn primitive(&self) -> &Primitive {
        &self.primitive
    }

    /// Recipients that were taken out, each with its code.
    pub fn refused(&self) -> &[(Entity, Code)] {
        &self.refused
    }

    /// Where, beside our domains, its recipients may be.
    pub const fn beyond(&self) -> &Beyond {
        &self.beyond
    }

    /// Whether a message goes between a home and the element that is run for it, who have let it in already:
    /// it is for users and groups of the peer alone, or sent for one of ours.
    pub fn is_delegated(&self) -> bool {
        match (&self.beyond, &self.primitive) {
            (Beyond::Anywhere, _) => true,
            (Beyond::Hosted(domain), Primitive::SendMessageRequest(request)) => {
                request.info.recipients.iter().all(|to| to.domain_str() == Some(domain.as_str()))
            }
            _ => false,
        }
    }

    /// The contact lists among the recipients of a message.
    pub fn lists_named(&self) -> Vec<ContactListId> {
        match &self.primitive {
            Primitive::SendMessageRequest(request) => {
                request.info.recipients.iter().cloned().filter_map(list_of).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Takes out the author's contact lists and puts their members behind the other recipients (reference
    /// ssp-primitives G4). A list that it does not have, one of another user above all, is refused with 700,
    /// an empty one with 410.
    #[must_use]
    pub fn expanded(mut self, lists: &Lists) -> Self {
        if let Primitive::SendMessageRequest(request) = &mut self.primitive {
            let (named, mut recipients): (Vec<_>, Vec<_>) =
                request.info.recipients.drain(..).partition(is_list);
            let named: BTreeSet<_> = named.into_iter().filter_map(list_of).collect();
            for list in &named {
                if lists.list(list).is_some_and(|list| list.contacts.is_empty()) {
                    self.refused.push((Entity::ContactList(list.clone()), Code::UNABLE_TO_DELIVER));
                }
            }
            // Each member once, however many lists name it and however often a list is named.
            let expanded = lists.expand(&named);
            recipients.extend(expanded.users.into_iter().map(|user| Recipient::User(User::from(user))));
            self.refused.extend(expanded.missing);
            request.info.recipients = recipients;
        }
        self
    }

    /// The message that passes on what a ForwardMessage named; anything else stays what it is.
    #[must_use]
    pub fn forwarding(mut self, original: NewMessage) -> Self {
        if let Primitive::ForwardMessageRequest(request) = self.primitive {
            self.primitive = forward::message(request, original).into();
        }
        self
    }

    /// Takes it apart.
    pub fn into_parts(self) -> (Origin, Primitive, Vec<(Entity, Code)>) {
        (self.origin, self.primitive, self.refused)
    }
}

fn list_of(recipient: Recipient) -> Option<ContactListId> {
    match recipient {
        Recipient::ContactList(list) => Some(list),
        Recipient::User(_) | Recipient::Group(_) | Recipient::ScreenName(_) => None,
    }
}

const fn is_list(recipient: &Recipient) -> bool {
    matches!(recipient, Recipient::ContactList(_))
}

/// Why a primitive did not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", status.code)]
pub struct Refused {
    /// The answer.
    pub status: Status,
    /// The check that failed, for the counter.
    pub reason: events::Refused,
    /// What was found, for the log.
    pub what: String,
}

impl Refused {
    pub(super) fn new(code: Code, reason: events::Refused, what: impl Into<String>) -> Self {
        Self { status: Status::new(code), reason, what: what.into() }
    }

    /// An identity that is not the other side's: 901, naming it.
    pub(super) fn identity(role: &str, found: Entity, shown: &str, peer: &Domain) -> Self {
        let detail = DetailedResult { code: Code::ADDRESS_ERROR, description: None, entities: vec![found] };
        Self {
            status: Status { details: vec![detail], ..Status::new(Code::ADDRESS_ERROR) },
            reason: events::Refused::Identity,
            what: format!("{role} {shown} is not of {peer}"),
        }
    }

    /// Somebody whom an operator keeps out; only the log says why.
    pub(super) fn blocked(code: Code, block: &Block) -> Self {
        let what = format!("{} is blocked by an operator: {}", block.subject, block.reason);
        Self::new(code, events::Refused::Blocked, what)
    }

    pub(super) fn faulty(code: Code, what: &str) -> Self {
        Self::new(code, events::Refused::Faulty, what)
    }
}

/// An entity for the log.
fn entity_text(entity: &Entity) -> String {
    match entity {
        Entity::User(user) => user.to_string(),
        Entity::Group(group) => group.to_string(),
        Entity::ScreenName(screen_name) => screen_name.group.to_string(),
        Entity::Message(id) => id.to_string(),
        Entity::ContactList(list) => list.to_string(),
        Entity::Domain(domain) => domain.to_string(),
    }
}
