//! Questions that nobody answers.

use causeway::cli::laboratory::Writing;
use causeway::imps::UserId;
use causeway::imps::primitive::GetPresenceRequest;

use super::weather::{answer, finish_log_in, message, sign_of_life};
use crate::csp::ask;
use crate::peer::ScriptedPeer;
use crate::world::{World, modern};

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
