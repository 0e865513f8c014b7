//! Federation that is open: providers without an entry for each other.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::{Code, Primitive, UserId};
use causeway::net::pki::{Authority, LeafOptions};
use causeway::relay::guests::GUESTS_MAX;
use causeway::relay::ports::{Change, Guest, OperatorsChange, Store as _};
use causeway::sap::{Clock as _, SystemClock};
use causeway::store::sqlite::{Settings, Sqlite};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;

use super::operators::{done, json, refused};
use super::presence::{SEEN, hears, open_to_all, publish, subscribe};
use crate::csp::send;
use crate::peer::{MEDIA_TYPE, ScriptedPeer, connector, exchange, in_session, request};
use crate::world::{Place, World, modern, receive, text, today, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";
const ADA: &str = "wv:ada@north.example";
const BO: &str = "wv:bo@south.example";

fn open(world: &World, domain: &str) -> Place {
    world.place_with(domain, &Writing { ssp_lines: "federation = \"open\"\n", ..Writing::default() })
}

fn record(domain: &str) -> String {
    format!("_imps-server._tcp.{domain}")
}

/// How a peer stands with the node of a place; `None`: it is not listed.
async fn standing(place: &Place, peer: &str) -> Option<(String, String)> {
    let peers = json(place, &["peer", "list"]).await;
    let found = peers.as_array().unwrap().iter().find(|found| found["domain"] == peer)?;
    let word = |name: &str| found[name].as_str().unwrap().to_owned();
    Some((word("state"), word("by")))
}

fn guest() -> (String, String) {
    ("active".to_owned(), "guest".to_owned())
}

async fn code(phone: &mut Phone, to: &str) -> Code {
    phone.send(&[to.parse::<UserId>().unwrap()], "hello?", false).await.unwrap().result.code
}

fn rewrite(place: &Place, from: &str, to: &str) {
    let config = std::fs::read_to_string(place.provider.config()).unwrap();
    assert!(config.contains(from), "{config}");
    std::fs::write(place.provider.config(), config.replace(from, to)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_providers_without_entries_talk_and_see_each_other_also_after_a_restart() {
    // Given two providers that are open and have never heard of each other
    let world = World::new().await;
    let (north, south) = (open(&world, NORTH), open(&world, SOUTH));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    assert_eq!(standing(&north, SOUTH).await, None);
    // When one writes, then it arrives, and both are guests of each other
    send(&mut ada, &[BO], "is anybody there?", false).await;
    assert_eq!(text(&receive(&mut bo).await), "is anybody there?");
    send(&mut bo, &[ADA], "come in", false).await;
    assert_eq!(text(&receive(&mut ada).await), "come in");
    assert_eq!(standing(&north, SOUTH).await, Some(guest()));
    assert_eq!(standing(&south, NORTH).await, Some(guest()));
    // And they see each other
    open_to_all(&mut ada, SEEN).await;
    publish(&mut ada, "at the harbour").await;
    assert_eq!(subscribe(&mut bo, &[ADA]).await.code, Code::SUCCESSFUL);
    hears(&mut bo, "at the harbour").await;
    // With budgets, without search, and counted together with all others
    let shown = json(&north, &["peer", "show", SOUTH]).await;
    assert_eq!(shown["services"]["agreed"], serde_json::json!(["presence", "im", "group"]));
    assert_eq!((&shown["messages_per_second"], &shown["guest"]), (&Value::from(50), &Value::from(true)));
    assert!((north.metric("causeway_ssp_link_up{peer=\"other\"}").await - 1.0).abs() < f64::EPSILON);
    // When a message waits while the north starts again
    south_node.drain().await;
    send(&mut ada, &[BO], "good night", false).await;
    north_node.drain().await;
    let north_node = world.start(&north).await;
    // Then it is still known for whom it is, and arrives
    assert_eq!(standing(&north, SOUTH).await, Some(guest()));
    let south_node = world.start(&south).await;
    done(&north, &["peer", "retry", SOUTH]).await;
    crate::csp::reconnect(&mut bo).await;
    assert_eq!(text(&receive(&mut bo).await), "good night");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_nowhere_is_516_and_what_dns_cannot_say_waits() {
    let world = World::new().await;
    let (north, south) = (open(&world, NORTH), open(&world, SOUTH));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    // Given a domain that DNS does not have, and one for which DNS fails
    world.laboratory.dns().change(|zone| {
        zone.remove(&record(SOUTH)).fail(&record(SOUTH));
    });
    assert_eq!(code(&mut ada, "wv:x@nowhere.example").await, Code::DOMAIN_NOT_SUPPORTED);
    assert_eq!(standing(&north, "nowhere.example").await, None, "it has not become anything");
    // Also when there are very many of them in one request
    let many: Vec<UserId> =
        (0..100).map(|number| format!("wv:x@n{number}.example").parse().unwrap()).collect();
    let answer = ada.send(&many, "anybody?", false).await.unwrap();
    assert_eq!(answer.result.code, Code::DOMAIN_NOT_SUPPORTED, "{:?}", answer.result);
    // Then what is for the other is accepted, and arrives once DNS answers
    send(&mut ada, &[BO], "whenever you can", false).await;
    assert_eq!(standing(&north, SOUTH).await, Some(guest()));
    world.laboratory.publish(&south.provider.domain, south.ssp);
    assert_eq!(text(&receive(&mut bo).await), "whenever you can");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_closed_to_strangers_turns_open_ones_away() {
    // Given a provider that is open, and one that is not
    let world = World::new().await;
    let (north, south) = (open(&world, NORTH), world.place(SOUTH, &[]));
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    // Then the one waits, and the other has no way
    send(&mut ada, &[BO], "hello?", false).await;
    let unknown = "causeway_ssp_refused_total{peer=\"other\",reason=\"unknown-peer\"}";
    until("north is turned away", async || (south.metric(unknown).await > 0.0).then_some(())).await;
    assert_eq!(code(&mut bo, ADA).await, Code::DOMAIN_NOT_SUPPORTED);
    assert_eq!(standing(&south, NORTH).await, None);
    // When it opens, then it is met
    rewrite(&south, "[ssp]\n", "[ssp]\nfederation = \"open\"\n");
    assert!(south_node.reload(today()).await);
    done(&north, &["peer", "retry", SOUTH]).await;
    assert_eq!(text(&receive(&mut bo).await), "hello?");
    // When the north blocks or suspends its guest, that counts
    done(&north, &["peer", "suspend", SOUTH]).await;
    north.link_is("other", false).await;
    send(&mut ada, &[BO], "waits", false).await;
    done(&north, &["peer", "resume", SOUTH]).await;
    assert_eq!(text(&receive(&mut bo).await), "waits");
    done(&north, &["block", "add", SOUTH, "--reason", "noise"]).await;
    assert_eq!(code(&mut ada, BO).await, Code::DOMAIN_NOT_SUPPORTED);
    assert_eq!(code(&mut ada, "wv:di@south.example").await, Code::DOMAIN_NOT_SUPPORTED);
    done(&north, &["block", "remove", SOUTH]).await;
    // When it closes again, then guests are gone, and what waits for them goes back
    done(&north, &["peer", "suspend", SOUTH]).await;
    send(&mut ada, &[BO], "too late", false).await;
    rewrite(&north, "federation = \"open\"\n", "federation = \"closed\"\n");
    assert!(north_node.reload(today()).await);
    let Primitive::DeliveryReport(report) = receive(&mut ada).await else { panic!("no report") };
    assert_eq!(report.result.code, Code::DOMAIN_NOT_SUPPORTED);
    assert_eq!(standing(&north, SOUTH).await, None);
    assert_eq!(code(&mut ada, BO).await, Code::DOMAIN_NOT_SUPPORTED);
    assert!(refused(&north, &["peer", "show", SOUTH]).await.contains("no entry"));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_a_guest_in_the_name_of_its_certificate_alone_and_begins_with_a_set_up() {
    // Given a node that is open, with one peer, and Eve, who has a good certificate of her own domain
    let world = World::new().await;
    let writing = Writing {
        peers: &["east.guest.example"],
        agreement: "services = [\"im\"]\ntrust = [\"other.pem\"]\n",
        ssp_lines: "federation = \"open\"\n",
        ..Writing::default()
    };
    let north = world.place_with("north.guest.example", &writing);
    let other = Authority::new("another CA").unwrap();
    std::fs::write(north.provider.folder.join("other.pem"), other.certificate_pem()).unwrap();
    let eve = ScriptedPeer::start(&world, &north, "eve.guest.example").await;
    let node = world.start(&north).await;
    let asked = world.laboratory.dns().questions();
    // When she speaks for others, or without a set-up, or at length
    let step = eve.token("Request", "x1");
    for other in
        ["wv:@east.guest.example", "wv:@north.guest.example", "wv:@west.guest.example", "wv:@localhost"]
    {
        assert_eq!(eve.post(&step.replace("wv:@eve.guest.example", other)).await.status, 403, "{other}");
    }
    let words =
        eve.message("m1", "wv:eve@eve.guest.example", &["wv:ada@north.guest.example"], "buy a watch", false);
    let said = in_session("Sc1@eve.guest.example", &[request("t1", &words)]);
    assert_eq!(eve.post(&said).await.status, 403);
    let long = step.replace("</", &format!("{}</", " ".repeat(20_000)));
    assert_eq!(eve.post(&long).await.status, 413);
    // Then she is nobody, and no name was looked up for her
    assert_eq!(standing(&north, "eve.guest.example").await, None);
    assert_eq!(world.laboratory.dns().questions(), asked);
    // When she begins in her own name, then she is a guest
    assert_eq!(eve.post(&step).await.status, 200);
    assert_eq!(standing(&north, "eve.guest.example").await, Some(guest()));
    assert_eq!(standing(&north, "east.guest.example").await.unwrap().1, "peers.toml");
    // And the CA that may vouch for one peer makes no guests
    let domain = "west.guest.example".parse().unwrap();
    let issued = other.issue(&[domain], &LeafOptions::default()).unwrap();
    let ours = std::fs::read_to_string(world.laboratory.folder().join("ca.pem")).unwrap();
    let stream = TcpStream::connect(north.ssp).await.unwrap();
    let name = ServerName::try_from("north.guest.example").unwrap();
    let stream = connector(&ours, Some(&issued)).connect(name, stream).await.unwrap();
    let step = step.replace("eve.guest.example", "west.guest.example");
    let head = "POST / HTTP/1.1\r\nHost: north.guest.example\r\nContent-Type:";
    let post = format!("{head} {MEDIA_TYPE}\r\nContent-Length: {}\r\n\r\n{step}", step.len());
    assert_eq!(exchange(stream, post.as_bytes()).await.unwrap().status, 403);
    assert_eq!(standing(&north, "west.guest.example").await, None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_in_a_crowd_come_in_one_after_the_other_and_the_others_are_put_off() {
    // Given very many domains, of which DNS cannot say whether they are served
    let world = World::new().await;
    let north = open(&world, NORTH);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let crowd: Vec<String> = (0..400).map(|number| format!("n{number}.example")).collect();
    world.laboratory.dns().change(|zone| {
        for domain in &crowd {
            zone.fail(&record(domain));
        }
    });
    // When one request names all of them, then it is to be asked again later
    let all: Vec<UserId> = crowd.iter().map(|domain| format!("wv:x@{domain}").parse().unwrap()).collect();
    let answer = ada.send(&all, "hello, everybody", false).await.unwrap();
    assert_eq!(answer.result.code, Code::SERVICE_UNAVAILABLE);
    // And those that were met so far are reached by the next
    let peers = json(&north, &["peer", "list"]).await;
    let met: Vec<_> = peers.as_array().unwrap().iter().map(|peer| peer["domain"].as_str().unwrap()).collect();
    assert!(!met.is_empty() && met.len() < crowd.len(), "{}", met.len());
    assert_eq!(code(&mut ada, &format!("wv:x@{}", met[0])).await, Code::SUCCESSFUL);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_that_is_full_of_guests_tells_the_next_to_come_later() {
    // Given a node that has as many guests as there may be, but one
    let world = World::new().await;
    let north = open(&world, "north.full.example");
    let now = SystemClock::default().now();
    let known = (1..GUESTS_MAX)
        .map(|number| Guest { domain: format!("n{number}.full.example").parse().unwrap(), used: now });
    let changes = known.map(|guest| Change::Operators(OperatorsChange::Guest(guest))).collect();
    let store = Sqlite::open(&Settings::at(north.provider.folder.join("data"))).unwrap();
    store.commit(changes).await.unwrap();
    store.close();
    let eve = ScriptedPeer::start(&world, &north, "eve.full.example").await;
    let mallory = ScriptedPeer::start(&world, &north, "mallory.full.example").await;
    let node = world.start(&north).await;
    // When two more come, then one of them is the last
    assert_eq!(eve.post(&eve.token("Request", "x1")).await.status, 200);
    let answer = mallory.post(&mallory.token("Request", "x1")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("60")));
    assert_eq!(standing(&north, "mallory.full.example").await, None);
    // And whom a user of ours asks for next waits, too
    let mut ada = north.phone("ada", modern()).await;
    assert_eq!(code(&mut ada, "wv:m@mallory.full.example").await, Code::SERVICE_UNAVAILABLE);
    assert_eq!(code(&mut ada, "wv:n@n1.full.example").await, Code::SUCCESSFUL);
    node.drain().await;
}
