//! The attacks S1 to S12 on providers that trust the login of SSP alone (reference ssp-session §4), each played
//! against a running node. What each needs is given to the attacker: a place on the path, DNS, a good
//! certificate of its own, whatever was ever said.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};

use causeway::cli::laboratory::Writing;
use causeway::imps::primitive::Setup;
use causeway::imps::status::Entity;
use causeway::imps::{Code, Primitive, UserId};
use causeway::node::Node;
use causeway::wire::Carried;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::raw;
use crate::csp::ask;
use crate::log;
use crate::peer::{ScriptedPeer, in_session, request, response};
use crate::scenarios::groups::{create, group, join_request};
use crate::scenarios::operators::done;
use crate::scenarios::refusals::{assert_logged, refused, stage};
use crate::scenarios::weather::{answer, message};
use crate::world::{Place, World, modern, receive, text, until};

/// A node of this domain with two peers: one that minds its business, and one that attacks it.
async fn between(
    domain: &str,
    good: &str,
    bad: &str,
    agreement: &str,
) -> (World, Place, Node, [ScriptedPeer; 2]) {
    let world = World::new().await;
    let writing = Writing { peers: &[good, bad], agreement, ..Writing::default() };
    let place = world.place_with(domain, &writing);
    let good = ScriptedPeer::start(&world, &place, good).await;
    let bad = ScriptedPeer::start(&world, &place, bad).await;
    let node = world.start(&place).await;
    (world, place, node, [good, bad])
}

