//! The desk at which operators ask (`ops::api`): peers, their links, and what waits for them.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::federation::{Federation, Links};
use super::sights::{self, date};
use super::steps::{Step, blame};
use crate::element::common::system::Announcement;
use crate::imps::agreement::{Agreement, PeerState};
use crate::imps::{Domain, UserId};
use crate::net::discover::DiscoverError;
use crate::net::peer::{Knocked, LinkView};
use crate::net::post::PostError;
use crate::ops::announce::Audience;
use crate::ops::api::{Answering, Asked, Desk, Refused};
use crate::ops::audit::{self, Act, Audit, Who};
use crate::ops::user::{self, Whole};
use crate::relay::blocks::{BLOCKS_MAX, Block, Subject};
use crate::relay::ports::{Outcome, QueueSummary, Queued, StoreError, StoredOutgoing};
use crate::sap::{AnnounceError, Sap};

/// How long `test` waits for a login.
const LOGIN: Duration = Duration::from_secs(30);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at traces and blocks whose time may be over.
const LOOK_FOR_ENDS: Duration = Duration::from_secs(1);

/// Carries out what operators ask.
#[derive(Clone)]
pub(super) struct Operators {
    federation: Arc<Federation>,
    sap: Arc<Sap>,
    links: Option<Links>,
    audit: Audit,
}

type Told = Result<Value, Refused>;

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{error}; look at the node's log, and try again"))
    }
}

impl Desk for Operators {
    fn ask(&self, asked: Asked) -> Answering {
        let desk = self.clone();
        Box::pin(async move { desk.carry_out(asked).await })
    }
}

impl Operators {
    pub(super) fn new(
        federation: Arc<Federation>,
        sap: Arc<Sap>,
        links: Option<Links>,
        audit: Audit,
    ) -> Self {
        Self { federation, sap, links, audit }
    }

