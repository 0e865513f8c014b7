//! Tables of the group primitives (reference csp-messages §1, §8).
//!
//! What a version spells in its own way is said here once: lists of users (`UserList/User` until 1.2,
//! `UserIDList` in 1.3), those who are in a group (screen names in 1.1, mappings later), ranks.
//! Every form is read at every version.

use super::content;
use crate::imps::primitive::{
    AddGroupMembersRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupMembersRequest,
    GetGroupMembersResponse, GetGroupPropsRequest, GetGroupPropsResponse, GetJoinedUsersRequest,
    GetJoinedUsersResponse, GroupChangeNotice, GroupProperties, JoinGroupRequest, JoinGroupResponse,
    JoinedUsers, LeaveGroupRequest, LeaveGroupResponse, Listed, Mapping, MemberAccessRequest, Moves, Ranks,
    RejectListRequest, RejectListResponse, RemoveGroupMembersRequest, ScreenName, SetGroupPropsRequest,
    SubscribeGroupNoticeRequest, SubscribeGroupNoticeResponse, WelcomeNote,
};
use crate::imps::{GroupId, UserId, Version};
use crate::wire::Fault;
use crate::wire::table::{
    Atom, ContentForm, Context, Csp, Form, Pass, RowInfo, Sink, Table, boxed, described, rows, table,
    write_element,
};
use crate::wire::tree::{Element, Name};

table! { Csp GroupProperties {
    properties:   many("Property"),
    welcome_note: opt("WelcomeNote"),
}}

table! { Csp Mapping {
    name: opt("SName"),
    user: opt("UserID"),
}}

table! { Csp CreateGroupRequest {
    group:       one("GroupID"),
    properties:  opt("GroupProperties"),
    own:         many("Property").inside("OwnProperties").since(V1_3),
    join:        flag("JoinGroup"),
    screen_name: opt("ScreenName"),
    subscribe:   flag("SubscribeNotification"),
}}

table! { Csp DeleteGroupRequest {
    group: one("GroupID"),
}}

table! { Csp GetGroupPropsRequest {
    group: one("GroupID"),
}}

table! { Csp GetGroupPropsResponse {
    properties: opt("GroupProperties"),
    own:        many("Property").inside("OwnProperties"),
    result:     lost(),
}}

table! { Csp SetGroupPropsRequest {
    group:      one("GroupID"),
    properties: opt("GroupProperties"),
    own:        many("Property").inside("OwnProperties"),
}}

table! { Csp JoinGroupRequest {
    group:          one("GroupID"),
    screen_name:    opt("ScreenName"),
    joined_request: flag("JoinedRequest"),
    subscribe:      flag("SubscribeNotification"),
    own:            many("Property").inside("OwnProperties").since(V1_2),
}}

boxed! { Csp JoinGroupResponse, GetJoinedUsersResponse, GroupChangeNotice }

table! { Csp JoinGroupResponse {
    joined:       own("UserMapList", read_in, write_in),
    screen_name:  opt("ScreenName").since(V1_3),
    welcome_note: opt("WelcomeNote"),
    group:        own("GroupID", read_group_of_names, write_nothing),
    result:       lost(),
} before writing: of_join; }

table! { Csp LeaveGroupRequest {
    group: one("GroupID"),
}}

table! { Csp LeaveGroupResponse {
    group:  opt("GroupID"),
    result: one("Result"),
    users:  lost(),
}}

table! { Csp GetGroupMembersRequest {
    group: one("GroupID"),
}}

table! { Csp GetGroupMembersResponse {
    members: own("Admin", read_ranks, write_ranks),
    result:  lost(),
}}

table! { Csp GetJoinedUsersRequest {
    group: one("GroupID"),
}}

table! { Csp GetJoinedUsersResponse {
    joined:  own("AdminMapList", read_joined, write_joined),
    blocked: own("JoinedBlocked", read_blocked, write_blocked).since(V1_3),
    group:   own("GroupID", read_group_of_names, write_nothing),
    result:  lost(),
} before writing: of_joined_users; }

table! { Csp AddGroupMembersRequest {
    group: one("GroupID"),
    users: own("UserList", read_users, write_user_ids),
}}

table! { Csp RemoveGroupMembersRequest {
    group: one("GroupID"),
    users: own("UserList", read_users, write_user_ids),
}}

