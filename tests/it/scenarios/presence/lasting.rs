//! Subscriptions over time: lists that are followed, peers that are gone and come back, watchers that
//! are no more, what is remembered of those who watched, and the pace of notices.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use causeway::imps::Moment;
use causeway::imps::primitive::{
    DeleteListRequest, GetWatcherListResponse, ListManageRequest, WatcherStatus,
};
use causeway::relay::ports::{Change, Outcome, PresenceChange, Store as _};
use causeway::store::sqlite::{self, Sqlite};

#[allow(clippy::wildcard_imports, reason = "the words of these plays")]
use super::*;

fn contacts(users: &[&str]) -> Vec<Contact> {
    users.iter().map(|user| Contact { user: id(user), nickname: None }).collect()
}

fn change(list: &str, add: &[&str], remove: &[&str]) -> ListManageRequest {
    ListManageRequest {
        list: list.parse().unwrap(),
        add: contacts(add),
        remove: remove.iter().map(|user| id(user)).collect(),
        properties: Vec::new(),
        receive: Some(false),
        authorize_and_grant: None,
    }
}

async fn watchers(phone: &mut Phone, history_period: Option<u32>) -> GetWatcherListResponse {
    match ask(phone, GetWatcherListRequest { history_period, limit: None }).await {
        Primitive::GetWatcherListResponse(list) => list,
        other => panic!("{other:?}"),
    }
}

fn statuses(list: &GetWatcherListResponse) -> Vec<(UserId, WatcherStatus)> {
    list.watchers.iter().map(|watcher| (watcher.user.id.clone(), watcher.status.unwrap())).collect()
}

