//! Status as SSP writes it (reference ssp-types §7).

use crate::imps::status::{Code, DetailedResult, Entity, Status};
use crate::wire::table::{choice, table};

// A code that cannot be read means 404, as the one known implementation has it.
table! { Ssp Status {
    code:        attr_or("code", Code::NOT_FOUND),
    description: opt("StatusDescription"),
    details:     many("DetailedResult"),
    try_again:   opt("TryAgainTimeout").lenient(),
}}

// What it names helps, but an answer is not refused because one name is bad.
table! { Ssp DetailedResult {
    code:        attr_or("code", Code::NOT_FOUND),
    description: opt("StatusDescription"),
    entities:    each().lenient(),
}}

choice! { Ssp Entity {
    User:        one("UserID").at("userID"),
    Group:       one("GroupID").at("groupID"),
    ScreenName:  one("ScreenName").also("ScreenNames"),
    Message:     one("MessageID").at("messageID"),
    ContactList: one("ContactListID").at("contactListID"),
    Domain:      one("Domain"),
}}
