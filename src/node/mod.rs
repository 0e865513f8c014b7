//! Floor 8: the composition root. Reads top to bottom: settings → parts → listeners → drain.
//!
//! Nothing here decides anything; it introduces the rooms to each other, so that there are no circles
//! and no global state, and two nodes fit into one process.

mod disk;
mod federation;
mod operators;
pub mod sandbox;
mod sights;
mod steps;
mod watch;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus::Registry;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use self::disk::{DiskEvents, STORE};
use self::federation::{Agreed, Federation, Links};
use self::operators::Operators;
use crate::config::Settings;
use crate::config::settings::{CrlExpiry, KeyPair, Registration, Sms};
use crate::imps::agreement::PeerIdentity;
use crate::imps::primitive::Password;
use crate::imps::{Chance, DateTime, Domain, Moment, UserId};
use crate::net::cir::tcp::Switchboard;
use crate::net::cir::{self, Caller, SmsSender};
use crate::net::client::Clients;
use crate::net::content::Content;
use crate::net::dane::{Dane, Vouched};
use crate::net::discover::{Discover, DiscoverSetupError};
use crate::net::listen::{ConnectionEvents, ListenLimits, serve_csp, serve_ssp};
use crate::net::peer::{Chances, Peers, Sockets};
use crate::net::tls::{self, HandshakeError, PeerTls, TlsError, Trust, TrustSettings};
use crate::ops::admin::Admin;
use crate::ops::audit::{Act, Audit, Outcome, Who};
use crate::ops::metrics::Metrics;
use crate::ops::readiness::Readiness;
use crate::relay::blocks::Blocks;
use crate::relay::events::{Events, Listener, Refused};
use crate::relay::ports::{Account, OperatorsStore as _, StoreError};
use crate::sap::{self, Clock as _, Sap, SystemChance, SystemClock, Vault, VaultError};
use crate::session::csp::ServedFunctions;
use crate::store::seal::{SealError, Sealer};
use crate::store::sqlite::{self, OpenError, ServeLock, Sqlite, Trouble};

/// File in the data folder with the addresses that were bound (decisions.md 34).
pub(crate) const ADDRESSES_FILE: &str = "listen.json";

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Reading the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key that seals passwords.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A file that settings name.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Certificates, keys, trust.
    #[error("{}: {cause}", path.display())]
    Tls {
        /// In which file, as far as one is to blame.
        path: PathBuf,
        /// What is wrong.
        cause: TlsError,
    },
    /// Name resolution.
    #[error(transparent)]
    Discover(#[from] DiscoverSetupError),
    /// A listener.
    #[error("cannot listen on {address}: {cause}; is something else there?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// Metrics of one registry twice: a mistake of the program.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Where a node listens; port 0 in the settings has become a real port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Peers.
    pub ssp: Vec<SocketAddr>,
    /// Clients, plain.
    pub csp: Vec<SocketAddr>,
    /// Clients, TLS.
    pub csp_tls: Vec<SocketAddr>,
    /// Clients that want to be called, by TCP.
    pub cir: Vec<SocketAddr>,
    /// Where calls by datagram come from.
    pub cir_udp: Vec<SocketAddr>,
    /// The operator.
    pub admin: Vec<SocketAddr>,
}

impl Addresses {
    fn named(&self) -> [(&'static str, &[SocketAddr]); 6] {
        [
            ("ssp", &self.ssp),
            ("csp", &self.csp),
            ("csp-tls", &self.csp_tls),
            ("cir", &self.cir),
            ("cir-udp", &self.cir_udp),
            ("admin", &self.admin),
        ]
    }

    fn to_json(&self) -> String {
        let lists = self.named().map(|(name, addresses)| {
            let addresses: Vec<_> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
            format!("  \"{name}\": [{}]", addresses.join(", "))
        });
        format!("{{\n{}\n}}\n", lists.join(",\n"))
    }
}

/// A running node.
pub struct Node {
    addresses: Addresses,
    readiness: Readiness,
    sap: Arc<Sap>,
    peers: Option<Arc<Peers>>,
    federation: Arc<Federation>,
    store: Arc<Sqlite>,
    metrics: Arc<Metrics>,
    audit: Audit,
    /// Ends listeners.
    closing: CancellationToken,
    listeners: TaskTracker,
    /// Ends what goes on behind them.
    stopping: CancellationToken,
    background: TaskTracker,
    _lock: ServeLock,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Node {
    /// Starts everything; when it returns, the node is ready.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        Self::start_over(settings, Trouble::default()).await
    }

