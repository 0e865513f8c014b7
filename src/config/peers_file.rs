//! `peers.toml`: one entry a federation agreement, and what may pass through (architecture §4).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use super::node_file::{DOCUMENT_BYTES, size};
use super::section::Section;
use super::source::{Place, Placed, Source};
use crate::imps::agreement::{Agreement, Endpoint, PeerState, Profile, Service, Transit};
use crate::imps::{DateTime, Domain};
use crate::net::certificate::parse_pin;

/// An entry, before the files that it names are looked at.
pub(super) struct PeerEntry {
    /// Where it stands.
    pub(super) place: Place,
    /// Where its domain stands.
    pub(super) domain: Place,
    /// The agreement, whose trust is still empty.
    pub(super) agreement: Agreement,
    /// Services whose element the peer runs, where they are written.
    delegates: Vec<Placed<Service>>,
    /// Files of CAs.
    pub(super) trust: Vec<Placed<PathBuf>>,
}

const DOMAIN: &str = "a domain, such as \"south.example\"";
const ENDPOINT: &str = "https://HOST:PORT/";
const PIN: &str =
    "sha256/ and the BASE64 of the SHA-256 of the SubjectPublicKeyInfo (`causeway cert show` prints it)";
const TRANSACTIONS_PER_POST: std::ops::RangeInclusive<u64> = 1..=256;
const MESSAGES_PER_SECOND: std::ops::RangeInclusive<u64> = 0..=1_000_000;
const USER_MESSAGES_PER_MINUTE: std::ops::RangeInclusive<u64> = 0..=1_000_000;
const SUBSCRIPTIONS: std::ops::RangeInclusive<u64> = 0..=10_000_000;

/// Services whose element one provider can run for another.
const DELEGABLE: [Service; 3] = [Service::Presence, Service::Im, Service::Group];

/// What the file says, before the files that it names are looked at.
#[derive(Default)]
pub(super) struct PeersFile {
    pub(super) entries: Vec<PeerEntry>,
    pub(super) transits: Vec<Transit>,
}

/// Reads the file. Mistakes are noted in it. `own` are the domains served here.
pub(super) fn read(source: &Rc<Source>, own: &[Domain], now: DateTime) -> PeersFile {
    let mut file = Section::file(source);
    let sections = file.sections("peer", "peer");
    let transits = file.sections("transit", "transit");
    file.finish();
    let mut entries: Vec<PeerEntry> = Vec::new();
    for section in sections {
        let Some(entry) = entry(section, own, now) else { continue };
        for service in &entry.delegates {
            let taken = |other: &&PeerEntry| other.agreement.delegates.contains(&service.value);
            if let Some(other) = entries.iter().find(taken) {
                let other = &other.agreement.domain;
                service
                    .place
                    .error(format_args!("is delegated to {other} already"), "one provider a service");
            }
        }
        if entries.iter().any(|other| other.agreement.domain == entry.agreement.domain) {
            entry.domain.error("has two entries", "one [[peer]] a domain");
        } else {
            entries.push(entry);
        }
    }
    let mut allowed: Vec<Transit> = Vec::new();
    for section in transits {
        if let Some(found) = transit(section, own, &entries, &allowed) {
            allowed.push(found);
        }
    }
    PeersFile { entries, transits: allowed }
}

/// One triple of traffic that may pass through (reference ssp-behaviour §8 R1, R3); `None` if it is wrong.
fn transit(
    mut section: Section<'_>,
    own: &[Domain],
    entries: &[PeerEntry],
    others: &[Transit],
) -> Option<Transit> {
    const PEER: &str = "the domain of a [[peer]]";
    let [from, to, via] = [("from", PEER), ("to", DOMAIN), ("via", PEER)].map(|(key, allowed)| {
        let found = section.parsed(key, allowed, str::parse::<Domain>);
        if found.is_none() && !section.was_written(key) {
            section.missing(key, allowed);
        }
        found
    });
    section.finish();
    let (from, to, via) = (from?, to?, via?);
    let peer = |domain: &Domain| entries.iter().find(|entry| entry.agreement.domain == *domain);
    let mut good = true;
    for end in [&from, &via] {
        if peer(&end.value).is_none() {
            end.place.error("is no peer", PEER);
            good = false;
        }
    }
    if own.contains(&to.value) {
        to.place.error("is served here (node.domains)", "the domain of another provider");
        good = false;
    }
    if via.value == from.value {
        via.place.error("is where the traffic comes from", "another peer");
        good = false;
    } else if peer(&via.value).is_some_and(|entry| {
        entry.agreement.domain != to.value && !entry.agreement.carries.contains(&to.value)
    }) {
        let (via, to) = (&via, &to.value);
        via.place.warning(
            format_args!("does not carry {to}: nothing can come back from there"),
            "the destination itself, or a peer with it in carries",
        );
    }
    let known = others.iter().any(|other| other.from == from.value && other.to == to.value);
    if known {
        to.place.error(format_args!("has another way from {} already", from.value), "one way for each pair");
        good = false;
    }
    good.then_some(Transit { from: from.value, to: to.value, via: via.value })
}

