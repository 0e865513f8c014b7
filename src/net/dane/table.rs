//! What secure DNS has said of peers, for those who cannot wait for it: handshakes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use rustls_pki_types::CertificateDer;
use tokio::sync::Notify;

use super::keeper::Wanted;
use super::record::{Association, Usage};
use crate::imps::agreement::{Endpoint, Voucher};
use crate::imps::{Domain, Moment};

/// Words of one peer that a log line holds.
const WORDS_OCTETS_MAX: usize = 1024;
/// Names of one stranger's certificate that are noted: one of them is its domain.
const NAMES_MAX: usize = 4;
/// Names that are noted until somebody looks.
const MET_MAX: usize = 64;

/// The records of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) place: Endpoint,
    pub(super) records: Vec<Association>,
    /// The moment from which they count no more.
    pub(super) until: Moment,
}

/// What is known of one peer.
#[derive(Clone, Debug, Default)]
struct Known {
    hosts: Vec<Host>,
    words: String,
}

impl Known {
    fn records(&self, now: Moment) -> impl Iterator<Item = &Association> {
        self.hosts.iter().filter(move |host| now < host.until).flat_map(|host| &host.records)
    }
}

/// The table: as many peers as agreements take such records from, and strangers for a minute.
#[derive(Debug, Default)]
pub struct Vouched {
    records: RwLock<Records>,
    /// Names of strangers who came and for whom nobody vouched; `None`: nobody wants to know.
    met: Mutex<Option<Vec<Domain>>>,
    /// Somebody was met.
    came: Notify,
}

#[derive(Debug, Default)]
struct Records {
    /// The peers for which each name of a certificate may stand.
    by_name: HashMap<Domain, Vec<Domain>>,
    known: BTreeMap<Domain, Known>,
}

impl Vouched {
    /// The peers for which DNS vouches for this chain, leaf first, which carries these names. `leads_to` says
    /// whether the chain verifies in a CA.
    pub fn vouchers(
        &self,
        names: &[Domain],
        chain: &[CertificateDer<'_>],
        now: Moment,
        mut leads_to: impl FnMut(&CertificateDer<'_>) -> bool,
    ) -> Vec<Voucher> {
        let records = self.read();
        let Some((leaf, rest)) = chain.split_first() else { return Vec::new() };
        let mut vouchers: Vec<Voucher> = Vec::new();
        for domain in names.iter().filter_map(|name| records.by_name.get(name)).flatten() {
            if vouchers.iter().any(|known| known.domain == *domain) {
                continue;
            }
            let mut good = |record: &&Association| match record.usage() {
                Usage::EndEntity => record.matches(leaf),
                Usage::TrustAnchor => {
                    rest.iter().any(|authority| record.matches(authority) && leads_to(authority))
                }
            };
            let found = records.known.get(domain).and_then(|known| known.records(now).find(|it| good(it)));
            if let Some(record) = found {
                vouchers.push(Voucher { domain: domain.clone(), record: record.digest() });
            }
        }
        vouchers
    }

    /// Whether the records that have vouched do so still.
    pub fn hold(&self, vouchers: &[Voucher], now: Moment) -> bool {
        let records = self.read();
        vouchers.iter().all(|voucher| {
            let known = records.known.get(&voucher.domain);
            known.is_some_and(|known| known.records(now).any(|record| record.digest() == voucher.record))
        })
    }

    /// What is known of the peers for which these names may stand, for the log.
    pub fn words(&self, names: &[Domain]) -> Option<String> {
        let records = self.read();
        let mut words = String::new();
        for domain in names.iter().filter_map(|name| records.by_name.get(name)).flatten() {
            let known = records.known.get(domain).map(|known| known.words.as_str());
            let known = known.filter(|words| !words.is_empty()).unwrap_or("DNS has not answered yet");
            if !words.contains(known) && words.len() < WORDS_OCTETS_MAX {
                words.push_str(if words.is_empty() { "" } else { "; " });
                words.push_str(known);
            }
        }
        (!words.is_empty()).then_some(words)
    }

    /// Somebody who carries these names was turned away, because nobody vouches for it. If strangers are wanted, the
    /// first of the names are noted, for DNS to be asked.
    pub fn met(&self, names: &[Domain]) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(met) = &mut *met else { return };
        for name in names.iter().take(NAMES_MAX) {
            if met.len() < MET_MAX && !met.contains(name) {
                met.push(name.clone());
                self.came.notify_one();
            }
        }
    }

    /// Strangers who were met since this was asked before; waits until there is one. Cancel-safe.
    pub(super) async fn strangers(&self) -> Vec<Domain> {
        loop {
            let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(std::mem::take);
            match met {
                Some(met) if !met.is_empty() => return met,
                _ => self.came.notified().await,
            }
        }
    }

    /// Whether to note who else comes.
    pub(super) fn want_strangers(&self, wanted: bool) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        *met = wanted.then(|| met.take().unwrap_or_default());
    }

    /// Only these are asked for from now on. `true`: records of others were there.
    pub(super) fn follow<'w>(&self, wanted: impl Iterator<Item = &'w Wanted> + Clone) -> bool {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        let mut by_name: HashMap<Domain, Vec<Domain>> = HashMap::new();
        for peer in wanted.clone() {
            for name in std::iter::once(&peer.domain).chain(&peer.names) {
                by_name.entry(name.clone()).or_default().push(peer.domain.clone());
            }
        }
        let before = records.known.len();
        let wanted: HashSet<&Domain> = wanted.map(|peer| &peer.domain).collect();
        records.known.retain(|domain, _| wanted.contains(domain));
        records.by_name = by_name;
        records.known.len() < before
    }

    /// Whether there are records of this peer.
    pub(super) fn knows(&self, domain: &Domain) -> bool {
        self.read().known.get(domain).is_some_and(|known| !known.hosts.is_empty())
    }

    /// The hosts of this peer that are known.
    pub(super) fn hosts(&self, domain: &Domain) -> Vec<Host> {
        self.read().known.get(domain).map(|known| known.hosts.clone()).unwrap_or_default()
    }

    /// Puts in what is known now. `true`: a record is not there any more.
    pub(super) fn put(&self, domain: &Domain, hosts: Vec<Host>, words: String) -> bool {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = Known { hosts, words };
        let before = records.known.remove(domain).unwrap_or_default();
        let has = |record| fresh.hosts.iter().any(|host| host.records.contains(record));
        let lost = before.hosts.iter().flat_map(|host| &host.records).any(|record| !has(record));
        records.known.insert(domain.clone(), fresh);
        lost
    }

    /// Takes out what is over. `true`: there was something.
    pub(super) fn expire(&self, now: Moment) -> bool {
        let over = |host: &Host| host.until <= now;
        if !self.read().known.values().any(|known| known.hosts.iter().any(over)) {
            return false;
        }
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        for known in records.known.values_mut() {
            known.hosts.retain(|host| !over(host));
        }
        true
    }

    /// The moment at which the first of the records is over.
    pub(super) fn next_end(&self) -> Option<Moment> {
        self.read().known.values().flat_map(|known| &known.hosts).map(|host| host.until).min()
    }

    fn read(&self) -> RwLockReadGuard<'_, Records> {
        self.records.read().unwrap_or_else(PoisonError::into_inner)
    }
}
