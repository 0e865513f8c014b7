//! Finding peers: targets that are dead, names that do not resolve, providers that move.

use std::time::{Duration, Instant};

use causeway::cli::phone::Phone;
use causeway::imps::{Code, UserId};

use super::operators::done;
use crate::world::{World, free_port, modern, receive, text, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";
const EAST: &str = "east.example";

/// Sends; the server must accept it, whatever it knows of the peer.
async fn send(phone: &mut Phone, to: &UserId, words: &str) {
    let answer = phone.send(std::slice::from_ref(to), words, false).await.unwrap();
    assert_eq!(answer.result.code, Code::SUCCESSFUL, "{words}: {answer:?}");
}

fn record(domain: &str) -> String {
    format!("_imps-server._tcp.{domain}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_target_is_used_when_the_first_is_dead() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked(NORTH, SOUTH).await;
    // Given two targets, and nobody at the one that comes first
    let dead = free_port();
    world.laboratory.dns().change(|zone| {
        zone.remove(&record(SOUTH));
        zone.service(&south.provider.domain, (0, 0), ("first.south.example", dead.port()), 60);
        zone.service(&south.provider.domain, (1, 0), ("second.south.example", south.ssp.port()), 60);
        for host in ["first.south.example", "second.south.example"] {
            zone.address(host, dead.ip(), 60);
        }
    });
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    let begin = Instant::now();
    send(&mut ada, &south.user("bo"), "see you at six").await;
    assert_eq!(text(&receive(&mut bo).await), "see you at six");
    assert!(begin.elapsed() < Duration::from_secs(4), "without a pause: {:?}", begin.elapsed());
    // And the good one stays: no more is asked
    let asked = world.laboratory.dns().questions();
    send(&mut ada, &south.user("bo"), "or at seven").await;
    assert_eq!(text(&receive(&mut bo).await), "or at seven");
    assert_eq!(world.laboratory.dns().questions(), asked);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_to_a_configured_peer_wait_until_dns_knows_it() {
    // Given two peers: DNS fails for one, and knows nothing of the other
    let world = World::new().await;
    let north = world.place(NORTH, &[SOUTH, EAST]);
    let (south, east) = (world.place(SOUTH, &[NORTH]), world.place(EAST, &[NORTH]));
    let north_node = world.start(&north).await;
    let south_node = world.start(&south).await;
    let east_node = world.start(&east).await;
    world.laboratory.dns().change(|zone| {
        zone.remove(&record(SOUTH)).fail(&record(SOUTH));
        zone.remove(&record(EAST));
    });
    let mut ada = north.phone("ada", modern()).await;
    let (mut bo, mut di) = (south.phone("bo", modern()).await, east.phone("di", modern()).await);
    // When messages are written to both, then they are accepted, and wait
    for peer in [&south, &east] {
        let user = if peer.provider.domain == south.provider.domain { "bo" } else { "di" };
        send(&mut ada, &peer.user(user), "are you there?").await;
    }
    // But not for a domain that nobody has an agreement with
    let stranger: UserId = "wv:bo@west.example".parse().unwrap();
    let answer = ada.send(&[stranger], "are you there?", false).await.unwrap();
    assert_eq!(answer.result.code, Code::DOMAIN_NOT_SUPPORTED);
    assert!(bo.take().await.unwrap().is_none() && di.take().await.unwrap().is_none());
    // When DNS knows them, then the messages arrive at the next try
    world.laboratory.publish(&south.provider.domain, south.ssp);
    world.laboratory.publish(&east.provider.domain, east.ssp);
    let begin = Instant::now();
    assert_eq!(text(&receive(&mut bo).await), "are you there?");
    assert_eq!(text(&receive(&mut di).await), "are you there?");
    assert!(begin.elapsed() < Duration::from_secs(15), "it took {:?}", begin.elapsed());
    for node in [north_node, south_node, east_node] {
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_moved_is_found_at_its_new_port_at_once() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked(NORTH, SOUTH).await;
    let (mut ada, mut bo) = (north.phone("ada", modern()).await, south.phone("bo", modern()).await);
    send(&mut ada, &south.user("bo"), "before").await;
    assert_eq!(text(&receive(&mut bo).await), "before");
    // And nothing else is under way between them, so that nothing is posted to who is gone
    for (place, peer) in [(&north, SOUTH), (&south, NORTH)] {
        until("each knows what the other offers", async || {
            let shown = done(place, &["peer", "show", peer]).await;
            (!shown.contains("not told")).then_some(())
        })
        .await;
    }
    // When the peer listens elsewhere after a restart; DNS may be kept for a minute
    south_node.drain().await;
    let moved = free_port();
    let file = south.provider.config();
    let lines = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, lines.replace(&south.ssp.to_string(), &moved.to_string())).unwrap();
    let south_node = world.start(&south).await;
    assert_eq!(south_node.addresses().ssp, [moved]);
    // Then it is found there without a pause
    let begin = Instant::now();
    send(&mut ada, &south.user("bo"), "after").await;
    assert_eq!(text(&receive(&mut bo).await), "after");
    assert!(begin.elapsed() < Duration::from_secs(4), "it took {:?}", begin.elapsed());
    north_node.drain().await;
    south_node.drain().await;
}
