//! The element of messages of one provider's users, run by another.

use causeway::cli::phone::{Manner, Phone};
use causeway::imps::primitive::{
    BlockEntityRequest, BlockList, Entities, ForwardMessageRequest, GetMessageListRequest,
    GetMessageListResponse, GetMessageRequest, MessageDelivered, NewMessage, Recipient, RejectMessageRequest,
    User,
};
use causeway::imps::{Code, MessageId, Primitive, TransactionId};
use causeway::wire::Carried;

use super::super::presence::{code, id};
use super::{ADA, drain, place, places, three};
use crate::csp::{ask, message, notify_only, report, send};
use crate::peer::{ScriptedPeer, in_session, request, response};
use crate::process::Process;
use crate::world::{PASSWORD, World, modern, receive, text};

/// A message from this phone, and what its author is told at once.
async fn sent(from: &mut Phone, to: &str, words: &str, wants_report: bool) -> Code {
    let mut request = message(from, &[to], words);
    request.delivery_report = wants_report;
    let answer = from.send_message(request).await.unwrap();
    answer.result.details.first().map_or(answer.result.code, |detail| detail.code)
}

async fn listed(phone: &mut Phone) -> Vec<MessageId> {
    match ask(phone, GetMessageListRequest::default()).await {
        Primitive::GetMessageListResponse(GetMessageListResponse { messages, .. }) => {
            messages.into_iter().filter_map(|info| info.id).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_from_home_from_the_element_and_from_elsewhere_are_kept_there_and_reported_to_their_authors()
{
    let world = World::new().await;
    let ([north, south, east], nodes) = three(&world, "im").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut eve = east.phone("eve", modern()).await;
    for author in [&mut cy, &mut bo, &mut eve] {
        let words = format!("from {}", author.user());
        // When somebody writes to ada
        assert_eq!(sent(author, ADA, &words, true).await, Code::SUCCESSFUL, "{}", author.user());
        // Then her client gets it, once, and its author hears of it
        assert_eq!(text(&receive(&mut ada).await), words);
        let report = report(receive(author).await);
        assert_eq!(report.result.code, Code::SUCCESSFUL);
        let Some(Recipient::User(about)) = report.info.recipients.first() else { panic!() };
        assert_eq!(about.id, id(ADA), "{}", author.user());
    }
    assert_eq!(ada.take().await.unwrap(), None);
    assert_eq!(listed(&mut ada).await, []);
    // What she writes leaves by her home
    for (to, other) in [("wv:bo@south.example", &mut bo), ("wv:eve@east.example", &mut eve)] {
        assert_eq!(sent(&mut ada, to, "ahoy", false).await, Code::SUCCESSFUL);
        assert_eq!(text(&receive(other).await), "ahoy");
    }
    // Who is unknown at home is unknown
    assert_eq!(sent(&mut eve, "wv:nobody@north.example", "?", false).await, Code::UNKNOWN_USER);
    assert_eq!(sent(&mut bo, "wv:nobody@north.example", "?", false).await, Code::UNKNOWN_USER);
    // And nobody has a way into south with the address of a user of north
    let manner = Manner { digest: false, ..modern() };
    let mut forged = Phone::new(south.csp, id(ADA), "test-phone", manner);
    assert!(forged.login(PASSWORD).await.is_err());
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_a_user_was_away_is_listed_fetched_and_refused_at_the_element() {
    let world = World::new().await;
    let ([north, _, east], nodes) = three(&world, "im").await;
    let mut eve = east.phone("eve", modern()).await;
    north.phone("ada", modern()).await.logout().await.unwrap();
    // Given two messages that came while ada was away
    for words in ["first", "second"] {
        assert_eq!(sent(&mut eve, ADA, words, true).await, Code::SUCCESSFUL);
    }
    let mut ada = north.phone("ada", modern()).await;
    notify_only(&mut ada).await;
    let waiting = listed(&mut ada).await;
    let [second, first] = &waiting[..] else { panic!("{waiting:?}") };
    // Then one is fetched and taken
    let fetched = ask(&mut ada, GetMessageRequest { message_id: first.clone() }).await;
    let Primitive::GetMessageResponse(fetched) = fetched else { panic!("{fetched:?}") };
    assert_eq!(fetched.content, Some("first".into()));
    assert_eq!(code(&ask(&mut ada, MessageDelivered { message_id: first.clone() }).await), 200);
    let delivered = report(receive(&mut eve).await);
    assert_eq!((delivered.result.code, delivered.info.id.as_ref()), (Code::SUCCESSFUL, Some(first)));
    // And the other refused
    let refuse = RejectMessageRequest { message_ids: vec![second.clone()] };
    assert_eq!(code(&ask(&mut ada, refuse.clone()).await), 200);
    let rejected = report(receive(&mut eve).await);
    assert_eq!((rejected.result.code, rejected.info.id.as_ref()), (Code::REJECTED, Some(second)));
    // And nothing is left of them
    assert_eq!(listed(&mut ada).await, []);
    assert_eq!(code(&ask(&mut ada, refuse).await), 426);
    assert_eq!(ada.take().await.unwrap(), None);
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_forwarded_by_the_element_in_the_name_of_its_user_through_the_home() {
    let world = World::new().await;
    let ([north, _, east], nodes) = three(&world, "im").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", modern()).await;
    let mut eve = east.phone("eve", modern()).await;
    notify_only(&mut ada).await;
    assert_eq!(sent(&mut cy, ADA, "pass it on", true).await, Code::SUCCESSFUL);
    let waiting = listed(&mut ada).await;
    let request = ForwardMessageRequest {
        message_id: waiting[0].clone(),
        recipients: vec![Recipient::User(User::from(id("wv:eve@east.example")))],
        sender: None,
    };
    let answer = ask(&mut ada, request).await;
    assert_eq!(code(&answer), 200, "{answer:?}");
    let Primitive::NewMessage(NewMessage { info, content }) = receive(&mut eve).await else { panic!() };
    assert_eq!((info.author().unwrap().id.clone(), content), (id(ADA), Some("pass it on".into())));
    assert_eq!(report(receive(&mut cy).await).result.code, Code::FORWARDED);
    assert_eq!(listed(&mut ada).await, []);
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_user_blocks_the_element_refuses_wherever_it_writes_from() {
    let world = World::new().await;
    let ([north, south, east], nodes) = three(&world, "im").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut eve = east.phone("eve", modern()).await;
    let blocked = ["wv:cy@north.example", "wv:bo@south.example", "wv:eve@east.example"].map(id).to_vec();
    let block = BlockList {
        in_use: Some(true),
        add: Some(Entities { users: blocked.clone(), ..Entities::default() }),
        ..BlockList::default()
    };
    let request = Box::new(BlockEntityRequest { block: Some(block), grant: None });
    assert_eq!(code(&ask(&mut ada, request).await), 200);
    let Primitive::GetBlockedListResponse(list) = ask(&mut ada, Primitive::GetBlockedListRequest).await
    else {
        panic!()
    };
    assert_eq!(list.block.unwrap().entities.unwrap().users, blocked);
    for author in [&mut cy, &mut bo, &mut eve] {
        assert_eq!(sent(author, ADA, "hear me", false).await, Code::BLOCKED, "{}", author.user());
    }
    assert_eq!(ada.take().await.unwrap(), None);
    drain(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_survives_the_end_of_home_and_element_at_every_step_and_comes_once() {
    let world = World::new().await;
    let [north, south, east] = places(&world, "im");
    let mut north_node = Process::start(&north).await;
    let mut south_node = Process::start(&south).await;
    let east_node = world.start(&east).await;
    let mut eve = east.phone("eve", modern()).await;
    north.phone("ada", modern()).await.logout().await.unwrap();
    // Given a message that waits at the home because the element was killed
    south_node.kill();
    send(&mut eve, &[ADA], "in the storm", true).await;
    // When the home is killed too, and both come back
    north_node.kill();
    let mut south_node = Process::start(&south).await;
    let mut north_node = Process::start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    // Then it arrives
    assert_eq!(text(&receive(&mut ada).await), "in the storm");
    assert_eq!(report(receive(&mut eve).await).result.code, Code::SUCCESSFUL);
    // And when the element has it, and everybody is killed before it is fetched, it comes once
    ada.logout().await.unwrap();
    send(&mut eve, &[ADA], "and after", true).await;
    south_node.kill();
    north_node.kill();
    let _north_node = Process::start(&north).await;
    let _south_node = Process::start(&south).await;
    let mut ada = north.phone("ada", modern()).await;
    assert_eq!(text(&receive(&mut ada).await), "and after");
    assert_eq!(report(receive(&mut eve).await).result.code, Code::SUCCESSFUL);
    assert_eq!(ada.take().await.unwrap(), None);
    assert_eq!(listed(&mut ada).await, []);
    east_node.drain().await;
}

fn meta(service: &str, originated: &str) -> String {
    format!(
        "<MetaInfo clientOriginated=\"{originated}\"><Requestor serviceID=\"wv:@{service}\">\
         <User userID=\"{ADA}\"/></Requestor></MetaInfo>"
    )
}

/// The next requests and answers of a node, until there are as many.
async fn next(peer: &ScriptedPeer, count: usize) -> Vec<(TransactionId, Primitive)> {
    let mut heard = Vec::new();
    while heard.len() < count {
        for transaction in &peer.next().await.session().transactions {
            let Carried::Primitive(primitive) = &transaction.content else { panic!() };
            heard.push((transaction.id.clone(), Primitive::clone(primitive)));
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_that_wants_to_hear_of_messages_only_fetches_them() {
    let world = World::new().await;
    let south = place(&world, "south.example", &[("north.example", "hosts = [\"im\"]")]);
    let north = ScriptedPeer::start(&world, &south, "north.example").await;
    let node = world.start(&south).await;
    let session = north.log_in(1).await;
    let meta = meta("north.example", "Yes");
    // Given a home that wants notices for ada
    let wish = format!(
        "<SetDeliveryMethodRequest>{meta}<DeliveryMethod>N</DeliveryMethod></SetDeliveryMethodRequest>"
    );
    assert_eq!(north.ask(&session, "t1", &wish).await.code(), 200);
    // Which the element remembers when it begins anew
    node.drain().await;
    let node = world.start(&south).await;
    let alive = north.next().await.transaction().id.to_string();
    north.say(&in_session(&session.ours, &[response(&alive, "<Status code=\"200\"/>")])).await;
    // When it hands a message on
    let message = north.message("m1@north.example", "wv:cy@north.example", &[ADA], "hello", true);
    north.say(&in_session(&session.ours, &[request("t2", &message)])).await;
    // Then it is told that there is one
    let mut told = None;
    for (id, primitive) in next(&north, 2).await {
        match primitive {
            Primitive::SendMessageResponse(answer) => assert_eq!(answer.result.code, Code::SUCCESSFUL),
            Primitive::MessageNotification(notice) => told = Some((id, notice.info.id.unwrap())),
            other => panic!("{}", other.name()),
        }
    }
    let (id, message_id) = told.unwrap();
    assert_eq!(message_id.as_str(), "m1@north.example");
    north.say(&in_session(&session.ours, &[response(id.as_str(), "<Status code=\"200\"/>")])).await;
    // And may fetch it, but nobody else's home may
    let fetch = |meta: &str| {
        format!("<GetMessageRequest>{meta}<MessageID>m1@north.example</MessageID></GetMessageRequest>")
    };
    let answer = north.ask(&session, "t3", &fetch(&meta)).await;
    assert!(answer.text.contains("hello"), "{}", answer.text);
    let other = meta.replace(ADA, "wv:bo@south.example");
    assert_eq!(north.ask(&session, "t4", &fetch(&other)).await.code(), 901);
    // And when a client has it, its author hears of it through the home
    let taken = format!("<MessageDelivered>{meta}<MessageID>m1@north.example</MessageID></MessageDelivered>");
    north.say(&in_session(&session.ours, &[request("t5", &taken)])).await;
    let heard = next(&north, 2).await;
    let codes: Vec<u16> = heard.iter().map(|(_, it)| code(it)).collect();
    assert_eq!(codes, [200, 200]);
    let is_report = |primitive: &Primitive| matches!(primitive, Primitive::DeliveryReport(_));
    assert!(heard.iter().any(|(_, primitive)| is_report(primitive)), "{heard:?}");
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_element_that_only_tells_of_a_message_is_asked_for_it() {
    let world = World::new().await;
    let north = place(&world, "north.example", &[("south.example", "delegates = [\"im\"]")]);
    let south = ScriptedPeer::start(&world, &north, "south.example").await;
    let node = world.start(&north).await;
    let session = south.log_in(1).await;
    let mut ada = north.phone("ada", modern()).await;
    let info = "<MessageInfo><MessageID>m7@south.example</MessageID><ContentType>text/plain</ContentType>\
                <ContentSize>2</ContentSize><Recipient><User><UserID>wv:ada@north.example</UserID></User></Recipient>\
                <Sender><User><UserID>wv:bo@south.example</UserID></User></Sender></MessageInfo>";
    let notice = format!("<MessageNotification>{}{info}</MessageNotification>", meta("south.example", "No"));
    assert_eq!(south.ask(&session, "t1", &notice).await.code(), 200);
    let Primitive::MessageNotification(told) = receive(&mut ada).await else { panic!() };
    let message_id = told.info.id.unwrap();
    // When the client fetches the message and says that it has it, the element is asked
    let answers = [
        format!(
            "<GetMessageResponse><Status code=\"200\"/>{info}<ContentData>hi</ContentData></GetMessageResponse>"
        ),
        "<Status code=\"200\"/>".to_owned(),
    ];
    let script = async {
        let mut asked = Vec::new();
        for answer in &answers {
            let (id, primitive) = next(&south, 1).await.remove(0);
            south.say(&in_session(&session.ours, &[response(id.as_str(), answer)])).await;
            asked.push(primitive.name());
        }
        asked
    };
    let client = async {
        let fetched = ask(&mut ada, GetMessageRequest { message_id: message_id.clone() }).await;
        let Primitive::GetMessageResponse(fetched) = fetched else { panic!("{fetched:?}") };
        assert_eq!(fetched.content, Some("hi".into()));
        assert_eq!(code(&ask(&mut ada, MessageDelivered { message_id }).await), 200);
    };
    let (asked, ()) = tokio::join!(script, client);
    assert_eq!(asked, ["GetMessageRequest", "MessageDelivered"]);
    // And nobody but the element hands messages over
    let forged =
        notice.replace("<User userID=\"wv:ada@north.example\"/>", "<User userID=\"wv:zoe@south.example\"/>");
    assert_eq!(south.ask(&session, "t2", &forged).await.code(), 901);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_author_hears_what_the_element_reports_in_the_transaction_of_its_message() {
    let world = World::new().await;
    let peers = [("south.example", "profile = \"legacy\""), ("east.example", "delegates = [\"im\"]")];
    let north = place(&world, "north.example", &peers);
    let south = ScriptedPeer::start(&world, &north, "south.example").await;
    let east = ScriptedPeer::start(&world, &north, "east.example").await;
    let node = world.start(&north).await;
    north.phone("ada", modern()).await;
    let (in_south, in_east) = (south.log_in(1).await, east.log_in(1).await);
    // Given a message of a legacy peer that was handed on to the element
    let message = south.message("m1@south.example", "wv:bo@south.example", &[ADA], "tell me", true);
    south.say(&in_session(&in_south.ours, &[request("0000000042-7", &message)])).await;
    let handed_on = east.next().await.transaction().id.to_string();
    east.say(&in_session(&in_east.ours, &[response(&handed_on, &crate::peer::sent(200))])).await;
    assert_eq!(south.next().await.transaction().id.as_str(), "0000000042-7");
    // When the element reports
    let report = format!(
        "<DeliveryStatusReport>{}<DeliveryResult><Status code=\"200\"/></DeliveryResult>\
         <MessageInfo messageID=\"m1@south.example\"><Recipient><User userID=\"{ADA}\"/></Recipient>\
         <Sender><User userID=\"wv:bo@south.example\"/></Sender></MessageInfo></DeliveryStatusReport>",
        meta("east.example", "Yes")
    );
    east.say(&in_session(&in_east.ours, &[request("e1", &report)])).await;
    // Then it comes as that peer reads it
    let heard = south.next().await;
    let transaction = heard.transaction();
    assert_eq!((transaction.id.as_str(), transaction.mode), ("0000000042-7", causeway::wire::Mode::Response));
    assert!(heard.text.contains("<DeliveryStatusReport"), "{}", heard.text);
    node.drain().await;
}
