//! Invitations: asked, answered, taken back, here and between providers.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    CancelInviteRequest, InviteRequest, InviteResponse, InviteType, InviteUserRequest, InviteUserResponse,
    Party, Recipient, ScreenName,
};
use causeway::imps::{Code, Primitive, UserId, Version};
use causeway::node::Node;
use causeway::wire::Encoding;

use crate::csp::ask;
use crate::world::{Place, World, manner, modern, receive};

/// An agreement that holds everything an invitation can belong to.
const ALL: &str = "services = [\"presence\", \"im\", \"group\", \"content\", \"search\"]";

fn user(text: &str) -> Recipient {
    Recipient::User(text.parse::<UserId>().unwrap().into())
}

fn party(text: &str) -> Party {
    Party::User(text.parse::<UserId>().unwrap().into())
}

fn invitation(id: &str, recipients: &[&str]) -> InviteRequest {
    InviteRequest {
        id: id.parse().unwrap(),
        kind: InviteType::Message,
        sender: None,
        recipients: recipients.iter().map(|to| user(to)).collect(),
        application: None,
        group: None,
        attributes: Vec::new(),
        urls: Vec::new(),
        note: Some("come & see <us>".into()),
        screen_name: None,
        validity: Some(600),
    }
}

fn answer(id: &str, acceptance: bool) -> InviteUserResponse {
    InviteUserResponse {
        id: id.parse().unwrap(),
        acceptance,
        sender: None,
        recipient: None,
        note: Some("gladly".into()),
        screen_name: None,
    }
}

fn cancellation(id: &str, recipients: &[&str]) -> CancelInviteRequest {
    CancelInviteRequest {
        id: id.parse().unwrap(),
        sender: None,
        recipients: recipients.iter().map(|to| user(to)).collect(),
        application: None,
        group: None,
        attributes: Vec::new(),
        urls: Vec::new(),
        note: Some("another time".into()),
        screen_name: None,
    }
}

async fn invite(phone: &mut Phone, request: InviteRequest) -> Primitive {
    ask(phone, Box::new(request)).await
}

async fn invited(phone: &mut Phone) -> InviteUserRequest {
    match receive(phone).await {
        Primitive::InviteUserRequest(request) => *request,
        other => panic!("{}", other.name()),
    }
}

async fn answered(phone: &mut Phone) -> InviteResponse {
    match receive(phone).await {
        Primitive::InviteResponse(response) => response,
        other => panic!("{}", other.name()),
    }
}

