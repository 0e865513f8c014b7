//! Every attribute, published by old and new clients and seen by old and new ones, at home and abroad.

#[allow(clippy::wildcard_imports, reason = "the words of these plays")]
use super::*;

use causeway::cli::phone::Manner;
use causeway::imps::presence::{
    AddrPref, AttributeSet, ClientInfo, CommC, CommCap, ContactInfo, GeoLocation, InfoLink, Link,
    PostalAddress, PreferredContacts, StatusContent, TimeZone,
};
use causeway::imps::primitive::{ClientId, ClientType};

const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

/// What a client says of itself.
fn of_client(place: &str) -> Vec<Attribute> {
    let way = |cap: &str, contact: Option<&str>| CommC {
        cap: cap.into(),
        status: "OPEN".into(),
        contact: contact.map(Into::into),
        note: None,
    };
    vec![
        // Not for it to say.
        Attribute::OnlineStatus(value("F")),
        Attribute::Registration(value("T")),
        Attribute::ClientInfo(Box::new(ClientInfo {
            model: Some(format!("{place} 1").into()),
            language: Some("swe".into()),
            ..ClientInfo::default()
        })),
        Attribute::TimeZone(TimeZone { zone: Some("+0530".into()), ..TimeZone::default() }),
        Attribute::GeoLocation(Box::new(GeoLocation {
            longitude: Some("35 24 15.652W".into()),
            accuracy: Some("20".into()),
            ..GeoLocation::default()
        })),
        Attribute::Address(Box::new(PostalAddress {
            city: Some("Malmö".into()),
            ..PostalAddress::default()
        })),
        Attribute::FreeTextLocation(value(place)),
        Attribute::Plmn(value("24001")),
        Attribute::CommCap(CommCap {
            qualifier: None,
            ways: vec![way("AUDIO_CALL", Some("+46701234567")), way("SMOKE", None)],
            client: None,
        }),
    ]
}

/// What a user says of itself.
fn of_user() -> Vec<Attribute> {
    let contact =
        AddrPref { cap: "SMS".into(), address: "+467".into(), status: "OPEN".into(), ..AddrPref::default() };
    let card = "BEGIN:VCARD\nN:Bo & co\nEND:VCARD";
    vec![
        Attribute::UserAvailability(value("DISCREET")),
        Attribute::PreferredContacts(PreferredContacts { qualifier: Some(true), contacts: vec![contact] }),
        Attribute::PreferredLanguage(value("swe fin")),
        Attribute::StatusText(value("at sea")),
        Attribute::StatusMood(value("thoughtful")),
        Attribute::Alias(value("Bo")),
        Attribute::StatusContent(StatusContent {
            qualifier: Some(true),
            direct: Some("R0lGODlh".into()),
            content_type: Some("image/gif".into()),
            ..StatusContent::default()
        }),
        Attribute::ContactInfo(ContactInfo {
            qualifier: Some(true),
            contained: Some(card.into()),
            referred: None,
        }),
    ]
}

/// What only later versions know.
fn link() -> Attribute {
    let link = Link { link: "http://bo.example/".into(), text: Some("mine".into()), content_type: None };
    Attribute::InfoLink(InfoLink { qualifier: Some(true), links: vec![link] })
}

fn of(attributes: &[Attribute], name: AttributeName) -> Vec<&Attribute> {
    attributes.iter().filter(|attribute| attribute.name() == name).collect()
}

/// The models and types of the clients that are seen.
fn clients(attributes: &[Attribute]) -> Vec<(Option<&ClientId>, &str, &str)> {
    let all = of(attributes, AttributeName::ClientInfo).into_iter();
    all.map(|attribute| match attribute {
        Attribute::ClientInfo(info) => (
            info.client.as_ref(),
            info.model.as_deref().unwrap_or_default(),
            info.client_type.as_deref().unwrap_or_default(),
        ),
        other => panic!("{other:?}"),
    })
    .collect()
}

