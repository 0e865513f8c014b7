//! What every store must do about presence: what users publish, who may see it, who watches.

use super::{account, all, at, csp_record, domain, one, user, with_ada};
use crate::element::presence::{
    Edit, FOLLOWED_LISTS_MAX, FollowedList, Following, For, Grant, PAST_MAX, Past, Published, Publisher,
    Question, Told, Watch, Wish,
};
use crate::imps::presence::{Attribute, AttributeName, AttributeSet, Plain, PresenceSubList};
use crate::imps::primitive::{ClientId, NotificationSet, User, WatcherStatus};
use crate::imps::{SessionId, UserId};
use crate::relay::ports::{Change, FOLLOWING_MAX, Outcome, PresenceChange, Store, Watchers};

const ADA: &str = "wv:ada@north.example";
const BO: &str = "wv:Bo@south.example";

fn session(text: &str) -> SessionId {
    text.parse().unwrap()
}

fn some() -> AttributeSet {
    [AttributeName::OnlineStatus, AttributeName::StatusText].into_iter().collect()
}

fn change(change: PresenceChange) -> Change {
    Change::Presence(Box::new(change))
}

fn edits(version: u64, edits: Vec<Edit>) -> Change {
    change(PresenceChange::Edit { owner: user("wv:ADA@north.example"), version, edits })
}

async fn publisher(store: &dyn Store) -> Option<Publisher> {
    store.publishers(vec![user(ADA)], Watchers::behind(None)).await.unwrap().remove(0)
}

fn says(client: &str, text: &str) -> Published {
    let value = Some(text).filter(|text| !text.is_empty()).map(|text| {
        Attribute::StatusText(Plain { qualifier: Some(true), value: Some(text.into()), client: None })
    });
    Published { client: client.into(), attributes: PresenceSubList::new(value.into_iter().collect()) }
}

fn visitor(who: &str, client: Option<&str>) -> Watch {
    let client = client.map(|url| ClientId { url: Some(url.into()), ..ClientId::default() });
    Watch {
        watcher: User { client, ..User::from(user(who)) },
        session: None,
        wanted: AttributeSet::ALL,
        told: Told::default(),
    }
}

fn at_home(id: &str) -> Watch {
    Watch { session: Some(session(id)), wanted: some(), ..visitor("wv:Cy@north.example", Some("phone")) }
}

fn past(who: &str, status: WatcherStatus, when: u64, by: Option<&str>) -> Past {
    Past { watcher: user(who), status, at: at(when), session: by.map(session) }
}

pub(in crate::store) async fn presence_is_kept_and_changed_by_whoever_was_first(store: &dyn Store) {
    assert_eq!(publisher(store).await, None, "there is no account");
    assert_eq!(one(store, edits(0, Vec::new())).await, Outcome::Missing);
    with_ada(store).await;
    assert_eq!(publisher(store).await, Some(Publisher::new(user(ADA))));
    let list = "wv:ada/friends@north.example".parse().unwrap();
    let question = Question { watcher: user("wv:Eve@west.example"), attributes: some(), until: at(900) };
    let steps = vec![
        Edit::Publish(says("", "hello")),
        Edit::Publish(says("phone", "there")),
        Edit::Grant(Grant { to: For::Everybody, attributes: Some(AttributeSet::NONE), notify: true }),
        Edit::Grant(Grant { to: For::List(list), attributes: None, notify: true }),
        Edit::Grant(Grant { to: For::User(user(BO)), attributes: Some(some()), notify: true }),
        Edit::Ask(question),
        Edit::Watch(visitor(BO, Some("desk"))),
        Edit::Watch(visitor(BO, None)),
        Edit::Watch(at_home("s-1")),
        Edit::Told(visitor(BO, None).key(), Told { shown: some(), digest: -7 }),
        Edit::Past(past(BO, WatcherStatus::Former, 5, Some("s-1"))),
    ];
    let mut expected = Publisher { version: 1, ..Publisher::new(user(ADA)) };
    for step in &steps {
        expected.apply(step);
    }
    assert_eq!(one(store, edits(0, steps.clone())).await, Outcome::Done);
    let mut kept = publisher(store).await.unwrap();
    // Order is the store's own.
    let sorted = |publisher: &mut Publisher| {
        publisher.watchers.sort_by_key(|watch| format!("{:?}", watch.key()));
        publisher.grants.sort_by_key(|grant| format!("{:?}", grant.to));
    };
    sorted(&mut kept);
    sorted(&mut expected);
    assert_eq!(kept, expected);
    assert_eq!(one(store, edits(0, steps)).await, Outcome::Conflict);
    // And all of it can be taken back
    let steps = vec![
        Edit::Publish(says("", "hello again")),
        Edit::Publish(says("phone", "")),
        Edit::Revoke(For::Everybody),
        Edit::Revoke(For::User(user("wv:BO@south.example"))),
        Edit::Answered(user("wv:eve@west.example")),
        Edit::Unwatch(visitor("wv:BO@south.example", Some("desk")).key()),
    ];
    for step in &steps {
        expected.apply(step);
    }
    assert_eq!(one(store, edits(1, steps)).await, Outcome::Done);
    let mut kept = publisher(store).await.unwrap();
    sorted(&mut kept);
    sorted(&mut expected);
    assert_eq!(kept, Publisher { version: 2, ..expected });
}

