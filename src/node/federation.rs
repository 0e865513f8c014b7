//! The agreements of a running node: read again when the operator says so or the files change, and suspended
//! or resumed by operators meanwhile.
//!
//! Files are checked as at the start, all of them, before anything of them is used; if there is a mistake the
//! old agreements stay. What an operator suspends stays suspended until it is resumed, whatever the file says
//! and however often the node starts: the decision is in the store, and only narrows what `peers.toml` allows.

mod guests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tracing::{error, info, warn};

use super::watch;
use crate::config::settings::Federation as Federates;
use crate::config::{self, Settings, Severity};
use crate::imps::agreement::{Agreement, KeyHash, PeerState, Transit};
use crate::imps::{DateTime, Domain, Moment};
use crate::net::dane::{Dane, Wanted};
use crate::net::peer::{Peers, Sockets};
use crate::net::tls::SharedPeerTls;
use crate::ops::audit::{self, Act, Audit, Who};
use crate::ops::metrics::Metrics;
use crate::relay::blocks::{Block, Blocks, Subject};
use crate::relay::directory::Directory;
use crate::relay::events::{Events, Reloaded};
use crate::relay::ports::{Change, Guest, OperatorsChange, Outcome, StoreError, Suspension};
use crate::relay::rate::Meter;
use crate::sap::{Map, Sap};

pub(super) use guests::Door;
use guests::Guests;

/// What is agreed with whom.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    agreements: Vec<Agreement>,
    transits: Vec<Transit>,
    trust: Vec<KeyHash>,
    suspended: BTreeMap<Domain, Moment>,
    blocks: Arc<Blocks>,
    /// Domains without an entry; `None`: federation is closed.
    guests: Option<Guests>,
    /// Secure DNS may vouch for those.
    guests_by_dns: bool,
}

impl Agreed {
    /// As the files say, and operators have said.
    pub(super) fn of(
        settings: &Settings,
        suspensions: Vec<Suspension>,
        blocks: Blocks,
        guests: Vec<Guest>,
    ) -> Self {
        let is_open = settings.ssp.federation == Federates::Open;
        let has_entry = |guest: &Guest| settings.agreements().any(|entry| entry.domain == guest.domain);
        let guests = guests.into_iter().filter(|guest| !has_entry(guest));
        Self {
            agreements: settings.agreements().cloned().collect(),
            transits: settings.transits.clone(),
            trust: settings.ssp.trust_keys.clone(),
            suspended: suspensions.into_iter().map(|found| (found.peer, found.since)).collect(),
            blocks: Arc::new(blocks),
            guests: is_open.then(|| guests::of(guests, settings.ssp.dane)),
            guests_by_dns: is_open && settings.ssp.dane,
        }
    }

    /// As the files say now, and operators have said.
    fn with_files(&self, settings: &Settings) -> Self {
        let guests = self.guests.as_ref().map(guests::rows).unwrap_or_default();
        let (suspended, blocks) = (self.suspended.clone(), Arc::clone(&self.blocks));
        Self { suspended, blocks, ..Self::of(settings, Vec::new(), Blocks::default(), guests) }
    }

    /// The map that follows.
    pub(super) fn map(&self, own: &[Domain]) -> Map {
        let in_force = self.entries().map(|agreement| {
            let mut agreement = agreement.clone();
            if agreement.state == PeerState::Active && self.suspended.contains_key(&agreement.domain) {
                agreement.state = PeerState::Suspended;
            }
            if self.blocks.of_domain(agreement.domain.as_str()).is_some() {
                agreement.state = PeerState::Closed;
            }
            agreement
        });
        let directory = Directory::new(own.to_vec(), in_force, self.trust.clone());
        Map::of(
            directory
                .with_transit(self.transits.iter().cloned())
                .with_blocks(Arc::clone(&self.blocks))
                .with_open(self.guests.is_some()),
        )
    }

    /// Tells who asks secure DNS for whom it may vouch.
    pub(super) fn tell(&self, dane: &Dane) {
        dane.follow(self.entries().filter_map(Wanted::of).collect(), self.guests_by_dns);
    }

    /// The entry of this peer, as the file has it, or the agreement that it has as a guest.
    pub(super) fn entry(&self, peer: &Domain) -> Option<&Agreement> {
        let guest = || Some(&self.guests.as_ref()?.get(peer)?.agreement);
        self.agreements.iter().find(|agreement| agreement.domain == *peer).or_else(guest)
    }

    /// Every entry, in the order of the file, and then every guest.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Agreement> {
        let guests = self.guests.iter().flat_map(BTreeMap::values);
        self.agreements.iter().chain(guests.map(|row| &row.agreement))
    }

    /// Domains without an entry that have an agreement.
    pub(super) fn guests(&self) -> impl Iterator<Item = Domain> {
        self.guests.iter().flat_map(BTreeMap::keys).cloned()
    }

    /// Whom operators keep out.
    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Since when an operator has suspended this peer.
    pub(super) fn suspended(&self, peer: &Domain) -> Option<Moment> {
        self.suspended.get(peer).copied()
    }
}

