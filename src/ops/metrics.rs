//! Numbers for `/metrics`: what [`crate::relay::events::Events`] tells, in the text format of Prometheus.
//!
//! Names and labels are the contract of architecture §4 and are listed in `docs/reference/metrics.md`. Labels
//! are closed sets: a domain that is not configured is `other`, and so is a code that no standard knows. Series
//! that alerts look at exist from the start, with zero, so that their first increase is seen.

mod maker;
mod others;
#[cfg(test)]
mod tests;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    TextEncoder,
};
use tracing::warn;

use self::maker::Maker;
use self::others::Others;
use self::told::{outcome_word, sent_word};
use super::alarm::{Alarms, Violations};
use crate::imps::primitive::CirMethod;
use crate::imps::{Domain, Moment, Version};
use crate::relay::events::{
    CutThrough, Dane, Direction, Door, Listener, Passing, Refused, Reloaded, Undelivered,
};
use crate::sap::{Clock as _, SystemClock};
use crate::wire::Encoding;

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

/// A panic elsewhere does not make a map of numbers wrong.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