pub(in crate::store) async fn watchers_are_read_in_pages_domain_by_domain(store: &dyn Store) {
    with_ada(store).await;
    let who = ["wv:Zoe@south.example", "wv:Bo@south.example", "wv:ann@west.example", "wv:cy@north.example"];
    let mut watches: Vec<Watch> = who.iter().map(|who| visitor(who, None)).collect();
    watches.push(visitor("wv:bo@south.example", Some("desk")));
    let steps = watches.iter().cloned().map(Edit::Watch).chain([Edit::Untold]).collect();
    assert_eq!(one(store, edits(0, steps)).await, Outcome::Done);
    let read = async |watchers: Watchers| {
        let found = store.publishers(vec![user(ADA)], watchers).await.unwrap().remove(0).unwrap();
        assert_eq!(found.subscriptions, 5);
        found.watchers
    };
    let [zoe, bo, ann, cy, desk] = &watches[..] else { panic!() };
    assert_eq!(read(Watchers::Nobody).await, Vec::new());
    assert_eq!(read(Watchers::Of(user("wv:BO@south.example"))).await, [bo.clone(), desk.clone()]);
    assert_eq!(read(Watchers::Of(user("wv:o@south.example"))).await, Vec::new());
    let in_order = [cy, bo, desk, zoe, ann].map(Clone::clone);
    assert_eq!(read(Watchers::behind(None)).await, in_order);
    let mut paged = Vec::new();
    loop {
        let after = paged.last().map(Watch::key);
        let page = read(Watchers::Page { after, limit: 2 }).await;
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, in_order);
    // They are counted as they are put, put again, and gone
    let again = vec![Edit::Watch(bo.clone()), Edit::Watch(at_home("s-1")), Edit::Unwatch(ann.key())];
    assert_eq!(one(store, edits(1, again)).await, Outcome::Done);
    assert_eq!(publisher(store).await.map(|found| found.subscriptions), Some(5));
    all(store, vec![Change::DropCspSession(session("s-1"))]).await;
    assert_eq!(publisher(store).await.map(|found| found.subscriptions), Some(4));
    // Who has yet to be told is remembered until somebody told them of this change, or of a later one
    let told = |version| change(PresenceChange::ToldAll { owner: user(ADA), version });
    assert_eq!(store.untold(10).await.unwrap(), [user(ADA)]);
    assert_eq!(one(store, told(0)).await, Outcome::Missing, "an earlier one");
    assert_eq!(store.untold(10).await.unwrap().len(), 1);
    assert_eq!(one(store, told(1)).await, Outcome::Done);
    assert_eq!(store.untold(10).await.unwrap(), Vec::new());
}

