//! The one door.
//!
//! Whatever asks something of this node, a client or a peer, is compared here with what it may be:
//! the client with its login, the peer with its agreement and its domain. What comes out is
//! [`Admitted`], which nothing else can make; every later decision takes it instead of a bare
//! primitive. Addresses in it are complete, its sender is who it says, and recipients that this link
//! does not serve have been taken out, with a code for each (reference ssp-behaviour §1 rows 11–13, §2).

use crate::imps::agreement::{Agreement, PeerState};
use crate::imps::primitive::{
    Author, BlockList, ClientId, DeliveryReport, Display, Entities, MetaInfo, Recipient, Sender, User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, DetailedResult, Domain, Moment, Primitive, Status, UserId};

use super::agreement::{Standing, standing};
use super::events;

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
    fn vouches_for(&self, domain: &str) -> bool {
        self.agreement.domain.as_str() == domain
            || self.agreement.carries.iter().any(|carried| carried.as_str() == domain)
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

    /// Takes it apart.
    pub fn into_parts(self) -> (Origin, Primitive, Vec<(Entity, Code)>) {
        (self.origin, self.primitive, self.refused)
    }
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
    fn new(code: Code, reason: events::Refused, what: impl Into<String>) -> Self {
        Self { status: Status::new(code), reason, what: what.into() }
    }

    /// An identity that is not the other side's: 901, naming it.
    fn identity(role: &str, found: Entity, shown: &str, peer: &Domain) -> Self {
        let detail = DetailedResult { code: Code::ADDRESS_ERROR, description: None, entities: vec![found] };
        Self {
            status: Status { details: vec![detail], ..Status::new(Code::ADDRESS_ERROR) },
            reason: events::Refused::Identity,
            what: format!("{role} {shown} is not of {peer}"),
        }
    }

    fn faulty(code: Code, what: &str) -> Self {
        Self::new(code, events::Refused::Faulty, what)
    }
}

/// Compares what came from a peer with its agreement and its domain. `meta` missing means that the
/// peer's own server asks (reference ssp-types §3).
pub fn from_peer(
    context: &PeerContext<'_>,
    meta: Option<&MetaInfo>,
    primitive: Primitive,
    now: Moment,
) -> Result<Admitted, Refused> {
    agreed(context.agreement, &primitive, now)?;
    let origin = requestor(context, meta)?;
    let mut refused = Vec::new();
    let primitive = match primitive {
        Primitive::SendMessageRequest(mut request) => {
            let info = &mut request.info;
            if info.recipients.is_empty() {
                return Err(Refused::faulty(Code::BAD_REQUEST, "the message has no recipient"));
            }
            for recipient in &mut info.recipients {
                *recipient = recipient.completed(&context.agreement.domain);
            }
            let sender = match (info.sender.take(), &origin) {
                (Some(sender), _) => sender,
                (None, Origin::Peer { user: Some(user), client_originated: true, .. }) => {
                    Sender::from(user.clone())
                }
                (None, _) => {
                    return Err(Refused::faulty(Code::BAD_REQUEST, "the message has no sender"));
                }
            };
            info.sender = Some(foreign_sender(context, sender, &info.recipients)?);
            info.recipients.retain(|recipient| match not_served(context, recipient) {
                Some(code) => {
                    refused.push((recipient.entity(), code));
                    false
                }
                None => true,
            });
            Primitive::SendMessageRequest(request)
        }
        Primitive::DeliveryReport(report) => Primitive::DeliveryReport(report_roles(context, report)?),
        other => other,
    };
    Ok(Admitted { origin, primitive, refused })
}

/// The agreement is in force and holds the service (rows 10 and 11).
fn agreed(agreement: &Agreement, primitive: &Primitive, now: Moment) -> Result<(), Refused> {
    let peer = &agreement.domain;
    match agreement.state_at(now.date_time()) {
        PeerState::Active => {}
        PeerState::Suspended => {
            let what = format!("the agreement with {peer} is suspended");
            return Err(Refused::new(Code::SERVICE_UNAVAILABLE, events::Refused::Suspended, what));
        }
        PeerState::Closed => {
            let what = format!("the agreement with {peer} is closed");
            return Err(Refused::new(Code::FORBIDDEN, events::Refused::Closed, what));
        }
    }
    let name = primitive.name();
    match standing(primitive) {
        Standing::Session => Ok(()),
        Standing::Of(service) if agreement.services.contains(&service) => Ok(()),
        Standing::Delegated(service) if agreement.delegates.contains(&service) => {
            let what = format!("{name} with delegation is not served yet");
            Err(Refused::new(Code::NOT_IMPLEMENTED, events::Refused::NotServed, what))
        }
        Standing::Of(service) | Standing::Delegated(service) => {
            let what = format!("{name} needs the service {}, not agreed with {peer}", service.as_str());
            Err(Refused::new(Code::SERVICE_NOT_AGREED, events::Refused::NotAgreed, what))
        }
        Standing::ClientOnly => {
            let what = format!("{name} is no request between providers");
            Err(Refused::new(Code::SERVICE_NOT_SUPPORTED, events::Refused::UnknownPrimitive, what))
        }
        Standing::Answer => Err(Refused::faulty(Code::BAD_REQUEST, &format!("{name} came as a request"))),
    }
}