fn user(address: &str) -> [UserId; 1] {
    [address.parse().unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_without_tls_nothing_is_said_and_nothing_is_heard() {
    // Given somebody on the path who answers in place of a peer, in plain HTTP
    let world = World::new().await;
    let north = world.place("north.path.example", &["east.path.example"]);
    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    world.laboratory.publish(&"east.path.example".parse().unwrap(), plain.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listening = {
        let heard = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = plain.accept().await {
                let mut first = vec![0; 5];
                if stream.read_exact(&mut first).await.is_ok() {
                    heard.lock().unwrap().push(first);
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        })
    };
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // When a message wants out, and once more when the first try has failed
    let sent = ada.send(&user("wv:zoe@east.path.example"), "for your eyes only", false).await.unwrap();
    assert_eq!(sent.result.code, Code::SUCCESSFUL, "it waits");
    until("the node tries again", async || (heard.lock().unwrap().len() >= 2).then_some(())).await;
    // Then all that is ever said is the beginning of a TLS handshake
    for first in heard.lock().unwrap().iter() {
        assert_eq!(first[..2], [0x16, 3], "a record of TLS: {first:?}");
    }
    // And who speaks plain HTTP to the node gets no HTTP in return
    let said = raw(north.ssp, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(said, None);
    listening.abort();
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_forged_dns_leads_to_nobody_who_is_believed() {
    log::keep();
    // Given a DNS that says the bank is where Eve is, who has a good certificate of her own
    let world = World::new().await;
    let north = world.place("north.dns.example", &["bank.dns.example"]);
    let eve = ScriptedPeer::start(&world, &north, "eve.dns.example").await;
    world.laboratory.publish(&"bank.dns.example".parse().unwrap(), eve.listens);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // When a message for the bank wants out
    let sent = ada.send(&user("wv:zoe@bank.dns.example"), "my balance?", false).await.unwrap();
    // Then it waits, and Eve hears nothing, not even a token
    assert_eq!(sent.result.code, Code::SUCCESSFUL);
    assert_logged(&["WARN", "bank.dns.example", "no connection"]);
    assert!(!eve.has_more().await);
    // And she logs in neither as the bank nor as herself
    let as_bank = eve.token("Request", "x1").replace("wv:@eve.dns.example", "wv:@bank.dns.example");
    assert_eq!(eve.post(&as_bank).await.status, 403);
    assert_eq!(eve.post(&eve.token("Request", "x2")).await.status, 403);
    assert!(!eve.has_more().await);
    node.drain().await;
}

/// S3: session ids that are guessed or stolen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_id_is_worth_nothing_to_anybody_but_its_owner() {
    log::keep();
    // Given two peers, and a session of one of them
    let world = World::new().await;
    let north = world.place("north.owner.example", &["east.owner.example", "west.owner.example"]);
    let east = ScriptedPeer::start(&world, &north, "east.owner.example").await;
    let west = ScriptedPeer::start(&world, &north, "west.owner.example").await;
    let node = world.start(&north).await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    // When the other one uses it, in the owner's name or in its own
    let ada_id = ada.user().to_string();
    for from in [&east, &west] {
        let user = format!("wv:eve@{}", from.domain);
        let message = from.message("m1", &user, &[&ada_id], "let me in", false);
        let stolen = west.post(&in_session(&session.ours, &[request("t1", &message)])).await;
        assert_eq!(stolen.status, 403);
    }
    // Then that is counted for the thief
    assert_eq!(refused(&north, "west.owner.example", "session").await, 2.0);
    assert_eq!(refused(&north, "east.owner.example", "session").await, 0.0);
    assert_logged(&["WARN", "west.owner.example", "claims to be another", "east.owner.example"]);
    // And a session that nobody has is refused too
    let unknown = in_session("Sc9@west.owner.example", &[request("t1", "<LogoutRequest/>")]);
    assert_eq!(west.post(&unknown).await.status, 403);
    assert_eq!(refused(&north, "west.owner.example", "session").await, 3.0);
    assert_logged(&["WARN", "west.owner.example", "session id that is not agreed"]);
    // And the owner's still works: nothing was delivered but what the owner sends
    let message = east.message("m2", "wv:zoe@east.owner.example", &[&ada_id], "it is me", false);
    assert_eq!(east.ask(&session, "t1", &message).await.code(), 200);
    assert_eq!(text(&receive(&mut ada).await), "it is me");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_nobody_else_ends_a_set_up_that_is_under_way() {
    let (_world, north, node, [east, eve]) =
        between("north.inject.example", "east.inject.example", "eve.inject.example", "").await;
    let grants = [
        ScriptedPeer::grant("Request", "x1", "Sc666@eve.inject.example"),
        ScriptedPeer::grant("Request", "x1", "Sc666@east.inject.example"),
    ];
    // Given a set-up up to step 2, of which Eve knows every word
    east.say(&east.token("Request", "x1")).await;
    let token = east.heard_token(&east.next().await);
    // When she comes with step 3, in her own name or in the other's, or with step 5 at once
    let own = eve.login("Request", "x1", &token);
    let forged = own.replace("wv:@eve", "wv:@east");
    for step in [&own, &forged, &grants[0], &grants[1]] {
        assert_eq!(eve.post(step).await.status, 403, "{step}");
    }
    // or with step 5 once step 4 has left
    east.say(&east.login("Request", "x1", &token)).await;
    let _four = east.next().await;
    for step in &grants {
        assert_eq!(eve.post(step).await.status, 403, "{step}");
    }
    // Then no session of hers is worth anything, and the set-up goes on as if nothing had been
    let lie = eve.message("m1", "wv:zoe@east.inject.example", &["wv:ada@north.inject.example"], "x", false);
    for session in ["Sc666@eve.inject.example", "Sc666@east.inject.example"] {
        assert_eq!(eve.post(&in_session(session, &[request("t1", &lie)])).await.status, 403);
    }
    east.say(&ScriptedPeer::grant("Request", "x1", "Sc1@east.inject.example")).await;
    let six = east.next().await;
    assert!(matches!(&six.setup().element, Setup::LoginResponse(step) if step.session.is_some()));
    north.link_is("east.inject.example", true).await;
    assert!(!eve.has_more().await);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s5_tokens_cannot_be_computed_and_serve_once() {
    let (_world, north, node, east) = stage("north.token.example", "east.token.example").await;
    // Given the tokens of five set-ups, one after the other
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    for number in 1..=5 {
        east.say(&east.token("Request", &format!("x{number}"))).await;
        tokens.push(east.heard_token(&east.next().await));
    }
    // Then each is 256 bits in 43 characters, and no two have a beginning in common
    for (number, token) in tokens.iter().enumerate() {
        assert_eq!(token.len(), 43);
        assert!(token.iter().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(c)), "{token:?}");
        assert!(tokens[..number].iter().all(|other| other[..8] != token[..8]));
    }
    // And none but the last opens anything: the answer is 409, and the set-up is over
    east.say(&east.login("Request", "x5", &tokens[3])).await;
    assert!(east.next().await.text.contains("code=\"409\""));
    assert_eq!(east.post(&east.login("Request", "x5", &tokens[4])).await.status, 403);
    assert!(refused(&north, "east.token.example", "setup").await >= 1.0);
    // And the id of a session has as much of chance in it
    let session = east.log_in(6).await;
    let (local, _) = session.theirs.split_once('@').unwrap();
    assert!(local.len() >= 22, "128 bits and more: {local}");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_forged_second_step_wedges_nothing() {
    let (_world, north, node, [east, eve]) =
        between("north.race.example", "east.race.example", "eve.race.example", "").await;
    let mut ada = north.phone("ada", modern()).await;
    let to = user("wv:zoe@east.race.example");
    let play = async {
        // Given step 1 of the node, for its peer
        let one = east.next().await;
        // When Eve is there with step 2 before the peer, in its name, in her own, under any id
        let id = one.setup().id.as_str();
        for step in [eve.token("Response", "w1"), eve.token("Response", id)] {
            assert_eq!(eve.post(&step).await.status, 403);
            assert_eq!(eve.post(&step.replace("wv:@eve", "wv:@east")).await.status, 403);
        }
        // Then the token of the peer is the one that counts, and the message goes to it
        let session = east.answer_set_up(&one, 1).await;
        let heard = east.next().await;
        let (transaction, _, words) = message(&heard);
        assert_eq!(words, "at last");
        answer(&east, &session, &transaction, 200).await;
    };
    let (sent, ()) = tokio::join!(ada.send(&to, "at last", false), play);
    assert_eq!(sent.unwrap().result.code, Code::SUCCESSFUL);
    assert!(!eve.has_more().await);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s7_a_stranger_makes_the_node_look_up_and_dial_nobody() {
    // Given a node without agreement with Eve, who has a good certificate and a zone of her own
    let world = World::new().await;
    let north = world.place("north.dial.example", &["east.dial.example"]);
    let eve = ScriptedPeer::start(&world, &north, "eve.dial.example").await;
    let node = world.start(&north).await;
    let asked = world.laboratory.dns().questions();
    // When she asks for a set-up again and again, in her name and in those of others
    for number in 1..=10 {
        let step = eve.token("Request", &format!("x{number}"));
        assert_eq!(eve.post(&step).await.status, 403);
        assert_eq!(eve.post(&step.replace("wv:@eve", "wv:@east")).await.status, 403);
        assert_eq!(eve.post(&step.replace("wv:@eve.dial.example", "wv:@localhost")).await.status, 403);
    }
    // Then no name was looked up for her, and nobody was called
    assert_eq!(world.laboratory.dns().questions(), asked);
    assert!(!eve.has_more().await);
    assert_eq!(
        north.metric("causeway_ssp_refused_total{peer=\"other\",reason=\"unknown-peer\"}").await,
        30.0
    );
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_what_was_recorded_is_of_no_use_later() {
    let (_world, north, node, [east, eve]) =
        between("north.replay.example", "east.replay.example", "eve.replay.example", "").await;
    let mut ada = north.phone("ada", modern()).await;
    // Given every document of a set-up and of a message
    let steps = east.token("Request", "x1");
    east.say(&steps).await;
    let token = east.heard_token(&east.next().await);
    let login = east.login("Request", "x1", &token);
    east.say(&login).await;
    let _four = east.next().await;
    let grant = ScriptedPeer::grant("Request", "x1", "Sc1@east.replay.example");
    east.say(&grant).await;
    let _six = east.next().await;
    let words =
        east.message("m1", "wv:zoe@east.replay.example", &["wv:ada@north.replay.example"], "once", false);
    let said = in_session("Sc1@east.replay.example", &[request("t1", &words)]);
    east.say(&said).await;
    assert_eq!(east.next().await.code(), 200);
    assert_eq!(text(&receive(&mut ada).await), "once");
    // When Eve says them again: refused, each of them
    for document in [&steps, &login, &grant, &said] {
        assert_eq!(eve.post(document).await.status, 403, "{document}");
    }
    // When they come over the peer's own connection, the message is answered and not delivered again,
    east.say(&said).await;
    assert_eq!(east.next().await.code(), 200);
    // step 1 makes a new token, for which the old digest is wrong
    east.say(&steps).await;
    assert_ne!(east.heard_token(&east.next().await), token);
    east.say(&login).await;
    assert!(east.next().await.text.contains("code=\"409\""));
    // and after another login the message is not delivered again either
    let session = east.log_in(2).await;
    assert_eq!(east.ask(&session, "t1", &words).await.code(), 200);
    assert_eq!(ada.take().await.unwrap(), None);
    node.drain().await;
}

/// S9: an honest-looking peer that speaks for somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_speaks_for_its_own_users_alone() {
    log::keep();
    let (_world, north, node, east) = stage("north.speaks.example", "east.speaks.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let ada_id = ada.user().to_string();
    let (zoe, eve) = ("wv:zoe@east.speaks.example", "wv:eve@bank.speaks.example");
    let honest = east.message("m1", zoe, &[&ada_id], "psst", false);
    let forgeries = [
        // as another domain's user altogether,
        ("t1", honest.replace(zoe, eve)),
        // with an honest requestor and a forged sender,
        (
            "t2",
            honest.replace(
                &format!("<Sender><User userID=\"{zoe}\""),
                &format!("<Sender><User userID=\"{eve}\""),
            ),
        ),
        // and as one of ours.
        ("t3", honest.replace(zoe, "wv:bo@north.speaks.example")),
        // A service id of another domain in the MetaInfo counts as a forged requestor.
        ("t4", honest.replace("serviceID=\"wv:@east", "serviceID=\"wv:@bank")),
        // A server that speaks for itself may not forge a sender either.
        (
            "t7",
            honest.replace("clientOriginated=\"Yes\"", "clientOriginated=\"No\"").replace(
                &format!("<Sender><User userID=\"{zoe}\""),
                &format!("<Sender><User userID=\"{eve}\""),
            ),
        ),
    ];
    let mut counted = 0.0;
    for (transaction, forged) in &forgeries {
        counted += 1.0;
        let answer = east.ask(&session, transaction, forged).await;
        assert_eq!(answer.code(), 901, "{forged}");
        // The answer names whom the peer may not speak for
        let detail = &answer.status().details;
        let named = detail.iter().flat_map(|detail| &detail.entities).next().expect("somebody is named");
        match named {
            Entity::User(user) => assert!(forged.contains(user.as_str()), "{user}"),
            Entity::Domain(domain) => assert_eq!(&**domain, "bank.speaks.example"),
            other => panic!("{other:?}"),
        }
        assert_eq!(refused(&north, "east.speaks.example", "identity").await, counted);
    }
    assert_logged(&["WARN", "east.speaks.example", "t2", "SendMessageRequest", "the sender", eve]);
    // The operator is alarmed, once for all of them, and sees how often it happened
    assert_eq!(log::lines_with(&["WARN", "alarm", "east.speaks.example", "times=1"]).len(), 1);
    let series = "causeway_identity_violations_total{peer=\"east.speaks.example\"}";
    assert_eq!(north.metric(series).await, counted);
    let shown = done(&north, &["peer", "show", "east.speaks.example"]).await;
    assert!(shown.contains("identity broken:") && shown.contains("5 times, last"), "{shown}");
    // A recipient of a third domain is no business of this link; the one of ours is served
    let both = east.message("m5", zoe, &["wv:cy@bank.speaks.example", &ada_id], "hello", false);
    let answer = east.ask(&session, "t5", &both).await;
    assert_eq!(answer.code(), 201, "{}", answer.text);
    let detail = &answer.status().details;
    assert_eq!(detail.iter().map(|detail| detail.code.get()).collect::<Vec<_>>(), [516]);
    let alone = east.message("m6", zoe, &["wv:cy@bank.speaks.example"], "hello", false);
    let answer = east.ask(&session, "t6", &alone).await;
    assert!(answer.text.contains("code=\"516\""), "{}", answer.text);
    // Nothing but that one arrived
    assert_eq!(text(&receive(&mut ada).await), "hello");
    assert_eq!(ada.take().await.unwrap(), None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_markup_in_what_users_write_stays_text() {
    let (_world, north, node, [east, _]) = between(
        "north.markup.example",
        "east.markup.example",
        "eve.markup.example",
        "services = [\"im\", \"group\"]\n",
    )
    .await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a screen name that would end its element and begin another
    let name = "x\"/></ScreenName><Evil a='1'/>&lt;]]><!--";
    let club = group("wv:/club@east.markup.example");
    let play = async {
        let heard = east.next().await;
        // Then the peer reads it as the name that it is
        assert!(!heard.text.contains("<Evil") && !heard.text.contains("<!--"), "{}", heard.text);
        let Carried::Primitive(primitive) = &heard.transaction().content else { panic!("{}", heard.text) };
        let Primitive::JoinGroupRequest(join) = &**primitive else { panic!("{}", heard.text) };
        assert_eq!(&*join.screen_name.as_ref().unwrap().name, name);
        let id = heard.transaction().id.to_string();
        east.say(&in_session(&session.ours, &[response(&id, "<Status code=\"800\"/>")])).await;
    };
    let (answered, ()) = tokio::join!(ask(&mut ada, join_request(&club, name)), play);
    assert_eq!(answered.code().get(), 800);
    // And so it is with what is said
    let words = "]]></ContentData></SendMessageRequest></Transaction><Transaction mode=\"Request\">";
    let play = async {
        let heard = east.next().await;
        let (transaction, _, said) = message(&heard);
        assert_eq!(said, words);
        answer(&east, &session, &transaction, 200).await;
    };
    let to = user("wv:zoe@east.markup.example");
    let (sent, ()) = tokio::join!(ada.send(&to, words, false), play);
    assert_eq!(sent.unwrap().result.code, Code::SUCCESSFUL);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s11_a_foreign_user_is_nobody_of_ours_whatever_it_is_called() {
    let (_world, north, node, [east, _]) = between(
        "north.owner11.example",
        "east.owner11.example",
        "eve.owner11.example",
        "services = [\"im\", \"group\"]\n",
    )
    .await;
    let session = east.log_in(1).await;
    // Given a group of a user here, and a user of the same name elsewhere
    let mut ada = north.phone("ada", modern()).await;
    let team = group("wv:ada/team@north.owner11.example");
    assert!(create(&mut ada, &team, "Ada", &[]).await.code().is_success());
    let asks = |element: &str, id: &str, inside: &str| {
        format!(
            "<{element} groupID=\"{id}\"><MetaInfo clientOriginated=\"Yes\"><Requestor \
             serviceID=\"wv:@east.owner11.example\"><User userID=\"wv:ada@east.owner11.example\"/></Requestor>\
             </MetaInfo>{inside}</{element}>"
        )
    };
    let herself = "<User userID=\"wv:ada@east.owner11.example\"/>";
    // When that one governs it as if it were its owner: 816; and what has no owner at all: 800
    let tries = [
        ("DeleteGroupRequest", String::new()),
        ("AddGroupMemberRequest", herself.to_owned()),
        ("GetGroupMemberRequest", String::new()),
    ];
    for (number, (element, inside)) in tries.iter().enumerate() {
        let answer = east.ask(&session, &format!("t{number}"), &asks(element, team.as_str(), inside)).await;
        assert!(answer.text.contains("code=\"816\""), "{}", answer.text);
        let nobodys = asks(element, "wv:/nobodys@north.owner11.example", inside);
        let answer = east.ask(&session, &format!("n{number}"), &nobodys).await;
        assert!(answer.text.contains("code=\"800\""), "{}", answer.text);
    }
    // Then the group is its owner's still
    let delete = causeway::imps::primitive::DeleteGroupRequest { group: team };
    assert!(ask(&mut ada, delete).await.code().is_success());
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_no_entity_is_expanded_or_fetched() {
    let (_world, north, node, east) = stage("north.entity.example", "east.entity.example").await;
    let session = east.log_in(1).await;
    let bait = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    bait.set_nonblocking(true).unwrap();
    let at = bait.local_addr().unwrap();
    let honest = in_session(
        &session.ours,
        &[request(
            "t1",
            &east.message("m1", "wv:zoe@east.entity.example", &["wv:ada@north.entity.example"], "x", false),
        )],
    );
    let with = |doctype: &str| {
        honest.replacen("<WV-SSP-Message", &format!("{doctype}<WV-SSP-Message"), 1).replacen("t1", "t&a;", 1)
    };
    // When a document brings entities along that explode, or that lie elsewhere, or just a document type
    let monsters = [
        with("<!DOCTYPE x [<!ENTITY b \"1111111111\"><!ENTITY a \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>"),
        with(&format!("<!DOCTYPE x [<!ENTITY a SYSTEM \"http://{at}/\">]>")),
        with("<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/hostname\">]>"),
        with(&format!("<!DOCTYPE x SYSTEM \"http://{at}/x.dtd\">")),
        with(&format!("<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://{at}/p\"> %p;]>")),
        with(""),
        honest.replacen("<WV-SSP-Message", "<!DOCTYPE WV-SSP-Message><WV-SSP-Message", 1),
    ];
    for monster in &monsters {
        assert_eq!(east.post(monster).await.status, 400, "{monster}");
    }
    // Then nothing was fetched, and nothing of it carried out
    assert_eq!(bait.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(refused(&north, "east.entity.example", "malformed").await, 7.0);
    assert!(!east.has_more().await);
    east.say(&honest).await;
    assert_eq!(east.next().await.code(), 531);
    node.drain().await;
}