pub(in crate::store) async fn what_is_followed_is_bounded_and_ends_with_the_session(store: &dyn Store) {
    let row = |by: &str, whom: &str| Following {
        watcher: user("wv:Ada@north.example"),
        session: session(by),
        presentity: user(whom),
        wanted: some(),
        stale: false,
    };
    let follow = |rows: Vec<Following>| change(PresenceChange::Follow(rows));
    assert_eq!(one(store, follow(vec![row("s-1", BO)])).await, Outcome::Missing);
    with_ada(store).await;
    all(store, vec![Change::PutCspSession(Box::new(csp_record("s-1", ADA)))]).await;
    let rows = vec![row("s-1", BO), row("s-2", BO), row("s-2", "wv:zoe@west.example")];
    assert_eq!(one(store, follow(rows.clone())).await, Outcome::Done);
    assert_eq!(store.following(user(ADA)).await.unwrap(), rows);
    assert_eq!(store.followed_in(domain("south.example")).await.unwrap(), rows[..2]);
    // Subscriptions of one domain go stale, and are renewed one by one or together
    let stale = |stale| change(PresenceChange::Stale { domain: domain("south.example"), stale });
    assert_eq!(one(store, stale(true)).await, Outcome::Done);
    assert_eq!(store.followed_domains(true).await.unwrap(), [domain("south.example")]);
    let domains = [domain("south.example"), domain("west.example")];
    assert_eq!(store.followed_domains(false).await.unwrap(), domains);
    one(store, follow(vec![row("s-1", BO)])).await;
    let marked: Vec<bool> = store.following(user(ADA)).await.unwrap().iter().map(|row| row.stale).collect();
    assert_eq!(marked, [false, true, false]);
    one(store, stale(false)).await;
    assert!(store.followed_domains(true).await.unwrap().is_empty());
    // Lists that are followed
    let list = |by: &str, name: &str| FollowedList {
        watcher: user("wv:Ada@north.example"),
        session: session(by),
        list: format!("wv:ada/{name}@north.example").parse().unwrap(),
        wanted: some(),
    };
    let lists = |rows: Vec<FollowedList>| change(PresenceChange::FollowLists(rows));
    let followed = vec![list("s-1", "friends"), list("s-2", "friends"), list("s-2", "work")];
    assert_eq!(one(store, lists(followed.clone())).await, Outcome::Done);
    assert_eq!(store.followed_lists(user(ADA)).await.unwrap(), followed);
    let many = (0..FOLLOWED_LISTS_MAX).map(|number| list("s-3", &format!("l{number}"))).collect();
    assert_eq!(one(store, lists(many)).await, Outcome::Full);
    assert_eq!(store.followed_lists(user(ADA)).await.unwrap(), followed);
    let unfollow = |by: Option<&str>, name: &str| {
        let lists = vec![list("s-1", name).list];
        change(PresenceChange::UnfollowLists { watcher: user(ADA), session: by.map(session), lists })
    };
    assert_eq!(one(store, unfollow(Some("s-1"), "work")).await, Outcome::Missing);
    assert_eq!(one(store, unfollow(None, "work")).await, Outcome::Done);
    // What a session follows ends with it
    assert_eq!(one(store, Change::DropCspSession(session("s-1"))).await, Outcome::Done);
    assert_eq!(store.following(user(ADA)).await.unwrap(), rows[1..]);
    assert_eq!(store.followed_lists(user(ADA)).await.unwrap(), followed[1..2]);
    let unfollow = |by: Option<&str>, whom: &str| {
        let presentities = vec![user(whom)];
        change(PresenceChange::Unfollow { watcher: user(ADA), session: by.map(session), presentities })
    };
    assert_eq!(one(store, unfollow(Some("s-1"), BO)).await, Outcome::Missing);
    assert_eq!(one(store, unfollow(None, BO)).await, Outcome::Done);
    assert_eq!(store.following(user(ADA)).await.unwrap(), rows[2..]);
    let many: Vec<_> =
        (0..FOLLOWING_MAX).map(|number| row("s-3", &format!("wv:u{number}@south.example"))).collect();
    assert_eq!(one(store, follow(many)).await, Outcome::Full);
}

