//! Links with peers: one driver for each pair of own and peer domain, and the handler of the SSP
//! listener. What carries their POSTs stands behind [`Carrier`]: sockets ([`Sockets`]) in a node, a
//! network in memory in a simulation.

mod carrier;
mod common;
mod doubts;
mod lanes;
mod link;
mod places;
mod quota;
mod received;
mod sight;
mod sockets;
mod stray;
mod told;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use hyper::header::HeaderValue;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::imps::Domain;
use crate::imps::agreement::{Agreement, PeerIdentity, PeerState};
use crate::net::listen::{Answer, SspHandler, SspRequest, StatusCode};
use crate::relay::directory::StrangerError;
use crate::relay::events::{Direction, Listener, Refused};
use crate::relay::exit::{Exit, Exits};
use crate::relay::guests::{Introduced, STRANGER_OCTETS_MAX};
use crate::relay::ports::StoreError;
use crate::relay::transit::{Via, ViaError};
use crate::sap::Sap;
use crate::wire::ssp::{self, Body, Message};
use crate::wire::{Limits, Mode, Refusal, unquoted};

use link::PeerLink;
use quota::Place;

pub use carrier::{Carrier, Chances, Job, Lane, Placed, Placing, Road, Seen};
pub use sight::LinkView;
pub use sockets::{Knocked, Sockets};

/// Target of the log lines, at level debug, that tell of every POST to a peer: from, to, what,
/// octets, outcome, micros.
pub const POSTS: &str = "causeway::posts";
/// Seconds after which a suspended peer may ask again.
const SUSPENDED_RETRY_SECONDS: u32 = 300;
/// Seconds after which a stranger may ask again, for whom there was no place.
const STRANGER_RETRY_SECONDS: u32 = 60;

/// What all links share.
pub(crate) struct Shared {
    sap: Arc<Sap>,
    /// Brings POSTs to peers.
    carrier: Arc<dyn Carrier>,
    /// Makes a source of randomness for each link.
    chance: Chances,
    /// Drivers and lanes.
    tasks: TaskTracker,
    /// Every link, for each other.
    links: ArcSwap<Vec<Weak<PeerLink>>>,
}

type Links = BTreeMap<(Domain, Domain), Arc<PeerLink>>;

/// Every link of the node.
pub struct Peers {
    shared: Arc<Shared>,
    /// One for each own domain and peer that ever had an agreement in this process.
    links: ArcSwap<Links>,
    /// Changes of the agreements are followed one after the other.
    following: tokio::sync::Mutex<()>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").field("links", &self.links.load().len()).finish_non_exhaustive()
    }
}

impl Peers {
    /// No links yet: [`Peers::follow`] makes them.
    pub fn new(sap: Arc<Sap>, carrier: Arc<dyn Carrier>, chance: Chances, stop: CancellationToken) -> Self {
        let shared = Shared { sap, carrier, chance, tasks: TaskTracker::new(), links: ArcSwap::default() };
        Self {
            shared: Arc::new(shared),
            links: ArcSwap::default(),
            following: tokio::sync::Mutex::default(),
            stop,
        }
    }

    /// Follows the map: makes a link for each own domain and agreement that has none, with the sessions that
    /// survived, and tells all of them to look at their agreement. A link whose agreement is gone leaves its
    /// sessions and stays for the case that it comes back. Call at the start and after every change.
    pub async fn follow(&self) -> Result<(), StoreError> {
        let _turn = self.following.lock().await;
        let mut records: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for record in self.shared.sap.store().links().await? {
            records.entry((record.own.clone(), record.peer.clone())).or_default().push(record);
        }
        let mut links = Links::clone(&self.links.load());
        let mut fresh = Vec::new();
        {
            let map = self.shared.sap.map();
            // In a fixed order, so that the same randomness always makes the same links.
            let mut agreements: Vec<_> = map.directory.agreements().collect();
            agreements.sort_by_key(|agreement| &agreement.domain);
            for own in map.directory.own() {
                for agreement in &agreements {
                    let key = (own.clone(), agreement.domain.clone());
                    if links.contains_key(&key) {
                        continue;
                    }
                    let mine = records.remove(&key).unwrap_or_default();
                    let (shared, stop) = (Arc::clone(&self.shared), self.stop.child_token());
                    let link = PeerLink::new(shared, own.clone(), agreement, mine, stop);
                    fresh.push(Arc::clone(&link));
                    links.insert(key, link);
                }
            }
        }
        let all: Vec<_> = links.values().cloned().collect();
        self.links.store(Arc::new(links));
        self.shared.links.store(Arc::new(all.iter().map(Arc::downgrade).collect()));
        for link in fresh {
            self.shared.tasks.spawn(link.drive());
        }
        for link in all {
            link.look_again();
        }
        Ok(())
    }

