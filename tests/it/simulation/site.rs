//! A provider of the simulation: a whole node (Service Access Point, links, store) that can be stopped,
//! killed and started again. What survives is the database, as it was when the node died.

#[path = "../../../benches/support/vault.rs"]
mod vault;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use causeway::element::content::Quota;
use causeway::imps::agreement::{Agreement, PeerState, Transit};
use causeway::imps::{Domain, Moment, Terms, UserId};
use causeway::net::peer::{Chances, Peers};
use causeway::relay::directory::Directory;
use causeway::relay::events::{CutThrough, Events};
use causeway::relay::ports::{Account, Change, Store as _};
use causeway::sap::{self, Clock, Map, Sap};
use causeway::session::csp::ServedFunctions;
use causeway::store::sqlite::{self, Batch, Disk, Sqlite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dice::Dice;
use super::network::{Cable, Door, Net};
use vault::OpenVault;

/// Room for all that may ever wait for a peer.
pub(super) const ROOMY: u64 = 1 << 30;
/// The only certificate authority of the simulation.
pub(super) const AUTHORITY: [u8; 32] = [9; 32];
/// When worlds begin: 2004-03-01T09:15:00Z.
const BEGIN_MILLIS: u64 = 1_078_132_500_000;

/// The clock on the wall of a site: virtual time, and what the operator made of it.
#[derive(Debug)]
struct SimClock {
    begin: Instant,
    /// Milliseconds since 1970 at the beginning of the world.
    zero: Arc<AtomicU64>,
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.zero.load(Ordering::Relaxed)).after(self.begin.elapsed())
    }
}

/// How the disk of a site behaves while there is trouble; numbers are out of a thousand.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    /// Batches that are slow by seconds.
    pub(super) sluggish: u64,
    /// Batches that fail.
    pub(super) failing: u64,
    /// Batches during which the node is killed.
    pub(super) deadly: u64,
    /// Octets that may wait for a peer.
    pub(super) room: u64,
}

struct SimDisk {
    dice: Mutex<Dice>,
    habits: Habits,
    /// Whether there is trouble.
    trouble: Arc<AtomicBool>,
    /// Says that the node is to die now.
    killer: mpsc::UnboundedSender<usize>,
    site: usize,
}

impl Disk for SimDisk {
    fn batch(&self) -> Batch {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.trouble.load(Ordering::Relaxed) {
            return Batch::Kept(dice.millis(0, 3));
        }
        if dice.permille(self.habits.deadly) {
            // Nobody listens once the world has healed.
            let _ = self.killer.send(self.site);
        }
        if dice.permille(self.habits.failing) {
            Batch::Failed(dice.millis(1, 200))
        } else if dice.permille(self.habits.sluggish) {
            Batch::Kept(dice.millis(200, 9000))
        } else {
            Batch::Kept(dice.millis(0, 20))
        }
    }

    fn question(&self) -> Duration {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if self.trouble.load(Ordering::Relaxed) && dice.permille(200) {
            dice.millis(0, 20)
        } else {
            Duration::ZERO
        }
    }
}

/// What became of messages that left before they were written, in all lives of all sites of a world.
#[derive(Debug, Default)]
pub(super) struct Through {
    pub(super) answered: AtomicUsize,
    pub(super) written: AtomicUsize,
    /// Kills while some were in hand.
    pub(super) killed: AtomicUsize,
}

/// Listens to what concerns [`Through`].
struct Ears(Arc<Through>);

impl Events for Ears {
    fn cut_through(&self, _peer: &Domain, what: CutThrough) {
        match what {
            CutThrough::Answered => self.0.answered.fetch_add(1, Ordering::Relaxed),
            CutThrough::Written => self.0.written.fetch_add(1, Ordering::Relaxed),
        };
    }
}

/// What every site needs.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) seed: u64,
    pub(super) net: Arc<Net>,
    pub(super) trouble: Arc<AtomicBool>,
    pub(super) killer: mpsc::UnboundedSender<usize>,
    pub(super) begin: Instant,
    pub(super) through: Arc<Through>,
}

/// A provider.
pub(super) struct Site {
    ground: Ground,
    number: usize,
    pub(super) domain: Domain,
    agreements: Vec<Agreement>,
    transits: Vec<Transit>,
    zero: Arc<AtomicU64>,
    habits: Habits,
    pub(super) store: Arc<Sqlite>,
    lives: u32,
    running: Option<Running>,
}

