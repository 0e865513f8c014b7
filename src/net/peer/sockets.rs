//! Roads over mutual TLS: addresses from DNS or the agreement, one kept-alive connection for a lane.

use std::sync::Arc;

use tracing::{info, warn};

use super::carrier::{Carrier, Chances, Job, Lane, Placing, Road};
use super::places::Places;
use crate::imps::agreement::{Agreement, Endpoint};
use crate::imps::{Domain, Moment};
use crate::net::discover::{Candidate, Discover};
use crate::net::post::{Connection, PostError, PostLimits};
use crate::net::tls::SharedPeerTls;
use crate::sap::Sap;
use crate::session::ssp::PostOutcome;

/// The real network.
pub struct Sockets(Arc<Tools>);

/// What all roads share.
struct Tools {
    sap: Arc<Sap>,
    discover: Arc<Discover>,
    tls: SharedPeerTls,
    chance: Chances,
}

impl std::fmt::Debug for Sockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sockets").finish_non_exhaustive()
    }
}

impl Sockets {
    /// Roads that ask `discover` for addresses and `tls` for certificates and trust. `sap` knows the clock and
    /// whom we trust.
    pub fn new(sap: Arc<Sap>, discover: Arc<Discover>, tls: SharedPeerTls, chance: Chances) -> Self {
        Self(Arc::new(Tools { sap, discover, tls, chance }))
    }
}

impl Carrier for Sockets {
    fn road(&self, own: &Domain, peer: &Domain) -> Arc<dyn Road> {
        Arc::new(Street {
            own: own.clone(),
            peer: peer.clone(),
            places: Places::default(),
            tools: Arc::clone(&self.0),
        })
    }
}

/// The road to one peer.
struct Street {
    own: Domain,
    peer: Domain,
    places: Places,
    tools: Arc<Tools>,
}

impl Road for Street {
    fn lane(self: Arc<Self>) -> Box<dyn Lane> {
        Box::new(StreetLane { street: self, connection: None })
    }
}

struct StreetLane {
    street: Arc<Street>,
    connection: Option<Connection>,
}

impl Lane for StreetLane {
    fn place<'a>(&'a mut self, agreement: Option<&'a Agreement>, job: &'a Job) -> Placing<'a> {
        Box::pin(self.street.place(&mut self.connection, agreement, job))
    }
}

impl Street {
    /// Whether who is at the other end may still speak for the peer: the agreement may have changed.
    fn speaks(&self, open: &Connection, agreement: Option<&Agreement>) -> bool {
        let map = self.tools.sap.map();
        agreement.is_some_and(|agreement| {
            agreement.speaks_for(open.identity(), map.directory.default_trust()).is_ok()
        })
    }

    fn now(&self) -> Moment {
        self.tools.sap.now()
    }

    /// Places one POST: on the connection there is, else on a new one; on to the next address when one
    /// fails before it has seen the document, or answers 5xx (decisions.md 9).
    async fn place(
        &self,
        connection: &mut Option<Connection>,
        agreement: Option<&Agreement>,
        job: &Job,
    ) -> PostOutcome {
        let mut last = PostOutcome::Unreachable;
        for attempt in 0.. {
            let kept = connection.take().filter(|_| job.at.is_none());
            let kept = kept.filter(|open| self.speaks(open, agreement));
            let mut current = match kept.and_then(|mut open| open.is_usable().then_some(open)) {
                Some(open) => open,
                None => match self.connect(job, agreement).await {
                    Some(fresh) => fresh,
                    None => return last,
                },
            };
            let target = current.target().clone();
            match current.post(job.headers(), job.body.clone()).await {
                Ok(answer) if answer.status.is_success() => {
                    self.places.good(&target);
                    if job.at.is_none() {
                        *connection = Some(current);
                    }
                    return PostOutcome::Accepted;
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
                        return last;
                    }
                }
                // The peer closed an idle connection: nothing has happened, try again.
                Err(PostError::NotSent { .. }) if attempt < 2 => {}
                Err(error) if error.nothing_sent() => {
                    self.places.bad(&target);
                    if attempt + 1 >= self.places.len() {
                        return PostOutcome::Unreachable;
                    }
                }
                Err(error) => {
                    info!(peer = %self.peer, "{error}");
                    return PostOutcome::Closed;
                }
            }
        }
        last
    }

    async fn connect(&self, job: &Job, agreement: Option<&Agreement>) -> Option<Connection> {
        let agreement = agreement?;
        if let Some(url) = &job.at {
            let candidates = self.redirected(url).await?;
            return self.connect_to(&candidates, agreement).await;
        }
        let remembered = self.places.remembered(self.now());
        if let Some(candidates) = &remembered {
            let connection = self.connect_to(candidates, agreement).await;
            if connection.is_some() {
                return connection;
            }
            // The peer may have moved: DNS is asked again, now.
            self.forget_places(agreement);
        }
        let (now, chance) = (self.now(), (self.tools.chance)());
        let found = self.places.find(&self.tools.discover, agreement, now, chance).await;
        let is_new = |candidate| remembered.as_ref().is_none_or(|known| !known.contains(candidate));
        let connection = match &found {
            Some(candidates) if candidates.iter().any(is_new) => self.connect_to(candidates, agreement).await,
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

    async fn connect_to(&self, candidates: &[Candidate], agreement: &Agreement) -> Option<Connection> {
        let tls = self.tools.tls.load_full();
        let check = |identity: &_| {
            let map = self.tools.sap.map();
            agreement.speaks_for(identity, map.directory.default_trust())
        };
        let limits = PostLimits::default();
        Connection::connect(&tls, &self.own, &self.peer, candidates, &limits, check)
            .await
            .inspect_err(|error| warn!(peer = %self.peer, "no connection: {error}"))
            .ok()
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
