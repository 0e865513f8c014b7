//! What every store must do about invitations and profiles.

use super::{account, all, at, one, user};
use crate::element::common::invite::{INVITATIONS_PER_HOUR, Invitation};
use crate::element::common::profile::ProfileChange;
use crate::element::common::search::query::{Query, compile};
use crate::element::common::system::{ASKED_MAX, Asked};
use crate::element::group::{Group, Occupant};
use crate::imps::primitive::{AnswerOption, InviteType, Property, SearchPair, SearchRequest, SystemMessage};
use crate::imps::{Address, InviteId};
use crate::relay::ports::{Change, CommonChange, GroupChange, Outcome, Store};

const ADA: &str = "wv:ada@north.example";
const BO: &str = "wv:bo@south.example";
/// Milliseconds.
const HOUR: u64 = 3_600_000;

fn id(text: &str) -> InviteId {
    text.parse().unwrap()
}

fn invitation(name: &str, addressed: &str, invitee: &str) -> Invitation {
    Invitation {
        inviter: user("wv:Ada@north.example"),
        id: id(name),
        kind: InviteType::Group,
        group: Some("wv:/Sailing@south.example".parse().unwrap()),
        addressed: addressed.parse().unwrap(),
        invitee: invitee.parse().unwrap(),
        reply_to: Some("t-1".parse().unwrap()),
        until: at(1000),
    }
}

fn put_at(now: u64, invitations: Vec<Invitation>) -> Change {
    Change::Common(CommonChange::PutInvitations { invitations, now: at(now) })
}

fn put(invitations: Vec<Invitation>) -> Change {
    put_at(0, invitations)
}

fn drop_of(name: &str, addressed: &str) -> Change {
    let addressed: Address = addressed.parse().unwrap();
    Change::Common(CommonChange::DropInvitation { inviter: user(ADA), id: id(name), addressed })
}

fn set(who: &str, clear: bool, properties: &[(&str, &str)]) -> Change {
    let set = properties.iter().map(|(name, value)| Property::new(name, value)).collect();
    Change::Common(CommonChange::SetProfile { user: user(who), change: ProfileChange { clear, set } })
}

fn query(pairs: &[(&str, &str)]) -> Query {
    let pair = |(element, string): &(&str, &str)| SearchPair {
        element: (*element).into(),
        string: (*string).into(),
        id: None,
    };
    compile(&SearchRequest { pairs: pairs.iter().map(pair).collect(), ..SearchRequest::default() }).unwrap()
}

pub(in crate::store) async fn invitations_are_remembered_until_they_are_dropped(store: &dyn Store) {
    let bo = invitation("i1", BO, "wv:Bo@south.example");
    let cy = invitation("i1", "/sailing@south.example", "cy@south.example");
    let again = Invitation { reply_to: None, until: at(2000), ..bo.clone() };
    assert_eq!(one(store, put(vec![bo, cy.clone()])).await, Outcome::Done);
    assert_eq!(one(store, put(vec![again.clone()])).await, Outcome::Done, "in the place of the first");
    let open = store.invitations(user("wv:ADA@north.example"), id("i1")).await.unwrap();
    assert_eq!(open, [cy.clone(), again.clone()]);
    assert_eq!(store.invitations_to(user("wv:BO@south.example"), id("i1")).await.unwrap(), [again]);
    assert_eq!(store.invitations_to(user(BO), id("i2")).await.unwrap(), []);
    assert_eq!(one(store, drop_of("i1", BO)).await, Outcome::Done);
    assert_eq!(one(store, drop_of("i1", BO)).await, Outcome::Missing);
    assert_eq!(one(store, Change::Forget { before: at(1001) }).await, Outcome::Done);
    // Forgetting goes on with the commits that follow.
    all(store, vec![Change::DropOutgoing { row: 1 }]).await;
    assert_eq!(store.invitations(user(ADA), id("i1")).await.unwrap(), []);
}