    /// The same, over a disk that can be made bad.
    pub async fn start_over(settings: Settings, trouble: Trouble) -> Result<Self, StartError> {
        let readiness = Readiness::waiting_for(&[STORE, "listeners"]);
        let metrics = Arc::new(Metrics::new(Registry::new())?);
        metrics.set_peers(settings.agreements().map(|agreement| agreement.domain.clone()));
        let events: Arc<dyn Events> = metrics.clone();
        let clock = Arc::new(SystemClock::default());

        let store = Arc::new(Sqlite::open(&sqlite::Settings {
            queue_bytes_per_peer: settings.limits.queue_bytes_per_peer,
            queue_bytes_per_user: settings.limits.queue_bytes_per_user,
            events: Arc::new(DiskEvents { metrics: metrics.clone(), readiness: readiness.clone() }),
            trouble,
            ..sqlite::Settings::at(&settings.node.data)
        })?);
        let lock = ServeLock::take(&settings.node.data)?;
        let audit = Audit::at(&settings.node.data);
        let sealer = Sealer::open(&settings.node.secret_key)?;
        readiness.settled(STORE);

        let agreed = Agreed::of(
            &settings,
            store.suspensions().await?,
            Blocks::new(store.blocks().await?, clock.now()),
            store.guests().await?,
        );
        metrics.set_guests(agreed.guests());
        let sap = Arc::new(Sap::new(sap::Parts {
            store: store.clone(),
            vault: Arc::new(SealedPasswords(sealer)),
            events: Arc::clone(&events),
            clock: clock.clone(),
            chance: system_chance(),
            map: agreed.map(&settings.node.domains),
            settings: sap::Settings {
                hold_message: settings.limits.hold_message,
                hold_query: settings.limits.hold_query,
                peer_gone: settings.limits.peer_gone,
                presence_pause: settings.limits.presence_pause,
                cut_through: settings.limits.cut_through,
                registration_open: settings.csp.registration == Registration::Open,
                client_document_octets_max: settings.csp.max_document_bytes,
                session_requests_per_second: settings.csp.session_requests_per_second,
                source_requests_per_second: settings.csp.source_requests_per_second,
                served: ServedFunctions::default(),
                content: sap::ContentSettings {
                    quota: settings.content.quota,
                    retention: settings.content.retention,
                },
            },
        }));
        sap.restore().await?;

        let (closing, stopping) = (CancellationToken::new(), CancellationToken::new());
        let (listeners, background) = (TaskTracker::new(), TaskTracker::new());
        let net_events: Arc<dyn ConnectionEvents> = Arc::new(NetEvents(Arc::clone(&events)));
        let mut addresses = Addresses::default();

        // All are bound before anything leaves: a peer that hears from us may answer at once, and a
        // port that is taken ends the start before it has done anything.
        let ssp = if settings.federates() { settings.ssp.listen.as_slice() } else { &[] };
        let ssp = bind_all(ssp, &mut addresses.ssp).await?;
        let csp = bind_all(&settings.csp.listen, &mut addresses.csp).await?;
        let csp_tls = bind_all(&settings.csp.tls_listen, &mut addresses.csp_tls).await?;
        let cir_tcp = bind_all(&settings.csp.cir.tcp_listen, &mut addresses.cir).await?;
        let admin_listener = bind(settings.admin.listen, &mut addresses.admin).await?;

        let mut peers = None;
        if settings.federates() {
            let discover = Arc::new(Discover::new(&settings.discovery())?);
            let dane = Arc::new(Dane::new(Arc::clone(&discover), Arc::default(), Arc::clone(&events)));
            agreed.tell(&dane);
            let peer_tls = peer_tls(&settings, &events, dane.vouched())?.shared();
            let chances: Chances = Arc::new(system_chance);
            let sockets =
                Sockets::new(sap.clone(), discover, dane.clone(), peer_tls.clone(), chances.clone());
            let links = Peers::new(sap.clone(), Arc::new(sockets.clone()), chances, stopping.child_token());
            let links = Arc::new(links);
            let (looking, stop) = (links.clone(), stopping.child_token());
            let keeping = clock.clone();
            background.spawn(async move {
                dane.keep(move || keeping.now(), move || looking.trust_changed(), stop).await;
            });
            sap.connect(links.clone());
            links.follow().await?;
            for listener in ssp {
                listeners.spawn(serve_ssp(
                    listener,
                    peer_tls.clone(),
                    ListenLimits::ssp(),
                    links.clone(),
                    net_events.clone(),
                    closing.child_token(),
                ));
            }
            peers = Some(Links { peers: links, tls: peer_tls, sockets });
        }

        let lines = Arc::new(cir::Lines::default());
        let udp = if settings.csp.cir.udp { bind_udp(&addresses.cir).await? } else { Vec::new() };
        let sms: Box<dyn SmsSender> = match &settings.csp.cir.sms {
            Some(Sms { number, gateway: Some(url) }) => {
                let (gateway, courier) = cir::Gateway::new(number.clone(), url.clone());
                background.spawn(courier.carry(stopping.child_token()));
                Box::new(gateway)
            }
            Some(Sms { number, gateway: None }) => Box::new(cir::LogOnly::from(number.clone())),
            None => Box::new(cir::LogOnly::default()),
        };
        let caller = Caller::new(lines.clone(), udp, sms, Arc::clone(&events));
        let served = caller.served(&addresses.cir, settings.csp.cir.advertise.as_deref());
        addresses.cir_udp.clone_from(&served.udp);
        sap.connect_waker(served, Arc::new(caller));
        let switchboard = Switchboard::new(sap.clone(), lines);
        for listener in cir_tcp {
            listeners.spawn(switchboard.clone().serve(listener, closing.child_token()));
        }

        let content = &settings.content;
        let content = Content::new(sap.clone(), content.url.clone(), content.max_item_bytes);
        let clients = Arc::new(Clients::new(sap.clone(), content, settings.csp.path.clone()));
        let limits = ListenLimits {
            body_octets_max: settings.csp.max_document_bytes,
            connections_of_source_max: settings.csp.source_connections,
            ..ListenLimits::csp()
        };
        for listener in csp {
            let (clients, events) = (clients.clone(), net_events.clone());
            listeners.spawn(serve_csp(
                listener,
                None,
                limits.clone(),
                clients,
                events,
                closing.child_token(),
            ));
        }
        let mut clients_tls = None;
        if !settings.csp.tls_listen.is_empty() {
            let config = Arc::new(ArcSwap::new(client_tls(&settings)?));
            clients_tls = Some(config.clone());
            for listener in csp_tls {
                let (config, clients, events) = (Some(config.clone()), clients.clone(), net_events.clone());
                let closing = closing.child_token();
                listeners.spawn(serve_csp(listener, config, limits.clone(), clients, events, closing));
            }
        }

        let parts = federation::Parts {
            sap: sap.clone(),
            metrics: metrics.clone(),
            links: peers.clone(),
            clients_tls,
            agreed,
            audit: audit.clone(),
        };
        let federation = Arc::new(Federation::new(&settings, parts));
        sap.connect_strangers(Arc::new(federation::Door(Arc::downgrade(&federation))));
        background.spawn(federation.clone().look_after_guests(stopping.child_token()));
        let token = settings.admin.token.as_ref().map(|token| token.expose().to_owned());
        let now: crate::ops::admin::Clock = Arc::new(move || clock.now());
        let operators = Operators::new(federation.clone(), sap.clone(), peers.clone(), audit.clone());
        background.spawn(operators.clone().end_what_is_over(stopping.child_token()));
        let admin = Admin::new(metrics.clone(), readiness.clone(), now, token.as_deref())
            .with_desk(Arc::new(operators), audit.clone());
        background.spawn(admin.serve(admin_listener, stopping.child_token()));
        let sweeping = sap.clone();
        let stop = stopping.child_token();
        background.spawn(async move { sweeping.sweep(stop).await });
        background.spawn(watch::watch(federation.clone(), stopping.child_token()));

        for (name, bound) in addresses.named() {
            for address in bound {
                info!("listening {name}={address}");
            }
        }
        let file = settings.node.data.join(ADDRESSES_FILE);
        fs::write(&file, addresses.to_json()).map_err(|cause| StartError::File { path: file, cause })?;
        // The head goes where the log goes, which is elsewhere than the records.
        let act = Act::new("node start", "").with(concat!("causeway ", env!("CARGO_PKG_VERSION")));
        if let Ok(record) = audit.recorded(sap.now(), Who::node(), act, Outcome::Done).await {
            info!(record = record.seq, head = %record.hash, "audit log");
        }
        readiness.settled("listeners");
        Ok(Self {
            addresses,
            readiness,
            sap,
            peers: peers.map(|links| links.peers),
            federation,
            store,
            metrics,
            audit,
            closing,
            listeners,
            stopping,
            background,
            _lock: lock,
        })
    }

