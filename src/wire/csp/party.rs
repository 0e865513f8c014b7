//! Who takes part, and what became of a request: the structures that many primitives share
//! (reference csp-messages §1).

use crate::imps::primitive::{
    Author, ClientId, Display, Entities, Party, Recipient, ScreenName, Sender, User,
};
use crate::imps::status::Entity;
use crate::imps::{DetailedResult, Domain, GroupId, Status, UserId, Version};
use crate::wire::table::{Atom, Choice, Context, Csp, Form, Sink, choice, table, write_element};
use crate::wire::tree::{Element, Name};
use crate::wire::{Fault, attributes};

table! { Csp ClientId {
    text:   body_opt(),
    url:    opt("URL"),
    msisdn: opt("MSISDN"),
}}

table! { Csp User {
    id:            one("UserID"),
    friendly_name: opt("FriendlyName").since(V1_3),
    client:        opt("ClientID"),
    application:   opt("ApplicationID").since(V1_3),
}}

table! { Csp ScreenName {
    name:  one("SName"),
    group: one("GroupID"),
}}

choice! { Csp Recipient {
    User:        one("User"),
    Group:       one("Group").of("GroupID"),
    ScreenName:  one("Group").of("ScreenName"),
    ContactList: one("ContactList"),
}}

choice! { Csp Party {
    User:       one("User"),
    Group:      one("Group").of("GroupID"),
    ScreenName: one("Group").of("ScreenName"),
}}

table! { Csp Entities {
    users:         own("UserID", read_users, write_users),
    domains:       own("UserID", read_domains, write_domains),
    screen_names:  many("ScreenName"),
    groups:        many("GroupID"),
    contact_lists: many("ContactList").since(V1_3),
    applications:  many("ApplicationID").since(V1_3),
}}

/// The domain that is named in the place of a user: `wv:@domain`.
fn whole_domain(element: Element<'_, '_>) -> Option<Domain> {
    let text = element.text();
    let bare = text.get(..3).filter(|scheme| scheme.eq_ignore_ascii_case("wv:")).map_or(text, |_| &text[3..]);
    bare.strip_prefix('@')?.parse().ok()
}

fn read_users(element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<UserId>, Fault> {
    let users = element.children().filter(|child| child.is(USER_ID) && !child.raw().is_blank());
    users
        .filter(|child| whole_domain(*child).is_none())
        .map(|child| Form::<Csp>::read(child, context).map_err(|fault: Fault| fault.within(USER_ID.text)))
        .collect()
}

#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
fn read_domains(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Vec<Domain>, Fault> {
    Ok(element.children().filter(|child| child.is(USER_ID)).filter_map(whole_domain).collect())
}

#[allow(clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_users(users: &Vec<UserId>, sink: &mut dyn Sink, context: &Context<'_>) {
    for user in users {
        write_element::<Csp, UserId>(USER_ID.text, user, sink, context);
    }
}

#[allow(clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_domains(domains: &Vec<Domain>, sink: &mut dyn Sink, _context: &Context<'_>) {
    for domain in domains {
        sink.open(USER_ID.text);
        sink.value(Atom::Joined("wv:@", domain.as_str()));
        sink.close();
    }
}

// The content of a Result element; the primitive Status has a Result inside.
table! { Csp Status {
    code:        one("Code"),
    description: opt("Description"),
    details:     many("DetailedResult").lenient(),
    try_again:   opt("TryAgainTimeout").lenient().since(V1_3),
}}

table! { Csp DetailedResult {
    code:        one("Code"),
    description: opt("Description"),
    entities:    own("UserID", read_entities, write_entities),
}}

choice! { Csp Entity {
    User:        one("UserID"),
    Group:       one("GroupID"),
    ScreenName:  one("ScreenName"),
    Message:     one("MessageID"),
    ContactList: one("ContactList"),
    Domain:      one("Domain"),
}}

