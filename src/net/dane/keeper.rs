//! The task that fills the table and keeps it fresh.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::table::{Host, Vouched};
use crate::imps::agreement::{Agreement, Endpoint, PeerState};
use crate::imps::{Domain, Moment};
use crate::net::discover::{Associations, Discover, HostAssociations, Said, all};
use crate::relay::events::{Dane as Outcome, Events};
use crate::relay::guests::INTRODUCED_PER_SECOND;
use crate::relay::rate::Meter;

/// Shortest time for which an answer counts: whoever publishes shorter ones is not asked more often.
const TTL_MIN: Duration = Duration::from_secs(5);
/// Longest time for which records count.
const TTL_MAX: Duration = Duration::from_secs(3600);
/// Longest time for which it is remembered that there are none.
const NONE_MAX: Duration = Duration::from_secs(300);
/// After a question that brought nothing, doubled as often as that happened.
const RETRY: Duration = Duration::from_secs(5);
/// How often it is doubled at most.
const RETRY_DOUBLED_MAX: u32 = 6;
/// How long what DNS says of a stranger is kept: it comes again soon, and then has an agreement, or does not.
const STRANGER_STAYS: Duration = Duration::from_secs(60);
/// Peers that are asked about at the same time, and strangers.
const ASKED_MAX: usize = 8;
/// Shortest sleep between two looks at strangers.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest sleep: the clock of the system may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// A peer for which DNS may vouch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its domain.
    pub domain: Domain,
    /// Other names in certificates that stand for it.
    pub names: Vec<Domain>,
    /// Where it is, if not by SRV.
    pub endpoints: Vec<Endpoint>,
}

impl Wanted {
    /// If this agreement takes such records and is not closed.
    pub fn of(agreement: &Agreement) -> Option<Self> {
        (agreement.dane && agreement.state != PeerState::Closed).then(|| Self {
            domain: agreement.domain.clone(),
            names: agreement.names.clone(),
            endpoints: agreement.endpoints.clone(),
        })
    }
}

type Peers = BTreeMap<Domain, Arc<Peer>>;

/// One of them, or a stranger.
struct Peer {
    wanted: Wanted,
    /// Questions for it are asked one after the other.
    asking: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// It has no agreement, and is forgotten then.
    stranger_until: Option<Moment>,
    /// When it was asked for last; `None`: never.
    asked: Option<Moment>,
    /// When to ask again.
    next: Moment,
    /// Questions in a row that brought nothing.
    failures: u32,
    /// What was found, in words, for operators.
    found: Vec<String>,
}

/// Learns from secure DNS who vouches for which peers.
pub struct Dane {
    discover: Arc<Discover>,
    vouched: Arc<Vouched>,
    events: Arc<dyn Events>,
    peers: Mutex<Peers>,
    /// How many strangers have been asked about lately.
    strangers: Mutex<Meter>,
    pub(super) changed: Notify,
}

impl fmt::Debug for Dane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dane").field("vouched", &self.vouched).finish_non_exhaustive()
    }
}

