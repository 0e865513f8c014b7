//! Questions that nobody answers, and how long what waits is worth sending.

use causeway::cli::laboratory::Writing;
use causeway::imps::UserId;
use causeway::imps::presence::AttributeName;
use causeway::imps::primitive::{GetPresenceRequest, SubscribePresenceRequest};

use super::groups::{create, group, join as join_group};
use super::operators::json;
use super::presence::{id, open_to_all, publish};
use super::weather::{answer, finish_log_in, message, sign_of_life};
use crate::csp::ask;
use crate::peer::{Reply, ScriptedPeer};
use crate::world::{World, modern, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_given_up_and_never_asked_late() {
    let world = World::new().await;
    let sections = "[limits]\nhold-query-seconds = 1\n";
    let agreement = "services = [\"im\", \"presence\"]\n";
    let writing = Writing { peers: &["east.late.example"], agreement, sections, ..Writing::default() };
    let north = world.place_with("north.late.example", &writing);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // Given a peer that is away
    let zoe: UserId = "wv:zoe@east.late.example".parse().unwrap();
    let look = GetPresenceRequest { users: vec![zoe.clone()], contact_lists: Vec::new(), attributes: None };
    // When somebody asks it something, the answer is that it is silent, or known to be away
    for _ in 0..2 {
        let answer = ask(&mut ada, look.clone()).await;
        assert!([503, 504].contains(&answer.code().get()), "{answer:?}");
    }
    ada.send(&[zoe], "are you there?", false).await.unwrap();
    // And when it comes back, then it hears of the message and not of the questions
    let east = ScriptedPeer::start(&world, &north, "east.late.example").await;
    east.say(&east.token("Request", "x1")).await;
    let session = finish_log_in(&east).await;
    let heard = east.next().await;
    assert_eq!(message(&heard).2, "are you there?");
    answer(&east, &session, &message(&heard).0, 200).await;
    east.say(&sign_of_life(&session)).await;
    assert!(!east.has_more().await);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_peer_waits_as_long_as_it_is_worth() {
    // Given a user of a peer who watches one of ours and is in a group with her
    let world = World::new().await;
    let agreement = "services = [\"im\", \"presence\", \"group\"]\n";
    let sections = "[limits]\nhold-query-seconds = 1\nhold-message-seconds = 1\n";
    let writing = Writing { peers: &["east.worth.example"], agreement, sections, ..Writing::default() };
    let north = world.place_with("north.worth.example", &writing);
    let east = ScriptedPeer::start(&world, &north, "east.worth.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", modern()).await;
    let club = group("wv:/club@north.worth.example");
    create(&mut ada, &club, "Ada", &[]).await;
    open_to_all(&mut ada, &[AttributeName::StatusText]).await;
    let session = east.log_in(1).await;
    let meta = "<MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@east.worth.example\">\
                <User userID=\"wv:zoe@east.worth.example\"/></Requestor></MetaInfo>";
    let join = format!(
        "<JoinGroupRequest groupID=\"{club}\" joinedListRequest=\"No\" subscribeNotif=\"Yes\">{meta}</JoinGroupRequest>"
    );
    east.ask(&session, "t1", &join).await;
    let watch =
        format!("<SubscribeRequest>{meta}<UserID userID=\"wv:ada@north.worth.example\"/></SubscribeRequest>");
    assert_eq!(east.ask(&session, "t2", &watch).await.code(), 200);
    // When that peer takes nothing any more, while all sorts of things happen
    east.usually(Reply::Later(503, 300));
    publish(&mut ada, "gone fishing").await;
    ada.send(&[id("wv:zoe@east.worth.example")], "are you there?", false).await.unwrap();
    let users = vec![id("wv:zoe@east.worth.example")];
    ask(&mut ada, SubscribePresenceRequest { users, ..SubscribePresenceRequest::default() }).await;
    join_group(&mut bo, &club, "Bo").await;
    // Then each waits its time: a day what matters later too, two minutes the news of a group
    for (primitive, seconds) in [
        ("SendMessageRequest", 86_400),
        ("SubscribePresenceRequest", 86_400),
        ("PresenceNotification", 86_400),
        ("GroupChangeNotice", 120),
    ] {
        let row = until(primitive, async || {
            let rows = json(&north, &["queue", "list"]).await;
            rows.as_array().unwrap().iter().find(|row| row["primitive"] == primitive).cloned()
        })
        .await;
        let at = |key: &str| row[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(at("expires").as_second() - at("accepted").as_second(), seconds, "{row}");
    }
    node.drain().await;
}
