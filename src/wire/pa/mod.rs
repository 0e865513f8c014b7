//! Presence attributes, written down once for all protocols (reference presence-attributes).
//!
//! They are a vocabulary of their own, [`Pa`]: truth is `T` or `F` on SSP links too, and the attributes
//! have a namespace that every PresenceSubList carries. CSP and SSP rows cross into it by
//! `one("PresenceSubList")`. What a version lacks is left out when it is written: InfoLink at 1.1, clients
//! before 1.3, and then all but the first of several values of one attribute.

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod attributes;
#[cfg(test)]
mod tests;

use crate::imps::Version;
use crate::imps::presence::{
    AddrPref, Attribute, AttributeName, AttributeSet, ClientInfo, CommC, CommCap, ContactInfo, ContentLimit,
    GeoLocation, InfoLink, LimitedType, Link, Plain, PostalAddress, PreferredContacts, PresenceSubList,
    StatusContent, TimeZone,
};
use crate::imps::primitive::ClientId;
use crate::imps::status::Code;
use crate::wire::Fault;
use crate::wire::csp::{Namespace, namespace};
use crate::wire::table::{
    Atom, Choice, Context, Csp, Form, Pa, Pass, RowInfo, Sink, Ssp, Table, boxed, choice, table,
};
use crate::wire::tree::{Element, Name, Raw};

choice! { Pa Attribute {
    OnlineStatus:      one("OnlineStatus").token(),
    Registration:      one("Registration").token(),
    ClientInfo:        one("ClientInfo"),
    TimeZone:          one("TimeZone"),
    GeoLocation:       one("GeoLocation"),
    Address:           one("Address"),
    FreeTextLocation:  one("FreeTextLocation"),
    Plmn:              one("PLMN"),
    CommCap:           one("CommCap"),
    UserAvailability:  one("UserAvailability").token(),
    PreferredContacts: one("PreferredContacts"),
    PreferredLanguage: one("PreferredLanguage"),
    StatusText:        one("StatusText"),
    StatusMood:        one("StatusMood").token(),
    Alias:             one("Alias"),
    StatusContent:     one("StatusContent"),
    ContactInfo:       one("ContactInfo"),
    InfoLink:          one("InfoLink"),
}}

boxed! { Pa ClientInfo, GeoLocation, PostalAddress, ContentLimit }

table! { Pa ClientId {
    text:   body_opt(),
    url:    opt("URL"),
    msisdn: opt("MSISDN"),
}}

table! { Pa Plain {
    qualifier: opt("Qualifier").lenient(),
    value:     own("PresenceValue", read_value, write_value),
    client:    opt("ClientID").since(V1_3),
}}

table! { Pa ClientInfo {
    qualifier:     opt("Qualifier").lenient(),
    content_limit: opt("ClientContentLimit").lenient().since(V1_3),
    client_type:   opt("ClientType").token(),
    manufacturer:  opt("DevManufacturer"),
    producer:      opt("ClientProducer"),
    model:         opt("Model"),
    version:       opt("ClientVersion"),
    language:      opt("Language"),
    im_priority:   opt("ClientIMPriority").since(V1_3),
    application:   opt("ApplicationID").since(V1_3),
    client:        opt("ClientID").since(V1_3),
}}

table! { Pa ContentLimit {
    accepted_types:     many("AcceptedContentType").lenient(),
    any_content:        opt("AnyContent").lenient(),
    text_length:        opt("AcceptedTextContentLength").lenient(),
    transfer_encodings: many("AcceptedTransferEncoding").token(),
    pull_length:        opt("MaxPullLength").lenient(),
    push_length:        opt("MaxPushLength").lenient(),
    charsets:           many("PlainTextCharset").lenient(),
}}

table! { Pa LimitedType {
    content_type: one("ContentType").token(),
    length:       opt("AcceptedRichContentLength").lenient(),
    policy:       opt("ContentPolicy").token(),
    limit:        opt("ContentPolicyLimit").lenient(),
}}

table! { Pa TimeZone {
    qualifier: opt("Qualifier").lenient(),
    zone:      opt("Zone"),
    client:    opt("ClientID").since(V1_3),
}}

table! { Pa GeoLocation {
    qualifier: opt("Qualifier").lenient(),
    longitude: opt("Longitude"),
    latitude:  opt("Latitude"),
    altitude:  opt("Altitude"),
    accuracy:  opt("Accuracy"),
    client:    opt("ClientID").since(V1_3),
}}

table! { Pa PostalAddress {
    qualifier:  opt("Qualifier").lenient(),
    country:    opt("Country"),
    city:       opt("City"),
    street:     opt("Street"),
    crossing1:  opt("Crossing1"),
    crossing2:  opt("Crossing2"),
    building:   opt("Building"),
    named_area: opt("NamedArea"),
    accuracy:   opt("Accuracy"),
    client:     opt("ClientID").since(V1_3),
}}

