//! Strategies that make arbitrary neutral values in their normal form (decisions.md 18), so that
//! `decode(encode(x)) == x` can be asked of every protocol: texts are trimmed and not empty,
//! content is anything.

pub(crate) mod common;
pub(crate) mod group;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::imps::primitive::{
    Author, ClientId, DeliveryReport, Disconnect, Display, ForwardMessageRequest, ForwardMessageResponse,
    KeepAliveRequest, KeepAliveResponse, MessageInfo, MetaInfo, Recipient, ScreenName, SendMessageRequest,
    SendMessageResponse, Sender, User,
};
use crate::imps::status::{Code, DetailedResult, Entity, Status};
use crate::imps::{
    ContactListId, Content, DateTime, Domain, GroupId, MessageId, Primitive, ServiceId, SessionId,
    TransactionId, UserId,
};

/// Text with everything that writers must escape; trimmed, not empty.
#[allow(clippy::borrowed_box)] // what prop_filter hands out
pub(crate) fn text() -> impl Strategy<Value = Box<str>> {
    "[a-zA-Z0-9 &<>\"'\\]\r\n\tüß漢\u{1F600}\u{FFFD}]{1,16}"
        .prop_map(|text| Box::from(text.trim()))
        .prop_filter("empty", |text: &Box<str>| !text.is_empty())
}

pub(crate) fn domain() -> impl Strategy<Value = Domain> {
    "[a-z][a-z0-9]{0,8}\\.(example|test)".prop_map(|text| text.parse().unwrap())
}

pub(crate) fn user_id() -> impl Strategy<Value = UserId> {
    ("[A-Za-z0-9+~._ü-]{1,10}", option::of(domain())).prop_map(|(local, domain)| match domain {
        Some(domain) => format!("wv:{local}@{domain}").parse().unwrap(),
        None => local.parse().unwrap(),
    })
}

pub(crate) fn group_id() -> impl Strategy<Value = GroupId> {
    ("[a-z]{0,5}/[A-Za-z0-9~._]{1,8}", domain())
        .prop_map(|(local, domain)| format!("{local}@{domain}").parse().unwrap())
}

pub(crate) fn contact_list_id() -> impl Strategy<Value = ContactListId> {
    group_id().prop_map(|group| group.as_str().parse().unwrap())
}

pub(crate) fn message_id() -> impl Strategy<Value = MessageId> {
    "[A-Za-z0-9<&\"._@-]{1,20}".prop_map(|text| text.parse().unwrap())
}

pub(crate) fn session_id() -> impl Strategy<Value = SessionId> {
    ("[A-Za-z0-9]{1,20}", domain()).prop_map(|(local, domain)| format!("{local}@{domain}").parse().unwrap())
}

pub(crate) fn transaction_id() -> impl Strategy<Value = TransactionId> {
    "[A-Za-z0-9<&\"'._:@-]{1,20}".prop_map(|text| text.parse().unwrap())
}

/// Years 1970 to 2100.
pub(crate) fn date_time() -> impl Strategy<Value = DateTime> {
    (0_i64..4_102_444_800).prop_map(DateTime::from_unix)
}

pub(crate) fn client_id() -> BoxedStrategy<ClientId> {
    (option::of(text()), option::of(text()), option::of(text()))
        .prop_map(|(url, msisdn, text)| ClientId { url, msisdn, text })
        .boxed()
}

pub(crate) fn user() -> BoxedStrategy<User> {
    (user_id(), option::of(text()), option::of(client_id()), option::of(text()))
        .prop_map(|(id, friendly_name, client, application)| User { id, friendly_name, client, application })
        .boxed()
}

pub(crate) fn screen_name() -> BoxedStrategy<ScreenName> {
    (text(), group_id()).prop_map(|(name, group)| ScreenName { name, group }).boxed()
}

/// Recipients that may cross every protocol: no contact lists.
pub(crate) fn recipient() -> BoxedStrategy<Recipient> {
    prop_oneof![
        3 => user().prop_map(Recipient::User),
        1 => group_id().prop_map(Recipient::Group),
        1 => screen_name().prop_map(Recipient::ScreenName),
    ]
    .boxed()
}

fn display() -> BoxedStrategy<Display> {
    prop_oneof![
        user_id().prop_map(Display::User),
        group_id().prop_map(Display::Group),
        screen_name().prop_map(Display::ScreenName),
        text().prop_map(Display::Name),
    ]
    .boxed()
}

pub(crate) fn sender() -> BoxedStrategy<Sender> {
    let author = prop_oneof![user().prop_map(Author::User), group_id().prop_map(Author::Group)];
    (author, option::of(display())).prop_map(|(author, shown)| Sender { author, shown }).boxed()
}

pub(crate) fn meta_info() -> BoxedStrategy<MetaInfo> {
    (any::<bool>(), domain(), option::of(user()))
        .prop_map(|(client_originated, domain, user)| MetaInfo {
            client_originated,
            service: ServiceId::of(domain),
            user,
        })
        .boxed()
}