/// The side towards peers.
#[derive(Clone)]
pub(super) struct Links {
    /// Every link.
    pub(super) peers: Arc<Peers>,
    /// What they prove and believe.
    pub(super) tls: SharedPeerTls,
    /// The roads that they take.
    pub(super) sockets: Sockets,
}

/// Whom a [`Federation`] leads.
pub(super) struct Parts {
    pub(super) sap: Arc<Sap>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) links: Option<Links>,
    /// What listeners for clients show.
    pub(super) clients_tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
    pub(super) agreed: Agreed,
    pub(super) audit: Audit,
}

/// The agreements, and everybody who follows them.
pub(super) struct Federation {
    file: PathBuf,
    own: Vec<Domain>,
    sap: Arc<Sap>,
    metrics: Arc<Metrics>,
    links: Option<Links>,
    clients_tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
    agreed: ArcSwap<Agreed>,
    audit: Audit,
    /// The files that count, as they were when they were read last.
    stamps: Mutex<watch::Stamps>,
    /// What certificates, keys, CAs and lists held when they were put into use.
    material: Mutex<Option<[u8; 32]>>,
    /// How many guests have come lately.
    newcomers: Mutex<Meter>,
    /// Changes are made one after the other.
    turn: tokio::sync::Mutex<()>,
}