table! { Csp MemberAccessRequest {
    group:   one("GroupID"),
    members: own("Admin", read_ranks, write_ranks),
}}

table! { Csp RejectListRequest {
    group:  one("GroupID"),
    add:    own("AddList", read_added, write_added),
    remove: own("RemoveList", read_removed, write_removed),
}}

table! { Csp RejectListResponse {
    users:  own("UserList", read_users, write_user_list),
    result: lost(),
}}

table! { Csp SubscribeGroupNoticeRequest {
    group: one("GroupID"),
    wish:  one("SubscribeType"),
}}

table! { Csp SubscribeGroupNoticeResponse {
    subscribed: one("Value"),
    group:      lost(),
    result:     lost(),
}}

table! { Csp GroupChangeNotice {
    group:      one("GroupID"),
    moves:      own("Joined", read_moves, write_moves),
    properties: opt("GroupProperties"),
    own:        many("Property").inside("OwnProperties"),
    users:      lost(),
} before writing: of_notice; }

fn of_join<'c>(answer: &'c JoinGroupResponse, _sink: &dyn Sink, context: &Context<'c>) -> Context<'c> {
    Context { group: answer.group.as_ref(), ..*context }
}

fn of_joined_users<'c>(
    answer: &'c GetJoinedUsersResponse,
    _sink: &dyn Sink,
    context: &Context<'c>,
) -> Context<'c> {
    Context { group: answer.group.as_ref(), ..*context }
}

fn of_notice<'c>(notice: &'c GroupChangeNotice, _sink: &dyn Sink, context: &Context<'c>) -> Context<'c> {
    Context { group: Some(&notice.group), ..*context }
}

const CONTENT_TYPE: Name = Name::new("ContentType");
const CONTENT_ENCODING: Name = Name::new("ContentEncoding");
const CONTENT_DATA: Name = Name::new("ContentData");

/// What an absent content type means (reference csp.md §5.1).
const DEFAULT_TYPE: &str = "text/plain";

