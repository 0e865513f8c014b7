//! What every store must do about shared content.

use std::sync::Arc;

use super::{account, all, at, one, user};
use crate::element::content::{Item, Quota};
use crate::relay::ports::{Change, ContentChange, Outcome, Store};

const ADA: &str = "wv:ada@north.example";

fn item(id: &str, octets: u64) -> Item {
    Item {
        id: format!("{id:_<24}").parse().unwrap(),
        owner: user("wv:Ada@north.example"),
        name: Some("grüße.png".into()),
        content_type: "image/png; x=y".into(),
        octets,
        digest: [9; 32],
        audience: "group:wv:/sailing@north.example".parse().unwrap(),
        created: at(10),
        expires: at(1000),
    }
}

fn change(change: ContentChange) -> Change {
    Change::Content(change)
}

fn keep(item: &Item) -> Change {
    let quota = Quota { octets: 100, items: 3 };
    change(ContentChange::Keep { item: Box::new(item.clone()), quota })
}

pub(in crate::store) async fn content_is_kept_within_a_quota(store: &dyn Store) {
    assert_eq!(one(store, keep(&item("a", 50))).await, Outcome::Missing, "nobody's");
    one(store, Change::AddAccount(account("wv:Ada@north.example"))).await;
    let (a, b) = (item("a", 50), Item { created: at(5), name: None, ..item("b", 50) });
    assert_eq!(all(store, vec![keep(&a), keep(&b)]).await, [Outcome::Done, Outcome::Done]);
    assert_eq!(one(store, keep(&item("c", 1))).await, Outcome::Full, "too many octets");
    assert_eq!(store.item(a.id.clone()).await.unwrap(), Some(a.clone()));
    assert_eq!(store.items_of(user(ADA)).await.unwrap(), [b.clone(), a.clone()]);
    let altered = Item { audience: "owner".parse().unwrap(), expires: at(500), name: None, ..a.clone() };
    assert_eq!(one(store, change(ContentChange::Alter(Box::new(altered.clone())))).await, Outcome::Done);
    assert_eq!(store.item(a.id.clone()).await.unwrap(), Some(altered));
    // What is dropped makes room, and its octets are litter
    assert_eq!(one(store, change(ContentChange::Drop(a.id.clone()))).await, Outcome::Done);
    assert_eq!(one(store, change(ContentChange::Drop(a.id.clone()))).await, Outcome::Missing);
    assert_eq!(store.litter(at(10), 10).await.unwrap(), [a.id]);
    for id in ["c", "d"] {
        assert_eq!(one(store, keep(&item(id, 1))).await, Outcome::Done);
    }
    assert_eq!(one(store, keep(&item("e", 1))).await, Outcome::Full, "too many items");
}

pub(in crate::store) async fn octets_are_litter_unless_somebody_keeps_them(store: &dyn Store) {
    one(store, Change::AddAccount(account(ADA))).await;
    let (a, b) = (item("a", 3), item("b", 3));
    for item in [&a, &b] {
        let begin = ContentChange::Begin { id: item.id.clone(), until: at(100) };
        assert_eq!(one(store, change(begin)).await, Outcome::Done);
        store.write_octets(item.id.clone(), Arc::from(&b"abc"[..])).await.unwrap();
    }
    assert_eq!(store.read_octets(a.id.clone()).await.unwrap().as_deref(), Some(&b"abc"[..]));
    assert_eq!(one(store, keep(&a)).await, Outcome::Done);
    assert_eq!(store.litter(at(99), 10).await.unwrap(), []);
    assert_eq!(store.litter(at(100), 10).await.unwrap(), std::slice::from_ref(&b.id), "the other is kept");
    store.remove_octets(b.id.clone()).await.unwrap();
    assert_eq!(store.read_octets(b.id.clone()).await.unwrap(), None);
    assert_eq!(one(store, change(ContentChange::Swept(b.id.clone()))).await, Outcome::Done);
    assert_eq!(one(store, change(ContentChange::Swept(b.id))).await, Outcome::Missing);
    // Until it expires
    one(store, change(ContentChange::Expire { by: at(999) })).await;
    assert!(store.item(a.id.clone()).await.unwrap().is_some());
    one(store, change(ContentChange::Expire { by: at(1000) })).await;
    assert_eq!(store.item(a.id.clone()).await.unwrap(), None);
    assert_eq!(store.litter(at(1000), 10).await.unwrap(), [a.id]);
}

pub(in crate::store) async fn content_goes_with_its_account(store: &dyn Store) {
    one(store, Change::AddAccount(account(ADA))).await;
    let a = item("a", 3);
    one(store, keep(&a)).await;
    assert_eq!(one(store, Change::RemoveAccount(user(ADA))).await, Outcome::Done);
    assert_eq!(store.item(a.id.clone()).await.unwrap(), None);
    assert_eq!(store.litter(at(0), 10).await.unwrap(), [a.id]);
}
