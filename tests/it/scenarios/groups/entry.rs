//! Who may come into a group: by invitation, by age, as a member, and at every login.

use causeway::cli::laboratory::Writing;
use causeway::cli::phone::Phone;
use causeway::imps::primitive::{
    GetJoinedUsersRequest, InviteRequest, InviteType, InviteUserRequest, InviteUserResponse,
    JoinGroupRequest, PublicProfile, Recipient, RejectListRequest, SetGroupPropsRequest,
    UpdatePublicProfileRequest,
};
use causeway::imps::{GroupId, Primitive, UserId, Version};
use causeway::wire::Encoding;

use super::{code, create, group, join, join_request, linked, notice, place, property};
use crate::csp::ask;
use crate::world::{PATIENCE, World, manner, modern, receive};

/// Invites somebody into a group, who accepts.
async fn bring(host: &mut Phone, guest: &mut Phone, into: &GroupId, kind: InviteType, id: &str) {
    let request = InviteRequest {
        id: id.parse().unwrap(),
        kind,
        sender: None,
        recipients: vec![Recipient::User(guest.user().clone().into())],
        application: None,
        group: Some(into.clone()),
        attributes: Vec::new(),
        urls: Vec::new(),
        note: None,
        screen_name: None,
        validity: Some(600),
    };
    assert_eq!(code(&ask(host, Box::new(request)).await), 200);
    let asked: InviteUserRequest = loop {
        if let Primitive::InviteUserRequest(asked) = receive(guest).await {
            break *asked;
        }
    };
    assert_eq!((asked.kind, asked.group.as_ref()), (kind, Some(into)));
    let answer = InviteUserResponse {
        id: asked.id,
        acceptance: true,
        sender: None,
        recipient: None,
        note: None,
        screen_name: None,
    };
    assert_eq!(code(&ask(guest, answer).await), 200);
    loop {
        if let Primitive::InviteResponse(heard) = receive(host).await {
            break assert!(heard.acceptance);
        }
    }
}

async fn tried(phone: &mut Phone, id: &GroupId, as_whom: &str) -> u16 {
    code(&ask(phone, join_request(id, as_whom)).await)
}

/// Tries until it is let in: a group elsewhere hears of a new member a moment later.
async fn let_in(phone: &mut Phone, id: &GroupId) {
    let begin = std::time::Instant::now();
    while tried(phone, id, "Bo").await != 200 {
        assert!(begin.elapsed() < PATIENCE, "{} is not let into {id}", phone.user());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_by_invitation_only_opens_for_whoever_accepted_one() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.guest.example", "south.guest.example").await;
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Xml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut cy = north.phone("cy", manner(Version::V1_2, Encoding::Wbxml)).await;
    let salon = group("wv:/salon@north.guest.example");
    assert_eq!(code(&create(&mut ada, &salon, "Ada", &[("RequireInvitation", "T")]).await), 200);
    // Nobody comes in uninvited
    assert_eq!(tried(&mut bo, &salon, "Bo").await, 816);
    assert_eq!(tried(&mut cy, &salon, "Cy").await, 816);
    // Who accepted an invitation of somebody inside does, from here and from elsewhere
    bring(&mut ada, &mut bo, &salon, InviteType::Group, "g1").await;
    assert_eq!(tried(&mut bo, &salon, "Bo").await, 200);
    assert_eq!(notice(&mut ada).await.moves.joined[0].name.as_deref(), Some("Bo"));
    bring(&mut bo, &mut cy, &salon, InviteType::Group, "g2").await;
    assert_eq!(tried(&mut cy, &salon, "Cy").await, 200);
    // Who is rejected and forgiven needs another one
    let list = |add: &[&Phone], remove: &[&Phone]| RejectListRequest {
        group: salon.clone(),
        add: add.iter().map(|phone| phone.user().clone()).collect::<Vec<_>>().into(),
        remove: remove.iter().map(|phone| phone.user().clone()).collect::<Vec<_>>().into(),
    };
    assert_eq!(code(&ask(&mut ada, list(&[&cy], &[])).await), 200);
    assert_eq!(tried(&mut cy, &salon, "Cy").await, 809);
    assert_eq!(code(&ask(&mut ada, list(&[], &[&cy])).await), 200);
    assert_eq!(tried(&mut cy, &salon, "Cy").await, 816);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_a_membership_makes_a_member_wherever_the_group_is_at_home() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.member.example", "south.member.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Wbxml)).await;
    // A restricted group at the inviter's home, and one at the invitee's
    for (number, address) in
        ["wv:/crew@north.member.example", "wv:/crew@south.member.example"].into_iter().enumerate()
    {
        let crew = group(address);
        let made = create(&mut ada, &crew, "Ada", &[("AccessType", "Restricted")]).await;
        assert_eq!(code(&made), 200, "{address}");
        assert_eq!(tried(&mut bo, &crew, "Bo").await, 816, "{address}");
        bring(&mut ada, &mut bo, &crew, InviteType::Membership, &format!("m{number}")).await;
        let_in(&mut bo, &crew).await;
    }
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_invited_into_a_group_of_a_third_domain_is_made_by_the_inviters_home() {
    let world = World::new().await;
    let domains = ["north.third.example", "south.third.example", "east.third.example"];
    let others = |own: &str| domains.into_iter().filter(|domain| *domain != own).collect::<Vec<_>>();
    let places = domains.map(|domain| place(&world, domain, &others(domain)));
    let mut nodes = Vec::new();
    for place in &places {
        nodes.push(world.start(place).await);
    }
    let mut ada = places[0].phone("ada", modern()).await;
    let mut bo = places[1].phone("bo", modern()).await;
    let crew = group("wv:/crew@east.third.example");
    assert_eq!(code(&create(&mut ada, &crew, "Ada", &[("AccessType", "Restricted")]).await), 200);
    bring(&mut ada, &mut bo, &crew, InviteType::Membership, "m1").await;
    let_in(&mut bo, &crew).await;
    for node in nodes {
        node.drain().await;
    }
}

