//! Numbers for `/metrics`: what [`Events`] tells, in the text format of Prometheus.
//!
//! Names and labels are the contract of architecture §4 and are listed in `docs/reference/metrics.md`. Labels
//! are closed sets: a domain that is not configured is `other`, and so is a code that no standard knows. Series
//! that alerts look at exist from the start, with zero, so that their first increase is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use tracing::warn;

use super::alarm::{Alarms, Violations, breaks_identity};
use super::others::Others;
use crate::imps::primitive::CirMethod;
use crate::imps::status::Code;
use crate::imps::{Domain, Moment, Version};
use crate::relay::events::{
    CutThrough, Dane, Direction, Door, Events, Listener, Passing, Refused, Reloaded, Undelivered,
};
use crate::sap::{Clock as _, SystemClock};
use crate::wire::{Encoding, ssp};

/// The label of every domain that is not configured.
const OTHER: &str = "other";
/// Answers of peers: from a neighbour on the same network to a link's time-out (decisions.md 3).
const TRANSACTION_SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Group commits: from a fast disk to one that is in trouble.
const COMMIT_SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];
/// Why a document is refused: [`crate::wire::Refusal::reason`], and what comes before a document.
const REJECTIONS: [&str; 12] = [
    "limit",
    "malformed",
    "doctype",
    "charset",
    "envelope",
    "version",
    "method",
    "media-type",
    "timeout",
    "rate",
    "source",
    "encoding",
];

/// The metrics of one node. Two nodes in one process have one each, with a registry of their own.
pub struct Metrics {
    registry: Registry,
    peers: ArcSwap<BTreeSet<Domain>>,
    others: Others,
    ssp_posts: IntCounterVec,
    ssp_transactions: IntCounterVec,
    ssp_transaction_seconds: HistogramVec,
    ssp_link_up: IntGaugeVec,
    ssp_refused: IntCounterVec,
    violations: IntCounterVec,
    alarms: Alarms,
    clock: SystemClock,
    ssp_unconfirmed: IntCounterVec,
    ssp_transit: IntCounterVec,
    cut_through: IntCounterVec,
    csp_requests: IntCounterVec,
    content_requests: IntCounterVec,
    csp_sessions: IntGauge,
    cir_calls: IntCounterVec,
    cir_given_up: IntCounter,
    cir_connections: IntGauge,
    messages_accepted: IntCounterVec,
    messages_delivered: IntCounterVec,
    messages_failed: IntCounterVec,
    outbox_messages: IntGaugeVec,
    outbox_oldest_seconds: GaugeVec,
    store_commit_seconds: Histogram,
    store_commits_failed: IntCounter,
    wire_rejected: IntCounterVec,
    certificate_expiry_seconds: GaugeVec,
    dane_lookups: IntCounterVec,
    reloads: IntCounterVec,
    /// Since when the oldest message waits, by peer: its age is computed when it is asked for.
    oldest: Mutex<BTreeMap<Domain, Moment>>,
    /// When each certificate ends, by name.
    ends: Mutex<BTreeMap<String, Moment>>,
}

