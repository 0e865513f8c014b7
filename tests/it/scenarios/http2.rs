//! Two nodes of our own kind talk over HTTP/2, one connection for a link; who takes HTTP/1.1 alone is spoken to in it.

use causeway::cli::laboratory::Writing;

use crate::csp::send;
use crate::world::{Place, World, modern, receive, text, until};

const OURS: &str = "services = [\"im\"]\nprofile = \"causeway\"";

/// The version of HTTP that the operator of this place sees on its link.
async fn spoken(place: &Place, peer: &str) -> String {
    let shown = until("the peer has answered a POST", async || {
        let (_, shown) = place.admin(&format!("/api/v1/peers/{peer}")).await;
        let shown: serde_json::Value = serde_json::from_str(&shown).ok()?;
        shown["links"][0]["http"].as_str().map(ToOwned::to_owned)
    });
    shown.await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_our_kind_talk_over_http_2_and_one_that_does_not_know_it_over_http_1_1() {
    // Given three nodes that hold each other for their own kind, one of which takes HTTP/1.1 alone
    let world = World::new().await;
    let (first, second, old) = ("north.two.example", "south.two.example", "old.two.example");
    let with = |domain: &str, peers: &[&str], ssp_lines: &str| {
        world.place_with(domain, &Writing { peers, agreement: OURS, ssp_lines, ..Writing::default() })
    };
    let (north, south) = (with(first, &[second, old], ""), with(second, &[first], ""));
    let east = with(old, &[first], "http2 = false");
    let nodes = [world.start(&north).await, world.start(&south).await, world.start(&east).await];
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut cy = east.phone("cy", modern()).await;
    // When many messages go to both, in one order
    for number in 0..40 {
        for to in ["wv:bo@south.two.example", "wv:cy@old.two.example"] {
            send(&mut ada, &[to], &format!("words {number}"), false).await;
        }
    }
    // Then all of them arrive, once and in that order, and answers come back
    for number in 0..40 {
        assert_eq!(text(&receive(&mut bo).await), format!("words {number}"));
        assert_eq!(text(&receive(&mut cy).await), format!("words {number}"));
    }
    send(&mut bo, &["wv:ada@north.two.example"], "and back", false).await;
    assert_eq!(text(&receive(&mut ada).await), "and back");
    // And no answer needed a POST of its own
    let posts = south
        .metric(&format!("causeway_ssp_posts_total{{direction=\"out\",peer=\"{first}\",status=\"200\"}}"))
        .await;
    assert!(posts < 20.0, "{posts} POSTs for forty answers and a message");
    // And operators see what is spoken
    assert_eq!((spoken(&north, second).await, spoken(&south, first).await), ("2".into(), "2".into()));
    assert_eq!((spoken(&north, old).await, spoken(&east, first).await), ("1.1".into(), "1.1".into()));
    for node in nodes {
        node.drain().await;
    }
}