/// What a code is about; what cannot be read does not spoil the code.
#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
fn read_entities(element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<Entity>, Fault> {
    let read = |child| <Entity as Choice<Csp>>::read_variant(child, context)?.ok();
    Ok(element.children().filter_map(read).collect())
}

/// Sorted by kind; 1.1 has no message ids, contact lists and domains here.
#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_entities(entities: &Vec<Entity>, sink: &mut dyn Sink, context: &Context<'_>) {
    let kind = |entity: &Entity| match entity {
        Entity::User(_) => 0,
        Entity::Group(_) => 1,
        Entity::ScreenName(_) => 2,
        Entity::Message(_) => 3,
        Entity::ContactList(_) => 4,
        Entity::Domain(_) => 5,
    };
    for wanted in 0..if context.version == Version::V1_1 { 3 } else { 6 } {
        for entity in entities.iter().filter(|entity| kind(entity) == wanted) {
            Choice::<Csp>::write_variant(entity, sink, context);
        }
    }
}

const PRESENCE_SUB_LIST: Name = Name::new("PresenceSubList");

/// The names of presence attributes: empty elements in a PresenceSubList.
#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
pub(super) fn read_attributes(
    element: Element<'_, '_>,
    _context: &Context<'_>,
) -> Result<Vec<Box<str>>, Fault> {
    Ok(element.child(PRESENCE_SUB_LIST).map(attributes::read).unwrap_or_default())
}

#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
pub(super) fn write_attributes(names: &Vec<Box<str>>, sink: &mut dyn Sink, context: &Context<'_>) {
    attributes::write(names, sink, context);
}

const SENDER: Name = Name::new("Sender");
const USER: Name = Name::new("User");
const USER_ID: Name = Name::new("UserID");
const GROUP: Name = Name::new("Group");
const GROUP_ID: Name = Name::new("GroupID");
const SCREEN_NAME: Name = Name::new("ScreenName");

/// `Sender/User`, or `Sender/Group` with a GroupID or a ScreenName; behind a screen name the group
/// stands as the author. A sender without anything in it counts as absent.
pub(super) fn read_sender(element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<Sender>, Fault> {
    let Some(sender) = element.child(SENDER) else { return Ok(None) };
    let (read, name) = if let Some(user) = sender.child(USER) {
        match Form::<Csp>::read(user, context) {
            Ok(user) => return Ok(Some(Sender { author: Author::User(user), shown: None })),
            Err(fault) => (Err(fault), USER),
        }
    } else if let Some(group) = sender.child(GROUP) {
        (read_group(group, context), GROUP)
    } else {
        return Ok(None);
    };
    read.map(Some).map_err(|fault: Fault| fault.within(name.text).within(SENDER.text))
}

fn read_group(group: Element<'_, '_>, context: &Context<'_>) -> Result<Sender, Fault> {
    if let Some(element) = group.child(SCREEN_NAME) {
        let name = <ScreenName as Form<Csp>>::read(element, context)
            .map_err(|fault| fault.within(SCREEN_NAME.text))?;
        return Ok(Sender {
            author: Author::Group(name.group.clone()),
            shown: Some(Display::ScreenName(name)),
        });
    }
    match group.child(GROUP_ID) {
        Some(id) => <GroupId as Form<Csp>>::read(id, context)
            .map(|id| Sender { author: Author::Group(id), shown: None })
            .map_err(|fault| fault.within(GROUP_ID.text)),
        None => Err(Fault::missing(GROUP_ID.text, group)),
    }
}

/// How the author appears wins over who it is; a plain name has no place in CSP.
#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
pub(super) fn write_sender(sender: &Option<Sender>, sink: &mut dyn Sink, context: &Context<'_>) {
    let Some(sender) = sender else { return };
    sink.open(SENDER.text);
    let group = |sink: &mut dyn Sink, write: &dyn Fn(&mut dyn Sink)| {
        sink.open(GROUP.text);
        write(sink);
        sink.close();
    };
    match (&sender.shown, &sender.author) {
        (Some(Display::User(id)), _) => {
            write_element::<Csp, User>(USER.text, &id.clone().into(), sink, context);
        }
        (Some(Display::ScreenName(name)), _) => group(sink, &|sink| {
            write_element::<Csp, ScreenName>(SCREEN_NAME.text, name, sink, context);
        }),
        (Some(Display::Group(id)), _) | (_, Author::Group(id)) => group(sink, &|sink| {
            write_element::<Csp, GroupId>(GROUP_ID.text, id, sink, context);
        }),
        (_, Author::User(user)) => write_element::<Csp, User>(USER.text, user, sink, context),
    }
    sink.close();
}
