//! Bad days of a link: answers that get lost, peers that stumble, forget, move or never learnt better.

use std::time::{Duration, Instant};

use causeway::cli::laboratory::Writing;
use causeway::imps::primitive::{Setup, User};
use causeway::imps::{Code, Primitive, UserId};
use causeway::net::pki::{Authority, LeafOptions};
use causeway::node::Node;
use causeway::wire::{Carried, Mode};

use crate::peer::{Heard, Reply, ScriptedPeer, Session, in_session, request, response, sent, set_up};
use crate::world::{Place, World, modern, receive, text, until};

/// A client's message is answered at once; the rest comes by reports.
const NO_HOLD: &str = "[limits]\nhold-message-seconds = 0\n";

async fn stage(domain: &str, peer: &str) -> (World, Place, Node, ScriptedPeer) {
    stage_with(domain, peer, "", "").await
}

/// A node whose agreement with a scripted peer, and whose own file, have these lines besides.
async fn stage_with(
    domain: &str,
    peer: &str,
    agreement: &str,
    sections: &str,
) -> (World, Place, Node, ScriptedPeer) {
    let world = World::new().await;
    let writing = Writing { peers: &[peer], agreement, sections, ..Writing::default() };
    let place = world.place_with(domain, &writing);
    let peer = ScriptedPeer::start(&world, &place, peer).await;
    let node = world.start(&place).await;
    (world, place, node, peer)
}

/// A SendMessageRequest that the node posted, with its transaction's id.
pub(super) fn message(heard: &Heard) -> (String, String, &str) {
    let transaction = heard.transaction();
    assert_eq!(transaction.mode, Mode::Request, "{}", heard.text);
    let Carried::Primitive(primitive) = &transaction.content else { panic!("{}", heard.text) };
    let Primitive::SendMessageRequest(request) = &**primitive else { panic!("{}", heard.text) };
    let id = request.info.id.as_ref().expect("a message id").to_string();
    let words = std::str::from_utf8(request.content.as_ref().expect("content").octets()).unwrap();
    (transaction.id.to_string(), id, words)
}

/// Something that means nothing, but shows that the peer lives.
pub(super) fn sign_of_life(session: &Session) -> String {
    in_session(&session.ours, &[response("nobody-asked", "<Status code=\"200\"/>")])
}

/// Shows that the peer lives until the node posts something: the first sign may come before the node has
/// noticed that its POST went wrong.
async fn sign_until_heard(peer: &ScriptedPeer, session: &Session) {
    until("the node posts something", || async {
        peer.say(&sign_of_life(session)).await;
        peer.has_more().await.then_some(())
    })
    .await;
}

/// The peer answers a request of the node.
pub(super) async fn answer(peer: &ScriptedPeer, session: &Session, transaction: &str, code: u16) {
    peer.say(&in_session(&session.ours, &[response(transaction, &sent(code))])).await;
}