    async fn carry_out(&self, asked: Asked) -> Told {
        match asked {
            Asked::Peers => self.peers().await,
            Asked::Peer(peer) => self.peer(&peer).await,
            Asked::Session(peer) => {
                self.entry(&peer)?;
                Ok(sights::sessions(&peer, &self.views(&peer)))
            }
            Asked::Suspend(peer) => self.suspend(&peer).await,
            Asked::Resume(peer) => self.resume(&peer).await,
            Asked::Retry(peer) | Asked::RetryQueue(peer) => {
                let entry = self.active(&peer)?;
                self.retry(&peer);
                Ok(self.state(&entry))
            }
            Asked::Test(peer) => {
                self.entry(&peer)?;
                Ok(self.test(&peer).await)
            }
            Asked::Queue { peer, after, limit } => {
                let rows = self.sap.store().queued(peer, after, limit).await?;
                let more = rows.len() == limit;
                let now = self.sap.now();
                let rows: Vec<_> = rows.iter().map(|row| sights::queued(row, now)).collect();
                Ok(json!({ "rows": rows, "more": more }))
            }
            Asked::Row(number) => {
                let row = self.row(number).await?;
                let octets = row.outgoing.body.len() as u64;
                let recipients = Sap::outgoing_recipients(&row);
                let mut shown = sights::queued(&Queued { row, octets }, self.sap.now());
                if let Some(members) = shown.as_object_mut()
                    && !recipients.is_empty()
                {
                    members.insert("recipients".to_owned(), json!(recipients));
                }
                Ok(shown)
            }
            Asked::RetryRow(number) => {
                let peer = self.row(number).await?.outgoing.peer;
                self.active(&peer)?;
                self.sap.outgoing_hurried(number).await?;
                self.retry(&peer);
                Ok(json!({ "row": number, "done": true }))
            }
            Asked::DropRow(number) => {
                let row = self.row(number).await?;
                self.sap.outgoing_taken_out(&row).await?;
                Ok(json!({ "row": number, "done": true }))
            }
            // What waits for a peer may outlive its entry.
            Asked::DropQueue(peer) => {
                let dropped = self.sap.queue_taken_out(&peer).await?;
                Ok(json!({ "domain": peer.as_str(), "dropped": dropped }))
            }
            Asked::Users { after, limit } => {
                let accounts = self.sap.store().accounts_behind(after, limit).await?;
                let more = accounts.len() == limit;
                let users: Vec<_> = accounts.iter().map(user::summary).collect();
                Ok(json!({ "users": users, "more": more }))
            }
            Asked::User(user) => Ok(self.user(&user).await?.to_json()),
            Asked::SetUser(user, pairs) => self.set_user(&user, &pairs).await,
            Asked::Sms { from, text } => {
                if self.sap.greeted_by_sms(&from, &text).await {
                    return Ok(json!({ "done": true }));
                }
                let error = "no greeting of a session that agreed on calls by SMS; nothing else is read here";
                Err(Refused::new(StatusCode::NOT_FOUND, error))
            }
            Asked::Trace(subject, life) => {
                let trace = self.sap.traces().begin(subject, life, self.sap.now());
                let trace = trace.map_err(|error| {
                    Refused::new(StatusCode::CONFLICT, format!("{error}; see `causeway trace list`"))
                })?;
                Ok(sights::trace(&trace))
            }
            Asked::Traces => {
                let traces = self.sap.traces().list(self.sap.now());
                Ok(json!({ "traces": traces.iter().map(sights::trace).collect::<Vec<_>>() }))
            }
            Asked::EndTrace(number) => {
                self.sap.traces().end(number).map(|trace| sights::trace(&trace)).ok_or_else(|| {
                    let error =
                        format!("there is no trace {number}; `causeway trace list` shows those that are on");
                    Refused::new(StatusCode::NOT_FOUND, error)
                })
            }
            Asked::Block { subject, life, reason } => self.block(subject, life, reason).await,
            Asked::Blocks => {
                let blocks = self.federation.agreed().blocks().all();
                Ok(json!({ "blocks": blocks.iter().map(|block| sights::block(block)).collect::<Vec<_>>() }))
            }
            Asked::Unblock(subject) => self.unblock(subject).await,
            Asked::Announce(audience, announcement) => self.announce(audience, &announcement).await,
            Asked::Announced { id, after, limit } => {
                let users = self.sap.announced_to(&id, after.clone(), limit).await?;
                if users.is_empty() && after.is_none() {
                    let error =
                        format!("nobody was told {id}, or it is over for long; nothing is left of it");
                    return Err(Refused::new(StatusCode::NOT_FOUND, error));
                }
                let more = users.len() == limit;
                let users: Vec<_> = users.iter().map(sights::announced).collect();
                Ok(json!({ "id": id, "users": users, "more": more }))
            }
        }
    }

