//! Floor 5: the Service Access Point. It carries one envelope from door to door:
//! admit → load → element → commit → route effects → reply. The only orchestrator.
//!
//! Decisions are taken on the floors below by plain functions; here they meet the store (through the
//! ports), the exits (through the trait) and time. A success is answered after the commit, effects
//! leave after the commit, and work for one request is bounded.

mod budget;
mod cir;
mod client;
mod clients;
mod closed;
mod common;
mod content;
mod delegated;
mod groups;
mod lists;
mod mailbox;
mod messages;
mod notices;
mod operators;
mod outgoing;
mod peer;
mod polls;
mod presence;
mod questions;
mod room;
mod services;
mod strangers;
mod sweep;
mod system;
mod talk;
mod through;
pub mod traces;
mod transit;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::oneshot;

use crate::element::common::offer;
use crate::element::common::search::kept::Searches;
use crate::imps::agreement::Profile;
use crate::imps::primitive::{Functions, Password};
use crate::imps::{Chance, Code, Domain, GroupId, Moment, SessionId, Status, UserId};
use crate::relay::budget::Budgets;
use crate::relay::callers::Callers;
use crate::relay::directory::Directory;
use crate::relay::events::Events;
use crate::relay::exit::Exits;
use crate::relay::guests::Strangers;
use crate::relay::pending::Pending;
use crate::relay::ports::{Account, Store, StoreError};
use crate::relay::route::Routes;
use crate::session::csp::{Login, ServedFunctions, Session};

pub use client::ClientDocument;
pub use common::{AnnounceError, Announced};
pub use content::{ContentError, ContentSettings, Proof};
pub use outgoing::Settled;
pub use peer::{Encoded, PeerAnswer, PeerRequest};
pub use system::{Clock, SystemChance, SystemClock};
pub use transit::{Asked, Ingress, Passed};

use clients::Clients;

/// Askers that wait for peers at a time; more are answered at once, their messages being queued.
const ASKERS_MAX: usize = 100_000;

/// How many changes of different groups may be in work at a time.
const GROUP_LANES: usize = 64;
/// How often something that somebody else changed meanwhile is decided anew before the answer is 503.
const CONFLICTS_MAX: usize = 8;

/// How the Service Access Point behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a client's SendMessage waits for the outcomes of remote recipients.
    pub hold_message: Duration,
    /// How long a client's other requests wait for peers.
    pub hold_query: Duration,
    /// How long a peer is out of reach before its users are shown as offline.
    pub peer_gone: Duration,
    /// How far apart notices of what one user publishes are.
    pub presence_pause: Duration,
    /// How long the answer of a peer that is up is waited for before a message on its way to it is written;
    /// zero: every message is written first.
    pub cut_through: Duration,
    /// Whether the first 2-way login of an unknown user makes the account.
    pub registration_open: bool,
    /// Octets of a client's document at most.
    pub client_document_octets_max: usize,
    /// Requests a second of one session of a client; 0: as many as it likes.
    pub session_requests_per_second: u32,
    /// Requests a second of one source outside of any session; 0: as many as it likes.
    pub source_requests_per_second: u32,
    /// The leaves of the function tree that are served.
    pub served: ServedFunctions,
    /// How shared content is kept.
    pub content: ContentSettings,
}

/// Why a stored password could not be had, or a new one not be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VaultError(pub String);

/// Keeps passwords sealed at rest (decisions.md 37).
pub trait Vault: Send + Sync + 'static {
    /// The password of an account in clear.
    fn open(&self, account: &Account) -> Result<Password, VaultError>;
    /// What is stored of a password.
    fn seal(&self, user: &UserId, password: &Password) -> Result<Arc<[u8]>, VaultError>;
}

/// Own domains, agreements, and the routes that follow from them: one snapshot.
#[derive(Debug, Default)]
pub struct Map {
    /// Who we are and whom we know.
    pub directory: Directory,
    /// Where a domain is reached.
    pub routes: Arc<Routes>,
}

