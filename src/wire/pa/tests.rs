//! What is particular about presence attributes on the wire.

use proptest::prelude::*;

use super::{arbitrary, names};
use crate::imps::presence::{Attribute, AttributeName, AttributeSet, Plain, PresenceSubList};
use crate::imps::primitive::UpdatePresenceRequest;
use crate::imps::{Primitive, Version};
use crate::wire::csp::{decode_primitive, encode_primitive};
use crate::wire::tree::folded_hash;
use crate::wire::wbxml::tokens;
use crate::wire::{Encoding, csp};

fn update(version: Version, inner: &str) -> Result<PresenceSubList, csp::Unreadable> {
    let text = format!(
        "<UpdatePresence-Request><PresenceSubList>{inner}</PresenceSubList></UpdatePresence-Request>"
    );
    match decode_primitive(text.as_bytes(), version, Encoding::Xml)? {
        Primitive::UpdatePresenceRequest(update) => Ok(update.attributes),
        other => panic!("{other:?}"),
    }
}

fn written(version: Version, attributes: Vec<Attribute>) -> String {
    let update = UpdatePresenceRequest { attributes: PresenceSubList::new(attributes) };
    String::from_utf8(encode_primitive(&update.into(), version, Encoding::Xml).unwrap()).unwrap()
}

#[test]
fn the_attributes_have_the_names_and_the_order_of_the_standard() {
    let ours: Vec<&str> = AttributeName::ALL.iter().map(|name| name.as_str()).collect();
    assert_eq!(names(), ours);
}

#[test]
fn every_row_names_a_token() {
    for (table, rows) in super::tables() {
        for row in rows {
            for name in row.elements.iter().chain(&row.also) {
                let tag = tokens::tag_of(folded_hash(name)).map(|tag| tag.row.name);
                // PreferredContent is a spelling of XML only (csp-wbxml §7).
                assert!(tag == Some(*name) || name.starts_with("Preferred"), "{table}.{}: {name}", row.field);
            }
        }
    }
}

#[test]
fn attributes_are_read_in_any_order_and_kept_in_order() {
    let list = update(Version::V1_2, "<Alias/><OnlineStatus/><StatusText/>").unwrap();
    let names = [AttributeName::OnlineStatus, AttributeName::StatusText, AttributeName::Alias];
    assert_eq!(list, PresenceSubList::naming(names.into_iter().collect::<AttributeSet>()));
}

#[test]
fn strangers_are_collected_and_extensions_passed_over() {
    let list = update(
        Version::V1_3,
        "<Weather/><v:Extra xmlns:v='urn:v'><Qualifier>T</Qualifier></v:Extra><More xmlns='urn:m'/><Alias/>",
    );
    let list = list.unwrap();
    assert_eq!((&*list.unknown, list.names().bits().count_ones()), (&["Weather".into()][..], 1));
}

#[test]
fn an_emptied_text_is_a_value_and_a_missing_one_is_none() {
    let text = |inner| match &update(Version::V1_2, inner).unwrap().attributes[..] {
        [Attribute::StatusText(plain)] => (plain.qualifier, plain.value.clone()),
        other => panic!("{other:?}"),
    };
    let emptied = "<StatusText><Qualifier>T</Qualifier><PresenceValue></PresenceValue></StatusText>";
    assert_eq!(text(emptied), (Some(true), Some("".into())));
    assert_eq!(text("<StatusText><Qualifier>F</Qualifier></StatusText>"), (Some(false), None));
    let empty = Plain { qualifier: Some(true), value: Some("".into()), client: None };
    assert!(
        written(Version::V1_2, vec![Attribute::StatusText(empty)])
            .contains("<PresenceValue></PresenceValue>")
    );
}

#[test]
fn an_older_version_gets_one_value_and_nothing_it_does_not_know() {
    let online = |client: &str| {
        let client = crate::imps::primitive::ClientId { url: Some(client.into()), ..Default::default() };
        Attribute::OnlineStatus(Plain {
            qualifier: Some(true),
            value: Some("T".into()),
            client: Some(client),
        })
    };
    let list = || vec![online("phone"), online("desk"), Attribute::unknown(AttributeName::InfoLink)];
    let value = "<Qualifier>T</Qualifier><PresenceValue>T</PresenceValue>";
    let around = |namespace: &str, inner: &str| {
        format!(
            "<UpdatePresence-Request><PresenceSubList xmlns=\"{namespace}\">{inner}</PresenceSubList></UpdatePresence-Request>"
        )
    };
    let online = format!("<OnlineStatus>{value}</OnlineStatus>");
    assert_eq!(written(Version::V1_1, list()), around("http://www.wireless-village.org/PA1.1", &online),);
    let link = "<InfoLink><Qualifier>F</Qualifier></InfoLink>";
    assert_eq!(
        written(Version::V1_2, list()),
        around("http://www.openmobilealliance.org/DTD/WV-PA1.2", &format!("{online}{link}")),
    );
    let each =
        |client| format!("<OnlineStatus>{value}<ClientID><URL>{client}</URL></ClientID></OnlineStatus>");
    assert_eq!(
        written(Version::V1_3, list()),
        around(
            "http://www.openmobilealliance.org/DTD/IMPS-PA1.3",
            &format!("{}{}{link}", each("phone"), each("desk")),
        ),
    );
}

#[test]
fn odd_values_do_not_spoil_a_list() {
    let list = update(
        Version::V1_3,
        "<CommCap><Qualifier>maybe</Qualifier><CommC><Status>OPEN</Status></CommC>\
         <CommC><Cap>IM</Cap><Status>OPEN</Status><Note/></CommC></CommCap>",
    );
    let list = list.unwrap();
    let [Attribute::CommCap(caps)] = &list.attributes[..] else { panic!("{list:?}") };
    assert_eq!((caps.qualifier, caps.ways.len(), caps.ways[0].note.as_deref()), (None, 1, None));
}

proptest! {
    #[test]
    fn what_is_read_is_in_order(attributes in proptest::collection::vec(arbitrary::attribute(), 0..6)) {
        let update = UpdatePresenceRequest { attributes: PresenceSubList { attributes, unknown: Vec::new() } };
        let octets = encode_primitive(&update.into(), Version::V1_3, Encoding::Xml).unwrap();
        let Ok(Primitive::UpdatePresenceRequest(read)) = decode_primitive(&octets, Version::V1_3, Encoding::Xml)
        else { panic!() };
        prop_assert!(read.attributes.attributes.is_sorted_by_key(Attribute::name));
    }
}