/// Waits until the watchers are these.
async fn watched_by(phone: &mut Phone, users: &[&str]) {
    let begin = std::time::Instant::now();
    loop {
        let found = watchers(phone, None).await;
        let found: Vec<UserId> = found.watchers.into_iter().map(|watcher| watcher.user.id).collect();
        if found == users.iter().map(|user| id(user)).collect::<Vec<_>>() {
            return;
        }
        assert!(begin.elapsed() < crate::world::PATIENCE, "{found:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The next notice about this user with this status.
async fn status_of(phone: &mut Phone, user: &str, status: &str) -> Presence {
    loop {
        let presence = notified(phone).await;
        if presence.user == id(user)
            && shown(&presence, AttributeName::OnlineStatus).as_deref() == Some(status)
        {
            return presence;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_follow_a_contact_list_at_home_and_abroad() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut ada = north.phone("ada", manner(Version::V1_2, Encoding::Wbxml)).await;
    let mut cy = north.phone("cy", modern()).await;
    let mut bo = south.phone("bo", manner(Version::V1_1, Encoding::Xml)).await;
    for phone in [&mut cy, &mut bo] {
        open_to_all(phone, SEEN).await;
    }
    // Given that ada follows a list on which nobody is
    let list = "wv:ada/friends@north.example";
    let request =
        CreateListRequest { list: list.parse().unwrap(), contacts: Vec::new(), properties: Vec::new() };
    assert_eq!(code(&ask(&mut ada, request).await), 200);
    let follow = SubscribePresenceRequest {
        contact_lists: vec![list.parse().unwrap()],
        auto_subscribe: Some(true),
        ..SubscribePresenceRequest::default()
    };
    assert_eq!(code(&ask(&mut ada, follow.clone()).await), 200);
    // When others come onto it, then it sees them
    let cy_id = "wv:cy@north.example";
    assert_eq!(code(&ask(&mut ada, change(list, &[cy_id], &[])).await), 200);
    status_of(&mut ada, cy_id, "T").await;
    assert_eq!(code(&ask(&mut ada, change(list, &[BO], &[])).await), 200);
    status_of(&mut ada, BO, "T").await;
    // When one leaves it, then only the other is seen
    assert_eq!(code(&ask(&mut ada, change(list, &[], &[BO])).await), 200);
    watched_by(&mut bo, &[]).await;
    watched_by(&mut cy, &[ADA]).await;
    // And with the list it ends
    let delete = DeleteListRequest { list: list.parse().unwrap() };
    assert_eq!(code(&ask(&mut ada, delete).await), 200);
    watched_by(&mut cy, &[]).await;
    // The lists of 1.1 never follow
    let mut old = north.phone("dee", manner(Version::V1_1, Encoding::Xml)).await;
    let request = CreateListRequest {
        list: "wv:dee/friends@north.example".parse().unwrap(),
        contacts: contacts(&[cy_id]),
        properties: Vec::new(),
    };
    assert_eq!(code(&ask(&mut old, request).await), 200);
    let plain = SubscribePresenceRequest {
        contact_lists: vec!["wv:dee/friends@north.example".parse().unwrap()],
        ..SubscribePresenceRequest::default()
    };
    assert_eq!(code(&ask(&mut old, plain).await), 200);
    assert_eq!(code(&ask(&mut old, change("wv:dee/friends@north.example", &[BO], &[])).await), 200);
    watched_by(&mut bo, &[]).await;
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_peer_that_is_gone_are_offline_until_it_is_back() {
    let world = World::new().await;
    let (agreement, sections) = ("services = [\"im\", \"presence\"]", "[limits]\npeer-gone-seconds = 1\n");
    let writing = Writing { peers: &["south.example"], agreement, sections, ..Writing::default() };
    let north = world.place_with("north.example", &writing);
    let south = place(&world, "south.example", &["north.example"]);
    let (north_node, south_node) = (world.start(&north).await, world.start(&south).await);
    let mut ada = north.phone("ada", modern()).await;
    let mut bo = south.phone("bo", modern()).await;
    open_to_all(&mut bo, SEEN).await;
    publish(&mut bo, "here").await;
    assert_eq!(subscribe(&mut ada, &[BO]).await, Status::ok());
    hears(&mut ada, "here").await;
    // When the other provider is gone, and that is noticed
    south_node.drain().await;
    ada.send(&[id(BO)], "are you there?", false).await.unwrap();
    // Then bo is shown as offline
    let presence = status_of(&mut ada, BO, "F").await;
    assert_eq!(shown(&presence, AttributeName::UserAvailability).as_deref(), Some("NOT_AVAILABLE"));
    // When it is back, then ada sees bo as it is, without asking again
    let south_node = world.start(&south).await;
    bo.login(PASSWORD).await.unwrap();
    publish(&mut bo, "back").await;
    hears(&mut ada, "back").await;
    assert_eq!(watchers(&mut bo, None).await.watchers.len(), 1);
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_peer_that_is_gone_for_a_week_watch_nobody() {
    let (world, (north, north_node), (south, south_node)) = pair().await;
    // Given a watcher at another provider
    let mut ada = north.phone("ada", modern()).await;
    open_to_all(&mut ada, SEEN).await;
    let mut bo = south.phone("bo", modern()).await;
    assert_eq!(subscribe(&mut bo, &[ADA]).await, Status::ok());
    watched_by(&mut ada, &[BO]).await;
    south_node.drain().await;
    north_node.drain().await;
    // When that provider has been out of reach for eight days, as this one has written down
    {
        let eight_days_ago = SystemTime::now() - Duration::from_secs(8 * 86_400);
        let millis = eight_days_ago.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let since = Some(Moment::from_millis(u64::try_from(millis).unwrap()));
        let gone = PresenceChange::Unreachable { peer: "south.example".parse().unwrap(), since };
        let store = Sqlite::open(&sqlite::Settings::at(north.provider.folder.join("data"))).unwrap();
        let changes = vec![Change::Presence(Box::new(gone))];
        assert_eq!(store.commit(changes).await.unwrap(), [Outcome::Done]);
    }
    let north_node = world.start(&north).await;
    ada.login(PASSWORD).await.unwrap();
    watched_by(&mut ada, &[BO]).await;
    // And still nothing gets through
    publish(&mut ada, "anybody there?").await;
    // Then nobody of it watches any more
    watched_by(&mut ada, &[]).await;
    north_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_its_home_does_not_know_watches_no_more() {
    let world = World::new().await;
    let north = place(&world, "north.example", &["west.example"]);
    let west = ScriptedPeer::start(&world, &north, "west.example").await;
    let node = world.start(&north).await;
    let mut ada = north.phone("ada", modern()).await;
    open_to_all(&mut ada, SEEN).await;
    let session = west.log_in(1).await;
    let subscribes = |who: &str| {
        format!(
            "<SubscribeRequest><MetaInfo clientOriginated='Yes'><Requestor serviceID='wv:@west.example'>\
             <User userID='{who}'/></Requestor></MetaInfo><UserID userID='{ADA}'/></SubscribeRequest>"
        )
    };
    let (yan, zoe) = ("wv:yan@west.example", "wv:zoe@west.example");
    let told = async || loop {
        let heard = west.next().await;
        if heard.text.contains("<PresenceNotification>") {
            return heard;
        }
    };
    // Given two watchers, each of whom hears how ada is
    for (transaction, who) in [("t1", yan), ("t2", zoe)] {
        west.say(&in_session(&session.ours, &[request(transaction, &subscribes(who))])).await;
        told().await;
    }
    watched_by(&mut ada, &[yan, zoe]).await;
    // When both are told of a change and the peer knows only one of them
    publish(&mut ada, "out").await;
    let heard = told().await;
    assert!(heard.text.contains(yan) && heard.text.contains(zoe), "{}", heard.text);
    let id = heard.transaction().id.to_string();
    let status = format!(
        "<Status code='201'><DetailedResult code='531'><UserID userID='{zoe}'/></DetailedResult></Status>"
    );
    west.say(&in_session(&session.ours, &[response(&id, &status)])).await;
    // Then the other watches no more
    watched_by(&mut ada, &[yan]).await;
    // And when the peer knows nobody at all, nobody watches
    publish(&mut ada, "back").await;
    let id = told().await.transaction().id.to_string();
    west.say(&in_session(&session.ours, &[response(&id, "<Status code='531'/>")])).await;
    watched_by(&mut ada, &[]).await;
    node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watcher_list_shows_who_watched_and_who_looked() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut bo = south.phone("bo", manner(Version::V1_3, Encoding::Xml)).await;
    open_to_all(&mut bo, SEEN).await;
    let mut ada = north.phone("ada", manner(Version::V1_2, Encoding::Wbxml)).await;
    let mut cy = south.phone("cy", manner(Version::V1_1, Encoding::Wbxml)).await;
    let mut dee = south.phone("dee", modern()).await;
    for phone in [&mut ada, &mut dee] {
        assert_eq!(subscribe(phone, &[BO]).await, Status::ok());
    }
    assert_eq!(look(&mut cy, &[BO], None).await.result, Status::ok());
    // Given that dee leaves without a word
    dee.logout().await.unwrap();
    watched_by(&mut bo, &[ADA]).await;
    // Then the list shows who watches, and who did when it is asked to look back
    let (dee_id, cy_id) = ("wv:dee@south.example", "wv:cy@south.example");
    let found = watchers(&mut bo, Some(3600)).await;
    let mut shown = statuses(&found);
    shown[1..].sort();
    assert_eq!(
        shown,
        [
            (id(ADA), WatcherStatus::Current),
            (id(cy_id), WatcherStatus::Access),
            (id(dee_id), WatcherStatus::Former),
        ]
    );
    assert_eq!((found.history_period, found.count), (Some(3600), Some(3)));
    // At most a month back
    assert_eq!(watchers(&mut bo, Some(u32::MAX)).await.history_period, Some(30 * 86_400));
    // And who unsubscribes watched until then
    assert_eq!(unsubscribe(&mut ada, BO).await, 200);
    let found = statuses(&watchers(&mut bo, Some(3600)).await);
    assert!(found.contains(&(id(ADA), WatcherStatus::Former)), "{found:?}");
    // In 1.2 there is no count, in 1.1 there are names alone
    let mut second = Phone::new(south.csp, south.user("bo"), "old", manner(Version::V1_1, Encoding::Xml));
    second.login(PASSWORD).await.unwrap();
    let old = watchers(&mut second, None).await;
    assert_eq!((old.count, old.watchers.len()), (None, 0));
    north_node.drain().await;
    south_node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_often_is_told_once_in_a_while() {
    let (_world, (north, north_node), (south, south_node)) = pair().await;
    let mut bo = south.phone("bo", modern()).await;
    let mut ada = north.phone("ada", manner(Version::V1_1, Encoding::Wbxml)).await;
    open_to_all(&mut bo, SEEN).await;
    assert_eq!(subscribe(&mut ada, &[BO]).await, Status::ok());
    status_of(&mut ada, BO, "T").await;
    let begin = std::time::Instant::now();
    publish(&mut bo, "one").await;
    hears(&mut ada, "one").await;
    // When bo cannot decide
    for text in ["two", "three", "four"] {
        publish(&mut bo, text).await;
    }
    // Then ada hears what it came to, and not before two seconds are over
    let presence = notified(&mut ada).await;
    assert_eq!(shown(&presence, AttributeName::StatusText).as_deref(), Some("four"));
    assert!(begin.elapsed() >= std::time::Duration::from_millis(1900), "{:?}", begin.elapsed());
    nothing_waits(&mut ada).await;
    north_node.drain().await;
    south_node.drain().await;
}
