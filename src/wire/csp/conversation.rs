//! Tables of extended conversations and of maps (1.3; reference csp-messages §4, §7).

use crate::imps::primitive::{
    ExtendConversationRequest, ExtendConversationResponse, GetMapRequest, GetMapResponse,
};
use crate::wire::table::{boxed, table};

boxed! { Csp ExtendConversationRequest, ExtendConversationResponse }

table! { Csp ExtendConversationRequest {
    id:           one("ExtendConversationID"),
    users:        many("UserID").inside("UserIDList"),
    partner:      one("ExtendConversationUser"),
    subscribe:    opt("SubscribeNotification"),
    welcome_note: opt("WelcomeNote"),
    screen_name:  opt("ScreenName"),
}}

table! { Csp ExtendConversationResponse {
    id:     one("ExtendConversationID"),
    group:  opt("GroupID"),
    note:   opt("ResponseNote"),
    result: outcome(),
}}

table! { Csp GetMapRequest {
    user:       opt("UserID"),
    attributes: opt("PresenceSubList"),
}}

table! { Csp GetMapResponse {
    result: outcome_unsaid(),
    map:    opt("Map"),
    url:    opt("URL"),
}}