fn zoe(peer: &ScriptedPeer) -> [UserId; 1] {
    [format!("wv:zoe@{}", peer.domain).parse().unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_whose_answer_got_lost_is_repeated_as_it_was() {
    let (_world, north, node, east) = stage("north.lost.example", "east.lost.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let to = zoe(&east);
    // Given a peer that takes a message and hangs up without a word, three times
    let play = async {
        east.reply([Reply::HangUp, Reply::HangUp, Reply::HangUp]);
        let first = east.next().await;
        let (transaction, id, words) = message(&first);
        // Log lines of other implementations live on these headers
        for line in [
            format!("Host: imps.east.lost.example:{}", east.listens.port()),
            "Content-Type: application/vnd.wv.ssp+xml".to_owned(),
            format!("Content-Length: {}", first.text.len()),
            format!("X-Wv-Transactionid: {transaction}"),
            format!("X-Wv-Sessionid: {}", session.theirs),
        ] {
            let found = first.head.lines().any(|found| found.eq_ignore_ascii_case(&line));
            assert!(found, "{line} is not in {}", first.head);
        }
        assert_eq!(words, "are you there?");
        for _ in 0..3 {
            // When it shows that it lives
            sign_until_heard(&east, &session).await;
            // Then the node says the same again, at once, under the same ids
            let again = east.next().await;
            assert_eq!(message(&again), (transaction.clone(), id.clone(), words));
            assert_eq!(again.session().session.as_str(), session.theirs);
        }
        answer(&east, &session, &transaction, 200).await;
    };
    let begin = Instant::now();
    let (answered, ()) = tokio::join!(ada.send(&to, "are you there?", false), play);
    // And the author hears what came of it
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    assert!(begin.elapsed() < Duration::from_secs(15), "a sign of life ends every pause");
    assert!(!east.has_more().await);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sign_of_life_the_node_comes_again_by_itself() {
    let (_world, north, node, east) = stage("north.alone.example", "east.alone.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let to = zoe(&east);
    let play = async {
        east.reply([Reply::HangUp]);
        let first = east.next().await;
        let again = east.next().await;
        assert_eq!(message(&again), message(&first));
        // 5 s less or more a fifth (decisions.md 4)
        let pause = again.at - first.at;
        assert!(pause > Duration::from_millis(3900) && pause < Duration::from_secs(15), "{pause:?}");
        answer(&east, &session, &message(&first).0, 200).await;
    };
    let (answered, ()) = tokio::join!(ada.send(&to, "hello", false), play);
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_in_trouble_is_asked_again_until_it_recovers() {
    let (_world, north, node, east) = stage("north.trouble.example", "east.trouble.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let to = zoe(&east);
    let play = async {
        east.reply([Reply::Status(500), Reply::Status(502), Reply::Later(503, 1), Reply::Later(429, 1)]);
        let first = east.next().await;
        for _ in 0..2 {
            // HTTP 500: as soon as it shows that it lives
            sign_until_heard(&east, &session).await;
            assert_eq!(message(&east.next().await), message(&first));
        }
        // 503 and 429: when the peer wants it, no earlier
        for _ in 0..2 {
            let begin = Instant::now();
            east.say(&sign_of_life(&session)).await;
            assert_eq!(message(&east.next().await), message(&first));
            assert!(begin.elapsed() > Duration::from_millis(800), "{:?}", begin.elapsed());
        }
        answer(&east, &session, &message(&first).0, 200).await;
    };
    let (answered, ()) = tokio::join!(ada.send(&to, "better now?", false), play);
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    assert!(!east.has_more().await, "it was delivered once");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_post_of_the_peer_is_an_answer() {
    let (_world, north, node, east) = stage("north.body.example", "east.body.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a peer that puts an answer into the HTTP body
    east.usually(Reply::Document(in_session(&session.ours, &[response("x", &sent(200))])));
    let play = async {
        let (transaction, _, _) = message(&east.next().await);
        // and posts another one, to the right and to wrong transactions
        answer(&east, &session, "not-this", 200).await;
        answer(&east, &session, &transaction, 531).await;
        answer(&east, &session, &transaction, 200).await;
    };
    let to = zoe(&east);
    let (answered, ()) = tokio::join!(ada.send(&to, "hello", false), play);
    // Then the first one that was posted counts
    let code = match answered {
        Ok(answered) => answered.result.code,
        Err(error) => error.code().unwrap(),
    };
    assert_eq!(code, Code::UNKNOWN_USER);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_reaches_the_author_as_a_report_if_it_is_bad_news() {
    let limits = "[limits]\nhold-message-seconds = 1\n";
    let (_world, north, node, east) = stage_with("north.late.example", "east.late.example", "", limits).await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a peer that takes its time: the client does not wait so long
    let good = ada.send(&zoe(&east), "first", false).await.unwrap();
    assert!(good.result.code.is_success());
    let bad = ada.send(&zoe(&east), "second", false).await.unwrap();
    assert!(bad.result.code.is_success());
    // When it answers at last (messages between the same two people leave one by one)
    let first = east.next().await;
    answer(&east, &session, &message(&first).0, 200).await;
    let second = east.next().await;
    answer(&east, &session, &message(&second).0, 531).await;
    answer(&east, &session, &message(&second).0, 531).await;
    // Then the author is told of the failure, though she asked for no report, and of nothing else
    let Primitive::DeliveryReport(report) = receive(&mut ada).await else { panic!("no report") };
    assert_eq!(report.result.code, Code::UNKNOWN_USER);
    assert_eq!(report.info.id, bad.message_id);
    assert_eq!(ada.take().await.unwrap(), None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_recipient_of_a_message_has_its_own_outcome() {
    let (_world, north, node, east) = stage("north.each.example", "east.each.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let bo = north.phone("bo", modern()).await;
    let to = ["wv:zoe@east.each.example", "wv:nobody@east.each.example", "wv:cy@unknown.example"];
    let mut to: Vec<UserId> = to.iter().map(|user| user.parse().unwrap()).collect();
    to.push(bo.user().clone());
    let play = async {
        let heard = east.next().await;
        let detail = "<SendMessageResponse messageID=\"m\"><Status code=\"201\"><DetailedResult code=\"531\">\
                      <UserID userID=\"wv:nobody@east.each.example\"/></DetailedResult></Status></SendMessageResponse>";
        east.say(&in_session(&session.ours, &[response(&message(&heard).0, detail)])).await;
    };
    let (answered, ()) = tokio::join!(ada.send(&to, "all of you", false), play);
    let result = answered.unwrap().result;
    assert_eq!(result.code.get(), 201);
    let mut codes: Vec<_> = result.details.iter().map(|detail| detail.code.get()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [516, 531]);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_forgot_the_session_is_greeted_again_and_misses_nothing() {
    let (_world, north, node, east) = stage("north.forgot.example", "east.forgot.example").await;
    let old = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let play = async {
        // Given a peer that does not know the session any more
        east.reply([Reply::Status(403)]);
        let refused = east.next().await;
        assert_eq!(refused.session().session.as_str(), old.theirs);
        // Then the node logs in anew and sends the same again
        let step_one = east.next().await;
        let new = east.answer_set_up(&step_one, 2).await;
        let again = east.next().await;
        assert_eq!(message(&again), message(&refused));
        assert_eq!(again.session().session.as_str(), new.theirs);
        answer(&east, &new, &message(&again).0, 200).await;
        // What the peer may still have to say under its old id is heard
        east.say(&sign_of_life(&old)).await;
        new
    };
    let to = zoe(&east);
    let (answered, new) = tokio::join!(ada.send(&to, "remember me?", false), play);
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    east.say(&sign_of_life(&new)).await;
    assert!(!east.has_more().await, "the message arrived once");
    assert_eq!(north.metric("causeway_ssp_link_up{peer=\"east.forgot.example\"}").await, 1.0);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_for_a_peer_that_is_away_and_arrives_once() {
    let world = World::new().await;
    let sections = "[limits]\nhold-message-seconds = 5\n";
    let writing = Writing { peers: &["east.away.example"], sections, ..Writing::default() };
    let north = world.place_with("north.away.example", &writing);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a peer that DNS does not know yet: once that is clear, the client is not kept waiting
    let to: [UserId; 1] = ["wv:zoe@east.away.example".parse().unwrap()];
    assert!(ada.send(&to, "when you are back", false).await.unwrap().result.code.is_success());
    let begin = Instant::now();
    assert!(ada.send(&to, "call me", false).await.unwrap().result.code.is_success());
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    // When the peer comes and logs in
    let east = ScriptedPeer::start(&world, &north, "east.away.example").await;
    east.say(&east.token("Request", "x1")).await;
    let session = finish_log_in(&east).await;
    // Then it gets what waited, without further delay
    let heard = east.next().await;
    assert_eq!(message(&heard).2, "when you are back");
    answer(&east, &session, &message(&heard).0, 200).await;
    let heard = east.next().await;
    assert_eq!(message(&heard).2, "call me");
    answer(&east, &session, &message(&heard).0, 200).await;
    east.say(&sign_of_life(&session)).await;
    assert!(!east.has_more().await);
    node.drain().await;
}

/// Goes on with a set-up of the peer under id `x1`; the node's own set-up may come beside it.
pub(super) async fn finish_log_in(peer: &ScriptedPeer) -> Session {
    let ours = format!("Sc1@{}", peer.domain);
    loop {
        let heard = peer.next().await;
        let setup = heard.setup();
        match (&setup.element, setup.mode) {
            (Setup::SendSecretToken(token), Mode::Response) => {
                peer.say(&peer.login("Request", "x1", &token.token)).await;
            }
            (Setup::LoginRequest(_), Mode::Response) => {
                peer.say(&ScriptedPeer::grant("Request", "x1", &ours)).await;
            }
            (Setup::LoginResponse(granted), Mode::Response) => {
                let theirs = granted.session.as_ref().expect("a session").to_string();
                return Session { ours, theirs };
            }
            (_, Mode::Request) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_followed_to_the_same_peer_elsewhere_and_to_nobody_else() {
    let (world, north, node, east) =
        stage_with("north.moved.example", "east.moved.example", "", NO_HOLD).await;
    let mut ada = north.phone("ada", modern()).await;
    let authority = Authority::load(world.laboratory.folder()).unwrap();
    let issue = |name: &str| authority.issue(&[name.parse().unwrap()], &LeafOptions::default()).unwrap();
    // Given the same peer at another address, and a stranger at a third
    let there = ScriptedPeer::with_certificate(
        &authority,
        &issue("east.moved.example"),
        &north,
        "east.moved.example",
    )
    .await;
    let stranger = ScriptedPeer::with_certificate(
        &authority,
        &issue("bank.moved.example"),
        &north,
        "bank.moved.example",
    )
    .await;
    let redirect = |id: &str, to: &ScriptedPeer| {
        set_up(
            "Response",
            id,
            &format!(
                "<LoginResponse><Status code=\"302\"/><RedirectList><Redirect url=\"https://{}/\"/></RedirectList></LoginResponse>",
                to.listens
            ),
        )
    };
    // When the peer sends us there in the middle of a set-up
    ada.send(&zoe(&east), "where are you?", false).await.unwrap();
    let step_one = east.next().await;
    east.say(&redirect(step_one.setup().id.as_str(), &there)).await;
    let again = there.next().await;
    assert_ne!(again.setup().id, step_one.setup().id, "it is a new set-up");
    let session = there.answer_set_up(&again, 2).await;
    // Then what waits goes there
    let heard = there.next().await;
    assert_eq!(message(&heard).2, "where are you?");
    answer(&there, &session, &message(&heard).0, 200).await;
    assert!(!east.has_more().await);

    // When the session is gone and the peer sends us to somebody else
    there.reply([Reply::Status(403)]);
    let to = zoe(&east);
    let sending = ada.send(&to, "and now?", false);
    let play = async {
        let refused = there.next().await;
        assert_eq!(message(&refused).2, "and now?");
        let step_one = east.next().await;
        east.say(&redirect(step_one.setup().id.as_str(), &stranger)).await;
        until("the stranger is refused", || async {
            let refused = north
                .metric(
                    "causeway_ssp_posts_total{direction=\"out\",peer=\"east.moved.example\",status=\"none\"}",
                )
                .await;
            (refused > 0.0).then_some(())
        })
        .await;
    };
    let ((), ()) = tokio::join!(play, async {
        let _ = tokio::time::timeout(Duration::from_secs(3), sending).await;
    });
    // Then the stranger hears nothing
    assert!(!stranger.has_more().await);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_peer_gets_its_pauses_its_base64_and_its_reports_in_the_old_transaction() {
    let domain = "east.old.example";
    let (_world, north, node, east) =
        stage_with("north.old.example", domain, "profile = \"legacy\"", "").await;
    // Given a peer that stores its state late and misspells the version
    let step_one = east
        .token("Request", "x1")
        .replace("protocolVersion=\"1.3\"", "procotolVersion=\"1.2\"")
        .replace("a-token-that-nobody-guesses", "\n a-token-that-nobody-guesses\n ");
    let begin = Instant::now();
    let session = east.log_in_saying(1, &step_one).await;
    assert!(begin.elapsed() > Duration::from_secs(1), "step 2 comes after a pause");
    // Messages to it are base64, whatever they hold
    let mut ada = north.phone("ada", modern()).await;
    let play = async {
        let heard = east.next().await;
        assert!(heard.text.contains("WV-SSP1.2"), "the version was understood: {}", heard.text);
        assert!(heard.text.contains("encoding=\"base64\">cGxhaW4gd29yZHM=<"), "{}", heard.text);
        assert!(!heard.text.contains("plain words"), "{}", heard.text);
        let Carried::Primitive(_) = &heard.transaction().content else { panic!("{}", heard.text) };
        let user = heard.transaction().meta.as_ref().and_then(|meta| meta.user.clone());
        assert_eq!(user.map(|user: User| user.id.to_string()).as_deref(), Some("wv:ada@north.old.example"));
        answer(&east, &session, &message(&heard).0, 200).await;
    };
    let to = zoe(&east);
    let (answered, ()) = tokio::join!(ada.send(&to, "plain words", false), play);
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    // When it wants a report on a message
    let body = east.message("m1", "wv:zoe@east.old.example", &["wv:ada@north.old.example"], "tell me", true);
    assert_eq!(east.ask(&session, "t77", &body).await.code(), 200);
    assert_eq!(text(&receive(&mut ada).await), "tell me");
    // Then it comes as a Response in that transaction
    let report = east.next().await;
    let transaction = report.transaction();
    assert_eq!((transaction.id.as_str(), transaction.mode), ("t77", Mode::Response), "{}", report.text);
    let Carried::Primitive(primitive) = &transaction.content else { panic!("{}", report.text) };
    let Primitive::DeliveryReport(report) = &**primitive else { panic!("{}", report.text) };
    assert_eq!(
        (report.result.code, report.info.id.as_ref().map(causeway::imps::MessageId::as_str)),
        (Code::SUCCESSFUL, Some("m1"))
    );
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misspelt_version_betrays_a_legacy_peer_to_which_step_three_comes_late() {
    let (_world, north, node, east) =
        stage_with("north.slip.example", "east.slip.example", "", NO_HOLD).await;
    let mut ada = north.phone("ada", modern()).await;
    ada.send(&zoe(&east), "first", false).await.unwrap();
    let step_one = east.next().await;
    let token = east.heard_token(&step_one);
    let misspelt = east.token("Response", "own1").replace("protocolVersion", "procotolVersion");
    let begin = Instant::now();
    east.say(&misspelt).await;
    let three = east.next().await;
    assert!(three.at - begin > Duration::from_secs(1), "{:?}", three.at - begin);
    east.say(&east.login("Response", step_one.setup().id.as_str(), &token)).await;
    let five = east.next().await;
    assert!(matches!(five.setup().element, Setup::LoginResponse(_)));
    east.say(&ScriptedPeer::grant("Response", step_one.setup().id.as_str(), "Sc1@east.slip.example")).await;
    assert_eq!(message(&east.next().await).2, "first");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_peer_has_four_posts_to_deal_with_and_no_more() {
    let (_world, north, node, east) =
        stage_with("north.four.example", "east.four.example", "profile = \"legacy\"", NO_HOLD).await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given twelve messages to twelve people, and a peer that is slow to say 200
    east.usually(Reply::Held);
    for number in 0..12 {
        let to = format!("wv:user{number}@east.four.example").parse().unwrap();
        ada.send(&[to], &format!("words {number}"), false).await.unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < 12 {
        let next = east.next().await;
        heard.push(message(&next).2.to_owned());
        if heard.len() >= 4 {
            east.release(1);
        }
        answer(&east, &session, &message(&next).0, 200).await;
    }
    east.release(3);
    // Then they came four at a time, each once
    assert_eq!(east.open().1, 4);
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 12);
    until("all are answered", || async { (east.open().0 == 0).then_some(()) }).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_taken_for_a_message_that_was_sent_and_for_no_other() {
    let (_world, north, node, east) = stage("north.report.example", "east.report.example").await;
    let session = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let play = async {
        let heard = east.next().await;
        answer(&east, &session, &message(&heard).0, 200).await;
        message(&heard).1
    };
    let to = zoe(&east);
    let (answered, id) = tokio::join!(ada.send(&to, "hello", true), play);
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    let report = |id: &str, recipient: &str| {
        format!(
            "<DeliveryStatusReport><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@east.report.example\">\
             <User userID=\"wv:zoe@east.report.example\"/></Requestor></MetaInfo><DeliveryResult><Status code=\"200\"/></DeliveryResult>\
             <MessageInfo messageID=\"{id}\"><Recipient><User userID=\"{recipient}\"/></Recipient>\
             <Sender><User userID=\"wv:ada@north.report.example\"/></Sender></MessageInfo></DeliveryStatusReport>"
        )
    };
    // Reports on what was never sent, or by somebody else, are refused
    let invented = report("never-sent", "wv:zoe@east.report.example");
    assert!(east.ask(&session, "t1", &invented).await.code() >= 400);
    let foreign = report(&id, "wv:cy@bank.report.example");
    assert_eq!(east.ask(&session, "t2", &foreign).await.code(), 901);
    assert_eq!(ada.take().await.unwrap(), None);
    // The real one arrives
    assert_eq!(east.ask(&session, "t3", &report(&id, "wv:zoe@east.report.example")).await.code(), 200);
    let Primitive::DeliveryReport(report) = receive(&mut ada).await else { panic!("no report") };
    assert_eq!(report.info.id.unwrap().as_str(), id);
    let nothing = in_session(&session.ours, &[request("t4", "<KeepAliveRequest timeToLive=\"600\"/>")]);
    east.say(&nothing).await;
    let kept = east.next().await;
    assert!(kept.text.contains("<KeepAliveResponse") && kept.text.contains("600"), "{}", kept.text);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_up_that_meets_trouble_is_carried_on() {
    let (_world, north, node, east) = stage("north.steps.example", "east.steps.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let to = zoe(&east);
    let play = async {
        // Given a peer that is not ready for step 1, and hangs up on step 3
        east.reply([Reply::Status(503)]);
        let refused = east.next().await;
        let first = east.next().await;
        assert_ne!(first.setup().id, refused.setup().id, "a set-up that nobody took is begun anew");
        assert!(first.at - refused.at > Duration::from_millis(3900));
        east.reply([Reply::HangUp]);
        let token = east.heard_token(&first);
        let id = first.setup().id.as_str();
        east.say(&east.token("Response", "own1")).await;
        let three = east.next().await;
        let again = east.next().await;
        assert_eq!(again.text, three.text);
        // A login with the right digest that comes twice does no harm either
        east.say(&east.login("Response", id, &token)).await;
        east.say(&east.login("Response", id, &token)).await;
        let five = east.next().await;
        assert!(matches!(five.setup().element, Setup::LoginResponse(_)), "{}", five.text);
        east.say(&ScriptedPeer::grant("Response", id, "Sc1@east.steps.example")).await;
        let heard = east.next().await;
        let session = Session {
            ours: "Sc1@east.steps.example".to_owned(),
            theirs: heard.session().session.to_string(),
        };
        assert!(five.text.contains(&session.theirs));
        answer(&east, &session, &message(&heard).0, 200).await;
    };
    let (answered, ()) = tokio::join!(ada.send(&to, "at last", false), play);
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_ends_the_session_gets_a_new_one_with_the_next_message() {
    let (_world, north, node, east) = stage("north.ends.example", "east.ends.example").await;
    let old = east.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a peer that ends a session as the one known implementation does
    let end = format!(
        "<LoginResponse sessionID=\"{}\" timeToLive=\"0\"><Status code=\"604\"/></LoginResponse>",
        old.ours
    );
    let ended = east.post(&set_up("Request", "x1", &end)).await;
    assert!(ended.status == 200 || ended.status == 403, "{}", ended.status);
    assert_eq!(east.post(&sign_of_life(&old)).await.status, 403);
    // Then the next message opens a new one
    let to = zoe(&east);
    let play = async {
        let new = east.answer_set_up(&east.next().await, 2).await;
        let heard = east.next().await;
        assert_eq!(heard.session().session.as_str(), new.theirs);
        answer(&east, &new, &message(&heard).0, 200).await;
    };
    let (answered, ()) = tokio::join!(ada.send(&to, "and again", false), play);
    assert_eq!(answered.unwrap().result.code, Code::SUCCESSFUL);
    node.drain().await;
}
