//! Every attribute by itself: what it looks like in each version and encoding, and what is refused
//! (reference presence-attributes §2, §3). The conformance page names the test of each.
//!
//! A form is written as 1.3 has it; what stands in braces is for 1.3 alone, and the older versions have the
//! rest. `%` is the client that a value is about, which only 1.3 names.

use super::super::csp::{Unreadable, decode_primitive, encode_primitive};
use crate::imps::presence::{Attribute, AttributeName, AttributeSet, PresenceSubList};
use crate::imps::primitive::UpdatePresenceRequest;
use crate::imps::{Code, Primitive, Version};
use crate::wire::Encoding;

const CLIENT: &str = "<ClientID><URL>phone</URL><MSISDN>+46701234567</MSISDN></ClientID>";
/// A text of which no element is made otherwise, so that it can be found in a binary document.
const MARK: &str = "MARKMARK";
/// It in WBXML, and octets of the same length that are no text.
const MARK_INLINE: &[u8] = b"\x03MARKMARK\x00";
const NO_TEXT: &[u8] = b"\xC3\x08\xFF\xFE\xFD\xFC\xFB\xFA\xF9\xF8";

fn document(form: &str) -> Vec<u8> {
    format!("<UpdatePresence-Request><PresenceSubList>{form}</PresenceSubList></UpdatePresence-Request>")
        .into()
}

fn read(octets: &[u8], version: Version, encoding: Encoding) -> Result<Vec<Attribute>, Unreadable> {
    match decode_primitive(octets, version, encoding)? {
        Primitive::UpdatePresenceRequest(update) => {
            assert_eq!(update.attributes.unknown, Vec::<Box<str>>::new());
            Ok(update.attributes.attributes)
        }
        other => panic!("{other:?}"),
    }
}

fn write(attributes: &[Attribute], version: Version, encoding: Encoding) -> Vec<u8> {
    let update = UpdatePresenceRequest { attributes: PresenceSubList::new(attributes.to_vec()) };
    encode_primitive(&update.into(), version, encoding).unwrap()
}

/// What stands in the one PresenceSubList of a document.
fn inner(octets: &[u8]) -> String {
    let text = std::str::from_utf8(octets).unwrap();
    let text = text.split_once("<PresenceSubList").unwrap().1.split_once('>').unwrap().1;
    text.split_once("</PresenceSubList>").map_or("", |(inner, _)| inner).to_owned()
}

/// The form of a version.
fn of_version(form: &str, name: AttributeName, version: Version) -> String {
    if version < name.since() {
        return String::new();
    }
    let mut left = String::new();
    for (number, piece) in form.replace('%', &format!("{{{CLIENT}}}")).split(['{', '}']).enumerate() {
        if number % 2 == 0 || version == Version::V1_3 {
            left.push_str(piece);
        }
    }
    left
}

/// The one value of an attribute in the forms of all versions: each is read at each version to what it says,
/// written at each as that version has it, and comes back from both encodings.
fn keeps(name: AttributeName, forms: &[&str]) {
    let element = name.as_str();
    let bare = [
        format!("<{element}></{element}>"),
        format!("<{element}><Qualifier>F</Qualifier></{element}>"),
        format!("<{element}><Qualifier>T</Qualifier></{element}>"),
    ];
    let whole = forms.iter().map(|form| format!("<{element}>{form}</{element}>"));
    for form in bare.into_iter().chain(whole) {
        let value = read(&document(&of_version(&form, name, Version::V1_3)), Version::V1_3, Encoding::Xml);
        let value = value.unwrap_or_else(|error| panic!("{form}: {error:?}"));
        assert_eq!(value.iter().map(Attribute::name).collect::<Vec<_>>(), [name], "{form}");
        for version in Version::ALL {
            let expected = of_version(&form, name, version);
            let written = inner(&write(&value, version, Encoding::Xml));
            let unclosed =
                |text: &str| text.replace(&format!("<{element}/>"), &format!("<{element}></{element}>"));
            assert_eq!(unclosed(&written), expected, "as {version} writes it");
            let old = read(&document(&expected), version, Encoding::Xml).unwrap();
            assert_eq!(inner(&write(&old, version, Encoding::Xml)), written, "as {version} reads it");
            for encoding in [Encoding::Xml, Encoding::Wbxml] {
                let back = read(&write(&value, version, encoding), version, encoding).unwrap();
                assert_eq!(back, old, "{form} at {version} in {encoding:?}");
            }
            // A form is understood at every version, whichever it is of.
            assert_eq!(
                read(&document(&of_version(&form, name, Version::V1_3)), version, Encoding::Xml).unwrap(),
                value
            );
        }
    }
    knows_its_words(name);
}

