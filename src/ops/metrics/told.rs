//! What happens, as numbers.

use std::time::Duration;

use super::{Metrics, OTHER, lock};
use crate::imps::primitive::CirMethod;
use crate::imps::status::Code;
use crate::imps::{Domain, Moment, Version};
use crate::ops::alarm::breaks_identity;
use crate::relay::events::{
    CutThrough, Dane, Direction, Door, Events, Listener, Passing, Refused, Reloaded, Undelivered,
};
use crate::wire::{Encoding, ssp};

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

pub(super) const fn sent_word(sent: bool) -> &'static str {
    if sent { "sent" } else { "failed" }
}

pub(super) const fn outcome_word(good: bool) -> &'static str {
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
