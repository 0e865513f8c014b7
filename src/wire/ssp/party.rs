//! Identities as SSP writes them (reference ssp-types §2, §3).

use crate::imps::primitive::{
    Author, ClientId, Display, MetaInfo, Party, Property, Recipient, ScreenName, Sender, User,
};
use crate::wire::Fault;
use crate::wire::table::{
    Context, Form, Pass, Row, RowInfo, Scalar, Sink, Ssp, Table, choice, described, rows, table,
    write_element,
};
use crate::wire::tree::{Element, Name};

table! { Ssp ClientId {
    url:    attr_opt("url"),
    msisdn: attr_opt("msisdn"),
    text:   body_opt(),
}}

// The application may stand inside ClientID (conflict C-22).
table! { Ssp User {
    id:            attr("userID"),
    friendly_name: attr_opt("friendlyName"),
    client:        opt("ClientID"),
    application:   either(
        opt("ApplicationID").at("applicationID"),
        opt("ApplicationID").at("applicationID").inside("ClientID"),
    ),
}}

table! { Ssp ScreenName {
    group: attr("groupID"),
    name:  body(),
}}

choice! { Ssp Recipient {
    User:        one("User"),
    Group:       one("GroupID").at("groupID"),
    ScreenName:  one("ScreenName"),
    ContactList: lost(),
}}

choice! { Ssp Party {
    User:       one("User"),
    Group:      one("GroupID").at("groupID"),
    ScreenName: one("ScreenName"),
}}

// The same as in CSP (reference ssp-types §6).
table! { Ssp Property {
    name:  one("Name"),
    value: opt("Value"),
}}

choice! { Ssp Author {
    User:  one("User"),
    Group: one("GroupID").at("groupID"),
}}

choice! { Ssp Display {
    User:       one("UserID").at("userID"),
    Group:      one("GroupID").at("groupID"),
    ScreenName: one("ScreenName"),
    Name:       one("Name"),
}}

table! { Ssp Sender {
    author: first(),
    shown:  inside("SenderDisplay", first_opt()),
}}

const REQUESTOR: Name = Name::new("Requestor");
const CLIENT_ORIGINATED: rows::Attr<rows::Flag> = rows::attr_flag("clientOriginated");
const SERVICE: rows::Attr<rows::One> = rows::attr("serviceID");
const USER: rows::Named<rows::Opt> = rows::opt("User");

/// Written by hand because two fields share the element Requestor.
impl Form<Ssp> for MetaInfo {
    fn read(element: Element<'_, '_>, context: &Context<'_>) -> Result<Self, Fault> {
        let requestor = element.child(REQUESTOR).ok_or_else(|| Fault::missing(REQUESTOR.text, element))?;
        let within = |fault: Fault| fault.within(REQUESTOR.text);
        Ok(Self {
            client_originated: Row::<Ssp, _>::read(&CLIENT_ORIGINATED, element, context)?,
            service: Row::<Ssp, _>::read(&SERVICE, requestor, context).map_err(within)?,
            user: Row::<Ssp, _>::read(&USER, requestor, context).map_err(within)?,
        })
    }

    fn write(&self, pass: Pass, sink: &mut dyn Sink, context: &Context<'_>) {
        Row::<Ssp, _>::write(&CLIENT_ORIGINATED, &self.client_originated, pass, sink, context);
        if pass == Pass::Children {
            sink.open(REQUESTOR.text);
            sink.attribute("serviceID", Scalar::<Ssp>::atom(&self.service));
            if let Some(user) = &self.user {
                write_element::<Ssp, _>("User", user, sink, context);
            }
            sink.close();
        }
    }
}

impl Table<Ssp> for MetaInfo {
    fn rows() -> Vec<RowInfo> {
        let inside = rows::inside::<rows::Attr<rows::One>>;
        vec![
            described(Ssp, |value: &Self| &value.client_originated, &CLIENT_ORIGINATED, "client_originated"),
            described(Ssp, |value: &Self| &value.service, &inside(REQUESTOR.text, SERVICE), "service"),
            described(Ssp, |value: &Self| &value.user, &rows::inside(REQUESTOR.text, USER), "user"),
        ]
    }
}

/// The element's name.
pub(super) const META_INFO: Name = Name::new("MetaInfo");

/// Reads the MetaInfo of a request, if it has one.
pub(super) fn read_meta(
    primitive: Element<'_, '_>,
    context: &Context<'_>,
) -> Result<Option<MetaInfo>, Fault> {
    Row::<Ssp, _>::read(const { &rows::opt(META_INFO.text) }, primitive, context)
}

/// Writes the MetaInfo of a request.
pub(super) fn write_meta(meta: &MetaInfo, sink: &mut dyn Sink, context: &Context<'_>) {
    write_element::<Ssp, _>(META_INFO.text, meta, sink, context);
}
