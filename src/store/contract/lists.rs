//! What every store must do about contact lists, block and grant lists.

use super::{all, deliver, domain, mail, one, row, user, with_ada};
use crate::element::lists::{Access, ContactList, Edit, Lists};
use crate::imps::GroupId;
use crate::imps::primitive::{Contact, Entities, ScreenName};
use crate::relay::ports::{Change, ListsChange, Outcome, Store};

async fn lists(store: &dyn Store, owner: &str) -> Lists {
    let found = store.lists(vec![user(owner)]).await.unwrap();
    Lists::clone(&found[0])
}

fn lists_change(version: u64, edits: Vec<Edit>) -> Change {
    Change::Lists(Box::new(ListsChange { owner: user("wv:ADA@north.example"), version, edits }))
}

fn contact_list(name: &str, contacts: &[(&str, Option<&str>)]) -> ContactList {
    let contact = |(who, nickname): &(&str, Option<&str>)| Contact {
        user: user(who),
        nickname: nickname.map(Into::into),
    };
    ContactList {
        id: format!("wv:Ada/{name}@north.example").parse().unwrap(),
        display_name: Some(name.into()),
        contacts: contacts.iter().map(contact).collect(),
    }
}

pub(in crate::store) async fn lists_are_kept_and_changed_by_whoever_was_first(store: &dyn Store) {
    const ADA: &str = "wv:ada@north.example";
    assert_eq!(lists(store, ADA).await, Lists::new(user(ADA)), "who has no account has no lists");
    assert_eq!(one(store, lists_change(0, Vec::new())).await, Outcome::Missing);
    with_ada(store).await;
    assert_eq!(lists(store, ADA).await, Lists::new(user(ADA)));
    let friends =
        contact_list("Friends", &[("wv:Cy@north.example", Some("Cy")), ("wv:bo@south.example", None)]);
    let work = contact_list("Work", &[]);
    let edits =
        vec![Edit::Put(friends.clone()), Edit::Put(work.clone()), Edit::Default(Some(friends.id.clone()))];
    assert_eq!(one(store, lists_change(0, edits.clone())).await, Outcome::Done);
    let hangs = Change::Then(Box::new(deliver(mail(ADA, "m-1", 1))));
    let late = all(store, vec![lists_change(0, edits), hangs]).await;
    assert_eq!(late, [Outcome::Conflict, Outcome::Skipped]);
    let kept = lists(store, ADA).await;
    assert_eq!((kept.version, &kept.lists[..]), (1, &[friends.clone(), work.clone()][..]));
    assert_eq!(kept.default, Some(friends.id.clone()));

    let renamed = ContactList {
        display_name: None,
        ..contact_list("friends", &[("wv:bo@south.example", Some("Bo")), ("wv:Dee@east.example", None)])
    };
    let group: GroupId = "wv:/sailing@south.example".parse().unwrap();
    let block = Entities {
        users: vec![user("wv:Eve@west.example"), user("wv:Fay@west.example")],
        domains: vec![domain("west.example")],
        screen_names: vec![ScreenName { name: "Skipper".into(), group: group.clone() }],
        groups: vec![group],
        contact_lists: vec![work.id.clone()],
        applications: vec!["game".into()],
    };
    let access = Access {
        grant: Entities { users: vec![user("wv:bo@south.example")], ..Entities::default() },
        block,
        block_in_use: false,
        grant_in_use: true,
    };
    let edits =
        vec![Edit::Put(renamed.clone()), Edit::Drop(work.id.clone()), Edit::Access(Box::new(access.clone()))];
    assert_eq!(one(store, lists_change(1, edits)).await, Outcome::Done);
    let kept = lists(store, ADA).await;
    assert_eq!((kept.version, &kept.lists[..], kept.access), (2, &[renamed.clone()][..], access));
    assert_eq!(kept.default, Some(renamed.id.clone()));
    let edits = vec![Edit::Drop(renamed.id), Edit::Default(None)];
    assert_eq!(one(store, lists_change(2, edits)).await, Outcome::Done);
    assert!(matches!(lists(store, ADA).await, Lists { default: None, lists, .. } if lists.is_empty()));
}

pub(in crate::store) async fn lists_go_with_their_account(store: &dyn Store) {
    with_ada(store).await;
    let edits = vec![Edit::Put(contact_list("Friends", &[("wv:bo@south.example", None)]))];
    assert_eq!(one(store, lists_change(0, edits)).await, Outcome::Done);
    // What waits keeps the account's number alive.
    row(one(store, deliver(mail("wv:ada@north.example", "m-1", 1))).await);
    all(store, vec![Change::RemoveAccount(user("wv:ada@north.example"))]).await;
    with_ada(store).await;
    let ada = user("wv:ada@north.example");
    assert_eq!(lists(store, "wv:ada@north.example").await, Lists::new(ada));
}