/// The words that are known travel in every version; those without a short form as they are.
fn knows_its_words(name: AttributeName) {
    let inline = |octets: &[u8], word: &str| octets.windows(word.len()).any(|part| part == word.as_bytes());
    for words in name.words() {
        for (word, older) in
            words.known.iter().map(|word| (*word, false)).chain(words.older.iter().map(|word| (*word, true)))
        {
            let element = words.element;
            let around = match element {
                "Cap" => format!("<CommC><Cap>{word}</Cap><Status>OPEN</Status></CommC>"),
                "Status" => format!("<CommC><Cap>IM</Cap><Status>{word}</Status></CommC>"),
                "PrefC" => format!(
                    "<AddrPref><PrefC>{word}</PrefC><Caddr>1</Caddr><Cstatus>OPEN</Cstatus></AddrPref>"
                ),
                "Cstatus" => format!(
                    "<AddrPref><PrefC>SMS</PrefC><Caddr>1</Caddr><Cstatus>{word}</Cstatus></AddrPref>"
                ),
                element => format!("<{element}>{word}</{element}>"),
            };
            let form = format!("<{0}><Qualifier>T</Qualifier>{around}</{0}>", name.as_str());
            let value = read(&document(&form), Version::V1_3, Encoding::Xml).unwrap();
            for version in Version::ALL {
                let octets = write(&value, version, Encoding::Wbxml);
                assert_eq!(read(&octets, version, Encoding::Wbxml).unwrap(), value, "{word} at {version}");
                // csp-wbxml §4.6, §8: no token is meant for these; 1.3 has none for what older versions know.
                let never = matches!(element, "Status" | "Cstatus");
                let without = never || (older && version == Version::V1_3);
                if word.len() > 1 {
                    assert_eq!(inline(&octets, word), without, "{word} of {element} at {version}");
                }
            }
        }
    }
}

/// A word or text that nobody knows is kept.
fn passes_on(name: AttributeName, form: &str) {
    let form = format!("<{0}><Qualifier>T</Qualifier>{form}</{0}>", name.as_str());
    let value = read(&document(&form), Version::V1_1, Encoding::Xml).unwrap();
    for version in Version::ALL {
        assert_eq!(read(&write(&value, version, Encoding::Wbxml), version, Encoding::Wbxml).unwrap(), value);
        assert_eq!(inner(&write(&value, version, Encoding::Xml)), form);
    }
}

/// Octets that are no text in the place of `MARKMARK` are refused with 751.
fn refuses_what_is_no_text(name: AttributeName, fields: &[&str]) {
    for field in fields {
        let form = format!("<{0}><Qualifier>T</Qualifier>{field}</{0}>", name.as_str());
        let value = read(&document(&form), Version::V1_3, Encoding::Xml).unwrap();
        for version in Version::ALL.iter().copied().filter(|version| name.since() <= *version) {
            let mut octets = write(&value, version, Encoding::Wbxml);
            let Some(place) = octets.windows(MARK_INLINE.len()).position(|part| part == MARK_INLINE) else {
                assert!(version < Version::V1_3, "{field}: {octets:x?}");
                continue;
            };
            octets[place..place + NO_TEXT.len()].copy_from_slice(NO_TEXT);
            let refused = read(&octets, version, Encoding::Wbxml);
            let Err(Unreadable::Faulty(fault)) = refused else { panic!("{field} at {version}: {refused:?}") };
            assert_eq!(fault.code, Code::INVALID_PRESENCE_VALUE, "{field} at {version}");
        }
    }
}

