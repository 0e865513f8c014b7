//! What stands inside of fields: results, capabilities, functions, attributes and contacts, each with the codes that
//! are known of it (reference csp.md §8).

use super::Unreadable;
use super::fields::{Fields, letter, pair, parsed, truth};
use super::value::Value;
use crate::imps::presence::{Attribute, AttributeName, AttributeSet, ClientInfo, Plain, PresenceSubList};
use crate::imps::primitive::{
    Bearer, Branch, Capabilities, CirMethod, ClientId, ClientType, Contact, DigestSchema, Functions,
    Presence, Property,
};
use crate::imps::{Code, Status};

/// Codes for words: the code in capitals, and the word that the other encodings have.
type Words = [(&'static str, &'static str)];

const CIR_METHODS: &Words =
    &[("SS", "SSMS"), ("ST", "STCP"), ("SU", "SUDP"), ("WS", "WAPSMS"), ("WU", "WAPUDP")];
const CLIENT_TYPES: &Words =
    &[("MP", "MOBILE_PHONE"), ("CO", "COMPUTER"), ("PD", "PDA"), ("CL", "CLI"), ("OT", "OTHER")];
const AVAILABILITIES: &Words = &[("AV", "AVAILABLE"), ("DI", "DISCREET"), ("NA", "NOT_AVAILABLE")];
const ATTRIBUTES: &[(&str, AttributeName)] = &[
    ("OS", AttributeName::OnlineStatus),
    ("CF", AttributeName::ClientInfo),
    ("UA", AttributeName::UserAvailability),
    ("ST", AttributeName::StatusText),
];
const FEATURES: &Words =
    &[("FF", "FundamentalFeat"), ("PF", "PresenceFeat"), ("IF", "IMFeat"), ("GE", "GroupFeat")];
const PROPERTIES: &Words = &[("DN", "DisplayName"), ("DE", "Default")];

/// The word that a code stands for; a word that has no code stands for itself.
pub(super) fn word<'t>(words: &'static Words, text: &'t str) -> &'t str {
    words.iter().find(|(code, _)| code.eq_ignore_ascii_case(text)).map_or(text, |(_, word)| word)
}

pub(super) fn code<'t>(words: &'static Words, text: &'t str) -> &'t str {
    words.iter().find(|(_, word)| word.eq_ignore_ascii_case(text)).map_or(text, |(code, _)| code)
}

/// A result: its code, or code and text.
pub(super) fn result(fields: &Fields) -> Result<Status, Unreadable> {
    let value = fields.of("ST").next().ok_or(Unreadable::Missing("ST"))?;
    let number = |value: &Value| -> Result<Status, Unreadable> {
        parsed(value, "ST").ok().and_then(Code::new).map(Status::new).ok_or(Unreadable::Value("ST"))
    };
    match value.items() {
        [code] => number(code),
        [code, text] => {
            let text = text.as_text().ok_or(Unreadable::Value("ST"))?;
            Ok(Status { description: Some(text.into()), ..number(code)? })
        }
        _ => Err(Unreadable::Value("ST")),
    }
}

pub(super) fn of_result(status: &Status) -> Value {
    let code = Value::text(status.code.get().to_string());
    match &status.description {
        Some(text) => Value::Group(vec![code, Value::text(&**text)]),
        None => code,
    }
}

pub(super) fn client(text: Box<str>) -> ClientId {
    ClientId { url: Some(text), ..ClientId::default() }
}

pub(super) fn of_client(client: &ClientId) -> Option<&str> {
    client.url.as_deref().or(client.msisdn.as_deref()).or(client.text.as_deref())
}

pub(super) fn capabilities(fields: &Fields, key: &'static str) -> Result<Box<Capabilities>, Unreadable> {
    let mut found = Capabilities::default();
    for row in fields.rows(key) {
        let [name, values @ ..] = row else { continue };
        let values: Vec<&str> = values.iter().flat_map(Value::items).filter_map(Value::as_text).collect();
        let name = name.as_text().unwrap_or_default().to_ascii_uppercase();
        let first = values.first().copied().unwrap_or_default();
        let text = || Some(first.into());
        let wrong = |_| Unreadable::Value(key);
        let number = || first.parse::<u32>().map_err(wrong);
        let port = || first.parse::<u16>().map_err(wrong);
        match name.as_str() {
            "CT" => found.client_type = word(CLIENT_TYPES, first).parse::<ClientType>().ok(),
            "ID" => found.initial_delivery_method = first.parse().ok(),
            "SB" => found.bearers.extend(values.iter().filter_map(|value| value.parse::<Bearer>().ok())),
            "SC" => {
                let known = |value: &&str| word(CIR_METHODS, value).parse::<CirMethod>().ok();
                found.cir_methods.extend(values.iter().filter_map(known));
            }
            "MT" => found.multi_trans = Some(number()?),
            "PS" => found.parser_size = Some(number()?),
            "PM" => found.server_poll_min = Some(number()?),
            "UP" => found.udp_port = Some(port()?),
            "TP" => found.tcp_port = Some(port()?),
            "TA" => found.tcp_address = text(),
            "CI" => found.cir_url = text(),
            "DL" => found.default_language = text(),
            // What later versions add is passed over, as in the other encodings.
            _ => {}
        }
    }
    Ok(Box::new(found))
}