/// Row one of the table: service id and user are of the peer's domain, and of the same one.
fn requestor(context: &PeerContext<'_>, meta: Option<&MetaInfo>) -> Result<Origin, Refused> {
    let peer = &context.agreement.domain;
    let Some(meta) = meta else {
        return Ok(Origin::Peer { domain: peer.clone(), user: None, client_originated: false });
    };
    let domain = meta.service.domain();
    if !context.vouches_for(domain.as_str()) {
        let found = Entity::Domain(domain.as_str().into());
        return Err(Refused::identity("the requestor's service", found, &meta.service.to_string(), peer));
    }
    let user = match &meta.user {
        None => None,
        Some(user) => {
            let user = User { id: user.id.completed(domain), ..user.clone() };
            if !user.id.is_in(domain) {
                let found = Entity::User(user.id.clone());
                return Err(Refused::identity("the requestor", found, user.id.as_str(), domain));
            }
            Some(user)
        }
    };
    Ok(Origin::Peer { domain: domain.clone(), user, client_originated: meta.client_originated })
}

/// Completes and checks the sender of a message: user or group of the peer; a shown name may also
/// stand in a group of ours, if that group is addressed.
fn foreign_sender(
    context: &PeerContext<'_>,
    sender: Sender,
    recipients: &[Recipient],
) -> Result<Sender, Refused> {
    let peer = &context.agreement.domain;
    let foreign = |role: &str, domain: Option<&str>, found: Entity, shown: &str| {
        if domain.is_some_and(|domain| context.vouches_for(domain)) {
            Ok(())
        } else {
            Err(Refused::identity(role, found, shown, peer))
        }
    };
    let author = match sender.author {
        Author::User(user) => {
            let user = User { id: user.id.completed(peer), ..user };
            foreign("the sender", user.id.domain_str(), Entity::User(user.id.clone()), user.id.as_str())?;
            Author::User(user)
        }
        Author::Group(group) => {
            let group = group.completed(peer);
            foreign("the sender", group.domain_str(), Entity::Group(group.clone()), group.as_str())?;
            Author::Group(group)
        }
    };
    let addressed = |group: &crate::imps::GroupId| {
        group.is_in(context.own)
            && recipients.iter().any(|recipient| match recipient {
                Recipient::Group(to) => to == group,
                Recipient::ScreenName(to) => to.group == *group,
                Recipient::User(_) | Recipient::ContactList(_) => false,
            })
    };
    let shown = match sender.shown {
        None => None,
        Some(Display::User(user)) => {
            let user = user.completed(peer);
            foreign("the shown sender", user.domain_str(), Entity::User(user.clone()), user.as_str())?;
            Some(Display::User(user))
        }
        Some(Display::Group(group)) => {
            let group = group.completed(peer);
            if !addressed(&group) {
                let found = Entity::Group(group.clone());
                foreign("the shown sender", group.domain_str(), found, group.as_str())?;
            }
            Some(Display::Group(group))
        }
        Some(Display::ScreenName(mut screen_name)) => {
            screen_name.group = screen_name.group.completed(peer);
            if !addressed(&screen_name.group) {
                let found = Entity::ScreenName(screen_name.clone());
                foreign(
                    "the shown sender",
                    screen_name.group.domain_str(),
                    found,
                    screen_name.group.as_str(),
                )?;
            }
            Some(Display::ScreenName(screen_name))
        }
        Some(Display::Name(name)) => Some(Display::Name(name)),
    };
    Ok(Sender { author, shown })
}

/// Why a recipient is not served on this link: it is not ours (there is no transit), or it is a
/// contact list, which never crosses.
fn not_served(context: &PeerContext<'_>, recipient: &Recipient) -> Option<Code> {
    match recipient {
        Recipient::ContactList(_) => Some(Code::NO_CONTACT_LIST),
        _ if recipient.domain_str() == Some(context.own.as_str()) => None,
        _ => Some(Code::DOMAIN_NOT_SUPPORTED),
    }
}