table! { Pa CommCap {
    qualifier: opt("Qualifier").lenient(),
    ways:      many("CommC").lenient(),
    client:    opt("ClientID").since(V1_3),
}}

// The words OPEN and CLOSED are not the tokens Open and Closed (csp-wbxml §4.6).
table! { Pa CommC {
    cap:     one("Cap").token(),
    status:  one("Status"),
    contact: opt("Contact"),
    note:    opt("Note"),
}}

table! { Pa PreferredContacts {
    qualifier: opt("Qualifier").lenient(),
    contacts:  many("AddrPref").lenient(),
}}

table! { Pa AddrPref {
    cap:      one("PrefC").token(),
    address:  one("Caddr"),
    status:   one("Cstatus"),
    name:     opt("Cname"),
    priority: opt("Cpriority"),
}}

table! { Pa StatusContent {
    qualifier:    opt("Qualifier").lenient(),
    direct:       own("DirectContent", read_direct, write_direct),
    referred:     opt("ReferredContent").also("PreferredContent"),
    content_type: opt("ContentType").token(),
}}

table! { Pa ContactInfo {
    qualifier: opt("Qualifier").lenient(),
    contained: own("ContainedvCard", read_card, write_card),
    referred:  opt("ReferredvCard").also("PreferredvCard"),
}}

table! { Pa InfoLink {
    qualifier: opt("Qualifier").lenient(),
    links:     many("Inf_link").lenient(),
}}

table! { Pa Link {
    link:         one("Link"),
    text:         opt("Text"),
    content_type: opt("ContentType").token(),
}}

const PRESENCE_VALUE: Name = Name::new("PresenceValue");
const DIRECT_CONTENT: Name = Name::new("DirectContent");
const CONTAINED_VCARD: Name = Name::new("ContainedvCard");

/// An empty value is a value: a client empties its status text so (reference client-android §7).
fn read_value(element: Element<'_, '_>, context: &Context<'_>) -> Result<Option<Box<str>>, Fault> {
    let Some(value) = element.child(PRESENCE_VALUE) else { return Ok(None) };
    <Box<str> as Form<Pa>>::read(value, context).map(Some).map_err(|fault| fault.within(PRESENCE_VALUE.text))
}

#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_value(value: &Option<Box<str>>, sink: &mut dyn Sink, _context: &Context<'_>) {
    write_text(PRESENCE_VALUE, value.as_deref(), sink);
}

/// BASE64 in text; octets of WBXML are the content itself (csp-wbxml §4.4).
#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
fn read_direct(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Option<Box<str>>, Fault> {
    use base64::Engine as _;
    let text = |content: Element<'_, '_>| match content.raw() {
        Raw::Text(_) => content.text().into(),
        Raw::Octets(octets) => base64::engine::general_purpose::STANDARD.encode(octets).into(),
    };
    let content = element.child(DIRECT_CONTENT).filter(|content| !content.raw().is_blank());
    Ok(content.map(text))
}

/// As text in both encodings: one real client reads opaque content as empty (csp-wbxml §4.4).
#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_direct(direct: &Option<Box<str>>, sink: &mut dyn Sink, _context: &Context<'_>) {
    write_text(DIRECT_CONTENT, direct.as_deref(), sink);
}

/// A card is text, whatever its octets.
#[allow(clippy::unnecessary_wraps, reason = "the row wants a function that may fail")]
fn read_card(element: Element<'_, '_>, _context: &Context<'_>) -> Result<Option<Box<str>>, Fault> {
    let text = |card: Element<'_, '_>| match card.raw() {
        Raw::Text(_) => Box::from(card.text()),
        Raw::Octets(octets) => String::from_utf8_lossy(octets).trim().replace('\0', "").into(),
    };
    Ok(element.child(CONTAINED_VCARD).filter(|card| !card.raw().is_blank()).map(text))
}

#[allow(clippy::ref_option, clippy::ptr_arg, reason = "a row hands over its field as it is")]
fn write_card(card: &Option<Box<str>>, sink: &mut dyn Sink, _context: &Context<'_>) {
    write_text(CONTAINED_VCARD, card.as_deref(), sink);
}

fn write_text(name: Name, text: Option<&str>, sink: &mut dyn Sink) {
    if let Some(text) = text {
        sink.open(name.text);
        sink.value(Atom::Text(text));
        sink.close();
    }
}

/// Strangers kept of one list at most; their number does not matter to anybody.
const UNKNOWN_MAX: usize = 16;