pub(super) fn of_capabilities(told: &Capabilities) -> Vec<Value> {
    let list = |texts: Vec<&'static str>| Value::list(texts.into_iter().map(Value::from).collect());
    let methods: Vec<&str> = told
        .cir_methods
        .iter()
        .filter(|method| **method != CirMethod::Shttp)
        .map(|method| code(CIR_METHODS, method.as_str()))
        .collect();
    let bearers: Vec<&str> = told.bearers.iter().map(|bearer| bearer.as_str()).collect();
    let number = |number: Option<u32>| number.map(|number| Value::text(number.to_string()));
    let port = |port: Option<u16>| number(port.map(u32::from));
    let text = |text: &Option<Box<str>>| text.as_deref().map(Value::from);
    [
        ("CT", told.client_type.map(|kind| code(CLIENT_TYPES, kind.as_str()).into())),
        ("ID", told.initial_delivery_method.map(|method| method.as_str().into())),
        ("SB", (!bearers.is_empty()).then(|| list(bearers))),
        ("MT", number(told.multi_trans)),
        ("SC", (!methods.is_empty()).then(|| list(methods))),
        ("PS", number(told.parser_size)),
        ("UP", port(told.udp_port)),
        ("TA", text(&told.tcp_address)),
        ("TP", port(told.tcp_port)),
        ("CI", text(&told.cir_url)),
        ("PM", number(told.server_poll_min)),
        ("DL", text(&told.default_language)),
    ]
    .into_iter()
    .filter_map(|(code, value)| Some(pair(code, value?)))
    .collect()
}

/// A tree of functions; only whole features have codes. `WV` stands for all of them.
pub(super) fn functions(fields: &Fields, key: &'static str) -> Option<Functions> {
    fields.of(key).next()?;
    let named: Vec<&str> = fields.of(key).flat_map(Value::items).filter_map(Value::as_text).collect();
    let all = named.iter().any(|name| name.eq_ignore_ascii_case("WV"));
    let wanted = |code: &str| all || named.iter().any(|name| name.eq_ignore_ascii_case(code));
    let branch = |name: &str| Branch { name: name.into(), branches: Vec::new() };
    let features = FEATURES.iter().filter(|(code, _)| wanted(code)).map(|(_, name)| branch(name));
    Some(Functions { features: features.collect() })
}

/// `whole`: only features that are meant whole; else those of which there is something.
pub(super) fn of_functions(tree: &Functions, whole: bool) -> Vec<&str> {
    let meant = tree.features.iter().filter(|feature| !whole || feature.branches.is_empty());
    meant.map(|feature| code(FEATURES, &feature.name)).collect()
}

pub(super) fn attribute(row: &[Value], key: &'static str) -> Result<Attribute, Unreadable> {
    let (name, rest) = row.split_first().ok_or(Unreadable::Value(key))?;
    let name = attribute_name(name, key)?;
    let (qualifier, value) = match rest {
        [] => (None, None),
        [qualifier] => (Some(truth(qualifier, key)?), None),
        [qualifier, value] => (Some(truth(qualifier, key)?), Some(value)),
        _ => return Err(Unreadable::Value(key)),
    };
    if name == AttributeName::ClientInfo {
        let mut info = ClientInfo { qualifier, ..ClientInfo::default() };
        for row in value.into_iter().flat_map(Value::rows) {
            let [name, text] = row else { continue };
            let text = text.as_text().ok_or(Unreadable::Value(key))?;
            match name.as_text().unwrap_or_default().to_ascii_uppercase().as_str() {
                "CT" => info.client_type = Some(word(CLIENT_TYPES, text).into()),
                "CP" => info.producer = Some(text.into()),
                "CV" => info.version = Some(text.into()),
                _ => {}
            }
        }
        return Ok(Attribute::ClientInfo(Box::new(info)));
    }
    let value = value.map(|value| value.as_text().ok_or(Unreadable::Value(key))).transpose()?;
    let plain = |words: &'static Words| Plain {
        qualifier,
        value: value.map(|value| word(words, value).into()),
        client: None,
    };
    Ok(match name {
        AttributeName::OnlineStatus => Attribute::OnlineStatus(plain(&[])),
        AttributeName::UserAvailability => Attribute::UserAvailability(plain(AVAILABILITIES)),
        _ => Attribute::StatusText(plain(&[])),
    })
}

pub(super) fn attribute_name(value: &Value, key: &'static str) -> Result<AttributeName, Unreadable> {
    let text = value.as_text().unwrap_or_default();
    let known = ATTRIBUTES.iter().find(|(code, _)| code.eq_ignore_ascii_case(text));
    known.map(|(_, name)| *name).ok_or(Unreadable::Value(key))
}