pub(in crate::store) async fn an_inviter_makes_so_many_invitations_an_hour(store: &dyn Store) {
    let many = |now: u64, from: usize, count: usize| {
        put_at(now, (from..from + count).map(|n| invitation(&format!("i{n}"), BO, BO)).collect())
    };
    assert_eq!(one(store, many(0, 0, INVITATIONS_PER_HOUR - 1)).await, Outcome::Done);
    assert_eq!(one(store, many(1, 100, 2)).await, Outcome::Full, "all of a request or none");
    assert_eq!(one(store, many(1, 100, 1)).await, Outcome::Done);
    assert_eq!(one(store, drop_of("i7", BO)).await, Outcome::Done);
    assert_eq!(one(store, many(HOUR - 1, 101, 1)).await, Outcome::Full, "whatever became of them");
    assert_eq!(one(store, many(HOUR, 101, INVITATIONS_PER_HOUR)).await, Outcome::Done);
}

pub(in crate::store) async fn a_profile_is_set_and_cleared(store: &dyn Store) {
    one(store, Change::AddAccount(account("wv:Ada@north.example"))).await;
    let first = [("PP_CITY", "Lund"), ("PP_AGE", "44"), ("USER_LAST_NAME", "Lovelace")];
    assert_eq!(one(store, set(ADA, false, &first)).await, Outcome::Done);
    assert_eq!(one(store, set(ADA, false, &[("PP_AGE", ""), ("PP_CITY", "Malmö")])).await, Outcome::Done);
    let profile = async || store.profiles(vec![user(ADA), user(BO)]).await.unwrap();
    let name = Property::new("USER_LAST_NAME", "Lovelace");
    assert_eq!(profile().await, [Some(vec![Property::new("PP_CITY", "Malmö"), name.clone()]), None]);
    assert_eq!(one(store, set(ADA, true, &[("PP_GENDER", "F")])).await, Outcome::Done);
    let kept = [Some(vec![Property::new("PP_GENDER", "F"), name]), None];
    assert_eq!(profile().await, kept, "a user cannot clear what the operator set");
}

