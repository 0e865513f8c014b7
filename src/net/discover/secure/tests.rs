//! What counts as secure, against a signing DNS server on loopback.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::imps::{Chance, Moment};
use crate::net::discover::{DiscoverSettings, Dnssec};
use crate::net::dns_server::{DnsServer, Zone, ZoneKey};

const HASH: [u8; 32] = [7; 32];

fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

/// A zone signed with a new key, in which `south.example` is served by a host with one record.
fn zone() -> (Arc<ZoneKey>, Zone) {
    let key = Arc::new(ZoneKey::new().unwrap());
    let mut zone = Zone::new();
    zone.sign(Arc::clone(&key))
        .service(&domain("south.example"), (0, 0), ("im.south.example", 5222), 300)
        .address("im.south.example", "127.0.0.2".parse().unwrap(), 300)
        .association(("im.south.example", 5222), [3, 1, 1], HASH.to_vec(), 120);
    (key, zone)
}

async fn started(zone: &Zone, anchor: Option<String>, dnssec: Dnssec) -> (DnsServer, Discover) {
    let stop = CancellationToken::new();
    let server = DnsServer::start("127.0.0.1:0".parse().unwrap(), zone.clone(), stop).await.unwrap();
    let trust_anchors = anchor.map(Arc::from);
    let settings = DiscoverSettings { servers: vec![server.addr()], dnssec, trust_anchors };
    let discover = Discover::new(&settings).unwrap();
    (server, discover)
}

async fn asked(discover: &Discover) -> Associations {
    discover.associations(&domain("south.example"), &[]).await
}

