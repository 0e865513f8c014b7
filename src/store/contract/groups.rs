//! What every store must do about groups, and about the visits of our clients to groups elsewhere.

use super::{all, at, csp_record, domain, mail, one, user, with_ada};
use crate::element::group::{self, Group, HISTORY_MESSAGES_MAX, Occupant, Rank, Said};
use crate::imps::GroupId;
use crate::imps::primitive::{ClientId, Property, User, WelcomeNote};
use crate::relay::ports::{AUTO_JOINS_MAX, Change, GroupChange, Outcome, Sent, Store, Visit};

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
        group::Edit::Invited(user("wv:Dee@west.example"), true),
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
    // What came for a session at the moment when it ended
    let mut late = mail("wv:ada@north.example", "m-1", 3);
    late.session = Some(session("s-3"));
    one(store, Change::Deliver { mail: late, seen: None }).await;
    assert_eq!(store.absent_sessions(10).await.unwrap(), [session("s-3")]);
    one(store, Change::DropCspSession(session("s-3"))).await;
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
    assert_eq!(store.visited(None, 10).await.unwrap(), std::slice::from_ref(&rowing));
    assert_eq!(store.visited(Some(rowing.clone()), 10).await.unwrap(), []);
    all(store, vec![enter(&visit("s-1", None))]).await;
    assert_eq!(store.visits("s-1".parse().unwrap()).await.unwrap(), [visit("s-1", Some("Cox"))]);
    assert_eq!(store.absent_sessions(10).await.unwrap().len(), 2);
    let end = || GroupChange::EndVisit { session: "s-1".parse().unwrap(), group: rowing.clone() };
    assert_eq!(one(store, Change::Group(end())).await, Outcome::Done);
    assert_eq!(one(store, Change::Group(end())).await, Outcome::Missing);
    assert_eq!(store.visitors(rowing.clone(), who()).await.unwrap(), [visit("s-2", None)]);
}

fn said(name: &str, id: &str, until: u64) -> Said {
    Said {
        group: group_id(name),
        message_id: id.parse().unwrap(),
        accepted: at(1),
        until: at(until),
        body: id.as_bytes().into(),
    }
}

fn say(said: Said) -> Change {
    Change::Group(GroupChange::Say(said))
}

pub(in crate::store) async fn a_group_keeps_its_newest_messages(store: &dyn Store) {
    one(store, Change::Group(GroupChange::Create(Box::new(sailing())))).await;
    assert_eq!(one(store, say(said("rowing", "m-0", 9))).await, Outcome::Missing);
    assert_eq!(one(store, say(said("Sailing", "m-0", 5))).await, Outcome::Done);
    assert_eq!(one(store, say(said("sailing", "m-0", 9))).await, Outcome::Duplicate);
    for number in 1..=HISTORY_MESSAGES_MAX {
        one(store, say(said("sailing", &format!("m-{number}"), 1000))).await;
    }
    let (newest, all) = store.said(group_id("SAILING"), 2).await.unwrap();
    let newest: Vec<_> = newest.iter().map(|said| said.message_id.to_string()).collect();
    let last = HISTORY_MESSAGES_MAX;
    assert_eq!(newest, [format!("m-{last}"), format!("m-{}", last - 1)]);
    assert_eq!(all, last as u64, "the oldest gave way");
    // Only a session that is in the group finds one of them
    let found = async |session: &str, id: &str| {
        store.said_to(session.parse().unwrap(), id.parse().unwrap()).await.unwrap()
    };
    assert_eq!(found("s-1", "m-7").await.map(|said| said.body.to_vec()), Some(b"m-7".to_vec()));
    assert_eq!(found("s-2", "m-7").await, None);
    assert_eq!(found("s-1", "m-0").await, None);
    // So does who has no session here and a client in it, but not who has one
    let guest = async |name: &str| store.said_to_guest(user(name), "m-7".parse().unwrap()).await.unwrap();
    assert_eq!(guest("wv:bo@south.example").await.map(|said| said.body.to_vec()), Some(b"m-7".to_vec()));
    assert_eq!(guest("wv:ada@north.example").await, None);
    let version = kept(store, "sailing").await.unwrap().0;
    assert_eq!(one(store, edit_group(version, vec![group::Edit::ForgetSaid])).await, Outcome::Done);
    assert_eq!(store.said(group_id("sailing"), 9).await.unwrap(), (Vec::new(), 0));
}

pub(in crate::store) async fn what_was_said_long_ago_is_forgotten(store: &dyn Store) {
    one(store, Change::Group(GroupChange::Create(Box::new(sailing())))).await;
    all(store, vec![say(said("sailing", "old", 10)), say(said("sailing", "new", 1000))]).await;
    one(store, Change::Forget { before: at(11) }).await;
    // Forgetting goes on with the commits that follow.
    all(store, vec![Change::DropOutgoing { row: 1 }]).await;
    assert_eq!(store.said(group_id("sailing"), 9).await.unwrap(), (vec![said("sailing", "new", 1000)], 1));
}

pub(in crate::store) async fn groups_elsewhere_are_joined_at_login_too(store: &dyn Store) {
    let wish = |who: &str, name: &str, wish| {
        let group = format!("wv:/{name}@south.example").parse().unwrap();
        Change::Group(GroupChange::AutoJoin { user: user(who), group, wish })
    };
    const ADA: &str = "wv:ada@north.example";
    assert_eq!(one(store, wish(ADA, "g", true)).await, Outcome::Missing, "no account");
    with_ada(store).await;
    for number in 0..AUTO_JOINS_MAX {
        assert_eq!(one(store, wish(ADA, &format!("g{number}"), true)).await, Outcome::Done);
    }
    assert_eq!(one(store, wish(ADA, "more", true)).await, Outcome::Full);
    assert_eq!(one(store, wish(ADA, "G7", true)).await, Outcome::Done, "known already");
    assert_eq!(one(store, wish(ADA, "g7", false)).await, Outcome::Done);
    let groups = store.auto_joins(user(ADA)).await.unwrap();
    assert_eq!(groups.len() as u64, AUTO_JOINS_MAX - 1);
    one(store, Change::RemoveAccount(user(ADA))).await;
    assert_eq!(store.auto_joins(user(ADA)).await.unwrap(), []);
}
