//! Tables of the presence primitives (reference csp-messages §6). The attributes themselves are in
//! [`crate::wire::pa`].

use crate::imps::primitive::{
    AttributeGrant, Audience, CancelAuthRequest, CreateAttributeListRequest, DefaultAttributeList,
    DeleteAttributeListRequest, GetAttributeListRequest, GetAttributeListResponse, GetPresenceRequest,
    GetPresenceResponse, GetReactiveAuthStatusRequest, GetReactiveAuthStatusResponse, GetWatcherListRequest,
    GetWatcherListResponse, NotificationRequest, Presence, PresenceAuthRequest, PresenceAuthUser,
    PresenceNotification, ReactiveAuthStatus, SubscribeNotificationRequest, SubscribePresenceRequest,
    UnsubscribeNotificationRequest, UnsubscribePresenceRequest, UpdatePresenceRequest, User, UserIdPair,
    Watcher,
};
use crate::imps::{UserId, Version};
use crate::wire::Fault;
use crate::wire::pa::{read_lists, write_lists};
use crate::wire::table::{Context, Csp, Form, Sink, boxed, choice, table, write_element};
use crate::wire::tree::{Element, Name};

// A 1.3 client still sends AutoSubscribe, which its version has lost.
table! { Csp SubscribePresenceRequest {
    users:          either(many("User").of("UserID").until(V1_2), many("UserID").inside("UserIDList").since(V1_3)),
    contact_lists:  either(many("ContactList").until(V1_2), many("ContactList").inside("ContactListIDList").since(V1_3)),
    attributes:     opt("PresenceSubList"),
    auto_subscribe: opt("AutoSubscribe").lenient().since(V1_2),
}}

table! { Csp UnsubscribePresenceRequest {
    users:         either(many("User").of("UserID").until(V1_2), many("UserID").inside("UserIDList").since(V1_3)),
    contact_lists: either(many("ContactList").until(V1_2), many("ContactList").inside("ContactListIDList").since(V1_3)),
}}

table! { Csp Presence {
    user:       one("UserID"),
    attributes: own("PresenceSubList", read_lists, write_lists),
}}

table! { Csp PresenceNotification {
    users:     lost(),
    presences: many("Presence"),
}}

table! { Csp GetPresenceRequest {
    users:         either(many("User").of("UserID").until(V1_2), many("UserID").inside("UserIDList").since(V1_3)),
    contact_lists: either(many("ContactList").until(V1_2), many("ContactList").inside("ContactListIDList").since(V1_3)),
    attributes:    opt("PresenceSubList"),
}}

table! { Csp GetPresenceResponse {
    result:    one("Result"),
    presences: many("Presence"),
}}

table! { Csp UpdatePresenceRequest {
    attributes: one("PresenceSubList"),
}}

table! { Csp GetWatcherListRequest {
    history_period: opt("HistoryPeriod").lenient().since(V1_2),
    limit:          opt("MaxWatcherList").lenient().since(V1_2),
}}

table! { Csp GetWatcherListResponse {
    result:         outcome_unsaid(),
    history_period: opt("HistoryPeriod").since(V1_2),
    count:          opt("WatcherCount").since(V1_3),
    watchers:       own("Watcher", read_watchers, write_watchers),
}}

// The user is an element of its own up to 1.2, and stands there itself in 1.3.
table! { Csp Watcher {
    user:   own("User", read_watcher, write_watcher),
    status: opt("WatcherStatus").lenient(),
}}

table! { Csp CreateAttributeListRequest {
    attributes:          one("PresenceSubList"),
    users:               either(many("UserID").until(V1_2), many("UserID").inside("UserIDList").since(V1_3)),
    contact_lists:       either(many("ContactList").until(V1_2), many("ContactList").inside("ContactListIDList").since(V1_3)),
    default_list:        flag("DefaultList"),
    default_notify:      opt("DefaultNotify").since(V1_3),
    user_notify:         opt("UserNotify").since(V1_3),
    contact_list_notify: opt("ContactListNotify").since(V1_3),
}}

table! { Csp DeleteAttributeListRequest {
    users:         either(many("UserID").until(V1_2), many("UserID").inside("UserIDList").since(V1_3)),
    contact_lists: either(many("ContactList").until(V1_2), many("ContactList").inside("ContactListIDList").since(V1_3)),
    default_list:  flag("DefaultList"),
}}

table! { Csp GetAttributeListRequest {
    default_list:  flag("DefaultList"),
    contact_lists: either(many("ContactList").until(V1_2), many("ContactList").inside("ContactListIDList").since(V1_3)),
    users:         either(many("User").of("UserID").until(V1_2), many("UserID").inside("UserIDList").since(V1_3)),
}}

