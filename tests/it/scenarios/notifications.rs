//! What a client of 1.3 may be told that others do: who puts its user onto a list, what becomes of groups and
//! memberships, and what becomes of invitations that another client deals with.

use causeway::cli::phone::{Manner, Phone};
use causeway::imps::primitive::{
    AddGroupMembersRequest, BlockEntityRequest, BlockList, CancelInviteRequest, Contact, CreateGroupRequest,
    CreateListRequest, DeleteGroupRequest, Entities, InviteRequest, InviteType, InviteUserResponse,
    ListManageRequest, MemberAccessRequest, NotificationRequest, NotificationType, Party, Ranks, Recipient,
    RemoveGroupMembersRequest, SubscribeNotificationRequest,
};
use causeway::imps::{Code, GroupId, Primitive, UserId, Version};
use causeway::wire::Encoding;

use crate::csp::ask;
use crate::world::{PASSWORD, Place, World, manner, modern, receive};

use NotificationType as Kind;

fn id(text: &str) -> UserId {
    text.parse().unwrap()
}

/// A client of a user beside others, which wants to hear of everything.
async fn listener(place: &Place, user: &str) -> Phone {
    // The first login of a user makes the account, if it shows the password.
    let manner = Manner { digest: false, ..manner(Version::V1_3, Encoding::Wbxml) };
    let mut phone = Phone::new(place.csp, place.user(user), "listener", manner);
    phone.login(PASSWORD).await.unwrap();
    does(&mut phone, SubscribeNotificationRequest::default()).await;
    phone
}

async fn does(phone: &mut Phone, request: impl Into<Primitive>) {
    let answer = ask(phone, request).await;
    assert!(answer.code().is_success(), "{answer:?}");
}

async fn told(phone: &mut Phone) -> NotificationRequest {
    match receive(phone).await {
        Primitive::NotificationRequest(told) => *told,
        other => panic!("{}", other.name()),
    }
}

/// The next notification is one of this kind about this group.
async fn hears_of(phone: &mut Phone, kind: Kind, group: &GroupId) -> NotificationRequest {
    let heard = told(phone).await;
    assert_eq!((heard.kind, heard.group.as_ref()), (kind, Some(group)));
    heard
}

