//! What waits for a user: how it comes to the phones, and what they may do with it.

use causeway::cli::phone::{Manner, Phone};
use causeway::imps::primitive::{
    GetMessageListRequest, GetMessageListResponse, GetMessageRequest, MessageDelivered, RejectMessageRequest,
};
use causeway::imps::status::Entity;
use causeway::imps::{Code, MessageId, Primitive, Status, Version};
use causeway::wire::{Encoding, Mode};

use crate::csp::{self, XML, message, notify_only, only, report, say, send};
use crate::world::{PASSWORD, Place, World, manner, modern, receive, text};

/// The user's account, and nobody logged in.
async fn enrol(place: &Place, user: &str) {
    place.phone(user, modern()).await.logout().await.unwrap();
}

/// One more phone of a user.
async fn second_phone(place: &Place, user: &str, device: &str, manner: Manner) -> Phone {
    let mut phone = Phone::new(place.csp, place.user(user), device, manner);
    phone.login(PASSWORD).await.unwrap();
    phone
}

fn delivered(id: &MessageId) -> Primitive {
    Primitive::MessageDelivered(MessageDelivered { message_id: id.clone() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_finds_everything_at_login_the_oldest_first() {
    // Given users of two providers who are not logged in
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    enrol(&south, "bo").await;
    enrol(&north, "dee").await;
    // When more is written to them than one look into the mailbox shows
    let words: Vec<String> = (0..40).map(|number| format!("number {number}")).collect();
    for words in &words {
        send(&mut ada, &["wv:bo@south.example", "wv:dee@north.example"], words, false).await;
    }
    // Then they find all of it when they come back, in order
    for (place, user) in [(&south, "bo"), (&north, "dee")] {
        let mut phone = place.phone(user, manner(Version::V1_3, Encoding::Wbxml)).await;
        for words in &words {
            assert_eq!(text(&receive(&mut phone).await), words);
        }
        assert_eq!(phone.poll().await.unwrap(), None);
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_phone_is_offered_a_message_and_the_first_that_takes_it_has_it() {
    // Given a user with two phones side by side
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut pocket = north.phone("bo", modern()).await;
    let mut desk = second_phone(&north, "bo", "desk", manner(Version::V1_1, Encoding::Wbxml)).await;
    // When
    send(&mut ada, &["wv:bo"], "first", true).await;
    send(&mut ada, &["wv:bo"], "second", false).await;
    // Then both are offered it
    let (pocket_id, offered) = pocket.poll().await.unwrap().expect("an offer");
    assert_eq!(text(&offered), "first");
    let (desk_id, same) = desk.poll().await.unwrap().expect("an offer");
    assert_eq!(text(&same), "first");
    // And once one has taken it, the other may say what it likes: there is one report
    desk.acknowledge(desk_id, &same).await.unwrap();
    pocket.acknowledge(pocket_id, &offered).await.unwrap();
    assert_eq!(report(receive(&mut ada).await).result.code, Code::SUCCESSFUL);
    // And what one has taken before the other polls, the other never sees
    assert_eq!(text(&receive(&mut pocket).await), "second");
    assert_eq!(desk.take().await.unwrap().as_ref().map(text), Some("second"), "it was offered already");
    send(&mut ada, &["wv:bo"], "third", false).await;
    assert_eq!(text(&receive(&mut pocket).await), "third");
    assert_eq!(desk.poll().await.unwrap(), None);
    assert_eq!(ada.poll().await.unwrap(), None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_polls_before_it_answers_gets_the_next_message_with_its_answer() {
    // Given two messages that wait
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", modern()).await;
    let first = send(&mut ada, &["wv:bo"], "first", false).await;
    let second = send(&mut ada, &["wv:bo"], "second", false).await;
    // When the phone is handed the first, it is told that more waits
    let offer = say(&mut bo, Mode::Request, None, Primitive::PollingRequest).await.expect("an offer");
    assert_eq!(offer.poll, Some(true));
    let (transaction, new) = only(&offer);
    assert_eq!((transaction.mode, text(new)), (Mode::Request, "first"));
    let id = transaction.id.clone().expect("an id");
    // And polls before it answers: nothing comes yet
    assert_eq!(say(&mut bo, Mode::Request, None, Primitive::PollingRequest).await, None);
    // Then its answer is answered by the second
    let next = say(&mut bo, Mode::Response, Some(id.as_str()), delivered(&first)).await.expect("an offer");
    assert_eq!(next.poll, Some(false));
    let (transaction, new) = only(&next);
    assert_eq!((transaction.mode, text(new)), (Mode::Request, "second"));
    let id = transaction.id.clone().expect("an id");
    assert_eq!(say(&mut bo, Mode::Response, Some(id.as_str()), delivered(&second)).await, None);
    // And nothing is left
    assert_eq!(say(&mut bo, Mode::Request, None, Primitive::PollingRequest).await, None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_to_say_is_an_empty_200_with_its_length() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let bo = north.phone("bo", modern()).await;
    let poll = csp::xml(bo.session(), Mode::Request, None, "<Polling-Request/>");
    let status = "<Status><Result><Code>200</Code></Result></Status>";
    let answer = csp::xml(bo.session(), Mode::Response, Some("who-asked"), status);
    let delivered = "<MessageDelivered><MessageID>none</MessageID></MessageDelivered>";
    let taken = csp::xml(bo.session(), Mode::Response, Some("who-asked"), delivered);
    for document in [poll, answer, taken] {
        let reply = csp::post(north.csp, XML, document.as_bytes()).await;
        assert_eq!(reply.status, 200, "never 204: a real client falls silent");
        assert_eq!((reply.header("content-length"), reply.body.len()), (Some("0"), 0));
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_wants_to_be_told_fetches_the_message_itself() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    for version in Version::ALL {
        // Given a phone that wants notifications
        let mut bo = south.phone("bo", manner(version, Encoding::Wbxml)).await;
        notify_only(&mut bo).await;
        // When
        let id = send(&mut ada, &["wv:bo@south.example"], "see you at six", true).await;
        // Then it is told of the message, with its size, and its Status does not count as delivery
        let Primitive::MessageNotification(told) = receive(&mut bo).await else { panic!("not told") };
        assert_eq!((told.info.id.as_ref(), told.info.content_size), (Some(&id), Some(14)));
        assert_eq!(ada.poll().await.unwrap(), None);
        // And fetches it, as often as it likes
        for _ in 0..2 {
            let fetch = GetMessageRequest { message_id: id.clone() };
            let Primitive::GetMessageResponse(got) = bo.ask(fetch.into()).await.unwrap() else {
                panic!("not fetched")
            };
            assert_eq!(got.content, Some("see you at six".into()));
            assert_eq!(got.info.author().unwrap().id, north.user("ada"));
        }
        // Until it says that it has it
        assert_eq!(bo.ask(delivered(&id)).await.unwrap(), Primitive::Status(Status::ok()));
        let told = report(receive(&mut ada).await);
        assert_eq!((told.result.code, told.info.id.as_ref()), (Code::SUCCESSFUL, Some(&id)));
        let gone = bo.ask(GetMessageRequest { message_id: id.clone() }.into()).await.unwrap_err();
        assert_eq!(gone.code(), Some(Code::INVALID_MESSAGE_ID));
        assert_eq!(bo.ask(delivered(&id)).await.unwrap_err().code(), Some(Code::INVALID_MESSAGE_ID));
        assert_eq!(bo.poll().await.unwrap(), None);
        bo.logout().await.unwrap();
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_larger_than_agreed_is_told_and_not_pushed() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", modern()).await;
    // Given a message above the phone's limit, and a small one behind it
    let long = "x".repeat(300 * 1024);
    let id = send(&mut ada, &["wv:bo"], &long, false).await;
    send(&mut ada, &["wv:bo"], "short", false).await;
    // Then
    let Primitive::MessageNotification(told) = receive(&mut bo).await else { panic!("not told") };
    assert_eq!(told.info.content_size, Some(300 * 1024));
    assert_eq!(text(&receive(&mut bo).await), "short");
    let fetch = GetMessageRequest { message_id: id };
    let Primitive::GetMessageResponse(got) = bo.ask(fetch.into()).await.unwrap() else { panic!() };
    assert_eq!(got.content, Some(long.as_str().into()));
    node.drain().await;
}

async fn listed(phone: &mut Phone, count: Option<u32>) -> GetMessageListResponse {
    let request = GetMessageListRequest { group: None, count };
    match phone.ask(request.into()).await.unwrap() {
        Primitive::GetMessageListResponse(list) => list,
        other => panic!("{}", other.name()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_sees_what_waits_the_newest_first() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    enrol(&north, "bo").await;
    let mut ids = Vec::new();
    for words in ["one", "two", "three"] {
        ids.insert(0, send(&mut ada, &["wv:bo"], words, false).await);
    }
    for version in Version::ALL {
        let mut bo = north.phone("bo", manner(version, Encoding::Xml)).await;
        // All of them
        let all = listed(&mut bo, None).await;
        let found: Vec<_> = all.messages.iter().filter_map(|info| info.id.clone()).collect();
        assert_eq!(found, ids);
        // No more than wanted; 1.3 is told how many there are
        let two = listed(&mut bo, Some(2)).await;
        assert_eq!(two.messages.len(), 2);
        assert_eq!(two.total, (version == Version::V1_3).then_some(3));
        // A group has a history of its own, if there is such a group
        let group =
            GetMessageListRequest { group: Some("wv:/chess@north.example".parse().unwrap()), count: None };
        assert_eq!(bo.ask(group.into()).await.unwrap_err().code(), Some(Code::NO_GROUP));
        bo.logout().await.unwrap();
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rejected_goes_unread_and_its_author_hears_538() {
    // Given messages for bo from home and from abroad, with and without a wish for reports
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut dee = south.phone("dee", modern()).await;
    enrol(&south, "bo").await;
    let mut ids = vec![
        send(&mut ada, &["wv:bo@south.example"], "abroad, unasked", false).await,
        send(&mut ada, &["wv:bo@south.example"], "abroad, asked", true).await,
        send(&mut dee, &["wv:bo@south.example"], "home, unasked", false).await,
    ];
    // When bo rejects them, and one that does not exist
    let mut bo = south.silent_phone("bo", modern());
    bo.login(PASSWORD).await.unwrap();
    let unknown: MessageId = "none@south.example".parse().unwrap();
    ids.push(unknown.clone());
    let request = RejectMessageRequest { message_ids: ids.clone() };
    let Primitive::Status(status) = bo.ask(request.into()).await.unwrap() else { panic!("no Status") };
    // Then the answer tells them apart
    assert_eq!(status.code, Code::PARTIALLY_SUCCESSFUL);
    assert_eq!(status.code_for(&Entity::Message(unknown)), Code::INVALID_MESSAGE_ID);
    // And a foreign author hears of it if that was asked for, a local one in any case
    let abroad = report(receive(&mut ada).await);
    assert_eq!((abroad.result.code, abroad.info.id.as_ref()), (Code::REJECTED, ids.get(1)));
    let home = report(receive(&mut dee).await);
    assert_eq!((home.result.code, home.info.id.as_ref()), (Code::REJECTED, ids.get(2)));
    // And nothing is left to deliver
    assert_eq!(bo.poll().await.unwrap(), None);
    assert_eq!(ada.poll().await.unwrap(), None);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_refused_by_one_phone_waits_for_the_next_login() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", modern()).await;
    let request = message(&bo, &["wv:bo"], "note to myself");
    ada.send_message(request).await.unwrap();
    // Given a phone that answers NewMessage with an error
    let (id, _) = bo.poll().await.unwrap().expect("an offer");
    bo.answer(id, Status::new(Code::INTERNAL_ERROR).into()).await.unwrap();
    assert_eq!(bo.poll().await.unwrap(), None);
    // When it logs in anew
    bo.login(PASSWORD).await.unwrap();
    // Then the message is there; its sender is who sent it, whatever the phone wrote
    let Primitive::NewMessage(new) = receive(&mut bo).await else { panic!("no message") };
    assert_eq!(new.info.author().unwrap().id, north.user("ada"));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_taken_just_as_the_node_stopped_is_settled_after_the_restart() {
    // Given a message that was offered, its author waiting for the report
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", modern()).await;
    send(&mut ada, &["wv:bo"], "mind the gap", true).await;
    send(&mut ada, &["wv:bo"], "next", false).await;
    let (id, new) = bo.poll().await.unwrap().expect("an offer");
    // When the phone answers only after a restart
    node.drain().await;
    let node = world.start(&north).await;
    for phone in [&mut ada, &mut bo] {
        csp::reconnect(phone).await;
    }
    bo.acknowledge(id, &new).await.unwrap();
    // Then it is not offered again, and the author hears of it
    assert_eq!(text(&receive(&mut bo).await), "next");
    assert_eq!(bo.poll().await.unwrap(), None);
    assert_eq!(report(receive(&mut ada).await).result.code, Code::SUCCESSFUL);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_that_take_a_message_at_the_same_moment_make_one_report() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut pocket = north.phone("bo", modern()).await;
    let mut desk = second_phone(&north, "bo", "desk", modern()).await;
    for round in 0..10 {
        // Given both have been offered the message
        let id = send(&mut ada, &["wv:bo"], &format!("round {round}"), true).await;
        let (one_id, one) = pocket.poll().await.unwrap().expect("an offer");
        let (other_id, other) = desk.poll().await.unwrap().expect("an offer");
        // When both take it at once
        let (a, b) = tokio::join!(pocket.acknowledge(one_id, &one), desk.acknowledge(other_id, &other));
        a.unwrap();
        b.unwrap();
        // Then
        assert_eq!(report(receive(&mut ada).await).info.id, Some(id));
        assert_eq!(ada.poll().await.unwrap(), None);
    }
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mailbox_takes_nothing_until_its_owner_makes_room() {
    // Given a user who is away, and an author who fills the mailbox
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", manner(Version::V1_2, Encoding::Wbxml)).await;
    enrol(&north, "bo").await;
    let long = "x".repeat(1_000_000);
    let mut sent = 0;
    let refused = loop {
        let answer = ada.send(&[north.user("bo")], &long, false).await.unwrap();
        if !answer.result.code.is_success() {
            break answer;
        }
        sent += 1;
        assert!(sent < 100, "there must be an end");
    };
    // Then the next one is refused
    assert_eq!((refused.result.code, refused.message_id), (Code::QUEUE_FULL, None));
    assert!(sent > 60);
    assert!((north.metric("causeway_messages_failed_total{reason=\"queue-full\"}").await - 1.0).abs() < 0.5);
    // When the owner makes room
    let mut bo = north.silent_phone("bo", manner(Version::V1_2, Encoding::Wbxml));
    bo.login(PASSWORD).await.unwrap();
    let oldest = listed(&mut bo, None).await.messages.pop().and_then(|info| info.id).unwrap();
    bo.ask(RejectMessageRequest { message_ids: vec![oldest] }.into()).await.unwrap();
    // Then it takes one more
    assert_eq!(report(receive(&mut ada).await).result.code, Code::REJECTED);
    send(&mut ada, &["wv:bo"], &long, false).await;
    node.drain().await;
}
