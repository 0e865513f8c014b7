//! What secure DNS can vouch for, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_resolver::proto::rr::rdata::TLSA;
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256, Sha512};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::table::Host;
use super::*;
use crate::imps::agreement::{Agreement, Endpoint, PeerIdentity};
use crate::imps::{DateTime, Domain, Moment};
use crate::net::certificate::{certificates_of_pem, facts, subject_public_key_info};
use crate::net::discover::{Candidate, Discover, DiscoverSettings, Dnssec};
use crate::net::dns_server::{DnsServer, Zone, ZoneKey};
use crate::net::listen::{
    Answer, ConnectionEvents, ListenLimits, SspHandler, SspRequest, StatusCode, serve_ssp,
};
use crate::net::pki::{Authority, LeafOptions};
use crate::net::post::{Connection, Headers, PostLimits};
use crate::net::testing::{authority, domain, identity, trusting};
use crate::net::tls::{Check, Identity, PeerTls, Refused, Side, Trust};
use crate::relay::events::Silent;

fn read([usage, selector, matching]: [u8; 3], data: Vec<u8>) -> Option<Association> {
    Association::read(&TLSA::new(usage.into(), selector.into(), matching.into(), data))
}

fn first(pem: &str) -> CertificateDer<'static> {
    certificates_of_pem(pem.as_bytes()).unwrap().remove(0)
}

fn leaf(authority: &Authority, name: &str, options: &LeafOptions) -> CertificateDer<'static> {
    authority.issue(&[domain(name)], options).unwrap().certificate().unwrap()
}

/// The system's time in seconds.
fn seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// A table in which these records vouch for south.example until `until`.
fn table(records: Vec<Association>, until: u64) -> Arc<Vouched> {
    let vouched = Arc::new(Vouched::default());
    let south = Agreement { dane: true, ..Agreement::with(domain("south.example")) };
    vouched.follow([Wanted::of(&south).unwrap()].iter());
    let place = Endpoint { host: "im.south.example".to_owned(), port: 5222 };
    let host = Host { place, records, until: Moment::from_millis(until * 1000) };
    vouched.put(&south.domain, vec![host], "TLSA of im.south.example port 5222: secure".to_owned());
    vouched
}

#[test]
fn a_record_names_a_certificate_or_its_key_whole_or_by_hash() {
    let ca = authority("CA");
    let (mine, other) = (
        leaf(&ca, "south.example", &LeafOptions::default()),
        leaf(&ca, "south.example", &LeafOptions::default()),
    );
    let key = subject_public_key_info(&mine).unwrap();
    for (selector, selected) in [(0, mine.to_vec()), (1, key)] {
        for (matching, data) in [
            (0, selected.clone()),
            (1, Sha256::digest(&selected).to_vec()),
            (2, Sha512::digest(&selected).to_vec()),
        ] {
            for usage in [2, 3] {
                let record = read([usage, selector, matching], data.clone()).unwrap();
                assert_eq!(record.to_string(), format!("{usage} {selector} {matching}"));
                assert!(record.matches(&mine) && !record.matches(&other), "{record}");
            }
            for usage in [0, 1, 4, 255] {
                assert_eq!(read([usage, selector, matching], data.clone()), None);
            }
        }
    }
    assert_eq!(read([3, 1, 1], vec![0; 31]), None);
    assert_eq!(read([3, 1, 0], Vec::new()), None);
    assert_eq!(read([3, 2, 1], vec![0; 32]), None);
    assert_eq!(read([3, 1, 3], vec![0; 32]), None);
}