    /// Where it listens.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The Service Access Point, for programs that hold a node in their own process.
    pub const fn sap(&self) -> &Arc<Sap> {
        &self.sap
    }

    /// What has been counted, for programs that hold a node in their own process.
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Reads the configuration again: agreements, certificates, trust and revocation lists take effect at
    /// once, on live links too; all else at the next start. `false`: there is a mistake, which was logged,
    /// and the old stays in force. The audit log says that a signal asked for it.
    pub async fn reload(&self, today: DateTime) -> bool {
        self.federation.reload(today, Who::signal()).await
    }

    /// Stops: no new connections, what is in hand is answered, sessions and queues stay on disk.
    pub async fn drain(self) {
        self.readiness.not_ready("draining");
        self.closing.cancel();
        self.listeners.close();
        self.listeners.wait().await;
        self.stopping.cancel();
        if let Some(peers) = &self.peers {
            peers.stop().await;
        }
        self.background.close();
        self.background.wait().await;
        let act = Act::new("node stop", "");
        let stopped = self.audit.recorded(self.sap.now(), Who::node(), act, Outcome::Done).await;
        self.store.close();
        match stopped {
            Ok(record) => info!(record = record.seq, head = %record.hash, "stopped"),
            Err(_) => info!("stopped"),
        }
    }
}

fn system_chance() -> Box<dyn Chance> {
    Box::<SystemChance>::default()
}

async fn bind(address: SocketAddr, bound: &mut Vec<SocketAddr>) -> Result<TcpListener, StartError> {
    let fail = |cause| StartError::Listen { address, cause };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    bound.push(listener.local_addr().map_err(fail)?);
    Ok(listener)
}

async fn bind_all(
    addresses: &[SocketAddr],
    bound: &mut Vec<SocketAddr>,
) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        listeners.push(bind(*address, bound).await?);
    }
    Ok(listeners)
}

