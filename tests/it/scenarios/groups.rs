//! Groups: made by one user, joined from several domains, spoken in, moderated, and ended.

mod clients;
mod closing;
mod conversation;
mod entry;
mod history;
mod peers;

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::{Manner, Phone};
use causeway::imps::primitive::{
    AddGroupMembersRequest, Author, CreateGroupRequest, DeleteGroupRequest, Display, GetGroupMembersRequest,
    GetGroupPropsRequest, GetJoinedUsersRequest, GroupChangeNotice, GroupProperties, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, Listed, MemberAccessRequest, MessageInfo,
    NewMessage, NoticeWish, Property, Ranks, Recipient, RejectListRequest, ScreenName, SearchPair,
    SearchRequest, SendMessageRequest, SendMessageResponse, SetGroupPropsRequest,
    SubscribeGroupNoticeRequest, VerifyIdRequest, WelcomeNote,
};
use causeway::imps::status::Entity;
use causeway::imps::{Code, GroupId, Primitive, UserId, Version};
use causeway::node::Node;
use causeway::wire::Encoding;

use crate::csp::ask;
use crate::peer::{ScriptedPeer, in_session, request, response};
use crate::world::{Place, World, manner, modern, receive, text, until};

/// A provider that agreed with these peers on messages and groups.
fn place(world: &World, domain: &str, peers: &[&str]) -> Place {
    let agreement = "services = [\"im\", \"group\"]\n";
    world.place_with(domain, &Writing { peers, agreement, ..Writing::default() })
}

/// Two such providers, running.
pub(super) async fn linked(world: &World, one: &str, other: &str) -> ((Place, Node), (Place, Node)) {
    let (one_place, other_place) = (place(world, one, &[other]), place(world, other, &[one]));
    let nodes = (world.start(&one_place).await, world.start(&other_place).await);
    ((one_place, nodes.0), (other_place, nodes.1))
}

pub(super) fn group(address: &str) -> GroupId {
    address.parse().unwrap()
}

fn name(group: &GroupId, name: &str) -> ScreenName {
    ScreenName { name: name.into(), group: group.clone() }
}

fn property(name: &str, value: &str) -> Property {
    Property::new(name, value)
}

/// Makes a group and joins it under this name.
pub(super) async fn create(
    phone: &mut Phone,
    id: &GroupId,
    as_whom: &str,
    properties: &[(&str, &str)],
) -> Primitive {
    let request = CreateGroupRequest {
        group: id.clone(),
        properties: Some(GroupProperties {
            properties: properties.iter().map(|(name, value)| property(name, value)).collect(),
            welcome_note: Some(WelcomeNote {
                content_type: "text/plain".into(),
                content: "Mind the tide".into(),
            }),
        }),
        own: Vec::new(),
        join: true,
        screen_name: Some(name(id, as_whom)),
        subscribe: true,
    };
    ask(phone, request).await
}

pub(super) fn join_request(id: &GroupId, as_whom: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group: id.clone(),
        screen_name: Some(name(id, as_whom)),
        joined_request: true,
        subscribe: true,
        own: Vec::new(),
    }
}

