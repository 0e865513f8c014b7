//! Groups as SSP writes them (reference ssp-primitives §4, ssp-types §6).
//!
//! Every request names its group as an attribute; who asks stands in MetaInfo. Names are singular
//! where CSP has the plural (`AddGroupMemberRequest`), and the three wishes of a CSP
//! SubscribeGroupNotice-Request are three elements.

use super::im::{read_content, write_content};
use crate::imps::GroupId;
use crate::imps::primitive::{
    AddGroupMembersRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupMembersRequest,
    GetGroupMembersResponse, GetGroupPropsRequest, GetGroupPropsResponse, GetJoinedUsersRequest,
    GetJoinedUsersResponse, GroupChangeNotice, GroupProperties, JoinGroupRequest, JoinGroupResponse,
    JoinedUsers, LeaveGroupRequest, LeaveGroupResponse, Listed, Mapping, MemberAccessRequest, Moves,
    NoticeWish, Ranks, RejectListRequest, RejectListResponse, RemoveGroupMembersRequest, ScreenName,
    SetGroupPropsRequest, SubscribeGroupNoticeRequest, SubscribeGroupNoticeResponse, User, WelcomeNote,
};
use crate::imps::{Primitive, UserId};
use crate::wire::Fault;
use crate::wire::table::{
    Atom, Context, Form, Pass, Row, RowInfo, Sink, Ssp, Table, boxed, described, rows, table, write_element,
};
use crate::wire::tree::{Element, Name};

table! { Ssp GroupProperties {
    properties:   many("Property"),
    welcome_note: opt("WelcomeNote"),
}}

table! { Ssp CreateGroupRequest {
    group:       attr("groupID"),
    join:        attr_flag("joinGroup"),
    subscribe:   attr_flag("subscribeNotif"),
    screen_name: opt("ScreenName"),
    properties:  opt("GroupProperties"),
    own:         many("Property").inside("OwnProperties"),
}}

table! { Ssp DeleteGroupRequest {
    group: attr("groupID"),
}}

table! { Ssp GetGroupPropsRequest {
    group: attr("groupID"),
}}

table! { Ssp GetGroupPropsResponse {
    result:     one("Status"),
    properties: opt("GroupProperties"),
    own:        many("Property").inside("OwnProperties"),
}}

table! { Ssp SetGroupPropsRequest {
    group:      attr("groupID"),
    properties: opt("GroupProperties"),
    own:        many("Property").inside("OwnProperties"),
}}

table! { Ssp JoinGroupRequest {
    group:          attr("groupID"),
    joined_request: attr_flag("joinedListRequest"),
    subscribe:      attr_flag("subscribeNotif"),
    screen_name:    opt("ScreenName"),
    own:            many("Property").inside("OwnProperties"),
}}

boxed! { Ssp JoinGroupResponse, GetJoinedUsersResponse, GroupChangeNotice }

table! { Ssp JoinGroupResponse {
    result:       one("Status"),
    joined:       own("JoinedList", read_names, write_names),
    welcome_note: opt("WelcomeNote"),
    group:        lost(),
    screen_name:  lost(),
}}

table! { Ssp LeaveGroupRequest {
    group: attr("groupID"),
}}

// Whom it concerns is absent where the one known implementation says it unasked.
table! { Ssp LeaveGroupResponse {
    group:  attr_opt("groupID"),
    users:  many("User"),
    result: one("Status"),
} after reading: take_reason; }

table! { Ssp GetGroupMembersRequest {
    group: attr("groupID"),
}}

table! { Ssp GetGroupMembersResponse {
    result:  one("Status"),
    members: own("Admins", read_ranks, write_ranks),
}}

table! { Ssp GetJoinedUsersRequest {
    group: attr("groupID"),
}}

table! { Ssp GetJoinedUsersResponse {
    result:  one("Status"),
    joined:  own("JoinedUsers", read_joined, write_joined),
    blocked: own("JoinedBlocked", read_blocked, write_blocked),
    group:   lost(),
}}