pub(in crate::store) async fn subscriptions_of_a_visitor_are_counted(store: &dyn Store) {
    with_ada(store).await;
    one(store, Change::AddAccount(account("wv:Cy@north.example"))).await;
    let watch = |owner: &str, watches: Vec<Watch>| {
        let edits = watches.into_iter().map(Edit::Watch).collect();
        change(PresenceChange::Edit { owner: user(owner), version: 0, edits })
    };
    all(
        store,
        vec![
            watch(
                ADA,
                vec![visitor(BO, None), visitor(BO, Some("desk")), visitor("wv:zoe@west.example", None)],
            ),
            watch("wv:cy@north.example", vec![visitor(BO, None)]),
        ],
    )
    .await;
    let count = async |who: &str| store.subscriptions_of(user(who)).await.unwrap();
    assert_eq!((count("wv:bo@SOUTH.example").await, count("wv:zoe@west.example").await), (3, 1));
    assert_eq!(count("wv:nobody@west.example").await, 0);
    // Those of a whole domain too, and who they are
    let of = async |domain_of: &str| store.subscriptions_from(domain(domain_of)).await.unwrap();
    assert_eq!((of("south.example").await, of("west.example").await, of("north.example").await), (3, 1, 0));
    let who = store.watchers_from(domain("west.example"), 10).await.unwrap();
    assert_eq!(who, [(user(ADA), user("wv:zoe@west.example"))]);
    assert_eq!(store.watchers_from(domain("south.example"), 2).await.unwrap().len(), 2);
}

pub(in crate::store) async fn it_is_known_since_when_a_peer_is_out_of_reach(store: &dyn Store) {
    let unreachable = |since| change(PresenceChange::Unreachable { peer: domain("south.example"), since });
    assert_eq!(store.unreachable().await.unwrap(), []);
    assert_eq!(one(store, unreachable(Some(at(5)))).await, Outcome::Done);
    assert_eq!(one(store, unreachable(Some(at(9)))).await, Outcome::Missing, "the first moment counts");
    assert_eq!(store.unreachable().await.unwrap(), [(domain("south.example"), at(5))]);
    assert_eq!(one(store, unreachable(None)).await, Outcome::Done);
    assert_eq!(store.unreachable().await.unwrap(), []);
}

pub(in crate::store) async fn those_who_watched_are_remembered_within_a_bound(store: &dyn Store) {
    let looked = |who: String, when| {
        let past = past(&who, WatcherStatus::Access, when, None);
        change(PresenceChange::Past { owner: user(ADA), past })
    };
    assert_eq!(one(store, looked(BO.into(), 1)).await, Outcome::Missing);
    with_ada(store).await;
    all(store, vec![Change::PutCspSession(Box::new(csp_record("s-1", ADA)))]).await;
    // Who watches by a session watched until that ends
    let cy = past("wv:Cy@north.example", WatcherStatus::Former, 3, Some("s-9"));
    one(store, edits(0, vec![Edit::Past(cy.clone()), Edit::Watch(at_home("s-9"))])).await;
    let until = PresenceChange::WatchedUntil { session: session("s-9"), at: at(70) };
    assert_eq!(one(store, change(until)).await, Outcome::Done);
    one(store, Change::DropCspSession(session("s-9"))).await;
    let kept = publisher(store).await.unwrap();
    assert_eq!((kept.past, kept.watchers), (vec![Past { at: at(70), ..cy }], Vec::new()));
    // Looks change no version, and the newest are kept
    let version = publisher(store).await.unwrap().version;
    let many = u64::try_from(PAST_MAX).unwrap();
    let looks = (0..many).map(|number| looked(format!("wv:u{number}@south.example"), 100 + number));
    all(store, looks.collect()).await;
    let kept = publisher(store).await.unwrap();
    assert_eq!((kept.past.len(), kept.version), (PAST_MAX, version));
    let remembered = |who: &str| kept.past.iter().any(|past| past.watcher == who.parse::<UserId>().unwrap());
    assert!(!remembered("wv:cy@north.example") && remembered("wv:u0@south.example"));
    // They go with the account, whichever of the two it is, and what its clients wanted to hear of
    let wish = Wish { session: session("s-1"), types: NotificationSet::ALL };
    assert_eq!(one(store, change(PresenceChange::Wish(wish.clone()))).await, Outcome::Done);
    assert_eq!(store.wishes(vec![session("s-1")]).await.unwrap(), [wish]);
    one(store, Change::RemoveAccount(user(ADA))).await;
    assert_eq!(store.wishes(vec![session("s-1")]).await.unwrap(), []);
    with_ada(store).await;
    assert_eq!(publisher(store).await, Some(Publisher::new(user(ADA))));
}
