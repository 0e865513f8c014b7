//! What a client said of how it wants messages: for one group otherwise than for the rest, and in characters
//! that it can show.

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    Capabilities, ClientCapabilityRequest, ClientId, DeliveryMethod, GetMessageRequest, MessageDelivered,
    MessageInfo, Recipient, SendMessageRequest, SetDeliveryMethodRequest,
};
use causeway::imps::{Code, Content, GroupId, Primitive, Version};
use causeway::wire::Encoding;

use super::groups::{create, group, join, notice};
use crate::csp::{ask, message, reconnect, send};
use crate::world::{World, manner, modern, receive, text};

async fn say(phone: &mut Phone, to: &GroupId, words: &str) {
    let recipients = vec![Recipient::Group(to.clone())];
    let info = MessageInfo { recipients, ..MessageInfo::default() };
    let request = SendMessageRequest { delivery_report: false, info, content: Some(words.into()) };
    assert_eq!(phone.send_message(request).await.unwrap().result.code, Code::SUCCESSFUL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_one_group_are_only_announced_also_after_a_restart() {
    let world = World::new().await;
    let north = world.place("north.quiet.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", manner(Version::V1_3, Encoding::Wbxml)).await;
    let (loud, quiet) = (group("wv:/loud@north.quiet.example"), group("wv:/quiet@north.quiet.example"));
    for id in [&loud, &quiet] {
        let made = create(&mut ada, id, "Ada", &[("Accesstype", "Open")]).await;
        assert!(made.code().is_success(), "{made:?}");
        assert!(join(&mut bo, id, "Bo").await.result.code.is_success());
        notice(&mut ada).await;
    }
    // When bo wants to be told of what is said in the one group
    let request = SetDeliveryMethodRequest {
        method: DeliveryMethod::Notify,
        accepted_content_length: None,
        group: Some(quiet.clone()),
        group_content_limit: Some(500),
    };
    assert_eq!(ask(&mut bo, request).await.code(), Code::SUCCESSFUL);
    let heard = async |ada: &mut Phone, bo: &mut Phone| {
        say(ada, &quiet, "psst").await;
        let Primitive::MessageNotification(told) = receive(bo).await else { panic!("not told") };
        // Then it fetches that when it likes,
        let id = told.info.id.unwrap();
        let Primitive::GetMessageResponse(got) = ask(bo, GetMessageRequest { message_id: id.clone() }).await
        else {
            panic!("not fetched")
        };
        assert_eq!(got.content.unwrap().octets(), b"psst");
        assert!(ask(bo, MessageDelivered { message_id: id }).await.code().is_success());
        // and hears the other group and its friends at once
        say(ada, &loud, "hey").await;
        assert_eq!(text(&receive(bo).await), "hey");
        send(ada, &[&bo.user().to_string()], "bo?", false).await;
        assert_eq!(text(&receive(bo).await), "bo?");
    };
    heard(&mut ada, &mut bo).await;
    node.drain().await;
    let node = world.start(&north).await;
    reconnect(&mut ada).await;
    reconnect(&mut bo).await;
    heard(&mut ada, &mut bo).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_comes_in_characters_that_the_client_can_show() {
    let world = World::new().await;
    let north = world.place("north.letters.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let words = "Grüße, Ωmega";
    for (number, (version, charsets, seen)) in [
        (Version::V1_1, vec![3, 4], "Grüße, ?mega"),
        (Version::V1_2, vec![3], "Gr??e, ?mega"),
        (Version::V1_3, vec![3], "Gr??e, ?mega"),
        (Version::V1_3, vec![106], words),
        (Version::V1_2, vec![], words),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("bo{number}");
        let mut bo = north.phone(&name, manner(version, Encoding::Wbxml)).await;
        let (accepted_charsets, plain_text_charsets) =
            if version == Version::V1_3 { (Vec::new(), charsets) } else { (charsets, Vec::new()) };
        let said = Capabilities {
            any_content: Some(true),
            initial_delivery_method: Some(DeliveryMethod::Push),
            accepted_charsets,
            plain_text_charsets,
            ..Capabilities::default()
        };
        let client = (version == Version::V1_1)
            .then(|| ClientId { url: Some("test-phone".into()), ..ClientId::default() });
        let request = ClientCapabilityRequest { client, capabilities: Box::new(said) };
        assert!(matches!(ask(&mut bo, request).await, Primitive::ClientCapabilityResponse(_)));
        // What is said is shown as far as it can be
        let to = bo.user().to_string();
        send(&mut ada, &[&to], words, false).await;
        assert_eq!(text(&receive(&mut bo).await), seen, "{version}");
        // And octets in another character set become text for whoever does not name it
        let mut latin = message(&ada, &[&to], Content::new(b"Gr\xFC\xDFe".to_vec()));
        latin.info.content_type = Some("text/plain; charset=iso-8859-1".into());
        assert!(ada.send_message(latin).await.unwrap().result.code.is_success());
        if seen.contains("Gr??e") {
            assert_eq!(text(&receive(&mut bo).await), "Gr??e");
        }
    }
    node.drain().await;
}
