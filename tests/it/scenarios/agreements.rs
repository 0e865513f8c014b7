//! Agreements that change while the node runs.

use std::time::Instant;

use causeway::imps::{Code, Primitive};
use causeway::node::Node;

use crate::csp::send;
use crate::peer::{ScriptedPeer, in_session, response};
use crate::process::Process;
use crate::world::{PATIENCE, Place, World, modern, receive, text, today, until};

fn write_peers(place: &Place, text: &str) {
    std::fs::write(place.provider.folder.join("peers.toml"), text).unwrap();
}

/// Writes the only entry anew, with these lines, and has the node read it.
async fn agree(place: &Place, node: &Node, peer: &str, lines: &str) {
    write_peers(place, &format!("[[peer]]\ndomain = \"{peer}\"\nservices = [\"im\"]\n{lines}\n"));
    assert!(node.reload(today()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_peer_is_suspended_nothing_flows_and_nothing_is_lost() {
    // Given a live link
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    send(&mut ada, &["wv:bo@south.example"], "before", false).await;
    assert_eq!(text(&receive(&mut bo).await), "before");
    // When north suspends south
    agree(&north, &north_node, "south.example", "state = \"suspended\"").await;
    // Then the link is left on both sides, and messages wait where they are
    north.link_is("south.example", false).await;
    south.link_is("north.example", false).await;
    send(&mut ada, &["wv:bo@south.example"], "from north", false).await;
    send(&mut bo, &["wv:ada@north.example"], "from south", false).await;
    let turned_away = "causeway_ssp_refused_total{peer=\"south.example\",reason=\"suspended\"}";
    until("south is turned away", async || (north.metric(turned_away).await > 0.0).then_some(())).await;
    assert_eq!(bo.poll().await.unwrap(), None);
    assert_eq!(ada.poll().await.unwrap(), None);
    // When the agreement is in force again
    agree(&north, &north_node, "south.example", "").await;
    // Then everything arrives
    assert_eq!(text(&receive(&mut bo).await), "from north");
    assert_eq!(text(&receive(&mut ada).await), "from south");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_closed_or_gone_is_as_if_it_had_never_been() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let bo = "wv:bo@south.example";
    south.phone("bo", modern()).await;
    send(&mut ada, &[bo], "before", false).await;
    for (number, closed) in ["state = \"closed\"", "valid-until = 2020-01-01"].into_iter().enumerate() {
        // Given a message that waits
        agree(&north, &north_node, "south.example", "state = \"suspended\"").await;
        north.link_is("south.example", false).await;
        send(&mut ada, &[bo], &format!("waits {number}"), false).await;
        // When the agreement ends
        agree(&north, &north_node, "south.example", closed).await;
        // Then the author hears of it, and new messages have no way
        let Primitive::DeliveryReport(report) = receive(&mut ada).await else { panic!("no report") };
        assert_eq!(report.result.code, Code::DOMAIN_NOT_SUPPORTED);
        let answer = ada.send(&[bo.parse().unwrap()], "hello?", false).await.unwrap();
        assert_eq!(answer.result.code, Code::DOMAIN_NOT_SUPPORTED);
    }
    // When the entry is taken out, and later put in again
    write_peers(&north, "");
    assert!(north_node.reload(today()).await);
    let answer = ada.send(&[bo.parse().unwrap()], "hello?", false).await.unwrap();
    assert_eq!(answer.result.code, Code::DOMAIN_NOT_SUPPORTED);
    agree(&north, &north_node, "south.example", "").await;
    let answer = ada.send(&[bo.parse().unwrap()], "back again", false).await.unwrap();
    assert_eq!(answer.result.code, Code::SUCCESSFUL);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_peer_is_taken_up_and_files_with_mistakes_are_not() {
    // Given a node without peers
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let south = world.place("south.example", &["north.example"]);
    let north_node = world.start(&north).await;
    let south_node = world.start(&south).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    // When it gets one
    agree(&north, &north_node, "south.example", "").await;
    send(&mut ada, &["wv:bo@south.example"], "new neighbours", false).await;
    assert_eq!(text(&receive(&mut bo).await), "new neighbours");
    // And when the file then holds a mistake
    write_peers(&north, "[[peer]]\ndomain = \"south.example\"\nservices = [\"chat\"]\n");
    assert!(!north_node.reload(today()).await);
    // Then all is as it was
    send(&mut ada, &["wv:bo@south.example"], "still there", false).await;
    assert_eq!(text(&receive(&mut bo).await), "still there");
    let bad = "causeway_reload_total{outcome=\"bad\",what=\"peers\"}";
    assert!((north.metric(bad).await - 1.0).abs() < f64::EPSILON);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_signal_reads_the_files_again() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let process = Process::start(&north).await;
    write_peers(&north, "[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\n");
    process.signal("HUP");
    let good = "causeway_reload_total{outcome=\"good\",what=\"peers\"}";
    until("it is read", async || (north.metric(good).await > 0.0).then_some(())).await;
    let (_, metrics) = north.admin("/metrics").await;
    assert!(metrics.contains("causeway_ssp_link_up{peer=\"south.example\"} 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_peer_does_not_offer_is_not_asked_of_it() {
    let world = World::new().await;
    let north = world.place("north.example", &["south.example"]);
    let south = ScriptedPeer::start(&world, &north, "south.example").await;
    south.hear_discovery();
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a peer whose tree holds no messages
    let session = south.log_in(1).await;
    let asked = south.next().await;
    let tree = "<GetServiceResponse><Status code=\"200\"/><Functions><WVSSPFeat><PresenceFeat/></WVSSPFeat>\
                </Functions></GetServiceResponse>";
    south.say(&in_session(&session.ours, &[response(asked.transaction().id.as_str(), tree)])).await;
    // Then authors hear that it is not agreed, and the peer hears nothing
    let to = "wv:bo@south.example".parse().unwrap();
    let begin = Instant::now();
    loop {
        let answer = ada.send(std::slice::from_ref(&to), "hello?", false).await.unwrap();
        if answer.result.code == Code::SERVICE_NOT_AGREED {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "the offer does not count");
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_without_a_service_tree_is_a_legacy_peer_also_after_a_restart() {
    let world = World::new().await;
    let north = world.place("north.example", &["south.example"]);
    let south = ScriptedPeer::start(&world, &north, "south.example").await;
    south.hear_discovery();
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let session = south.log_in(1).await;
    let asked = south.next().await;
    let refusal = response(asked.transaction().id.as_str(), "<Status code=\"405\"/>");
    south.say(&in_session(&session.ours, &[refusal])).await;
    node.drain().await;
    // When the node starts again
    let node = world.start(&north).await;
    // Then it asks no more, and what it sends has the narrow form: content is BASE64
    send(&mut ada, &["wv:bo@south.example"], "narrow", false).await;
    let heard = south.next().await;
    assert!(heard.text.contains("encoding=\"base64\""), "{}", heard.text);
    node.drain().await;
}

/// The next POST of the node that holds this primitive, and the transaction it came in.
async fn heard(peer: &ScriptedPeer, name: &str) -> (String, String) {
    loop {
        let heard = peer.next().await;
        if heard.text.contains(&format!("<{name}>")) {
            return (heard.transaction().id.to_string(), heard.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn less_is_wanted_than_is_offered_and_an_offer_that_changes_is_told() {
    let world = World::new().await;
    let north = world.place("north.example", &["south.example"]);
    let south = ScriptedPeer::start(&world, &north, "south.example").await;
    south.hear_discovery();
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a peer that offers messages and presence to a node that has agreed to messages alone
    let session = south.log_in(1).await;
    let (asked, _) = heard(&south, "GetServiceRequest").await;
    let tree = |name: &str, features: &str| {
        format!(
            "<{name}><Status code=\"200\"/><Functions><WVSSPFeat>{features}</WVSSPFeat></Functions></{name}>"
        )
    };
    let messages = "<IMFeat><Feature name=\"SENDM\"/><Feature name=\"DLR\"/></IMFeat>";
    let offer = tree("GetServiceResponse", &format!("<PresenceFeat/>{messages}"));
    south.say(&in_session(&session.ours, &[response(&asked, &offer)])).await;
    // Then it is told what is wanted
    let (wish, text) = heard(&south, "ServiceRequest").await;
    assert!(text.contains(messages) && !text.contains("PresenceFeat"), "{text}");
    south.say(&in_session(&session.ours, &[response(&wish, &tree("ServiceResponse", messages))])).await;
    // When its offer becomes nothing, authors hear so on the live link
    let meta = "<MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@south.example\"/></MetaInfo>";
    let nothing = format!("<ServiceIndication>{meta}<Functions><WVSSPFeat/></Functions></ServiceIndication>");
    assert_eq!(south.ask(&session, "i1", &nothing).await.code(), 200);
    let to = "wv:bo@south.example".parse().unwrap();
    let answer = ada.send(std::slice::from_ref(&to), "hello?", false).await.unwrap();
    assert_eq!(answer.result.code, Code::SERVICE_NOT_AGREED);
    // And when ours grows with the agreement, the peer hears it, and is asked anew
    agree(&north, &node, "south.example", "note = \"the same services\"").await;
    write_peers(&north, "[[peer]]\ndomain = \"south.example\"\nservices = [\"im\", \"presence\"]\n");
    assert!(node.reload(today()).await);
    let mut texts = [south.next().await.text, south.next().await.text];
    texts.sort_by_key(|text| text.contains("<GetServiceRequest>"));
    let [told, asked] = texts;
    assert!(told.contains("<ServiceIndication>") && asked.contains("<GetServiceRequest>"), "{told} {asked}");
    assert!(told.contains("<Feature name=\"SUBPR\"/>") && told.contains(messages), "{told}");
    // And when the peer wants less of it, it gets no more, until it wants more
    let wants = |features: &str| {
        format!(
            "<ServiceRequest>{meta}<Functions><WVSSPFeat>{features}</WVSSPFeat></Functions></ServiceRequest>"
        )
    };
    let granted = south.ask(&session, "w1", &wants("<IMFeat/>")).await.text;
    assert!(granted.contains(messages) && !granted.contains("PresenceFeat"), "{granted}");
    let watches = "<SubscribeRequest><MetaInfo clientOriginated=\"Yes\"><Requestor \
                   serviceID=\"wv:@south.example\"><User userID=\"wv:bo@south.example\"/></Requestor></MetaInfo>\
                   <UserID userID=\"wv:ada@north.example\"/></SubscribeRequest>";
    assert_eq!(south.ask(&session, "s1", watches).await.code(), 506);
    let granted = south.ask(&session, "w2", &wants("<IMFeat/><PresenceFeat/>")).await.text;
    assert!(granted.contains("PresenceFeat"), "{granted}");
    assert_eq!(south.ask(&session, "s2", watches).await.code(), 200);
    node.drain().await;
}