table! { Ssp AddGroupMembersRequest {
    group: attr("groupID"),
    users: many("UserID").at("userID"),
}}

table! { Ssp RemoveGroupMembersRequest {
    group: attr("groupID"),
    users: many("UserID").at("userID"),
}}

table! { Ssp MemberAccessRequest {
    group:   attr("groupID"),
    members: own("Admins", read_ranks, write_ranks),
}}

table! { Ssp RejectListRequest {
    group:  attr("groupID"),
    add:    own("AddUsers", read_added, write_added),
    remove: own("RemoveUsers", read_removed, write_removed),
}}

table! { Ssp RejectListResponse {
    result: one("Status"),
    users:  many("UserID").at("userID").inside("RejectList"),
}}

// The element says what is wanted.
table! { Ssp SubscribeGroupNoticeRequest {
    group: attr("groupID"),
    wish:  own("SubscribeGroupChangeRequest", read_wish, |_, _, _| {}),
}}

table! { Ssp SubscribeGroupNoticeResponse {
    group:      attr_opt("groupID"),
    subscribed: attr_flag("subscribed"),
    result:     one("Status"),
}}

table! { Ssp GroupChangeNotice {
    group:      attr("groupID"),
    users:      many("User"),
    moves:      own("Joined", read_moves, write_moves),
    properties: opt("GroupProperties"),
    own:        many("Property").inside("OwnProperties"),
} before writing: of_notice; }

fn of_notice<'c>(notice: &'c GroupChangeNotice, _sink: &dyn Sink, context: &Context<'c>) -> Context<'c> {
    Context { group: Some(&notice.group), ..*context }
}

const CONTENT_DATA: Name = Name::new("ContentData");
const CONTENT_TYPE: Name = Name::new("contentType");

/// By hand: the type stands beside the content, in one element.
impl Form<Ssp> for WelcomeNote {
    fn read(element: Element<'_, '_>, context: &Context<'_>) -> Result<Self, Fault> {
        let read = read_content(element, context)?;
        let said = element.child(CONTENT_DATA).and_then(|data| data.attribute(CONTENT_TYPE)).map(str::trim);
        Ok(Self {
            content_type: said.filter(|said| !said.is_empty()).unwrap_or(super::im::DEFAULT_TYPE).into(),
            content: read.ok_or_else(|| Fault::missing(CONTENT_DATA.text, element))?,
        })
    }

    fn write(&self, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Children {
            let context = Context { content_type: Some(&self.content_type), ..*context };
            write_content(&Some(self.content.clone()), sink, &context);
        }
    }
}

impl Table<Ssp> for WelcomeNote {
    fn rows() -> Vec<RowInfo> {
        const TYPE: rows::Attr<rows::One> = rows::attr(CONTENT_TYPE.text);
        let data = rows::own(CONTENT_DATA.text, read_content, write_content);
        let inside = rows::inside::<rows::Attr<rows::One>>;
        vec![
            described(
                Ssp,
                |note: &Self| &note.content_type,
                &inside(CONTENT_DATA.text, TYPE),
                "content_type",
            ),
            RowInfo {
                field: "content",
                ..described(Ssp, |content: &Option<crate::imps::Content>| content, &data, "")
            },
        ]
    }
}

const REASON_TEXT: Name = Name::new("ReasonText");

/// The reason is joined to the description, which is what CSP has a place for.
#[allow(clippy::unnecessary_wraps, reason = "the table wants a function that may fail")]
fn take_reason(
    leave: &mut LeaveGroupResponse,
    element: Element<'_, '_>,
    _context: &Context<'_>,
) -> Result<(), Fault> {
    let reason = element.child(REASON_TEXT).map(Element::text).filter(|text| !text.is_empty());
    if let Some(reason) = reason {
        leave.result.description = Some(match &leave.result.description {
            Some(description) => format!("{description}: {reason}").into(),
            None => reason.into(),
        });
    }
    Ok(())
}