/// By hand: type, encoding and content say one thing together.
impl Form<Csp> for WelcomeNote {
    fn read(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Self, Fault> {
        let data = element.child(CONTENT_DATA).ok_or_else(|| Fault::missing(CONTENT_DATA.text, element))?;
        let content_type = element.child(CONTENT_TYPE).map(Element::text).filter(|text| !text.is_empty());
        Ok(Self {
            content_type: content_type.unwrap_or(DEFAULT_TYPE).into(),
            content: content::decoded(data, element.child(CONTENT_ENCODING))?,
        })
    }

    fn write(&self, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Attributes {
            return;
        }
        let form = content::form_of(&self.content, Some(&self.content_type), sink);
        let context = Context { content: Some(form), ..*context };
        sink.open(CONTENT_TYPE.text);
        sink.value(Atom::Token(&self.content_type));
        sink.close();
        content::write_encoding(&None, sink, &context);
        sink.open(CONTENT_DATA.text);
        match (form, std::str::from_utf8(self.content.octets())) {
            (ContentForm::Text, Ok(text)) => sink.value(Atom::Text(text)),
            _ => sink.value(Atom::Octets(self.content.octets())),
        }
        sink.close();
    }
}

impl Table<Csp> for WelcomeNote {
    fn rows() -> Vec<RowInfo> {
        const TYPE: rows::Named<rows::One> = rows::one(CONTENT_TYPE.text).token();
        vec![
            described(Csp, |note: &Self| &note.content_type, &TYPE, "content_type"),
            described(
                Csp,
                |note: &Self| &note.content,
                &rows::own(CONTENT_DATA.text, |note, _| content::decoded(note, None), |_, _, _| {}),
                "content",
            ),
        ]
    }
}

const USER: Name = Name::new("User");
const USER_ID: Name = Name::new("UserID");
const USER_LIST: Name = Name::new("UserList");
const USER_ID_LIST: Name = Name::new("UserIDList");
const GROUP_ID: Name = Name::new("GroupID");
const SCREEN_NAME: Name = Name::new("ScreenName");
const S_NAME: Name = Name::new("SName");
const ADMIN: Name = Name::new("Admin");
const MOD: Name = Name::new("Mod");
const USERS: Name = Name::new("Users");
const ADD_LIST: Name = Name::new("AddList");
const REMOVE_LIST: Name = Name::new("RemoveList");
const JOINED: Name = Name::new("Joined");
const LEFT: Name = Name::new("Left");
const JOINED_BLOCKED: Name = Name::new("JoinedBlocked");
const LEFT_BLOCKED: Name = Name::new("LeftBlocked");
const USER_MAP_LIST: Name = Name::new("UserMapList");
const ADMIN_MAP_LIST: Name = Name::new("AdminMapList");
const ADMIN_MAPPING: Name = Name::new("AdminMapping");
const MOD_MAPPING: Name = Name::new("ModMapping");
const USER_MAPPING: Name = Name::new("UserMapping");
const MAPPING: Name = Name::new("Mapping");

/// Users in any of the forms of any version: `User/UserID` or `UserID`, in a list or without.
fn users_in(element: Element<'_, '_>, users: &mut Vec<UserId>) -> Result<(), Fault> {
    for child in element.children() {
        let read = if child.is(USER_ID) {
            <UserId as Form<Csp>>::read(child, &Context::new(Version::V1_3)).map(|user| users.push(user))
        } else if child.is(USER) || child.is(USER_LIST) || child.is(USER_ID_LIST) {
            users_in(child, users)
        } else {
            continue;
        };
        read.map_err(|fault| fault.within(child.name()))?;
    }
    Ok(())
}

fn read_users(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Vec<UserId>, Fault> {
    let mut users = Vec::new();
    users_in(element, &mut users)?;
    Ok(users)
}

fn read_users_of(name: Name, element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<UserId>, Fault> {
    let Some(child) = element.child(name) else { return Ok(Vec::new()) };
    read_users(child, context).map_err(|fault| fault.within(name.text))
}

fn around(name: Name, sink: &mut dyn Sink, inner: impl FnOnce(&mut dyn Sink)) {
    sink.open(name.text);
    inner(sink);
    sink.close();
}

fn write_bare_users(users: &[UserId], sink: &mut dyn Sink, context: &Context<'_>) {
    for user in users {
        write_element::<Csp, UserId>(USER_ID.text, user, sink, context);
    }
}

/// `UserList`, where also 1.3 has users with everything.
#[allow(clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_user_list(users: &Vec<UserId>, sink: &mut dyn Sink, context: &Context<'_>) {
    if users.is_empty() {
        return;
    }
    around(USER_LIST, sink, |sink| {
        for user in users {
            around(USER, sink, |sink| write_element::<Csp, UserId>(USER_ID.text, user, sink, context));
        }
    });
}

/// `UserIDList` in 1.3.
fn write_user_ids(users: &Vec<UserId>, sink: &mut dyn Sink, context: &Context<'_>) {
    if context.version < Version::V1_3 {
        write_user_list(users, sink, context);
    } else if !users.is_empty() {
        around(USER_ID_LIST, sink, |sink| write_bare_users(users, sink, context));
    }
}

fn read_added(element: Element<'_, '_>, context: &Context<'_>) -> Result<Listed, Fault> {
    read_listed(ADD_LIST, element, context)
}

fn read_removed(element: Element<'_, '_>, context: &Context<'_>) -> Result<Listed, Fault> {
    read_listed(REMOVE_LIST, element, context)
}

/// Users as [`users_in`] has them, and screen names.
fn read_listed(name: Name, element: Element<'_, '_>, context: &Context<'_>) -> Result<Listed, Fault> {
    let users = read_users_of(name, element, context)?;
    let list = element.child(name).into_iter().flat_map(Element::children);
    let names = list.filter(|child| child.is(SCREEN_NAME)).map(|child| {
        let read = <ScreenName as Form<Csp>>::read(child, context);
        read.map_err(|fault: Fault| fault.within(SCREEN_NAME.text).within(name.text))
    });
    Ok(Listed { users, names: names.collect::<Result<_, _>>()? })
}

fn write_listed(name: Name, listed: &Listed, sink: &mut dyn Sink, context: &Context<'_>) {
    if listed.users.is_empty() && listed.names.is_empty() {
        return;
    }
    around(name, sink, |sink| {
        write_bare_users(&listed.users, sink, context);
        for name in &listed.names {
            write_element::<Csp, ScreenName>(SCREEN_NAME.text, name, sink, context);
        }
    });
}

fn write_added(listed: &Listed, sink: &mut dyn Sink, context: &Context<'_>) {
    write_listed(ADD_LIST, listed, sink, context);
}

fn write_removed(listed: &Listed, sink: &mut dyn Sink, context: &Context<'_>) {
    write_listed(REMOVE_LIST, listed, sink, context);
}

/// `Users(UserList)` until 1.2, `UserList` in 1.3.
fn read_ranks(element: Element<'_, '_>, context: &Context<'_>) -> Result<Ranks, Fault> {
    let mut users = read_users_of(USERS, element, context)?;
    users_in(element, &mut users)?;
    Ok(Ranks {
        admins: read_users_of(ADMIN, element, context)?,
        moderators: read_users_of(MOD, element, context)?,
        users,
    })
}

fn write_ranks(ranks: &Ranks, sink: &mut dyn Sink, context: &Context<'_>) {
    for (name, users) in [(ADMIN, &ranks.admins), (MOD, &ranks.moderators)] {
        if !users.is_empty() {
            around(name, sink, |sink| write_user_list(users, sink, context));
        }
    }
    if context.version < Version::V1_3 && !ranks.users.is_empty() {
        around(USERS, sink, |sink| write_user_list(&ranks.users, sink, context));
    } else {
        write_user_list(&ranks.users, sink, context);
    }
}

/// Those in a group, in any of the forms of any version: mappings or screen names, in lists or without.
fn mappings_in(
    element: Element<'_, '_>,
    context: &Context<'_>,
    found: &mut Vec<Mapping>,
) -> Result<(), Fault> {
    const AROUND: [Name; 6] = [USER_LIST, USER_MAP_LIST, USER_MAPPING, ADMIN_MAPPING, MOD_MAPPING, USER];
    for child in element.children() {
        let read = if child.is(MAPPING) || child.is(SCREEN_NAME) {
            <Mapping as Form<Csp>>::read(child, context).map(|mapping| found.push(mapping))
        } else if child.is(USER_ID) {
            <UserId as Form<Csp>>::read(child, context)
                .map(|user| found.push(Mapping { name: None, user: Some(user) }))
        } else if AROUND.iter().any(|name| child.is(*name)) {
            mappings_in(child, context, found)
        } else {
            continue;
        };
        read.map_err(|fault| fault.within(child.name()))?;
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

fn write_name(name: &str, sink: &mut dyn Sink, context: &Context<'_>) {
    around(SCREEN_NAME, sink, |sink| {
        around(S_NAME, sink, |sink| sink.value(Atom::Text(name)));
        if let Some(group) = context.group {
            write_element::<Csp, GroupId>(GROUP_ID.text, group, sink, context);
        }
    });
}

fn write_names(mappings: &[Mapping], sink: &mut dyn Sink, context: &Context<'_>) {
    for name in mappings.iter().filter_map(|mapping| mapping.name.as_deref()) {
        write_name(name, sink, context);
    }
}

fn write_mapping_list(name: Name, mappings: &[Mapping], sink: &mut dyn Sink, context: &Context<'_>) {
    if !mappings.is_empty() {
        around(name, sink, |sink| {
            for mapping in mappings {
                write_element::<Csp, Mapping>(MAPPING.text, mapping, sink, context);
            }
        });
    }
}

fn write_map_list(mappings: &[Mapping], sink: &mut dyn Sink, context: &Context<'_>) {
    around(USER_MAP_LIST, sink, |sink| write_mapping_list(USER_MAPPING, mappings, sink, context));
}

/// Of the answer to a join: `UserList` in 1.1, `UserMapList` in 1.2, `Joined` in 1.3.
fn read_in(element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<Mapping>, Fault> {
    let mut found = mappings_of(JOINED, element, context)?;
    for list in [USER_LIST, USER_MAP_LIST] {
        found.extend(mappings_of(list, element, context)?);
    }
    Ok(found)
}

#[allow(clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_in(joined: &Vec<Mapping>, sink: &mut dyn Sink, context: &Context<'_>) {
    match context.version {
        _ if joined.is_empty() => {}
        Version::V1_1 => around(USER_LIST, sink, |sink| write_names(joined, sink, context)),
        Version::V1_2 => write_map_list(joined, sink, context),
        Version::V1_3 => around(JOINED, sink, |sink| write_map_list(joined, sink, context)),
    }
}

/// The group that the first screen name of a list names.
fn read_group_of_names(element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<GroupId>, Fault> {
    let mut lists = element.children().flat_map(|child| {
        child
            .children()
            .chain(child.children().flat_map(Element::children))
            .filter(|inner| inner.is(SCREEN_NAME))
    });
    let named = lists.find_map(|name| name.child(GROUP_ID));
    named.map(|group| <GroupId as Form<Csp>>::read(group, context)).transpose()
}

#[allow(clippy::ref_option, reason = "a row hands over its field as it is")]
fn write_nothing(_group: &Option<GroupId>, _sink: &mut dyn Sink, _context: &Context<'_>) {}

/// By rank in AdminMapList; everybody alike in UserMapList.
fn read_joined(element: Element<'_, '_>, context: &Context<'_>) -> Result<JoinedUsers, Fault> {
    let mut joined =
        JoinedUsers { users: mappings_of(USER_MAP_LIST, element, context)?, ..JoinedUsers::default() };
    if let Some(list) = element.child(ADMIN_MAP_LIST) {
        let of = |name| mappings_of(name, list, context).map_err(|fault| fault.within(ADMIN_MAP_LIST.text));
        (joined.admins, joined.moderators) = (of(ADMIN_MAPPING)?, of(MOD_MAPPING)?);
        joined.users.extend(of(USER_MAPPING)?);
    }
    Ok(joined)
}

fn write_joined(joined: &JoinedUsers, sink: &mut dyn Sink, context: &Context<'_>) {
    if joined.admins.is_empty() && joined.moderators.is_empty() {
        return write_map_list(&joined.users, sink, context);
    }
    around(ADMIN_MAP_LIST, sink, |sink| {
        write_mapping_list(ADMIN_MAPPING, &joined.admins, sink, context);
        write_mapping_list(MOD_MAPPING, &joined.moderators, sink, context);
        write_mapping_list(USER_MAPPING, &joined.users, sink, context);
    });
}

fn read_blocked(element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<Mapping>, Fault> {
    mappings_of(JOINED_BLOCKED, element, context)
}

#[allow(clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_blocked(blocked: &Vec<Mapping>, sink: &mut dyn Sink, context: &Context<'_>) {
    if !blocked.is_empty() {
        around(JOINED_BLOCKED, sink, |sink| {
            around(USER_LIST, sink, |sink| write_names(blocked, sink, context));
        });
    }
}

fn read_moves(element: Element<'_, '_>, context: &Context<'_>) -> Result<Moves, Fault> {
    let left = mappings_of(LEFT, element, context)?;
    Ok(Moves {
        joined: mappings_of(JOINED, element, context)?,
        left: left.into_iter().filter_map(|mapping| mapping.name).collect(),
        joined_blocked: mappings_of(JOINED_BLOCKED, element, context)?,
        left_blocked: mappings_of(LEFT_BLOCKED, element, context)?,
    })
}

/// Who came and is blocked is nobody's business before 1.3; who went and was blocked just went.
fn write_moves(moves: &Moves, sink: &mut dyn Sink, context: &Context<'_>) {
    let old = context.version < Version::V1_3;
    if !moves.joined.is_empty() {
        around(JOINED, sink, |sink| match context.version {
            Version::V1_1 => write_names(&moves.joined, sink, context),
            _ => write_map_list(&moves.joined, sink, context),
        });
    }
    let also = moves.left_blocked.iter().filter(|_| old).filter_map(|mapping| mapping.name.as_deref());
    let left: Vec<&str> = moves.left.iter().map(AsRef::as_ref).chain(also).collect();
    if !left.is_empty() {
        around(LEFT, sink, |sink| {
            let names = |sink: &mut dyn Sink| left.iter().for_each(|name| write_name(name, sink, context));
            if context.version == Version::V1_1 { names(sink) } else { around(USER_LIST, sink, names) }
        });
    }
    if old {
        return;
    }
    write_blocked(&moves.joined_blocked, sink, context);
    if !moves.left_blocked.is_empty() {
        around(LEFT_BLOCKED, sink, |sink| {
            around(USER_LIST, sink, |sink| {
                for mapping in &moves.left_blocked {
                    match (&mapping.name, &mapping.user) {
                        (Some(name), _) => write_name(name, sink, context),
                        (None, Some(user)) => around(USER, sink, |sink| {
                            write_element::<Csp, UserId>(USER_ID.text, user, sink, context);
                        }),
                        (None, None) => {}
                    }
                }
            });
        });
    }
}