/// One entry; `None` if it has no domain.
fn entry(mut peer: Section<'_>, own: &[Domain], now: DateTime) -> Option<PeerEntry> {
    let place = peer.place();
    let domain = peer.parsed("domain", DOMAIN, str::parse::<Domain>);
    if domain.is_none() && !peer.was_written("domain") {
        peer.missing("domain", DOMAIN);
    }
    let endpoints = peer.list("endpoints", ENDPOINT, endpoint, |_| false);
    let trust = peer.paths("trust", &[]);
    let pins = peer.list("pins", PIN, |text| parse_pin(text).map_err(|_| "is no pin"), |_| false);
    let accept_server_eku = peer.truth("accept-server-eku", false);
    let dane = peer.truth("dane", false);
    let names = peer.list("names", DOMAIN, str::parse::<Domain>, |_| false);
    let services = services(&mut peer);
    let delegates = elements(&mut peer, "delegates", &services);
    let hosts = elements(&mut peer, "hosts", &services);
    let hosts_as = peer.parsed("hosts-as", DOMAIN, str::parse::<Domain>);
    let carries = peer.list("carries", DOMAIN, str::parse::<Domain>, |_| false).unwrap_or_default();
    let profile = peer.word("profile", Profile::ALL, Profile::as_str, Profile::Standard);
    let state = peer.word("state", PeerState::ALL, PeerState::as_str, PeerState::Active);
    let max_transactions_per_post = size(peer.number("max-transactions-per-post", TRANSACTIONS_PER_POST, 16));
    let messages_per_second = peer.number("messages-per-second", MESSAGES_PER_SECOND, 0);
    let user_messages_per_minute = peer.number("user-messages-per-minute", USER_MESSAGES_PER_MINUTE, 0);
    let max_subscriptions = peer.number("max-subscriptions", SUBSCRIPTIONS, 10_000);
    let max_document_bytes = size(peer.number("max-document-bytes", DOCUMENT_BYTES, 4_194_304));
    let from = peer.date("valid-from", false);
    let until = peer.date("valid-until", true);
    let contact = peer.text("contact", "a text").map_or_else(String::new, |text| text.value);
    let note = peer.text("note", "a text").map_or_else(String::new, |text| text.value);
    peer.finish();

    if let (Some(from), Some(until)) = (&from, &until)
        && until.value < from.value
    {
        until.place.error("lies before valid-from", "a later date");
    } else if let Some(until) = &until
        && until.value < now
    {
        until.place.warning("is over: the entry counts as closed", "a date to come");
    }
    if let Some(known_as) = hosts_as.as_ref().filter(|known_as| !own.contains(&known_as.value)) {
        known_as.place.error("is not served here (node.domains)", "one of our domains");
    }
    for service in delegates.iter().filter(|service| hosts.iter().any(|other| other.value == service.value)) {
        service.place.error("is among hosts too", "one of the two providers runs it");
    }
    if profile == Profile::Legacy {
        for service in delegates.iter().chain(&hosts) {
            service.place.error("is more than a legacy peer can", "profile standard or causeway");
        }
    }
    let domain = domain?;
    if own.contains(&domain.value) {
        domain.place.error("is served here (node.domains)", "the domain of another provider");
    }
    for carried in &carries {
        if own.contains(&carried.value) {
            carried.place.error("is served here (node.domains)", "domains of other providers");
        } else if carried.value == domain.value {
            carried.place.error("is the peer itself", "other domains that it speaks for");
        }
    }
    let agreement = Agreement {
        carries: carries.into_iter().map(|carried| carried.value).collect(),
        endpoints: values(endpoints),
        pins: values(pins),
        accept_server_eku,
        dane,
        names: values(names),
        services,
        delegates: delegates.iter().map(|service| service.value).collect(),
        hosts: hosts.iter().map(|service| service.value).collect(),
        hosts_as: hosts_as.map(|domain| domain.value),
        profile,
        state,
        max_transactions_per_post,
        messages_per_second: u32::try_from(messages_per_second).unwrap_or(u32::MAX),
        user_messages_per_minute: u32::try_from(user_messages_per_minute).unwrap_or(u32::MAX),
        max_subscriptions,
        max_document_bytes,
        valid_from: from.map(|date| date.value),
        valid_until: until.map(|date| date.value),
        contact,
        note,
        ..Agreement::with(domain.value)
    };
    Some(PeerEntry { place, domain: domain.place, agreement, trust, delegates })
}