pub(in crate::store) async fn users_are_found_in_the_directory(store: &dyn Store) {
    for (name, city) in [("ada", "Lund"), ("bo", "Malmö"), ("cy", "LUND")] {
        let address = format!("wv:{name}@north.example");
        let changes = vec![
            Change::AddAccount(account(&address)),
            set(&address, false, &[("PP_CITY", city), ("PP_AGE", "9")]),
        ];
        all(store, changes).await;
    }
    one(store, Change::AddAccount(account("wv:dee@north.example"))).await;
    let found = async |pairs: &[(&str, &str)], limit| {
        let users = store.find_users(query(pairs), limit).await.unwrap();
        users.iter().map(|user| user.user().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found(&[("USER_CITY", "lund")], 9).await, "ada cy");
    assert_eq!(found(&[("USER_CITY", "lund")], 1).await, "ada");
    assert_eq!(found(&[("USER_ID", "north"), ("USER_ONLINE_STATUS", "F")], 9).await, "ada bo cy dee");
    assert_eq!(found(&[("USER_ID", "dee")], 9).await, "dee");
    assert_eq!(found(&[("USER_ONLINE_STATUS", "T")], 9).await, "");
}

pub(in crate::store) async fn groups_that_want_to_be_found_are(store: &dyn Store) {
    for (name, searchable, topic) in
        [("sailing", "T", "Boats"), ("chess", "T", "Boards"), ("secret", "F", "Boats")]
    {
        let mut group = Group::new(format!("wv:/{name}@north.example").parse().unwrap(), user(ADA)).unwrap();
        group.properties.insert("Searchable".into(), searchable.into());
        group.properties.insert("Topic".into(), topic.into());
        let own = [("AutoJoin".into(), "T".into())].into();
        group.own.insert(user(BO), own);
        let entry = Occupant { user: user(ADA).into(), session: None, name: name.into(), subscribed: false };
        group.occupants.push(entry);
        assert_eq!(one(store, Change::Group(GroupChange::Create(Box::new(group)))).await, Outcome::Done);
    }
    let found = async |pairs: &[(&str, &str)], limit| {
        let groups = store.find_groups(query(pairs), limit).await.unwrap();
        groups.iter().map(|group| group.resource().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found(&[("GROUP_TOPIC", "boa")], 9).await, "chess sailing");
    assert_eq!(found(&[("GROUP_TOPIC", "boa")], 1).await, "chess");
    assert_eq!(found(&[("GROUP_TOPIC", "boats"), ("GROUP_USER_ID_OWNER", "ada@")], 9).await, "sailing");
    assert_eq!(
        found(&[("GROUP_USER_ID_AUTOJOIN", BO), ("GROUP_USER_ID_JOINED", ADA)], 9).await,
        "chess sailing"
    );
    assert_eq!(found(&[("GROUP_USER_ID_JOINED", BO)], 9).await, "");
}

pub(in crate::store) async fn who_has_no_account_has_no_profile_and_no_invitations(store: &dyn Store) {
    assert_eq!(one(store, set(ADA, false, &[("PP_CITY", "Lund")])).await, Outcome::Missing);
    one(store, Change::AddAccount(account(ADA))).await;
    one(store, set(ADA, false, &[("PP_CITY", "Lund")])).await;
    one(store, put(vec![invitation("i1", BO, BO)])).await;
    one(store, Change::RemoveAccount(user(ADA))).await;
    one(store, Change::AddAccount(account(ADA))).await;
    assert_eq!(store.profiles(vec![user(ADA)]).await.unwrap(), [Some(Vec::new())]);
    assert_eq!(store.invitations(user(ADA), id("i1")).await.unwrap(), []);
}

fn asked(who: &str, name: &str, required: bool) -> Asked {
    let message = SystemMessage {
        id: name.into(),
        requires_response: required,
        text: Some("Do you agree?".into()),
        options: vec![AnswerOption { id: 1, text: "Yes".into() }],
        verification: None,
    };
    let key = Some("K7".into());
    Asked { user: user(who), message, key, until: at(1000), answered: None, chosen: None }
}

fn announce(asked: &Asked) -> Change {
    Change::Common(CommonChange::Announce(Box::new(asked.clone())))
}

pub(in crate::store) async fn what_the_provider_told_is_kept_until_it_is_answered(store: &dyn Store) {
    let first = asked("wv:Ada@north.example", "terms", true);
    assert_eq!(one(store, announce(&first)).await, Outcome::Missing, "no account");
    all(store, vec![Change::AddAccount(account("wv:Ada@north.example")), Change::AddAccount(account(BO))])
        .await;
    assert_eq!(one(store, announce(&first)).await, Outcome::Done);
    assert_eq!(one(store, announce(&asked(ADA, "news", false))).await, Outcome::Done);
    assert_eq!(store.announced(user(ADA), "terms".into()).await.unwrap(), Some(first.clone()));
    assert_eq!(store.announced(user(ADA), "other".into()).await.unwrap(), None);
    let open = store.unanswered(user(ADA), at(1)).await.unwrap();
    assert_eq!(open, std::slice::from_ref(&first), "what must be answered");
    assert_eq!(store.unanswered(user(ADA), at(1000)).await.unwrap(), [], "in time");
    let answer = || {
        let (id, now) = ("terms".into(), at(7));
        Change::Common(CommonChange::AnswerAnnouncement { user: user(ADA), id, chosen: Some(1), now })
    };
    assert_eq!(one(store, answer()).await, Outcome::Done);
    assert_eq!(one(store, answer()).await, Outcome::Missing, "once");
    one(store, announce(&asked(BO, "terms", true))).await;
    let everybody = store.announced_to("terms".into(), None, 9).await.unwrap();
    let done = Asked { answered: Some(at(7)), chosen: Some(1), ..first };
    assert_eq!(everybody, [done, asked(BO, "terms", true)]);
    assert_eq!(store.announced_to("terms".into(), Some(user(ADA)), 9).await.unwrap().len(), 1);
    for number in 2..ASKED_MAX {
        assert_eq!(one(store, announce(&asked(ADA, &format!("n{number}"), false))).await, Outcome::Done);
    }
    assert_eq!(one(store, announce(&asked(ADA, "more", false))).await, Outcome::Full);
    assert_eq!(one(store, announce(&asked(ADA, "terms", true))).await, Outcome::Done, "in its own place");
}