async fn says_it_is(phone: &mut Phone, years: &str) {
    let user: UserId = phone.user().clone();
    let profile = PublicProfile { user, properties: vec![property("PP_AGE", years)] };
    let update = UpdatePublicProfileRequest { clear: None, profile: Some(profile) };
    assert_eq!(code(&ask(phone, update).await), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minimum_age_asks_the_public_profile_here_and_elsewhere() {
    let world = World::new().await;
    let agreement = "services = [\"im\", \"group\", \"search\"]\n";
    let place = |domain: &str, peer: &str| {
        world.place_with(domain, &Writing { peers: &[peer], agreement, ..Writing::default() })
    };
    let north = place("north.age.example", "south.age.example");
    let south = place("south.age.example", "north.age.example");
    let nodes = [world.start(&north).await, world.start(&south).await];
    let mut ada = north.phone("ada", manner(Version::V1_3, Encoding::Wbxml)).await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    let mut cy = north.phone("cy", manner(Version::V1_1, Encoding::Xml)).await;
    let club = group("wv:/club@north.age.example");
    assert_eq!(code(&create(&mut ada, &club, "Ada", &[("MinimumAge", "18")]).await), 200);
    // Whose age is not known stays out, and who is too young
    assert_eq!(tried(&mut cy, &club, "Cy").await, 816);
    assert_eq!(tried(&mut bo, &club, "Bo").await, 816);
    says_it_is(&mut bo, "17").await;
    assert_eq!(tried(&mut bo, &club, "Bo").await, 816);
    // Who is old enough comes in
    says_it_is(&mut bo, "18").await;
    assert_eq!(tried(&mut bo, &club, "Bo").await, 200);
    for node in nodes {
        node.drain().await;
    }
}

/// How many ordinary users are in a group.
async fn inside(phone: &mut Phone, id: &GroupId) -> usize {
    match ask(phone, GetJoinedUsersRequest { group: id.clone() }).await {
        Primitive::GetJoinedUsersResponse(answer) => answer.joined.users.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_always_wants_to_be_in_is_in_after_login_here_and_elsewhere() {
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) =
        linked(&world, "north.auto.example", "south.auto.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.silent_phone("bo", manner(Version::V1_1, Encoding::Wbxml));
    let (here, there) = (group("wv:/here@south.auto.example"), group("wv:/there@north.auto.example"));
    create(&mut ada, &there, "Ada", &[]).await;
    create(&mut ada, &here, "Ada", &[]).await;
    // Bo wants to be in both whenever he is logged in: he says so with a join, or afterwards
    let own = vec![property("AutoJoin", "T")];
    let wish = JoinGroupRequest { own: own.clone(), ..join_request(&there, "Bo") };
    let mut modern_bo = south.phone("bo", modern()).await;
    assert_eq!(code(&ask(&mut modern_bo, wish).await), 200);
    join(&mut modern_bo, &here, "Bo").await;
    let set = SetGroupPropsRequest { group: here.clone(), properties: None, own };
    assert_eq!(code(&ask(&mut modern_bo, set).await), 200);
    modern_bo.logout().await.unwrap();
    // When he logs in again
    bo.login(crate::world::PASSWORD).await.unwrap();
    // Then he is told that he is in, and with whom
    let mut told = vec![notice(&mut bo).await, notice(&mut bo).await];
    told.sort_by_key(|notice| notice.group.to_string());
    assert_eq!(told.iter().map(|notice| &notice.group).collect::<Vec<_>>(), [&here, &there]);
    for notice in &told {
        let names: Vec<_> = notice.moves.joined.iter().filter_map(|found| found.name.as_deref()).collect();
        assert_eq!(names.len(), 2, "{}: {names:?}", notice.group);
    }
    assert_eq!((inside(&mut ada, &here).await, inside(&mut ada, &there).await), (1, 1));
    // When he wants it no longer, and logs in once more, he is out of the one elsewhere
    let never = vec![property("AutoJoin", "F")];
    let set = SetGroupPropsRequest { group: there.clone(), properties: None, own: never };
    assert_eq!(code(&ask(&mut bo, set).await), 200);
    bo.logout().await.unwrap();
    bo.login(crate::world::PASSWORD).await.unwrap();
    assert_eq!(notice(&mut bo).await.group, here);
    assert_eq!(bo.take().await.unwrap(), None);
    while inside(&mut ada, &there).await > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(inside(&mut ada, &here).await, 1);
    north_node.drain().await;
    south_node.drain().await;
}