fn with_mark(elements: &[&str]) -> Vec<String> {
    elements.iter().map(|element| format!("<{element}>{MARK}</{element}>")).collect()
}

fn refuses(name: AttributeName, elements: &[&str]) {
    let fields = with_mark(elements);
    refuses_what_is_no_text(name, &fields.iter().map(String::as_str).collect::<Vec<_>>());
}

/// An attribute with one text.
fn plain(name: AttributeName, values: &[&str], client: bool) {
    let about = if client { "%" } else { "" };
    let forms = values.iter().map(|value| {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!("<Qualifier>T</Qualifier><PresenceValue>{value}</PresenceValue>{about}")
    });
    let forms: Vec<String> = forms.collect();
    keeps(name, &forms.iter().map(String::as_str).collect::<Vec<_>>());
    passes_on(name, "<PresenceValue>no word of any standard</PresenceValue>");
    refuses(name, &["PresenceValue"]);
}

#[test]
fn online_status_in_every_version_and_encoding() {
    plain(AttributeName::OnlineStatus, &["T", "F"], true);
}

#[test]
fn registration_in_every_version_and_encoding() {
    plain(AttributeName::Registration, &["T", "F"], true);
}

#[test]
fn client_info_in_every_version_and_encoding() {
    let program = "<DevManufacturer>Acme</DevManufacturer><ClientProducer>Chat &amp; Co</ClientProducer>\
                   <Model>A1</Model><ClientVersion>2.0</ClientVersion><Language>fin</Language>";
    let types = "<AcceptedContentType><ContentType>image/png</ContentType>\
                 <AcceptedRichContentLength>65536</AcceptedRichContentLength><ContentPolicy>N</ContentPolicy>\
                 <ContentPolicyLimit>16384</ContentPolicyLimit></AcceptedContentType>\
                 <AcceptedContentType><ContentType>text/x-vcard</ContentType></AcceptedContentType>";
    let limit = format!(
        "<ClientContentLimit>{types}<AnyContent>F</AnyContent>\
         <AcceptedTextContentLength>4096</AcceptedTextContentLength>\
         <AcceptedTransferEncoding>BASE64</AcceptedTransferEncoding>\
         <MaxPullLength>100000</MaxPullLength><MaxPushLength>32768</MaxPushLength>\
         <PlainTextCharset>106</PlainTextCharset><PlainTextCharset>4</PlainTextCharset></ClientContentLimit>"
    );
    let end = "{<ClientIMPriority>1</ClientIMPriority><ApplicationID>chess</ApplicationID>}%";
    let whole = format!("<Qualifier>T</Qualifier>{{{limit}}}<ClientType>PDA</ClientType>{program}{end}");
    let types = "<Qualifier>T</Qualifier><ClientType>MOBILE_PHONE</ClientType>";
    keeps(AttributeName::ClientInfo, &[&whole, types, "<ClientType>CLI</ClientType>%"]);
    passes_on(AttributeName::ClientInfo, "<ClientType>WATCH</ClientType><Language>klingon</Language>");
    refuses(
        AttributeName::ClientInfo,
        &["ClientType", "DevManufacturer", "ClientProducer", "Model", "ClientVersion", "Language"],
    );
    refuses(AttributeName::ClientInfo, &["ClientIMPriority", "ApplicationID"]);
}

#[test]
fn time_zone_in_every_version_and_encoding() {
    let zone = |zone: &str| format!("<Qualifier>T</Qualifier><Zone>{zone}</Zone>%");
    let zones = ["+02", "-05", "+0530", "+00"].map(zone);
    keeps(AttributeName::TimeZone, &zones.each_ref().map(String::as_str));
    passes_on(AttributeName::TimeZone, "<Zone>CET</Zone>");
    refuses(AttributeName::TimeZone, &["Zone"]);
}

