//! What one user of another provider may ask for in a time, and what it hears that asks for more.

use causeway::cli::laboratory::Writing;
use causeway::imps::Status;
use causeway::node::Node;

use crate::log;
use crate::peer::{ScriptedPeer, Session, in_session, request};
use crate::world::{Place, World, modern, receive, text};

const ALL: &str = "services = [\"im\", \"presence\", \"group\"]\n";

/// A node, and a scripted peer with these lines in its agreement and a session.
async fn stage(world: &World, domain: &str, peer: &str, lines: &str) -> (Place, Node, ScriptedPeer, Session) {
    let agreement = format!("{ALL}{lines}");
    let writing = Writing { peers: &[peer], agreement: &agreement, ..Writing::default() };
    let place = world.place_with(domain, &writing);
    let scripted = ScriptedPeer::start(world, &place, peer).await;
    let node = world.start(&place).await;
    let session = scripted.log_in(1).await;
    (place, node, scripted, session)
}

async fn over_budget(place: &Place, peer: &str) -> f64 {
    place.metric(&format!("causeway_ssp_refused_total{{peer=\"{peer}\",reason=\"budget\"}}")).await
}

fn asks(peer: &str, who: &str, element: &str, attributes: &str, inside: &str) -> String {
    format!(
        "<{element}{attributes}><MetaInfo clientOriginated='Yes'><Requestor serviceID='wv:@{peer}'>\
         <User userID='{who}'/></Requestor></MetaInfo>{inside}</{element}>"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_sends_too_much_hears_503_then_403_and_others_are_served() {
    log::keep();
    let world = World::new().await;
    let peer = "east.budget.example";
    let (north, node, east, session) =
        stage(&world, "north.budget.example", peer, "user-messages-per-minute = 3").await;
    let mut ada = north.phone("ada", modern()).await;
    let ada_id = ada.user().to_string();
    let (zoe, yan) = ("wv:zoe@east.budget.example", "wv:yan@east.budget.example");
    let message = |id: &str, from: &str| east.message(id, from, &[&ada_id], id, false);
    // Given a user who has sent what a minute allows
    for number in 0..3 {
        let id = format!("m{number}");
        assert_eq!(east.ask(&session, &format!("t{number}"), &message(&id, zoe)).await.code(), 200);
    }
    // Then one more is refused, with a time to try again that grows with each refusal
    let first = east.ask(&session, "t3", &message("m3", zoe)).await;
    let again = first.status().try_again.expect("a time to try again");
    assert_eq!(first.code(), 503);
    assert!((1..=20).contains(&again), "{again}");
    let second = east.ask(&session, "t3", &message("m3", zoe)).await;
    assert!(second.status().try_again.unwrap() > again, "the same request again is asked anew");
    assert!(!log::lines_with(&["WARN", peer, zoe, "over its budget", "messages"]).is_empty());
    // And who asks on and on is refused for good
    let mut codes = Vec::new();
    for number in 4..40 {
        let id = format!("m{number}");
        let answer = east.ask(&session, &format!("t{number}"), &message(&id, zoe)).await;
        codes.push(answer.code());
        if answer.code() == 403 {
            assert_eq!(
                answer.status(),
                &Status {
                    description: answer.status().description.clone(),
                    ..Status::new(answer.status().code)
                }
            );
            break;
        }
    }
    assert_eq!(codes.pop(), Some(403));
    assert!(codes.len() > 20 && codes.iter().all(|code| *code == 503), "{codes:?}");
    let counted = f64::from(u32::try_from(codes.len() + 3).unwrap());
    assert_eq!(over_budget(&north, peer).await, counted);
    // And nobody else at that provider is worse off
    assert_eq!(east.ask(&session, "u1", &message("of yan", yan)).await.code(), 200);
    for expected in ["m0", "m1", "m2", "of yan"] {
        assert_eq!(text(&receive(&mut ada).await), expected);
    }
    assert_eq!(ada.take().await.unwrap(), None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_link_is_no_second_budget() {
    let world = World::new().await;
    let (peer, hub) = ("east.two.example", "hub.two.example");
    let agreement = format!("{ALL}user-messages-per-minute = 2");
    let writing = Writing { peers: &[peer, hub], agreement: &agreement, ..Writing::default() };
    let north = world.place_with("north.two.example", &writing);
    // Given a hub that may speak for the peer too, with a larger budget
    let file = north.provider.folder.join("peers.toml");
    let entry = format!("domain = \"{hub}\"");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains(&entry));
    let (before, behind) = written.split_once(&entry).unwrap();
    let behind = behind.replacen("per-minute = 2", "per-minute = 1000", 1);
    std::fs::write(&file, format!("{before}{entry}\ncarries = [\"{peer}\"]{behind}")).unwrap();
    let east = ScriptedPeer::start(&world, &north, peer).await;
    let other = ScriptedPeer::start(&world, &north, hub).await;
    let node = world.start(&north).await;
    let (direct, roundabout) = (east.log_in(1).await, other.log_in(1).await);
    let mut ada = north.phone("ada", modern()).await;
    let (ada_id, zoe) = (ada.user().to_string(), "wv:zoe@east.two.example");
    // When a user has spent its budget on both links
    let message = |id: &str| east.message(id, zoe, &[&ada_id], id, false);
    assert_eq!(east.ask(&direct, "t1", &message("m1")).await.code(), 200);
    assert_eq!(other.ask(&roundabout, "t1", &message("m2")).await.code(), 200);
    // Then it is refused on both
    assert_eq!(east.ask(&direct, "t2", &message("m3")).await.code(), 503);
    assert_eq!(other.ask(&roundabout, "t2", &message("m4")).await.code(), 503);
    for expected in ["m1", "m2"] {
        assert_eq!(text(&receive(&mut ada).await), expected);
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_makes_sixty_invitations_an_hour_and_is_then_refused_for_good() {
    let world = World::new().await;
    let peer = "east.guest.example";
    let (north, node, east, session) = stage(&world, "north.guest.example", peer, "").await;
    let ada = north.phone("ada", modern()).await;
    let zoe = "wv:zoe@east.guest.example";
    let mut codes = Vec::new();
    for number in 0..122 {
        let attributes = format!(" inviteID='i{number}' inviteType='IM'");
        let inside = format!(
            "<Inviting><User userID='{zoe}'/></Inviting><Invited><User userID='{}'/></Invited>",
            ada.user()
        );
        let invites = asks(peer, zoe, "InviteRequest", &attributes, &inside);
        let answer = east.ask(&session, &format!("t{number}"), &invites).await;
        let try_again = answer.status().try_again;
        codes.push((answer.code(), try_again));
    }
    let count = |wanted| codes.iter().filter(|found| **found == wanted).count();
    assert_eq!((count((200, None)), count((503, Some(3600)))), (60, 60), "{codes:?}");
    assert_eq!(codes[120..], [(403, None), (403, None)]);
    assert_eq!(over_budget(&north, peer).await, 62.0);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_peer_have_so_many_subscriptions_and_no_more() {
    let world = World::new().await;
    let peer = "east.watch.example";
    let (north, node, east, session) =
        stage(&world, "north.watch.example", peer, "max-subscriptions = 2").await;
    let (ada, bo) = (north.phone("ada", modern()).await, north.phone("bo", modern()).await);
    let subscribes = async |transaction: &str, who: &str, whom: &str| {
        let who = format!("wv:{who}@{peer}");
        let asked = asks(peer, &who, "SubscribeRequest", "", &format!("<UserID userID='{whom}'/>"));
        east.say(&in_session(&session.ours, &[request(transaction, &asked)])).await;
        loop {
            // The first notice of a subscription may come before its answer.
            let heard = east.next().await;
            if heard.transaction().id.as_str() == transaction {
                return (heard.code(), heard.status().try_again);
            }
        }
    };
    let (ada, bo) = (ada.user().to_string(), bo.user().to_string());
    // Given two subscriptions of two users
    assert_eq!(subscribes("t1", "zoe", &ada).await, (200, None));
    assert_eq!(subscribes("t2", "yan", &ada).await, (200, None));
    // Then a third has no room, whoever wants it
    assert_eq!(subscribes("t3", "zoe", &bo).await, (503, Some(3600)));
    assert_eq!(subscribes("t4", "xi", &ada).await, (503, Some(3600)));
    // And who watches already may say so again
    assert_eq!(subscribes("t5", "zoe", &ada).await, (200, None));
    node.drain().await;
}