/// The sockets that calls by datagram leave from.
async fn bind_udp(listeners: &[SocketAddr]) -> Result<Vec<UdpSocket>, StartError> {
    let address = listeners.first().copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    cir::bind_udp(listeners).await.map_err(|cause| StartError::Listen { address, cause })
}

fn read(path: &PathBuf) -> Result<Vec<u8>, StartError> {
    fs::read(path).map_err(|cause| StartError::File { path: path.clone(), cause })
}

fn identity(domain: &Domain, files: &KeyPair) -> Result<tls::Identity, StartError> {
    let (chain, key) = (read(&files.certificate)?, read(&files.key)?);
    tls::Identity::from_pem(domain.clone(), &chain, &key)
        .map_err(|cause| StartError::Tls { path: files.certificate.clone(), cause })
}

/// TLS between providers, from the files that the settings name.
pub(crate) fn peer_tls(
    settings: &Settings,
    events: &Arc<dyn Events>,
    vouched: &Arc<Vouched>,
) -> Result<PeerTls, StartError> {
    let mut identities = Vec::new();
    for own in &settings.ssp.identities {
        let identity = identity(&own.domain, &own.files)?;
        let ends = u64::try_from(identity.facts().not_after.unix()).unwrap_or(0);
        events.certificate(own.domain.as_str(), Moment::from_millis(ends.saturating_mul(1000)));
        identities.push(identity);
    }
    let mut trust = TrustSettings::default();
    trust.vouched = Arc::clone(vouched);
    trust.crl_expiry = match settings.ssp.crl_expiry {
        CrlExpiry::Error => tls::CrlExpiry::Error,
        CrlExpiry::Ignore => tls::CrlExpiry::Ignore,
    };
    trust.pins = settings.agreements().flat_map(|agreement| agreement.pins.iter().copied()).collect();
    trust.server_usage_suffices = settings
        .agreements()
        .filter(|agreement| agreement.accept_server_eku)
        .flat_map(|agreement| std::iter::once(&agreement.domain).chain(&agreement.names).cloned())
        .collect();
    for path in settings.trust_files() {
        trust.add_authorities(&read(&path)?).map_err(|cause| StartError::Tls { path, cause })?;
    }
    for path in &settings.ssp.crls {
        let fail = |cause| StartError::Tls { path: path.clone(), cause };
        trust.add_revocation_lists(&read(path)?).map_err(fail)?;
    }
    let fail = |cause| StartError::Tls { path: settings.file.clone(), cause };
    let tls = PeerTls::new(&identities, Trust::new(trust).map_err(fail)?).map_err(fail)?;
    Ok(if settings.ssp.http2 { tls } else { tls.without_http2() })
}

