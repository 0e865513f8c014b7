//! Moving: what users had at one node they find at another, after an export and an import.

use causeway::cli::phone::Phone;
use causeway::imps::presence::{AttributeName, PresenceSubList};
use causeway::imps::primitive::{
    BlockEntityRequest, BlockList, Contact, CreateAttributeListRequest, CreateListRequest, Entities,
    GetAttributeListRequest, GetGroupMembersRequest, GetGroupPropsRequest, GetMessageListRequest,
    GetMessageRequest, GetPresenceRequest, GetPublicProfileRequest, LeaveGroupRequest, ListManageRequest,
    Property, PublicProfile, Recipient, RejectListRequest, UpdatePublicProfileRequest,
};
use causeway::imps::{Code, GroupId, Primitive, Version};
use causeway::wire::Encoding;
use sha2::Digest as _;

use super::groups::{create, group, join, say};
use super::operators::done;
use super::presence::publish;
use crate::csp::{ask, send};
use crate::process::run;
use crate::world::{Place, World, manner, modern, receive};

const DOMAIN: &str = "north.example";
const PEER: &str = "wv:zoe@south.example";

fn club() -> GroupId {
    group("wv:ada/club@north.example")
}

async fn ok(phone: &mut Phone, request: impl Into<Primitive>) {
    let answer = ask(phone, request).await;
    assert!(answer.code().is_success(), "{answer:?}");
}

/// Ada and bo have something of everything: lists, rules, what they say of themselves, a group with a past,
/// and pictures. Gives the paths of what ada shares.
async fn lively(place: &Place) -> Vec<String> {
    let mut ada = place.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let mut bo = place.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    let contact = |user: &str, nickname: Option<&str>| Contact {
        user: user.parse().unwrap(),
        nickname: nickname.map(Into::into),
    };
    let friends = CreateListRequest {
        list: "wv:ada/friends@north.example".parse().unwrap(),
        contacts: vec![contact("wv:bo@north.example", Some("Bo <3")), contact(PEER, None)],
        properties: vec![Property::new("DisplayName", "Фрэнды"), Property::new("Default", "T")],
    };
    ok(&mut ada, friends).await;
    let eve = Entities { users: vec!["wv:eve@west.example".parse().unwrap()], ..Entities::default() };
    let block = BlockList { in_use: Some(true), add: Some(eve), ..BlockList::default() };
    ok(&mut ada, Box::new(BlockEntityRequest { block: Some(block), ..BlockEntityRequest::default() })).await;
    let names = [AttributeName::OnlineStatus, AttributeName::StatusText].into_iter().collect();
    let rule = CreateAttributeListRequest {
        attributes: PresenceSubList::naming(names),
        users: vec![PEER.parse().unwrap()],
        contact_lists: Vec::new(),
        default_list: true,
        default_notify: None,
        user_notify: None,
        contact_list_notify: None,
    };
    ok(&mut ada, rule).await;
    publish(&mut ada, "moving house").await;
    let properties = vec![Property::new("PP_CITY", "London"), Property::new("PP_FREE_TEXT", "a \"b\" & c")];
    let profile = Some(PublicProfile { user: ada.user().clone(), properties });
    ok(&mut ada, UpdatePublicProfileRequest { clear: None, profile }).await;
    let open = [("History", "T"), ("AccessType", "Open"), ("Name", "The Club")];
    assert_eq!(create(&mut ada, &club(), "Ada", &open).await.code(), Code::SUCCESSFUL);
    join(&mut bo, &club(), "Bo").await;
    say(&mut ada, Recipient::Group(club()), "first").await;
    say(&mut bo, Recipient::Group(club()), "second \u{1F600} & <last>").await;
    let reject = RejectListRequest {
        group: club(),
        add: vec!["wv:eve@west.example".parse().unwrap()].into(),
        remove: Vec::new().into(),
    };
    let rejected = ask(&mut ada, reject).await;
    assert!(rejected.code().is_success(), "{rejected:?}");
    let mut paths = Vec::new();
    for (name, audience, octets) in [
        ("small.bin", "link", vec![7; 3]),
        ("large.bin", "contacts", (0..=255).cycle().take(2_000_000).collect()),
    ] {
        let url = ada.keep_content(name, "application/x-test", audience, octets).await.unwrap();
        paths.push(url.strip_prefix(&format!("http://{}", place.csp)).expect("a path").to_owned());
    }
    for phone in [&mut ada, &mut bo] {
        ok(phone, LeaveGroupRequest { group: club() }).await;
        phone.logout().await.unwrap();
    }
    paths
}

