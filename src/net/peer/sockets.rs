//! Roads over mutual TLS: addresses from DNS or the agreement, one kept-alive connection for a lane, or one
//! for all of them where the peer is of our own kind and speaks HTTP/2.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls_pki_types::CertificateDer;
use tracing::{info, warn};

use super::carrier::{Carrier, Chances, Job, Lane, Placed, Placing, Road, Seen};
use super::common::{Common, Found};
use super::places::Places;
use crate::imps::agreement::{Agreement, Endpoint, Profile};
use crate::imps::{Domain, Moment};
use crate::net::certificate;
use crate::net::dane::Dane;
use crate::net::discover::{Candidate, Discover, DiscoverError};
use crate::net::post::{Connection, PostError, PostLimits};
use crate::net::tls::{Offer, PeerTls, SharedPeerTls, Side};
use crate::sap::Sap;
use crate::session::ssp::PostOutcome;

/// The real network.
#[derive(Clone)]
pub struct Sockets(Arc<Tools>);

/// What all roads share.
struct Tools {
    sap: Arc<Sap>,
    discover: Arc<Discover>,
    /// What secure DNS says of peers.
    dane: Arc<Dane>,
    tls: SharedPeerTls,
    chance: Chances,
}

impl Tools {
    /// Before a handshake with this peer: secure DNS may have to be asked about it.
    async fn ready_for(&self, agreement: &Agreement) {
        if agreement.dane {
            self.dane.ready(&agreement.domain, || self.sap.now()).await;
        }
    }
}

impl std::fmt::Debug for Sockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sockets").finish_non_exhaustive()
    }
}

impl Sockets {
    /// Roads that ask `discover` for addresses, `tls` for certificates and trust, and `dane` to look at secure
    /// DNS before. `sap` knows the clock and whom we trust.
    pub fn new(
        sap: Arc<Sap>,
        discover: Arc<Discover>,
        dane: Arc<Dane>,
        tls: SharedPeerTls,
        chance: Chances,
    ) -> Self {
        Self(Arc::new(Tools { sap, discover, dane, tls, chance }))
    }

    /// What secure DNS says of peers.
    pub fn dane(&self) -> &Arc<Dane> {
        &self.0.dane
    }

    /// Where a peer is, asked anew: for operators who want to know.
    pub async fn resolve(&self, agreement: &Agreement) -> Result<Vec<Candidate>, DiscoverError> {
        let tools = &self.0;
        tools.discover.forget(&agreement.domain, &agreement.endpoints);
        let found = tools.discover.find(&agreement.domain, &agreement.endpoints, tools.sap.now()).await?;
        Ok(found.candidates(&mut *(tools.chance)()))
    }

    /// Whether DNS knows who serves a domain, as far as is known from an earlier look, too.
    pub async fn find(&self, agreement: &Agreement) -> Result<(), DiscoverError> {
        let tools = &self.0;
        tools.discover.find(&agreement.domain, &agreement.endpoints, tools.sap.now()).await.map(|_| ())
    }

    /// A connection of its own as `own`, closed at once: whether the peer answers there, and is who it should be.
    pub async fn knock(
        &self,
        own: &Domain,
        agreement: &Agreement,
        candidate: &Candidate,
    ) -> Result<Knocked, PostError> {
        let tools = &self.0;
        tools.ready_for(agreement).await;
        let check = |identity: &_| {
            let map = tools.sap.map();
            agreement.speaks_for(identity, map.directory.default_trust())
        };
        let (tls, limits) = (tools.tls.load_full(), PostLimits::default());
        let one = std::slice::from_ref(candidate);
        let open = Connection::connect(&tls, own, &agreement.domain, one, &limits, check).await?;
        let vouched = open.identity().vouchers.iter().any(|voucher| voucher.domain == agreement.domain);
        Ok(Knocked {
            certificate: open.chain().first().and_then(|leaf| certificate::facts(leaf).ok()),
            vouched: agreement.dane && vouched,
        })
    }
}

/// Who answered, and is who it should be.
#[derive(Clone, Debug)]
pub struct Knocked {
    /// What its certificate says.
    pub certificate: Option<certificate::Facts>,
    /// Secure DNS vouches for it.
    pub vouched: bool,
}

impl Carrier for Sockets {
    fn road(&self, own: &Domain, peer: &Domain) -> Arc<dyn Road> {
        Arc::new(Street {
            own: own.clone(),
            peer: peer.clone(),
            places: Places::default(),
            common: Common::default(),
            glance: Mutex::default(),
            tools: Arc::clone(&self.0),
        })
    }
}

