//! What a client negotiated, and what it means for what it is sent.

use super::*;
use crate::imps::primitive::AcceptedContentType;

fn types(list: &[&str]) -> Vec<AcceptedContentType> {
    list.iter()
        .map(|&content_type| AcceptedContentType {
            content_type: content_type.into(),
            rich_content_length: None,
            policy: None,
            policy_limit: None,
        })
        .collect()
}

#[test]
fn without_negotiation_plain_text_up_to_two_kilobytes_is_pushed() {
    let abilities = Abilities::default();
    assert_eq!(abilities.form(None, None, 2048), Form::NewMessage);
    assert_eq!(abilities.form(None, Some("Text/Plain; charset=us-ascii"), 10), Form::NewMessage);
    assert_eq!(abilities.form(None, None, 2049), Form::MessageNotification);
    assert_eq!(abilities.form(None, Some("image/png"), 10), Form::MessageNotification);
}

#[test]
fn content_types_compare_without_case_and_parameters() {
    let abilities = Abilities::of(&Capabilities {
        accepted_content_types: types(&["Image/PNG; q=1", "audio/*"]),
        ..Capabilities::default()
    });
    for taken in ["image/png", "IMAGE/png;a=b", "audio/amr", "text/plain"] {
        assert!(abilities.accepts(Some(taken)), "{taken}");
    }
    assert!(abilities.accepts(None));
    assert!(!abilities.accepts(Some("image/gif")));
    assert!(Abilities { any_content: true, ..abilities }.accepts(Some("image/gif")));
}

#[test]
fn method_n_and_long_content_are_notified() {
    let mut abilities = Abilities::of(&Capabilities {
        accepted_content_length: Some(4096),
        initial_delivery_method: Some(DeliveryMethod::Push),
        ..Capabilities::default()
    });
    assert_eq!(abilities.form(None, None, 4096), Form::NewMessage);
    assert_eq!(abilities.form(None, None, 4097), Form::MessageNotification);
    let request = |method, length| SetDeliveryMethodRequest {
        method,
        accepted_content_length: length,
        group: None,
        group_content_limit: None,
    };
    abilities.set_delivery(&request(DeliveryMethod::Notify, None));
    assert_eq!(abilities.form(None, None, 1), Form::MessageNotification);
    abilities.set_delivery(&request(DeliveryMethod::Push, Some(9000)));
    assert_eq!(abilities.form(None, None, 8000), Form::NewMessage);
}

#[test]
fn a_1_3_client_states_limits_per_kind() {
    let mut rich = types(&["image/png"]);
    rich[0].rich_content_length = Some(65_536);
    rich[0].policy = Some("N".into());
    rich[0].policy_limit = Some(16_384);
    let mut stated = Capabilities {
        accepted_content_types: rich,
        push_length: Some(32_768),
        text_content_length: Some(4096),
        ..Capabilities::default()
    };
    let abilities = Abilities::of(&stated);
    assert_eq!(abilities.form(None, Some("image/png"), 16_384), Form::NewMessage);
    assert_eq!(abilities.form(None, Some("image/png"), 16_385), Form::MessageNotification);
    assert_eq!(abilities.form(None, None, 4097), Form::MessageNotification);
    stated.accepted_content_types[0].policy = Some("P".into());
    assert_eq!(Abilities::of(&stated).form(None, Some("image/png"), 30_000), Form::NewMessage);
    assert_eq!(Abilities::of(&stated).form(None, Some("image/png"), 40_000), Form::MessageNotification);
}

#[test]
fn what_the_parser_cannot_hold_is_not_pushed() {
    let abilities = Abilities::of(&Capabilities {
        any_content: Some(true),
        parser_size: Some(4096),
        ..Capabilities::default()
    });
    assert_eq!(abilities.form(None, None, 3500), Form::NewMessage);
    assert_eq!(abilities.form(None, None, 3600), Form::MessageNotification);
    assert_eq!(abilities.form(None, Some("image/png"), 3000), Form::MessageNotification);
}