struct Running {
    sap: Arc<Sap>,
    peers: Arc<Peers>,
    life: CancellationToken,
    stop: CancellationToken,
    handling: TaskTracker,
    sweep: JoinHandle<()>,
}

impl Site {
    /// A provider with these users, whose password is [`super::phone::PASSWORD`]. It does not run yet.
    pub(super) async fn found(
        ground: &Ground,
        number: usize,
        domain: &Domain,
        (agreements, transits): (Vec<Agreement>, Vec<Transit>),
        habits: Habits,
        users: &[UserId],
    ) -> Self {
        let mut settings = sqlite::Settings::at(":memory:");
        settings.queue_bytes_per_peer = habits.room;
        let store = Sqlite::in_memory_with(&settings, &format!("s{number}")).unwrap();
        let accounts = users.iter().map(|user| {
            Change::AddAccount(Account {
                user: user.clone(),
                sealed_password: super::phone::PASSWORD.as_bytes().into(),
                created: Moment::from_millis(BEGIN_MILLIS),
                terms: Terms::default(),
            })
        });
        store.commit(accounts.collect()).await.unwrap();
        Self {
            ground: ground.clone(),
            number,
            domain: domain.clone(),
            agreements,
            transits,
            zero: Arc::new(AtomicU64::new(BEGIN_MILLIS)),
            habits,
            store: Arc::new(store),
            lives: 0,
            running: None,
        }
    }

    /// What is wrong with how much waits for peers.
    pub(super) async fn overfull(&self) -> Vec<String> {
        let queues = self.store.queues().await.unwrap();
        let (domain, room) = (&self.domain, self.habits.room);
        let over = queues.into_iter().filter(|queue| queue.octets > room);
        over.map(|queue| {
            format!("{domain} keeps {} octets for {}: more than {room}", queue.octets, queue.peer)
        })
        .collect()
    }

    /// Whether the node runs.
    pub(super) const fn is_up(&self) -> bool {
        self.running.is_some()
    }

    fn disk(&self) -> SimDisk {
        SimDisk {
            dice: Mutex::new(Dice::of(self.ground.seed, &format!("disk {} {}", self.number, self.lives))),
            habits: self.habits.clone(),
            trouble: self.ground.trouble.clone(),
            killer: self.ground.killer.clone(),
            site: self.number,
        }
    }

    fn map(&self) -> Map {
        let own = vec![self.domain.clone()];
        let directory = Directory::new(own, self.agreements.iter().cloned(), vec![AUTHORITY]);
        Map::of(directory.with_transit(self.transits.iter().cloned()))
    }

    /// The operator changes the agreement with this peer, or all of them, and has the files read again.
    pub(super) async fn agree(&mut self, peer: Option<&Domain>, state: PeerState) {
        let concerned = self.agreements.iter_mut().filter(|agreement| {
            peer.is_none_or(|peer| *peer == agreement.domain) && agreement.state != state
        });
        let mut changed = 0;
        for agreement in concerned {
            let said = format!("{}: {} is {}", self.domain, agreement.domain, state.as_str());
            self.ground.net.journal.tell(said);
            agreement.state = state;
            changed += 1;
        }
        if changed > 0 {
            self.reload().await;
        }
    }

    /// The operator has the files read again.
    async fn reload(&self) {
        if let Some(running) = &self.running {
            running.sap.set_map(self.map()).await;
            // A disk that fails is told by the log; the next reload mends it.
            let _ = running.peers.follow().await;
        }
    }

    /// The entries are others from now on; gives those that there were.
    pub(super) async fn enters(&mut self, agreements: Vec<Agreement>) -> Vec<Agreement> {
        let before = std::mem::replace(&mut self.agreements, agreements);
        self.reload().await;
        before
    }

    /// Whether there is a link with this peer, once those that are gone are forgotten.
    pub(super) async fn has_link(&self, peer: &Domain) -> bool {
        let running = self.running.as_ref().expect("it runs");
        running.peers.forget_the_gone().await;
        !running.peers.views(peer).is_empty()
    }