    /// Ends drivers and lanes and waits for them. Sessions survive.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn link(&self, own: &Domain, peer: &Domain) -> Option<Arc<PeerLink>> {
        self.links.load().get(&(own.clone(), peer.clone())).cloned()
    }

    /// The agreements under which this identity may speak now, none for a stranger who may get one; or the answer
    /// that turns it away.
    fn speakers(&self, identity: &PeerIdentity) -> Result<Vec<Arc<Agreement>>, Answer> {
        let map = self.shared.sap.map();
        let events = self.shared.sap.events();
        let known = match map.directory.speakers(identity) {
            Ok(known) => known,
            Err(StrangerError::Unknown { .. }) if map.directory.guest_names(identity).next().is_some() => {
                return Ok(Vec::new());
            }
            Err(error) => {
                warn!(names = ?identity.names, "a peer is turned away: {error}");
                events.ssp_refused(None, Refused::UnknownPeer);
                return Err(Answer::empty(StatusCode::FORBIDDEN));
            }
        };
        let now = self.shared.sap.now().date_time();
        let state = |agreement: &Arc<Agreement>| agreement.state_at(now);
        let active: Vec<_> =
            known.iter().filter(|known| state(known) == PeerState::Active).cloned().collect();
        if !active.is_empty() {
            return Ok(active);
        }
        let peer = known.first().map(|agreement| &agreement.domain);
        let named = peer.map(Domain::as_str).unwrap_or_default();
        if known.iter().any(|known| state(known) == PeerState::Suspended) {
            warn!(peer = named, "a peer is turned away: its agreement is suspended");
            events.ssp_refused(peer, Refused::Suspended);
            return Err(Answer::later(StatusCode::SERVICE_UNAVAILABLE, SUSPENDED_RETRY_SECONDS));
        }
        warn!(peer = named, "a peer is turned away: its agreement is closed");
        events.ssp_refused(peer, Refused::Closed);
        Err(Answer::empty(StatusCode::FORBIDDEN))
    }

    async fn handle(&self, request: &SspRequest, agreements: &[Arc<Agreement>]) -> (Option<Domain>, Answer) {
        let events = self.shared.sap.events();
        let first = agreements.first().map(|agreement| agreement.domain.clone());
        let octets_max = octets_max(agreements);
        // Of a certificate for one peer alone it is known whose quota the document counts against.
        let only = match agreements {
            [only] => self.link(&request.own, &only.domain).map(|link| (link, only)),
            _ => None,
        };
        let early = match &only {
            Some((link, agreement)) => match self.quota(link, agreement) {
                Ok(place) => Some(place),
                Err(answer) => return (first, answer),
            },
            None => None,
        };
        let relays = {
            let map = self.shared.sap.map();
            agreements.iter().any(|agreement| map.directory.transit().begins_with(&agreement.domain))
        };
        let message = match read(&request.body, &Limits::for_document(octets_max), relays) {
            Ok(message) => message,
            Err(refusal) => {
                warn!(peer = ?first, from = %request.from, "what a peer sent cannot be read: {}", unquoted(&refusal));
                events.wire_rejected(Listener::Ssp, refusal.reason());
                let (status, reason) = match &refusal {
                    Refusal::Limit { what: "document size", .. } => {
                        (StatusCode::PAYLOAD_TOO_LARGE, Refused::Size)
                    }
                    Refusal::Limit { .. } => (StatusCode::BAD_REQUEST, Refused::Size),
                    Refusal::Envelope(_) | Refusal::Version(_) => {
                        (StatusCode::BAD_REQUEST, Refused::Envelope)
                    }
                    _ => (StatusCode::BAD_REQUEST, Refused::Malformed),
                };
                events.ssp_refused(first.as_ref(), reason);
                return (first, Answer::empty(status));
            }
        };
        // A certificate may stand for several peers: the message says for which. Under an id of ours it is
        // the peer that was given it.
        let by_our_id = match &message.body {
            Body::Session(session) if session.session.issuer() == Some(request.own.as_str()) => {
                agreements.iter().find(|peer| {
                    self.link(&request.own, &peer.domain).is_some_and(|it| it.knows(&session.session))
                })
            }
            _ => None,
        };
        let agreement = match claimed(&message) {
            _ if by_our_id.is_some() => by_our_id,
            Some(claimed) => agreements.iter().find(|agreement| agreement.domain.as_str() == claimed),
            None => agreements.first(),
        };
        if agreement.is_none()
            && let Some(introduced) = self.introduced(&message, &request.peer).await
        {
            return match introduced {
                Ok(agreement) => Box::pin(self.handle(request, &[agreement])).await,
                Err(answer) => (first, answer),
            };
        }
        let Some(agreement) = agreement else {
            let claimed = claimed(&message).unwrap_or_default().to_owned();
            warn!(peer = ?first, %claimed, "a peer claims to be another");
            let reason =
                if matches!(message.body, Body::Setup(_)) { Refused::ServiceId } else { Refused::Session };
            events.ssp_refused(first.as_ref(), reason);
            return (first, Answer::empty(StatusCode::FORBIDDEN));
        };
        let peer = agreement.domain.clone();
        let Some(link) = self.link(&request.own, &peer) else {
            warn!(%peer, own = %request.own, "a peer without a link: restart the node to take up its agreement");
            return (Some(peer), Answer::later(StatusCode::SERVICE_UNAVAILABLE, SUSPENDED_RETRY_SECONDS));
        };
        let _place = match early.map_or_else(|| self.quota(&link, agreement), Ok) {
            Ok(place) => place,
            Err(answer) => return (Some(peer), answer),
        };
        let answer =
            link.receive(message, &request.body, &via(&request.via), agreement, request.answers_here).await;
        (Some(peer), answer)
    }

    /// Makes a guest of a stranger who begins a set-up in the name of a domain for which its certificate is good.
    /// `None`: it is no such stranger.
    async fn introduced(
        &self,
        message: &Message,
        identity: &PeerIdentity,
    ) -> Option<Result<Arc<Agreement>, Answer>> {
        let sap = &self.shared.sap;
        let domain = {
            let map = sap.map();
            let begins = matches!(message.body, Body::Setup(_));
            let domain =
                claimed(message).filter(|_| begins).and_then(|domain| map.routes.stranger(domain))?;
            map.directory.guest_names(identity).any(|name| *name == domain).then_some(domain)?
        };
        let introduced = sap.stranger_comes(domain.clone()).await;
        let known = sap.map().directory.agreement(domain.as_str()).cloned();
        Some(match (introduced, known) {
            (Introduced::Known, Some(agreement)) => Ok(agreement),
            (Introduced::Nobody, _) => Err(Answer::empty(StatusCode::FORBIDDEN)),
            (Introduced::Known | Introduced::Later, _) => {
                warn!(%domain, "a stranger is put off: there is no place for another guest now");
                sap.events().ssp_refused(None, Refused::Overloaded);
                Err(Answer::later(StatusCode::SERVICE_UNAVAILABLE, STRANGER_RETRY_SECONDS))
            }
        })
    }

    /// Forgets links whose agreement is gone and whose sessions and rows are. Others of them stay for the case that
    /// the agreement comes back.
    pub async fn forget_the_gone(&self) {
        let _turn = self.following.lock().await;
        let links = self.links.load();
        let gone: Vec<_> = links.values().filter(|link| link.is_gone()).cloned().collect();
        if gone.is_empty() {
            return;
        }
        let left: Links = links
            .iter()
            .filter(|(_, link)| !gone.iter().any(|gone| Arc::ptr_eq(gone, link)))
            .map(|(key, link)| (key.clone(), Arc::clone(link)))
            .collect();
        self.shared.links.store(Arc::new(left.values().map(Arc::downgrade).collect()));
        self.links.store(Arc::new(left));
        for link in gone {
            link.end();
        }
    }

    /// A place among the POSTs of the peer that are in work, counted against its rate (reference
    /// ssp-behaviour §1 row 2); or the answer that puts it off.
    fn quota<'a>(&self, link: &'a PeerLink, agreement: &Agreement) -> Result<Place<'a>, Answer> {
        let (peer, events) = (&agreement.domain, self.shared.sap.events());
        if let Err(wait) = link.meter(agreement) {
            let allowed = agreement.messages_per_second;
            warn!(%peer, allowed, ?wait, "a peer is turned away: more messages a second than agreed");
            events.ssp_refused(Some(peer), Refused::Rate);
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            return Err(Answer::later(StatusCode::TOO_MANY_REQUESTS, seconds));
        }
        link.work.begin().ok_or_else(|| {
            warn!(%peer, most = quota::POSTS_MAX, "a peer is turned away: too many of its POSTs are in work");
            events.ssp_refused(Some(peer), Refused::Overloaded);
            Answer::later(StatusCode::SERVICE_UNAVAILABLE, quota::RETRY_SECONDS)
        })
    }
}

