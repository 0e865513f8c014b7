//! Tables of the instant message primitives (reference csp-messages §7).

use super::content::{self, Carrier};
use super::party::{read_sender, write_sender};
use crate::imps::Content;
use crate::imps::Version;
use crate::imps::primitive::{
    BlockEntityRequest, BlockList, DeliveryReport, Font, ForwardMessageRequest, ForwardMessageResponse,
    GetBlockedListResponse, GetMessageListRequest, GetMessageListResponse, GetMessageRequest,
    GetMessageResponse, MessageDelivered, MessageInfo, MessageNotification, NewMessage, RejectMessageRequest,
    SendMessageRequest, SendMessageResponse, SetDeliveryMethodRequest,
};
use crate::wire::Fault;
use crate::wire::table::{Context, Csp, Form, Sink, boxed, table, write_element};
use crate::wire::tree::{Element, Name};

// What a client claims of size and date may be nonsense, and then counts as absent (csp-wbxml §4.3).
table! { Csp MessageInfo {
    id:               opt("MessageID"),
    uri:              opt("MessageURI"),
    content_type:     opt("ContentType").token(),
    content_encoding: own("ContentEncoding", content::read_encoding, content::write_encoding),
    content_size:     opt("ContentSize").lenient(),
    content_name:     opt("ContentName").since(V1_3),
    recipients:       inside("Recipient", each()),
    sender:           own("Sender", read_sender, write_sender),
    date_time:        opt("DateTime").lenient(),
    font:             opt("Font").since(V1_3),
    validity:         opt("Validity").lenient(),
    addressed:        lost(),
}}

table! { Csp Font {
    size:   opt("Size").token(),
    styles: many("Style").token(),
    color:  opt("Color").token(),
}}

macro_rules! carriers {
    ($($type:ident)*) => {$(
        impl Carrier for $type {
            fn info(&self) -> &MessageInfo {
                &self.info
            }
            fn info_mut(&mut self) -> &mut MessageInfo {
                &mut self.info
            }
            fn content(&self) -> Option<&Content> {
                self.content.as_ref()
            }
        }
    )*};
}
carriers! { SendMessageRequest NewMessage GetMessageResponse }

table! { Csp SendMessageRequest {
    delivery_report: flag("DeliveryReport"),
    info:            one("MessageInfo"),
    content:         own("ContentData", content::read, content::write),
} before writing: content::describe; after reading: content::settle; }

table! { Csp SendMessageResponse {
    result:     one("Result"),
    message_id: opt("MessageID"),
}}

table! { Csp NewMessage {
    info:    one("MessageInfo"),
    content: own("ContentData", content::read, content::write),
} before writing: content::describe; after reading: content::settle; }

table! { Csp MessageDelivered {
    message_id: one("MessageID"),
}}

table! { Csp MessageNotification {
    info: one("MessageInfo"),
}}

table! { Csp GetMessageRequest {
    message_id: one("MessageID"),
}}

table! { Csp GetMessageResponse {
    result:  outcome_unsaid(),
    info:    one("MessageInfo"),
    content: own("ContentData", content::read, content::write),
} before writing: content::describe; after reading: content::settle; }

table! { Csp GetMessageListRequest {
    group: opt("GroupID"),
    count: opt("MessageCount"),
}}

table! { Csp GetMessageListResponse {
    result:   outcome_unsaid(),
    messages: either(many("MessageInfo").until(V1_2), many("MessageInfo").inside("MessageInfoList").since(V1_3)),
    total:    opt("MessageTotalCount").since(V1_3),
}}

table! { Csp RejectMessageRequest {
    message_ids: many("MessageID"),
} after reading: |request, element, _| {
    let first = request.message_ids.first();
    first.map(drop).ok_or_else(|| Fault::missing("MessageID", element))
}; }

table! { Csp SetDeliveryMethodRequest {
    method:                  one("DeliveryMethod"),
    accepted_content_length: opt("AcceptedContentLength"),
    group:                   opt("GroupID"),
    group_content_limit:     opt("GroupContentLimit").since(V1_3),
}}

table! { Csp DeliveryReport {
    result:        one("Result"),
    delivery_time: opt("DeliveryTime").lenient(),
    info:          one("MessageInfo"),
}}

table! { Csp ForwardMessageRequest {
    message_id: one("MessageID"),
    sender:     own("Sender", read_sender, write_sender).since(V1_3),
    recipients: inside("Recipient", each()),
}}

table! { Csp ForwardMessageResponse {
    result:     outcome_unsaid(),
    message_id: opt("MessageID"),
}}

boxed! { Csp GetBlockedListResponse, BlockEntityRequest }

table! { Csp BlockList {
    in_use:   opt("InUse").until(V1_2),
    entities: opt("EntityList"),
    add:      opt("AddList"),
    remove:   opt("RemoveList"),
}}

table! { Csp GetBlockedListResponse {
    result: outcome_unsaid(),
    block: own("BlockList", read_block, write_block),
    grant: own("GrantList", read_grant, write_grant),
}}

table! { Csp BlockEntityRequest {
    block: own("BlockList", read_block, write_block),
    grant: own("GrantList", read_grant, write_grant),
}}

fn read_block(element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<BlockList>, Fault> {
    read_list(Name::new("BlockList"), Name::new("BlockListInUse"), element, context)
}

fn read_grant(element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<BlockList>, Fault> {
    read_list(Name::new("GrantList"), Name::new("GrantListInUse"), element, context)
}

/// Up to 1.2 the switch stands inside the list, in 1.3 beside it; a list may also be switched alone.
fn read_list(
    list: Name,
    switch: Name,
    element: Element<'_, '_>,
    context: &Context<'_>,
) -> Result<Option<BlockList>, Fault> {
    let read = element.child(list).map(|child| Form::<Csp>::read(child, context));
    let read: Option<BlockList> = read.transpose().map_err(|fault| fault.within(list.text))?;
    let Some(switch) = element.child(switch) else { return Ok(read) };
    let in_use = <bool as Form<Csp>>::read(switch, context).map_err(|fault| fault.within(switch.name()))?;
    Ok(Some(BlockList { in_use: Some(in_use), ..read.unwrap_or_default() }))
}

#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_block(list: &Option<BlockList>, sink: &mut dyn Sink, context: &Context<'_>) {
    write_list("BlockList", "BlockListInUse", list.as_ref(), sink, context);
}

#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_grant(list: &Option<BlockList>, sink: &mut dyn Sink, context: &Context<'_>) {
    write_list("GrantList", "GrantListInUse", list.as_ref(), sink, context);
}

fn write_list(
    name: &'static str,
    switch: &'static str,
    list: Option<&BlockList>,
    sink: &mut dyn Sink,
    context: &Context<'_>,
) {
    let Some(list) = list else { return };
    let beside = if context.version >= Version::V1_3 { list.in_use } else { None };
    let alone = BlockList { in_use: beside, ..BlockList::default() };
    if beside.is_none() || *list != alone {
        write_element::<Csp, BlockList>(name, list, sink, context);
    }
    if let Some(in_use) = beside {
        write_element::<Csp, bool>(switch, &in_use, sink, context);
    }
}
