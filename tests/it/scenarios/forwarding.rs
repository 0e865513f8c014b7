//! Messages passed on without being downloaded.

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{ForwardMessageRequest, GetMessageRequest, Recipient, User};
use causeway::imps::{Code, MessageId, Primitive, UserId, Version};
use causeway::wire::Encoding;

use crate::csp::{ask, notify_only, report, send};
use crate::world::{World, manner, modern, receive, text};

async fn forward(phone: &mut Phone, id: &MessageId, to: &[&str]) -> Primitive {
    let recipient = |user: &&str| Recipient::User(User::from(user.parse::<UserId>().unwrap()));
    let recipients = to.iter().map(recipient).collect();
    ask(phone, ForwardMessageRequest { message_id: id.clone(), sender: None, recipients }).await
}

/// The id of the message that a phone is told of.
async fn notified(phone: &mut Phone) -> MessageId {
    match receive(phone).await {
        Primitive::MessageNotification(told) => told.info.id.expect("an id"),
        other => panic!("{} instead of a notification", other.name()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_passed_on_to_two_domains_and_its_author_hears_of_it() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut dee = south.phone("dee", manner(Version::V1_3, Encoding::Wbxml)).await;
    let versions = Version::ALL.into_iter().zip([Encoding::Xml, Encoding::Wbxml, Encoding::Xml]);
    for (version, encoding) in versions {
        // Given a message of another domain that waits for a phone which only wants to be told
        let mut bo = south.phone(&format!("bo{}", version.as_str()), manner(version, encoding)).await;
        notify_only(&mut bo).await;
        let address = bo.user().clone();
        let first = send(&mut ada, &[address.as_str()], "look at this: <&> grün", true).await;
        assert_eq!(notified(&mut bo).await, first);
        // When it is passed on to people in both domains
        let answer = forward(&mut bo, &first, &["wv:dee", "wv:cy@north.example"]).await;
        assert_eq!(answer.code(), Code::SUCCESSFUL);
        match answer {
            Primitive::ForwardMessageResponse(answer) if version == Version::V1_3 => {
                assert!(answer.message_id.is_some_and(|id| id != first), "a message of its own");
            }
            Primitive::Status(_) if version < Version::V1_3 => {}
            other => panic!("{version}: {other:?}"),
        }
        // Then they get the same words from the one who passed them on
        for phone in [&mut dee, &mut cy] {
            let received = receive(phone).await;
            assert_eq!(text(&received), "look at this: <&> grün");
            let Primitive::NewMessage(new) = &received else { panic!() };
            assert_eq!(new.info.author().unwrap().id, address);
            assert_ne!(new.info.id.as_ref(), Some(&first));
        }
        // And the author hears what became of its message, which waits no longer
        let told = report(receive(&mut ada).await);
        assert_eq!((told.result.code, told.info.id.as_ref()), (Code::FORWARDED, Some(&first)));
        let again = ask(&mut bo, GetMessageRequest { message_id: first.clone() }).await;
        assert_eq!(again.code(), Code::INVALID_MESSAGE_ID);
        assert_eq!(forward(&mut bo, &first, &["wv:dee"]).await.code(), Code::INVALID_MESSAGE_ID);
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_nobody_takes_stays_where_it_is_and_no_report_comes_unasked() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    let mut cy = north.phone("cy", modern()).await;
    notify_only(&mut bo).await;
    let id = send(&mut ada, &["wv:bo"], "between us", false).await;
    assert_eq!(notified(&mut bo).await, id);
    for (to, code) in [("wv:nobody", 531), ("wv:x@nowhere.example", 516)] {
        assert_eq!(forward(&mut bo, &id, &[to]).await.code().get(), code);
    }
    assert_eq!(forward(&mut bo, &id, &[]).await.code(), Code::BAD_PARAMETER);
    assert_eq!(forward(&mut bo, &"no-such-message".parse().unwrap(), &["wv:cy"]).await.code().get(), 426);
    // It is still there, for one who exists
    assert_eq!(forward(&mut bo, &id, &["wv:nobody", "wv:cy"]).await.code(), Code::PARTIALLY_SUCCESSFUL);
    assert_eq!(text(&receive(&mut cy).await), "between us");
    assert_eq!(ada.poll().await.unwrap(), None, "she did not ask");
    node.drain().await;
}