const NAME: Name = Name::new("Name");
const JOINED_LIST: Name = Name::new("JoinedList");
const ADMINS: Name = Name::new("Admins");
const MODERATORS: Name = Name::new("Moderators");
const ORDINARY_USERS: Name = Name::new("OrdinaryUsers");
const ADD_USERS: Name = Name::new("AddUsers");
const REMOVE_USERS: Name = Name::new("RemoveUsers");
const USER: Name = Name::new("User");
const USER_ID: Name = Name::new("UserID");
const USER_ID_ATTRIBUTE: &str = "userID";
const USER_LIST: Name = Name::new("UserList");
const USER_MAP_LIST: Name = Name::new("UserMapList");
const USER_MAPPING: Name = Name::new("UserMapping");
const MAPPING: Name = Name::new("Mapping");
const S_NAME: Name = Name::new("SName");
const SCREEN_NAME: Name = Name::new("ScreenName");
const JOINED: Name = Name::new("Joined");
const LEFT: Name = Name::new("Left");
const JOINED_ADMIN: Name = Name::new("JoinedAdmin");
const JOINED_MOD: Name = Name::new("JoinedMod");
const JOINED_USERS: Name = Name::new("JoinedUsers");
/// As the one known implementation writes it (conflict C-11).
const JOINED_USER: Name = Name::new("JoinedUser");
const JOINED_BLOCKED: Name = Name::new("JoinedBlocked");
const LEFT_BLOCKED: Name = Name::new("LeftBlocked");

const IDS: rows::Named<rows::Many, rows::At> = rows::many(USER_ID.text).at(USER_ID_ATTRIBUTE);

fn around(name: Name, sink: &mut dyn Sink, inner: impl FnOnce(&mut dyn Sink)) {
    sink.open(name.text);
    inner(sink);
    sink.close();
}

fn users_of(name: Name, element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<UserId>, Fault> {
    let Some(child) = element.child(name) else { return Ok(Vec::new()) };
    Row::<Ssp, _>::read(&IDS, child, context).map_err(|fault: Fault| fault.within(name.text))
}

fn read_ranks(element: Element<'_, '_>, context: &Context<'_>) -> Result<Ranks, Fault> {
    Ok(Ranks {
        admins: users_of(ADMINS, element, context)?,
        moderators: users_of(MODERATORS, element, context)?,
        users: users_of(ORDINARY_USERS, element, context)?,
    })
}

fn write_ranks(ranks: &Ranks, sink: &mut dyn Sink, context: &Context<'_>) {
    for (name, users) in
        [(ADMINS, &ranks.admins), (MODERATORS, &ranks.moderators), (ORDINARY_USERS, &ranks.users)]
    {
        write_users_in(name, users, sink, context);
    }
}

fn write_users_in(name: Name, users: &Vec<UserId>, sink: &mut dyn Sink, context: &Context<'_>) {
    if !users.is_empty() {
        around(name, sink, |sink| Row::<Ssp, _>::write(&IDS, users, Pass::Children, sink, context));
    }
}

fn read_added(element: Element<'_, '_>, context: &Context<'_>) -> Result<Listed, Fault> {
    users_of(ADD_USERS, element, context).map(Listed::from)
}

fn read_removed(element: Element<'_, '_>, context: &Context<'_>) -> Result<Listed, Fault> {
    users_of(REMOVE_USERS, element, context).map(Listed::from)
}

/// Addresses only: names have no place here, and are looked up before.
fn write_added(listed: &Listed, sink: &mut dyn Sink, context: &Context<'_>) {
    write_users_in(ADD_USERS, &listed.users, sink, context);
}

fn write_removed(listed: &Listed, sink: &mut dyn Sink, context: &Context<'_>) {
    write_users_in(REMOVE_USERS, &listed.users, sink, context);
}

fn names_of(name: Name, element: Element<'_, '_>) -> impl Iterator<Item = Box<str>> {
    let names = element.child(name).into_iter().flat_map(Element::children).filter(|child| child.is(NAME));
    let names: Vec<Box<str>> =
        names.map(Element::text).filter(|text| !text.is_empty()).map(Into::into).collect();
    names.into_iter()
}

fn write_names_in<'n>(name: Name, names: impl Iterator<Item = &'n str>, sink: &mut dyn Sink) {
    let mut names = names.peekable();
    if names.peek().is_some() {
        around(name, sink, |sink| {
            names.for_each(|name| around(NAME, sink, |sink| sink.value(Atom::Text(name))));
        });
    }
}