    /// Takes out traces and blocks that are over, and records it, until told to stop.
    pub(super) async fn end_what_is_over(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(LOOK_FOR_ENDS);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            if self.sap.traces().any() {
                for trace in self.sap.traces().over(self.sap.now()) {
                    self.over(Act::new("trace over", &trace.subject).with(format!("trace {}", trace.number)))
                        .await;
                }
            }
            match self.federation.end_blocks(self.sap.now()).await {
                Ok(ended) => {
                    for block in ended {
                        tracing::info!(subject = %block.subject, "the block is over");
                        self.over(Act::new("block over", &block.subject)).await;
                    }
                }
                // A store in trouble is told elsewhere, once.
                Err(error) => {
                    tracing::debug!(%error, "blocks that are over stay until the store writes again");
                }
            }
        }
    }

    async fn over(&self, act: Act) {
        // A failure is in the log of the node.
        let _ = self.audit.recorded(self.sap.now(), Who::node(), act, audit::Outcome::Done).await;
    }

    async fn block(&self, subject: Subject, life: Option<Duration>, reason: Box<str>) -> Told {
        let own = self.federation.own();
        if own.iter().any(|own| subject.domain_str() == Some(own.as_str())) {
            let error = match &subject {
                Subject::User(user) => format!(
                    "{user} is a user of this node; `causeway user set {user} status=barred` keeps it out"
                ),
                Subject::Domain(domain) => {
                    format!("{domain} is a domain of this node; take it out of [node] domains")
                }
            };
            return Err(Refused::new(StatusCode::CONFLICT, error));
        }
        let since = self.sap.now();
        let block = Block { subject, since, until: life.map(|life| since.after(life)), reason };
        let shown = sights::block(&block);
        let subject = block.subject.clone();
        if !self.federation.block(block).await? {
            let error = format!(
                "{BLOCKS_MAX} are blocked, which is the most; remove some with `causeway block remove`"
            );
            return Err(Refused::new(StatusCode::CONFLICT, error));
        }
        tracing::warn!(%subject, "blocked by an operator");
        Ok(shown)
    }

    async fn unblock(&self, subject: Subject) -> Told {
        let Some(block) = self.federation.unblock(&subject).await? else {
            let error = format!("{subject} is not blocked; `causeway block list` shows who is");
            return Err(Refused::new(StatusCode::NOT_FOUND, error));
        };
        tracing::warn!(%subject, "not blocked any more, by an operator");
        Ok(sights::block(&block))
    }

    async fn announce(&self, audience: Audience, announcement: &Announcement) -> Told {
        let to = match audience {
            Audience::Everybody => None,
            Audience::Users(users) => Some(users),
            Audience::Domain(domain) if self.federation.own().contains(&domain) => {
                let mut users: Vec<_> =
                    self.sap.store().all_accounts().await?.into_iter().map(|account| account.user).collect();
                users.retain(|user| user.is_in(&domain));
                Some(users)
            }
            Audience::Domain(domain) => {
                let error = format!("{domain} is no domain of this node; name one of [node] domains");
                return Err(Refused::new(StatusCode::NOT_FOUND, error));
            }
        };
        let announced = self.sap.announce(to, announcement).await.map_err(|error| match error {
            AnnounceError::Store(error) => error.into(),
            AnnounceError::Senseless(why) => {
                let error = format!("{why}; docs/reference/admin-api.md says what an announcement holds");
                Refused::new(StatusCode::BAD_REQUEST, error)
            }
        })?;
        let left_out: Vec<_> = announced.left_out.iter().map(ToString::to_string).collect();
        Ok(json!({ "id": announcement.message.id, "told": announced.told, "left_out": left_out }))
    }

    async fn user(&self, user: &UserId) -> Result<Whole, Refused> {
        let own = self.federation.own().first().map(|domain| user.completed(domain));
        let user = own.as_ref().unwrap_or(user);
        Whole::read(&**self.sap.store(), user).await?.ok_or_else(|| {
            let error = format!("{user} does not exist; `causeway user list` shows who does");
            Refused::new(StatusCode::NOT_FOUND, error)
        })
    }

    /// All of it or nothing; what the user is then.
    async fn set_user(&self, user: &UserId, pairs: &[String]) -> Told {
        let changes = self.user(user).await?.changes(pairs);
        let changes = changes.map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        if self.sap.store().commit(changes).await?.contains(&Outcome::Conflict) {
            let error = format!("{user} changed its lists meanwhile; try again");
            return Err(Refused::new(StatusCode::CONFLICT, error));
        }
        Ok(self.user(user).await?.to_json())
    }

    async fn row(&self, number: i64) -> Result<StoredOutgoing, Refused> {
        self.sap.store().outgoing(number).await?.ok_or_else(|| {
            let error =
                format!("row {number} does not wait (any more); `causeway queue list` shows what does");
            Refused::new(StatusCode::NOT_FOUND, error)
        })
    }

    fn retry(&self, peer: &Domain) {
        if let Some(links) = &self.links {
            links.peers.retry(peer);
        }
    }

    fn views(&self, peer: &Domain) -> Vec<LinkView> {
        self.links.as_ref().map(|links| links.peers.views(peer)).unwrap_or_default()
    }

    /// The entry of a peer as the file has it.
    fn entry(&self, peer: &Domain) -> Result<Agreement, Refused> {
        self.federation.agreed().entry(peer).cloned().ok_or_else(|| {
            let error = format!("{peer} has no entry in peers.toml; `causeway peer list` shows who has");
            Refused::new(StatusCode::NOT_FOUND, error)
        })
    }

    /// The same, if the agreement is in force now.
    fn active(&self, peer: &Domain) -> Result<Agreement, Refused> {
        let entry = self.entry(peer)?;
        self.out_of_force(&entry).map_or(Ok(entry), |why| Err(Refused::new(StatusCode::CONFLICT, why)))
    }

    /// Why nothing flows under this agreement, and what to do.
    fn out_of_force(&self, entry: &Agreement) -> Option<String> {
        let peer = &entry.domain;
        let today = self.sap.now().date_time();
        if self.federation.agreed().blocks().of_domain(peer.as_str()).is_some() {
            return Some(format!(
                "{peer} is blocked by an operator; `causeway block remove {peer}` ends that"
            ));
        }
        match entry.state_at(today) {
            PeerState::Closed if entry.state != PeerState::Closed => Some(format!(
                "the agreement with {peer} is outside its dates; change valid-from or valid-until in peers.toml"
            )),
            PeerState::Closed => {
                Some(format!("the agreement with {peer} is closed; change its state in peers.toml"))
            }
            PeerState::Suspended => {
                Some(format!("the agreement with {peer} is suspended in peers.toml; change its state there"))
            }
            PeerState::Active => self.federation.agreed().suspended(peer).map(|_| {
                format!("{peer} is suspended by an operator; `causeway peer resume {peer}` ends that")
            }),
        }
    }

    fn state(&self, entry: &Agreement) -> Value {
        let agreed = self.federation.agreed();
        let since = agreed.suspended(&entry.domain);
        let block = agreed.blocks().of_domain(entry.domain.as_str());
        let filed = entry.state_at(self.sap.now().date_time());
        let (state, by) = match (filed, since) {
            _ if block.is_some() => (PeerState::Closed, "block"),
            (PeerState::Active, Some(_)) => (PeerState::Suspended, "operator"),
            (PeerState::Closed, _) if entry.state != PeerState::Closed => (PeerState::Closed, "dates"),
            (filed, _) if entry.guest => (filed, "guest"),
            (filed, _) => (filed, "peers.toml"),
        };
        let mut shown = json!({ "domain": entry.domain.as_str(), "state": state.as_str(), "by": by });
        if let (Some(since), Some(members)) = (since, shown.as_object_mut()) {
            members.insert("suspended_since".to_owned(), date(since));
        }
        if let (Some(block), Some(members)) = (block, shown.as_object_mut()) {
            members.insert("block".to_owned(), sights::block(block));
        }
        shown
    }

    async fn peers(&self) -> Told {
        let queues = self.sap.store().queues().await?;
        let agreed = self.federation.agreed();
        let peers: Vec<_> = agreed.entries().map(|entry| self.summary(entry, &queues)).collect();
        Ok(json!({ "peers": peers }))
    }

    fn summary(&self, entry: &Agreement, queues: &[QueueSummary]) -> Value {
        let mut shown = self.state(entry);
        let link = sights::link_word(&self.views(&entry.domain));
        let queue = queues.iter().find(|queue| queue.peer == entry.domain);
        if let Some(members) = shown.as_object_mut() {
            members.insert("link".to_owned(), json!(link));
            members.insert("waiting".to_owned(), sights::waiting(queue, self.sap.now()));
        }
        shown
    }

    async fn peer(&self, peer: &Domain) -> Told {
        let entry = self.entry(peer)?;
        let queues = self.sap.store().queues().await?;
        let mut shown = self.summary(&entry, &queues);
        let map = self.sap.map();
        let outbound = map.directory.outbound(peer.as_str());
        let details = sights::agreement(
            &entry,
            map.directory.offered(peer.as_str()),
            outbound.map_or(&entry, |found| found.as_ref()),
        );
        let links: Vec<_> = self.views(peer).iter().map(sights::link).collect();
        if let (Some(members), Value::Object(details)) = (shown.as_object_mut(), details) {
            members.extend(details);
            members.insert("links".to_owned(), json!(links));
            let dane = self.links.as_ref().and_then(|it| it.sockets.dane().found(peer, self.sap.now()));
            let dane = dane.map(|(found, vouches)| json!({ "vouches": vouches, "found": found }));
            members.insert("dane".to_owned(), json!(dane));
            let violations = self.federation.metrics().violations(peer);
            members.insert("identity_violations".to_owned(), sights::violations(violations));
        }
        Ok(shown)
    }

    async fn suspend(&self, peer: &Domain) -> Told {
        let entry = self.entry(peer)?;
        if entry.state_at(self.sap.now().date_time()) == PeerState::Closed {
            let error =
                format!("the agreement with {peer} is closed already; nothing flows, and nothing waits");
            return Err(Refused::new(StatusCode::CONFLICT, error));
        }
        if !self.federation.suspend(peer).await? {
            let error = format!("{peer} is suspended already; `causeway peer resume {peer}` ends that");
            return Err(Refused::new(StatusCode::CONFLICT, error));
        }
        tracing::warn!(%peer, "suspended by an operator, until it is resumed");
        Ok(self.state(&entry))
    }

    async fn resume(&self, peer: &Domain) -> Told {
        // A suspension may outlive its entry.
        let entry = self.entry(peer);
        if !self.federation.resume(peer).await? {
            let why = self.out_of_force(&entry?);
            let error = why.unwrap_or_else(|| format!("{peer} is not suspended; there is nothing to resume"));
            return Err(Refused::new(StatusCode::CONFLICT, error));
        }
        tracing::warn!(%peer, "resumed by an operator");
        let without =
            || json!({ "domain": peer.as_str(), "state": PeerState::Closed.as_str(), "by": "peers.toml" });
        Ok(entry.map_or_else(|_| without(), |entry| self.state(&entry)))
    }

    /// Resolves, connects, verifies, logs in, from the first of our domains.
    async fn test(&self, peer: &Domain) -> Value {
        let mut steps = Vec::new();
        let failed = self.try_steps(peer, &mut steps).await.err();
        let told = |Step { name, what, warning }: &Step| json!({ "step": name, "ok": true, "what": what, "warning": warning });
        let mut steps: Vec<_> = steps.iter().map(told).collect();
        let ok = failed.is_none();
        steps.extend(
            failed.map(|(step, what, todo)| json!({ "step": step, "ok": false, "what": what, "do": todo })),
        );
        json!({ "domain": peer.as_str(), "ok": ok, "steps": steps })
    }

    async fn try_steps(
        &self,
        peer: &Domain,
        done: &mut Vec<Step>,
    ) -> Result<(), (&'static str, String, String)> {
        let entry = match self.active(peer) {
            Ok(entry) => entry,
            Err(refused) => {
                let (what, todo) =
                    refused.error.split_once("; ").unwrap_or((&refused.error, "look at peers.toml"));
                return Err(("agreement", what.to_owned(), todo.to_owned()));
            }
        };
        done.push(Step::good("agreement", "active".to_owned()));
        let (Some(links), Some(own)) = (&self.links, self.federation.own().first()) else {
            let what = "this node began without peers and has no side towards them".to_owned();
            return Err(("agreement", what, "restart it".to_owned()));
        };
        let found = links.sockets.resolve(&entry).await.map_err(|error| {
            let todo = match &error {
                DiscoverError::NoService { .. } => format!(
                    "ask {peer} to publish _imps-server._tcp.{peer}, or write endpoints into its entry"
                ),
                DiscoverError::Temporary { .. } => {
                    "look at [dns] servers and at the name servers of the peer".to_owned()
                }
            };
            ("resolve", error.to_string(), todo)
        })?;
        let places: Vec<_> = found.iter().map(ToString::to_string).collect();
        done.push(Step::good("resolve", places.join(", ")));
        if entry.dane {
            done.extend(self.vouching(links, peer).await);
        }
        let mut last = None;
        let mut reached = None;
        for candidate in &found {
            match links.sockets.knock(own, &entry, candidate).await {
                Ok(knocked) => {
                    reached = Some((candidate, knocked));
                    break;
                }
                // The one that got furthest is told.
                Err(error) => {
                    let further = |last: &PostError| !matches!(last, PostError::Connect { .. });
                    if !last.as_ref().is_some_and(further) {
                        last = Some(error);
                    }
                }
            }
        }
        let Some((place, Knocked { certificate, vouched })) = reached else {
            let error = last.unwrap_or(PostError::NoCandidate);
            let step = match &error {
                PostError::NoCandidate | PostError::Connect { .. } => {
                    let todo = "see whether the peer runs, and whether a firewall lets us through".to_owned();
                    return Err(("connect", error.to_string(), todo));
                }
                _ => "verify",
            };
            done.push(Step::good("connect", "a TCP connection was made".to_owned()));
            return Err((step, error.to_string(), blame(&error)));
        };
        done.push(Step::good("connect", place.to_string()));
        let pin = certificate.as_ref().and_then(|facts| entry.pin_of(&facts.key));
        let shown = certificate
            .map_or_else(String::new, |facts| format!("{}, until {}", facts.subject, facts.not_after));
        done.push(match pin {
            None if vouched => Step::good("verify", format!("{shown}, by DANE: the TLSA record matches")),
            None => Step::good("verify", shown),
            Some(0) => Step::good("verify", format!("{shown}, by pin 1 of {}", entry.pins.len())),
            Some(pin) => {
                let text = format!("{shown}; {}", entry.pin_words(pin));
                Step { warning: true, ..Step::good("verify", text) }
            }
        });
        done.push(Step::good("log-in", self.log_in(links, own, peer).await?));
        Ok(())
    }

    /// What secure DNS says of a peer for which it may vouch.
    async fn vouching(&self, links: &Links, peer: &Domain) -> Option<Step> {
        let (found, counts) = links.sockets.dane().asked(peer, || self.sap.now()).await?;
        Some(Step { warning: !counts, ..Step::good("dane", found.join("; ")) })
    }

    async fn log_in(
        &self,
        links: &Links,
        own: &Domain,
        peer: &Domain,
    ) -> Result<String, (&'static str, String, String)> {
        let session = || {
            let views = links.peers.views(peer);
            let view = views.into_iter().find(|view| view.own == *own)?;
            let record =
                view.link.sessions.iter().find(|session| session.current).map(|found| found.record.clone());
            Some((view, record))
        };
        let begun = self.sap.now();
        let before = session().and_then(|(_, record)| record).map(|record| record.own_id);
        links.peers.log_in(own, peer);
        let end = tokio::time::Instant::now() + LOGIN;
        let failed = |what: String| {
            let todo = format!("ask {peer} whether it has an entry for {own}, and what its log says");
            ("log-in", what, todo)
        };
        loop {
            tokio::time::sleep(LOOK).await;
            let Some((view, record)) = session() else { return Err(failed("there is no link".to_owned())) };
            if let Some(record) = record
                && Some(&record.own_id) != before.as_ref()
            {
                return Ok(format!("session {} of version {}", record.own_id, record.version));
            }
            let trouble = view.seen.trouble.filter(|(at, _)| *at >= begun).map(|(_, what)| what);
            let over = !view.link.setting_up && view.link.failures > 0;
            if let (Some(what), true) = (&trouble, over) {
                return Err(failed(what.clone()));
            }
            if tokio::time::Instant::now() >= end {
                let what = trouble.unwrap_or_else(|| "the peer did not finish the login in time".to_owned());
                return Err(failed(what));
            }
        }
    }
}
