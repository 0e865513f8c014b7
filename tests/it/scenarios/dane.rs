//! Peers for whom secure DNS vouches (DANE): with certificates that no CA of ours has issued.

use std::fs;
use std::sync::Arc;

use causeway::cli::laboratory::Writing;
use causeway::imps::Code;
use causeway::net::certificate::facts;
use causeway::net::dns_server::{Zone, ZoneKey};
use causeway::net::pki::{Authority, Issued, LeafOptions};

use super::operators::{done, json, refused, verb};
use crate::csp::send;
use crate::log;
use crate::world::{Place, World, modern, receive, text, until};

/// How long records about keys are good here, seconds.
const TTL_SECONDS: u32 = 5;

/// A world whose DNS is signed.
async fn signed_world() -> World {
    log::keep();
    let world = World::new().await;
    let key = Arc::new(ZoneKey::new().unwrap());
    fs::write(world.laboratory.folder().join("root.key"), key.anchor()).unwrap();
    world.laboratory.dns().change(|zone| {
        zone.sign(key);
    });
    world
}

/// A provider that takes the key of that DNS as the beginning, with these lines in every entry.
fn place(world: &World, domain: &str, peers: &[&str], agreement: &str) -> Place {
    place_with(world, domain, &Writing { peers, agreement, ..Writing::default() })
}

/// The same with whatever lines.
fn place_with(world: &World, domain: &str, writing: &Writing<'_>) -> Place {
    let place = world.place_with(domain, writing);
    let config = place.provider.config();
    let lines = fs::read_to_string(&config).unwrap();
    fs::write(&config, lines.replace("[dns]\n", "[dns]\ntrust-anchors = \"../root.key\"\n")).unwrap();
    place
}

/// A new certificate for a provider, from a CA that nobody knows.
fn self_made(world: &World, place: &Place) -> Issued {
    let domain = place.provider.domain.clone();
    let authority = Authority::new("Nobody knows me").unwrap();
    let issued = authority.issue(std::slice::from_ref(&domain), &LeafOptions::default()).unwrap();
    let folder = world.laboratory.folder();
    fs::write(folder.join(format!("{domain}.pem")), &issued.certificate_pem).unwrap();
    fs::write(folder.join(format!("{domain}.key")), issued.key_pem.as_str()).unwrap();
    issued
}

fn key(issued: &Issued) -> Vec<u8> {
    facts(&issued.certificate().unwrap()).unwrap().key.to_vec()
}

fn host(place: &Place) -> String {
    format!("imps.{}", place.provider.domain)
}

/// The name of a provider's records about keys.
fn records(place: &Place) -> String {
    format!("_{}._tcp.{}", place.ssp.port(), host(place))
}