#[test]
fn presence_says_of_a_client_what_it_agreed_to() {
    let mut rich = types(&["Image/PNG; q=1", "text/x-vcard"]);
    rich[0].rich_content_length = Some(65_536);
    rich[1].policy = Some("C".into());
    rich[1].policy_limit = Some(100);
    let info = Abilities::of(&Capabilities {
        client_type: Some(ClientType::MobilePhone),
        accepted_content_types: rich,
        push_length: Some(32_768),
        text_content_length: Some(4096),
        transfer_encodings: vec!["base64".into()],
        ..Capabilities::default()
    })
    .client_info();
    let limit = info.content_limit.unwrap();
    let types: Vec<_> = limit
        .accepted_types
        .iter()
        .map(|it| (&*it.content_type, it.length, it.policy.as_deref(), it.limit))
        .collect();
    assert_eq!(
        types,
        [("image/png", Some(65_536), None, None), ("text/x-vcard", None, Some("N"), Some(100))]
    );
    assert_eq!((limit.push_length, limit.text_length, limit.pull_length), (Some(32_768), Some(4096), None));
    assert_eq!(
        (info.client_type.as_deref(), &*limit.transfer_encodings),
        (Some("MOBILE_PHONE"), &["BASE64".into()][..])
    );
}

#[test]
fn the_stored_form_reads_back_and_survives_rubbish() {
    let mut rich = types(&["image/png", "text/x-vcard"]);
    rich[0].rich_content_length = Some(65_536);
    rich[1].policy_limit = Some(100);
    let abilities = Abilities::of(&Capabilities {
        initial_delivery_method: Some(DeliveryMethod::Notify),
        any_content: Some(true),
        accepted_content_types: rich,
        push_length: Some(32_768),
        text_content_length: Some(4096),
        pull_length: Some(9),
        parser_size: Some(12),
        server_poll_min: Some(77),
        client_type: Some(ClientType::Pda),
        transfer_encodings: vec!["base64".into(), "ROT13".into(), "None".into()],
        ..Capabilities::default()
    });
    assert_eq!(Abilities::from_stored(&abilities.to_stored()), abilities);
    let default = Abilities::default();
    assert_eq!(Abilities::from_stored(&default.to_stored()), default);
    assert_eq!(Abilities::from_stored(b""), default);
    assert_eq!(
        Abilities::from_stored(b"rubbish \xff poll=0 method=Q new=1 push=x").method,
        DeliveryMethod::Push
    );
    assert_eq!(Abilities::from_stored(b"poll=0").poll_min_seconds, 30);
}

#[test]
fn a_group_has_a_method_and_a_limit_of_its_own_that_survive_the_store() {
    let (sailing, chess): (GroupId, GroupId) =
        ("wv:/sailing@north.example".parse().unwrap(), "wv:/chess@north.example".parse().unwrap());
    let set = |group: Option<&GroupId>, method, limit| SetDeliveryMethodRequest {
        method,
        accepted_content_length: None,
        group: group.cloned(),
        group_content_limit: limit,
    };
    let mut abilities = Abilities::default();
    assert!(!abilities.tells_groups_apart());
    abilities.set_delivery(&set(Some(&sailing), DeliveryMethod::Notify, None));
    abilities.set_delivery(&set(Some(&chess), DeliveryMethod::Push, Some(5000)));
    for abilities in [abilities.clone(), Abilities::from_stored(&abilities.to_stored())] {
        assert!(abilities.tells_groups_apart());
        assert_eq!(abilities.form(Some(&sailing), None, 1), Form::MessageNotification);
        assert_eq!(abilities.form(Some(&chess), None, 4000), Form::NewMessage);
        assert_eq!(abilities.form(Some(&chess), None, 6000), Form::MessageNotification);
        assert_eq!(abilities.form(None, None, 2000), Form::NewMessage, "what is no group's is as before");
        assert_eq!(abilities.form(None, None, 4000), Form::MessageNotification);
    }
    // A limit without a group is that of all, a group's own is stronger
    abilities.set_delivery(&set(None, DeliveryMethod::Push, Some(10)));
    let other: GroupId = "wv:/other@north.example".parse().unwrap();
    assert_eq!(abilities.form(Some(&other), None, 11), Form::MessageNotification);
    assert_eq!(abilities.form(Some(&chess), None, 4000), Form::NewMessage);
    assert_eq!(abilities.form(None, None, 11), Form::NewMessage);
    // Negotiation forgets none of it
    let anew = Abilities::of(&Capabilities::default()).with_groups_of(&abilities);
    assert_eq!(anew.form(Some(&sailing), None, 1), Form::MessageNotification);
    // And a client that names ever more groups keeps the last ones
    for number in 0..GROUPS_MAX {
        let group = format!("wv:/g{number}@north.example").parse().unwrap();
        abilities.set_delivery(&set(Some(&group), DeliveryMethod::Notify, None));
    }
    assert_eq!(
        (abilities.groups.len(), abilities.form(Some(&sailing), None, 1)),
        (GROUPS_MAX, Form::NewMessage)
    );
}
