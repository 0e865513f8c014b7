//! What every store must do for operators: suspensions, and looks at what waits.

use super::{all, at, domain, one, outbox, outgoing, row};
use crate::relay::blocks::{BLOCKS_MAX, Block};
use crate::relay::ports::{Change, Guest, OperatorsChange, Outcome, Store, StoredOutgoing, Suspension};

fn operators(change: OperatorsChange) -> Change {
    Change::Operators(change)
}

pub(in crate::store) async fn a_peer_is_suspended_until_it_is_resumed(store: &dyn Store) {
    let suspend =
        |peer: &str, since| operators(OperatorsChange::Suspend { peer: domain(peer), since: at(since) });
    let resume = |peer: &str| operators(OperatorsChange::Resume(domain(peer)));
    assert_eq!(store.suspensions().await.unwrap(), Vec::new());
    assert_eq!(one(store, resume("south.example")).await, Outcome::Missing);
    assert_eq!(one(store, suspend("south.example", 5)).await, Outcome::Done);
    assert_eq!(one(store, suspend("east.example", 6)).await, Outcome::Done);
    assert_eq!(one(store, suspend("south.example", 7)).await, Outcome::Duplicate);
    let suspended = |peer: &str, since| Suspension { peer: domain(peer), since: at(since) };
    let both = [suspended("east.example", 6), suspended("south.example", 5)];
    assert_eq!(store.suspensions().await.unwrap(), both, "since the first time, ordered by peer");
    assert_eq!(one(store, resume("south.example")).await, Outcome::Done);
    assert_eq!(store.suspensions().await.unwrap(), both[..1]);
    // What waits for it is touched by neither
    let sent = row(one(store, Change::Send(outgoing("east.example", "SendMessageRequest", 3))).await);
    assert_eq!(one(store, resume("east.example")).await, Outcome::Done);
    assert_eq!(store.outgoing(sent).await.unwrap().map(|found| found.row), Some(sent));
}

pub(in crate::store) async fn who_is_blocked_is_kept_until_it_is_unblocked(store: &dyn Store) {
    let block = |subject: &str, until: Option<u64>, reason: &str| Block {
        subject: subject.parse().unwrap(),
        since: at(5),
        until: until.map(at),
        reason: reason.into(),
    };
    let add = |block: &Block| operators(OperatorsChange::Block(block.clone()));
    assert_eq!(store.blocks().await.unwrap(), []);
    let evil = block("evil.example", None, "spam");
    let mallory = block("wv:Mallory@South.example", Some(900), "sells watches");
    assert_eq!(all(store, vec![add(&mallory), add(&evil)]).await, [Outcome::Done, Outcome::Done]);
    assert_eq!(store.blocks().await.unwrap(), [evil.clone(), mallory], "ordered by subject");
    // The same again in another spelling takes its place
    let longer = block("wv:MALLORY@south.example", None, "still sells watches");
    assert_eq!(one(store, add(&longer)).await, Outcome::Done);
    assert_eq!(store.blocks().await.unwrap(), [evil, longer.clone()]);
    let remove = |text: &str| operators(OperatorsChange::Unblock(text.parse().unwrap()));
    assert_eq!(one(store, remove("evil.example")).await, Outcome::Done);
    assert_eq!(one(store, remove("evil.example")).await, Outcome::Missing);
    assert_eq!(store.blocks().await.unwrap(), [longer]);
    // And there are only so many
    let many = (1..BLOCKS_MAX).map(|number| add(&block(&format!("d{number}.example"), None, "x")));
    assert!(all(store, many.collect()).await.iter().all(|outcome| *outcome == Outcome::Done));
    assert_eq!(one(store, add(&block("one.more.example", None, "x"))).await, Outcome::Full);
    assert_eq!(one(store, add(&block("d1.example", None, "y"))).await, Outcome::Done, "instead of the same");
}

pub(in crate::store) async fn guests_are_kept_with_when_something_passed_last(store: &dyn Store) {
    let guest = |name: &str, used| Guest { domain: domain(name), used: at(used) };
    let met = |name: &str, used| operators(OperatorsChange::Guest(guest(name, used)));
    let gone = |name: &str| operators(OperatorsChange::GuestGone(domain(name)));
    assert_eq!(store.guests().await.unwrap(), []);
    assert_eq!(all(store, vec![met("west.example", 5), met("east.example", 6)]).await, [Outcome::Done; 2]);
    assert_eq!(one(store, met("west.example", 9)).await, Outcome::Done);
    assert_eq!(store.guests().await.unwrap(), [guest("east.example", 6), guest("west.example", 9)]);
    assert_eq!(one(store, gone("east.example")).await, Outcome::Done);
    assert_eq!(one(store, gone("east.example")).await, Outcome::Missing);
    assert_eq!(store.guests().await.unwrap(), [guest("west.example", 9)]);
}

pub(in crate::store) async fn operators_see_what_waits_in_pages_without_what_it_says(store: &dyn Store) {
    let peers = ["south.example", "east.example", "south.example", "south.example"];
    let sends = peers.iter().zip(3..).map(|(peer, octets)| Change::Send(outgoing(peer, "A", octets)));
    let rows: Vec<i64> = all(store, sends.collect()).await.into_iter().map(row).collect();
    let queued = async |peer: Option<&str>, after, limit| {
        let found = store.queued(peer.map(domain), after, limit).await.unwrap();
        assert!(found.iter().all(|queued| queued.row.outgoing.body.is_empty()));
        found.into_iter().map(|queued| (queued.row.row, queued.octets)).collect::<Vec<_>>()
    };
    assert_eq!(queued(None, 0, 10).await, [(rows[0], 3), (rows[1], 4), (rows[2], 5), (rows[3], 6)]);
    assert_eq!(queued(Some("south.example"), 0, 2).await, [(rows[0], 3), (rows[2], 5)]);
    assert_eq!(queued(Some("south.example"), rows[2], 2).await, [(rows[3], 6)]);
    assert_eq!(queued(Some("west.example"), 0, 2).await, []);
    // One row is read with its body
    let whole = StoredOutgoing::fresh(rows[1], outgoing("east.example", "A", 4), at(20));
    assert_eq!(store.outgoing(rows[1]).await.unwrap(), Some(whole));
    assert_eq!(store.outgoing(rows[3] + 1).await.unwrap(), None);
}

pub(in crate::store) async fn a_row_that_waits_can_be_hurried(store: &dyn Store) {
    let number = row(one(store, Change::Send(outgoing("south.example", "A", 3))).await);
    assert_eq!(one(store, Change::DeferOutgoing { row: number, not_before: at(900) }).await, Outcome::Done);
    assert_eq!(one(store, operators(OperatorsChange::MakeDue { row: number })).await, Outcome::Done);
    let found = outbox(store, "south.example").await;
    assert_eq!((found[0].attempts, found[0].not_before), (1, at(0)), "what was tried is still counted");
    assert_eq!(one(store, operators(OperatorsChange::MakeDue { row: number + 1 })).await, Outcome::Missing);
}
