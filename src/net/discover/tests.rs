//! Discovery against a DNS server on loopback.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::net::dns_server::{DnsServer, Zone};

/// A sequence of numbers that is the same every time.
struct Sequence(u64);

impl Chance for Sequence {
    fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (self.0 >> 56) as u8;
        }
    }
}

const NOW: Moment = Moment::from_millis(1_000_000_000);

fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

fn hosts(targets: &Targets) -> Vec<String> {
    targets.candidates(&mut Sequence(1)).iter().map(|c| format!("{} {}", c.host, c.addr)).collect()
}

async fn server(zone: &Zone) -> (DnsServer, Discover) {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let server = DnsServer::start(loopback, zone.clone(), CancellationToken::new()).await.unwrap();
    let settings =
        DiscoverSettings { servers: vec![server.addr()], dnssec: Dnssec::Prefer, ..Default::default() };
    let discover = Discover::new(&settings).unwrap();
    (server, discover)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn priorities_come_in_order_and_addresses_of_both_families_in_turn() {
    let south = domain("south.example");
    let mut zone = Zone::new();
    zone.service(&south, (20, 0), ("backup.south.example", 5223), 300)
        .service(&south, (10, 0), ("main.south.example", 5222), 300)
        .address("main.south.example", address("127.0.0.2"), 300)
        .address("main.south.example", address("127.0.0.3"), 300)
        .address("main.south.example", address("::1"), 300)
        .address("backup.south.example", address("127.0.0.4"), 300);
    let (_server, discover) = server(&zone).await;
    let found = discover.find(&south, &[], NOW).await.unwrap();
    assert_eq!(
        hosts(&found),
        [
            "main.south.example [::1]:5222",
            "main.south.example 127.0.0.2:5222",
            "main.south.example 127.0.0.3:5222",
            "backup.south.example 127.0.0.4:5223",
        ]
    );
    assert_eq!(found.expires, NOW.after(Duration::from_secs(300)));
}

#[test]
fn inside_a_priority_weights_decide_how_often_a_target_comes_first() {
    let target = |host: &str, weight| Target {
        priority: 1,
        weight,
        host: host.to_owned(),
        port: 1,
        addresses: vec![address("127.0.0.1")],
    };
    let targets = Targets {
        targets: Arc::new([target("never", 0), target("one", 100), target("three", 300)]),
        expires: NOW,
    };
    let (mut chance, mut first) = (Sequence(7), HashMap::<String, u32>::new());
    for _ in 0..4000 {
        let order = targets.candidates(&mut chance);
        assert_eq!(order.len(), 3);
        *first.entry(order[0].host.clone()).or_default() += 1;
    }
    assert!((2850..3150).contains(&first["three"]), "{first:?}");
    assert!((850..1150).contains(&first["one"]), "{first:?}");
    assert!(first.get("never").copied().unwrap_or(0) < 50, "{first:?}");
    // The same chance gives the same order.
    assert_eq!(targets.candidates(&mut Sequence(3)), targets.candidates(&mut Sequence(3)));
}

#[tokio::test]
async fn an_answer_is_kept_for_its_ttl_and_then_asked_for_again() {
    let south = domain("south.example");
    let mut zone = Zone::new();
    zone.service(&south, (0, 0), ("a.south.example", 5222), 120).address(
        "a.south.example",
        address("127.0.0.2"),
        90,
    );
    let (server, discover) = server(&zone).await;
    let found = discover.find(&south, &[], NOW).await.unwrap();
    assert_eq!(found.expires, NOW.after(Duration::from_secs(90)));
    let asked = server.questions();
    server.change(|zone| {
        zone.remove("a.south.example").address("a.south.example", address("127.0.0.9"), 5);
    });
    let later = |seconds| NOW.after(Duration::from_secs(seconds));
    assert_eq!(discover.find(&south, &[], later(89)).await.unwrap(), found);
    assert_eq!(server.questions(), asked);
    let again = discover.find(&south, &[], later(90)).await.unwrap();
    assert_eq!(hosts(&again), ["a.south.example 127.0.0.9:5222"]);
    // 5 s are too short a life, a day too long a one.
    assert_eq!(again.expires, later(120));
    server.change(|zone| {
        zone.remove("a.south.example").address("a.south.example", address("127.0.0.9"), 86_400);
        zone.remove("_imps-server._tcp.south.example");
        zone.service(&south, (0, 0), ("a.south.example", 5222), 86_400);
    });
    discover.forget(&south, &[]);
    let found = discover.find(&south, &[], later(91)).await.unwrap();
    assert_eq!(found.expires, later(91 + 3600));
}

#[tokio::test]
async fn a_domain_without_the_service_is_told_from_one_that_cannot_be_asked() {
    let mut zone = Zone::new();
    zone.service(&domain("never.example"), (0, 0), (".", 0), 300)
        .address("_imps-server._tcp.bare.example", address("127.0.0.1"), 300)
        .fail("_imps-server._tcp.broken.example")
        .service(&domain("lame.example"), (0, 0), ("nowhere.lame.example", 5222), 300)
        .service(&domain("half.example"), (0, 0), ("half.example", 5222), 300)
        .fail("half.example");
    let (server, discover) = server(&zone).await;
    for (name, why) in [
        ("unknown.example", "the name does not exist"),
        ("never.example", "its SRV record says that there is none"),
        ("bare.example", "it has no SRV record"),
    ] {
        let missing = DiscoverError::NoService { domain: domain(name), found: why };
        assert_eq!(discover.find(&domain(name), &[], NOW).await, Err(missing.clone()));
        // Kept as well: the server is not asked again within the minute.
        let asked = server.questions();
        let soon = NOW.after(Duration::from_secs(29));
        assert_eq!(discover.find(&domain(name), &[], soon).await, Err(missing));
        assert_eq!(server.questions(), asked);
    }
    for name in ["broken.example", "lame.example", "half.example"] {
        let found = discover.find(&domain(name), &[], NOW).await;
        assert!(matches!(found, Err(DiscoverError::Temporary { .. })), "{name}: {found:?}");
    }
    // A failure is not kept.
    server.change(|zone| {
        zone.remove("_imps-server._tcp.broken.example")
            .service(&domain("broken.example"), (0, 0), ("b.example", 5222), 300)
            .address("b.example", address("127.0.0.5"), 300);
    });
    let found = discover.find(&domain("broken.example"), &[], NOW).await.unwrap();
    assert_eq!(hosts(&found), ["b.example 127.0.0.5:5222"]);
}

#[tokio::test]
async fn static_endpoints_bypass_srv() {
    let south = domain("south.example");
    let endpoint = |host: &str, port| Endpoint { host: host.to_owned(), port };
    let mut zone = Zone::new();
    zone.service(&south, (0, 0), ("wrong.example", 1), 300).address("hub.example", address("127.0.0.7"), 300);
    let (server, discover) = server(&zone).await;
    let literal = discover.find(&south, &[endpoint("127.0.0.3", 5222), endpoint("::1", 1)], NOW).await;
    assert_eq!(hosts(&literal.unwrap()), ["127.0.0.3 127.0.0.3:5222", "::1 [::1]:1"]);
    assert_eq!(server.questions(), 0);
    let named = discover.find(&south, &[endpoint("hub.example", 9)], NOW).await.unwrap();
    assert_eq!(hosts(&named), ["hub.example 127.0.0.7:9"]);
}

#[tokio::test]
async fn with_dnssec_required_an_unsigned_answer_is_no_answer() {
    let south = domain("south.example");
    let mut zone = Zone::new();
    zone.service(&south, (0, 0), ("a.example", 5222), 300).address("a.example", address("127.0.0.2"), 300);
    let (server, _) = server(&zone).await;
    let strict =
        DiscoverSettings { servers: vec![server.addr()], dnssec: Dnssec::Require, ..Default::default() };
    let found = Discover::new(&strict).unwrap().find(&south, &[], NOW).await;
    assert!(matches!(found, Err(DiscoverError::Temporary { .. })), "{found:?}");
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let (_server, discover) = server(&Zone::new()).await;
    for index in 0..CACHE_ENTRIES_MAX + 10 {
        discover.keep(Key::Host(index.to_string()), Kept::Host(Vec::new()), TTL_MAX, NOW);
    }
    assert_eq!(discover.kept.lock().unwrap().len(), CACHE_ENTRIES_MAX);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let mut zone = Zone::new();
    zone.ignore("_imps-server._tcp.silent.example");
    let (_server, mut discover) = server(&zone).await;
    discover.find_timeout = Duration::from_millis(50);
    let silent = domain("silent.example");
    let found = discover.find(&silent, &[], NOW).await.unwrap_err();
    assert_eq!(found.to_string(), "silent.example cannot be resolved now: no answer within 50ms");
}
