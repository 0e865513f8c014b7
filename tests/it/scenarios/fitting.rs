//! Content that is too much for a phone: announced, fetched in a size that fits, or refused to its author.

use std::io::Cursor;

use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    AcceptedContentType, Capabilities, ClientCapabilityRequest, DeliveryMethod, GetMessageListRequest,
    GetMessageRequest, GetMessageResponse, MessageInfo,
};
use causeway::imps::{Code, Content, MessageId, Primitive, Version};
use causeway::wire::Encoding;

use crate::csp::{ask, message};
use crate::world::{PASSWORD, Place, World, manner, modern, receive, text};

/// From now on this phone can do what is said here, and nothing else.
async fn can(phone: &mut Phone, capabilities: Capabilities) {
    let capabilities = Capabilities {
        initial_delivery_method: Some(DeliveryMethod::Push),
        multi_trans: Some(1),
        ..capabilities
    };
    let request = ClientCapabilityRequest { client: None, capabilities: Box::new(capabilities) };
    let answer = phone.ask(request.into()).await.unwrap();
    assert!(matches!(answer, Primitive::ClientCapabilityResponse(_)), "{}", answer.name());
}

fn kind(content_type: &str, policy: Option<(&str, u32)>) -> AcceptedContentType {
    AcceptedContentType {
        content_type: content_type.into(),
        rich_content_length: None,
        policy: policy.map(|(policy, _)| policy.into()),
        policy_limit: policy.map(|(_, limit)| limit),
    }
}

/// Sends; what became of it.
async fn sends(phone: &mut Phone, to: &str, content_type: &str, content: Content) -> Result<MessageId, Code> {
    let mut request = message(phone, &[to], content);
    request.info.content_type = Some(content_type.into());
    match ask(phone, request).await {
        Primitive::SendMessageResponse(answer) if answer.result.code.is_success() => {
            Ok(answer.message_id.expect("an id"))
        }
        answer => Err(answer.code()),
    }
}

async fn told(phone: &mut Phone) -> MessageInfo {
    match receive(phone).await {
        Primitive::MessageNotification(told) => told.info,
        other => panic!("{}", other.name()),
    }
}

async fn fetch(phone: &mut Phone, id: &MessageId) -> Result<GetMessageResponse, Code> {
    match ask(phone, GetMessageRequest { message_id: id.clone() }).await {
        Primitive::GetMessageResponse(got) => Ok(got),
        other => Err(other.code()),
    }
}

/// A picture that no format makes small.
fn picture() -> Vec<u8> {
    let noise = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).to_le_bytes();
    let picture = image::RgbImage::from_fn(120, 120, |x, y| {
        let [r, g, b, _] = noise(x.wrapping_mul(y + 7), y);
        image::Rgb([r, g, b])
    });
    let mut octets = Vec::new();
    picture.write_to(&mut Cursor::new(&mut octets), image::ImageFormat::Png).unwrap();
    octets
}

async fn second_phone(place: &Place, user: &str) -> Phone {
    let mut phone = Phone::new(place.csp, place.user(user), "desk", modern());
    phone.login(PASSWORD).await.unwrap();
    phone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_phone_fetches_is_made_to_fit_and_what_no_phone_takes_is_410() {
    // Given a small phone, and authors at home and abroad
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut dee = south.phone("dee", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Wbxml)).await;
    let small = Capabilities {
        accepted_content_types: vec![kind("image/jpeg", None)],
        push_length: Some(500),
        pull_length: Some(3000),
        ..Capabilities::default()
    };
    can(&mut bo, small.clone()).await;
    let to = "wv:bo@south.example";
    for author in [&mut ada, &mut dee] {
        // When a picture comes that it neither shows nor can take in that size
        let octets = picture();
        let size = u64::try_from(octets.len()).unwrap();
        assert!(size > 10_000, "{size}");
        let id = sends(author, to, "image/png", Content::new(octets)).await.unwrap();
        // Then it is told of the picture as it is, and fetches one that fits
        let info = told(&mut bo).await;
        assert_eq!((info.content_type.as_deref(), info.content_size), (Some("image/png"), Some(size)));
        let got = fetch(&mut bo, &id).await.unwrap();
        let fitted = got.content.expect("content");
        assert_eq!(got.info.content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(got.info.content_size, Some(u64::try_from(fitted.octets().len()).unwrap()));
        assert!(fitted.octets().len() <= 3000 && fitted.octets().starts_with(b"\xff\xd8"));
        // When text comes that is too long to be pushed, it is fetched; what is too long for that nobody takes
        let id = sends(author, to, "text/plain", Content::from("x".repeat(2000).as_str())).await.unwrap();
        assert_eq!(told(&mut bo).await.content_size, Some(2000));
        assert_eq!(fetch(&mut bo, &id).await.unwrap().content.unwrap().octets().len(), 2000);
        let long = Content::from("x".repeat(3001).as_str());
        assert_eq!(sends(author, to, "text/plain", long).await, Err(Code::UNABLE_TO_DELIVER));
    }
    // And what its user wants to be rejected is
    let rejecting = vec![kind("image/png", Some(("R", 1000)))];
    can(&mut bo, Capabilities { accepted_content_types: rejecting, ..small.clone() }).await;
    let refused = sends(&mut ada, to, "image/png", Content::new(picture())).await;
    assert_eq!(refused, Err(Code::UNABLE_TO_DELIVER));
    // With another client beside it there is one that takes it, and the small one is told what it cannot have
    let mut desk = second_phone(&south, "bo").await;
    let long = "y".repeat(4000);
    let id = sends(&mut ada, to, "text/plain", Content::from(long.as_str())).await.unwrap();
    assert_eq!(told(&mut bo).await.content_size, Some(4000));
    assert_eq!(fetch(&mut bo, &id).await, Err(Code::RESPONSE_TOO_LARGE));
    loop {
        match receive(&mut desk).await {
            Primitive::NewMessage(new) if new.info.id.as_ref() == Some(&id) => {
                assert_eq!(text(&new.into()), long);
                break;
            }
            // What the phone has fetched and not taken.
            Primitive::NewMessage(_) | Primitive::MessageNotification(_) => {}
            other => panic!("{}", other.name()),
        }
    }
    assert_eq!(fetch(&mut bo, &id).await, Err(Code::INVALID_MESSAGE_ID), "the other has it");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_messages_stays_below_what_the_phone_can_parse() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = north.phone("bo", modern()).await;
    can(
        &mut bo,
        Capabilities { parser_size: Some(4096), any_content: Some(true), ..Capabilities::default() },
    )
    .await;
    for number in 0..20 {
        sends(&mut ada, "wv:bo@north.example", "text/plain", Content::from(format!("{number}").as_str()))
            .await
            .unwrap();
    }
    let list = |count| GetMessageListRequest { group: None, count };
    assert_eq!(ask(&mut bo, list(None)).await.code(), Code::RESPONSE_TOO_LARGE);
    let Primitive::GetMessageListResponse(some) = ask(&mut bo, list(Some(4))).await else { panic!() };
    assert_eq!(some.messages.len(), 4);
    node.drain().await;
}
