//! The golden examples, round trips, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::imps::Code;
use crate::imps::presence::{Attribute, AttributeName, ClientInfo, Plain, PresenceSubList};
use crate::imps::primitive::{
    Bearer, Capabilities, CirMethod, ClientCapabilityRequest, ClientId, ClientType, Contact,
    CreateAttributeListRequest, DeliveryMethod, ListManageRequest, ListManageResponse, LoginRequest,
    NewMessage, Presence, PresenceNotification, Property, SubscribePresenceRequest, UpdatePresenceRequest,
};
use crate::imps::{Status, UserId};

/// The lines of a golden example, without comments.
fn golden(name: &str) -> Vec<String> {
    let path = format!("{}/tests/golden/csp/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn user(name: &str) -> UserId {
    format!("wv:{name}@causeway.example").parse().unwrap()
}

fn plain(value: &str) -> Plain {
    Plain { qualifier: Some(true), value: Some(value.into()), client: None }
}

fn short(primitive: impl Into<Primitive>, mode: Mode) -> Short {
    let session = "ca13-00019".parse().ok();
    Short { version: Version::V1_3, mode, number: 7, session, primitive: primitive.into() }
}

#[test]
fn the_golden_examples_are_read_and_written_octet_for_octet() {
    let mut names = Vec::new();
    for file in ["90-pts-login.txt", "91-pts-capability.txt", "92-pts-presence.txt"] {
        for line in golden(file) {
            let short = read(&[&line]).unwrap_or_else(|why| panic!("{line}: {why}"));
            assert_eq!(short.version, Version::V1_3);
            assert_eq!(write(&short).as_deref(), Some(&*line));
            names.push(format!("{} {}", short.number, short.primitive.name()));
        }
    }
    assert_eq!(names.len(), 12);
    assert_eq!(names[..3], ["7 LoginRequest", "7 LoginResponse", "8 LoginRequest"]);
    assert_eq!(names[10], "4 PresenceNotification");
}

#[test]
fn the_golden_examples_say_what_they_say() {
    let line = |file: &str, at: usize| read(&[&golden(file)[at]]).unwrap();
    let Primitive::LoginRequest(login) = line("90-pts-login.txt", 2).primitive else { panic!() };
    assert_eq!((&login.user, login.digest.as_deref()), (&user("ana"), Some("PmKo4GdlikHljrY2ueWuyg==")));
    let asked = line("91-pts-capability.txt", 0);
    assert_eq!(asked.session, "ca13-00019".parse().ok());
    let Primitive::ClientCapabilityRequest(asked) = asked.primitive else { panic!() };
    let stated = Capabilities {
        client_type: Some(ClientType::MobilePhone),
        initial_delivery_method: Some(DeliveryMethod::Push),
        bearers: vec![Bearer::Sms],
        multi_trans: Some(1),
        cir_methods: vec![CirMethod::Ssms],
        ..Capabilities::default()
    };
    assert_eq!(*asked.capabilities, stated);
    let Primitive::UpdatePresenceRequest(update) = line("92-pts-presence.txt", 0).primitive else { panic!() };
    let says =
        [Attribute::UserAvailability(plain("DISCREET")), Attribute::StatusText(plain("back soon, promise"))];
    assert_eq!(update.attributes.attributes, says);
    let Primitive::Status(status) = line("92-pts-presence.txt", 3).primitive else { panic!() };
    assert_eq!((status.code.get(), status.description.as_deref()), (201, Some("one list member unknown")));
}

#[test]
fn the_golden_pieces_are_one_primitive_in_whatever_order_they_come() {
    let pieces = golden("93-pts-segmented.txt");
    let whole = read(&[&pieces[1], &pieces[0]]).unwrap();
    let Primitive::ListManageResponse(answer) = &whole.primitive else { panic!() };
    let names: Vec<_> =
        answer.contacts.iter().flat_map(|list| &list.contacts).map(|one| one.nickname.as_deref()).collect();
    assert_eq!(names, [Some("Bo"), Some("Dee")]);
    let properties = [Property::new("DisplayName", "Friends"), Property::new("Default", "T")];
    assert_eq!(answer.properties, properties);
    let longest = pieces[0].chars().count();
    assert_eq!(cut(&write(&whole).unwrap(), longest), Some(pieces.clone()));
    for broken in
        [&[&*pieces[0]][..], &[&pieces[1]], &[&pieces[0], &pieces[0]], &[&pieces[0], "WV13ML13bb x"]]
    {
        assert_eq!(read(broken), Err(Unreadable::Pieces), "{broken:?}");
    }
}

#[test]
fn what_is_no_document_is_refused_by_name() {
    for text in [
        "",
        "WV",
        "WV13L",
        "XX13ST1 ST=200",
        "WV13ST ST=200",
        "WV13ST01 ST=200",
        "WV13ST1000 ST=200",
        "WV13ST1ba ST=200",
        "WV13ST1a ST=200",
        "WV13ÄÖ1",
    ] {
        assert_eq!(read(&[text]), Err(Unreadable::Preamble), "{text}");
    }
    assert_eq!(read(&["WVXXLR0"]), Err(Unreadable::Version("XX".into())));
    assert_eq!(read(&["WV13SM1 SI=x"]), Err(Unreadable::Code("SM".into())));
    assert_eq!(read(&["WV13LR1 CI=x"]), Err(Unreadable::Missing("UI")));
    assert_eq!(read(&["WV13ST1 ST=99999"]), Err(Unreadable::Value("ST")));
    assert_eq!(read(&[&format!("WV13UP1 UV=((ST,T,{}))", "x".repeat(OCTETS_MAX))]), Err(Unreadable::TooMuch));
    // Case does not count
    let small = read(&["wv12st5 si=s-1 st=604"]).unwrap();
    assert_eq!((small.version, small.primitive), (Version::V1_2, Status::new(Code::INVALID_SESSION).into()));
}

#[test]
fn what_this_syntax_cannot_say_is_not_written() {
    let message = NewMessage { info: crate::imps::primitive::MessageInfo::default(), content: None };
    assert_eq!(write(&short(message, Mode::Request)), None);
    let status = || short(Status::ok(), Mode::Response);
    assert_eq!(write(&Short { version: Version::V1_1, ..status() }), None);
    assert_eq!(write(&Short { number: 1000, ..status() }), None);
    let text = write(&status()).unwrap();
    assert_eq!(cut(&text, 5), None, "not even the preamble fits");
    assert_eq!(cut(&format!("{text} NO={}", "x".repeat(500)), 20), None, "more pieces than letters");
}

#[test]
fn the_other_primitives_come_back_too() {
    let list = || "wv:ana/friends@causeway.example".parse().unwrap();
    let named = PresenceSubList::naming(
        [AttributeName::OnlineStatus, AttributeName::ClientInfo].into_iter().collect(),
    );
    let info = ClientInfo {
        qualifier: Some(true),
        client_type: Some("COMPUTER".into()),
        producer: Some("Causeway & friends".into()),
        version: Some("1.0".into()),
        ..ClientInfo::default()
    };
    let presence = |name: &str| Presence {
        user: user(name),
        attributes: PresenceSubList::new(vec![
            Attribute::OnlineStatus(plain("F")),
            Attribute::ClientInfo(Box::new(info.clone())),
            Attribute::StatusText(Plain { qualifier: Some(false), value: None, client: None }),
        ]),
    };
    let requests: Vec<Primitive> = vec![
        Primitive::LogoutRequest,
        Primitive::PollingRequest,
        Primitive::GetListRequest,
        Primitive::GetBlockedListRequest,
        crate::imps::primitive::Disconnect { result: Status::new(Code::FORCED_LOGOUT) }.into(),
        CreateAttributeListRequest {
            attributes: named.clone(),
            users: vec![user("bo"), user("cy")],
            contact_lists: vec![list()],
            default_list: true,
            default_notify: None,
            user_notify: None,
            contact_list_notify: None,
        }
        .into(),
        ListManageRequest {
            list: list(),
            add: vec![Contact { user: user("bo"), nickname: None }],
            remove: vec![user("cy")],
            properties: Vec::new(),
            receive: Some(false),
            authorize_and_grant: None,
        }
        .into(),
        SubscribePresenceRequest { users: vec![user("bo")], ..SubscribePresenceRequest::default() }.into(),
        UpdatePresenceRequest { attributes: presence("ana").attributes }.into(),
        PresenceNotification { users: Vec::new(), presences: vec![presence("bo"), presence("cy")] }.into(),
    ];
    for primitive in requests {
        let short = short(primitive, Mode::Request);
        let text = write(&short).unwrap();
        assert_eq!(read(&[&text]).as_ref(), Ok(&short), "{text}");
    }
    let nobody = ListManageResponse {
        result: Status::ok(),
        contacts: Some(crate::imps::primitive::NickList::default()),
        properties: Vec::new(),
    };
    let answer = short(nobody, Mode::Response);
    assert_eq!(read(&[&write(&answer).unwrap()]), Ok(answer));
}

fn word() -> impl Strategy<Value = Box<str>> {
    "[ -~äß]{1,20}".prop_map(Into::into)
}

fn primitive() -> impl Strategy<Value = (Mode, Primitive)> {
    let client = || word().prop_map(|url| ClientId { url: Some(url), ..ClientId::default() });
    let login =
        (client(), prop::option::of(word()), prop::option::of(word()), prop::option::of(any::<u32>()))
            .prop_map(|(client, digest, cookie, time_to_live)| {
                let request = LoginRequest {
                    user: user("ana"),
                    client,
                    application: None,
                    password: None,
                    digest,
                    schemas: Vec::new(),
                    session: None,
                    time_to_live,
                    cookie,
                    responses: Vec::new(),
                    functions: None,
                    capabilities: None,
                };
                (Mode::Request, Primitive::LoginRequest(Box::new(request)))
            });
    let status = (200_u16..999, prop::option::of(word())).prop_filter_map("a code", |(code, description)| {
        let status = Status { description, ..Status::new(Code::new(code)?) };
        Some((Mode::Response, Primitive::from(status)))
    });
    let capabilities = (
        prop::collection::vec(
            prop::sample::select(&[CirMethod::Stcp, CirMethod::Ssms, CirMethod::WapUdp][..]),
            0..3,
        ),
        prop::option::of(any::<u32>()),
        prop::option::of(any::<u16>()),
        prop::option::of(word()),
    )
        .prop_map(|(cir_methods, parser_size, tcp_port, tcp_address)| {
            let capabilities = Box::new(Capabilities {
                parser_size,
                cir_methods,
                tcp_address,
                tcp_port,
                ..Capabilities::default()
            });
            (Mode::Request, ClientCapabilityRequest { client: None, capabilities }.into())
        });
    let contact =
        (word(), "[a-z]{1,8}").prop_map(|(name, local)| Contact { user: user(&local), nickname: Some(name) });
    let property = (word(), word()).prop_map(|(name, value)| Property::new(&name, &value));
    let list = (prop::collection::vec(contact, 1..4), prop::collection::vec(property, 0..3)).prop_filter_map(
        "names that are no codes",
        |(add, properties)| {
            let request = ListManageRequest {
                list: "wv:ana/friends@causeway.example".parse().ok()?,
                add,
                remove: Vec::new(),
                properties,
                receive: None,
                authorize_and_grant: None,
            };
            let plain = |property: &Property| {
                property.name.len() > 2
                    && !["displayname", "default"].contains(&&*property.name.to_ascii_lowercase())
            };
            request.properties.iter().all(plain).then(|| (Mode::Request, request.into()))
        },
    );
    prop_oneof![login, status, capabilities, list]
}

proptest! {
    #[test]
    fn every_primitive_comes_back_whole_and_in_pieces(
        (mode, primitive) in primitive(),
        number in 0..=NUMBER_MAX,
        characters in 60..200_usize,
    ) {
        let around = !matches!(primitive, Primitive::LoginRequest(_));
        let session = "s-1".parse().ok().filter(|_| around);
        let short = Short { version: Version::V1_2, mode, number, session, primitive };
        let text = write(&short).unwrap();
        let same = read(&[&text]);
        prop_assert_eq!(same.as_ref(), Ok(&short), "{}", text);
        let pieces = cut(&text, characters).unwrap();
        prop_assert!(pieces.iter().all(|piece| piece.chars().count() <= characters));
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).rev().collect();
        prop_assert_eq!(read(&pieces), Ok(short));
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,200}", rest in "[A-Z]{2}[0-9]{1,3} ([A-Z]{2}=[(),\"a-z ]{0,20} ?){0,4}") {
        let _ = read(&[&text]);
        let _ = read(&[&format!("WV13{rest}")]);
    }
}