pub(super) async fn join(phone: &mut Phone, id: &GroupId, as_whom: &str) -> JoinGroupResponse {
    match ask(phone, join_request(id, as_whom)).await {
        Primitive::JoinGroupResponse(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

pub(super) fn names(answer: &JoinGroupResponse) -> Vec<&str> {
    answer.joined.iter().map(|found| found.name.as_deref().expect("a name")).collect()
}

/// Says something to a group, or to a name in it.
pub(super) async fn say(phone: &mut Phone, to: Recipient, words: &str) -> SendMessageResponse {
    let info = MessageInfo {
        content_type: Some("text/plain".into()),
        recipients: vec![to],
        ..MessageInfo::default()
    };
    let request = SendMessageRequest { delivery_report: false, info, content: Some(words.into()) };
    phone.send_message(request).await.unwrap()
}

pub(super) async fn message(phone: &mut Phone) -> NewMessage {
    match receive(phone).await {
        Primitive::NewMessage(message) => message,
        other => panic!("{}: {other:?}", phone.user()),
    }
}

pub(super) async fn notice(phone: &mut Phone) -> GroupChangeNotice {
    match receive(phone).await {
        Primitive::GroupChangeNotice(notice) => *notice,
        other => panic!("{}: {other:?}", phone.user()),
    }
}

pub(super) async fn put_out(phone: &mut Phone) -> LeaveGroupResponse {
    match receive(phone).await {
        Primitive::LeaveGroupResponse(told) => told,
        other => panic!("{}: {other:?}", phone.user()),
    }
}

/// The screen name that a message shows.
pub(super) fn shown(message: &NewMessage) -> &str {
    let sender = message.info.sender.as_ref().expect("a sender");
    assert!(matches!(sender.author, Author::Group(_)), "the author's address is seen: {sender:?}");
    match &sender.shown {
        Some(Display::ScreenName(name)) => &name.name,
        other => panic!("{other:?}"),
    }
}

pub(super) fn words(message: &NewMessage) -> &str {
    std::str::from_utf8(message.content.as_ref().expect("content").octets()).unwrap()
}

pub(super) fn code(answer: &Primitive) -> u16 {
    answer.code().get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_spoken_in_from_three_domains() {
    // Given a group in the north, with an owner and a member there, one in the south, one in the east
    let world = World::new().await;
    let north = place(&world, "north.sea.example", &["south.sea.example", "east.sea.example"]);
    let south = place(&world, "south.sea.example", &["north.sea.example"]);
    let east = place(&world, "east.sea.example", &["north.sea.example"]);
    let nodes = [world.start(&north).await, world.start(&south).await, world.start(&east).await];
    let mut ada = north.phone("ada", modern()).await;
    let mut cy = north.phone("cy", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Xml)).await;
    let mut di = east.phone("di", manner(Version::V1_3, Encoding::Wbxml)).await;
    let sailing = group("wv:/sailing@north.sea.example");
    assert_eq!(code(&create(&mut ada, &sailing, "Skipper", &[("Name", "Sailing")]).await), 200);
    // When they join, each sees who is in, and those who are in hear of it
    let answer = join(&mut bo, &sailing, "Bosun").await;
    assert_eq!(names(&answer), ["Skipper", "Bosun"]);
    assert_eq!(answer.welcome_note.unwrap().content.octets(), b"Mind the tide");
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bosun"));
    assert_eq!(names(&join(&mut cy, &sailing, "Cook").await), ["Skipper", "Bosun", "Cook"]);
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Cook"));
    assert_eq!(notice(&mut bo).await.moves.joined[0].name.as_deref(), Some("Cook"));
    let answer = join(&mut di, &sailing, "Diver").await;
    assert_eq!(names(&answer), ["Skipper", "Bosun", "Cook", "Diver"]);
    assert!(answer.joined.iter().all(|found| found.user.is_none()), "addresses stay hidden");
    for phone in [&mut ada, &mut bo, &mut cy] {
        assert_eq!(notice(phone).await.moves.joined[0].name.as_deref(), Some("Diver"));
    }
    // Then what one says is heard by all the others, as the group's and by screen name
    let said = say(&mut bo, Recipient::Group(sailing.clone()), "wind is up").await;
    assert_eq!(said.result.code, Code::SUCCESSFUL);
    for phone in [&mut ada, &mut cy, &mut di] {
        let heard = message(phone).await;
        assert_eq!((words(&heard), shown(&heard)), ("wind is up", "Bosun"));
        assert_eq!(heard.info.recipients, [Recipient::Group(sailing.clone())]);
        assert_eq!(heard.info.id, said.message_id);
    }
    let said = say(&mut ada, Recipient::Group(sailing.clone()), "all aboard").await;
    assert_eq!(said.result.code, Code::SUCCESSFUL);
    for phone in [&mut bo, &mut cy, &mut di] {
        let heard = message(phone).await;
        assert_eq!((words(&heard), shown(&heard)), ("all aboard", "Skipper"));
    }
    // And a private word is heard by one alone, who sees that it was private
    let said = say(&mut di, Recipient::ScreenName(name(&sailing, "Bosun")), "psst").await;
    assert_eq!(said.result.code, Code::SUCCESSFUL);
    let heard = message(&mut bo).await;
    assert_eq!((words(&heard), shown(&heard)), ("psst", "Diver"));
    assert_eq!(heard.info.recipients, [Recipient::ScreenName(name(&sailing, "Bosun"))]);
    let nobody = say(&mut di, Recipient::ScreenName(name(&sailing, "Nobody")), "psst").await;
    assert_eq!(nobody.result.code, Code::UNABLE_TO_DELIVER);
    // And who left is told nothing more
    let Primitive::LeaveGroupResponse(left) =
        ask(&mut di, LeaveGroupRequest { group: sailing.clone() }).await
    else {
        panic!()
    };
    assert_eq!(left.result.code, Code::SUCCESSFUL);
    for phone in [&mut ada, &mut bo, &mut cy] {
        assert_eq!(&*notice(phone).await.moves.left[0], "Diver");
    }
    say(&mut ada, Recipient::Group(sailing.clone()), "where is Diver?").await;
    assert_eq!(words(&message(&mut bo).await), "where is Diver?");
    let late = say(&mut di, Recipient::Group(sailing), "ashore").await;
    assert_eq!(late.result.code, Code::NOT_JOINED);
    assert_eq!(di.take().await.unwrap(), None);
    for node in nodes {
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_rejected_by_screen_name_is_put_out_wherever_the_group_is_at_home() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.names.example", "south.names.example").await;
    let mut ada = north.phone("ada", manner(Version::V1_2, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut cy = north.phone("cy", modern()).await;
    for home in ["north", "south"] {
        let boats = group(&format!("wv:/boats@{home}.names.example"));
        create(&mut ada, &boats, "Skipper", &[]).await;
        join(&mut bo, &boats, "Bosun").await;
        notice(&mut ada).await;
        join(&mut cy, &boats, "Cook").await;
        notice(&mut ada).await;
        notice(&mut bo).await;
        let name = |text: &str| ScreenName { name: text.into(), group: boats.clone() };
        let reject = |users: &[UserId], names: &[&str]| RejectListRequest {
            group: boats.clone(),
            add: Listed { users: users.to_vec(), names: names.iter().map(|text| name(text)).collect() },
            remove: Listed::default(),
        };
        let answer = ask(&mut ada, reject(&[], &["Bosun"])).await;
        let Primitive::RejectListResponse(list) = answer else { panic!("{home}: {answer:?}") };
        assert_eq!(list.users, std::slice::from_ref(bo.user()), "{home}: the list has addresses");
        assert_eq!(put_out(&mut bo).await.result.code, Code::REJECTED_FROM_GROUP);
        notice(&mut ada).await;
        notice(&mut cy).await;
        assert_eq!(code(&ask(&mut bo, join_request(&boats, "Bosun")).await), 809);
        // A name that nobody bears is told, and the others are listed
        let answer = ask(&mut ada, reject(&[], &["Cook", "Ghost"])).await;
        let status = answer.status().unwrap();
        assert_eq!(status.code, Code::PARTIALLY_SUCCESSFUL, "{home}: {answer:?}");
        assert_eq!(status.code_for(&Entity::ScreenName(name("Ghost"))), Code::ADDRESS_ERROR);
        assert_eq!(put_out(&mut cy).await.result.code, Code::REJECTED_FROM_GROUP);
        notice(&mut ada).await;
        let answer = ask(&mut ada, reject(&[], &[])).await;
        let Primitive::RejectListResponse(list) = answer else { panic!("{home}: {answer:?}") };
        assert_eq!(list.users.len(), 2, "{home}");
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_rejected_is_put_out_in_every_version() {
    for (number, how) in [
        manner(Version::V1_1, Encoding::Xml),
        manner(Version::V1_2, Encoding::Wbxml),
        manner(Version::V1_3, Encoding::Xml),
    ]
    .into_iter()
    .enumerate()
    {
        let world = World::new().await;
        let (one, other) = (format!("north{number}.kick.example"), format!("south{number}.kick.example"));
        let ((north, north_node), (south, south_node)) = linked(&world, &one, &other).await;
        let mut ada = north.phone("ada", modern()).await;
        let mut bo = south.phone("bo", how.clone()).await;
        let bo_id = bo.user().clone();
        let boats = group(&format!("wv:ada/boats@{one}"));
        create(&mut ada, &boats, "Skipper", &[]).await;
        join(&mut bo, &boats, "Bosun").await;
        notice(&mut ada).await;
        let reject = |add: &[UserId], remove: &[UserId]| RejectListRequest {
            group: boats.clone(),
            add: add.to_vec().into(),
            remove: remove.to_vec().into(),
        };
        let Primitive::RejectListResponse(list) =
            ask(&mut ada, reject(std::slice::from_ref(&bo_id), &[])).await
        else {
            panic!()
        };
        assert_eq!(list.users, std::slice::from_ref(&bo_id), "{how:?}");
        let told = put_out(&mut bo).await;
        assert_eq!((told.group, told.result.code), (Some(boats.clone()), Code::REJECTED_FROM_GROUP));
        assert_eq!(&*notice(&mut ada).await.moves.left[0], "Bosun");
        assert_eq!(code(&ask(&mut bo, join_request(&boats, "Bosun")).await), 809);
        ask(&mut ada, reject(&[], &[bo_id])).await;
        join(&mut bo, &boats, "Bosun").await;
        notice(&mut ada).await;
        // And the end of the group is told to everybody in it
        assert_eq!(code(&ask(&mut bo, DeleteGroupRequest { group: boats.clone() }).await), 816);
        assert_eq!(code(&ask(&mut ada, DeleteGroupRequest { group: boats.clone() }).await), 200);
        assert_eq!(put_out(&mut bo).await.result.code, Code::NO_GROUP);
        assert_eq!(put_out(&mut ada).await.result.code, Code::NO_GROUP);
        assert_eq!(code(&ask(&mut bo, join_request(&boats, "Bosun")).await), 800);
        north_node.drain().await;
        south_node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_ranks_and_properties_are_managed_from_another_domain() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.rank.example", "south.rank.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Wbxml)).await;
    let bo_id = bo.user().clone();
    let crew = group("wv:/crew@north.rank.example");
    // Given a group for members only
    create(&mut ada, &crew, "Skipper", &[("AccessType", "Restricted"), ("Topic", "Ropes")]).await;
    assert_eq!(code(&ask(&mut bo, join_request(&crew, "Bosun")).await), 816);
    let ghost: UserId = "wv:ghost@north.rank.example".parse().unwrap();
    let add = AddGroupMembersRequest { group: crew.clone(), users: vec![bo_id.clone(), ghost] };
    assert_eq!(code(&ask(&mut ada, add).await), 201, "one of them does not exist");
    join(&mut bo, &crew, "Bosun").await;
    notice(&mut ada).await;
    // When the owner makes a foreign member a moderator, the member hears of it and may do more
    assert_eq!(code(&ask(&mut bo, GetGroupMembersRequest { group: crew.clone() }).await), 816);
    let members = Ranks { moderators: vec![bo_id.clone()], ..Ranks::default() };
    assert_eq!(code(&ask(&mut ada, MemberAccessRequest { group: crew.clone(), members }).await), 200);
    assert_eq!(notice(&mut bo).await.own, [property("PrivilegeLevel", "Mod")]);
    let Primitive::GetGroupMembersResponse(answer) =
        ask(&mut bo, GetGroupMembersRequest { group: crew.clone() }).await
    else {
        panic!()
    };
    assert_eq!(answer.members.moderators, [bo_id]);
    assert_eq!(answer.members.admins, [ada.user().clone()]);
    let Primitive::GetJoinedUsersResponse(answer) =
        ask(&mut bo, GetJoinedUsersRequest { group: crew.clone() }).await
    else {
        panic!()
    };
    assert_eq!(answer.joined.admins[0].user, Some(ada.user().clone()), "moderators see addresses");
    assert_eq!(answer.joined.moderators[0].name.as_deref(), Some("Bosun"));
    // Then properties: of the group by administrators alone, own ones by everybody
    let set = SetGroupPropsRequest {
        group: crew.clone(),
        properties: Some(GroupProperties {
            properties: vec![property("Topic", "Knots")],
            ..GroupProperties::default()
        }),
        own: vec![property("PrivateMessaging", "F")],
    };
    let half = ask(&mut bo, set.clone()).await;
    assert_eq!(code(&half), 201);
    assert_eq!(half.status().unwrap().details[0].code.get(), 816);
    let Primitive::GetGroupPropsResponse(props) =
        ask(&mut bo, GetGroupPropsRequest { group: crew.clone() }).await
    else {
        panic!()
    };
    assert!(props.properties.unwrap().properties.contains(&property("Topic", "Ropes")));
    assert!(props.own.contains(&property("PrivateMessaging", "F")));
    assert_eq!(
        say(&mut ada, Recipient::ScreenName(name(&crew, "Bosun")), "psst").await.result.code.get(),
        813
    );
    assert_eq!(code(&ask(&mut ada, SetGroupPropsRequest { own: Vec::new(), ..set }).await), 200);
    assert_eq!(notice(&mut bo).await.properties.unwrap().properties, [property("Topic", "Knots")]);
    // And notices only for those who want them
    let wish = |wish| SubscribeGroupNoticeRequest { group: crew.clone(), wish };
    assert_eq!(code(&ask(&mut bo, wish(NoticeWish::Unset)).await), 200);
    let Primitive::SubscribeGroupNoticeResponse(answer) = ask(&mut bo, wish(NoticeWish::Get)).await else {
        panic!()
    };
    assert!(!answer.subscribed);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_takes_its_client_out_of_every_group() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.out.example", "south.out.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let mut cy = north.phone("cy", modern()).await;
    let pub_house = group("wv:/pub@north.out.example");
    create(&mut ada, &pub_house, "Keeper", &[]).await;
    join(&mut bo, &pub_house, "Bo").await;
    notice(&mut ada).await;
    let own = vec![property("AutoJoin", "T")];
    ask(&mut cy, JoinGroupRequest { own, ..join_request(&pub_house, "Cy") }).await;
    notice(&mut ada).await;
    // When a client of another domain logs out, and one of the same
    bo.logout().await.unwrap();
    assert_eq!(&*notice(&mut ada).await.moves.left[0], "Bo");
    cy.logout().await.unwrap();
    assert_eq!(&*notice(&mut ada).await.moves.left[0], "Cy");
    // Then who wished so is in again with the next login, under a name that the group picks
    cy.login(crate::world::PASSWORD).await.unwrap();
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("cy"));
    assert_eq!(notice(&mut cy).await.moves.joined.len(), 2, "who did not ask is told who is in");
    say(&mut ada, Recipient::Group(pub_house), "welcome back").await;
    assert_eq!(words(&message(&mut cy).await), "welcome back");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_and_who_is_in_it_outlast_a_restart_of_its_home() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.again.example", "south.again.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    let club = group("wv:/club@north.again.example");
    create(&mut ada, &club, "Ada", &[]).await;
    join(&mut bo, &club, "Bo").await;
    north_node.drain().await;
    let north_node = world.start(&north).await;
    crate::csp::reconnect(&mut ada).await;
    assert_eq!(say(&mut ada, Recipient::Group(club), "still here?").await.result.code, Code::SUCCESSFUL);
    assert_eq!(text(&receive(&mut bo).await), "still here?");
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_made_elsewhere_found_and_verified() {
    let world = World::new().await;
    let agreement = "services = [\"im\", \"group\", \"search\"]\n";
    let place = |domain: &str, peer: &str| {
        world.place_with(domain, &Writing { peers: &[peer], agreement, ..Writing::default() })
    };
    let (north, south) = (
        place("north.made.example", "south.made.example"),
        place("south.made.example", "north.made.example"),
    );
    let nodes = [world.start(&north).await, world.start(&south).await];
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    // When a user makes a public group in another domain, it lives there and is hers
    let regatta = group("wv:/regatta@south.made.example");
    let found = [("Name", "Regatta"), ("Searchable", "T")];
    assert_eq!(code(&create(&mut ada, &regatta, "Ada", &found).await), 200);
    assert_eq!(code(&create(&mut ada, &regatta, "Ada", &found).await), 801);
    join(&mut bo, &regatta, "Bo").await;
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo"));
    say(&mut bo, Recipient::Group(regatta.clone()), "ready?").await;
    assert_eq!(words(&message(&mut ada).await), "ready?");
    // But a private one belongs to the domain of its owner
    assert_eq!(code(&create(&mut ada, &group("wv:ada/own@south.made.example"), "Ada", &[]).await), 816);
    // Then it is found here and from elsewhere, and known to exist
    let hidden = group("wv:/hidden@south.made.example");
    create(&mut bo, &hidden, "Bo", &[("Name", "Hidden regatta")]).await;
    let search = |element: &str, string: &str| {
        let pair = SearchPair { element: element.into(), string: string.into(), id: None };
        SearchRequest { pairs: vec![pair], limit: Some(5), ..SearchRequest::default() }
    };
    let Primitive::SearchResponse(here) = ask(&mut bo, search("GROUP_NAME", "regat")).await else { panic!() };
    assert_eq!(here.groups, std::slice::from_ref(&regatta));
    let elsewhere = ask(&mut ada, search("GROUP_ID", "/regatta@south.made.example")).await;
    let Primitive::SearchResponse(there) = elsewhere else { panic!("{elsewhere:?}") };
    assert_eq!(there.groups, std::slice::from_ref(&regatta));
    let ids = vec![Entity::Group(regatta), Entity::Group(group("wv:/none@south.made.example"))];
    let verified = ask(&mut ada, VerifyIdRequest { ids }).await;
    assert_eq!(code(&verified), 201);
    assert_eq!(verified.status().unwrap().details[0].code, Code::NO_GROUP);
    for node in nodes {
        node.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_join_at_once_are_all_in() {
    let world = World::new().await;
    let north = place(&world, "north.many.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let square = group("wv:/square@north.many.example");
    create(&mut ada, &square, "Ada", &[]).await;
    let mut phones = Vec::new();
    for number in 0..24 {
        phones.push(north.phone(&format!("u{number}"), Manner { digest: false, ..modern() }).await);
    }
    // When they all press the button at the same moment, and want the same name
    let request = JoinGroupRequest { screen_name: None, subscribe: false, ..join_request(&square, "x") };
    let mut joining = tokio::task::JoinSet::new();
    for mut phone in phones {
        let request = request.clone();
        joining.spawn(async move { (code(&ask(&mut phone, request).await), phone) });
    }
    let joined = joining.join_all().await;
    // Then everybody is in
    assert!(joined.iter().all(|(code, _)| *code == 200));
    let Primitive::GetJoinedUsersResponse(answer) =
        ask(&mut ada, GetJoinedUsersRequest { group: square }).await
    else {
        panic!()
    };
    assert_eq!(answer.joined.users.len(), 24);
    node.drain().await;
}
