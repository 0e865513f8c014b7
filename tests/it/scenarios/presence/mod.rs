//! Presence: users publish, others watch, and each sees what it may see, at home and abroad.

mod asked;
mod attributes;
mod crowd;
mod lasting;
mod watching;

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::presence::{Attribute, AttributeName, Plain, PresenceSubList};
use causeway::imps::primitive::{
    BlockEntityRequest, BlockList, CancelAuthRequest, Contact, CreateAttributeListRequest, CreateListRequest,
    DeleteAttributeListRequest, Entities, GetAttributeListRequest, GetPresenceRequest, GetPresenceResponse,
    GetReactiveAuthStatusRequest, GetWatcherListRequest, Presence, PresenceAuthUser, ReactiveAuthState,
    SubscribePresenceRequest, UnsubscribePresenceRequest, UpdatePresenceRequest,
};
use causeway::imps::{Code, Primitive, Status, UserId, Version};
use causeway::wire::Encoding;

use crate::csp::ask;
use crate::peer::{ScriptedPeer, in_session, request, response};
use crate::world::{PASSWORD, Place, World, manner, modern, receive};

pub(super) fn id(text: &str) -> UserId {
    text.parse().unwrap()
}

pub(super) fn value(text: &str) -> Plain {
    Plain { qualifier: Some(true), value: Some(text.into()), client: None }
}

pub(super) fn says(text: &str) -> UpdatePresenceRequest {
    let attributes = vec![
        Attribute::UserAvailability(value("AVAILABLE")),
        Attribute::StatusText(value(text)),
        Attribute::StatusMood(value("HAPPY")),
    ];
    UpdatePresenceRequest { attributes: PresenceSubList::new(attributes) }
}

pub(super) fn names(names: &[AttributeName]) -> PresenceSubList {
    PresenceSubList::naming(names.iter().copied().collect())
}

pub(super) fn code(answer: &Primitive) -> u16 {
    answer.code().get()
}

pub(super) async fn publish(phone: &mut Phone, text: &str) {
    assert_eq!(code(&ask(phone, says(text)).await), 200);
}

/// Everybody may see these attributes.
pub(super) async fn open_to_all(phone: &mut Phone, attributes: &[AttributeName]) {
    let request = CreateAttributeListRequest {
        attributes: names(attributes),
        users: Vec::new(),
        contact_lists: Vec::new(),
        default_list: true,
        default_notify: None,
        user_notify: None,
        contact_list_notify: None,
    };
    assert_eq!(code(&ask(phone, request).await), 200);
}

pub(super) async fn subscribe(phone: &mut Phone, users: &[&str]) -> Status {
    let users = users.iter().map(|user| id(user)).collect();
    match ask(phone, SubscribePresenceRequest { users, ..SubscribePresenceRequest::default() }).await {
        Primitive::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn unsubscribe(phone: &mut Phone, user: &str) -> u16 {
    let request =
        UnsubscribePresenceRequest { users: vec![id(user)], ..UnsubscribePresenceRequest::default() };
    code(&ask(phone, request).await)
}

/// The next notice of presence.
pub(super) async fn notified(phone: &mut Phone) -> Presence {
    match receive(phone).await {
        Primitive::PresenceNotification(mut notice) => {
            assert_eq!(notice.presences.len(), 1);
            notice.presences.remove(0)
        }
        other => panic!("{other:?}"),
    }
}

/// The first notice in which the status text is this; what comes before it was overtaken.
pub(super) async fn hears(phone: &mut Phone, text: &str) -> Presence {
    loop {
        let presence = notified(phone).await;
        if shown(&presence, AttributeName::StatusText).as_deref() == Some(text) {
            return presence;
        }
    }
}

/// What an attribute shows: its value, `?` for Qualifier F; `None` if it is not there.
pub(super) fn shown(presence: &Presence, name: AttributeName) -> Option<String> {
    let attribute = presence.attributes.attributes.iter().find(|attribute| attribute.name() == name)?;
    if attribute.qualifier() == Some(false) {
        return Some("?".to_owned());
    }
    match attribute {
        Attribute::OnlineStatus(plain)
        | Attribute::UserAvailability(plain)
        | Attribute::StatusText(plain)
        | Attribute::StatusMood(plain) => plain.value.as_deref().map(ToOwned::to_owned),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn look(
    phone: &mut Phone,
    users: &[&str],
    attributes: Option<PresenceSubList>,
) -> GetPresenceResponse {
    let users = users.iter().map(|user| id(user)).collect();
    match ask(phone, GetPresenceRequest { users, contact_lists: Vec::new(), attributes }).await {
        Primitive::GetPresenceResponse(response) => response,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn nothing_waits(phone: &mut Phone) {
    assert_eq!(phone.take().await.unwrap(), None);
}

pub(super) const ADA: &str = "wv:ada@north.example";
pub(super) const BO: &str = "wv:bo@south.example";
pub(super) const SEEN: &[AttributeName] =
    &[AttributeName::OnlineStatus, AttributeName::UserAvailability, AttributeName::StatusText];

/// A provider whose agreements hold presence.
pub(super) fn place(world: &World, domain: &str, peers: &[&str]) -> Place {
    let agreement = "services = [\"im\", \"presence\"]";
    world.place_with(domain, &Writing { peers, agreement, ..Writing::default() })
}

pub(super) async fn pair() -> (World, (Place, causeway::node::Node), (Place, causeway::node::Node)) {
    let world = World::new().await;
    let north = place(&world, "north.example", &["south.example"]);
    let south = place(&world, "south.example", &["north.example"]);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    (world, (north, north_node), (south, south_node))
}