/// TLS for clients: the certificate of `[csp]`, else those of `[ssp]`.
fn client_tls(settings: &Settings) -> Result<Arc<rustls::ServerConfig>, StartError> {
    let identities = match (&settings.csp.tls, settings.node.domains.first()) {
        (Some(files), Some(domain)) => vec![identity(domain, files)?],
        _ => settings
            .ssp
            .identities
            .iter()
            .map(|own| identity(&own.domain, &own.files))
            .collect::<Result<_, _>>()?,
    };
    tls::client_listener(&identities).map_err(|cause| StartError::Tls { path: settings.file.clone(), cause })
}

/// Passwords, sealed under the node's key.
struct SealedPasswords(Sealer);

impl Vault for SealedPasswords {
    fn open(&self, account: &Account) -> Result<Password, VaultError> {
        let clear = self.0.unseal(&account.user, &account.sealed_password);
        clear.map(|clear| Password::new(clear.as_str())).map_err(|error| VaultError(error.to_string()))
    }

    fn seal(&self, user: &UserId, password: &Password) -> Result<Arc<[u8]>, VaultError> {
        self.0.seal(user, password.clear()).map(Arc::from).map_err(|error| VaultError(error.to_string()))
    }
}

/// Counts what never reaches a handler.
struct NetEvents(Arc<dyn Events>);

impl ConnectionEvents for NetEvents {
    fn handshake_refused(&self, listener: &'static str, _from: SocketAddr, _error: &HandshakeError) {
        if listener == Listener::Ssp.as_str() {
            self.0.ssp_refused(None, Refused::Handshake);
        }
    }

    fn rejected(&self, listener: &'static str, peer: Option<&PeerIdentity>, reason: &'static str) {
        let listener = listener.parse().unwrap_or(Listener::Csp);
        self.0.wire_rejected(listener, reason);
        if listener == Listener::Ssp {
            self.0.ssp_refused(
                peer.and_then(|peer| peer.names.first()),
                match reason {
                    "method" => Refused::Method,
                    "media-type" | "encoding" => Refused::MediaType,
                    "size" => Refused::Size,
                    "connections" | "source" | "memory" | "resets" => Refused::Overloaded,
                    "certificate" => Refused::Handshake,
                    _ => Refused::Malformed,
                },
            );
        }
    }
}
