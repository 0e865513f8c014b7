//! The agreements of a running node: read again when the operator says so, suspended and resumed through the
//! admin API.
//!
//! Files are checked as at the start, all of them, before anything of them is used; if there is a mistake the
//! old agreements stay. What `peers.toml` does not say but the operator did, that a peer is suspended for
//! now, stands in the file `suspended` of the data folder, one domain a line, and survives restarts.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::config::{self, Settings, Severity};
use crate::imps::agreement::{Agreement, KeyHash, PeerState, Transit};
use crate::imps::{DateTime, Domain};
use crate::net::peer::Peers;
use crate::net::tls::SharedPeerTls;
use crate::ops::metrics::Metrics;
use crate::relay::directory::Directory;
use crate::relay::events::{Events, Reloaded};
use crate::sap::{Map, Sap};

/// File in the data folder with the domains of peers that the operator has suspended.
const SUSPENDED_FILE: &str = "suspended";

/// What is agreed with whom.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    agreements: Vec<Agreement>,
    transits: Vec<Transit>,
    trust: Vec<KeyHash>,
    suspended: BTreeSet<Domain>,
}

impl Agreed {
    /// As the files say, and the operator.
    pub(super) fn of(settings: &Settings) -> io::Result<Self> {
        Ok(Self {
            agreements: settings.agreements().cloned().collect(),
            transits: settings.transits.clone(),
            trust: settings.ssp.trust_keys.clone(),
            suspended: read_suspended(&settings.node.data.join(SUSPENDED_FILE))?,
        })
    }

    /// The map that follows.
    pub(super) fn map(&self, own: &[Domain]) -> Map {
        let agreements = self.agreements.iter().map(|agreement| {
            let held = agreement.state == PeerState::Active && self.suspended.contains(&agreement.domain);
            let state = if held { PeerState::Suspended } else { agreement.state };
            Agreement { state, ..agreement.clone() }
        });
        let directory = Directory::new(own.to_vec(), agreements, self.trust.clone());
        Map::of(directory.with_transit(self.transits.iter().cloned()))
    }
}

/// The domains of the file; none if there is no file.
fn read_suspended(file: &Path) -> io::Result<BTreeSet<Domain>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(cause) => return Err(cause),
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.parse().map_err(io::Error::other)).collect()
}

/// Whole or not at all: beside it first, then in its place.
fn write_suspended(file: &Path, suspended: &BTreeSet<Domain>) -> io::Result<()> {
    let text: String = suspended.iter().map(|domain| format!("{domain}\n")).collect();
    let beside = file.with_extension("new");
    fs::write(&beside, text)?;
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(beside, file)
}