/// The road to one peer.
struct Street {
    own: Domain,
    peer: Domain,
    places: Places,
    /// The connection of all lanes, where there is one.
    common: Common,
    glance: Mutex<Glance>,
    tools: Arc<Tools>,
}

/// What was seen last.
#[derive(Default)]
struct Glance {
    place: Option<Candidate>,
    http: Option<&'static str>,
    chain: Option<Arc<[CertificateDer<'static>]>>,
    trouble: Option<(Moment, String)>,
}

impl Road for Street {
    fn lane(self: Arc<Self>) -> Box<dyn Lane> {
        Box::new(StreetLane { street: self, connection: None })
    }

    fn seen(&self) -> Seen {
        let glance = self.glance();
        let leaf = glance.chain.as_ref().and_then(|chain| chain.first());
        Seen {
            place: glance.place.as_ref().map(ToString::to_string),
            http: glance.http,
            certificate: leaf.and_then(|leaf| certificate::facts(leaf).ok()),
            trouble: glance.trouble.clone(),
        }
    }

    fn distrust(&self, agreement: &Agreement) -> Option<String> {
        let chain = self.glance().chain.clone()?;
        let identity = match self.tools.tls.load().check_again(&chain, Side::Outbound) {
            Ok(identity) => identity,
            Err(refused) => return Some(refused.to_string()),
        };
        let map = self.tools.sap.map();
        let speaks = agreement.speaks_for(&identity, map.directory.default_trust());
        speaks.err().map(|error| error.to_string())
    }
}

struct StreetLane {
    street: Arc<Street>,
    connection: Option<Kept>,
}

/// A connection with what it was made with.
pub(super) struct Kept {
    pub(super) connection: Connection,
    pub(super) tls: Arc<PeerTls>,
}

impl Lane for StreetLane {
    fn place<'a>(&'a mut self, agreement: Option<&'a Agreement>, job: &'a Job) -> Placing<'a> {
        Box::pin(self.street.place(&mut self.connection, agreement, job))
    }
}

impl Street {
    /// Whether who is at the other end is still believed and may still speak for the peer: certificates, trust
    /// or the agreement may have changed.
    fn holds(&self, kept: &Kept, agreement: Option<&Agreement>) -> bool {
        let map = self.tools.sap.map();
        !kept.tls.replaced().is_cancelled()
            && kept.tls.vouchers_hold(kept.connection.identity())
            && agreement.is_some_and(|agreement| {
                agreement.speaks_for(kept.connection.identity(), map.directory.default_trust()).is_ok()
            })
    }

    fn now(&self) -> Moment {
        self.tools.sap.now()
    }