impl Metrics {
    /// Registers every metric. It fails only if the registry holds one of the names already.
    pub fn new(registry: Registry) -> Result<Self, prometheus::Error> {
        // Another one in the same registry, or a system without /proc: the node's own metrics do without.
        #[cfg(target_os = "linux")]
        let _ = registry.register(Box::new(ProcessCollector::for_self()));
        let make = Maker(&registry);
        let metrics = Self {
            ssp_posts: make.counters(
                "causeway_ssp_posts_total",
                "SSP POSTs by HTTP status; none: no answer came",
                &["peer", "direction", "status"],
            )?,
            ssp_transactions: make.counters(
                "causeway_ssp_transactions_total",
                "SSP requests by the code of their answer; direction is that of the request",
                &["peer", "direction", "primitive", "code"],
            )?,
            ssp_transaction_seconds: make.histograms(
                "causeway_ssp_transaction_duration_seconds",
                "Time from a request of ours to the peer's answer",
                &["peer"],
                &TRANSACTION_SECONDS,
            )?,
            ssp_link_up: make.gauges(
                "causeway_ssp_link_up",
                "1 while a session with the peer is open",
                &["peer"],
            )?,
            ssp_refused: make.counters(
                "causeway_ssp_refused_total",
                "What peers sent and this node refused, by the check that failed",
                &["peer", "reason"],
            )?,
            violations: make.counters(
                "causeway_identity_violations_total",
                "What peers sent in the name of somebody who is not theirs",
                &["peer"],
            )?,
            alarms: Alarms::default(),
            clock: SystemClock::default(),
            ssp_unconfirmed: make.counters(
                "causeway_ssp_unconfirmed_total",
                "Messages settled as delivered although the peer never answered",
                &["peer"],
            )?,
            ssp_transit: make.counters(
                "causeway_ssp_transit_total",
                "Requests of others that were to pass through, by what became of them",
                &["from", "to", "outcome"],
            )?,
            cut_through: make.counters(
                "causeway_cut_through_total",
                "Messages that left for their peer before they were written, by what became of them",
                &["peer", "outcome"],
            )?,
            csp_requests: make.counters(
                "causeway_csp_requests_total",
                "CSP requests by the code of their answer",
                &["version", "encoding", "primitive", "code"],
            )?,
            content_requests: make.counters(
                "causeway_content_requests_total",
                "HTTP requests about shared content by the status of their answer",
                &["method", "status"],
            )?,
            csp_sessions: make.gauge("causeway_csp_sessions", "Open CSP sessions")?,
            cir_calls: make.counters(
                "causeway_cir_calls_total",
                "Clients told that something waits; failed: the call could not leave this node",
                &["method", "outcome"],
            )?,
            cir_given_up: make.counter(
                "causeway_cir_given_up_total",
                "Clients that were called several times and did not come",
            )?,
            cir_connections: make.gauge("causeway_cir_connections", "Connections of clients for calls")?,
            messages_accepted: make.counters(
                "causeway_messages_accepted_total",
                "Messages accepted and kept, by where they came from",
                &["origin"],
            )?,
            messages_delivered: make.counters(
                "causeway_messages_delivered_total",
                "Messages handed over, one for each recipient, by where they went",
                &["to"],
            )?,
            messages_failed: make.counters(
                "causeway_messages_failed_total",
                "Messages given up, one for each recipient",
                &["reason"],
            )?,
            outbox_messages: make.gauges(
                "causeway_outbox_messages",
                "Messages that wait for the peer",
                &["peer"],
            )?,
            outbox_oldest_seconds: make.seconds(
                "causeway_outbox_oldest_seconds",
                "Age of the oldest message that waits for the peer",
                &["peer"],
            )?,
            store_commit_seconds: make.histogram(
                "causeway_store_commit_duration_seconds",
                "Time of one group commit",
                &COMMIT_SECONDS,
            )?,
            store_commits_failed: make.counter(
                "causeway_store_commits_failed_total",
                "Group commits that failed: nothing of them was kept",
            )?,
            wire_rejected: make.counters(
                "causeway_wire_rejected_total",
                "Documents refused before any primitive was looked at",
                &["listener", "reason"],
            )?,
            certificate_expiry_seconds: make.seconds(
                "causeway_certificate_expiry_seconds",
                "Seconds until the certificate ends; negative once it has",
                &["name"],
            )?,
            dane_lookups: make.counters(
                "causeway_dane_lookups_total",
                "Questions to secure DNS about who vouches for a peer",
                &["peer", "outcome"],
            )?,
            reloads: make.counters(
                "causeway_reload_total",
                "Reloads; outcome bad: the old was kept",
                &["what", "outcome"],
            )?,
            registry,
            peers: ArcSwap::default(),
            others: Others::default(),
            oldest: Mutex::default(),
            ends: Mutex::default(),
        };
        metrics.begin_with_zero();
        Ok(metrics)
    }

    /// These domains are configured now: they have their own labels, which begin with zero. What was
    /// counted for others stays.
    pub fn set_peers(&self, peers: impl IntoIterator<Item = Domain>) {
        let peers: BTreeSet<Domain> = peers.into_iter().collect();
        for peer in &peers {
            self.begin_peer_with_zero(peer.as_str());
        }
        let before = self.peers.swap(std::sync::Arc::new(peers));
        for gone in before.iter().filter(|peer| !self.peers.load().contains(*peer)) {
            // A gauge of a peer that is gone would stay for ever; it fails only if there is none.
            let _ = self.ssp_link_up.remove_label_values(&[gone.as_str()]);
            let _ = self.outbox_messages.remove_label_values(&[gone.as_str()]);
            let _ = self.outbox_oldest_seconds.remove_label_values(&[gone.as_str()]);
        }
    }

