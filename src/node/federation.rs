//! The agreements of a running node: read again when the operator says so.
//!
//! Files are checked as at the start, all of them, before anything of them is used; if there is a mistake the
//! old agreements stay.

use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::config::{self, Settings, Severity};
use crate::imps::agreement::{Agreement, KeyHash, Transit};
use crate::imps::{DateTime, Domain};
use crate::net::peer::Peers;
use crate::net::tls::SharedPeerTls;
use crate::ops::metrics::Metrics;
use crate::relay::directory::Directory;
use crate::relay::events::{Events, Reloaded};
use crate::sap::{Map, Sap};

/// What is agreed with whom.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    agreements: Vec<Agreement>,
    transits: Vec<Transit>,
    trust: Vec<KeyHash>,
}

impl Agreed {
    /// As the files say.
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            agreements: settings.agreements().cloned().collect(),
            transits: settings.transits.clone(),
            trust: settings.ssp.trust_keys.clone(),
        }
    }

    /// The map that follows.
    pub(super) fn map(&self, own: &[Domain]) -> Map {
        let directory = Directory::new(own.to_vec(), self.agreements.iter().cloned(), self.trust.clone());
        Map::of(directory.with_transit(self.transits.iter().cloned()))
    }
}

/// The agreements, and everybody who follows them.
pub(super) struct Federation {
    file: PathBuf,
    own: Vec<Domain>,
    sap: Arc<Sap>,
    metrics: Arc<Metrics>,
    links: Option<(Arc<Peers>, SharedPeerTls)>,
    /// Changes are made one after the other.
    turn: tokio::sync::Mutex<()>,
}

impl Federation {
    pub(super) fn new(
        settings: &Settings,
        sap: Arc<Sap>,
        metrics: Arc<Metrics>,
        links: Option<(Arc<Peers>, SharedPeerTls)>,
    ) -> Self {
        Self {
            file: settings.file.clone(),
            own: settings.node.domains.clone(),
            sap,
            metrics,
            links,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Reads the files again; `false` if the old agreements stay.
    pub(super) async fn reload(&self, today: DateTime) -> bool {
        let _turn = self.turn.lock().await;
        let Some(agreed) = self.read(today) else { return false };
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
        Some(Agreed::of(&settings))
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
}
