//! Files that change while a node runs, and what follows for links that are up.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use causeway::imps::DateTime;
use causeway::net::pki::{self, Authority};

use super::operators::{done, refused};
use crate::csp::send;
use crate::world::{Place, World, modern, receive, text, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";

async fn at_least(place: &Place, line: &str, value: f64) {
    until(line, async || (place.metric(line).await >= value).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_is_read_without_being_told_and_one_with_mistakes_is_not_followed() {
    let world = World::new().await;
    let north = world.place(NORTH, &[]);
    let south = world.place(SOUTH, &[NORTH]);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    // A new peer is taken up
    let peers = north.provider.folder.join("peers.toml");
    fs::write(&peers, "[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\n").unwrap();
    at_least(&north, "causeway_reload_total{outcome=\"good\",what=\"peers\"}", 1.0).await;
    send(&mut ada, &["wv:bo@south.example"], "new neighbours", false).await;
    assert_eq!(text(&receive(&mut bo).await), "new neighbours");
    // A mistake is told once, and nothing changes
    fs::write(&peers, "[[peer]]\ndomain = \"south.example\"\nservices = [\"chat\"]\n").unwrap();
    let bad = "causeway_reload_total{outcome=\"bad\",what=\"peers\"}";
    at_least(&north, bad, 1.0).await;
    send(&mut ada, &["wv:bo@south.example"], "still there", false).await;
    assert_eq!(text(&receive(&mut bo).await), "still there");
    // When it is mended, that is followed
    fs::write(&peers, "[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\nstate = \"closed\"\n")
        .unwrap();
    north.link_is(SOUTH, false).await;
    assert!((north.metric(bad).await - 1.0).abs() < f64::EPSILON);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_whose_certificate_is_revoked_loses_its_link_until_it_has_another() {
    // Given a link between two who believe each other, and a revocation list that names nobody
    let world = World::new().await;
    let (north, south) = (world.place(NORTH, &[SOUTH]), world.place(SOUTH, &[NORTH]));
    let folder = world.laboratory.folder();
    let authority = Authority::load(folder).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let soon = DateTime::from_unix(i64::try_from(now).unwrap() + 3600);
    let list = folder.join("crl.pem");
    fs::write(&list, authority.revocation_list(&[], soon).unwrap()).unwrap();
    let config = north.provider.config();
    let written = fs::read_to_string(&config).unwrap();
    fs::write(&config, written.replace("[ssp]\n", "[ssp]\ncrls = [\"../crl.pem\"]\n")).unwrap();
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    send(&mut ada, &["wv:bo@south.example"], "before", false).await;
    assert_eq!(text(&receive(&mut bo).await), "before");
    send(&mut bo, &["wv:ada@north.example"], "likewise", false).await;
    assert_eq!(text(&receive(&mut ada).await), "likewise");
    // When the CA revokes south's certificate
    let certificate = fs::read_to_string(folder.join("south.example.pem")).unwrap();
    fs::write(&list, authority.revocation_list(&[&certificate], soon).unwrap()).unwrap();
    // Then the link is closed, on connections that are open too, and what is said waits on both sides
    north.link_is(SOUTH, false).await;
    send(&mut ada, &["wv:bo@south.example"], "from north", false).await;
    send(&mut bo, &["wv:ada@north.example"], "from south", false).await;
    at_least(&north, "causeway_ssp_refused_total{peer=\"other\",reason=\"handshake\"}", 1.0).await;
    assert!(refused(&north, &["peer", "test", SOUTH]).await.contains("revoked"));
    assert_eq!(ada.poll().await.unwrap(), None);
    assert_eq!(bo.poll().await.unwrap(), None);
    // When south has another certificate, which it takes up by itself
    pki::issue(folder, &[SOUTH.parse().unwrap()], true).unwrap();
    let taken_up = "causeway_reload_total{outcome=\"good\",what=\"certificates\"}";
    at_least(&south, taken_up, 1.0).await;
    done(&north, &["peer", "retry", SOUTH]).await;
    // Then everything arrives
    assert_eq!(text(&receive(&mut bo).await), "from north");
    assert_eq!(text(&receive(&mut ada).await), "from south");
    north_node.drain().await;
    south_node.drain().await;
}