impl Federation {
    pub(super) fn new(settings: &Settings, parts: Parts) -> Self {
        Self {
            file: settings.file.clone(),
            own: settings.node.domains.clone(),
            sap: parts.sap,
            metrics: parts.metrics,
            links: parts.links,
            clients_tls: parts.clients_tls,
            agreed: ArcSwap::from_pointee(parts.agreed),
            audit: parts.audit,
            stamps: Mutex::new(watch::Stamps::of(settings)),
            material: Mutex::new(watch::material(settings)),
            newcomers: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Our domains.
    pub(super) fn own(&self) -> &[Domain] {
        &self.own
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is agreed now.
    pub(super) fn agreed(&self) -> Arc<Agreed> {
        self.agreed.load_full()
    }

    /// The day by the node's clock.
    pub(super) fn today(&self) -> DateTime {
        self.sap.now().date_time()
    }

    /// The files as they were when they were read last.
    pub(super) fn stamps(&self) -> watch::Stamps {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again because of `who`; `false` if the old agreements stay.
    pub(super) async fn reload(&self, today: DateTime, who: Who) -> bool {
        let _turn = self.turn.lock().await;
        let material = || *self.material.lock().unwrap_or_else(PoisonError::into_inner);
        let before = material();
        let done = self.take_over(today).await;
        let outcome = if done { audit::Outcome::Done } else { audit::Outcome::Refused };
        let config = Act::new("config reload", self.file.display());
        let mut acts = vec![(config, outcome)];
        if material() != before {
            acts.push((Act::new("certificate reload", ""), audit::Outcome::Done));
        }
        for (act, outcome) in acts {
            // A failure is in the log of the node; the files are what they are.
            let _ = self.audit.recorded(self.sap.now(), who.clone(), act, outcome).await;
        }
        done
    }

    async fn take_over(&self, today: DateTime) -> bool {
        let Some(settings) = self.read(today) else { return false };
        let before = self.agreed();
        let agreed = before.with_files(&settings);
        let followed = match self.guests_gone(&before, &agreed).await {
            Ok(()) => self.follow(agreed).await,
            Err(error) => Err(error),
        };
        if let Err(error) = followed {
            error!(%error, "the links cannot follow the new agreements");
            self.metrics.reloaded(Reloaded::Peers, false);
            return false;
        }
        self.metrics.reloaded(Reloaded::Peers, true);
        let (peers, transits) = (settings.peers.len(), settings.transits.len());
        info!(peers, transits, "agreements read again");
        true
    }

    /// Nothing flows to and from this peer until it is resumed. `false`: it was suspended before.
    pub(super) async fn suspend(&self, peer: &Domain) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().await;
        let since = self.sap.now();
        let change = OperatorsChange::Suspend { peer: peer.clone(), since };
        let outcomes = self.sap.store().commit(vec![Change::Operators(change)]).await?;
        let mut agreed = Agreed::clone(&self.agreed());
        agreed.suspended.entry(peer.clone()).or_insert(since);
        self.follow(agreed).await?;
        Ok(outcomes.first() == Some(&Outcome::Done))
    }

    /// The suspension is over. `false`: there was none.
    pub(super) async fn resume(&self, peer: &Domain) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().await;
        let change = Change::Operators(OperatorsChange::Resume(peer.clone()));
        let outcomes = self.sap.store().commit(vec![change]).await?;
        let mut agreed = Agreed::clone(&self.agreed());
        agreed.suspended.remove(peer);
        self.follow(agreed).await?;
        Ok(outcomes.first() == Some(&Outcome::Done))
    }

    /// Somebody is kept out from now on; a block of the same is replaced. `false`: there are too many.
    pub(super) async fn block(&self, block: Block) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().await;
        let change = Change::Operators(OperatorsChange::Block(block.clone()));
        if self.sap.store().commit(vec![change]).await?.first() != Some(&Outcome::Done) {
            return Ok(false);
        }
        let agreed = self.agreed();
        self.follow(Agreed { blocks: Arc::new(agreed.blocks.with(block)), ..Agreed::clone(&agreed) }).await?;
        Ok(true)
    }

    /// Somebody is not kept out any more. Gives the block that there was.
    pub(super) async fn unblock(&self, subject: &Subject) -> Result<Option<Arc<Block>>, StoreError> {
        let _turn = self.turn.lock().await;
        let block = self.agreed().blocks.get(subject);
        if let Some(block) = &block {
            self.without(std::slice::from_ref(block)).await?;
        }
        Ok(block)
    }

    /// Ends the blocks that are over, and gives them.
    pub(super) async fn end_blocks(&self, now: Moment) -> Result<Vec<Arc<Block>>, StoreError> {
        if self.agreed().blocks.over(now).is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.turn.lock().await;
        // One of them may have been given more time meanwhile.
        let over = self.agreed().blocks.over(now);
        self.without(&over).await?;
        Ok(over)
    }

    async fn without(&self, blocks: &[Arc<Block>]) -> Result<(), StoreError> {
        let change = |block: &Arc<Block>| Change::Operators(OperatorsChange::Unblock(block.subject.clone()));
        self.sap.store().commit(blocks.iter().map(change).collect()).await?;
        let agreed = self.agreed();
        let left = Blocks::clone(&agreed.blocks);
        let left = blocks.iter().fold(left, |left, block| left.without(&block.subject));
        self.follow(Agreed { blocks: Arc::new(left), ..Agreed::clone(&agreed) }).await
    }

    /// The files as they are now, with certificates and trust put into use; `None` if there is a mistake.
    fn read(&self, today: DateTime) -> Option<Settings> {
        let before = self.stamps().renewed();
        let loaded = config::load(&self.file, today);
        for finding in &loaded.findings {
            match finding.severity {
                Severity::Error => error!("{finding}"),
                Severity::Warning => warn!("{finding}"),
            }
        }
        let Some(settings) = loaded.settings else {
            // Looked at again once one of them changes.
            self.stamp(before);
            let own = loaded
                .findings
                .iter()
                .any(|finding| finding.severity == Severity::Error && finding.file == self.file);
            let what = if own { Reloaded::Config } else { Reloaded::Peers };
            self.metrics.reloaded(what, false);
            error!("the files hold mistakes: the old agreements stay in force");
            return None;
        };
        self.stamp(watch::Stamps::of(&settings).remembering(&before));
        self.metrics.reloaded(Reloaded::Config, true);
        if settings.node.domains != self.own {
            warn!("node.domains takes effect at the next start");
        }
        if self.links.is_none() && settings.federates() {
            warn!("the first peer takes effect at the next start");
        }
        if !self.take_up(&settings) {
            error!("certificates cannot be used: the old ones and the old agreements stay");
            self.metrics.reloaded(Reloaded::Certificates, false);
            return None;
        }
        self.metrics.reloaded(Reloaded::Certificates, true);
        self.metrics.reloaded(Reloaded::Crls, true);
        Some(settings)
    }

    fn stamp(&self, stamps: watch::Stamps) {
        *self.stamps.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
    }

    /// Puts certificates, keys, trust and revocation lists into use if they are others than before.
    fn take_up(&self, settings: &Settings) -> bool {
        let material = watch::material(settings);
        let mut known = self.material.lock().unwrap_or_else(PoisonError::into_inner);
        if material.is_some() && *known == material {
            return true;
        }
        let events: Arc<dyn Events> = self.metrics.clone();
        let vouched = self.links.as_ref().map(|links| links.sockets.dane().vouched());
        let peers = vouched.map(|vouched| super::peer_tls(settings, &events, vouched)).transpose();
        let clients = self.clients_tls.as_ref().map(|_| super::client_tls(settings)).transpose();
        let (peers, clients) = match (peers, clients) {
            (Ok(peers), Ok(clients)) => (peers, clients),
            (Err(error), _) | (_, Err(error)) => {
                error!("{error}");
                return false;
            }
        };
        if let (Some(links), Some(fresh)) = (&self.links, peers) {
            let before = links.tls.swap(Arc::new(fresh));
            before.retire();
            info!("certificates and trust were replaced: connections with peers are made anew");
        }
        if let (Some(shown), Some(fresh)) = (&self.clients_tls, clients) {
            shown.store(fresh);
        }
        *known = material;
        true
    }

    /// Everybody follows.
    async fn follow(&self, agreed: Agreed) -> Result<(), StoreError> {
        self.metrics.set_peers(agreed.agreements.iter().map(|agreement| agreement.domain.clone()));
        self.metrics.set_guests(agreed.guests());
        let map = agreed.map(&self.own);
        if let Some(links) = &self.links {
            agreed.tell(links.sockets.dane());
        }
        self.agreed.store(Arc::new(agreed));
        self.sap.set_map(map).await;
        match &self.links {
            Some(links) => {
                links.peers.trust_changed();
                links.peers.follow().await
            }
            None => Ok(()),
        }
    }
}