pub(crate) fn content_type() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        Just("text/plain"),
        Just("text/plain; charset=utf-8"),
        Just("application/vnd.x+xml"),
        Just("image/png"),
        Just("text/x-vCard; name=\"a&b\""),
    ]
    .prop_map(Into::into)
}

/// Any octets, and text with all that is odd in it.
pub(crate) fn content() -> BoxedStrategy<Content> {
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Content::new),
        "[ a<&>\\]\r\n\t\u{0}ü\u{1F600}]{0,20}".prop_map(|text| Content::from(text.as_str())),
    ]
    .boxed()
}

/// What every protocol and version can carry of a MessageInfo.
pub(crate) fn message_info() -> BoxedStrategy<MessageInfo> {
    (
        (option::of(message_id()), option::of(text()), option::of(content_type()), option::of(any::<u64>())),
        (option::of(text()), vec(recipient(), 0..4), option::of(sender()), option::of(display())),
        (option::of(date_time()), option::of(any::<u32>())),
    )
        .prop_map(
            |(
                (id, uri, content_type, content_size),
                (content_name, recipients, sender, addressed),
                (date_time, validity),
            )| {
                MessageInfo {
                    addressed: addressed.filter(|_| !recipients.is_empty()),
                    id,
                    uri,
                    content_type,
                    content_encoding: None,
                    content_size,
                    content_name,
                    recipients,
                    sender,
                    date_time,
                    font: None,
                    validity,
                }
            },
        )
        .boxed()
}

pub(crate) fn code() -> impl Strategy<Value = Code> {
    (100_u16..1000).prop_map(|code| Code::new(code).unwrap())
}

pub(crate) fn entity() -> BoxedStrategy<Entity> {
    prop_oneof![
        user_id().prop_map(Entity::User),
        group_id().prop_map(Entity::Group),
        screen_name().prop_map(Entity::ScreenName),
        message_id().prop_map(Entity::Message),
        contact_list_id().prop_map(Entity::ContactList),
        text().prop_map(Entity::Domain),
    ]
    .boxed()
}

pub(crate) fn status() -> BoxedStrategy<Status> {
    let detail = (code(), option::of(text()), vec(entity(), 0..4))
        .prop_map(|(code, description, entities)| DetailedResult { code, description, entities });
    (code(), option::of(text()), vec(detail, 0..3), option::of(any::<u32>()))
        .prop_map(|(code, description, details, try_again)| Status { code, description, details, try_again })
        .boxed()
}

pub(crate) fn send_message_request() -> BoxedStrategy<SendMessageRequest> {
    (any::<bool>(), message_info(), option::of(content()))
        .prop_map(|(delivery_report, info, content)| SendMessageRequest { delivery_report, info, content })
        .boxed()
}

pub(crate) fn send_message_response() -> BoxedStrategy<SendMessageResponse> {
    (status(), option::of(message_id()))
        .prop_map(|(result, message_id)| SendMessageResponse { result, message_id })
        .boxed()
}

pub(crate) fn delivery_report() -> BoxedStrategy<DeliveryReport> {
    (status(), option::of(date_time()), message_info())
        .prop_map(|(result, delivery_time, info)| DeliveryReport { result, delivery_time, info })
        .boxed()
}

/// Every primitive that SSP has.
pub(crate) fn ssp_primitive() -> BoxedStrategy<Primitive> {
    prop_oneof![
        status().prop_map(Primitive::Status),
        send_message_request().prop_map(Primitive::SendMessageRequest),
        send_message_response().prop_map(Primitive::SendMessageResponse),
        delivery_report().prop_map(Primitive::DeliveryReport),
        (message_id(), vec(recipient(), 0..3), option::of(sender())).prop_map(
            |(message_id, recipients, sender)| ForwardMessageRequest { message_id, sender, recipients }
                .into()
        ),
        (status(), option::of(message_id())).prop_map(|(result, message_id)| ForwardMessageResponse {
            result,
            message_id
        }
        .into()),
        Just(Primitive::LogoutRequest),
        status().prop_map(|result| Primitive::Disconnect(Disconnect { result })),
        option::of(any::<u32>())
            .prop_map(|time_to_live| Primitive::KeepAliveRequest(KeepAliveRequest { time_to_live })),
        (status(), option::of(any::<u32>())).prop_map(|(result, time_to_live)| {
            Primitive::KeepAliveResponse(KeepAliveResponse { result, time_to_live })
        }),
        common::ssp_only(),
        common::shared().prop_map(|mut primitive| {
            common::fit_ssp(&mut primitive);
            primitive
        }),
        group::primitive().prop_map(|mut primitive| {
            group::fit_ssp(&mut primitive);
            primitive
        }),
        crate::wire::pa::arbitrary::ssp_primitive(),
    ]
    .boxed()
}
