//! What every store must do about commits, whatever is in them.

use super::{all, at, deliver, mail, mailbox, one, with_ada};
use crate::relay::ports::{Change, Outcome, Store};

pub(in crate::store) async fn a_seen_key_is_forgotten_when_it_is_over(store: &dyn Store) {
    with_ada(store).await;
    let message = || deliver(mail("wv:ada@north.example", "m-1", 1));
    one(store, message()).await;
    one(store, Change::Forget { before: at(5000) }).await;
    assert_eq!(one(store, message()).await, Outcome::Duplicate, "its moment is not before 5000");
    one(store, Change::Forget { before: at(5001) }).await;
    one(store, Change::DropOutgoing { row: 0 }).await;
    assert!(matches!(one(store, message()).await, Outcome::Row(_)));
}

pub(in crate::store) async fn a_dropped_promise_is_carried_out(store: &dyn Store) {
    with_ada(store).await;
    drop(store.commit(vec![deliver(mail("wv:ada@north.example", "m-1", 1))]));
    // Commits happen in the order of the calls.
    assert_eq!(one(store, deliver(mail("wv:ada@north.example", "m-1", 1))).await, Outcome::Duplicate);
    assert_eq!(mailbox(store, "wv:ada@north.example").await.len(), 1);
}

pub(in crate::store) async fn nothing_to_do_is_done(store: &dyn Store) {
    assert_eq!(all(store, Vec::new()).await, []);
    assert!(!store.instance().is_empty());
}
