//! Traffic of others: a hub between providers that have no agreement with each other.

use causeway::cli::laboratory::Writing;
use causeway::imps::{Code, Primitive};
use causeway::node::Node;

use crate::csp::{report, send};
use crate::peer::{MEDIA_TYPE, Reply, ScriptedPeer, Session, in_session, request, response, sent};
use crate::world::{Place, World, modern, receive, text, until};

const SERVICES: &str = "services = [\"im\", \"presence\", \"group\"]";

fn peer(domain: &str, lines: &str) -> String {
    format!("[[peer]]\ndomain = \"{domain}\"\n{SERVICES}\n{lines}\n")
}

fn transit(from: &str, to: &str, via: &str) -> String {
    format!("[[transit]]\nfrom = \"{from}\"\nto = \"{to}\"\nvia = \"{via}\"\n")
}

/// A place with these entries in its `peers.toml`.
fn place(world: &World, domain: &str, entries: &[String]) -> Place {
    let place = world.place_with(domain, &Writing::default());
    std::fs::write(place.provider.folder.join("peers.toml"), entries.concat()).unwrap();
    place
}

/// North and east, who know the hub alone.
fn three(world: &World) -> (Place, Place, Place) {
    let north = place(world, "north.example", &[peer("hub.example", "carries = [\"east.example\"]")]);
    let east = place(world, "east.example", &[peer("hub.example", "carries = [\"north.example\"]")]);
    let hub = place(
        world,
        "hub.example",
        &[
            peer("north.example", ""),
            peer("east.example", ""),
            transit("north.example", "east.example", "east.example"),
            transit("east.example", "north.example", "north.example"),
        ],
    );
    (north, hub, east)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_passes_through_a_hub_and_its_report_comes_back() {
    // Given two providers that have an agreement with a hub only
    let world = World::new().await;
    let (north, hub, east) = three(&world);
    let nodes: Vec<Node> = vec![world.start(&hub).await, world.start(&north).await, world.start(&east).await];
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = east.phone("bo", modern()).await;
    // When
    let id = send(&mut ada, &["wv:bo@east.example"], "by way of the hub", true).await;
    // Then it arrives as if there were no hub
    let message = receive(&mut bo).await;
    assert_eq!(text(&message), "by way of the hub");
    let Primitive::NewMessage(new) = &message else { panic!("{message:?}") };
    assert_eq!(new.info.author().unwrap().id.as_str(), "wv:ada@north.example");
    assert_eq!(new.info.id.as_ref(), Some(&id));
    // And what the recipient's provider says comes back: the report, and that there is no such user
    let told = report(receive(&mut ada).await);
    assert_eq!((told.result.code, told.info.id), (Code::SUCCESSFUL, Some(id)));
    let answer = ada.send(&["wv:nobody@east.example".parse().unwrap()], "hello?", false).await.unwrap();
    assert_eq!(answer.result.code, Code::UNKNOWN_USER);
    let passed =
        "causeway_ssp_transit_total{from=\"north.example\",outcome=\"answered\",to=\"east.example\"}";
    assert!((hub.metric(passed).await - 2.0).abs() < f64::EPSILON);
    // But the hub's own users are reached as ever, and others are not
    let answer = ada.send(&["wv:x@west.example".parse().unwrap()], "hello?", false).await.unwrap();
    assert_eq!(answer.result.code, Code::DOMAIN_NOT_SUPPORTED);
    for node in nodes {
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_hub_has_taken_survives_it() {
    // Given a hub whose next hop is not there
    let world = World::new().await;
    let (north, hub, east) = three(&world);
    let hub_node = world.start(&hub).await;
    let north_node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // When a message was taken by the hub, and the hub starts again
    send(&mut ada, &["wv:bo@east.example"], "patience", false).await;
    let waiting =
        "causeway_ssp_transit_total{from=\"north.example\",outcome=\"accepted\",to=\"east.example\"}";
    until("the hub takes it", async || (hub.metric(waiting).await > 0.0).then_some(())).await;
    north_node.drain().await;
    hub_node.drain().await;
    let hub_node = world.start(&hub).await;
    let east_node = world.start(&east).await;
    // Then it arrives without its author's provider
    let mut bo = east.phone("bo", modern()).await;
    assert_eq!(text(&receive(&mut bo).await), "patience");
    hub_node.drain().await;
    east_node.drain().await;
}

/// A hub between two scripted peers of our own kind.
async fn scripted(world: &World, transits: &[String]) -> (Place, Node, Script, Script) {
    let ours = "profile = \"causeway\"";
    scripted_as(world, [ours, ours], transits).await
}

/// A hub between two scripted peers with these lines in their entries.
async fn scripted_as(world: &World, lines: [&str; 2], transits: &[String]) -> (Place, Node, Script, Script) {
    let entries: Vec<String> = [peer("south.example", lines[0]), peer("east.example", lines[1])]
        .into_iter()
        .chain(transits.iter().cloned())
        .collect();
    let hub = place(world, "hub.example", &entries);
    let south = ScriptedPeer::start(world, &hub, "south.example").await;
    let east = ScriptedPeer::start(world, &hub, "east.example").await;
    let node = world.start(&hub).await;
    let (in_south, in_east) = (south.log_in(1).await, east.log_in(1).await);
    (hub, node, Script { peer: south, session: in_south }, Script { peer: east, session: in_east })
}

struct Script {
    peer: ScriptedPeer,
    session: Session,
}

impl Script {
    /// Posts transactions with this path.
    async fn say_via(&self, via: &str, transactions: &[String]) {
        let body = in_session(&self.session.ours, transactions);
        let head = format!(
            "POST / HTTP/1.1\r\nHost: hub.example\r\nContent-Type: {MEDIA_TYPE}\r\nX-Causeway-Via: {via}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = self.peer.raw(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
        assert_eq!(answer.status, 200);
    }

    async fn say(&self, transactions: &[String]) {
        self.peer.say(&in_session(&self.session.ours, transactions)).await;
    }
}

const BO: &str = "wv:bo@south.example";
const EVE: &str = "wv:eve@east.example";

fn there_and_back() -> [String; 2] {
    [
        transit("south.example", "east.example", "east.example"),
        transit("east.example", "south.example", "south.example"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_passes_octet_by_octet_and_so_does_its_answer() {
    let world = World::new().await;
    let (_hub, node, south, east) = scripted(&world, &there_and_back()).await;
    // Given a message with what the hub's own writer would write in another way, and a request that names
    // attributes nobody knows
    let message = south.peer.message("m-1@south.example", BO, &[EVE], "unchanged", true);
    let message =
        message.replace("<Recipient>", "<Recipient >").replace("deliveryReport", "x='1' deliveryReport");
    let join = "<JoinGroupRequest groupID=\"wv:/club@east.example\" joinedListRequest=\"Yes\" \
                subscribeNotif='No'><MetaInfo clientOriginated=\"Yes\"><Requestor \
                serviceID=\"wv:@south.example\"><User userID=\"wv:bo@south.example\"/></Requestor></MetaInfo>\
                <Strange  of='the future'/></JoinGroupRequest>";
    for (number, primitive) in [message.as_str(), join].into_iter().enumerate() {
        let transaction = format!("s-{number}");
        // When
        south.say(&[request(&transaction, primitive)]).await;
        // Then the next hop gets exactly that, in a transaction of the hub's, with the hub in its path
        let heard = east.peer.next().await;
        assert!(heard.text.contains(primitive), "{}", heard.text);
        let lines = heard.head.to_ascii_lowercase();
        assert!(lines.lines().any(|line| line.trim() == "x-causeway-via: wv:@hub.example"), "{lines}");
        let passed = heard.transaction().id.as_str().to_owned();
        assert_ne!(passed, transaction);
        assert_eq!(heard.session().session.as_str(), east.session.theirs);
        // And its answer goes back in the first transaction, whatever it is
        let answer =
            "<Status code=\"777\" odd='yes'><StatusDescription>mine &amp; alone</StatusDescription></Status>";
        east.say(&[response(&passed, answer)]).await;
        let back = south.peer.next().await;
        assert!(back.text.contains(answer), "{}", back.text);
        assert_eq!(back.transaction().id.as_str(), transaction);
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_be_read_in_two_ways_is_written_anew() {
    let world = World::new().await;
    let (_hub, node, south, east) = scripted(&world, &there_and_back()).await;
    let message = south.peer.message("m-1@south.example", BO, &[EVE], "clean", false);
    let odd = message.replace("<Recipient>", "<!-- <Sender/> --><Recipient>");
    south.say(&[request("s-1", &odd)]).await;
    let heard = east.peer.next().await;
    assert!(!heard.text.contains("<!--"), "{}", heard.text);
    assert!(heard.text.contains("m-1@south.example"));
    east.say(&[response(heard.transaction().id.as_str(), &sent(200))]).await;
    assert_eq!(south.peer.next().await.code(), 200);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_is_refused_with_and_without_the_header() {
    let world = World::new().await;
    let (hub, node, south, east) = scripted(&world, &there_and_back()).await;
    let message = |id: &str| south.peer.message(id, BO, &[EVE], "round", false);
    // With the header: it has been here
    south.say_via("wv:@far.example, wv:@hub.example", &[request("s-1", &message("m-1@south.example"))]).await;
    assert_eq!(south.peer.next().await.code(), 516);
    // A path that is too long
    let long = (0..6).map(|n| format!("wv:@r{n}.example")).collect::<Vec<_>>().join(", ");
    south.say_via(&long, &[request("s-2", &message("m-2@south.example"))]).await;
    assert_eq!(south.peer.next().await.code(), 516);
    // A path that may grow
    south.say_via("wv:@far.example", &[request("s-3", &message("m-3@south.example"))]).await;
    let heard = east.peer.next().await;
    assert!(heard.head.to_ascii_lowercase().contains("x-causeway-via: wv:@far.example, wv:@hub.example"));
    // Without the header: the same message comes back by another link. East may speak for south here,
    // as a badly configured hub would.
    let folder = &hub.provider.folder;
    node.drain().await;
    std::fs::write(
        folder.join("peers.toml"),
        [
            peer("south.example", ""),
            peer("east.example", "carries = [\"south.example\"]"),
            peer("west.example", "carries = [\"east.example\"]"),
            transit("south.example", "west.example", "west.example"),
            transit("east.example", "west.example", "west.example"),
        ]
        .concat(),
    )
    .unwrap();
    let west = ScriptedPeer::start(&world, &hub, "west.example").await;
    let node = world.start(&hub).await;
    let in_west = west.log_in(1).await;
    let around = south.peer.message("m-4@south.example", BO, &["wv:walt@west.example"], "round", false);
    // What the two have left to say to the hub's restart is of no interest.
    for script in [&south, &east] {
        while script.peer.has_more().await {
            script.peer.next().await;
        }
    }
    south.say(&[request("s-4", &around)]).await;
    let heard = west.next().await;
    assert!(heard.text.contains("m-4@south.example"), "{}", heard.text);
    east.say(&[request("e-4", &around)]).await;
    let refused = until("the refusal", async || {
        let heard = east.peer.next().await;
        heard.text.contains("e-4").then_some(heard)
    })
    .await;
    assert_eq!(refused.code(), 516);
    assert!(west.next_within(std::time::Duration::from_millis(200)).await.is_none());
    let loops = "causeway_ssp_refused_total{peer=\"east.example\",reason=\"loop\"}";
    assert!((hub.metric(loops).await - 1.0).abs() < f64::EPSILON);
    let _ = in_west;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_speaks_for_others_through_the_hub_and_nothing_passes_unasked() {
    let world = World::new().await;
    let (_hub, node, south, east) =
        scripted(&world, &[transit("south.example", "east.example", "east.example")]).await;
    let forged = south.peer.message("m-1@x", "wv:ada@hub.example", &[EVE], "forged", false);
    south.say(&[request("s-1", &forged)]).await;
    assert_eq!(south.peer.next().await.code(), 901);
    // The other direction was not written down.
    let back = east.peer.message("m-2@x", EVE, &[BO], "unasked", false);
    east.say(&[request("e-1", &back)]).await;
    assert_eq!(east.peer.next().await.code(), 516);
    assert!(!south.peer.has_more().await);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_requests_in_one_post_pass_together_and_repeats_pass_once() {
    let world = World::new().await;
    let (_hub, node, south, east) = scripted(&world, &there_and_back()).await;
    east.peer.usually(Reply::Status(200));
    let all: Vec<String> = (0..4)
        .map(|n| {
            let id = format!("m-{n}@south.example");
            let eve = format!("wv:eve{n}@east.example");
            request(&format!("s-{n}"), &south.peer.message(&id, BO, &[&eve], "many", false))
        })
        .collect();
    south.say(&all).await;
    let mut passed = Vec::new();
    while passed.len() < 4 {
        let heard = east.peer.next().await;
        for transaction in &heard.session().transactions {
            passed.push(transaction.id.as_str().to_owned());
        }
    }
    // When they are repeated under other transactions while they are under way
    let again: Vec<String> = all.iter().map(|one| one.replace("\"s-", "\"again-")).collect();
    south.say(&again).await;
    assert!(east.peer.next_within(std::time::Duration::from_millis(300)).await.is_none(), "sent twice");
    // Then the answers go to the repeats
    east.say(&passed.iter().map(|id| response(id, &sent(200))).collect::<Vec<_>>()).await;
    let mut answered = Vec::new();
    while answered.len() < 4 {
        let heard = south.peer.next().await;
        answered.extend(heard.session().transactions.iter().map(|one| one.id.as_str().to_owned()));
    }
    assert!(answered.iter().all(|id| id.starts_with("again-")), "{answered:?}");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_next_hop_refuses_for_now_passes_anew_under_the_same_id() {
    let world = World::new().await;
    let (_hub, node, south, east) = scripted(&world, &there_and_back()).await;
    let message = south.peer.message("m-1@south.example", BO, &[EVE], "later then", false);
    for code in [503, 200] {
        // When the same transaction comes again after an answer for now
        south.say(&[request("s-1", &message)]).await;
        // Then it passes again
        let passed = east.peer.next().await.transaction().id.to_string();
        east.say(&[response(&passed, &sent(code))]).await;
        let back = south.peer.next().await;
        assert_eq!((back.transaction().id.as_str(), back.code()), ("s-1", code));
    }
    // And after a final one the hub answers alone
    south.say(&[request("s-1", &message)]).await;
    let back = south.peer.next().await;
    assert_eq!((back.transaction().id.as_str(), back.code()), ("s-1", 200));
    assert!(!east.peer.has_more().await, "passed though it was answered");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_path_is_told_to_our_own_kind_only() {
    let world = World::new().await;
    let (_hub, node, south, east) = scripted_as(&world, ["", ""], &there_and_back()).await;
    let message = south.peer.message("m-1@south.example", BO, &[EVE], "plain", false);
    south.say(&[request("s-1", &message)]).await;
    let heard = east.peer.next().await;
    assert!(!heard.head.to_ascii_lowercase().contains("x-causeway"), "{}", heard.head);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_goes_in_the_http_answer_to_our_own_kind_that_takes_it_there() {
    let world = World::new().await;
    let (_hub, node, south, east) = scripted(&world, &there_and_back()).await;
    // Given a next hop that answers, and a peer that takes answers in the HTTP answer
    let first = south.peer.message("m-0@south.example", BO, &[EVE], "first", false);
    south.say(&[request("s-0", &first)]).await;
    let passed = east.peer.next().await;
    east.say(&[response(passed.transaction().id.as_str(), &sent(200))]).await;
    assert!(south.peer.next().await.text.contains(&sent(200)));
    let message = south.peer.message("m-1@south.example", BO, &[EVE], "plain", false);
    let body = in_session(&south.session.ours, &[request("s-1", &message)]);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: hub.example\r\nContent-Type: {MEDIA_TYPE}\r\nX-Causeway-Answers: here\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let octets = [head.as_bytes(), body.as_bytes()].concat();
    let say = async || south.peer.raw(&octets).await.unwrap();
    // When its message passes the hub
    let (answered, ()) = tokio::join!(say(), async {
        let passed = east.peer.next().await;
        assert!(passed.head.to_ascii_lowercase().contains("x-causeway-answers: here"), "{}", passed.head);
        east.say(&[response(passed.transaction().id.as_str(), &sent(200))]).await;
    });
    // Then the answer is in the HTTP answer, and nothing is posted
    assert_eq!((answered.status, answered.header("Content-Type")), (200, Some(MEDIA_TYPE)));
    let document = String::from_utf8(answered.body).unwrap();
    assert!(document.contains("transactionID=\"s-1\"") && document.contains(&sent(200)), "{document}");
    assert!(document.contains(&south.session.theirs), "{document}");
    assert!(south.peer.next_within(std::time::Duration::from_millis(300)).await.is_none(), "told twice");
    // When that got lost and the message comes once more, it is posted
    let again = say().await;
    assert_eq!((again.status, again.body.len()), (200, 0));
    assert!(south.peer.next().await.text.contains(&sent(200)));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_several_domains_is_not_taken_apart() {
    // Given a message that its author's provider should have split by domain
    let world = World::new().await;
    let (hub, node, south, east) = scripted(&world, &there_and_back()).await;
    let mut ada = hub.phone("ada", modern()).await;
    let message = south.peer.message(
        "m-1@south.example",
        BO,
        &["wv:ada@hub.example", EVE, "wv:x@far.example"],
        "all",
        false,
    );
    south.say(&[request("s-1", &message)]).await;
    // Then whoever is at home at the hub has it, and of the others each is refused by name
    let answer = south.peer.next().await;
    assert_eq!(answer.code(), 201);
    let status = answer.status();
    let [detail] = &status.details[..] else { panic!("{status:?}") };
    assert_eq!((detail.code, detail.entities.len()), (Code::DOMAIN_NOT_SUPPORTED, 2));
    assert_eq!(text(&receive(&mut ada).await), "all");
    assert!(!east.peer.has_more().await);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_author_behind_a_hub_hears_the_report_in_the_transaction_of_its_message() {
    let world = World::new().await;
    let legacy = "profile = \"legacy\"";
    let (_hub, node, south, east) = scripted_as(&world, [legacy, ""], &there_and_back()).await;
    // Given a message of a legacy peer that passed
    let message = south.peer.message("m-1@south.example", BO, &[EVE], "tell me", true);
    south.say(&[request("0000000042-7", &message)]).await;
    let passed = east.peer.next().await.transaction().id.to_string();
    east.say(&[response(&passed, &sent(200))]).await;
    assert_eq!(south.peer.next().await.transaction().id.as_str(), "0000000042-7");
    // When the recipient's provider reports
    let report = format!(
        "<DeliveryStatusReport><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@east.example\">\
         <User userID=\"{EVE}\"/></Requestor></MetaInfo><DeliveryResult><Status code=\"200\"/></DeliveryResult>\
         <MessageInfo messageID=\"m-1@south.example\"><Recipient><User userID=\"{EVE}\"/></Recipient>\
         <Sender><User userID=\"{BO}\"/></Sender></MessageInfo></DeliveryStatusReport>"
    );
    east.say(&[request("e-1", &report)]).await;
    // Then it comes as that peer reads it
    let heard = south.peer.next().await;
    let transaction = heard.transaction();
    assert_eq!((transaction.id.as_str(), transaction.mode), ("0000000042-7", causeway::wire::Mode::Response));
    assert!(heard.text.contains("<DeliveryStatusReport"), "{}", heard.text);
    node.drain().await;
}