impl Map {
    /// The map of a directory.
    pub fn of(directory: Directory) -> Self {
        let agreements: Vec<_> = directory.agreements().map(AsRef::as_ref).collect();
        let routes = Routes::new(directory.own().iter().cloned(), agreements, directory.is_open());
        let routes = Arc::new(routes.without(directory.blocks().clone()));
        Self { directory, routes }
    }
}

/// What the Service Access Point needs of the rest of the house.
pub struct Parts {
    /// Durable storage.
    pub store: Arc<dyn Store>,
    /// Passwords.
    pub vault: Arc<dyn Vault>,
    /// Is told what happens.
    pub events: Arc<dyn Events>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub chance: Box<dyn Chance>,
    /// Whom we know.
    pub map: Map,
    /// How to behave.
    pub settings: Settings,
}

/// The Service Access Point of a node.
pub struct Sap {
    store: Arc<dyn Store>,
    vault: Arc<dyn Vault>,
    events: Arc<dyn Events>,
    clock: Arc<dyn Clock>,
    chance: system::SharedChance,
    map: ArcSwap<Map>,
    settings: Settings,
    exits: OnceLock<Arc<dyn Exits>>,
    strangers: OnceLock<Arc<dyn Strangers>>,
    calling: OnceLock<cir::Calling>,
    clients: Clients,
    login: Mutex<Login>,
    pending: Mutex<Pending<oneshot::Sender<Status>>>,
    askers: Mutex<questions::Askers>,
    relaying: Mutex<transit::Relaying>,
    /// Rows that leave before they are written.
    unwritten: through::Rows,
    searches: Mutex<Searches>,
    visitors: Mutex<delegated::Visitors>,
    /// Sessions that ended and have not left their groups yet.
    gone: Mutex<Vec<SessionId>>,
    /// How far the queues of closed peers were looked at.
    closed: tokio::sync::Mutex<closed::Looked>,
    /// Clients that logged in and have not come into their groups elsewhere yet.
    joining: Mutex<Vec<(Arc<clients::Client>, Vec<GroupId>)>>,
    glances: Mutex<presence::Glances>,
    easel: content::Easel,
    gone_peers: Mutex<presence::Gone>,
    pace: Mutex<presence::Pace>,
    budgets: Mutex<Budgets>,
    callers: Mutex<Callers>,
    traces: traces::Traces,
    /// Changes of groups take turns, those of one group in the same lane.
    group_lanes: [tokio::sync::Mutex<()>; GROUP_LANES],
}

impl std::fmt::Debug for Sap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sap").field("sessions", &self.clients.len()).finish_non_exhaustive()
    }
}

impl Sap {
    /// Assembles it; the sessions that survived are taken up by [`Sap::restore`].
    pub fn new(parts: Parts) -> Self {
        Self {
            login: Mutex::new(Login::new(parts.settings.served)),
            store: parts.store,
            vault: parts.vault,
            events: parts.events,
            clock: parts.clock,
            chance: Mutex::new(parts.chance),
            map: ArcSwap::from_pointee(parts.map),
            settings: parts.settings,
            exits: OnceLock::new(),
            strangers: OnceLock::new(),
            calling: OnceLock::new(),
            clients: Clients::default(),
            pending: Mutex::new(Pending::new(ASKERS_MAX)),
            askers: Mutex::default(),
            relaying: Mutex::default(),
            unwritten: through::Rows::default(),
            searches: Mutex::default(),
            visitors: Mutex::default(),
            gone: Mutex::default(),
            traces: traces::Traces::default(),
            closed: tokio::sync::Mutex::default(),
            joining: Mutex::default(),
            glances: Mutex::default(),
            easel: content::Easel::default(),
            gone_peers: Mutex::default(),
            pace: Mutex::default(),
            budgets: Mutex::default(),
            callers: Mutex::default(),
            group_lanes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
        }
    }

    /// Says where rows of the outbox go; once, before traffic.
    pub fn connect(&self, exits: Arc<dyn Exits>) {
        // A second call would be a mistake of the composition root and changes nothing.
        let _ = self.exits.set(exits);
    }

