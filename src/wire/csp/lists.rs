//! Tables of the contact list primitives (reference csp-messages §5).

use crate::imps::primitive::{
    Contact, CreateListRequest, CreateListResponse, DeleteListRequest, GetListResponse, ListManageRequest,
    ListManageResponse, NickList, Property,
};
use crate::imps::{UserId, Version};
use crate::wire::Fault;
use crate::wire::table::{Atom, Choice, Context, Csp, Form, Sink, table, write_element};
use crate::wire::tree::{Element, Name, folded_hash};

// The DTDs of 1.1 and 1.2 spell one property name their own way (csp-wbxml §8).
table! { Csp Property {
    name:  own("Name", read_property_name, write_property_name),
    value: opt("Value").token(),
}}

const ACCESS_TYPE: &str = "AccessType";
const NAME: Name = Name::new("Name");

fn read_property_name(element: Element<'_, '_>, context: &Context<'_>) -> Result<Box<str>, Fault> {
    let name = element
        .child(NAME)
        .filter(|name| !name.raw().is_blank())
        .ok_or_else(|| Fault::missing(NAME.text, element))?;
    let text = <Box<str> as Form<Csp>>::read(name, context).map_err(|fault| fault.within(NAME.text))?;
    let is_access_type = folded_hash(&text) == const { folded_hash(ACCESS_TYPE) };
    Ok(if is_access_type { ACCESS_TYPE.into() } else { text })
}

#[allow(clippy::borrowed_box, reason = "a row hands over its field as it is")]
fn write_property_name(name: &Box<str>, sink: &mut dyn Sink, context: &Context<'_>) {
    let old = context.version < Version::V1_3 && **name == *ACCESS_TYPE;
    sink.open(NAME.text);
    sink.value(Atom::Token(if old { "Accesstype" } else { name }));
    sink.close();
}

table! { Csp NickList {
    contacts: each(),
}}

table! { Csp GetListResponse {
    result:  outcome_unsaid(),
    lists:   either(many("ContactList").until(V1_2), many("ContactList").inside("ContactListIDList").since(V1_3)),
    default: opt("DefaultContactList"),
}}

table! { Csp CreateListRequest {
    list:       one("ContactList"),
    contacts:   inside("NickList", each()),
    properties: many("Property").inside("ContactListProperties"),
}}

table! { Csp CreateListResponse {
    result:     outcome_unsaid(),
    list:       one("ContactList"),
    properties: many("Property").inside("ContactListProperties"),
}}

table! { Csp DeleteListRequest {
    list: one("ContactList"),
}}

table! { Csp ListManageRequest {
    list:                one("ContactList"),
    add:                 inside("AddNickList", each()),
    remove:              many("UserID").inside("RemoveNickList"),
    properties:          many("Property").inside("ContactListProperties"),
    receive:             opt("ReceiveList").since(V1_2),
    authorize_and_grant: opt("AuthorizeAndGrant").since(V1_3),
}}

table! { Csp ListManageResponse {
    result:     outcome(),
    contacts:   opt("NickList"),
    properties: many("Property").inside("ContactListProperties"),
}}

const NICK_NAME: Name = Name::new("NickName");
const USER_ID: Name = Name::new("UserID");

/// `NickName` with Name and UserID, or a bare `UserID`.
impl Choice<Csp> for Contact {
    fn read_variant(element: Element<'_, '_>, context: &Context<'_>) -> Option<Result<Self, Fault>> {
        let read = |element| <UserId as Form<Csp>>::read(element, context);
        if element.is(USER_ID) {
            let read = read(element).map(|user| Self { user, nickname: None });
            return Some(read.map_err(|fault| fault.within(USER_ID.text)));
        }
        if !element.is(NICK_NAME) {
            return None;
        }
        let nickname = element.child(NAME).map(Element::text).filter(|name| !name.is_empty());
        let user = match below(element, USER_ID) {
            Some(found) => read(found).map_err(|fault| fault.within(USER_ID.text)),
            None => Err(Fault::missing(USER_ID.text, element)),
        };
        let contact = user.map(|user| Self { user, nickname: nickname.map(Into::into) });
        Some(contact.map_err(|fault| fault.within(NICK_NAME.text)))
    }

    fn write_variant(&self, sink: &mut dyn Sink, context: &Context<'_>) {
        let Some(nickname) = &self.nickname else {
            return write_element::<Csp, UserId>(USER_ID.text, &self.user, sink, context);
        };
        sink.open(NICK_NAME.text);
        sink.open(NAME.text);
        sink.value(Atom::Text(nickname));
        sink.close();
        write_element::<Csp, UserId>(USER_ID.text, &self.user, sink, context);
        sink.close();
    }

    fn names() -> Vec<&'static str> {
        vec![NICK_NAME.text, USER_ID.text]
    }
}

/// The UserID of a NickName; one real client has it inside a User there (reference csp.md §12 item 3).
fn below<'t, 'a>(element: Element<'t, 'a>, name: Name) -> Option<Element<'t, 'a>> {
    let inside = || element.children().find_map(|child| child.child(name));
    element.child(name).or_else(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::{Primitive, Version};
    use crate::wire::Encoding;
    use crate::wire::csp::{decode_primitive, encode_primitive};

    fn read(text: &str, version: Version) -> Primitive {
        decode_primitive(text.as_bytes(), version, Encoding::Xml).unwrap()
    }

    #[test]
    fn the_lists_of_every_version_are_read_at_every_version() {
        let bare = "<ContactList>wv:a/x@n.example</ContactList>";
        let wrapped = format!("<ContactListIDList>{bare}</ContactListIDList>");
        let answer = |lists: &str| format!("<GetList-Response>{lists}</GetList-Response>");
        for version in Version::ALL {
            let meant = read(&answer(bare), version);
            assert_eq!(read(&answer(&wrapped), version), meant);
            let sent = encode_primitive(&meant, version, Encoding::Xml).unwrap();
            let wanted = if version == Version::V1_3 { answer(&wrapped) } else { answer(bare) };
            assert_eq!(String::from_utf8(sent).unwrap(), wanted);
        }
    }

    #[test]
    fn a_contact_is_read_in_every_form_that_clients_write() {
        let request = |contacts: &str| {
            let text = format!(
                "<CreateList-Request><ContactList>wv:a/x</ContactList><NickList>{contacts}</NickList>\
                 </CreateList-Request>"
            );
            match read(&text, Version::V1_3) {
                Primitive::CreateListRequest(request) => request.contacts,
                other => panic!("{other:?}"),
            }
        };
        let bo = |nickname: Option<&str>| Contact {
            user: "wv:bo@s.example".parse().unwrap(),
            nickname: nickname.map(Into::into),
        };
        for (form, nickname) in [
            ("<NickName><Name>Bo</Name><UserID>wv:bo@s.example</UserID></NickName>", Some("Bo")),
            // One real client puts the address into a User
            ("<NickName><Name>Bo</Name><User><UserID>bo@s.example</UserID></User></NickName>", Some("Bo")),
            ("<NickName><Name/><UserID>wv:bo@s.example</UserID></NickName>", None),
            ("<UserID>wv:bo@s.example</UserID>", None),
        ] {
            assert_eq!(request(form), [bo(nickname)], "{form}");
        }
    }
}