/// A delivery report with the roles of the original message: Sender is our author, Recipient the
/// peer's user. The one known implementation swaps them (reference ssp.md C-13).
fn report_roles(context: &PeerContext<'_>, mut report: DeliveryReport) -> Result<DeliveryReport, Refused> {
    let peer = &context.agreement.domain;
    let info = &mut report.info;
    if info.id.is_none() {
        return Err(Refused::faulty(Code::INVALID_MESSAGE_ID, "the report names no message"));
    }
    // Whose domain is missing is the peer's, as everywhere on a link; our own users are always complete.
    for recipient in &mut info.recipients {
        *recipient = recipient.completed(peer);
    }
    let sender = info.sender.take().map(|sender| match sender.author {
        Author::User(user) => Recipient::User(User { id: user.id.completed(peer), ..user }),
        Author::Group(group) => Recipient::Group(group.completed(peer)),
    });
    let mut parties = std::mem::take(&mut info.recipients);
    if parties.len() > 1 {
        return Err(Refused::faulty(Code::BAD_REQUEST, "the report is about more than one recipient"));
    }
    let theirs = |party: &Recipient| party.domain_str().is_some_and(|domain| context.vouches_for(domain));
    let ours = |party: &Recipient| party.domain_str() == Some(context.own.as_str());
    let refuse = |role: &str, party: &Recipient| {
        let found = party.entity();
        Refused::identity(role, found.clone(), &entity_text(&found), peer)
    };
    let (author, about) = match (sender, parties.pop()) {
        (author, Some(about)) if theirs(&about) => (author, about),
        (Some(about), author) if theirs(&about) => (author, about),
        (_, Some(about)) | (Some(about), None) => {
            return Err(refuse("the recipient that is reported on", &about));
        }
        (None, None) => return Err(Refused::faulty(Code::BAD_REQUEST, "the report names no recipient")),
    };
    if let Some(author) = &author
        && !ours(author)
    {
        let found = author.entity();
        return Err(Refused::identity("the author", found.clone(), &entity_text(&found), context.own));
    }
    info.sender = author.and_then(|author| match author {
        Recipient::User(user) => Some(Sender::from(user)),
        Recipient::Group(group) => Some(Sender { author: Author::Group(group), shown: None }),
        Recipient::ScreenName(_) | Recipient::ContactList(_) => None,
    });
    info.recipients = vec![about];
    Ok(report)
}

/// Stamps what a client asks with who it is. `home` is the domain of the login; it completes every
/// address without one. A mobile number without domain is a local subscriber or unknown (reference
/// ssp-transport §2.3), so it is completed like any other name.
pub fn from_client(
    user: &UserId,
    client: &ClientId,
    home: &Domain,
    primitive: Primitive,
) -> Result<Admitted, Refused> {
    let complete = |recipients: &mut Vec<Recipient>| {
        for recipient in recipients {
            *recipient = recipient.completed(home);
        }
    };
    let primitive = match primitive {
        Primitive::SendMessageRequest(mut request) => {
            if request.info.recipients.is_empty() {
                return Err(Refused::faulty(Code::BAD_PARAMETER, "the message has no recipient"));
            }
            complete(&mut request.info.recipients);
            request.info.sender = Some(own_sender(user, client, home, request.info.sender.take()));
            Primitive::SendMessageRequest(request)
        }
        Primitive::ForwardMessageRequest(mut request) => {
            if request.recipients.is_empty() {
                return Err(Refused::faulty(Code::BAD_PARAMETER, "the message has no recipient"));
            }
            complete(&mut request.recipients);
            request.sender = Some(own_sender(user, client, home, request.sender.take()));
            Primitive::ForwardMessageRequest(request)
        }
        Primitive::GetMessageListRequest(mut request) => {
            request.group = request.group.map(|group| group.completed(home));
            Primitive::GetMessageListRequest(request)
        }
        Primitive::SetDeliveryMethodRequest(mut request) => {
            request.group = request.group.map(|group| group.completed(home));
            Primitive::SetDeliveryMethodRequest(request)
        }
        Primitive::BlockEntityRequest(mut request) => {
            for list in [&mut request.block, &mut request.grant].into_iter().flatten() {
                complete_list(list, home);
            }
            Primitive::BlockEntityRequest(request)
        }
        Primitive::NewMessage(_)
        | Primitive::MessageNotification(_)
        | Primitive::DeliveryReport(_)
        | Primitive::Disconnect(_) => {
            let what = format!("{} is asked by servers only", primitive.name());
            return Err(Refused::faulty(Code::BAD_REQUEST, &what));
        }
        other if standing(&other) == Standing::Answer => {
            let what = format!("{} came as a request", other.name());
            return Err(Refused::faulty(Code::BAD_REQUEST, &what));
        }
        other => other,
    };
    let origin = Origin::Client { user: user.clone(), client: client.clone() };
    Ok(Admitted { origin, primitive, refused: Vec::new() })
}

/// The user of the login, whatever the client wrote (reference csp-messages §7: a missing or foreign
/// Sender is replaced, not refused). Of what it wrote about itself the friendly name stays, and the
/// client if it is the one of the session. A screen name would stay in a group it joined; there are none.
fn own_sender(user: &UserId, client: &ClientId, home: &Domain, written: Option<Sender>) -> Sender {
    let own = User::from(user.clone());
    match written.map(|sender| sender.author) {
        Some(Author::User(written)) if written.id.completed(home) == *user => Sender::from(User {
            friendly_name: written.friendly_name,
            client: written.client.filter(|written| written == client),
            ..own
        }),
        _ => Sender::from(own),
    }
}

fn complete_list(list: &mut BlockList, home: &Domain) {
    for entities in [&mut list.entities, &mut list.add, &mut list.remove].into_iter().flatten() {
        let Entities { users, screen_names, groups, contact_lists, applications: _ } = entities;
        for user in users {
            *user = user.completed(home);
        }
        for screen_name in screen_names {
            screen_name.group = screen_name.group.completed(home);
        }
        for group in groups {
            *group = group.completed(home);
        }
        for contact_list in contact_lists {
            *contact_list = contact_list.completed(home);
        }
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
