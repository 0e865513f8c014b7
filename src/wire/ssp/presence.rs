//! Presence as SSP writes it (reference ssp-types §5, ssp-primitives §2). The attributes themselves are in
//! [`crate::wire::pa`].

use crate::imps::Status;
use crate::imps::primitive::{
    GetPresenceRequest, GetPresenceResponse, GetWatcherListRequest, GetWatcherListResponse, Presence,
    PresenceNotification, SubscribePresenceRequest, UnsubscribePresenceRequest, Watcher,
};
use crate::wire::Fault;
use crate::wire::pa::{read_lists, write_lists};
use crate::wire::table::{Context, Form, Sink, Ssp, table, write_element};
use crate::wire::tree::{Element, Name};

// Contact lists never cross; the watcher's home expands them (rule G4).
table! { Ssp SubscribePresenceRequest {
    users:          many("UserID").at("userID"),
    contact_lists:  lost(),
    attributes:     inside("AttributeList", opt("PresenceSubList")),
    auto_subscribe: lost(),
}}

table! { Ssp UnsubscribePresenceRequest {
    users:         many("UserID").at("userID"),
    contact_lists: lost(),
}}

table! { Ssp Presence {
    user:       attr("userID"),
    attributes: own("PresenceSubList", read_lists, write_lists),
}}

table! { Ssp PresenceNotification {
    users:     many("User"),
    presences: many("PresenceValue"),
}}

table! { Ssp GetPresenceRequest {
    users:         many("VerUserID").also("UserID").at("userID"),
    contact_lists: lost(),
    attributes:    inside("AttributeList", opt("PresenceSubList")),
}}

// The one known implementation leaves the Status out (conflict C-07).
table! { Ssp GetPresenceResponse {
    result:    own("Status", read_status, write_status),
    presences: many("PresenceValue"),
}}

table! { Ssp GetWatcherListRequest {
    history_period: attr_opt("historyPeriod").lenient(),
    limit:          attr_opt("maxWatcherList").lenient(),
}}

table! { Ssp GetWatcherListResponse {
    count:          attr_opt("watcherCount").lenient(),
    history_period: attr_opt("historyPeriod").lenient(),
    result:         one("Status"),
    watchers:       many("Watcher"),
}}

table! { Ssp Watcher {
    status: attr_opt("status").lenient(),
    user:   one("User"),
}}

const STATUS: Name = Name::new("Status");

/// An absent Status means 200.
fn read_status(element: Element<'_, '_>, context: &Context<'_>) -> Result<Status, Fault> {
    let read = element.child(STATUS).map(|status| Form::<Ssp>::read(status, context));
    read.unwrap_or_else(|| Ok(Status::ok())).map_err(|fault| fault.within(STATUS.text))
}

fn write_status(status: &Status, sink: &mut dyn Sink, context: &Context<'_>) {
    write_element::<Ssp, Status>(STATUS.text, status, sink, context);
}