/// What a client of a version must see of Bo: everything its version knows.
fn is_all_of_bo(seen: &Presence, version: Version) {
    let attributes = &seen.attributes.attributes;
    let known: AttributeSet = AttributeSet::ALL.names().filter(|name| name.since() <= version).collect();
    assert_eq!(seen.attributes.names(), known, "{version}");
    for attribute in of_user().into_iter().chain((version > Version::V1_1).then(link)) {
        assert_eq!(of(attributes, attribute.name()), [&attribute], "{version}");
    }
    let several = if version == Version::V1_3 { 2 } else { 1 };
    for name in known.names().filter(|name| name.is_client_status()) {
        assert_eq!(of(attributes, name).len(), several, "{name:?} of {version}");
    }
    let Attribute::OnlineStatus(status) = of(attributes, AttributeName::OnlineStatus)[0] else { panic!() };
    assert_eq!(status.value.as_deref(), Some("T"), "the server knows it better");
    // The client that was active last comes first, or alone.
    let clients = clients(attributes);
    assert_eq!((clients[0].1, clients[0].2), ("desk 1", "COMPUTER"), "{version}");
    let Attribute::FreeTextLocation(place) = of(attributes, AttributeName::FreeTextLocation)[0] else {
        panic!()
    };
    assert_eq!(place.value.as_deref(), Some("desk"));
    if version == Version::V1_3 {
        assert_eq!((clients[1].1, clients[1].2), ("phone 1", "MOBILE_PHONE"));
        assert!(clients[0].0.is_some() && clients[1].0.is_some() && clients[0].0 != clients[1].0);
        let Attribute::ClientInfo(info) = of(attributes, AttributeName::ClientInfo)[0] else { panic!() };
        assert!(info.content_limit.is_some(), "what content it takes was negotiated");
    } else {
        assert_eq!(clients[0].0, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attribute_reaches_clients_of_every_version_at_home_and_abroad() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    // Given Bo with an old phone and a new client, who hides nothing
    let device = |name, version, encoding| {
        Phone::new(south.csp, south.user("bo"), name, Manner { digest: false, ..manner(version, encoding) })
    };
    let mut phone = device("phone", Version::V1_1, Encoding::Wbxml);
    let mut desk = device("desk", Version::V1_3, Encoding::Xml).of_type(ClientType::Computer);
    phone.login(PASSWORD).await.unwrap();
    desk.login(PASSWORD).await.unwrap();
    open_to_all(&mut desk, AttributeName::ALL).await;
    // When each says everything that there is to say, and the new one what the old one has no word for
    let says = |attributes| UpdatePresenceRequest { attributes: PresenceSubList::new(attributes) };
    let everything = of_client("phone").into_iter().chain(of_user()).collect();
    assert_eq!(code(&ask(&mut phone, says(everything)).await), 200);
    let more = of_client("desk").into_iter().chain([link()]).collect();
    assert_eq!(code(&ask(&mut desk, says(more)).await), 200);
    // Then whoever looks sees what its version knows, at home and abroad, in either encoding
    for version in Version::ALL {
        for encoding in BOTH {
            for place in [&south, &north] {
                let reader = format!("r{}{}", version.as_str().replace('.', ""), encoding.as_str());
                let mut reader = place.phone(&reader, manner(version, encoding)).await;
                let found = look(&mut reader, &[BO], None).await;
                is_all_of_bo(&found.presences[0], version);
                // and whoever watches hears the same
                assert_eq!(subscribe(&mut reader, &[BO]).await, Status::ok());
                is_all_of_bo(&notified(&mut reader).await, version);
                reader.logout().await.unwrap();
            }
        }
    }
    // What nobody can read as an attribute is refused, and nothing of the rest is taken
    let mut strange = says(vec![Attribute::Alias(value("Nobody"))]);
    let mut other = TimeZone { zone: Some("+01".into()), ..TimeZone::default() };
    other.client = Some(ClientId { url: Some("somebody else".into()), ..ClientId::default() });
    strange.attributes.attributes.push(Attribute::TimeZone(other));
    assert_eq!(code(&ask(&mut desk, strange).await), 751);
    let found = look(&mut desk, &[BO], Some(names(&[AttributeName::Alias]))).await;
    assert_eq!(found.presences[0].attributes.attributes, [Attribute::Alias(value("Bo"))]);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_phone_always_hears_how_somebody_can_be_reached() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut bo = south.phone("bo", modern()).await;
    let mut ada = north.phone("ada", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut cy = north.phone("cy", manner(Version::V1_2, Encoding::Xml)).await;
    // Given that Bo shows that he is there, and nothing of how to reach him
    open_to_all(&mut bo, &[AttributeName::OnlineStatus]).await;
    let reach = |presence: &Presence| {
        let found = of(&presence.attributes.attributes, AttributeName::CommCap);
        found.first().map(|attribute| attribute.qualifier() != Some(false))
    };
    // Then a client of 1.1 hears that messages reach him, as long as they do
    assert_eq!(subscribe(&mut ada, &[BO]).await, Status::ok());
    assert_eq!(reach(&notified(&mut ada).await), Some(true));
    assert_eq!(reach(&look(&mut ada, &[BO], None).await.presences[0]), Some(true));
    bo.logout().await.unwrap();
    assert_eq!(reach(&notified(&mut ada).await), Some(false));
    // and others what they may see
    assert_eq!(reach(&look(&mut cy, &[BO], None).await.presences[0]), None);
    north_node.drain().await;
    south_node.drain().await;
}