fn named(name: Box<str>) -> Mapping {
    Mapping { name: Some(name), user: None }
}

#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
fn read_names(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Vec<Mapping>, Fault> {
    Ok(names_of(JOINED_LIST, element).map(named).collect())
}

/// Names, never addresses.
#[allow(clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_names(joined: &Vec<Mapping>, sink: &mut dyn Sink, _context: &Context<'_>) {
    write_names_in(JOINED_LIST, joined.iter().filter_map(|mapping| mapping.name.as_deref()), sink);
}

/// `UserMapList/UserMapping/Mapping` in the element, or any part of that path.
fn mappings_in(
    element: Element<'_, '_>,
    context: &Context<'_>,
    found: &mut Vec<Mapping>,
) -> Result<(), Fault> {
    for child in element.children() {
        if child.is(MAPPING) {
            let name = child.child(S_NAME).map(Element::text).filter(|text| !text.is_empty());
            let user = const { rows::opt(USER_ID.text).at(USER_ID_ATTRIBUTE) };
            let user = Row::<Ssp, Option<UserId>>::read(&user, child, context)?;
            found.push(Mapping { name: name.map(Into::into), user });
        } else if child.is(USER_MAP_LIST) || child.is(USER_MAPPING) {
            mappings_in(child, context, found)?;
        }
    }
    Ok(())
}