    /// These domains are guests now: they are `other` all together.
    pub fn set_guests(&self, guests: impl IntoIterator<Item = Domain>) {
        let guests: BTreeSet<Domain> = guests.into_iter().collect();
        lock(&self.oldest).retain(|peer, _| guests.contains(peer) || self.is_configured(peer));
        self.alarms.keep(|peer| guests.contains(peer) || self.is_configured(peer));
        if let Some(messages) = self.others.set(guests) {
            self.outbox_messages.with_label_values(&[OTHER]).set(messages);
        }
    }

    /// Everything in the text format 0.0.4, at this moment.
    pub fn render(&self, now: Moment) -> Result<String, prometheus::Error> {
        let mut oldest_of_others = None;
        for (peer, since) in lock(&self.oldest).iter() {
            let age = now.since(*since).as_secs_f64();
            if self.is_configured(peer) {
                self.outbox_oldest_seconds.with_label_values(&[peer.as_str()]).set(age);
            } else {
                oldest_of_others = Some(age.max(oldest_of_others.unwrap_or_default()));
            }
        }
        if let Some(age) = oldest_of_others {
            self.outbox_oldest_seconds.with_label_values(&[OTHER]).set(age);
        }
        for (name, ends) in lock(&self.ends).iter() {
            let left = ends.since(now).as_secs_f64() - now.since(*ends).as_secs_f64();
            self.certificate_expiry_seconds.with_label_values(&[name]).set(left);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// How the peer broke the rules of identity; `None`: it did not.
    pub fn violations(&self, peer: &Domain) -> Option<Violations> {
        self.alarms.of(peer)
    }

    fn violated(&self, peer: Option<&Domain>, reason: Refused) {
        let known = peer.filter(|peer| self.is_configured(peer) || self.others.has(peer));
        match known {
            Some(peer) => self.with_peer(peer, |peer| self.violations.with_label_values(&[peer]).inc()),
            None => self.violations.with_label_values(&[OTHER]).inc(),
        }
        let Some(peer) = known else { return };
        if let Some(times) = self.alarms.violated(peer, reason, self.clock.now()) {
            let reason = reason.as_str();
            warn!(%peer, reason, times, "alarm: the peer speaks in the name of somebody who is not its own");
        }
    }

    /// The configured domain's own label, or `other`.
    fn with_peer<T>(&self, peer: &Domain, act: impl FnOnce(&str) -> T) -> T {
        act(if self.is_configured(peer) { peer.as_str() } else { OTHER })
    }

    fn is_configured(&self, peer: &Domain) -> bool {
        self.peers.load().contains(peer)
    }

    fn begin_peer_with_zero(&self, peer: &str) {
        for direction in Direction::ALL {
            let direction = direction.as_str();
            self.ssp_posts.with_label_values(&[peer, direction, "200"]);
            self.ssp_transactions.with_label_values(&[peer, direction, "SendMessageRequest", "200"]);
        }
        for reason in Refused::ALL {
            self.ssp_refused.with_label_values(&[peer, reason.as_str()]);
        }
        self.ssp_transaction_seconds.with_label_values(&[peer]);
        self.violations.with_label_values(&[peer]);
        self.ssp_unconfirmed.with_label_values(&[peer]);
        for outcome in CutThrough::ALL {
            self.cut_through.with_label_values(&[peer, outcome.as_str()]);
        }
        for outcome in Dane::ALL {
            self.dane_lookups.with_label_values(&[peer, outcome.as_str()]);
        }
        self.ssp_link_up.with_label_values(&[peer]);
        self.outbox_messages.with_label_values(&[peer]);
        self.outbox_oldest_seconds.with_label_values(&[peer]);
    }

    fn begin_with_zero(&self) {
        self.begin_peer_with_zero(OTHER);
        for outcome in Passing::ALL {
            self.ssp_transit.with_label_values(&[OTHER, OTHER, outcome.as_str()]);
        }
        for version in Version::ALL {
            for encoding in [Encoding::Xml, Encoding::Wbxml] {
                self.csp_requests.with_label_values(&[
                    version.as_str(),
                    encoding.as_str(),
                    "LoginRequest",
                    "200",
                ]);
            }
        }
        self.content_requests.with_label_values(&["GET", "200"]);
        for method in CirMethod::ALL {
            for sent in [true, false] {
                self.cir_calls.with_label_values(&[method.as_str(), sent_word(sent)]);
            }
        }
        for door in Door::ALL {
            self.messages_accepted.with_label_values(&[door.as_str()]);
            self.messages_delivered.with_label_values(&[door.as_str()]);
        }
        for reason in Undelivered::ALL {
            self.messages_failed.with_label_values(&[reason.as_str()]);
        }
        for listener in Listener::ALL {
            for reason in REJECTIONS {
                self.wire_rejected.with_label_values(&[listener.as_str(), reason]);
            }
        }
        for what in Reloaded::ALL {
            for outcome in [true, false] {
                self.reloads.with_label_values(&[what.as_str(), outcome_word(outcome)]);
            }
        }
    }
}

impl Events for Metrics {
    fn ssp_post(&self, peer: &Domain, direction: Direction, status: Option<u16>) {
        let mut buffer = [0; 3];
        let status = match status {
            None => "none",
            Some(status) if (100..600).contains(&status) => digits(status, &mut buffer),
            Some(_) => OTHER,
        };
        self.with_peer(peer, |peer| {
            self.ssp_posts.with_label_values(&[peer, direction.as_str(), status]).inc();
        });
    }

    fn ssp_transaction(&self, peer: &Domain, direction: Direction, primitive: &'static str, code: Code) {
        let mut buffer = [0; 3];
        let code = code_label(code, &mut buffer);
        let primitive = ssp::element_of(primitive);
        self.with_peer(peer, |peer| {
            self.ssp_transactions.with_label_values(&[peer, direction.as_str(), primitive, code]).inc();
        });
    }

    fn ssp_transaction_took(&self, peer: &Domain, took: Duration) {
        self.with_peer(peer, |peer| {
            self.ssp_transaction_seconds.with_label_values(&[peer]).observe(took.as_secs_f64());
        });
    }

    fn ssp_link(&self, peer: &Domain, up: bool) {
        let links = if self.is_configured(peer) { i64::from(up) } else { self.others.link(peer, up) };
        self.with_peer(peer, |peer| self.ssp_link_up.with_label_values(&[peer]).set(links));
    }

    fn ssp_refused(&self, peer: Option<&Domain>, reason: Refused) {
        let count = |peer: &str| self.ssp_refused.with_label_values(&[peer, reason.as_str()]).inc();
        match peer {
            Some(peer) => self.with_peer(peer, count),
            None => count(OTHER),
        }
        if breaks_identity(reason) {
            self.violated(peer, reason);
        }
    }

    fn ssp_unconfirmed(&self, peer: &Domain) {
        self.with_peer(peer, |peer| self.ssp_unconfirmed.with_label_values(&[peer]).inc());
    }

    fn cut_through(&self, peer: &Domain, what: CutThrough) {
        self.with_peer(peer, |peer| self.cut_through.with_label_values(&[peer, what.as_str()]).inc());
    }

    fn ssp_transit(&self, from: &Domain, to: &Domain, what: Passing) {
        self.with_peer(from, |from| {
            self.with_peer(to, |to| self.ssp_transit.with_label_values(&[from, to, what.as_str()]).inc());
        });
    }

    fn csp_request(&self, version: Version, encoding: Encoding, primitive: &'static str, code: Code) {
        let mut buffer = [0; 3];
        let code = code_label(code, &mut buffer);
        self.csp_requests.with_label_values(&[version.as_str(), encoding.as_str(), primitive, code]).inc();
    }

    fn content_request(&self, method: &'static str, status: u16) {
        self.content_requests.with_label_values(&[method, &status.to_string()]).inc();
    }

    fn csp_sessions(&self, open: usize) {
        self.csp_sessions.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    fn cir_call(&self, method: CirMethod, sent: bool) {
        self.cir_calls.with_label_values(&[method.as_str(), sent_word(sent)]).inc();
    }

    fn cir_given_up(&self) {
        self.cir_given_up.inc();
    }

    fn cir_connections(&self, open: usize) {
        self.cir_connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    fn message_accepted(&self, origin: Door) {
        self.messages_accepted.with_label_values(&[origin.as_str()]).inc();
    }

    fn message_delivered(&self, to: Door) {
        self.messages_delivered.with_label_values(&[to.as_str()]).inc();
    }

    fn message_failed(&self, reason: Undelivered) {
        self.messages_failed.with_label_values(&[reason.as_str()]).inc();
    }

    fn outbox(&self, peer: &Domain, messages: usize, oldest: Option<Moment>) {
        let mut messages = i64::try_from(messages).unwrap_or(i64::MAX);
        if !self.is_configured(peer) {
            messages = self.others.waiting(peer, messages);
        }
        self.with_peer(peer, |peer| self.outbox_messages.with_label_values(&[peer]).set(messages));
        let mut waiting = lock(&self.oldest);
        match oldest {
            Some(since) => drop(waiting.insert(peer.clone(), since)),
            None => {
                waiting.remove(peer);
                self.with_peer(peer, |peer| self.outbox_oldest_seconds.with_label_values(&[peer]).set(0.0));
            }
        }
    }

    fn store_commit(&self, took: Duration) {
        self.store_commit_seconds.observe(took.as_secs_f64());
    }

    fn store_commit_failed(&self) {
        self.store_commits_failed.inc();
    }

    fn wire_rejected(&self, listener: Listener, reason: &'static str) {
        self.wire_rejected.with_label_values(&[listener.as_str(), reason]).inc();
    }

    fn certificate(&self, name: &str, ends: Moment) {
        lock(&self.ends).insert(name.to_owned(), ends);
    }

    fn dane(&self, peer: &Domain, outcome: Dane) {
        self.with_peer(peer, |peer| self.dane_lookups.with_label_values(&[peer, outcome.as_str()]).inc());
    }

    fn reloaded(&self, what: Reloaded, good: bool) {
        self.reloads.with_label_values(&[what.as_str(), outcome_word(good)]).inc();
    }
}

const fn sent_word(sent: bool) -> &'static str {
    if sent { "sent" } else { "failed" }
}

const fn outcome_word(good: bool) -> &'static str {
    if good { "good" } else { "bad" }
}

/// Peers may invent codes; labels may not.
fn code_label(code: Code, buffer: &mut [u8; 3]) -> &str {
    if code.row().is_some() { digits(code.get(), buffer) } else { OTHER }
}

/// A number of three digits without an allocation.
fn digits(number: u16, buffer: &mut [u8; 3]) -> &str {
    let mut rest = number;
    for place in buffer.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    std::str::from_utf8(buffer).unwrap_or(OTHER)
}

/// A panic elsewhere does not make a map of numbers wrong.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes metrics and registers them.
struct Maker<'r>(&'r Registry);

impl Maker<'_> {
    fn keep<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        made: C,
    ) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.keep(IntCounter::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.keep(IntGauge::new(name, help)?)
    }

    fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.keep(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
        self.keep(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of architecture §4.
    const CONTRACT: [&str; 18] = [
        "causeway_ssp_posts_total{direction=\"in\",peer=\"south.example\",status=\"200\"} 0",
        "causeway_ssp_transactions_total{code=\"200\",direction=\"out\",peer=\"south.example\",primitive=\"SendMessageRequest\"} 0",
        "causeway_ssp_transaction_duration_seconds_count{peer=\"south.example\"} 0",
        "causeway_ssp_link_up{peer=\"south.example\"} 0",
        "causeway_ssp_refused_total{peer=\"south.example\",reason=\"identity\"} 0",
        "causeway_csp_requests_total{code=\"200\",encoding=\"wbxml\",primitive=\"LoginRequest\",version=\"1.2\"} 0",
        "causeway_csp_sessions 0",
        "causeway_messages_accepted_total{origin=\"csp\"} 0",
        "causeway_messages_delivered_total{to=\"ssp\"} 0",
        "causeway_messages_failed_total{reason=\"expired\"} 0",
        "causeway_outbox_messages{peer=\"south.example\"} 0",
        "causeway_outbox_oldest_seconds{peer=\"south.example\"} 0",
        "causeway_store_commit_duration_seconds_count 0",
        "causeway_store_commits_failed_total 0",
        "causeway_wire_rejected_total{listener=\"csp\",reason=\"malformed\"} 0",
        "causeway_certificate_expiry_seconds{name=\"north.example\"} 60",
        "causeway_reload_total{outcome=\"good\",what=\"peers\"} 0",
        "process_resident_memory_bytes ",
    ];

    fn south() -> Domain {
        "south.example".parse().unwrap()
    }

    fn metrics() -> Metrics {
        let metrics = Metrics::new(Registry::new()).unwrap();
        metrics.set_peers([south()]);
        metrics
    }

    fn at(metrics: &Metrics, seconds: u64) -> String {
        metrics.render(Moment::from_millis(seconds * 1000)).unwrap()
    }

    #[test]
    fn every_name_of_the_contract_is_there_from_the_start() {
        let metrics = metrics();
        metrics.certificate("north.example", Moment::from_millis(160_000));
        let text = at(&metrics, 100);
        for line in CONTRACT {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn the_reference_page_lists_every_metric() {
        let page = include_str!("../../docs/reference/metrics.md");
        let metrics = metrics();
        metrics.certificate("north.example", Moment::from_millis(1));
        for family in metrics.registry.gather() {
            let name = family.name();
            assert!(
                name.starts_with("process_") || page.contains(&format!("`{name}")),
                "{name} is not described"
            );
        }
        for reason in Refused::ALL.iter().map(|reason| reason.as_str()) {
            assert!(page.contains(&format!("`{reason}`")), "the reason {reason} is not described");
        }
        for reason in Undelivered::ALL.iter().map(|reason| reason.as_str()) {
            assert!(page.contains(&format!("`{reason}`")), "the reason {reason} is not described");
        }
        for word in page.split('`').filter(|word| word.starts_with("causeway_")) {
            let name = word.split('{').next().unwrap();
            assert!(at(&metrics, 1).contains(&format!("# TYPE {name} ")), "{name} does not exist");
        }
    }

    #[test]
    fn strangers_share_one_label() {
        let metrics = metrics();
        for number in 0..50 {
            let stranger: Domain = format!("s{number}.example").parse().unwrap();
            metrics.ssp_post(&stranger, Direction::In, Some(403));
            metrics.ssp_refused(Some(&stranger), Refused::UnknownPeer);
        }
        metrics.ssp_refused(None, Refused::Handshake);
        metrics.ssp_post(&south(), Direction::Out, None);
        metrics.ssp_post(&south(), Direction::Out, Some(9999));
        metrics.ssp_transaction(&south(), Direction::In, "SendMessageRequest", Code::new(777).unwrap());
        for name_here_or_there in ["DeliveryReport", "DeliveryStatusReport"] {
            metrics.ssp_transaction(&south(), Direction::In, name_here_or_there, Code::SUCCESSFUL);
        }
        let text = at(&metrics, 1);
        assert!(!text.contains("s1.example"));
        for line in [
            "causeway_ssp_posts_total{direction=\"in\",peer=\"other\",status=\"403\"} 50",
            "causeway_ssp_refused_total{peer=\"other\",reason=\"unknown-peer\"} 50",
            "causeway_ssp_refused_total{peer=\"other\",reason=\"handshake\"} 1",
            "causeway_ssp_posts_total{direction=\"out\",peer=\"south.example\",status=\"none\"} 1",
            "causeway_ssp_posts_total{direction=\"out\",peer=\"south.example\",status=\"other\"} 1",
            "causeway_ssp_transactions_total{code=\"other\",direction=\"in\",peer=\"south.example\",primitive=\"SendMessageRequest\"} 1",
            "causeway_ssp_transactions_total{code=\"200\",direction=\"in\",peer=\"south.example\",primitive=\"DeliveryStatusReport\"} 2",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn ages_are_those_of_the_moment_of_asking() {
        let metrics = metrics();
        metrics.outbox(&south(), 3, Some(Moment::from_millis(10_000)));
        metrics.certificate("north.example", Moment::from_millis(100_000));
        let text = at(&metrics, 40);
        assert!(text.contains("causeway_outbox_messages{peer=\"south.example\"} 3"), "{text}");
        assert!(text.contains("causeway_outbox_oldest_seconds{peer=\"south.example\"} 30"), "{text}");
        assert!(text.contains("causeway_certificate_expiry_seconds{name=\"north.example\"} 60"), "{text}");
        metrics.outbox(&south(), 0, None);
        let text = at(&metrics, 160);
        assert!(text.contains("causeway_outbox_oldest_seconds{peer=\"south.example\"} 0"), "{text}");
        assert!(text.contains("causeway_certificate_expiry_seconds{name=\"north.example\"} -60"), "{text}");
    }

    #[test]
    fn a_peer_that_is_gone_leaves_no_gauge_behind() {
        let metrics = metrics();
        metrics.ssp_link(&south(), true);
        assert!(at(&metrics, 1).contains("causeway_ssp_link_up{peer=\"south.example\"} 1"));
        metrics.set_peers([]);
        let text = at(&metrics, 1);
        assert!(!text.contains("causeway_ssp_link_up{peer=\"south.example\"}"));
        assert!(text.contains("causeway_ssp_posts_total{direction=\"in\",peer=\"south.example\""));
    }
}
