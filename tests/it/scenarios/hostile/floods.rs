//! Callers who ask too much or guess: they are told when to come again, and others are served.

use std::fs;

use causeway::cli::laboratory::Writing;
use causeway::wire::Mode;

use super::{XML, login, rejected, stage};
use crate::csp::{self, Reply, post};
use crate::world::{PASSWORD, Place, World, modern, until};

/// Says the same until it is told to wait; the answer that said so.
async fn ask_until_told_to_wait(place: &Place, body: &str) -> Reply {
    for _ in 0..200 {
        let reply = post(place.csp, XML, body.as_bytes()).await;
        match reply.status {
            200 => {}
            429 => return reply,
            other => panic!("{other}: {}", reply.head),
        }
    }
    panic!("it may ask as often as it likes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_asks_too_much_outside_of_sessions_is_put_off_and_sessions_are_served() {
    let (_world, north, node) = stage("north.flood.example", "source-requests-per-second = 2").await;
    let mut ada = north.phone("ada", modern()).await;
    // Given somebody who sends documents that cannot be read, without end
    let reply = ask_until_told_to_wait(&north, "<lost").await;
    // Then it hears when to come again, and is counted
    let again: u32 = reply.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=2).contains(&again), "{}", reply.head);
    assert!(rejected(&north, "rate").await >= 1.0);
    // A client with a session from the same source is served meanwhile
    assert_eq!(ada.take().await.unwrap(), None);
    // And whoever waited is heard again
    until("the source is heard again", async || {
        (post(north.csp, XML, login().as_bytes()).await.status == 200).then_some(())
    })
    .await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_asks_too_much_is_put_off_and_others_are_served() {
    let (_world, north, node) = stage("north.busy.example", "session-requests-per-second = 2").await;
    let (ada, mut bo) = (north.phone("ada", modern()).await, north.phone("bo", modern()).await);
    let poll = csp::xml(ada.session(), Mode::Request, None, "<Polling-Request/>");
    let reply = ask_until_told_to_wait(&north, &poll).await;
    assert!(reply.header("Retry-After").is_some(), "{}", reply.head);
    assert_eq!(bo.take().await.unwrap(), None);
    until("the session is heard again", async || {
        (post(north.csp, XML, poll.as_bytes()).await.status == 200).then_some(())
    })
    .await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_passwords_is_slowed_down_and_the_user_is_not_kept_out() {
    // Given a provider where accounts are made by the operator, and a user who is logged in
    let world = World::new().await;
    let north = world.place_with("north.guess.example", &Writing::default());
    let config = north.provider.config();
    let closed =
        fs::read_to_string(&config).unwrap().replace("registration = \"open\"", "registration = \"closed\"");
    fs::write(&config, closed).unwrap();
    let provider = north.provider.clone();
    tokio::task::spawn_blocking(move || provider.add_user("ada", PASSWORD)).await.unwrap().unwrap();
    let node = world.start(&north).await;
    let mut ada = north.silent_phone("ada", modern());
    ada.login(PASSWORD).await.unwrap();
    // And somebody at the same address who tries passwords, of a user and of nobody
    for user in ["wv:ada", "wv:nobody"] {
        let guess = login().replace("wv:nobody", user);
        let mut codes = Vec::new();
        for _ in 0..20 {
            let reply = post(north.csp, XML, guess.as_bytes()).await;
            let code =
                ["409", "503"].into_iter().find(|code| reply.text().contains(&format!("<Code>{code}<")));
            codes.push(code.unwrap_or_else(|| panic!("{}", reply.text())));
        }
        // Then five failures are free, and soon a try is not even looked at
        assert_eq!(codes[..6], ["409"; 6]);
        assert!(codes.contains(&"503"), "{codes:?}");
    }
    // And the user logs in with the phone that is known there
    ada.login(PASSWORD).await.unwrap();
    node.drain().await;
}