    fn glance(&self) -> MutexGuard<'_, Glance> {
        self.glance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self, what: &dyn std::fmt::Display) {
        self.glance().trouble = Some((self.now(), what.to_string()));
    }

    /// Places one POST: on the connection there is, else on a new one; on to the next address when one
    /// fails before it has seen the document, or answers 5xx (decisions.md 9).
    async fn place(&self, connection: &mut Option<Kept>, agreement: Option<&Agreement>, job: &Job) -> Placed {
        let mut last = PostOutcome::Unreachable;
        // A place that has failed meanwhile.
        let mut failing: Option<Candidate> = None;
        let mut attempt = 0;
        loop {
            let kept = connection.take().filter(|kept| job.at.is_none() && self.holds(kept, agreement));
            let is_kept = kept.is_some();
            let mut current = match kept {
                Some(open) => open,
                // Boxed: it is rare and large, and every POST would carry room for it about.
                None => match Box::pin(self.join(job, agreement, failing.as_ref())).await {
                    Some(fresh) => fresh,
                    None => return last.into(),
                },
            };
            let target = current.connection.target().clone();
            match current.connection.post(job.headers(), job.body.clone()).await {
                Ok(answer) if answer.status.is_success() => {
                    self.places.good(&target);
                    if job.at.is_none() {
                        *connection = Some(current);
                    }
                    return Placed { outcome: PostOutcome::Accepted, answers: answer.answers };
                }
                Ok(answer) => {
                    let seconds =
                        answer.retry_after.map(|after| u32::try_from(after.as_secs()).unwrap_or(u32::MAX));
                    last = PostOutcome::Status(answer.status.as_u16(), seconds);
                    let failed = answer.status.is_server_error();
                    if failed {
                        self.places.bad(&target);
                    }
                    if !failed || attempt + 1 >= self.places.len() {
                        // A connection to elsewhere is of no use to the next POST.
                        if job.at.is_none() {
                            *connection = Some(current);
                        }
                        return last.into();
                    }
                    failing = Some(target);
                }
                // The peer closed an idle connection: nothing has happened, try again.
                Err(error) if is_kept && error.nothing_sent() => continue,
                Err(PostError::NotSent { .. }) if attempt < 2 => {}
                Err(error) if error.nothing_sent() => {
                    self.trouble(&error);
                    self.places.bad(&target);
                    if attempt + 1 >= self.places.len() {
                        return PostOutcome::Unreachable.into();
                    }
                    failing = Some(target);
                }
                Err(error) => {
                    info!(peer = %self.peer, "{error}");
                    self.trouble(&error);
                    return PostOutcome::Closed.into();
                }
            }
            attempt += 1;
        }
    }

    /// The connection that the lanes share, if there is one and it does not lead to `failing`; else a new one,
    /// which becomes the common one if it speaks HTTP/2. While one lane makes it the others wait.
    async fn join(
        &self,
        job: &Job,
        agreement: Option<&Agreement>,
        failing: Option<&Candidate>,
    ) -> Option<Kept> {
        let agreement = agreement?;
        if let Some(url) = &job.at {
            let candidates = self.redirected(url).await?;
            return self.connect_to(&candidates, agreement, Offer::Http1).await;
        }
        if agreement.profile != Profile::Causeway {
            return self.connect(agreement, Offer::Http1).await;
        }
        let will_do =
            |kept: &Kept| Some(kept.connection.target()) != failing && self.holds(kept, Some(agreement));
        let turn = match self.common.find(will_do).await {
            (Found::Open(kept), _) => return Some(kept),
            (Found::Failed, _) => return None,
            (Found::Nothing, turn) => turn,
        };
        let fresh = self.connect(agreement, Offer::Both).await;
        self.common.made(turn, fresh.as_ref()).await;
        fresh
    }

    async fn connect(&self, agreement: &Agreement, offer: Offer) -> Option<Kept> {
        let remembered = self.places.remembered(self.now());
        if let Some(candidates) = &remembered {
            let connection = self.connect_to(candidates, agreement, offer).await;
            if connection.is_some() {
                return connection;
            }
            // The peer may have moved: DNS is asked again, now.
            self.forget_places(agreement);
        }
        let (now, chance) = (self.now(), (self.tools.chance)());
        let found = self.places.find(&self.tools.discover, agreement, now, chance).await;
        let found = found
            .inspect_err(|error| {
                warn!(peer = %self.peer, "{error}");
                self.trouble(error);
            })
            .ok();
        let is_new = |candidate| remembered.as_ref().is_none_or(|known| !known.contains(candidate));
        let connection = match &found {
            Some(candidates) if candidates.iter().any(is_new) => {
                self.connect_to(candidates, agreement, offer).await
            }
            _ => None,
        };
        if connection.is_none() {
            self.forget_places(agreement);
        }
        connection
    }

    /// What was found is of no use, or nothing was: the next try asks again. An agreement is a reason
    /// to believe that there is somebody, and tries have a schedule.
    fn forget_places(&self, agreement: &Agreement) {
        self.places.forget();
        self.tools.discover.forget(&self.peer, &agreement.endpoints);
    }

    async fn connect_to(
        &self,
        candidates: &[Candidate],
        agreement: &Agreement,
        offer: Offer,
    ) -> Option<Kept> {
        self.tools.ready_for(agreement).await;
        let tls = self.tools.tls.load_full();
        let check = |identity: &_| {
            let map = self.tools.sap.map();
            agreement.speaks_for(identity, map.directory.default_trust())
        };
        let limits = PostLimits::default();
        let (own, peer) = (&self.own, &self.peer);
        match Connection::connect_offering(offer, &tls, own, peer, candidates, &limits, check).await {
            Ok(connection) => {
                let mut glance = self.glance();
                glance.place = Some(connection.target().clone());
                glance.http = Some(connection.http());
                glance.chain = Some(Arc::clone(connection.chain()));
                drop(glance);
                Some(Kept { connection, tls })
            }
            Err(error) => {
                warn!(peer = %self.peer, "no connection: {error}");
                self.trouble(&error);
                None
            }
        }
    }

    /// The addresses of a URL that this peer redirected us to.
    async fn redirected(&self, url: &str) -> Option<Vec<Candidate>> {
        let endpoint = Endpoint::from_url(url)?;
        let found = self.tools.discover.find(&self.peer, std::slice::from_ref(&endpoint), self.now()).await;
        let targets = found
            .inspect_err(|error| warn!(peer = %self.peer, url, "a redirect leads nowhere: {error}"))
            .ok()?;
        Some(targets.candidates(&mut *(self.tools.chance)()))
    }
}