choice! { Csp Audience {
    User:        one("UserID"),
    ContactList: one("ContactList"),
}}

table! { Csp AttributeGrant {
    audience:            first(),
    user_notify:         opt("UserNotify").since(V1_3),
    contact_list_notify: opt("ContactListNotify").since(V1_3),
    attributes:          own("PresenceSubList", read_lists, write_lists),
}}

table! { Csp DefaultAttributeList {
    notify:     opt("DefaultNotify").since(V1_3),
    attributes: own("PresenceSubList", read_lists, write_lists),
}}

boxed! { Csp GetAttributeListResponse, NotificationRequest }

table! { Csp GetAttributeListResponse {
    result:  outcome(),
    default: opt("DefaultAttributeList"),
    grants:  many("Presence"),
}}

table! { Csp PresenceAuthRequest {
    user:       one("UserID"),
    attributes: opt("PresenceSubList"),
}}

table! { Csp PresenceAuthUser {
    user:       one("UserID"),
    acceptance: one("Acceptance"),
    attributes: opt("PresenceSubList").since(V1_2),
}}

table! { Csp UserIdPair {
    unrecognized: one("UnrecognizedUserID"),
    valid:        one("ValidUserID"),
}}

// 1.3 only; which of them are there follows from the type.
table! { Csp NotificationRequest {
    kind:             one("NotificationType"),
    block_in_use:     opt("BlockListInUse"),
    grant_in_use:     opt("GrantListInUse"),
    group:            opt("GroupID"),
    invite:           opt("InviteID"),
    online_etem:      opt("OnlineETEMHandling").token(),
    attributes:       opt("PresenceSubList"),
    users:            many("UserID").inside("UserIDList"),
    contact_lists:    many("ContactList").inside("ContactListIDList"),
    default_list:     opt("DefaultList"),
    session_priority: opt("SessionPriority"),
    members:          many("User").inside("UserList"),
    corrected:        opt("UserIDPair"),
}}

table! { Csp SubscribeNotificationRequest {
    types: many("NotificationType").lenient().inside("NotificationTypeList"),
}}

table! { Csp UnsubscribeNotificationRequest {
    types: many("NotificationType").lenient().inside("NotificationTypeList"),
}}

table! { Csp CancelAuthRequest {
    user: one("UserID"),
}}

table! { Csp GetReactiveAuthStatusRequest {
    users: many("UserID"),
}}

// 1.2 only: 1.3 has given the token of ReactiveAuthState to another element.
table! { Csp GetReactiveAuthStatusResponse {
    statuses: many("ReactiveAuthStatus").inside("ReactiveAuthStatusList").since(V1_2).until(V1_2),
}}

table! { Csp ReactiveAuthStatus {
    user:       one("UserID"),
    state:      one("ReactiveAuthState"),
    attributes: opt("PresenceSubList"),
}}

const USER: Name = Name::new("User");
const USER_ID: Name = Name::new("UserID");
const FRIENDLY_NAME: Name = Name::new("FriendlyName");
const WATCHER: Name = Name::new("Watcher");

/// In 1.1 watchers are plain users.
fn read_watchers(element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<Watcher>, Fault> {
    let read = |child: Element<'_, '_>| {
        if child.is(WATCHER) {
            Some(Form::<Csp>::read(child, context).map_err(|fault: Fault| fault.within(WATCHER.text)))
        } else if child.is(USER) {
            let user = Form::<Csp>::read(child, context).map_err(|fault: Fault| fault.within(USER.text));
            Some(user.map(|user| Watcher { user, status: None }))
        } else {
            None
        }
    };
    element.children().filter_map(read).collect()
}

#[allow(clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_watchers(watchers: &Vec<Watcher>, sink: &mut dyn Sink, context: &Context<'_>) {
    for watcher in watchers {
        if context.version == Version::V1_1 {
            write_element::<Csp, User>(USER.text, &watcher.user, sink, context);
        } else {
            write_element::<Csp, Watcher>(WATCHER.text, watcher, sink, context);
        }
    }
}

fn read_watcher(element: Element<'_, '_>, context: &Context<'_>) -> Result<User, Fault> {
    match element.child(USER) {
        Some(user) => Form::<Csp>::read(user, context).map_err(|fault: Fault| fault.within(USER.text)),
        None => Form::<Csp>::read(element, context),
    }
}

fn write_watcher(user: &User, sink: &mut dyn Sink, context: &Context<'_>) {
    if context.version < Version::V1_3 {
        return write_element::<Csp, User>(USER.text, user, sink, context);
    }
    write_element::<Csp, UserId>(USER_ID.text, &user.id, sink, context);
    if let Some(name) = &user.friendly_name {
        write_element::<Csp, Box<str>>(FRIENDLY_NAME.text, name, sink, context);
    }
}
