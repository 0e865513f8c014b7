//! The store of a running node is copied while users write, and another node goes on from the copy.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{Contact, CreateListRequest};
use causeway::imps::{Code, Primitive, UserId, Version};
use causeway::wire::Encoding;

use super::operators::{done, refused};
use crate::csp::ask;
use crate::world::{World, manner, modern, receive, text, until};

const NORTH: &str = "north.example";
const SOUTH: &str = "south.example";
const LAST: &str = "the last";

async fn send(phone: &mut Phone, to: &UserId, words: &str) {
    let answer = phone.send(std::slice::from_ref(to), words, false).await.unwrap();
    assert_eq!(answer.result.code, Code::SUCCESSFUL, "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_users_write_holds_what_was_accepted_and_a_node_goes_on_from_it() {
    // Given a node with accounts, lists, shared content, and messages that wait for a user and for a peer
    let world = World::new().await;
    let (north, south) = (world.place(NORTH, &[SOUTH]), world.place(SOUTH, &[NORTH]));
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let cy = north.phone("cy", modern()).await;
    let (cys, bos) = (cy.user().clone(), south.user("bo"));
    let list = CreateListRequest {
        list: "wv:ada/friends@north.example".parse().unwrap(),
        contacts: vec![Contact { user: bos.clone(), nickname: None }],
        properties: Vec::new(),
    };
    assert_eq!(ask(&mut ada, list).await.code(), Code::SUCCESSFUL);
    let octets = vec![7; 100_000];
    let url = ada.keep_content("map.png", "image/png", "link", octets.clone()).await.unwrap();
    let mut before = Vec::new();
    for number in 0..5 {
        let words = format!("before {number}");
        send(&mut ada, &cys, &words).await;
        send(&mut ada, &bos, &words).await;
        before.push(words);
    }
    // When it is copied while somebody goes on writing
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (stop, cys) = (stop.clone(), cys.clone());
        let mut di = north.phone("di", modern()).await;
        async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                send(&mut di, &cys, &format!("meanwhile {number}")).await;
                number += 1;
            }
            number
        }
    });
    let backup = north.provider.folder.join("backup");
    let folder = backup.to_str().unwrap();
    let said = done(&north, &["backup", folder]).await;
    assert!(said.starts_with("3 accounts, ") && said.contains(" 5 for peers, 1 items of content"), "{said}");
    stop.store(true, Ordering::Relaxed);
    let meanwhile = writing.await.unwrap();
    // Then what comes later is not in it
    send(&mut ada, &bos, "afterwards").await;
    // And it is put into no folder where a node runs
    assert!(refused_plainly(&north, &["restore", folder, "--replace"]).await.contains("another node"));
    node.drain().await;
    assert!(refused(&north, &["restore", folder]).await.contains("--replace"));
    // When the data folder is lost and the backup takes its place
    fs::remove_dir_all(north.provider.folder.join("data")).unwrap();
    assert_eq!(done(&north, &["restore", folder]).await, said.lines().next().unwrap().to_owned() + "\n");
    let _node = world.start(&north).await;
    // Then sessions of before are over, and users log in with their passwords
    until("old sessions end", async || (north.metric("causeway_csp_sessions").await == 0.0).then_some(()))
        .await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    // And lists, shared content and messages are there, each once
    match ada.ask(Primitive::GetListRequest).await.unwrap() {
        Primitive::GetListResponse(lists) => assert!(format!("{lists:?}").contains("ada/friends")),
        other => panic!("{}", other.name()),
    }
    assert_eq!(ada.fetch(&url).await.unwrap().body, octets);
    send(&mut ada, &cys, LAST).await;
    let mut cy = north.phone("cy", modern()).await;
    let mut heard = Vec::new();
    loop {
        let found = receive(&mut cy).await;
        match text(&found) {
            LAST => break,
            words => heard.push(words.to_owned()),
        }
    }
    let others = heard.split_off(before.len());
    assert_eq!(heard, before);
    // What was accepted during the copy is in it up to one moment, without a gap
    assert!(others.len() <= meanwhile);
    assert_eq!(others, (0..others.len()).map(|number| format!("meanwhile {number}")).collect::<Vec<_>>());
    // And so does the peer get what waited for it
    let _south = world.start(&south).await;
    let mut bo = south.phone("bo", modern()).await;
    send(&mut ada, &bos, LAST).await;
    for words in before.iter().map(String::as_str).chain([LAST]) {
        assert_eq!(text(&receive(&mut bo).await), words);
    }
}

/// Refused for a reason that says itself what to do.
async fn refused_plainly(place: &crate::world::Place, words: &[&str]) -> String {
    let (code, _, errors) = super::operators::verb(place, words).await;
    assert_eq!((code, errors.lines().count()), (1, 1), "{words:?}: {errors}");
    errors
}
