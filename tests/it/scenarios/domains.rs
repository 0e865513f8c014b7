//! One node that is home to two domains.

use std::fs;

use causeway::cli::laboratory::Provider;
use causeway::imps::{Code, Primitive, Version};
use causeway::net::pki;
use causeway::wire::Encoding;

use crate::csp::{message, report, send};
use crate::world::{Place, World, manner, modern, receive, text};

/// A node for both domains with one certificate, and a peer that knows both.
fn two_homes(world: &World) -> (Place, Place) {
    let north = world.place("north.example", &["south.example"]);
    let both = ["north.example".parse().unwrap(), "west.example".parse().unwrap()];
    pki::issue(world.laboratory.folder(), &both, true).unwrap();
    let file = north.provider.config();
    let written = fs::read_to_string(&file).unwrap();
    let domains = "domains = [\"north.example\", \"west.example\"]";
    fs::write(&file, written.replace("domains = [\"north.example\"]", domains)).unwrap();
    world.laboratory.publish(&both[1], north.ssp);
    let south = world.place("south.example", &["north.example", "west.example"]);
    (north, south)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_every_domain_of_a_node_write_and_read_under_their_own_name() {
    let world = World::new().await;
    let (north, south) = two_homes(&world);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let west = Place {
        provider: Provider { domain: "west.example".parse().unwrap(), ..north.provider.clone() },
        ..north
    };
    let mut ada = north.phone("ada", modern()).await;
    let mut wes = west.phone("wes", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", modern()).await;
    // Abroad and back, with the report
    let id = send(&mut wes, &["wv:bo@south.example"], "from the west", true).await;
    let Primitive::NewMessage(new) = receive(&mut bo).await else { panic!("no message") };
    assert_eq!(new.info.author().unwrap().id, west.user("wes"));
    assert!(id.as_str().ends_with("@west.example"), "the id names the home that gave it");
    assert_eq!(report(receive(&mut wes).await).info.id, Some(id));
    // One message for both domains, over two links
    let answer = bo.send(&[north.user("ada"), west.user("wes"), west.user("ada")], "to both", false).await;
    let answer = answer.unwrap();
    assert_eq!(answer.result.code, Code::PARTIALLY_SUCCESSFUL, "there is an ada in the north only");
    assert_eq!(text(&receive(&mut ada).await), "to both");
    assert_eq!(text(&receive(&mut wes).await), "to both");
    // From one to the other under one roof
    send(&mut ada, &["wv:wes@west.example"], "neighbour", false).await;
    assert_eq!(text(&receive(&mut wes).await), "neighbour");
    // A name without domain is one of the writer's own
    let alone = message(&wes, &["wv:ada"], "hello");
    assert_eq!(wes.send_message(alone).await.unwrap().result.code, Code::UNKNOWN_USER);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_several_domains_runs_an_element_in_the_name_of_the_one_that_is_agreed() {
    let world = World::new().await;
    let (north, south) = two_homes(&world);
    // Given a home that delegates its messages to the second domain of a node, and knows the first one too
    let entry = |domain: &str, lines: &str| {
        format!("[[peer]]\ndomain = \"{domain}\"\nservices = [\"im\"]\n{lines}\n")
    };
    let hosts = entry("south.example", "hosts = [\"im\"]\nhosts-as = \"west.example\"");
    fs::write(north.provider.folder.join("peers.toml"), hosts).unwrap();
    let delegates = entry("north.example", "") + &entry("west.example", "delegates = [\"im\"]");
    fs::write(south.provider.folder.join("peers.toml"), delegates).unwrap();
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut cy = south.phone("cy", modern()).await;
    // When somebody at home and somebody of the other domain write to its user
    for author in [&mut cy, &mut ada] {
        let id = send(author, &["wv:bo@south.example"], "by the element", true).await;
        // Then the element hands it over in the right name, and its author hears of it
        assert_eq!(text(&receive(&mut bo).await), "by the element");
        assert_eq!(report(receive(author).await).info.id, Some(id));
    }
    north_node.drain().await;
    south_node.drain().await;
}
