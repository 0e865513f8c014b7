//! Invitations: asked, answered, taken back, here and between providers.

mod endings;

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
use crate::peer::{ScriptedPeer, Session, in_session, response as answers};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_elsewhere_is_invited_through_those_who_look_after_it() {
    use causeway::imps::primitive::CreateGroupRequest;
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = providers(&world).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Wbxml)).await;
    let group: causeway::imps::GroupId = "wv:/sailing@south.example".parse().unwrap();
    let invite_it =
        |id: &str| InviteRequest { recipients: vec![Recipient::Group(group.clone())], ..invitation(id, &[]) };
    assert_eq!(invite(&mut ada, invite_it("early")).await.code(), Code::NO_GROUP);
    let made = CreateGroupRequest {
        group: group.clone(),
        properties: None,
        own: Vec::new(),
        join: false,
        screen_name: None,
        subscribe: false,
    };
    assert_eq!(ask(&mut bo, made).await.code(), Code::SUCCESSFUL);
    assert_eq!(invite(&mut ada, invite_it("i1")).await.code(), Code::SUCCESSFUL);
    let asked = invited(&mut bo).await;
    assert_eq!(asked.recipients, [Recipient::Group(group.clone())], "whom it is meant for");
    assert_eq!(ask(&mut bo, answer("i1", true)).await.code(), Code::SUCCESSFUL);
    assert_eq!(answered(&mut ada).await.responder, Some(party("wv:bo@south.example")));
    north_node.drain().await;
    south_node.drain().await;
}