#[test]
fn secure_dns_takes_the_place_of_the_chain_but_not_of_names_dates_or_revocation() {
    let (ours, nobody) = (authority("Our CA"), authority("Nobody"));
    let now = seconds();
    let vouching = |certificate: &CertificateDer<'_>| {
        let key = facts(certificate).unwrap().key;
        table(vec![read([3, 1, 1], key.to_vec()).unwrap()], now + 60)
    };
    let check =
        |certificate: &CertificateDer<'static>, vouched: Arc<Vouched>, lists: &[String], side, now| {
            let mut settings = trusting(&[&ours]);
            settings.vouched = vouched;
            for list in lists {
                settings.add_revocation_lists(list.as_bytes()).unwrap();
            }
            Trust::new(settings).unwrap().check(std::slice::from_ref(certificate), side, at(now))
        };
    let south = leaf(&nobody, "south.example", &LeafOptions::default());
    for side in [Side::Inbound, Side::Outbound] {
        let identity = check(&south, vouching(&south), &[], side, now).unwrap();
        assert_eq!(identity.vouchers.len(), 1);
        assert_eq!((&identity.vouchers[0].domain, identity.anchors.len()), (&domain("south.example"), 0));
        // A second later than its time it vouches for nobody
        let refused = check(&south, vouching(&south), &[], side, now + 60).unwrap_err();
        assert_eq!(refused.check, Check::UnknownIssuer);
        assert!(refused.to_string().contains("; DANE does not vouch for it: TLSA of im.south"), "{refused}");
        // Nor for another key
        let other = leaf(&nobody, "south.example", &LeafOptions::default());
        let refused = check(&other, vouching(&south), &[], side, now).unwrap_err();
        assert_eq!(refused.check, Check::UnknownIssuer);
    }
    // A certificate of another name is not even looked up, and nothing of south is told
    let east = leaf(&nobody, "east.example", &LeafOptions::default());
    let refused = check(&east, vouching(&east), &[], Side::Inbound, now).unwrap_err();
    assert_eq!((refused.check, refused.dane), (Check::UnknownIssuer, None));
    // Dates
    let date = |days: i64| DateTime::from_unix(i64::try_from(now).unwrap() + days * 86_400);
    let old = LeafOptions { not_before: date(-3), not_after: date(-1), ..LeafOptions::default() };
    let old = leaf(&nobody, "south.example", &old);
    let refused = check(&old, vouching(&old), &[], Side::Inbound, now).unwrap_err();
    assert_eq!(refused.check, Check::Expired);
    // Revocation by a CA of ours
    let revoked = ours.issue(&[domain("south.example")], &LeafOptions::default()).unwrap();
    let list = ours.revocation_list(&[&revoked.certificate_pem], date(1)).unwrap();
    let revoked = revoked.certificate().unwrap();
    let refused = check(&revoked, vouching(&revoked), &[list], Side::Inbound, now).unwrap_err();
    assert_eq!(refused.check, Check::Revoked);
    // Or by a CA below it, which is left out of the chain
    let below = ours.intermediate("Below").unwrap();
    let revoked = below.issue(&[domain("south.example")], &LeafOptions::default()).unwrap();
    let list = below.revocation_list(&[&revoked.certificate_pem], date(1)).unwrap();
    let revoked = revoked.certificate().unwrap();
    assert!(check(&revoked, vouching(&revoked), &[], Side::Inbound, now).is_ok());
    let refused = check(&revoked, vouching(&revoked), &[list], Side::Inbound, now).unwrap_err();
    assert_eq!(refused.check, Check::Revoked);
}

#[test]
fn a_ca_in_secure_dns_must_be_in_the_chain_and_the_chain_must_verify_in_it() {
    let (ours, theirs, foreign) = (authority("Our CA"), authority("Their CA"), authority("Their CA"));
    let now = seconds();
    let theirs_der = first(theirs.certificate_pem());
    let record = read([2, 0, 1], Sha256::digest(&theirs_der).to_vec()).unwrap();
    let check = |chain: &[CertificateDer<'static>], side| {
        let mut settings = trusting(&[&ours]);
        settings.vouched = table(vec![record.clone()], now + 60);
        Trust::new(settings).unwrap().check(chain, side, at(now))
    };
    let south = leaf(&theirs, "south.example", &LeafOptions::default());
    let chain = [south.clone(), theirs_der.clone()];
    for side in [Side::Inbound, Side::Outbound] {
        assert_eq!(check(&chain, side).unwrap().vouchers.len(), 1);
        // Without the CA
        assert_eq!(check(&chain[..1], side).unwrap_err().check, Check::UnknownIssuer);
        // With the CA, but a leaf that it did not issue, though the names of the two CAs are the same
        let stolen = [leaf(&foreign, "south.example", &LeafOptions::default()), theirs_der.clone()];
        assert!(matches!(
            check(&stolen, side),
            Err(Refused { check: Check::Signature | Check::UnknownIssuer, .. })
        ));
        // The CA alone is no leaf
        assert!(check(std::slice::from_ref(&theirs_der), side).is_err());
    }
    // Purposes are those of any other chain
    let servers = LeafOptions { client: false, ..LeafOptions::default() };
    let chain = [leaf(&theirs, "south.example", &servers), theirs_der];
    assert!(check(&chain, Side::Outbound).is_ok());
    assert_eq!(check(&chain, Side::Inbound).unwrap_err().check, Check::Purpose);
}

