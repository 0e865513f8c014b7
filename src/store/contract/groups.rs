//! What every store must do about groups, and about the visits of our clients to groups elsewhere.

use super::{all, at, csp_record, domain, one, user, with_ada};
use crate::element::group::{self, Group, Occupant, Rank};
use crate::imps::GroupId;
use crate::imps::primitive::{ClientId, Property, User, WelcomeNote};
use crate::relay::ports::{Change, GroupChange, Outcome, Sent, Store, Visit};

fn group_id(name: &str) -> GroupId {
    format!("wv:/{name}@north.example").parse().unwrap()
}

fn property(name: &str, value: Option<&str>) -> Property {
    Property { name: name.into(), value: value.map(Into::into) }
}

fn occupant(who: &str, client: Option<&str>, session: Option<&str>) -> Occupant {
    let client = client.map(|url| ClientId { url: Some(url.into()), ..ClientId::default() });
    Occupant {
        user: User { client, ..User::from(user(who)) },
        session: session.map(|session| session.parse().unwrap()),
        name: "Skipper".into(),
        subscribed: true,
    }
}

fn sailing() -> Group {
    let mut group = Group::new(group_id("Sailing"), user("wv:Ada@north.example")).unwrap();
    group.welcome_note = Some(WelcomeNote { content_type: "text/plain".into(), content: "Ahoy".into() });
    group.ends = Some(at(500));
    for edit in [
        group::Edit::Property(property("Topic", Some("Boats"))),
        group::Edit::Rank(user("wv:bo@south.example"), Some(Rank::Moderator)),
        group::Edit::Own(user("wv:Cy@north.example"), property("AutoJoin", Some("T"))),
        group::Edit::Rejected(user("wv:Eve@west.example"), true),
        group::Edit::Enter(occupant("wv:ada@north.example", Some("phone"), Some("s-1"))),
        group::Edit::Enter(occupant("wv:bo@south.example", None, None)),
    ] {
        group.apply(&edit);
    }
    group
}

async fn kept(store: &dyn Store, name: &str) -> Option<(u64, Group)> {
    store.group(group_id(name)).await.unwrap().map(|stored| (stored.version, stored.group))
}

pub(in crate::store) async fn groups_are_kept_as_they_were_made(store: &dyn Store) {
    let create = || Change::Group(GroupChange::Create(Box::new(sailing())));
    assert_eq!(one(store, create()).await, Outcome::Done);
    assert_eq!(kept(store, "SAILING").await, Some((1, sailing())));
    assert_eq!(one(store, create()).await, Outcome::Duplicate);
    assert_eq!(store.group_counts(user("wv:ADA@north.example")).await.unwrap(), (1, 1));
    assert_eq!(store.group_counts(user("wv:bo@south.example")).await.unwrap(), (0, 1));
    assert_eq!(kept(store, "rowing").await, None);
}

fn edit_group(version: u64, edits: Vec<group::Edit>) -> Change {
    Change::Group(GroupChange::Edit { group: group_id("sailing"), version, edits })
}

pub(in crate::store) async fn edits_of_a_group_mean_the_same_on_disk_and_in_memory(store: &dyn Store) {
    assert_eq!(one(store, edit_group(1, Vec::new())).await, Outcome::Missing);
    all(store, vec![Change::Group(GroupChange::Create(Box::new(sailing())))]).await;
    let renamed = Occupant {
        name: "Captain".into(),
        subscribed: false,
        ..occupant("wv:ADA@north.example", Some("phone"), Some("s-2"))
    };
    let edits = [
        group::Edit::Property(property("Topic", Some("Regatta"))),
        group::Edit::Property(property("Name", Some("Sailing"))),
        group::Edit::WelcomeNote(None),
        group::Edit::Rank(user("wv:bo@south.example"), Some(Rank::Admin)),
        group::Edit::Rank(user("wv:Cy@north.example"), Some(Rank::User)),
        group::Edit::Own(user("wv:Cy@north.example"), property("AutoJoin", None)),
        group::Edit::Own(user("wv:Cy@north.example"), property("ShowID", Some("T"))),
        group::Edit::Rejected(user("wv:eve@west.example"), false),
        group::Edit::Rejected(user("wv:mal@west.example"), true),
        group::Edit::Enter(renamed),
        group::Edit::Enter(occupant("wv:ada@north.example", Some("desk"), Some("s-3"))),
        group::Edit::Exit(User::from(user("wv:BO@south.example"))),
        group::Edit::Ends(None),
        group::Edit::Rank(user("wv:Cy@north.example"), None),
        group::Edit::Property(property("Name", None)),
    ];
    let mut wanted = sailing();
    for (version, edit) in (1..).zip(&edits) {
        assert_eq!(one(store, edit_group(version, vec![edit.clone()])).await, Outcome::Done, "{edit:?}");
        wanted.apply(edit);
        assert_eq!(kept(store, "sailing").await, Some((version + 1, wanted.clone())), "{edit:?}");
    }
    let hangs = Change::Then(Box::new(Change::Expect(sent())));
    let late = all(store, vec![edit_group(1, vec![group::Edit::Delete]), hangs]).await;
    assert_eq!(late, [Outcome::Conflict, Outcome::Skipped]);
    let version = edits.len() as u64 + 1;
    assert_eq!(one(store, edit_group(version, vec![group::Edit::Delete])).await, Outcome::Done);
    assert_eq!(kept(store, "sailing").await, None);
}