/// Reads a document; where traffic may pass through, no further than a relay has to, if that will do.
fn read(body: &[u8], limits: &Limits, relays: bool) -> Result<Message, Refusal> {
    if !relays {
        return ssp::read(body, None, limits);
    }
    ssp::scan(body, limits).map_or_else(|| ssp::read_outlined(body, None, limits), Ok)
}

/// How large a document may be under the largest of these agreements; a stranger has none.
fn octets_max(agreements: &[Arc<Agreement>]) -> usize {
    let largest = agreements.iter().map(|agreement| agreement.max_document_bytes).max();
    largest.unwrap_or(STRANGER_OCTETS_MAX)
}

/// Whether there is nothing in it but answers.
fn is_answers(message: &Message) -> bool {
    match &message.body {
        Body::Session(session) => session.transactions.iter().all(|it| it.mode == Mode::Response),
        Body::Setup(_) => false,
    }
}

/// The way that a POST has come.
fn via(headers: &[HeaderValue]) -> Result<Via, ViaError> {
    let values: Result<Vec<&str>, _> = headers.iter().map(HeaderValue::to_str).collect();
    values.map_err(|_| ViaError::Unreadable)?.join(",").parse()
}

/// The domain that a message says it comes from: of the service id, or of the session id's issuer.
fn claimed(message: &Message) -> Option<&str> {
    use crate::imps::primitive::Setup;
    match &message.body {
        Body::Session(session) => session.session.issuer(),
        Body::Setup(setup) => match &setup.element {
            Setup::SendSecretToken(token) => Some(token.service.domain().as_str()),
            Setup::LoginRequest(login) => Some(login.service.domain().as_str()),
            Setup::LoginResponse(login) => login.session.as_ref()?.issuer(),
            Setup::Status(_) => None,
        },
    }
}

impl SspHandler for Peers {
    fn admit(&self, peer: &Arc<PeerIdentity>, _own: &Domain) -> Result<usize, Answer> {
        let speakers = self.speakers(peer).inspect_err(|answer| {
            if let Some(name) = peer.names.first() {
                self.shared.sap.events().ssp_post(name, Direction::In, Some(answer.status.as_u16()));
            }
        })?;
        Ok(octets_max(&speakers))
    }

    async fn post(&self, request: SspRequest) -> Answer {
        let (peer, answer) = match self.speakers(&request.peer) {
            Ok(agreements) => self.handle(&request, &agreements).await,
            Err(answer) => (request.peer.names.first().cloned(), answer),
        };
        if let Some(peer) = peer {
            self.shared.sap.events().ssp_post(&peer, Direction::In, Some(answer.status.as_u16()));
        }
        answer
    }
}

impl Exits for Peers {
    fn exit(&self, own: &Domain, peer: &Domain) -> Option<Arc<dyn Exit>> {
        let link = self.link(own, peer)?;
        Some(link as Arc<dyn Exit>)
    }
}
