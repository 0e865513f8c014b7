//! Notifications of 1.3: who wants to watch, and what another client of the same user has done.

use causeway::imps::primitive::{
    BlockEntityRequest, DeleteListRequest, NotificationRequest, NotificationType,
    SubscribeNotificationRequest, UnsubscribeNotificationRequest,
};

#[allow(clippy::wildcard_imports, reason = "the words of these plays")]
use super::*;

async fn told(phone: &mut Phone) -> NotificationRequest {
    match receive(phone).await {
        Primitive::NotificationRequest(told) => *told,
        other => panic!("{other:?}"),
    }
}

async fn another(place: &Place, user: &str, client: &str, version: Version) -> Phone {
    let mut phone = Phone::new(place.csp, place.user(user), client, manner(version, Encoding::Wbxml));
    phone.login(PASSWORD).await.unwrap();
    phone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_1_3_is_asked_by_a_notification_and_answers_with_an_attribute_list() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Wbxml)).await;
    let mut ada = north.phone("ada", manner(Version::V1_1, Encoding::Xml)).await;
    let mut cy = north.phone("cy", manner(Version::V1_2, Encoding::Wbxml)).await;
    publish(&mut bo, "here").await;
    // When somebody of whom nothing is said subscribes
    let request = SubscribePresenceRequest {
        users: vec![id(BO)],
        attributes: Some(names(SEEN)),
        ..SubscribePresenceRequest::default()
    };
    assert_eq!(code(&ask(&mut ada, request).await), 200);
    let question = told(&mut bo).await;
    assert_eq!(question.kind, NotificationType::AuthNeededUser);
    assert_eq!((question.users, question.attributes), (vec![id(ADA)], Some(names(SEEN))));
    nothing_waits(&mut ada).await;
    // Then an attribute list is the answer
    let list = |users: Vec<UserId>, default_list, notify| CreateAttributeListRequest {
        attributes: names(SEEN),
        users,
        contact_lists: Vec::new(),
        default_list,
        default_notify: Some(notify),
        user_notify: None,
        contact_list_notify: None,
    };
    assert_eq!(code(&ask(&mut bo, list(vec![id(ADA)], false, false)).await), 200);
    hears(&mut ada, "here").await;
    // Everybody may see it, and bo wants to hear who does
    assert_eq!(code(&ask(&mut bo, list(Vec::new(), true, true)).await), 200);
    let request = GetAttributeListRequest { default_list: true, ..Default::default() };
    match ask(&mut bo, request).await {
        Primitive::GetAttributeListResponse(answer) => {
            assert_eq!(answer.default.and_then(|list| list.notify), Some(true));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(subscribe(&mut cy, &[BO]).await, Status::ok());
    hears(&mut cy, "here").await;
    let heard = told(&mut bo).await;
    assert_eq!((heard.kind, heard.default_list), (NotificationType::AuthNeededDefault, Some(true)));
    assert_eq!(heard.users, [id("wv:cy@north.example")]);
    // Once for each who is new
    assert_eq!(subscribe(&mut cy, &[BO]).await, Status::ok());
    nothing_waits(&mut bo).await;
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_hears_what_another_of_its_user_changes_if_it_wants_to() {
    let world = World::new().await;
    let north = world.place("north.example", &[]);
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    let mut desk = another(&north, "ada", "desk", Version::V1_3).await;
    let mut old = another(&north, "ada", "old", Version::V1_2).await;
    let list = "wv:ada/friends@north.example";
    let id_of = |list: &str| list.parse().unwrap();
    let create = CreateListRequest { list: id_of(list), contacts: Vec::new(), properties: Vec::new() };
    // Who said nothing hears nothing, and 1.2 has no such wish
    assert_eq!(code(&ask(&mut ada, create).await), 200);
    nothing_waits(&mut desk).await;
    let all = SubscribeNotificationRequest::default();
    assert_eq!(code(&ask(&mut old, all.clone()).await), 405);
    assert_eq!(code(&ask(&mut desk, all).await), 200);
    // Contact lists
    let rename = causeway::imps::primitive::ListManageRequest {
        list: id_of(list),
        add: vec![Contact { user: id(ADA), nickname: Some("me".into()) }],
        remove: Vec::new(),
        properties: Vec::new(),
        receive: Some(false),
        authorize_and_grant: None,
    };
    assert_eq!(code(&ask(&mut ada, rename).await), 200);
    let heard = told(&mut desk).await;
    assert_eq!((heard.kind, heard.contact_lists), (NotificationType::ContactListChanged, vec![id_of(list)]));
    assert_eq!(code(&ask(&mut ada, DeleteListRequest { list: id_of(list) }).await), 200);
    assert_eq!(told(&mut desk).await.kind, NotificationType::ContactListDeleted);
    // Block and grant lists
    let add = Some(Entities { users: vec![id(BO)], ..Entities::default() });
    let block = Some(BlockList { in_use: Some(false), add, ..BlockList::default() });
    let request = Primitive::BlockEntityRequest(Box::new(BlockEntityRequest { block, grant: None }));
    assert_eq!(code(&ada.ask(request).await.unwrap()), 200);
    assert_eq!(told(&mut desk).await.kind, NotificationType::BlockListChanged);
    let heard = told(&mut desk).await;
    assert_eq!((heard.kind, heard.block_in_use), (NotificationType::BlockListUsageChanged, Some(false)));
    // Who may see what
    open_to_all(&mut ada, SEEN).await;
    let heard = told(&mut desk).await;
    assert_eq!((heard.kind, heard.attributes), (NotificationType::AuthorizationChanged, Some(names(SEEN))));
    // What it does itself it knows, and what it wants no more it hears no more
    open_to_all(&mut desk, SEEN).await;
    let types = vec![NotificationType::AuthorizationChanged];
    assert_eq!(code(&ask(&mut desk, UnsubscribeNotificationRequest { types }).await), 200);
    open_to_all(&mut ada, &[AttributeName::Alias]).await;
    nothing_waits(&mut desk).await;
    nothing_waits(&mut old).await;
    node.drain().await;
}