async fn nothing_waits(phone: &mut Phone) {
    assert_eq!(phone.take().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_onto_a_contact_list_hears_who_put_it_there() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = listener(&north, "bo").await;
    let (list, other) = ("wv:ada/friends@north.example", "wv:ada/crew@north.example");
    let contact = || Contact { user: id("wv:bo@north.example"), nickname: None };
    let create = |list: &str, contacts| CreateListRequest {
        list: list.parse().unwrap(),
        contacts,
        properties: Vec::new(),
    };
    does(&mut ada, create(list, vec![contact()])).await;
    let heard = told(&mut bo).await;
    assert_eq!((heard.kind, heard.users), (Kind::AddedToContactList, vec![id("wv:ada@north.example")]));
    assert_eq!(heard.contact_lists, [], "what others call their lists is theirs");
    // Once, whatever other lists it comes onto
    does(&mut ada, create(other, vec![contact()])).await;
    nothing_waits(&mut bo).await;
    // And whoever is blocked puts nobody onto a list with a noise
    let manage = |add, remove| ListManageRequest {
        list: list.parse().unwrap(),
        add,
        remove,
        properties: Vec::new(),
        receive: Some(false),
        authorize_and_grant: None,
    };
    let drop_other = causeway::imps::primitive::DeleteListRequest { list: other.parse().unwrap() };
    does(&mut ada, drop_other).await;
    does(&mut ada, manage(Vec::new(), vec![contact().user])).await;
    let blocked = Entities { users: vec![id("wv:ada@north.example")], ..Entities::default() };
    let block = Some(BlockList { add: Some(blocked), ..BlockList::default() });
    does(&mut bo, Primitive::BlockEntityRequest(Box::new(BlockEntityRequest { block, grant: None }))).await;
    does(&mut ada, manage(vec![contact()], Vec::new())).await;
    nothing_waits(&mut bo).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_hear_of_groups_that_they_are_not_in() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut desk = listener(&north, "ada").await;
    let mut bo = listener(&north, "bo").await;
    let mut cy = listener(&north, "cy").await;
    let group: GroupId = "wv:ada/sailing@north.example".parse().unwrap();
    let create = CreateGroupRequest {
        group: group.clone(),
        properties: None,
        own: Vec::new(),
        join: false,
        screen_name: None,
        subscribe: false,
    };
    does(&mut ada, create).await;
    hears_of(&mut desk, Kind::GroupCreated, &group).await;
    // Membership is given
    let users = vec![id("wv:bo@north.example"), id("wv:cy@north.example")];
    does(&mut ada, AddGroupMembersRequest { group: group.clone(), users: users.clone() }).await;
    hears_of(&mut bo, Kind::GroupMembershipGranted, &group).await;
    hears_of(&mut cy, Kind::GroupMembershipGranted, &group).await;
    let heard = hears_of(&mut desk, Kind::GroupMembersUpdated, &group).await;
    assert_eq!(heard.members.into_iter().map(|user| user.id).collect::<Vec<_>>(), users);
    // Somebody gets another rank, and looks after the group from then on
    let members = Ranks { moderators: vec![users[0].clone()], ..Ranks::default() };
    does(&mut ada, MemberAccessRequest { group: group.clone(), members }).await;
    hears_of(&mut bo, Kind::GroupMemberAccessUpdated, &group).await;
    hears_of(&mut bo, Kind::GroupMembersUpdated, &group).await;
    hears_of(&mut desk, Kind::GroupMembersUpdated, &group).await;
    // Membership is taken
    let remove = RemoveGroupMembersRequest { group: group.clone(), users: vec![users[1].clone()] };
    does(&mut ada, remove).await;
    hears_of(&mut cy, Kind::GroupMembershipRevoked, &group).await;
    hears_of(&mut bo, Kind::GroupMembersUpdated, &group).await;
    hears_of(&mut desk, Kind::GroupMembersUpdated, &group).await;
    // And the group is no more
    does(&mut ada, DeleteGroupRequest { group: group.clone() }).await;
    hears_of(&mut bo, Kind::GroupDeleted, &group).await;
    hears_of(&mut desk, Kind::GroupDeleted, &group).await;
    for phone in [&mut bo, &mut cy, &mut desk] {
        nothing_waits(phone).await;
    }
    nothing_waits(&mut ada).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_hears_what_became_of_an_invitation() {
    // Given an inviter and an invitee of another provider with two clients each
    let world = World::new().await;
    let ((north, north_node), (south, south_node)) = world.linked("north.example", "south.example").await;
    let mut ada = north.phone("ada", modern()).await;
    let mut ada_desk = listener(&north, "ada").await;
    let mut bo = south.phone("bo", modern()).await;
    let mut bo_desk = listener(&south, "bo").await;
    let invite = |id: &str| {
        Box::new(InviteRequest {
            id: id.parse().unwrap(),
            kind: InviteType::Message,
            sender: None,
            recipients: vec![Recipient::User(self::id("wv:bo@south.example").into())],
            application: None,
            group: None,
            attributes: Vec::new(),
            urls: Vec::new(),
            note: None,
            screen_name: None,
            validity: Some(600),
        })
    };
    for (name, acceptance, kind) in
        [("i-yes", true, Kind::InvitationAccepted), ("i-no", false, Kind::InvitationRejected)]
    {
        does(&mut ada, invite(name)).await;
        assert!(matches!(receive(&mut bo).await, Primitive::InviteUserRequest(_)));
        // When one client answers
        let answer = InviteUserResponse {
            id: name.parse().unwrap(),
            acceptance,
            sender: None,
            recipient: Some(Party::User(id("wv:ada@north.example").into())),
            note: None,
            screen_name: None,
        };
        does(&mut bo, answer).await;
        // Then the other hears of it, and so does the one of the inviter that did not get the answer
        let heard = told(&mut bo_desk).await;
        assert_eq!(
            (heard.kind, heard.invite.as_ref().map(causeway::imps::InviteId::as_str)),
            (kind, Some(name))
        );
        assert!(matches!(receive(&mut ada).await, Primitive::InviteResponse(_)));
        assert_eq!(told(&mut ada_desk).await.kind, kind);
    }
    // And that it was taken back
    does(&mut ada, invite("i-back")).await;
    assert!(matches!(receive(&mut bo).await, Primitive::InviteUserRequest(_)));
    let cancel = CancelInviteRequest {
        id: "i-back".parse().unwrap(),
        sender: None,
        recipients: Vec::new(),
        application: None,
        group: None,
        attributes: Vec::new(),
        urls: Vec::new(),
        note: None,
        screen_name: None,
    };
    let answer = ask(&mut ada, Box::new(cancel)).await;
    assert_eq!(answer.code(), Code::SUCCESSFUL);
    assert_eq!(told(&mut ada_desk).await.kind, Kind::InvitationCancelled);
    assert!(matches!(receive(&mut bo).await, Primitive::CancelInviteUserRequest(_)));
    assert_eq!(told(&mut bo_desk).await.kind, Kind::InvitationCancelled);
    for phone in [&mut ada_desk, &mut bo_desk] {
        nothing_waits(phone).await;
    }
    north_node.drain().await;
    south_node.drain().await;
}