fn mappings_of(name: Name, element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<Mapping>, Fault> {
    let mut found = Vec::new();
    if let Some(child) = element.child(name) {
        mappings_in(child, context, &mut found).map_err(|fault| fault.within(name.text))?;
    }
    Ok(found)
}

fn write_mappings(name: Name, mappings: &[Mapping], sink: &mut dyn Sink) {
    if mappings.is_empty() {
        return;
    }
    let write = |mapping: &Mapping, sink: &mut dyn Sink| {
        around(MAPPING, sink, |sink| {
            if let Some(name) = &mapping.name {
                around(S_NAME, sink, |sink| sink.value(Atom::Text(name)));
            }
            if let Some(user) = &mapping.user {
                around(USER_ID, sink, |sink| {
                    sink.attribute(USER_ID_ATTRIBUTE, Atom::Text(user.as_str()));
                });
            }
        });
    };
    around(name, sink, |sink| {
        around(USER_MAP_LIST, sink, |sink| {
            around(USER_MAPPING, sink, |sink| mappings.iter().for_each(|mapping| write(mapping, sink)));
        });
    });
}

fn read_joined(element: Element<'_, '_>, context: &Context<'_>) -> Result<JoinedUsers, Fault> {
    let mut users = mappings_of(JOINED_USERS, element, context)?;
    users.extend(mappings_of(JOINED_USER, element, context)?);
    Ok(JoinedUsers {
        admins: mappings_of(JOINED_ADMIN, element, context)?,
        moderators: mappings_of(JOINED_MOD, element, context)?,
        users,
    })
}

fn write_joined(joined: &JoinedUsers, sink: &mut dyn Sink, _context: &Context<'_>) {
    write_mappings(JOINED_ADMIN, &joined.admins, sink);
    write_mappings(JOINED_MOD, &joined.moderators, sink);
    write_mappings(JOINED_USERS, &joined.users, sink);
}

fn read_blocked(element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<Mapping>, Fault> {
    mappings_of(JOINED_BLOCKED, element, context)
}

#[allow(clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_blocked(blocked: &Vec<Mapping>, sink: &mut dyn Sink, _context: &Context<'_>) {
    write_mappings(JOINED_BLOCKED, blocked, sink);
}

fn read_moves(element: Element<'_, '_>, context: &Context<'_>) -> Result<Moves, Fault> {
    let mut left_blocked = Vec::new();
    let list = element.child(LEFT_BLOCKED).map(|left| left.child(USER_LIST).unwrap_or(left));
    for child in list.into_iter().flat_map(Element::children) {
        if child.is(SCREEN_NAME) {
            left_blocked.push(named(child.text().into()));
        } else if child.is(USER) {
            let user: User = Form::<Ssp>::read(child, context)
                .map_err(|fault: Fault| fault.within(USER.text).within(LEFT_BLOCKED.text))?;
            left_blocked.push(Mapping { name: None, user: Some(user.id) });
        }
    }
    Ok(Moves {
        joined: names_of(JOINED, element).map(named).collect(),
        left: names_of(LEFT, element).collect(),
        joined_blocked: mappings_of(JOINED_BLOCKED, element, context)?,
        left_blocked,
    })
}

fn write_moves(moves: &Moves, sink: &mut dyn Sink, context: &Context<'_>) {
    write_names_in(JOINED, moves.joined.iter().filter_map(|mapping| mapping.name.as_deref()), sink);
    write_names_in(LEFT, moves.left.iter().map(AsRef::as_ref), sink);
    write_mappings(JOINED_BLOCKED, &moves.joined_blocked, sink);
    if moves.left_blocked.is_empty() {
        return;
    }
    around(LEFT_BLOCKED, sink, |sink| {
        around(USER_LIST, sink, |sink| {
            for mapping in &moves.left_blocked {
                match (&mapping.name, &mapping.user, context.group) {
                    (Some(name), _, Some(group)) => {
                        let name = ScreenName { name: name.clone(), group: group.clone() };
                        write_element::<Ssp, ScreenName>(SCREEN_NAME.text, &name, sink, context);
                    }
                    (_, Some(user), _) => {
                        write_element::<Ssp, User>(USER.text, &user.clone().into(), sink, context);
                    }
                    _ => {}
                }
            }
        });
    });
}

/// The three elements, and what each asks.
pub(super) const WISHES: [(Name, NoticeWish); 3] = [
    (Name::new("SubscribeGroupChangeRequest"), NoticeWish::Set),
    (Name::new("UnsubscribeGroupChangeRequest"), NoticeWish::Unset),
    (Name::new("GetGroupSubStatusRequest"), NoticeWish::Get),
];

fn read_wish(element: Element<'_, '_>, _context: &Context<'_>) -> Result<NoticeWish, Fault> {
    let wish = WISHES.iter().find(|(name, _)| element.is(*name)).map(|(_, wish)| *wish);
    wish.ok_or_else(|| Fault::missing(WISHES[0].0.text, element))
}

/// Reads one of the three elements; `None` if this is none of them.
pub(super) fn read_wish_element(
    element: Element<'_, '_>,
    context: &Context<'_>,
) -> Option<(&'static str, Result<Box<Primitive>, Fault>)> {
    let (name, _) = WISHES.iter().find(|(name, _)| element.is(*name))?;
    let read = <SubscribeGroupNoticeRequest as Form<Ssp>>::read(element, context);
    Some((name.text, read.map(|request| Box::new(Primitive::SubscribeGroupNoticeRequest(request)))))
}

/// Writes the element of a wish, with `prelude` as its first child.
pub(super) fn write_wish_element(
    request: &SubscribeGroupNoticeRequest,
    prelude: &mut dyn FnMut(&mut dyn Sink),
    sink: &mut dyn Sink,
) {
    for (name, _) in WISHES.iter().filter(|(_, wish)| *wish == request.wish) {
        sink.open(name.text);
        sink.attribute("groupID", <GroupId as crate::wire::table::Scalar<Ssp>>::atom(&request.group));
        prelude(sink);
        sink.close();
    }
}