    /// Takes up the client sessions that survived the last process.
    pub async fn restore(&self) -> Result<(), StoreError> {
        for record in self.store.csp_sessions().await? {
            let session = Session::restore(record, &mut **self.chance());
            let id = session.record().id.clone();
            self.clients.insert(session);
            if let Some(client) = self.clients.get(&id) {
                self.can_ask_by_http(&client);
            }
        }
        self.events.csp_sessions(self.clients.len());
        self.restore_manners().await
    }

    /// The current map; take it once per request.
    pub fn map(&self) -> Guard<Arc<Map>> {
        self.map.load()
    }

    /// Another map from now on. What waits for peers that have no agreement any more goes back to its
    /// authors.
    pub async fn set_map(self: &Arc<Self>, map: Map) {
        let offers = self.map.load_full();
        let directory = map.directory.keeping_offers_of(&offers.directory);
        self.map.store(Arc::new(Map { directory, ..map }));
        self.return_closed(self.now()).await;
        if let Err(error) = self.restore_manners().await {
            tracing::warn!(%error, "how homes want to hear of messages cannot be looked up");
        }
        self.sweep_visits().await;
    }

    /// The peer has told which services it offers; `None`: it knows no such tree.
    pub fn offered(&self, peer: &Domain, tree: Option<&Functions>) {
        let services = tree.map_or_else(offer::untold, offer::offered);
        let hosting = tree.map(offer::hosted);
        self.map.rcu(|map| {
            let mut directory = map.directory.clone();
            directory.set_offer(peer, services.clone(), hosting.clone());
            Map { directory, routes: map.routes.clone() }
        });
    }

    /// This much of our offer the peer wants and was granted: the rest is answered 506, until it logs in anew or
    /// the agreements change (reference ssp-session §5 rule 4).
    fn granted(&self, peer: &Domain, tree: &Functions) {
        let services = offer::offered(tree);
        self.map.rcu(|map| {
            let mut directory = map.directory.clone();
            directory.set_grant(peer, Some(&services));
            Map { directory, routes: map.routes.clone() }
        });
    }

    /// A session with the peer begins: everything agreed is granted.
    pub fn link_begins(&self, peer: &Domain) {
        if self.map().directory.is_limited(peer) {
            self.map.rcu(|map| {
                let mut directory = map.directory.clone();
                directory.set_grant(peer, None);
                Map { directory, routes: map.routes.clone() }
            });
        }
    }

    /// The peer has shown that it is the one known implementation.
    pub fn found_legacy(&self, peer: &Domain) {
        // Where the entry says so nothing follows from it.
        let agreed = self.map().directory.agreement(peer.as_str()).map(|agreement| agreement.profile);
        if agreed == Some(Profile::Legacy) {
            return;
        }
        self.map.rcu(|map| {
            let mut directory = map.directory.clone();
            directory.set_legacy(peer);
            Map { directory, routes: map.routes.clone() }
        });
    }

    /// Now.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Whose traffic the log shows.
    pub const fn traces(&self) -> &traces::Traces {
        &self.traces
    }

    /// Is told what happens.
    pub fn events(&self) -> &Arc<dyn Events> {
        &self.events
    }

    /// Durable storage.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    fn domains(&self) -> Vec<Domain> {
        self.map().directory.own().to_vec()
    }

    fn gone(&self) -> MutexGuard<'_, Vec<SessionId>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn joining(&self) -> MutexGuard<'_, Vec<(Arc<clients::Client>, Vec<GroupId>)>> {
        self.joining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chance(&self) -> MutexGuard<'_, Box<dyn Chance>> {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn login_machine(&self) -> MutexGuard<'_, Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Pending<oneshot::Sender<Status>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the asker hears when the store could not do it, whatever the reason: nothing was accepted, the service
/// is not available now, and another try makes sense (reference ssp-types §8: 503; decisions.md 5).
const fn store_code(error: &StoreError) -> Code {
    match error {
        StoreError::Failed(_) | StoreError::Overloaded(_) | StoreError::Closed => Code::SERVICE_UNAVAILABLE,
    }
}
