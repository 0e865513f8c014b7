//! Which recipient goes where.
//!
//! The recipients of one message are divided into local users, one list for each foreign domain, and
//! those that are refused at once. Every recipient has exactly one outcome, however often and in
//! whatever spelling it was named (reference ssp-transport §2.3, ssp-primitives G6).

use std::collections::{HashMap, HashSet};

use crate::imps::primitive::{Recipient, User};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Moment, Primitive};

use super::admit::{Admitted, Origin};
use super::route::{Route, Routes};

/// Recipients that one request may name; more are answered 402.
pub const RECIPIENTS_MAX: usize = 1000;

/// The recipients of one message, divided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// Users at home here; whether there is such an account is not known yet.
    pub users: Vec<User>,
    /// Recipients elsewhere, one entry for each domain.
    pub remote: Vec<Remote>,
    /// Those that go nowhere, with the reason; what the door took out comes first.
    pub refused: Vec<(Entity, Code)>,
}

/// The recipients in one foreign domain: one request goes there (reference ssp-transport §2.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// The peer whose link leads there.
    pub peer: Domain,
    /// The domain of the recipients: the peer's own, or one it carries.
    pub domain: Domain,
    /// In the order of the request.
    pub recipients: Vec<Recipient>,
}

/// Why a message is not divided at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// More than [`RECIPIENTS_MAX`]: answered 402.
    #[error("the request names {0} recipients, at most {RECIPIENTS_MAX} are allowed")]
    TooMany(usize),
    /// The primitive has no recipients to divide.
    #[error("{0} has no recipients")]
    NoRecipients(&'static str),
}

impl SplitError {
    /// The code of the answer.
    pub const fn code(self) -> Code {
        match self {
            Self::TooMany(_) => Code::BAD_PARAMETER,
            Self::NoRecipients(_) => Code::BAD_REQUEST,
        }
    }
}

/// Divides the recipients of a message that passed the door. Two clients of one user are one
/// recipient, the user; groups here are 800 and contact lists 700, as there are none yet; what came
/// from a peer goes to no other domain (516: no transit).
pub fn split(admitted: &Admitted, routes: &Routes, now: Moment) -> Result<Split, SplitError> {
    let recipients = match admitted.primitive() {
        Primitive::SendMessageRequest(request) => &request.info.recipients,
        Primitive::ForwardMessageRequest(request) => &request.recipients,
        other => return Err(SplitError::NoRecipients(other.name())),
    };
    let total = recipients.len() + admitted.refused().len();
    if total > RECIPIENTS_MAX {
        return Err(SplitError::TooMany(total));
    }
    let may_leave = matches!(admitted.origin(), Origin::Client { .. });
    let mut split = Split::default();
    let mut seen: HashSet<Entity> = HashSet::with_capacity(total);
    let distinct = distinct(recipients);
    for (entity, code) in admitted.refused() {
        // The door may have taken out one address twice, never one that it also let pass.
        if seen.insert(entity.clone()) {
            split.refused.push((entity.clone(), *code));
        }
    }
    let mut remotes: HashMap<Domain, usize> = HashMap::new();
    for recipient in distinct {
        let entity = recipient.entity();
        if !seen.insert(entity.clone()) {
            continue;
        }
        let route =
            recipient.domain_str().map_or(Route::Unknown, |domain| routes.of(domain, now.date_time()));
        let refusal = match (&recipient, route) {
            (Recipient::ContactList(_), _) => Code::NO_CONTACT_LIST,
            (Recipient::User(user), Route::Local(_)) => {
                split.users.push(user.clone());
                continue;
            }
            (Recipient::Group(_) | Recipient::ScreenName(_), Route::Local(_)) => Code::NO_GROUP,
            (_, Route::Peer(_) | Route::Discover) if !may_leave => Code::DOMAIN_NOT_SUPPORTED,
            (_, Route::Unknown) => Code::DOMAIN_NOT_SUPPORTED,
            (_, Route::Peer(_) | Route::Discover) => {
                let Some(domain) = domain_of(&recipient) else {
                    split.refused.push((entity, Code::DOMAIN_NOT_SUPPORTED));
                    continue;
                };
                let peer = match route {
                    Route::Peer(peer) => peer.clone(),
                    _ => domain.clone(),
                };
                let index = *remotes.entry(domain.clone()).or_insert(split.remote.len());
                match split.remote.get_mut(index) {
                    Some(remote) => remote.recipients.push(recipient),
                    None => split.remote.push(Remote { peer, domain, recipients: vec![recipient] }),
                }
                continue;
            }
        };
        split.refused.push((entity, refusal));
    }
    Ok(split)
}

/// Every recipient once, in order of first appearance. A user that is named with different clients
/// loses the qualifier: the message is for all of them.
fn distinct(recipients: &[Recipient]) -> Vec<Recipient> {
    let mut places: HashMap<Entity, usize> = HashMap::with_capacity(recipients.len());
    let mut distinct: Vec<Recipient> = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let place = *places.entry(recipient.entity()).or_insert(distinct.len());
        match (distinct.get_mut(place), recipient) {
            (None, _) => distinct.push(recipient.clone()),
            (Some(Recipient::User(kept)), Recipient::User(again)) => {
                if kept.client != again.client || kept.application != again.application {
                    kept.client = None;
                    kept.application = None;
                }
            }
            (Some(_), _) => {}
        }
    }
    distinct
}

fn domain_of(recipient: &Recipient) -> Option<Domain> {
    match recipient {
        Recipient::User(user) => user.id.domain(),
        Recipient::Group(group) => group.domain(),
        Recipient::ScreenName(screen_name) => screen_name.group.domain(),
        Recipient::ContactList(list) => list.domain(),
    }
}