/// Why the operator's wish was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// There is no such entry.
    #[error("{0} is no peer; peers.toml lists them")]
    NoPeer(Domain),
    /// The file itself says otherwise.
    #[error("peers.toml says that {peer} is {state}; change it there and reload")]
    Written {
        /// Which peer.
        peer: Domain,
        /// What stands there.
        state: &'static str,
    },
    /// It could not be kept.
    #[error("it cannot be kept over a restart: {0}")]
    Kept(#[from] io::Error),
    /// The links could not be told.
    #[error("the store cannot be asked: {0}")]
    Store(#[from] crate::relay::ports::StoreError),
}

/// The agreements, and everybody who follows them.
pub(super) struct Federation {
    file: PathBuf,
    suspended_file: PathBuf,
    own: Vec<Domain>,
    sap: Arc<Sap>,
    metrics: Arc<Metrics>,
    links: Option<(Arc<Peers>, SharedPeerTls)>,
    agreed: tokio::sync::Mutex<Agreed>,
}

impl Federation {
    pub(super) fn new(
        settings: &Settings,
        agreed: Agreed,
        sap: Arc<Sap>,
        metrics: Arc<Metrics>,
        links: Option<(Arc<Peers>, SharedPeerTls)>,
    ) -> Self {
        Self {
            file: settings.file.clone(),
            suspended_file: settings.node.data.join(SUSPENDED_FILE),
            own: settings.node.domains.clone(),
            sap,
            metrics,
            links,
            agreed: tokio::sync::Mutex::new(agreed),
        }
    }

    /// Reads the files again; `false` if the old agreements stay.
    pub(super) async fn reload(&self, today: DateTime) -> bool {
        let mut agreed = self.agreed.lock().await;
        let Some(read) = self.read(today) else { return false };
        // The operator's own word outlives the files'.
        let suspended = std::mem::take(&mut agreed.suspended);
        *agreed = Agreed { suspended, ..read };
        if let Err(error) = self.follow(&agreed).await {
            error!(%error, "the links cannot follow the new agreements");
            self.metrics.reloaded(Reloaded::Peers, false);
            return false;
        }
        self.metrics.reloaded(Reloaded::Peers, true);
        info!(peers = agreed.agreements.len(), transits = agreed.transits.len(), "agreements read again");
        true
    }

    /// The files as they are now, with certificates and trust put into use; `None` if there is a mistake.
    fn read(&self, today: DateTime) -> Option<Agreed> {
        let loaded = config::load(&self.file, today);
        for finding in &loaded.findings {
            match finding.severity {
                Severity::Error => error!("{finding}"),
                Severity::Warning => warn!("{finding}"),
            }
        }
        let Some(settings) = loaded.settings else {
            let own = loaded
                .findings
                .iter()
                .any(|finding| finding.severity == Severity::Error && finding.file == self.file);
            let what = if own { Reloaded::Config } else { Reloaded::Peers };
            self.metrics.reloaded(what, false);
            error!("the files hold mistakes: the old agreements stay in force");
            return None;
        };
        self.metrics.reloaded(Reloaded::Config, true);
        if settings.node.domains != self.own {
            warn!("node.domains takes effect at the next start");
        }
        match &self.links {
            None if settings.federates() => warn!("the first peer takes effect at the next start"),
            None => {}
            Some((_, tls)) => {
                let events: Arc<dyn Events> = self.metrics.clone();
                match super::peer_tls(&settings, &events) {
                    Ok(fresh) => {
                        tls.store(Arc::new(fresh));
                        self.metrics.reloaded(Reloaded::Certificates, true);
                        self.metrics.reloaded(Reloaded::Crls, true);
                    }
                    Err(error) => {
                        error!(%error, "certificates cannot be used: the old ones and the old agreements stay");
                        self.metrics.reloaded(Reloaded::Certificates, false);
                        return None;
                    }
                }
            }
        }
        Some(Agreed {
            agreements: settings.agreements().cloned().collect(),
            transits: settings.transits.clone(),
            trust: settings.ssp.trust_keys.clone(),
            suspended: BTreeSet::new(),
        })
    }

    /// Everybody follows.
    async fn follow(&self, agreed: &Agreed) -> Result<(), crate::relay::ports::StoreError> {
        self.metrics.set_peers(agreed.agreements.iter().map(|agreement| agreement.domain.clone()));
        self.sap.set_map(agreed.map(&self.own)).await;
        match &self.links {
            Some((peers, _)) => peers.follow().await,
            None => Ok(()),
        }
    }

    /// Suspends a peer, or ends that, until the operator says otherwise; `false` if it was so already.
    pub(super) async fn suspend(&self, peer: &Domain, suspended: bool) -> Result<bool, WishError> {
        let mut agreed = self.agreed.lock().await;
        let written = agreed.agreements.iter().find(|agreement| agreement.domain == *peer);
        let Some(written) = written else { return Err(WishError::NoPeer(peer.clone())) };
        if written.state != PeerState::Active {
            return Err(WishError::Written { peer: peer.clone(), state: written.state.as_str() });
        }
        let mut wished = agreed.suspended.clone();
        let changed = if suspended { wished.insert(peer.clone()) } else { wished.remove(peer) };
        if changed {
            write_suspended(&self.suspended_file, &wished)?;
            agreed.suspended = wished;
            info!(%peer, suspended, "the operator has changed the state of a peer");
            self.follow(&agreed).await?;
        }
        Ok(changed)
    }
}