async fn providers(world: &World) -> ((Place, Node), (Place, Node)) {
    let place = |domain, peer| {
        world.place_with(domain, &Writing { peers: &[peer], agreement: ALL, ..Writing::default() })
    };
    let north = place("north.example", "south.example");
    let south = place("south.example", "north.example");
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    ((north, north_node), (south, south_node))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_crosses_two_providers_and_its_answer_comes_back_in_every_version() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    let forms = [
        (Version::V1_1, Encoding::Wbxml),
        (Version::V1_2, Encoding::Xml),
        (Version::V1_3, Encoding::Wbxml),
        (Version::V1_3, Encoding::Xml),
    ];
    for (number, (version, encoding)) in forms.into_iter().enumerate() {
        let other = forms[(number + 1) % forms.len()];
        let mut ada = north.phone(&format!("ada{number}"), manner(version, encoding)).await;
        let mut bo = south.phone(&format!("bo{number}"), manner(other.0, other.1)).await;
        let (ada_is, bo_is) =
            (format!("wv:ada{number}@north.example"), format!("wv:bo{number}@south.example"));
        // Ada invites Bo, who has the same on the screen
        assert_eq!(invite(&mut ada, invitation("i1", &[&bo_is])).await.code(), Code::SUCCESSFUL);
        let asked = invited(&mut bo).await;
        assert_eq!((asked.id.as_str(), asked.kind), ("i1", InviteType::Message));
        assert_eq!(asked.sender, Some(party(&ada_is)));
        assert_eq!(asked.note.as_deref(), Some("come & see <us>"));
        assert_eq!(asked.validity, Some(600));
        // Bo answers, Ada hears it
        let yes = number % 2 == 0;
        assert_eq!(ask(&mut bo, answer("i1", yes)).await.code(), Code::SUCCESSFUL);
        let heard = answered(&mut ada).await;
        assert_eq!((heard.id.as_str(), heard.acceptance), ("i1", yes));
        assert_eq!(heard.responder, Some(party(&bo_is)));
        assert_eq!(heard.note.as_deref(), Some("gladly"));
        // Then the invitation is over
        assert_eq!(ask(&mut bo, answer("i1", true)).await.code(), Code::INVALID_INVITATION);
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_are_invited_at_once_and_each_has_an_outcome() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", manner(Version::V1_3, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", modern()).await;
    let request = invitation(
        "party",
        &["wv:cy", "wv:bo@south.example", "wv:nobody@south.example", "wv:x@nowhere.example"],
    );
    let Primitive::Status(status) = invite(&mut ada, request).await else { panic!() };
    assert_eq!(status.code, Code::PARTIALLY_SUCCESSFUL);
    let of = |text: &str| status.code_for(&user(text).entity());
    assert_eq!(of("wv:nobody@south.example"), Code::UNKNOWN_USER);
    assert_eq!(of("wv:x@nowhere.example"), Code::DOMAIN_NOT_SUPPORTED);
    assert_eq!(of("wv:cy@north.example"), Code::SUCCESSFUL);
    let at_home = invited(&mut cy).await;
    assert_eq!(at_home.recipients, [user("wv:cy@north.example")], "1.3 says whom it is for");
    invited(&mut bo).await;
    // Both answer; one names the inviter, as 1.3 can
    let named = InviteUserResponse { recipient: Some(party("wv:ada")), ..answer("party", true) };
    assert_eq!(ask(&mut cy, named).await.code(), Code::SUCCESSFUL);
    assert_eq!(answered(&mut ada).await.responder, Some(party("wv:cy@north.example")));
    assert_eq!(ask(&mut bo, answer("party", false)).await.code(), Code::SUCCESSFUL);
    assert!(!answered(&mut ada).await.acceptance);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_waits_for_who_is_offline_and_one_taken_back_is_not_heard() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    bo.logout().await.unwrap();
    for id in ["stays", "goes"] {
        let reached = invite(&mut ada, invitation(id, &["wv:bo@south.example"])).await;
        assert_eq!(reached.code(), Code::SUCCESSFUL);
    }
    assert_eq!(ask(&mut ada, Box::new(cancellation("goes", &[]))).await.code(), Code::SUCCESSFUL);
    assert_eq!(ask(&mut ada, Box::new(cancellation("goes", &[]))).await.code(), Code::INVALID_INVITATION);
    let eve = ask(&mut ada, Box::new(cancellation("stays", &["wv:eve@south.example"]))).await;
    assert_eq!(eve.code(), Code::INVALID_INVITATION, "she was never invited");
    bo.login(crate::world::PASSWORD).await.unwrap();
    assert_eq!(invited(&mut bo).await.id.as_str(), "stays");
    match receive(&mut bo).await {
        Primitive::CancelInviteUserRequest(cancelled) => {
            assert_eq!(cancelled.id.as_str(), "goes");
            assert_eq!(cancelled.note.as_deref(), Some("another time"));
        }
        other => panic!("{}", other.name()),
    }
    assert_eq!(ask(&mut bo, answer("goes", true)).await.code(), Code::INVALID_INVITATION);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_name_hides_who_invites_and_who_answers() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let mut bo = south.phone("bo", modern()).await;
    let group: causeway::imps::GroupId = "wv:/sailing@south.example".parse().unwrap();
    let name = |name: &str| ScreenName { name: name.into(), group: group.clone() };
    let request = InviteRequest {
        kind: InviteType::Group,
        group: Some(group.clone()),
        screen_name: Some(name("skipper")),
        ..invitation("i1", &["wv:bo@south.example"])
    };
    assert_eq!(invite(&mut ada, request).await.code(), Code::SUCCESSFUL);
    let asked = invited(&mut bo).await;
    assert_eq!(
        (asked.sender, asked.group.as_ref()),
        (Some(Party::ScreenName(name("skipper"))), Some(&group))
    );
    let hidden = InviteUserResponse { screen_name: Some(name("bosun")), ..answer("i1", true) };
    assert_eq!(ask(&mut bo, hidden).await.code(), Code::SUCCESSFUL);
    assert_eq!(answered(&mut ada).await.responder, Some(Party::ScreenName(name("bosun"))));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_or_is_not_agreed_is_refused() {
    let world = World::new().await;
    // Messages alone are agreed
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    south.phone("bo", modern()).await;
    let bo = "wv:bo@south.example";
    let group = InviteRequest { kind: InviteType::Group, ..invitation("i1", &[bo]) };
    assert_eq!(invite(&mut ada, group).await.code(), Code::BAD_PARAMETER, "into which group?");
    let content = InviteRequest { kind: InviteType::Content, ..invitation("i1", &[bo]) };
    assert_eq!(invite(&mut ada, content).await.code(), Code::BAD_PARAMETER);
    let presence = InviteRequest { kind: InviteType::Presence, ..invitation("i1", &[bo]) };
    assert_eq!(invite(&mut ada, presence).await.code(), Code::SERVICE_NOT_AGREED);
    assert_eq!(invite(&mut ada, invitation("i1", &[])).await.code(), Code::BAD_PARAMETER);
    assert_eq!(ask(&mut ada, answer("never", true)).await.code(), Code::INVALID_INVITATION);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_outlives_a_restart_of_both_providers() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    invite(&mut ada, invitation("i1", &["wv:bo@south.example"])).await;
    north_node.drain().await;
    south_node.drain().await;
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    invited(&mut bo).await;
    assert_eq!(ask(&mut bo, answer("i1", true)).await.code(), Code::SUCCESSFUL);
    assert!(answered(&mut ada).await.acceptance);
    north_node.drain().await;
    south_node.drain().await;
}