/// What was found, in words.
fn words(found: &Associations) -> String {
    match found {
        Associations::Hosts(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Associations::Nothing { why, .. } | Associations::Unknown { why } => why.clone(),
    }
}

fn is_unsaid(found: &Associations) -> bool {
    match found {
        Associations::Unknown { .. } => true,
        Associations::Hosts(hosts) => hosts.iter().all(|host| matches!(host.said, Said::Unknown { .. })),
        Associations::Nothing { .. } => false,
    }
}

#[tokio::test]
async fn records_count_only_if_everything_on_the_way_to_them_is_signed() {
    let (key, zone) = zone();
    let (server, discover) = started(&zone, Some(key.anchor()), Dnssec::Prefer).await;
    let found = asked(&discover).await;
    assert_eq!(words(&found), "TLSA of im.south.example port 5222: secure, 3 1 1");
    let Associations::Hosts(hosts) = found else { panic!("{found:?}") };
    let Said::Secure { ttl, .. } = &hosts[0].said else { panic!("{hosts:?}") };
    assert_eq!(*ttl, Duration::from_secs(120));
    // The host's part of the tree has no signatures
    server.change(|zone| {
        zone.unsign("im.south.example");
    });
    let found = asked(&discover).await;
    assert_eq!(
        words(&found),
        "TLSA of im.south.example port 5222: insecure, not used: DNSSEC does not sign it"
    );
    // Neither has the domain, wherever it points
    server.change(|zone| {
        zone.unsign("south.example");
        zone.remove("_imps-server._tcp.south.example");
        zone.service(&domain("south.example"), (0, 0), ("im.host.example", 5222), 300);
        zone.association(("im.host.example", 5222), [3, 1, 1], HASH.to_vec(), 120);
    });
    let found = asked(&discover).await;
    let why = "SRV of south.example: insecure, so no TLSA is used: DNSSEC does not sign it";
    assert_eq!(words(&found), why);
    // A host that stands in the agreement needs no SRV record
    let endpoint = Endpoint { host: "im.host.example".to_owned(), port: 5222 };
    let found = discover.associations(&domain("south.example"), &[endpoint]).await;
    assert_eq!(words(&found), "TLSA of im.host.example port 5222: secure, 3 1 1");
    let address = Endpoint { host: "127.0.0.2".to_owned(), port: 5222 };
    let found = discover.associations(&domain("south.example"), &[address]).await;
    assert_eq!(words(&found), "TLSA of 127.0.0.2 port 5222: an address has no TLSA");
}

#[tokio::test]
async fn what_does_not_verify_says_nothing() {
    let (key, zone) = zone();
    let (server, discover) = started(&zone, Some(key.anchor()), Dnssec::Prefer).await;
    for name in ["_5222._tcp.im.south.example", "_imps-server._tcp.south.example"] {
        server.change(|zone| {
            zone.spoil(name);
        });
        let found = asked(&discover).await;
        assert!(is_unsaid(&found), "{name}: {found:?}");
        assert!(words(&found).contains("nothing can be relied on now"), "{found:?}");
        let before = zone.clone();
        server.change(|zone| *zone = before);
    }
    // Nor does an absence that is not proven, or a server that fails
    server.change(|zone| {
        zone.remove("_5222._tcp.im.south.example").spoil("_5222._tcp.im.south.example");
    });
    assert!(is_unsaid(&asked(&discover).await));
    server.change(|zone| {
        zone.remove("_5222._tcp.im.south.example").fail("_5222._tcp.im.south.example");
    });
    assert!(is_unsaid(&asked(&discover).await));
    // Another key than the one of the anchor signs nothing
    let other = Arc::new(ZoneKey::new().unwrap());
    let before = zone.clone();
    server.change(|zone| {
        *zone = before;
        zone.sign(other);
    });
    assert!(is_unsaid(&asked(&discover).await));
}

#[tokio::test]
async fn a_proven_absence_and_records_that_cannot_be_used_are_told_apart() {
    let (key, zone) = zone();
    let (server, discover) = started(&zone, Some(key.anchor()), Dnssec::Prefer).await;
    let publish = |parameters: [u8; 3], data: Vec<u8>| {
        server.change(|zone| {
            zone.remove("_5222._tcp.im.south.example");
            zone.association(("im.south.example", 5222), parameters, data, 120);
        });
    };
    for (parameters, octets) in
        [([0, 1, 1], 32), ([1, 1, 1], 32), ([3, 2, 1], 32), ([3, 1, 3], 32), ([3, 1, 1], 31)]
    {
        publish(parameters, vec![7; octets]);
        let found = asked(&discover).await;
        assert!(words(&found).contains("secure, but of no use here"), "{parameters:?}: {found:?}");
    }
    publish([2, 0, 2], vec![7; 64]);
    assert_eq!(words(&asked(&discover).await), "TLSA of im.south.example port 5222: secure, 2 0 2");
    server.change(|zone| {
        zone.remove("_5222._tcp.im.south.example");
    });
    assert_eq!(words(&asked(&discover).await), "TLSA of im.south.example port 5222: there is none");
    server.change(|zone| {
        zone.remove("_imps-server._tcp.south.example");
    });
    assert_eq!(words(&asked(&discover).await), "no SRV of south.example");
}

#[tokio::test]
async fn without_dnssec_nothing_is_secure_and_the_keys_of_the_root_are_not_those_of_a_laboratory() {
    let (key, zone) = zone();
    let (_server, off) = started(&zone, Some(key.anchor()), Dnssec::Off).await;
    assert!(words(&asked(&off).await).contains("dnssec is off"));
    let (_server, public) = started(&zone, None, Dnssec::Prefer).await;
    assert!(is_unsaid(&asked(&public).await));
}

#[tokio::test]
async fn with_dnssec_required_a_signed_answer_is_found() {
    /// Always the same.
    struct Zero;
    impl Chance for Zero {
        fn fill(&mut self, octets: &mut [u8]) {
            octets.fill(0);
        }
    }
    let (key, zone) = zone();
    let (_server, strict) = started(&zone, Some(key.anchor()), Dnssec::Require).await;
    let found = strict.find(&domain("south.example"), &[], Moment::from_millis(0)).await.unwrap();
    assert_eq!(found.candidates(&mut Zero)[0].to_string(), "im.south.example (127.0.0.2:5222)");
}