#[test]
fn geo_location_in_every_version_and_encoding() {
    let place = "<Longitude>35 24 15.652W</Longitude><Latitude>12 3 0N</Latitude>";
    let whole = format!("<Qualifier>T</Qualifier>{place}<Altitude>-3</Altitude><Accuracy>200</Accuracy>%");
    keeps(AttributeName::GeoLocation, &[&whole, &format!("<Qualifier>T</Qualifier>{place}")]);
    passes_on(AttributeName::GeoLocation, "<Longitude>35.404</Longitude><Accuracy>near</Accuracy>");
    refuses(AttributeName::GeoLocation, &["Longitude", "Latitude", "Altitude", "Accuracy"]);
}

#[test]
fn address_in_every_version_and_encoding() {
    let whole = "<Qualifier>T</Qualifier><Country>SE</Country><City>Malmö</City><Street>Storgatan 3</Street>\
                 <Crossing1>Lillgatan</Crossing1><Crossing2>Kyrkogatan</Crossing2><Building>B</Building>\
                 <NamedArea>Old town</NamedArea><Accuracy>50</Accuracy>%";
    keeps(AttributeName::Address, &[whole, "<Qualifier>T</Qualifier><City>Lund</City>"]);
    passes_on(AttributeName::Address, "<Country>Atlantis</Country>");
    refuses(
        AttributeName::Address,
        &["Country", "City", "Street", "Crossing1", "Crossing2", "Building", "NamedArea", "Accuracy"],
    );
}

#[test]
fn free_text_location_in_every_version_and_encoding() {
    plain(AttributeName::FreeTextLocation, &["on the roof", "at <home> & away", "船の上"], true);
}

#[test]
fn plmn_in_every_version_and_encoding() {
    plain(AttributeName::Plmn, &["24001", "310410"], true);
}

#[test]
fn comm_cap_in_every_version_and_encoding() {
    let call = "<CommC><Cap>CALL</Cap><Status>OPEN</Status><Contact>+46701234567</Contact>\
                <Note>after six</Note></CommC>";
    let message = "<CommC><Cap>IM</Cap><Status>CLOSED</Status></CommC>";
    let one = format!("<Qualifier>T</Qualifier>{message}");
    keeps(AttributeName::CommCap, &[&format!("<Qualifier>T</Qualifier>{call}{message}%"), &one]);
    passes_on(AttributeName::CommCap, "<CommC><Cap>SMOKE</Cap><Status>WINDY</Status></CommC>");
    // An empty Note is none (csp.md §12 item 8), and a way that is none is passed over.
    let odd = "<CommCap><Qualifier>T</Qualifier><CommC><Status>OPEN</Status></CommC>\
               <CommC><Cap>IM</Cap><Status>CLOSED</Status><Contact/><Note/></CommC></CommCap>";
    for version in Version::ALL {
        let read = read(&document(odd), version, Encoding::Xml).unwrap();
        assert_eq!(inner(&write(&read, version, Encoding::Xml)), format!("<CommCap>{one}</CommCap>"));
    }
}

#[test]
fn user_availability_in_every_version_and_encoding() {
    plain(AttributeName::UserAvailability, &["AVAILABLE", "DISCREET", "NOT_AVAILABLE"], false);
}

#[test]
fn preferred_contacts_in_every_version_and_encoding() {
    let first = "<AddrPref><PrefC>EMAIL</PrefC><Caddr>ada@mail.example</Caddr><Cstatus>AVAILABLE</Cstatus>\
                 <Cname>home</Cname><Cpriority>1</Cpriority></AddrPref>";
    let second =
        "<AddrPref><PrefC>SMS</PrefC><Caddr>+46701234567</Caddr><Cstatus>CLOSED</Cstatus></AddrPref>";
    let both = format!("<Qualifier>T</Qualifier>{first}{second}");
    keeps(AttributeName::PreferredContacts, &[&both, &format!("<Qualifier>T</Qualifier>{second}")]);
    let odd = "<AddrPref><PrefC>SMOKE</PrefC><Caddr>hill</Caddr><Cstatus>MAYBE</Cstatus>\
               <Cpriority>first</Cpriority></AddrPref>";
    passes_on(AttributeName::PreferredContacts, odd);
}

