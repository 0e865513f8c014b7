//! What messages carry: text and pictures, small and large, in every form of the protocols.

use causeway::cli::phone::Manner;
use causeway::imps::primitive::GetMessageRequest;
use causeway::imps::{Code, Content, Primitive, Version};
use causeway::wire::{Encoding, Mode};

use crate::csp::{self, WBXML, XML, message, send};
use crate::world::{World, manner, modern, receive, text};

/// The largest document of a client, octets: the default of `[csp]`.
const DOCUMENT_OCTETS_MAX: usize = 1_048_576;

fn manners() -> Vec<Manner> {
    let both = [Encoding::Xml, Encoding::Wbxml];
    Version::ALL.into_iter().flat_map(|version| both.map(|encoding| manner(version, encoding))).collect()
}

/// The head of a PNG file, then every octet there is: NUL, what is no UTF-8, what XML cannot carry.
fn picture(octets: usize) -> Vec<u8> {
    let head = *b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    head.into_iter().chain((0..=255).cycle()).take(octets).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_arrives_octet_for_octet_from_every_form_in_every_other() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let picture = Content::new(picture(1000));
    for (number, from) in manners().into_iter().enumerate() {
        let mut ada = north.phone(&format!("ada{number}"), from.clone()).await;
        for (other, to) in manners().into_iter().enumerate() {
            // Given a reader at home and one abroad
            let mut bo = south.phone(&format!("bo{other}"), to.clone()).await;
            let mut dee = north.phone(&format!("dee{other}"), to.clone()).await;
            let (there, here) = (bo.user().to_string(), dee.user().to_string());
            // When
            let mut request = message(&ada, &[&there, &here], picture.clone());
            request.info.content_type = Some("image/png".into());
            ada.send_message(request).await.unwrap();
            // Then
            for reader in [&mut bo, &mut dee] {
                let Primitive::NewMessage(new) = receive(reader).await else { panic!("no message") };
                assert_eq!(new.content.as_ref(), Some(&picture), "{from:?} to {to:?}");
                assert_eq!(new.info.content_type.as_deref(), Some("image/png"));
                assert_eq!(new.info.content_size, Some(1000));
                reader.logout().await.unwrap();
            }
        }
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_mebibyte_crosses_in_both_encodings() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let picture = Content::new(picture(512 * 1024));
    for from in [Encoding::Xml, Encoding::Wbxml] {
        for to in [Encoding::Xml, Encoding::Wbxml] {
            let mut ada = north.phone("ada", manner(Version::V1_2, from)).await;
            let mut bo = south.phone("bo", manner(Version::V1_2, to)).await;
            let mut request = message(&ada, &["wv:bo@south.example"], picture.clone());
            request.info.content_type = Some("image/png".into());
            ada.send_message(request).await.unwrap();
            // It is larger than the phone takes unasked
            let Primitive::MessageNotification(told) = receive(&mut bo).await else { panic!("not told") };
            assert_eq!(told.info.content_size, Some(512 * 1024));
            let id = told.info.id.expect("an id");
            let fetch = GetMessageRequest { message_id: id.clone() };
            let Primitive::GetMessageResponse(got) = bo.ask(fetch.into()).await.unwrap() else { panic!() };
            assert_eq!(got.content.as_ref(), Some(&picture), "{from:?} to {to:?}");
            let taken = causeway::imps::primitive::MessageDelivered { message_id: id };
            bo.ask(taken.into()).await.unwrap();
            bo.logout().await.unwrap();
        }
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_above_the_limit_is_413_and_the_session_goes_on() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let long = "x".repeat(DOCUMENT_OCTETS_MAX);
    let content = format!(
        "<SendMessage-Request><DeliveryReport>F</DeliveryReport><MessageInfo><Recipient><User>\
         <UserID>wv:ada</UserID></User></Recipient></MessageInfo><ContentData>{long}</ContentData>\
         </SendMessage-Request>"
    );
    let document = csp::xml(ada.session(), Mode::Request, Some("900"), &content);
    for content_type in [XML, WBXML] {
        assert_eq!(csp::post(north.csp, content_type, document.as_bytes()).await.status, 413);
    }
    send(&mut ada, &["wv:ada"], "short", false).await;
    assert_eq!(text(&receive(&mut ada).await), "short");
    assert_eq!(ada.poll().await.unwrap(), None);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_is_kept_to_the_character() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let texts = [
        "",
        " two blanks  and a line\nor a tab\there ",
        "carriage\r\nreturn",
        "<b>&amp;</b> ]]> \"'",
        "привет, 世界 🙂 e\u{301}",
        "a\u{0}b\u{1}c",
        "U29tZSBCQVNFNjQ=",
    ];
    for from in [Encoding::Xml, Encoding::Wbxml] {
        for to in [Encoding::Xml, Encoding::Wbxml] {
            let mut ada = north.phone("ada", manner(Version::V1_2, from)).await;
            let mut bo = south.phone("bo", manner(Version::V1_2, to)).await;
            for words in texts {
                send(&mut ada, &["wv:bo@south.example"], words, false).await;
                assert_eq!(text(&receive(&mut bo).await), words, "{from:?} to {to:?}");
            }
        }
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_writes_in_the_charset_it_declares() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let content = "<SendMessage-Request><DeliveryReport>F</DeliveryReport><MessageInfo><Recipient><User>\
         <UserID>wv:ada</UserID></User></Recipient></MessageInfo><ContentData>Grüße</ContentData>\
         </SendMessage-Request>";
    let utf8 = |id: &str| csp::xml(ada.session(), Mode::Request, Some(id), content);
    let latin = |text: String| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>();
    // Given the same message declared in the document, by HTTP, and by its first octets
    let declared = utf8("901").replace("version=\"1.0\"", "version=\"1.0\" encoding=\"ISO-8859-1\"");
    let wide: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(utf8("903").encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let documents = [
        (XML.to_owned(), latin(declared)),
        (format!("{XML}; charset=ISO-8859-1"), latin(utf8("902"))),
        (XML.to_owned(), wide),
    ];
    for (content_type, document) in documents {
        // When
        let reply = csp::post(north.csp, &content_type, &document).await;
        // Then it is the same message, and the answer's type is the request's
        assert_eq!(reply.header("content-type"), Some(content_type.as_str()));
        let document = reply.document(Encoding::Xml);
        let (_, Primitive::SendMessageResponse(answer)) = csp::only(&document) else { panic!() };
        assert_eq!(answer.result.code, Code::SUCCESSFUL);
        assert_eq!(text(&receive(&mut ada).await), "Grüße");
    }
    node.drain().await;
}