/// The primitive of this name in a recording, as it stands there: white space, spelling and all.
fn recorded(file: &str, name: &str, nth: usize) -> String {
    let path = format!("{}/tests/golden/transcripts/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (start, end) = (format!("<{name} "), format!("</{name}>"));
    let from = text.match_indices(&start).nth(nth).unwrap().0;
    let to = text[from..].find(&end).unwrap() + end.len();
    text[from..from + to].to_owned()
}

const WITH_AN_ANSWER: &str = "08-invitation-and-answer.txt";
const THREE_FORMS: &str = "38-invitation-answer-forms.txt";

/// A node and a peer whose every word is written here, with a session between them.
async fn stage(
    world: &World,
    node: &str,
    peer: &str,
    agreement: &str,
) -> (Place, Node, ScriptedPeer, Session) {
    let writing = Writing { peers: &[peer], agreement, ..Writing::default() };
    let place = world.place_with(node, &writing);
    let scripted = ScriptedPeer::start(world, &place, peer).await;
    let running = world.start(&place).await;
    let session = scripted.log_in(1).await;
    (place, running, scripted, session)
}

/// Alice invites, and the peer says that it has the invitation; gives its transaction.
async fn reaches(
    alice: &mut Phone,
    request: InviteRequest,
    peer: &ScriptedPeer,
    session: &Session,
) -> String {
    let takes = async {
        let heard = peer.next().await;
        let id = heard.transaction().id.to_string();
        let ok = answers(&id, "<Status code=\"200\"/>");
        peer.say(&in_session(&session.ours, &[ok])).await;
        (id, heard.text)
    };
    let (answer, (id, text)) = tokio::join!(invite(alice, request), takes);
    assert_eq!(answer.code(), Code::SUCCESSFUL);
    assert!(text.contains("<Inviting><User userID=\"wv:alice@a.test\"/></Inviting>"), "{text}");
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_form_of_an_answer_reaches_the_inviter() {
    let world = World::new().await;
    let (a, node, zoe, session) = stage(&world, "a.test", "c.test", ALL).await;
    let mut alice = a.phone("alice", modern()).await;
    // Two forms that the recording peer tried: with the requestor, and without; accepted and not
    for (number, accepted) in [(1, true), (2, false)] {
        let id = format!("iv{number}");
        reaches(&mut alice, invitation(&id, &["wv:zoe@c.test"]), &zoe, &session).await;
        let said = recorded(THREE_FORMS, "InviteResponse", number);
        assert_eq!(zoe.ask(&session, &format!("q{number}"), &said).await.code(), 200);
        let heard = answered(&mut alice).await;
        assert_eq!((heard.id.as_str(), heard.acceptance), (&*id, accepted));
        assert_eq!(heard.responder, Some(party("wv:zoe@c.test")));
        // Said once more it is about nothing
        assert_eq!(zoe.ask(&session, &format!("again{number}"), &said).await.code(), 423);
    }
    // The third came inside the invitation's own transaction; so it may be the answer to it
    let said = recorded(THREE_FORMS, "InviteResponse", 0);
    let takes = async {
        let id = zoe.next().await.transaction().id.to_string();
        zoe.say(&in_session(&session.ours, &[answers(&id, &said)])).await;
    };
    let (answer, ()) = tokio::join!(invite(&mut alice, invitation("iv0", &["wv:zoe@c.test"])), takes);
    assert_eq!(answer.code(), Code::SUCCESSFUL);
    assert_eq!(answered(&mut alice).await.note.as_deref(), Some("ok"));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_known_implementation_names_inviter_and_responder_the_wrong_way_round() {
    let world = World::new().await;
    let (a, node, b, session) = stage(&world, "a.test", "b.test", ALL).await;
    let mut alice = a.phone("alice", modern()).await;
    reaches(&mut alice, invitation("inv1", &["wv:bob@b.test"]), &b, &session).await;
    let said = recorded(WITH_AN_ANSWER, "InviteResponse", 0);
    assert!(said.contains("<Responding><User userID=\"wv:alice@a.test\"/>"), "as it was recorded");
    assert_eq!(b.ask(&session, "q1", &said).await.code(), 200);
    let heard = answered(&mut alice).await;
    assert_eq!((heard.responder, heard.note.as_deref()), (Some(party("wv:bob@b.test")), Some("fine")));
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_peer_hears_an_answer_in_its_own_transaction_and_never_a_cancellation() {
    let world = World::new().await;
    let agreement = format!("profile = \"legacy\"\n{ALL}");
    let (b, node, a, session) = stage(&world, "b.test", "a.test", &agreement).await;
    let mut bob = b.phone("bob", modern()).await;
    // As it was recorded, Alice invites Bob
    let said = recorded(WITH_AN_ANSWER, "InviteRequest", 0);
    assert_eq!(a.ask(&session, "0000000007-0", &said).await.code(), 200);
    let asked = invited(&mut bob).await;
    assert_eq!((asked.id.as_str(), asked.note.as_deref()), ("inv1", Some("join me")));
    assert_eq!(ask(&mut bob, answer("inv1", true)).await.code(), Code::SUCCESSFUL);
    let heard = a.next().await;
    assert_eq!(heard.transaction().id.as_str(), "0000000007-0");
    assert_eq!(heard.transaction().mode, causeway::wire::Mode::Response);
    let roles = "<Status code=\"200\"/><Inviting><User userID=\"wv:alice@a.test\"/></Inviting>\
                 <Responding><User userID=\"wv:bob@b.test\"/></Responding>";
    assert!(heard.text.contains(roles), "{}", heard.text);
    // Bob invites Alice and takes it back: that would crash the server over there
    let takes = async {
        let id = a.next().await.transaction().id.to_string();
        a.say(&in_session(&session.ours, &[answers(&id, "<Status code=\"200\"/>")])).await;
    };
    let (reached, ()) = tokio::join!(invite(&mut bob, invitation("i2", &["wv:alice@a.test"])), takes);
    assert_eq!(reached.code(), Code::SUCCESSFUL);
    let taken_back = ask(&mut bob, Box::new(cancellation("i2", &["wv:alice@a.test"]))).await;
    assert_eq!(taken_back.code(), Code::SUCCESSFUL);
    // What comes next for the peer is the answer to a late yes, and nothing before it
    let late = "<InviteResponse inviteID=\"i2\" acceptance=\"Yes\"><Status code=\"200\"/>\
                <Inviting><User userID=\"wv:alice@a.test\"/></Inviting>\
                <Responding><User userID=\"wv:bob@b.test\"/></Responding></InviteResponse>";
    assert_eq!(a.ask(&session, "0000000008-0", late).await.code(), 423);
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_does_not_invite_and_nobody_invites_for_others() {
    use causeway::imps::primitive::{BlockEntityRequest, BlockList, Entities};
    let world = World::new().await;
    let (a, node, c, session) = stage(&world, "a.test", "c.test", ALL).await;
    let mut alice = a.phone("alice", modern()).await;
    let add = Entities { users: vec!["wv:zoe@c.test".parse().unwrap()], ..Entities::default() };
    let block = Some(BlockList { in_use: Some(true), add: Some(add), ..BlockList::default() });
    let blocked = ask(&mut alice, Box::new(BlockEntityRequest { block, grant: None })).await;
    assert_eq!(blocked.code(), Code::SUCCESSFUL);
    let said = |from: &str, kind: &str| {
        format!(
            "<InviteRequest inviteID=\"i1\" inviteType=\"{kind}\"><MetaInfo clientOriginated=\"Yes\">\
             <Requestor serviceID=\"wv:@c.test\"><User userID=\"wv:zoe@c.test\"/></Requestor></MetaInfo>\
             <Inviting><User userID=\"{from}\"/></Inviting><Invited><User userID=\"wv:alice@a.test\"/></Invited>\
             </InviteRequest>"
        )
    };
    assert_eq!(c.ask(&session, "q1", &said("wv:zoe@c.test", "IM")).await.code(), 532);
    assert_eq!(c.ask(&session, "q2", &said("wv:eve@d.test", "IM")).await.code(), 901);
    assert_eq!(c.ask(&session, "q3", &said("wv:max@c.test", "GR")).await.code(), 429, "into which group?");
    assert_eq!(c.ask(&session, "q4", &said("wv:max@c.test", "SC")).await.code(), 400);
    assert_eq!(c.ask(&session, "q5", &said("wv:max@c.test", "AP")).await.code(), 450);
    assert_eq!(c.ask(&session, "q6", &said("wv:max@c.test", "IM")).await.code(), 200);
    assert_eq!(invited(&mut alice).await.sender, Some(party("wv:max@c.test")));
    let cancelled = "<CancelInviteRequest inviteID=\"i1\"><Canceling><User userID=\"wv:max@c.test\"/></Canceling>\
                     <Canceled><User userID=\"wv:alice@a.test\"/></Canceled></CancelInviteRequest>";
    assert_eq!(c.ask(&session, "q7", cancelled).await.code(), 200);
    assert!(matches!(receive(&mut alice).await, Primitive::CancelInviteUserRequest(_)));
    assert_eq!(c.ask(&session, "q8", cancelled).await.code(), 423);
    node.drain().await;
}