/// Takes everything.
struct Welcome;

impl SspHandler for Welcome {
    async fn post(&self, _request: SspRequest) -> Answer {
        Answer::empty(StatusCode::OK)
    }
}

/// Counts what is turned away.
#[derive(Default)]
struct Door(AtomicU64);

impl ConnectionEvents for Door {
    fn rejected(&self, _listener: &'static str, _peer: Option<&PeerIdentity>, reason: &'static str) {
        assert_eq!(reason, "certificate");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_connection_that_was_let_in_by_secure_dns_is_good_for_as_long_as_a_record_vouches_for_it() {
    let (ours, nobody) = (authority("Our CA"), authority("Nobody"));
    let issued = nobody.issue(&[domain("south.example")], &LeafOptions::default()).unwrap();
    let leaf = issued.certificate().unwrap();
    let own = Identity::from_pem(
        domain("south.example"),
        issued.certificate_pem.as_bytes(),
        issued.key_pem.as_bytes(),
    );
    let own = own.unwrap();
    let record = read([3, 1, 1], own.facts().key.to_vec()).unwrap();
    let vouched = table(vec![record], seconds() + 3600);
    let south = PeerTls::new(&[own], Trust::new(trusting(&[&ours])).unwrap()).unwrap();
    let mut trust = trusting(&[&ours]);
    trust.vouched = Arc::clone(&vouched);
    let own = identity(&ours, "north.example", &LeafOptions::default());
    let north = PeerTls::new(&[own], Trust::new(trust).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (door, stop) = (Arc::new(Door::default()), CancellationToken::new());
    let (tls, limits) = (north.shared(), ListenLimits::ssp());
    let serving =
        tokio::spawn(serve_ssp(listener, tls, limits, Arc::new(Welcome), door.clone(), stop.clone()));
    let place = Candidate { host: "im.north.example".to_owned(), addr };
    let (me, there) = (domain("south.example"), domain("north.example"));
    let mut open =
        Connection::connect(&south, &me, &there, &[place], &PostLimits::default(), |_| Ok(())).await.unwrap();
    let mut status = async || open.post(Headers::default(), "<x/>".into()).await.unwrap().status.as_u16();
    assert_eq!(status().await, 200);
    // The record is another one, but for the same certificate
    let host = |records| {
        let place = Endpoint { host: "im.south.example".to_owned(), port: 5222 };
        Host { place, records, until: Moment::from_millis((seconds() + 3600) * 1000) }
    };
    let again = read([3, 0, 1], Sha256::digest(&leaf).to_vec()).unwrap();
    assert!(vouched.put(&me, vec![host(vec![again])], String::new()));
    assert_eq!(status().await, 200);
    // And then there is none for it
    vouched.put(&me, vec![host(vec![read([3, 1, 1], vec![9; 32]).unwrap()])], String::new());
    assert_eq!(status().await, 403);
    assert_eq!(door.0.load(Ordering::Relaxed), 1);
    stop.cancel();
    serving.await.unwrap();
}

/// A signed zone in which south.example has a record, somebody who asks, and a clock.
struct Stage {
    server: DnsServer,
    dane: Dane,
    millis: AtomicU64,
}

const TTL_SECONDS: u32 = 90;
const RECORD: &str = "_5222._tcp.im.south.example";

impl Stage {
    async fn new() -> Self {
        let key = Arc::new(ZoneKey::new().unwrap());
        let mut zone = Zone::new();
        zone.sign(Arc::clone(&key)).service(
            &domain("south.example"),
            (0, 0),
            ("im.south.example", 5222),
            600,
        );
        let stop = CancellationToken::new();
        let server = DnsServer::start("127.0.0.1:0".parse().unwrap(), zone, stop).await.unwrap();
        let settings = DiscoverSettings {
            servers: vec![server.addr()],
            dnssec: Dnssec::Prefer,
            trust_anchors: Some(key.anchor().into()),
        };
        let discover = Arc::new(Discover::new(&settings).unwrap());
        let dane = Dane::new(discover, Arc::default(), Arc::new(Silent));
        let south = Agreement { dane: true, ..Agreement::with(domain("south.example")) };
        dane.follow(vec![Wanted::of(&south).unwrap()], false);
        let stage = Self { server, dane, millis: AtomicU64::new(1_000_000) };
        stage.publish(&[1]);
        stage
    }

    /// Only these are published.
    fn publish(&self, records: &[u8]) {
        self.server.change(|zone| {
            zone.remove(RECORD);
            for record in records {
                zone.association(("im.south.example", 5222), [3, 1, 1], vec![*record; 32], TTL_SECONDS);
            }
        });
    }

    fn now(&self) -> Moment {
        Moment::from_millis(self.millis.load(Ordering::Relaxed))
    }

    fn passes(&self, seconds: u64) {
        self.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// Whether there is a record that counts, after asking.
    async fn ask(&self) -> bool {
        self.dane.asked(&domain("south.example"), || self.now()).await.unwrap().1
    }

    /// Likewise, before a call.
    async fn ready(&self) -> bool {
        self.dane.ready(&domain("south.example"), || self.now()).await;
        self.dane.found(&domain("south.example"), self.now()).unwrap().1
    }

    fn records(&self) -> Vec<Association> {
        self.dane
            .vouched()
            .hosts(&domain("south.example"))
            .into_iter()
            .flat_map(|host| host.records)
            .collect()
    }
}

#[tokio::test]
async fn what_dns_said_counts_until_its_time_is_over_and_no_failure_makes_it_longer_or_shorter() {
    let stage = Stage::new().await;
    assert!(stage.ask().await);
    // DNS fails, then it lies: nothing is lost before its time
    for lies in [false, true] {
        stage.passes(40);
        stage.publish(&[1]);
        stage.server.change(|zone| {
            if lies {
                zone.spoil(RECORD)
            } else {
                zone.fail(RECORD)
            };
        });
        assert!(stage.ask().await);
    }
    // 80 s are over; with the 90 s of its TTL it ends, for DNS did not say it again
    stage.passes(9);
    assert!(stage.ask().await);
    stage.passes(1);
    assert!(!stage.ask().await);
    // A proof that it is gone counts at once
    stage.publish(&[1]);
    stage.passes(1);
    assert!(stage.ask().await);
    stage.publish(&[]);
    stage.passes(1);
    assert!(!stage.ask().await);
    assert_eq!(stage.records(), []);
}

#[tokio::test]
async fn before_a_call_dns_is_asked_if_it_has_said_nothing_that_counts_and_was_not_asked_just_now() {
    let stage = Stage::new().await;
    stage.publish(&[]);
    assert!(!stage.ready().await);
    let asked = stage.server.questions();
    stage.publish(&[1]);
    stage.passes(4);
    assert!(!stage.ready().await);
    assert_eq!(stage.server.questions(), asked);
    stage.passes(1);
    assert!(stage.ready().await);
    let asked = stage.server.questions();
    stage.passes(60);
    assert!(stage.ready().await);
    assert_eq!(stage.server.questions(), asked);
    // Nobody else is asked about
    stage.dane.ready(&domain("east.example"), || stage.now()).await;
    assert_eq!(stage.server.questions(), asked);
    // And who is not any more has no records either
    stage.dane.follow(Vec::new(), false);
    assert_eq!(stage.records(), []);
}

#[tokio::test]
async fn the_task_asks_before_the_time_is_over_and_tells_when_a_record_is_lost() {
    let stage = Arc::new(Stage::new().await);
    let stop = CancellationToken::new();
    let (lost, mut losses) = tokio::sync::mpsc::channel(16);
    let keeping = tokio::spawn({
        let (stage, stop) = (Arc::clone(&stage), stop.clone());
        async move {
            let clock = Arc::clone(&stage);
            let lost = move || lost.try_send(()).unwrap();
            stage.dane.keep(move || clock.now(), lost, stop).await;
        }
    });
    let until = async |records: &[u8]| {
        let wanted: Vec<_> =
            records.iter().map(|record| read([3, 1, 1], vec![*record; 32]).unwrap()).collect();
        while stage.records() != wanted {
            tokio::task::yield_now().await;
        }
    };
    until(&[1]).await;
    // A second record for a roll-over: nothing is lost
    stage.publish(&[1, 2]);
    stage.passes(61);
    stage.dane.changed.notify_one();
    until(&[1, 2]).await;
    assert!(losses.try_recv().is_err());
    // The first is taken out
    stage.publish(&[2]);
    stage.passes(61);
    stage.dane.changed.notify_one();
    until(&[2]).await;
    losses.recv().await.unwrap();
    // And now DNS is silent for longer than the record is good
    stage.server.change(|zone| {
        zone.fail(RECORD);
    });
    stage.passes(91);
    stage.dane.changed.notify_one();
    losses.recv().await.unwrap();
    until(&[]).await;
    stop.cancel();
    keeping.await.unwrap();
}

#[tokio::test]
async fn strangers_are_asked_about_where_they_are_wanted_and_forgotten_after_a_minute() {
    let stage = Arc::new(Stage::new().await);
    stage.server.change(|zone| {
        for name in ["east", "west"] {
            let host = format!("im.{name}.example");
            zone.service(&domain(&format!("{name}.example")), (0, 0), (&host, 5222), 600);
            zone.association((&host, 5222), [3, 1, 1], vec![7; 32], 30);
        }
    });
    let (east, west) = (domain("east.example"), domain("west.example"));
    let stop = CancellationToken::new();
    let keeping = tokio::spawn({
        let (stage, stop) = (Arc::clone(&stage), stop.clone());
        async move {
            let clock = Arc::clone(&stage);
            stage.dane.keep(move || clock.now(), || (), stop).await;
        }
    });
    let known = |domain: &Domain| stage.dane.found(domain, stage.now()).map(|(_, vouches)| vouches);
    let until_known = async |domain: &Domain| {
        while known(domain) != Some(true) {
            tokio::task::yield_now().await;
        }
    };
    let vouched = stage.dane.vouched();
    // Where federation is closed, nobody is asked about
    vouched.met(std::slice::from_ref(&east));
    assert_eq!(known(&east), None);
    let south = Agreement { dane: true, ..Agreement::with(domain("south.example")) };
    let agreed = || vec![Wanted::of(&south).unwrap()];
    stage.dane.follow(agreed(), true);
    vouched.met(std::slice::from_ref(&west));
    until_known(&west).await;
    assert_eq!(known(&east), None, "it came before");
    // Agreements change meanwhile
    stage.dane.follow(agreed(), true);
    assert_eq!(known(&west), Some(true));
    // What vouches for it is renewed, though its TTL is shorter than its stay
    let ends = |domain: &Domain| vouched.hosts(domain).first().map(|host| host.until);
    let first = ends(&west).unwrap();
    stage.passes(21);
    vouched.met(&[domain("south.example")]);
    while ends(&west).unwrap() == first {
        tokio::task::yield_now().await;
    }
    // After a minute it is forgotten when another comes, unless it has an agreement
    stage.passes(60);
    vouched.met(std::slice::from_ref(&east));
    until_known(&east).await;
    assert_eq!(known(&west), None);
    let guest = Agreement { dane: true, ..Agreement::with(east.clone()) };
    stage.dane.follow(vec![Wanted::of(&guest).unwrap()], true);
    stage.passes(60);
    vouched.met(std::slice::from_ref(&west));
    until_known(&west).await;
    assert!(known(&east).is_some());
    // Of the names of one certificate a few are asked about, and of a crowd so many as may be introduced
    let crowd: Vec<Domain> = (0..60).map(|number| domain(&format!("n{number}.example"))).collect();
    let asked = async || {
        while known(&crowd[0]).is_none() {
            tokio::task::yield_now().await;
        }
        crowd.iter().filter(|domain| known(domain).is_some()).count()
    };
    stage.passes(60);
    vouched.met(&crowd);
    assert_eq!(asked().await, 4);
    stage.passes(60);
    vouched.met(std::slice::from_ref(&east));
    while known(&crowd[0]).is_some() {
        tokio::task::yield_now().await;
    }
    stage.passes(60);
    crowd.chunks(4).for_each(|names| vouched.met(names));
    assert_eq!(asked().await, 20);
    // And none is left when federation is closed
    stage.dane.follow(agreed(), false);
    assert_eq!(known(&west), None);
    stop.cancel();
    keeping.await.unwrap();
}
