//! Traffic of others that passes through us (reference ssp-behaviour §8).
//!
//! A request of one peer may be for a domain that another peer leads to. It passes only where the
//! operator has written the triple (from, to, via) into `peers.toml` (R1), and then as it is (R2): here it
//! is decided from its [`Outline`] alone. What keeps loops away is the path in the header
//! `x-causeway-via` ([`Via`], R4) and, where somebody on the way does not know that header, the
//! [`Memory`] of what passed lately (R5). Who waits for the next hop's answer stands in [`Passages`].
//!
//! ```text
//! request ─▶ decide ─▶ Here: ours, or not to be passed on: the usual door
//!               │  └──▶ Refused: 901, 506, 503, 516
//!               └─▶ Onward ─▶ Memory: fresh? ─▶ outbox ─▶ next hop ─▶ answer ─▶ Passages ─▶ back
//! ```

mod memory;
#[cfg(test)]
mod tests;
mod via;

use std::collections::HashMap;
use std::time::Duration;

use super::admit::{PeerContext, Refused};
use super::blocks::Blocks;
use super::directory::Directory;
use super::events;
use super::route::{Route, Routes};
use crate::imps::address::Address;
use crate::imps::agreement::{Agreement, PeerState, Service, Transit};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, Moment, ServiceId, UserId};
use crate::wire::ssp::{Mark, Outline, Role};

pub use memory::{Brought, Key, Memory, Passages, SEEN_FOR, SILENT_AFTER, Sight, Waiter};
pub use via::{VIA_MAX, Via, ViaError};

/// Longest time that a message waits here for the next hop (reference ssp-behaviour §5).
const MESSAGE_LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// The same for a message without validity, a subscription, an invitation, a report.
const DAY: Duration = Duration::from_secs(86_400);
/// The same for notices of presence and of groups.
const NOTICE: Duration = Duration::from_secs(120);
/// The same for everything that somebody waits for.
const QUERY: Duration = Duration::from_secs(30);

/// The triples that the operator allows.
#[derive(Clone, Debug, Default)]
pub struct Triples {
    by_ingress: HashMap<Domain, HashMap<Domain, Domain>>,
}

impl Triples {
    /// The table; of two triples with the same beginning the first counts.
    pub fn new(transits: impl IntoIterator<Item = Transit>) -> Self {
        let mut by_ingress: HashMap<Domain, HashMap<Domain, Domain>> = HashMap::new();
        for Transit { from, to, via } in transits {
            by_ingress.entry(from).or_default().entry(to).or_insert(via);
        }
        Self { by_ingress }
    }

    /// Whether anything of this peer may pass.
    pub fn begins_with(&self, ingress: &Domain) -> bool {
        self.by_ingress.contains_key(ingress)
    }

    /// The peer by which traffic of `ingress` leaves for this domain, given in normal form.
    pub fn egress(&self, ingress: &Domain, to: &str) -> Option<&Domain> {
        self.by_ingress.get(ingress)?.get(to)
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is for us, or not to be passed on: the usual door says what becomes of it.
    Here,
    /// It goes on.
    Onward(Onward),
    /// It is answered so.
    Refused(Refused),
}

/// A request that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onward {
    /// The peer by which it leaves.
    pub egress: Domain,
    /// The domain it is for.
    pub to: Domain,
    /// It needs no answer: done when the next hop has it.
    pub is_notice: bool,
    /// How long it may wait for the next hop.
    pub lifetime: Duration,
    /// The way it will have come, ours included.
    pub via: Box<str>,
}

/// Decides about a request of the peer of `context`, which has come `via` others.
pub fn decide(
    context: &PeerContext<'_>,
    directory: &Directory,
    routes: &Routes,
    outline: &Outline,
    via: &Via,
    now: Moment,
) -> Way {
    let ingress = context.agreement;
    let Some(to) = destination(context, outline) else { return Way::Here };
    let Some(egress) = directory.transit().egress(&ingress.domain, to.as_str()) else { return Way::Here };
    if directory.own_domain(to.as_str()).is_some() {
        return Way::Here;
    }
    let checked = not_back(ingress, egress, routes, &to, now)
        .and_then(|()| vouched(context, outline))
        .and_then(|()| nobody_blocked(directory.blocks(), outline))
        .and_then(|()| agreed(ingress, directory, egress, outline, now));
    let via = match checked.and_then(|()| via.and(context.own).map_err(|error| looped(error.to_string()))) {
        Ok(via) => via,
        Err(refused) => return Way::Refused(refused),
    };
    let (is_notice, lifetime) = life(outline);
    Way::Onward(Onward { egress: egress.clone(), to, is_notice, lifetime, via })
}