/// What both find when they log in, one line for each thing.
async fn found(place: &Place, paths: &[String]) -> Vec<String> {
    let mut ada = place.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let mut bo = place.phone("bo", modern()).await;
    let mut found = Vec::new();
    let friends = "wv:ada/friends@north.example".parse().unwrap();
    let contacts = ListManageRequest {
        list: friends,
        add: Vec::new(),
        remove: Vec::new(),
        properties: Vec::new(),
        receive: Some(true),
        authorize_and_grant: None,
    };
    let ada_asks: Vec<Primitive> = vec![
        Primitive::GetListRequest,
        contacts.into(),
        Primitive::GetBlockedListRequest,
        GetAttributeListRequest { default_list: true, ..GetAttributeListRequest::default() }.into(),
        GetPublicProfileRequest { users: vec![ada.user().clone()] }.into(),
        GetGroupPropsRequest { group: club() }.into(),
        GetGroupMembersRequest { group: club() }.into(),
        RejectListRequest { group: club(), add: Vec::new().into(), remove: Vec::new().into() }.into(),
    ];
    for request in ada_asks {
        found.push(format!("{:?}", ask(&mut ada, request).await));
    }
    let joined = join(&mut bo, &club(), "Bo").await;
    found.push(format!("{:?}", joined.welcome_note));
    let all = ask(&mut bo, GetMessageListRequest { group: Some(club()), count: None }).await;
    let Primitive::GetMessageListResponse(all) = all else { panic!("{all:?}") };
    assert_eq!(all.messages.len(), 2);
    for info in all.messages {
        let message_id = info.id.expect("an id");
        found.push(format!("{:?}", ask(&mut bo, GetMessageRequest { message_id }).await));
    }
    ok(&mut bo, LeaveGroupRequest { group: club() }).await;
    for path in paths {
        let fetched = bo.fetch(&format!("http://{}{path}", place.csp)).await.unwrap();
        let digest = sha2::Sha256::digest(&fetched.body);
        found.push(format!("{path} {:?} {} octets {digest:?}", fetched.content_type, fetched.body.len()));
    }
    // And they go on where they were
    send(&mut ada, &["wv:bo@north.example"], "here we are", false).await;
    assert_eq!(crate::world::text(&receive(&mut bo).await), "here we are");
    let users = vec![ada.user().clone()];
    let seen = GetPresenceRequest { users, contact_lists: Vec::new(), attributes: None };
    let seen = format!("{:?}", ask(&mut bo, seen).await);
    assert!(seen.contains("moving house"), "{seen}");
    for phone in [&mut ada, &mut bo] {
        phone.logout().await.unwrap();
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_find_at_the_new_node_what_they_had_at_the_old() {
    // Given a lively provider
    let (old_world, new_world) = (World::new().await, World::new().await);
    let (old, new) = (old_world.place(DOMAIN, &[]), new_world.place(DOMAIN, &[]));
    let old_node = old_world.start(&old).await;
    let paths = lively(&old).await;
    let before = found(&old, &paths).await;
    // When it is exported as it runs, and imported into a fresh one before its first start
    let exported = done(&old, &["export", "--passwords", "clear"]).await;
    old_node.drain().await;
    let config = new.provider.config().to_str().unwrap().to_owned();
    let told = tokio::task::spawn_blocking(move || run(&["import", "-", "--config", &config], &exported));
    let told = told.await.unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    // 2 accounts, a group, 2 pieces of content
    assert_eq!(told.stdout, b"5 made, 0 left as they were\n");
    // Then users log in with their passwords and find everything as it was
    let new_node = new_world.start(&new).await;
    let after = found(&new, &paths).await;
    for (after, before) in after.iter().zip(&before) {
        assert_eq!(after, before);
    }
    assert_eq!(after.len(), before.len());
    // And who has not the right sees no more than before
    let shown = crate::world::http_get(new.csp, &paths[1]).await;
    assert_eq!(shown.0, 401);
    new_node.drain().await;
}