#[test]
fn preferred_language_in_every_version_and_encoding() {
    plain(AttributeName::PreferredLanguage, &["fin", "fin swe", "fin,swe,eng"], false);
}

#[test]
fn status_text_in_every_version_and_encoding() {
    plain(AttributeName::StatusText, &["at sea", "a < b & c", "", "T"], false);
}

#[test]
fn status_mood_in_every_version_and_encoding() {
    plain(AttributeName::StatusMood, &["HAPPY", "IN_LOVE", "ANXIOUS"], false);
}

#[test]
fn alias_in_every_version_and_encoding() {
    plain(AttributeName::Alias, &["Ada", "Áda Łovelace"], false);
}

#[test]
fn status_content_in_every_version_and_encoding() {
    let direct =
        "<Qualifier>T</Qualifier><DirectContent>R0lGODlh</DirectContent><ContentType>image/gif</ContentType>";
    let url = "<Qualifier>T</Qualifier><ReferredContent>http://pictures.example/me.png</ReferredContent>\
               <ContentType>image/png</ContentType>";
    keeps(AttributeName::StatusContent, &[direct, url]);
    passes_on(
        AttributeName::StatusContent,
        "<DirectContent>R0lGODlh</DirectContent><ContentType>image/new</ContentType>",
    );
    refuses(AttributeName::StatusContent, &["ReferredContent", "ContentType"]);
    // Octets of WBXML are the content itself (csp-wbxml §4.4).
    let form = format!("<StatusContent><DirectContent>{MARK}</DirectContent></StatusContent>");
    let value = read(&document(&form), Version::V1_3, Encoding::Xml).unwrap();
    let mut octets = write(&value, Version::V1_2, Encoding::Wbxml);
    let place = octets.windows(MARK_INLINE.len()).position(|part| part == MARK_INLINE).unwrap();
    octets[place..place + NO_TEXT.len()].copy_from_slice(NO_TEXT);
    let read = read(&octets, Version::V1_2, Encoding::Wbxml).unwrap();
    assert!(inner(&write(&read, Version::V1_1, Encoding::Xml)).contains("<DirectContent>//79/Pv6+fg=</"));
}

#[test]
fn contact_info_in_every_version_and_encoding() {
    let card = "<Qualifier>T</Qualifier><ContainedvCard>BEGIN:VCARD\nVERSION:2.1\nN:Lovelace;Ada &amp; co\n\
                END:VCARD</ContainedvCard>";
    let url = "<Qualifier>T</Qualifier><ReferredvCard>http://cards.example/ada.vcf</ReferredvCard>";
    keeps(AttributeName::ContactInfo, &[card, url]);
    refuses(AttributeName::ContactInfo, &["ReferredvCard"]);
}

#[test]
fn info_link_in_every_version_and_encoding() {
    let first = "<Inf_link><Link>http://ada.example/</Link><Text>my page</Text>\
                 <ContentType>text/html</ContentType></Inf_link>";
    let second = "<Inf_link><Link>http://ada.example/cat</Link></Inf_link>";
    keeps(AttributeName::InfoLink, &[&format!("<Qualifier>T</Qualifier>{first}{second}")]);
}

#[test]
fn all_attributes_are_named_in_every_version_and_encoding() {
    let all = PresenceSubList::naming(AttributeSet::ALL);
    for version in Version::ALL {
        let known: AttributeSet = AttributeSet::ALL.names().filter(|name| name.since() <= version).collect();
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let back = read(&write(&all.attributes, version, encoding), version, encoding).unwrap();
            assert_eq!(back, PresenceSubList::naming(known).attributes);
        }
    }
}