/// Publishes these keys of a provider and no other.
fn publish(world: &World, place: &Place, keys: &[Vec<u8>]) {
    world.laboratory.dns().change(|zone| {
        zone.remove(&records(place));
        for key in keys {
            zone.association((&host(place), place.ssp.port()), [3, 1, 1], key.clone(), TTL_SECONDS);
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_a_certificate_of_its_own_making_is_believed_in_both_directions_by_secure_dns() {
    // Given a provider whose certificate comes from nowhere, and a record of its key in signed DNS
    let world = signed_world().await;
    let north = place(&world, "north.dane.example", &["south.dane.example"], "dane = true\n");
    let south = place(&world, "south.dane.example", &["north.dane.example"], "");
    publish(&world, &south, &[key(&self_made(&world, &south))]);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    // Then messages cross, whoever calls whom
    send(&mut ada, &["wv:bo@south.dane.example"], "who vouches for you?", false).await;
    assert_eq!(text(&receive(&mut bo).await), "who vouches for you?");
    send(&mut bo, &["wv:ada@north.dane.example"], "my name server", false).await;
    assert_eq!(text(&receive(&mut ada).await), "my name server");
    // And the operator is told by what the peer is believed
    let peer = "south.dane.example";
    let found = format!("TLSA of {} port {}: secure, 3 1 1", host(&south), south.ssp.port());
    let told = done(&north, &["peer", "test", peer]).await;
    assert!(told.contains(&found), "{told}");
    assert!(told.contains("by DANE: the TLSA record matches"), "{told}");
    let shown = json(&north, &["peer", "show", peer]).await;
    assert_eq!(shown["dane"]["vouches"], true, "{shown}");
    assert!(done(&north, &["peer", "show", peer]).await.contains(&found));
    let (_, looked, _) = verb(&north, &["doctor", peer]).await;
    assert!(looked.contains(&found), "{looked}");
    let line = format!("causeway_dane_lookups_total{{outcome=\"secure\",peer=\"{peer}\"}}");
    assert!(north.metric(&line).await >= 1.0);
    north_node.drain().await;
    // Without the node `doctor` asks for itself
    let (_, looked, _) = verb(&north, &["doctor", peer]).await;
    assert!(looked.contains(&found), "{looked}");
    assert!(looked.contains("is the peer, by DANE: the TLSA record matches"), "{looked}");
    south_node.drain().await;
}

/// A name, what is wrong with what DNS says of it, and what the operator hears.
type Case = (&'static str, fn(&mut Zone, &Place), &'static str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_secure_or_does_not_match_vouches_for_nobody_and_the_operator_hears_why() {
    let world = signed_world().await;
    let cases: [Case; 5] = [
        ("wrong", |_, _| (), "secure, 3 1 1"),
        (
            "unsigned",
            |zone, place| {
                zone.unsign(&host(place));
            },
            "insecure, not used: DNSSEC does not sign it",
        ),
        (
            "bogus",
            |zone, place| {
                zone.spoil(&records(place));
            },
            "nothing can be relied on now",
        ),
        (
            "below",
            |zone, place| {
                // The SRV record is not signed, the host to which it leads is
                zone.unsign(place.provider.domain.as_str());
                let service = format!("_imps-server._tcp.{}", place.provider.domain);
                zone.remove(&service).service(
                    &place.provider.domain,
                    (0, 0),
                    ("below-host.example", place.ssp.port()),
                    60,
                );
                zone.address("below-host.example", place.ssp.ip(), 60);
            },
            "insecure, so no TLSA is used",
        ),
        // Of the chain to a CA that both sides would have to know anyway
        ("usage", |_, _| (), "secure, but of no use here"),
    ];
    let domains: Vec<String> = cases.iter().map(|(name, ..)| format!("{name}.danger.example")).collect();
    let names: Vec<&str> = domains.iter().map(String::as_str).collect();
    let north = place(&world, "north.danger.example", &names, "dane = true\n");
    let mut others = Vec::new();
    for (name, arrange, _) in &cases {
        let domain = format!("{name}.danger.example");
        let other = place(&world, &domain, &["north.danger.example"], "");
        let made = key(&self_made(&world, &other));
        let node = world.start(&other).await;
        world.laboratory.dns().change(|zone| {
            let parameters = if *name == "usage" { [1, 1, 1] } else { [3, 1, 1] };
            let data = if *name == "wrong" { vec![9; 32] } else { made };
            let place_of_record =
                if *name == "below" { "below-host.example".to_owned() } else { host(&other) };
            zone.association((&place_of_record, other.ssp.port()), parameters, data, TTL_SECONDS);
            arrange(zone, &other);
        });
        others.push((other, node));
    }
    let node = world.start(&north).await;
    for ((_, _, why), (other, _)) in cases.iter().zip(&others) {
        let domain = other.provider.domain.as_str();
        // We do not believe it when we call
        let told = refused(&north, &["peer", "test", domain]).await;
        assert!(told.contains("leads to no configured CA"), "{domain}: {told}");
        assert!(told.contains("DANE does not vouch for it") && told.contains(why), "{domain}: {told}");
        let (_, steps, _) = verb(&north, &["peer", "test", domain]).await;
        assert!(steps.contains("dane") && steps.contains(why), "{domain}: {steps}");
        // Nor when it calls
        let mut bo = other.phone("bo", modern()).await;
        let answer = bo.send(&[north.user("ada")], "let me in", false).await.unwrap();
        assert_eq!(answer.result.code, Code::SUCCESSFUL, "it waits: {answer:?}");
        until(domain, async || {
            let lines =
                log::lines_with(&["TLS handshake refused", domain, "DANE does not vouch for it", why]);
            (!lines.is_empty()).then_some(())
        })
        .await;
    }
    let mut ada = north.phone("ada", modern()).await;
    assert!(ada.take().await.unwrap().is_none());
    node.drain().await;
    for (_, node) in others {
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_rolled_over_with_two_records_and_a_peer_whose_record_is_gone_is_let_go() {
    // Given a link that rests on a record
    let world = signed_world().await;
    let north = place(&world, "north.rolls.example", &["south.rolls.example"], "dane = true\n");
    let south = place(&world, "south.rolls.example", &["north.rolls.example"], "");
    let old = self_made(&world, &south);
    publish(&world, &south, &[key(&old)]);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    send(&mut ada, &["wv:bo@south.rolls.example"], "old key", false).await;
    assert_eq!(text(&receive(&mut bo).await), "old key");
    // When the next key is published beside it, and taken up as soon as everybody can know it
    let south_file = world.laboratory.folder().join("south.rolls.example.pem");
    let shown = fs::read_to_string(&south_file).unwrap();
    let key_file = world.laboratory.folder().join("south.rolls.example.key");
    let shown_key = fs::read_to_string(&key_file).unwrap();
    let fresh = self_made(&world, &south);
    let (fresh_pem, fresh_key) = (fresh.certificate_pem.clone(), fresh.key_pem.as_str().to_owned());
    fs::write(&south_file, shown).unwrap();
    fs::write(&key_file, shown_key).unwrap();
    publish(&world, &south, &[key(&old), key(&fresh)]);
    let both = format!("TLSA of {} port {}: secure, 3 1 1, 3 1 1", host(&south), south.ssp.port());
    until("both records are known", async || {
        let shown = json(&north, &["peer", "show", "south.rolls.example"]).await;
        shown["dane"]["found"].to_string().contains(&both).then_some(())
    })
    .await;
    fs::write(&south_file, fresh_pem).unwrap();
    fs::write(&key_file, fresh_key).unwrap();
    let replaced = "causeway_reload_total{outcome=\"good\",what=\"certificates\"}";
    until("the new key", async || (south.metric(replaced).await >= 1.0).then_some(())).await;
    // Then messages cross on, and go on doing so without the old record
    publish(&world, &south, &[key(&fresh)]);
    send(&mut ada, &["wv:bo@south.rolls.example"], "new key", false).await;
    assert_eq!(text(&receive(&mut bo).await), "new key");
    // When the last record goes, the link goes with it, and what is written waits
    north.link_is("south.rolls.example", true).await;
    publish(&world, &south, &[]);
    north.link_is("south.rolls.example", false).await;
    send(&mut ada, &["wv:bo@south.rolls.example"], "are you there?", false).await;
    let refusal = ["no connection", "south.rolls.example", "DANE does not vouch for it", "there is none"];
    until("the refusal", async || (!log::lines_with(&refusal).is_empty()).then_some(())).await;
    assert!(bo.take().await.unwrap().is_none());
    // Until it is there again
    publish(&world, &south, &[key(&fresh)]);
    assert_eq!(text(&receive(&mut bo).await), "are you there?");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_for_whom_secure_dns_vouches_become_guests_whoever_begins_and_others_do_not() {
    // Given open providers without entries, whose certificates come from nowhere; DNS vouches for two of them
    let world = signed_world().await;
    let ssp_lines = "federation = \"open\"\ndane = true\n";
    let [north, south, west] = ["north.inn.example", "south.inn.example", "west.inn.example"]
        .map(|domain| place_with(&world, domain, &Writing { ssp_lines, ..Writing::default() }));
    for place in [&north, &south] {
        publish(&world, place, &[key(&self_made(&world, place))]);
    }
    let of_west = key(&self_made(&world, &west));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let west_node = world.start(&west).await;
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    // When a user of one writes to the other, which has never heard of it
    send(&mut ada, &["wv:bo@south.inn.example"], "is there room?", false).await;
    // Then it is let in as soon as DNS has been asked, and the answer finds its way
    assert_eq!(text(&receive(&mut bo).await), "is there room?");
    send(&mut bo, &["wv:ada@north.inn.example"], "always", false).await;
    assert_eq!(text(&receive(&mut ada).await), "always");
    let shown = json(&south, &["peer", "show", "north.inn.example"]).await;
    assert_eq!((&shown["by"], &shown["dane"]["vouches"]), (&"guest".into(), &true.into()), "{shown}");
    // But nobody comes in for whom DNS does not vouch
    let mut eve = west.phone("eve", modern()).await;
    let answer = eve.send(&[north.user("ada")], "let me in", false).await.unwrap();
    assert_eq!(answer.result.code, Code::SUCCESSFUL, "it waits: {answer:?}");
    let refusal =
        ["TLS handshake refused", "west.inn.example", "DANE does not vouch for it", "there is none"];
    until("the refusal", async || (!log::lines_with(&refusal).is_empty()).then_some(())).await;
    assert!(refused(&north, &["peer", "show", "west.inn.example"]).await.contains("west.inn.example"));
    assert!(ada.take().await.unwrap().is_none());
    // Until it does, and is heard from
    publish(&world, &west, &[of_west]);
    send(&mut ada, &["wv:eve@west.inn.example"], "who is there?", false).await;
    assert_eq!(text(&receive(&mut eve).await), "who is there?");
    assert_eq!(text(&receive(&mut ada).await), "let me in");
    for node in [north_node, south_node, west_node] {
        node.drain().await;
    }
}