/// An attribute as a row; `None`: it has no code.
pub(super) fn of_attribute(attribute: &Attribute) -> Option<Value> {
    let (name, qualifier, value) = match attribute {
        Attribute::OnlineStatus(plain) => ("OS", plain.qualifier, plain.value.as_deref().map(Value::from)),
        Attribute::UserAvailability(plain) => {
            let value = plain.value.as_deref().map(|value| code(AVAILABILITIES, value).into());
            ("UA", plain.qualifier, value)
        }
        Attribute::StatusText(plain) => ("ST", plain.qualifier, plain.value.as_deref().map(Value::from)),
        Attribute::ClientInfo(info) => {
            let rows = [
                ("CT", info.client_type.as_deref().map(|kind| code(CLIENT_TYPES, kind))),
                ("CP", info.producer.as_deref()),
                ("CV", info.version.as_deref()),
            ];
            let rows: Vec<Value> =
                rows.into_iter().filter_map(|(name, value)| Some(pair(name, value?))).collect();
            ("CF", info.qualifier, (!rows.is_empty()).then_some(Value::Group(rows)))
        }
        _ => return None,
    };
    let mut row = vec![Value::from(name)];
    // A value that says nothing of itself counts.
    row.extend(qualifier.or(value.as_ref().map(|_| true)).map(|qualifier| letter(qualifier).into()));
    row.extend(value);
    Some(Value::Group(row))
}

pub(super) fn of_attributes(attributes: &PresenceSubList) -> Vec<Value> {
    attributes.attributes.iter().filter_map(of_attribute).collect()
}

pub(super) fn names(fields: &Fields, key: &'static str) -> Result<Option<PresenceSubList>, Unreadable> {
    if fields.of(key).next().is_none() {
        return Ok(None);
    }
    let names = fields.of(key).flat_map(Value::items).map(|value| attribute_name(value, key));
    Ok(Some(PresenceSubList::naming(names.collect::<Result<AttributeSet, _>>()?)))
}

pub(super) fn of_names(attributes: &PresenceSubList) -> Vec<&'static str> {
    let code = |name| ATTRIBUTES.iter().find(|(_, known)| *known == name).map(|(code, _)| *code);
    attributes.attributes.iter().filter_map(|attribute| code(attribute.name())).collect()
}

/// `(user,((attribute,qualifier,value),…))`, one or a group of them.
pub(super) fn presences(fields: &Fields) -> Result<Vec<Presence>, Unreadable> {
    let mut found = Vec::new();
    for row in fields.rows("PR") {
        let wrong = || Unreadable::Value("PR");
        let (user, attributes) = row.split_first().ok_or_else(wrong)?;
        let rows = attributes.first().map(Value::rows).unwrap_or_default();
        let read = rows.into_iter().filter(|row| !row.is_empty()).map(|row| attribute(row, "PR"));
        let attributes = PresenceSubList::new(read.collect::<Result<_, _>>()?);
        found.push(Presence { user: parsed(user, "PR")?, attributes });
    }
    Ok(found)
}

pub(super) fn of_presences(presences: &[Presence]) -> Option<Value> {
    let row = |presence: &Presence| {
        let attributes = Value::Group(of_attributes(&presence.attributes));
        Value::Group(vec![Value::text(presence.user.as_str()), attributes])
    };
    let rows: Vec<Value> = presences.iter().map(row).collect();
    (!rows.is_empty()).then(|| Value::list(rows))
}

pub(super) fn contacts(fields: &Fields, key: &'static str) -> Result<Vec<Contact>, Unreadable> {
    let contact = |row: &[Value]| match row {
        [user] => Ok(Contact { user: parsed(user, key)?, nickname: None }),
        [name, user] => {
            let name = name.as_text().filter(|name| !name.is_empty());
            Ok(Contact { user: parsed(user, key)?, nickname: name.map(Into::into) })
        }
        _ => Err(Unreadable::Value(key)),
    };
    fields.rows(key).map(contact).collect()
}

pub(super) fn of_contacts(contacts: &[Contact]) -> Vec<Value> {
    let row = |contact: &Contact| {
        let name = contact.nickname.as_deref().unwrap_or_default();
        Value::Group(vec![Value::text(name), Value::text(contact.user.as_str())])
    };
    contacts.iter().map(row).collect()
}

pub(super) fn properties(fields: &Fields) -> Result<Vec<Property>, Unreadable> {
    let property = |row: &[Value]| match row {
        [name, value] => {
            let (name, value) = name.as_text().zip(value.as_text()).ok_or(Unreadable::Value("CP"))?;
            Ok(Property::new(word(PROPERTIES, name), value))
        }
        _ => Err(Unreadable::Value("CP")),
    };
    fields.rows("CP").map(property).collect()
}

pub(super) fn of_properties(properties: &[Property]) -> Vec<Value> {
    let value = |property: &Property| property.value.as_deref().unwrap_or_default().to_owned();
    properties.iter().map(|property| pair(code(PROPERTIES, &property.name), value(property))).collect()
}

/// Unknown schemas are left out, as in the other encodings.
pub(super) fn schema(value: &Value) -> Option<DigestSchema> {
    value.as_text()?.parse().ok()
}