    /// The clock on the wall jumps, forward or back.
    pub(super) fn jump(&self, millis: i64) {
        self.ground.net.journal.tell(format!("{}: the clock jumps by {millis} ms", self.domain));
        let _ = self
            .zero
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |zero| zero.checked_add_signed(millis));
    }

    /// Starts the node, as `causeway serve` does.
    pub(super) async fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        self.lives += 1;
        let Ground { seed, net, begin, .. } = &self.ground;
        let life = self.lives;
        net.journal.tell(format!("{} starts, life {life}", self.domain));
        self.store = Arc::new(self.store.succeeded(Box::new(self.disk())).unwrap());
        let name = format!("{} {life}", self.domain);
        let sap = Arc::new(Sap::new(sap::Parts {
            store: self.store.clone(),
            vault: Arc::new(OpenVault),
            events: Arc::new(Ears(self.ground.through.clone())),
            clock: Arc::new(SimClock { begin: *begin, zero: self.zero.clone() }),
            chance: Box::new(Dice::of(*seed, &format!("sap {name}"))),
            map: self.map(),
            settings: sap::Settings {
                hold_message: Duration::from_secs(5),
                hold_query: Duration::from_secs(20),
                peer_gone: Duration::from_secs(300),
                presence_pause: Duration::from_secs(2),
                // What leaves before it is written is written even if the queue is full then, and bounded apart.
                cut_through: if self.habits.room == ROOMY {
                    Duration::from_millis(250)
                } else {
                    Duration::ZERO
                },
                registration_open: false,
                client_document_octets_max: 1 << 20,
                session_requests_per_second: 0,
                source_requests_per_second: 0,
                served: ServedFunctions::default(),
                content: sap::ContentSettings {
                    quota: Quota { octets: 1 << 20, items: 100 },
                    retention: Duration::from_secs(86_400),
                },
            },
        }));
        sap.restore().await.unwrap();
        let (life_token, stop) = (CancellationToken::new(), CancellationToken::new());
        let cable = Cable { net: net.clone(), life: life_token.clone() };
        let links = Arc::new(Mutex::new(Dice::of(*seed, &format!("links {name}"))));
        let chances: Chances = Arc::new(move || {
            let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
            Box::new(Dice::of(links.below(u64::MAX), "link"))
        });
        let peers = Arc::new(Peers::new(sap.clone(), Arc::new(cable), chances, stop.child_token()));
        sap.connect(peers.clone());
        peers.follow().await.unwrap();
        let (sweeping, stopping) = (sap.clone(), stop.child_token());
        let sweep = tokio::spawn(async move { sweeping.sweep(stopping).await });
        let handling = TaskTracker::new();
        let door = Door {
            peers: peers.clone(),
            sap: sap.clone(),
            life: life_token.clone(),
            number: life,
            handling: handling.clone(),
        };
        net.open(&self.domain, door);
        self.running = Some(Running { sap, peers, life: life_token, stop, handling, sweep });
    }

    /// Kills the node as soon as it has something in hand that is not on disk, if that happens within this
    /// time.
    pub(super) fn ambush(&self, within: Duration) {
        let Some(running) = &self.running else { return };
        let (sap, life) = (running.sap.clone(), running.life.clone());
        let (killer, site, until) = (self.ground.killer.clone(), self.number, Instant::now() + within);
        tokio::spawn(async move {
            while sap.in_hand() == 0 {
                if Instant::now() > until || life.is_cancelled() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Nobody listens once the world has healed.
            let _ = killer.send(site);
        });
    }

    /// Kills the node: what is not on disk is gone.
    pub(super) fn kill(&mut self) {
        let Some(running) = self.running.take() else { return };
        let in_hand = running.sap.in_hand();
        self.ground.through.killed.fetch_add(usize::from(in_hand > 0), Ordering::Relaxed);
        self.ground.net.journal.tell(format!("{} is killed with {in_hand} in hand", self.domain));
        self.ground.net.close(&self.domain);
        // From here on nothing that is left of the node reaches the database.
        self.store = Arc::new(self.store.succeeded(Box::new(self.disk())).unwrap());
        running.life.cancel();
        running.stop.cancel();
        running.sweep.abort();
    }

    /// Stops the node as SIGTERM does.
    pub(super) async fn drain(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.ground.net.journal.tell(format!("{} is told to stop", self.domain));
        self.ground.net.close(&self.domain);
        running.handling.close();
        // As long as listeners wait for what is in hand.
        let _ = tokio::time::timeout(Duration::from_secs(25), running.handling.wait()).await;
        running.stop.cancel();
        running.peers.stop().await;
        // It ends by itself; a panic in it is told by the hook.
        let _ = running.sweep.await;
        running.life.cancel();
        self.ground.net.journal.tell(format!("{} has stopped", self.domain));
    }
}