/// The one domain that is addressed; `None` if that is none, several, or something unreadable.
pub fn destination(context: &PeerContext<'_>, outline: &Outline) -> Option<Domain> {
    let mut found: Option<Address> = None;
    for mark in &outline.marks {
        if !matches!(mark.role, Role::To | Role::Either) {
            continue;
        }
        let address: Address = mark.text.parse().ok()?;
        // What names no domain is the peer's own.
        let domain = address.domain_str()?;
        if mark.role == Role::Either && context.vouches_for(domain) {
            continue;
        }
        match &found {
            Some(known) if known.domain_str() != Some(domain) => return None,
            Some(_) => {}
            None => found = Some(address),
        }
    }
    found?.domain()
}

/// R3: never back where it came from.
fn not_back(
    ingress: &Agreement,
    egress: &Domain,
    routes: &Routes,
    to: &Domain,
    now: Moment,
) -> Result<(), Refused> {
    let points_back =
        matches!(routes.of(to.as_str(), now.date_time()), Route::Peer(peer) if *peer == ingress.domain);
    if *egress == ingress.domain || points_back {
        let from = &ingress.domain;
        return Err(looped(format!("the way to {to} leads back to {from}, where this came from")));
    }
    Ok(())
}

/// The service is part of both agreements, and the next hop's is not closed.
fn agreed(
    ingress: &Agreement,
    directory: &Directory,
    egress: &Domain,
    outline: &Outline,
    now: Moment,
) -> Result<(), Refused> {
    let no_way = || {
        let what = format!("the agreement with {egress} is not in force");
        Refused::new(Code::DOMAIN_NOT_SUPPORTED, events::Refused::Closed, what)
    };
    let next = directory.outbound(egress.as_str()).ok_or_else(no_way)?;
    // What is for a suspended peer waits for it; and so does a notice for one that is closed, since nobody would
    // hear that it was refused.
    if next.state_at(now.date_time()) == PeerState::Closed && !life(outline).0 {
        return Err(no_way());
    }
    let Some(service) = service(outline) else { return Ok(()) };
    for agreement in [ingress, next] {
        if !agreement.services.contains(&service) {
            let (name, peer) = (outline.name, &agreement.domain);
            let what = format!("{name} needs the service {}, not agreed with {peer}", service.as_str());
            return Err(Refused::new(Code::SERVICE_NOT_AGREED, events::Refused::NotAgreed, what));
        }
    }
    Ok(())
}

/// Everybody for whom the request speaks is the peer's, or of a domain that it carries (R6).
fn vouched(context: &PeerContext<'_>, outline: &Outline) -> Result<(), Refused> {
    let peer = &context.agreement.domain;
    let foreign = |role: &str, text: &str| {
        let domain = text.rsplit_once('@').map_or(text, |(_, domain)| domain);
        Refused::identity(role, Entity::Domain(domain.into()), text, peer)
    };
    let speaks = |text: &str| {
        text.parse()
            .is_ok_and(|address: Address| address.domain_str().is_none_or(|it| context.vouches_for(it)))
    };
    if let Some(first) = outline.first(Role::Either)
        && !outline.all(Role::Either).any(speaks)
    {
        return Err(foreign("who tells", first));
    }
    let mut service = None;
    for text in outline.all(Role::Service) {
        let found: ServiceId = text.parse().map_err(|_| foreign("the requestor's service", text))?;
        let differs = service.as_ref().is_some_and(|known| *known != found);
        if differs || !context.vouches_for(found.domain().as_str()) {
            return Err(foreign("the requestor's service", text));
        }
        service = Some(found);
    }
    for mark in &outline.marks {
        let role = match mark.role {
            Role::Requestor => "the requestor",
            Role::From => "the sender",
            Role::Shown => "the shown sender",
            _ => continue,
        };
        let address: Address = mark
            .text
            .parse()
            .map_err(|_| Refused::faulty(Code::INVALID_USER_ID, &format!("{role} is no address")))?;
        let Some(domain) = address.domain_str() else { continue };
        let fits = match (mark.role, &service) {
            (Role::Requestor, Some(service)) => service.domain().as_str() == domain,
            (Role::Shown, _) => context.vouches_for(domain) || addressed(outline, &address),
            _ => context.vouches_for(domain),
        };
        if !fits {
            return Err(foreign(role, &mark.text));
        }
    }
    Ok(())
}