/// Attributes in any order; names of strangers are collected for 750, elements with a namespace of
/// their own are extensions and passed over. A value that cannot be read is 751.
fn read_list(element: Element<'_, '_>, context: &Context<'_>) -> Result<PresenceSubList, Fault> {
    let mut list = PresenceSubList::default();
    for child in element.children() {
        match <Attribute as Choice<Pa>>::read_variant(child, context) {
            Some(read) => list.attributes.push(read.map_err(|fault| Fault {
                code: Code::INVALID_PRESENCE_VALUE,
                ..fault.within(child.name())
            })?),
            None if child.is_extension() || list.unknown.len() >= UNKNOWN_MAX => {}
            None => list.unknown.push(child.name().chars().take(64).collect()),
        }
    }
    list.attributes.sort_by_key(Attribute::name);
    Ok(list)
}

fn write_list(list: &PresenceSubList, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
    if pass == Pass::Attributes {
        sink.attribute("xmlns", Atom::Text(namespace(context.version, Namespace::Presence)));
        return;
    }
    let several = context.version >= Version::V1_3;
    let mut written = AttributeSet::NONE;
    for attribute in &list.attributes {
        let name = attribute.name();
        if name.since() > context.version || (written.contains(name) && !several) {
            continue;
        }
        let attribute = if several { attribute } else { list.one(name).unwrap_or(attribute) };
        Choice::<Pa>::write_variant(attribute, sink, context);
        written = written.union([name].into_iter().collect());
    }
}

macro_rules! crossing {
    ($($protocol:ident)*) => {$(
        impl Form<$protocol> for PresenceSubList {
            fn read(element: Element<'_, '_>, context: &Context<'_>) -> Result<Self, Fault> {
                read_list(element, context)
            }

            fn write(&self, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
                write_list(self, pass, sink, context);
            }
        }
    )*};
}
crossing! { Csp Ssp }

const PRESENCE_SUB_LIST: Name = Name::new("PresenceSubList");

/// Reads every PresenceSubList of the element as one list; none is an empty one.
pub(super) fn read_lists(element: Element<'_, '_>, context: &Context<'_>) -> Result<PresenceSubList, Fault> {
    let mut all = PresenceSubList::default();
    for child in element.children().filter(|child| child.is(PRESENCE_SUB_LIST)) {
        let list = read_list(child, context).map_err(|fault| fault.within(PRESENCE_SUB_LIST.text))?;
        all.attributes.extend(list.attributes);
        all.unknown.extend(list.unknown);
    }
    all.attributes.sort_by_key(Attribute::name);
    Ok(all)
}

/// Writes the one PresenceSubList.
pub(super) fn write_lists(list: &PresenceSubList, sink: &mut dyn Sink, context: &Context<'_>) {
    sink.open(PRESENCE_SUB_LIST.text);
    write_list(list, Pass::Attributes, sink, context);
    write_list(list, Pass::Children, sink, context);
    sink.close();
}

macro_rules! rows_of {
    ($($type:ident),+ $(,)?) => {
        vec![$((stringify!($type), <$type as Table<Pa>>::rows())),+]
    };
}

/// Every table of presence: the name of its value and its rows, for the conformance page.
pub fn tables() -> Vec<(&'static str, Vec<RowInfo>)> {
    rows_of! {
        Plain, ClientInfo, ContentLimit, LimitedType, TimeZone, GeoLocation, PostalAddress, CommCap, CommC,
        PreferredContacts, AddrPref, StatusContent, ContactInfo, InfoLink, Link, ClientId,
    }
}

/// The rows of one attribute.
pub fn rows_of(name: AttributeName) -> Vec<RowInfo> {
    match name {
        AttributeName::OnlineStatus
        | AttributeName::Registration
        | AttributeName::FreeTextLocation
        | AttributeName::Plmn
        | AttributeName::UserAvailability
        | AttributeName::PreferredLanguage
        | AttributeName::StatusText
        | AttributeName::StatusMood
        | AttributeName::Alias => <Plain as Table<Pa>>::rows(),
        AttributeName::ClientInfo => <ClientInfo as Table<Pa>>::rows(),
        AttributeName::TimeZone => <TimeZone as Table<Pa>>::rows(),
        AttributeName::GeoLocation => <GeoLocation as Table<Pa>>::rows(),
        AttributeName::Address => <PostalAddress as Table<Pa>>::rows(),
        AttributeName::CommCap => <CommCap as Table<Pa>>::rows(),
        AttributeName::PreferredContacts => <PreferredContacts as Table<Pa>>::rows(),
        AttributeName::StatusContent => <StatusContent as Table<Pa>>::rows(),
        AttributeName::ContactInfo => <ContactInfo as Table<Pa>>::rows(),
        AttributeName::InfoLink => <InfoLink as Table<Pa>>::rows(),
    }
}

/// The element names of the attributes, in order.
pub fn names() -> Vec<&'static str> {
    <Attribute as Choice<Pa>>::names()
}