fn sent() -> Sent {
    Sent {
        message_id: "m-9".parse().unwrap(),
        peer: domain("south.example"),
        author: user("wv:Ada@north.example"),
        until: at(900),
    }
}

pub(in crate::store) async fn groups_are_found_by_session_wish_and_end(store: &dyn Store) {
    all(store, vec![Change::Group(GroupChange::Create(Box::new(sailing())))]).await;
    let session = |id: &str| id.parse().unwrap();
    assert_eq!(store.groups_of_session(session("s-1")).await.unwrap(), [group_id("sailing")]);
    assert!(store.groups_of_session(session("s-2")).await.unwrap().is_empty());
    assert_eq!(store.auto_joins(user("wv:CY@north.example")).await.unwrap(), [group_id("sailing")]);
    assert!(store.auto_joins(user("wv:ada@north.example")).await.unwrap().is_empty());
    assert!(store.groups_ended(at(499), 10).await.unwrap().is_empty());
    assert_eq!(store.groups_ended(at(500), 10).await.unwrap(), [group_id("sailing")]);
    assert_eq!(store.absent_sessions(10).await.unwrap(), [session("s-1")]);
    with_ada(store).await;
    all(store, vec![Change::PutCspSession(Box::new(csp_record("s-1", "wv:ada@north.example")))]).await;
    assert!(store.absent_sessions(10).await.unwrap().is_empty());
}

pub(in crate::store) async fn visits_are_kept_until_they_end(store: &dyn Store) {
    let visit = |session: &str, name: Option<&str>| Visit {
        user: user("wv:Ada@north.example"),
        client: ClientId { url: Some("phone".into()), ..ClientId::default() },
        session: session.parse().unwrap(),
        group: "wv:/Rowing@south.example".parse().unwrap(),
        name: name.map(Into::into),
    };
    let enter = |visit: &Visit| Change::Group(GroupChange::Visit(visit.clone()));
    all(store, vec![enter(&visit("s-1", Some("Cox"))), enter(&visit("s-2", None))]).await;
    let rowing: GroupId = "wv:/rowing@south.example".parse().unwrap();
    let who = || vec![user("wv:ADA@north.example"), user("wv:cy@north.example")];
    assert_eq!(store.visitors(rowing.clone(), who()).await.unwrap().len(), 2);
    assert_eq!(store.all_visitors(rowing.clone(), 10).await.unwrap().len(), 2);
    assert_eq!(store.all_visitors(rowing.clone(), 1).await.unwrap().len(), 1);
    all(store, vec![enter(&visit("s-1", None))]).await;
    assert_eq!(store.visits("s-1".parse().unwrap()).await.unwrap(), [visit("s-1", Some("Cox"))]);
    assert_eq!(store.absent_sessions(10).await.unwrap().len(), 2);
    let end = || GroupChange::EndVisit { session: "s-1".parse().unwrap(), group: rowing.clone() };
    assert_eq!(one(store, Change::Group(end())).await, Outcome::Done);
    assert_eq!(one(store, Change::Group(end())).await, Outcome::Missing);
    assert_eq!(store.visitors(rowing.clone(), who()).await.unwrap(), [visit("s-2", None)]);
}
