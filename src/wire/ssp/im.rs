//! Instant messages as SSP writes them (reference ssp-types §4, ssp-primitives §1).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::imps::Content;
use crate::imps::primitive::{
    DeliveryReport, Display, ForwardMessageRequest, ForwardMessageResponse, MessageInfo, Recipient,
    SendMessageRequest, SendMessageResponse,
};
use crate::wire::Fault;
use crate::wire::table::{Atom, Choice, Context, Pass, Row, RowInfo, Sink, Ssp, Wrong, rows, table};
use crate::wire::tree::{Element, Name};

// `validlity` is what the one known implementation reads (conflict C-10); case does not count anyway.
table! { Ssp MessageInfo {
    id:               attr_opt("messageID"),
    uri:              attr_opt("messageURI"),
    content_type:     attr_opt("contentType"),
    content_name:     attr_opt("contentName"),
    content_size:     attr_opt("contentSize").lenient(),
    validity:         attr_opt("validity").also("validlity"),
    recipients:       Recipients,
    addressed:        own(RECIPIENT_DISPLAY.text, read_addressed, |_, _, _| {}),
    sender:           opt("Sender"),
    date_time:        opt("DateTime").with("format", "iso8601").lenient(),
    content_encoding: lost(),
    font:             lost(),
} before writing: with_addressed; }

table! { Ssp SendMessageRequest {
    delivery_report: attr_flag("deliveryReport"),
    info:            one("MessageInfo"),
    content:         own("ContentData", read_content, write_content),
}
before writing: with_content_type;
after reading: take_content_type;
}

table! { Ssp SendMessageResponse {
    message_id: attr_opt("messageID"),
    result:     one("Status"),
}}

table! { Ssp DeliveryReport {
    result:        inside("DeliveryResult", one("Status")),
    delivery_time: opt("DeliveryTime").with("format", "iso8601").lenient(),
    info:          one("MessageInfo"),
}}

table! { Ssp ForwardMessageRequest {
    message_id: attr("messageID"),
    recipients: wrapped("Recipient", each()),
    sender:     opt("Sender"),
}}

table! { Ssp ForwardMessageResponse {
    message_id: attr_opt("messageID"),
    result:     one("Status"),
}}

const RECIPIENT: Name = Name::new("Recipient");
const RECIPIENT_DISPLAY: Name = Name::new("RecipientDisplay");
const RECIPIENTS: rows::Wrapped = rows::wrapped(RECIPIENT.text, rows::each());

/// Each in an element of its own, which also says as what it was addressed.
#[derive(Clone, Copy, Debug)]
struct Recipients;

impl Row<Ssp, Vec<Recipient>> for Recipients {
    fn read(&self, element: Element<'_, '_>, context: &Context<'_>) -> Result<Vec<Recipient>, Fault> {
        Row::<Ssp, Vec<Recipient>>::read(&RECIPIENTS, element, context)
    }
    fn write(&self, recipients: &Vec<Recipient>, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        if pass == Pass::Attributes {
            return;
        }
        for recipient in recipients {
            sink.open(RECIPIENT.text);
            Choice::<Ssp>::write_variant(recipient, sink, context);
            if let Some(addressed) = context.addressed {
                sink.open(RECIPIENT_DISPLAY.text);
                Choice::<Ssp>::write_variant(addressed, sink, context);
                sink.close();
            }
            sink.close();
        }
    }
    fn absent(&self, _element: Element<'_, '_>) -> Result<Vec<Recipient>, Fault> {
        Ok(Vec::new())
    }
    fn shows(&self, recipients: &Vec<Recipient>, _context: &Context<'_>) -> bool {
        !recipients.is_empty()
    }
    fn holds(&self, element: Element<'_, '_>) -> bool {
        element.child(RECIPIENT).is_some()
    }
    fn describe(&self, into: &mut RowInfo) {
        Row::<Ssp, Vec<Recipient>>::describe(&RECIPIENTS, into);
    }
}

fn with_addressed<'c>(info: &'c MessageInfo, _sink: &dyn Sink, context: &Context<'c>) -> Context<'c> {
    Context { addressed: info.addressed.as_ref(), ..*context }
}

/// What the first of them says; what cannot be read does not spoil the message.
#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
fn read_addressed(element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<Display>, Fault> {
    let shown = element.child(RECIPIENT).and_then(|recipient| recipient.child(RECIPIENT_DISPLAY));
    let read = |child| <Display as Choice<Ssp>>::read_variant(child, context)?.ok();
    Ok(shown.and_then(|shown| shown.children().find_map(read)))
}

const CONTENT_DATA: Name = Name::new("ContentData");
const CONTENT_TYPE: Name = Name::new("contentType");
const ENCODING: Name = Name::new("encoding");

/// What an absent content type means (reference csp.md §5.1).
pub(super) const DEFAULT_TYPE: &str = "text/plain";

/// SSP repeats the content type beside the content.
fn with_content_type<'c>(
    message: &'c SendMessageRequest,
    _sink: &dyn Sink,
    context: &Context<'c>,
) -> Context<'c> {
    Context { content_type: message.info.content_type.as_deref(), ..*context }
}

/// The type may stand beside the content only.
#[allow(clippy::unnecessary_wraps)] // other tables can fail here
fn take_content_type(
    message: &mut SendMessageRequest,
    element: Element<'_, '_>,
    _context: &Context<'_>,
) -> Result<(), Fault> {
    if message.info.content_type.is_none() {
        let beside = element.child(CONTENT_DATA).and_then(|data| data.attribute(CONTENT_TYPE)).map(str::trim);
        message.info.content_type =
            beside.filter(|found| !found.is_empty() && *found != DEFAULT_TYPE).map(Into::into);
    }
    Ok(())
}

#[allow(clippy::ref_option)] // the signature of a row's writer
pub(super) fn write_content(data: &Option<Content>, sink: &mut dyn Sink, context: &Context<'_>) {
    let Some(data) = data else { return };
    sink.open(CONTENT_DATA.text);
    sink.attribute(CONTENT_TYPE.text, Atom::Text(context.content_type.unwrap_or(DEFAULT_TYPE)));
    let text = if context.legacy { None } else { data.as_text(context.content_type) };
    match text {
        Some(text) => sink.value(Atom::Text(text)),
        None => {
            sink.attribute(ENCODING.text, Atom::Text("base64"));
            sink.value(Atom::Octets(data.octets()));
        }
    }
    sink.close();
}

/// Text is kept exactly; conflict C-23: the encoding's case does not count, absent is plain text.
pub(super) fn read_content(
    element: Element<'_, '_>,
    _context: &Context<'_>,
) -> Result<Option<Content>, Fault> {
    let Some(data) = element.child(CONTENT_DATA) else { return Ok(None) };
    let encoding = data.attribute(ENCODING).unwrap_or_default().trim();
    let text = data.raw().text().unwrap_or_default();
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("none") {
        return Ok(Some(text.into()));
    }
    let fault = |what| Err(Fault::unreadable(CONTENT_DATA.text, data, &Wrong::because(what)));
    if !encoding.eq_ignore_ascii_case("base64") {
        return fault("an encoding other than base64");
    }
    match decode_base64(text) {
        Some(octets) => Ok(Some(Content::new(octets))),
        None => fault("no base64"),
    }
}

/// Liberal about white space, padding and trailing bits.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Octets of BASE64 text with any white space in it.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|octet| octet.is_ascii_whitespace()) {
        let dense: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
        BASE64.decode(dense).ok()
    } else {
        BASE64.decode(text).ok()
    }
}