/// Nobody who speaks, and nobody who is addressed, is kept out by an operator.
fn nobody_blocked(blocks: &Blocks, outline: &Outline) -> Result<(), Refused> {
    if blocks.is_empty() {
        return Ok(());
    }
    let of_address = |text: &str| match text.parse::<UserId>() {
        Ok(user) => blocks.of_user(&user),
        Err(_) => blocks.of_domain(text.parse::<Address>().ok()?.domain_str()?),
    };
    let blocked = |mark: &Mark| match mark.role {
        Role::Service => blocks.of_domain(mark.text.parse::<ServiceId>().ok()?.domain().as_str()),
        Role::Requestor | Role::From | Role::To | Role::Either => of_address(&mark.text),
        _ => None,
    };
    match outline.marks.iter().find_map(|mark| Some((mark.role, blocked(mark)?))) {
        Some((Role::To, block)) => Err(Refused::blocked(Code::DOMAIN_NOT_SUPPORTED, block)),
        Some((_, block)) => Err(Refused::blocked(Code::FORBIDDEN, block)),
        None => Ok(()),
    }
}

/// Whether this is one of those who are addressed: a name may be shown inside a group that is.
fn addressed(outline: &Outline, shown: &Address) -> bool {
    outline.all(Role::To).any(|to| to.parse::<Address>().is_ok_and(|to| to == *shown))
}

/// What has to be agreed for it; `None`: nothing more than the agreement itself.
fn service(outline: &Outline) -> Option<Service> {
    match outline.name {
        "SendMessageRequest" | "DeliveryStatusReport" => Some(Service::Im),
        "SubscribeRequest" | "UnsubscribeRequest" | "GetPresenceRequest" | "PresenceNotification" => {
            Some(Service::Presence)
        }
        "GetPublicProfileRequest" => Some(Service::Search),
        // An answer and a cancellation do not say what the invitation was to.
        "InviteRequest" => match outline.first(Role::Kind)? {
            "PR" => Some(Service::Presence),
            "IM" => Some(Service::Im),
            "SC" => Some(Service::Content),
            "GR" | "GM" | "EC" | "EG" => Some(Service::Group),
            _ => None,
        },
        "InviteResponse" | "CancelInviteRequest" | "VerifyIDRequest" => None,
        _ => Some(Service::Group),
    }
}

/// Whether it needs no answer, and how long it may wait (reference ssp-behaviour §5).
fn life(outline: &Outline) -> (bool, Duration) {
    let validity = outline.first(Role::Validity).and_then(|text| text.parse().ok()).map(Duration::from_secs);
    match outline.name {
        "SendMessageRequest" => (false, validity.unwrap_or(DAY).min(MESSAGE_LONGEST)),
        "InviteRequest" => (false, validity.unwrap_or(DAY).min(DAY)),
        "SubscribeRequest" | "UnsubscribeRequest" | "CancelInviteRequest" => (false, DAY),
        "DeliveryStatusReport" | "InviteResponse" | "LeaveGroupIndication" => (true, DAY),
        "PresenceNotification" | "GroupChangeNotice" => (true, NOTICE),
        _ => (false, QUERY),
    }
}

/// A request that goes in circles, or whose path is too long.
pub(crate) fn looped(what: String) -> Refused {
    Refused::new(Code::DOMAIN_NOT_SUPPORTED, events::Refused::Loop, what)
}