/// Services whose element one side runs for the other.
fn elements(peer: &mut Section<'_>, key: &'static str, services: &BTreeSet<Service>) -> Vec<Placed<Service>> {
    let allowed = DELEGABLE.map(Service::as_str).join(", ");
    let parse = |text: &str| match Service::ALL.iter().find(|service| service.as_str() == text) {
        Some(service) if DELEGABLE.contains(service) => Ok(*service),
        // Content is fetched by HTTP from wherever it was kept; profiles belong to the account.
        Some(_) => Err("has no element to delegate: it is always at home"),
        None => Err("is not one of the known words"),
    };
    let found = peer.list(key, &allowed, parse, |_| false).unwrap_or_default();
    for service in found.iter().filter(|service| !services.contains(&service.value)) {
        service.place.error("is not among the services of the entry", "a service of the entry");
    }
    found
}

fn services(peer: &mut Section<'_>) -> BTreeSet<Service> {
    let allowed = Service::ALL.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ");
    let parse = |text: &str| {
        let found = Service::ALL.iter().copied().find(|service| service.as_str() == text);
        found.ok_or("is not one of the known words")
    };
    values(peer.list("services", &allowed, parse, |_| false)).into_iter().collect()
}

fn values<T>(placed: Option<Vec<Placed<T>>>) -> Vec<T> {
    placed.unwrap_or_default().into_iter().map(|item| item.value).collect()
}

/// `https://HOST:PORT` with at most a slash behind it: SSP has no paths of its own.
fn endpoint(text: &str) -> Result<Endpoint, &'static str> {
    let rest = text.strip_prefix("https://").ok_or("does not begin with https://")?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = authority.rsplit_once(':').ok_or("names no port")?;
    let port = match port.parse::<u16>() {
        Ok(port) if port > 0 && port.to_string().len() <= 5 => port,
        _ => return Err("has no valid port"),
    };
    let host = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().map_err(|_| "has no valid host")?.to_string(),
        None => match host.parse::<std::net::Ipv4Addr>() {
            Ok(address) => address.to_string(),
            Err(_) => host.parse::<Domain>().map_err(|_| "has no valid host")?.to_string(),
        },
    };
    Ok(Endpoint { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port_and_nothing_else() {
        let good = |text: &str| endpoint(text).map(|found| (found.host, found.port)).unwrap();
        assert_eq!(good("https://127.0.0.3:5222/"), ("127.0.0.3".to_owned(), 5222));
        assert_eq!(good("https://[::1]:5222"), ("::1".to_owned(), 5222));
        assert_eq!(good("https://SSP.south.example:443/"), ("ssp.south.example".to_owned(), 443));
        for (text, wrong) in [
            ("http://south.example:80/", "does not begin with https://"),
            ("https://south.example/", "names no port"),
            ("https://south.example:0/", "has no valid port"),
            ("https://south.example:99999/", "has no valid port"),
            ("https://:5222/", "has no valid host"),
            ("https://user@south.example:5222/", "has no valid host"),
            ("https://south.example:5222/ssp", "has no valid port"),
        ] {
            assert_eq!(endpoint(text).map(|_| ()), Err(wrong), "{text}");
        }
    }
}