impl Dane {
    /// Nobody is asked about yet.
    pub fn new(discover: Arc<Discover>, vouched: Arc<Vouched>, events: Arc<dyn Events>) -> Self {
        Self {
            discover,
            vouched,
            events,
            peers: Mutex::default(),
            strangers: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Where what is learned is put.
    pub fn vouched(&self) -> &Arc<Vouched> {
        &self.vouched
    }

    /// These are asked about from now on, and `strangers` who come without anybody who vouches for them, or not.
    pub fn follow(&self, wanted: Vec<Wanted>, strangers: bool) {
        self.vouched.want_strangers(strangers);
        let mut peers = self.peers();
        let mut fresh: Peers = wanted
            .into_iter()
            .map(|wanted| {
                let known = peers.get(&wanted.domain).filter(|known| known.wanted == wanted);
                let peer = known.cloned().unwrap_or_else(|| Peer::new(wanted));
                peer.state().stranger_until = None;
                (peer.wanted.domain.clone(), peer)
            })
            .collect();
        if strangers {
            for (domain, peer) in peers.iter().filter(|(_, peer)| peer.is_stranger()) {
                fresh.entry(domain.clone()).or_insert_with(|| Arc::clone(peer));
            }
        }
        self.replace(&mut peers, fresh);
    }

    fn replace(&self, peers: &mut Peers, fresh: Peers) {
        self.vouched.follow(fresh.values().map(|peer| &peer.wanted));
        *peers = fresh;
        self.changed.notify_one();
    }

    /// Asks whenever something is due, until told to stop. Calls `lost` whenever records are there no more,
    /// so that connections that rest on them can be looked at.
    pub async fn keep(
        &self,
        clock: impl Fn() -> Moment + Send + Sync,
        lost: impl Fn() + Send,
        stop: CancellationToken,
    ) {
        // Apart: strangers with slow name servers are in nobody's way.
        tokio::join!(self.keep_known(&clock, lost, &stop), self.look_at_strangers(&clock, &stop));
    }

    /// Asks about strangers who came, a few at a time and not too many, and forgets them after a while. What vouches
    /// for one is renewed meanwhile: its TTL may be shorter than the time until it tries again.
    async fn look_at_strangers(&self, clock: &(impl Fn() -> Moment + Send + Sync), stop: &CancellationToken) {
        loop {
            let next = self.renewable().iter().map(|peer| peer.state().next).min();
            // What the rate puts off is not tried at once.
            let pause = next.map_or(SLEEP_MAX, |next| next.since(clock())).clamp(PAUSE_MIN, SLEEP_MAX);
            let met = tokio::select! {
                () = stop.cancelled() => return,
                met = self.vouched.strangers() => met,
                () = tokio::time::sleep(pause) => Vec::new(),
            };
            let now = clock();
            let mut asked = self.take_in(met, now).into_iter();
            loop {
                let some: Vec<_> = asked.by_ref().take(ASKED_MAX).collect();
                if some.is_empty() {
                    break;
                }
                let some = some.iter().map(|peer| Box::pin(self.ask(peer, clock, now))).collect();
                if stop.run_until_cancelled(all(some)).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Those of these strangers of whom nothing is known that counts still, as far as the rate allows.
    fn take_in(&self, met: Vec<Domain>, now: Moment) -> Vec<Arc<Peer>> {
        let mut peers = self.peers();
        let mut fresh = peers.clone();
        fresh.retain(|_, peer| peer.state().stranger_until.is_none_or(|until| now < until));
        let mut rate = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        for domain in met {
            let known = fresh.get(&domain);
            if known.is_some_and(|known| !known.is_stranger() || now < known.state().next) {
                continue;
            }
            if rate.take(INTRODUCED_PER_SECOND, now).is_err() {
                debug!(%domain, "DNS is not asked about this stranger: there are too many");
                continue;
            }
            let wanted = || Wanted { domain: domain.clone(), names: Vec::new(), endpoints: Vec::new() };
            let peer = known.cloned().unwrap_or_else(|| Peer::new(wanted()));
            peer.state().stranger_until = Some(now.after(STRANGER_STAYS));
            fresh.insert(domain, Arc::clone(&peer));
            taken.push(peer);
        }
        self.replace(&mut peers, fresh);
        drop(peers);
        for peer in self.renewable() {
            let is_due = peer.state().next <= now && !taken.iter().any(|taken| Arc::ptr_eq(taken, &peer));
            if is_due && rate.take(INTRODUCED_PER_SECOND, now).is_ok() {
                taken.push(peer);
            }
        }
        taken
    }

    /// Strangers for whom DNS vouches.
    fn renewable(&self) -> Vec<Arc<Peer>> {
        let strangers = |peer: &&Arc<Peer>| peer.is_stranger() && self.vouched.knows(&peer.wanted.domain);
        self.peers().values().filter(strangers).cloned().collect()
    }

    async fn keep_known(
        &self,
        clock: &(impl Fn() -> Moment + Send + Sync),
        lost: impl Fn() + Send,
        stop: &CancellationToken,
    ) {
        while !stop.is_cancelled() {
            let now = clock();
            if self.vouched.expire(now) {
                lost();
            }
            let mut all_peers: Vec<_> =
                self.peers().values().filter(|peer| !peer.is_stranger()).cloned().collect();
            all_peers.sort_by_key(|peer| peer.state().next);
            let due = all_peers.iter().filter(|peer| peer.state().next <= now).take(ASKED_MAX);
            let asked: Vec<_> = due.map(|peer| Box::pin(self.ask(peer, clock, now))).collect();
            if !asked.is_empty() {
                let Some(outcomes) = stop.run_until_cancelled(all(asked)).await else { return };
                if outcomes.contains(&true) {
                    lost();
                }
                continue;
            }
            let next = all_peers.first().map(|peer| peer.state().next);
            let next = next.into_iter().chain(self.vouched.next_end()).min();
            let pause = next.map_or(SLEEP_MAX, |next| next.since(now)).min(SLEEP_MAX);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Before this peer is called: asks if nothing is known of it that counts, unless that was done just now.
    /// A peer that is not asked about is not waited for.
    pub async fn ready(&self, domain: &Domain, clock: impl Fn() -> Moment + Send + Sync) {
        let Some(peer) = self.peers().get(domain).cloned() else { return };
        let now = clock();
        let known = self.vouched.hosts(domain).iter().any(|host| now < host.until);
        let just_now = peer.state().asked.is_some_and(|asked| now < asked.after(RETRY));
        if !known && !just_now {
            self.ask(&peer, &clock, now).await;
        }
    }

    /// What DNS says of this peer, asked anew unless that was done within the last seconds, in words, one for
    /// each host; and whether there is a record that counts. `None`: it is not asked about.
    pub async fn asked(
        &self,
        domain: &Domain,
        clock: impl Fn() -> Moment + Send + Sync,
    ) -> Option<(Vec<String>, bool)> {
        let peer = self.peers().get(domain).cloned()?;
        self.ask(&peer, &clock, clock()).await;
        self.found(domain, clock())
    }

    /// What DNS has said of this peer, likewise.
    pub fn found(&self, domain: &Domain, now: Moment) -> Option<(Vec<String>, bool)> {
        let peer = self.peers().get(domain).cloned()?;
        let found = peer.state().found.clone();
        Some((found, self.vouched.hosts(domain).iter().any(|host| now < host.until)))
    }

    /// Asks, unless somebody else did since `seen`. `true`: records are there no more.
    async fn ask(&self, peer: &Peer, clock: &(impl Fn() -> Moment + Send + Sync), seen: Moment) -> bool {
        let _turn = peer.asking.lock().await;
        if peer.state().asked.is_some_and(|asked| seen < asked) {
            return false;
        }
        let domain = &peer.wanted.domain;
        let said = self.discover.associations(domain, &peer.wanted.endpoints).await;
        // The answer was no younger when it was asked for.
        let now = clock();
        let found: Vec<String> = match &said {
            Associations::Hosts(hosts) => hosts.iter().map(ToString::to_string).collect(),
            Associations::Nothing { why, .. } | Associations::Unknown { why } => vec![why.clone()],
        };
        let before = self.vouched.hosts(domain);
        let kept = || before.iter().filter(|host| now < host.until).cloned();
        let mut unsaid = false;
        let (hosts, ttl) = match said {
            Associations::Unknown { .. } => {
                unsaid = true;
                (kept().collect(), NONE_MAX)
            }
            Associations::Nothing { ttl, .. } => (Vec::new(), ttl.clamp(TTL_MIN, NONE_MAX)),
            Associations::Hosts(all) => {
                let (mut hosts, mut ttl) = (Vec::new(), TTL_MAX);
                for HostAssociations { place, said } in all {
                    match said {
                        Said::Secure { records, ttl: its } => {
                            let its = its.clamp(TTL_MIN, TTL_MAX);
                            // Asked for again while they count.
                            ttl = ttl.min(its * 2 / 3);
                            hosts.push(Host { place, records, until: seen.after(its) });
                        }
                        Said::Nothing { ttl: its, .. } => ttl = ttl.min(its.clamp(TTL_MIN, NONE_MAX)),
                        // What it said before counts until its time is over.
                        Said::Unknown { .. } => {
                            unsaid = true;
                            hosts.extend(kept().filter(|host| host.place == place));
                        }
                    }
                }
                (hosts, ttl)
            }
        };
        let outcome = match (unsaid, hosts.is_empty()) {
            (true, _) => Outcome::Unsaid,
            (false, true) => Outcome::Nothing,
            (false, false) => Outcome::Secure,
        };
        self.events.dane(domain, outcome);
        let mut state = peer.state();
        let news = state.found != found;
        if news && outcome == Outcome::Unsaid {
            warn!(peer = %domain, "DANE: {}", found.join("; "));
        } else if news {
            info!(peer = %domain, "DANE: {}", found.join("; "));
        }
        state.failures = if unsaid { state.failures.saturating_add(1) } else { 0 };
        let retry = RETRY * 2_u32.pow(state.failures.saturating_sub(1).min(RETRY_DOUBLED_MAX));
        state.next = now.after(if unsaid { ttl.min(retry) } else { ttl });
        state.asked = Some(now);
        let words = found.join("; ");
        state.found = found;
        drop(state);
        // Whoever is not asked about any more is not put back.
        let wanted = self.peers().get(domain).is_some_and(|known| std::ptr::eq(&raw const **known, peer));
        self.changed.notify_one();
        wanted && self.vouched.put(domain, hosts, words)
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    fn new(wanted: Wanted) -> Arc<Self> {
        Arc::new(Self { wanted, asking: tokio::sync::Mutex::default(), state: Mutex::default() })
    }

    fn is_stranger(&self) -> bool {
        self.state().stranger_until.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
