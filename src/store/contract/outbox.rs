//! What every store must do about what waits for peers.

use super::{QUEUE_OCTETS_MAX, SHARE_OCTETS_MAX, all, at, domain, one, outbox, outgoing, row, user};
use crate::relay::guests::QUEUE_PARTS;
use crate::relay::ports::{
    Change, Excerpt, Guest, Lanes, OperatorsChange, Outcome, Outgoing, QueueSummary, Sent, Settlement, Store,
    StoredOutgoing,
};

pub(in crate::store) async fn a_newer_notice_for_a_peer_takes_the_place_of_the_old_one(store: &dyn Store) {
    let notice = |peer: &str, octets| Outgoing {
        settlement: Settlement::Notice,
        replaces: Some("presence of ada".into()),
        ..outgoing(peer, "PresenceNotification", octets)
    };
    let first = row(one(store, Change::Send(notice("south.example", 300))).await);
    row(one(store, Change::Send(notice("east.example", 300))).await);
    let newer = one(store, Change::Send(notice("south.example", 100))).await;
    assert!(matches!(newer, Outcome::Replaced { old, .. } if old == first), "{newer:?}");
    assert_eq!(outbox(store, "south.example").await[0].outgoing, notice("south.example", 100));
    let hangs = Change::Then(Box::new(Change::Send(outgoing("south.example", "SendMessageRequest", 400))));
    let outcomes = all(store, vec![Change::Send(notice("south.example", 90)), hangs]).await;
    assert!(matches!(outcomes[..], [Outcome::Replaced { .. }, Outcome::Row(_)]), "{outcomes:?}");
}

pub(in crate::store) async fn an_outbox_keeps_order_and_every_field(store: &dyn Store) {
    let mut notice = outgoing("south.example", "Notice", 0);
    notice.settlement = Settlement::Notice;
    notice.message_id = None;
    notice.author = None;
    notice.reply_to = Some("t-9".parse().unwrap());
    let mut other_home = outgoing("south.example", "Other", 1);
    other_home.own = domain("south-east.example");
    let sent = [outgoing("south.example", "First", 3), notice, outgoing("south.example", "Third", 1)];
    let mut changes: Vec<Change> = sent.iter().cloned().map(Change::Send).collect();
    changes.push(Change::Send(outgoing("east.example", "Elsewhere", 1)));
    changes.push(Change::Send(other_home));
    let rows: Vec<i64> = all(store, changes).await.into_iter().map(row).collect();
    assert!(rows.is_sorted_by(|one, next| one < next));
    let found = outbox(store, "south.example").await;
    assert_eq!(found.iter().map(|row| &row.outgoing).collect::<Vec<_>>(), sent.iter().collect::<Vec<_>>());
    assert_eq!(found.iter().map(|row| row.row).collect::<Vec<_>>(), rows[..3]);
    assert!(found.iter().all(|row| row.attempts == 0 && row.not_before <= row.outgoing.accepted));
    let page = store.outbox(domain("north.example"), domain("south.example"), rows[0], 1).await.unwrap();
    assert_eq!(page, found[1..2]);
}

pub(in crate::store) async fn a_part_of_an_outbox_is_of_some_senders(store: &dyn Store) {
    let far = u64::MAX - 7;
    let of = |lane: u64| Change::Send(Outgoing { lane, ..outgoing("south.example", "A", 1) });
    let rows: Vec<i64> =
        all(store, [5, far, 5, 6, far, 5, 7].map(of).into()).await.into_iter().map(row).collect();
    let part = |after: usize, until: Option<usize>, lanes: Lanes| {
        let (after, until) = (rows[after], until.map(|until| rows[until]));
        store.outbox_excerpt(
            domain("north.example"),
            domain("south.example"),
            Excerpt { after, until, lanes, limit: 3 },
        )
    };
    let numbers = |found: Vec<StoredOutgoing>| found.iter().map(|row| row.row).collect::<Vec<_>>();
    let one = numbers(part(0, None, Lanes::Only(far)).await.unwrap());
    assert_eq!(one, [rows[1], rows[4]]);
    assert_eq!(numbers(part(1, Some(4), Lanes::Only(5)).await.unwrap()), [rows[2]]);
    let others = numbers(part(0, None, Lanes::Without(vec![far, 6])).await.unwrap());
    assert_eq!(others, [rows[2], rows[5], rows[6]]);
    assert_eq!(numbers(part(2, None, Lanes::Without(Vec::new())).await.unwrap()), rows[3..6]);
}

pub(in crate::store) async fn a_row_can_wait_and_leave(store: &dyn Store) {
    let number = row(one(store, Change::Send(outgoing("south.example", "A", 3))).await);
    let later = row(one(store, Change::Send(outgoing("south.example", "B", 3))).await);
    for millis in [500, 900] {
        let wait = Change::DeferOutgoing { row: number, not_before: at(millis) };
        assert_eq!(one(store, wait).await, Outcome::Done);
    }
    let found = outbox(store, "south.example").await;
    assert_eq!((found[0].row, found[0].attempts, found[0].not_before), (number, 2, at(900)));
    assert_eq!(one(store, Change::DropOutgoing { row: number }).await, Outcome::Done);
    assert_eq!(one(store, Change::DropOutgoing { row: number }).await, Outcome::Missing);
    let wait = Change::DeferOutgoing { row: number, not_before: at(0) };
    assert_eq!(one(store, wait).await, Outcome::Missing);
    assert_eq!(outbox(store, "south.example").await[0].row, later);
}

pub(in crate::store) async fn a_row_may_have_its_number_before_it_is_written(store: &dyn Store) {
    let before = row(one(store, Change::Send(outgoing("south.example", "A", 3))).await);
    let number = store.number().expect("the commit has set some aside");
    let other = store.number().unwrap();
    let after = row(one(store, Change::Send(outgoing("south.example", "C", 3))).await);
    assert!(before < number && number < other && other < after);
    assert_eq!(outbox(store, "south.example").await.len(), 2, "nothing was written");
    let octets_max = usize::try_from(QUEUE_OCTETS_MAX).unwrap();
    let kept = outgoing("south.example", "B", octets_max);
    let accepted = kept.accepted;
    let stored = StoredOutgoing::fresh(number, kept, accepted);
    let keep = || Change::Keep(Box::new(stored.clone()));
    assert_eq!(all(store, vec![keep(), keep()]).await, [Outcome::Done, Outcome::Done]);
    let found = outbox(store, "south.example").await;
    assert_eq!(found.iter().map(|row| row.row).collect::<Vec<_>>(), [before, number, after]);
    assert_eq!(found[1], stored);
    assert_eq!(one(store, Change::Send(outgoing("south.example", "D", 1))).await, Outcome::Full);
    let put_off = vec![keep(), Change::DeferOutgoing { row: number, not_before: at(900) }];
    assert_eq!(all(store, put_off).await, [Outcome::Done, Outcome::Done]);
    assert_eq!(outbox(store, "south.example").await[1].attempts, 1);
    assert_eq!(one(store, Change::DropOutgoing { row: number }).await, Outcome::Done);
    assert!(matches!(one(store, Change::Send(outgoing("south.example", "E", 1))).await, Outcome::Row(_)));
}

pub(in crate::store) async fn what_is_left_of_a_row_takes_its_place_in_a_full_queue(store: &dyn Store) {
    let number = row(one(store, Change::Send(outgoing("south.example", "A", 3))).await);
    let under_way = store.number().unwrap();
    let kept = outgoing("south.example", "B", usize::try_from(QUEUE_OCTETS_MAX).unwrap());
    let kept = StoredOutgoing::fresh(under_way, kept, at(10));
    assert_eq!(one(store, Change::Keep(Box::new(kept))).await, Outcome::Done);
    assert_eq!(one(store, Change::Send(outgoing("south.example", "C", 1))).await, Outcome::Full);
    let left = || Box::new(outgoing("south.example", "A", 2));
    let by = row(one(store, Change::ReplaceOutgoing { row: number, by: left() }).await);
    assert!(by > under_way);
    let found = outbox(store, "south.example").await;
    assert_eq!(found.iter().map(|row| row.row).collect::<Vec<_>>(), [under_way, by]);
    assert_eq!(found[1].outgoing, *left());
    // What is not there any more has nothing left, and what hangs on it does not come about
    let reports = Change::Then(Box::new(Change::Send(outgoing("east.example", "Report", 1))));
    let outcomes = all(store, vec![Change::ReplaceOutgoing { row: number, by: left() }, reports]).await;
    assert_eq!(outcomes, [Outcome::Missing, Outcome::Skipped]);
    // Its octets are given back once, and are those of what was left
    assert_eq!(one(store, Change::DropOutgoing { row: under_way }).await, Outcome::Done);
    let share = usize::try_from(SHARE_OCTETS_MAX).unwrap();
    let rest = |octets| Change::Send(outgoing("south.example", "D", octets));
    assert_eq!(one(store, rest(share - 1)).await, Outcome::ShareFull);
    assert!(matches!(one(store, rest(share - 2)).await, Outcome::Row(_)));
}

fn of_bo(outgoing: Outgoing) -> Outgoing {
    Outgoing { author: Some(user("wv:bo@north.example")), ..outgoing }
}

pub(in crate::store) async fn a_user_fills_its_share_of_a_queue_and_no_more(store: &dyn Store) {
    let share = usize::try_from(SHARE_OCTETS_MAX).unwrap();
    let number = row(one(store, Change::Send(outgoing("south.example", "A", share))).await);
    let again = || Change::Send(outgoing("south.example", "B", 1));
    assert_eq!(one(store, again()).await, Outcome::ShareFull);
    // However it is spelled
    let author = Some(user("wv:ADA@North.example"));
    let spelled = Outgoing { author, ..outgoing("south.example", "B", 1) };
    assert_eq!(one(store, Change::Send(spelled)).await, Outcome::ShareFull);
    // The rest of the queue is for others, other queues have a share of their own, and what nobody wrote has none
    let theirs = all(
        store,
        vec![
            Change::Send(Outgoing { author: None, ..outgoing("south.example", "N", 0) }),
            Change::Send(of_bo(outgoing("south.example", "C", 1))),
            Change::Send(outgoing("east.example", "D", 1)),
        ],
    );
    let theirs = theirs.await;
    assert!(theirs.iter().all(|outcome| matches!(outcome, Outcome::Row(_))));
    let of_bo = row(theirs[1]);
    assert_eq!(one(store, Change::DropOutgoing { row: number }).await, Outcome::Done);
    assert!(matches!(one(store, again()).await, Outcome::Row(_)));
    // What takes the place of another gives its author the octets of that back
    let replacing = |body: usize| {
        Change::Send(Outgoing { replaces: Some("k".into()), ..outgoing("south.example", "R", body) })
    };
    assert_eq!(one(store, Change::DropOutgoing { row: of_bo }).await, Outcome::Done);
    assert!(matches!(one(store, replacing(share - 1)).await, Outcome::Row(_)));
    assert_eq!(one(store, again()).await, Outcome::ShareFull);
    assert!(matches!(one(store, replacing(0)).await, Outcome::Replaced { .. }));
    assert!(matches!(one(store, again()).await, Outcome::Row(_)));
}

pub(in crate::store) async fn a_full_queue_is_that_of_one_peer(store: &dyn Store) {
    let octets_max = usize::try_from(QUEUE_OCTETS_MAX).unwrap();
    let number = row(one(store, Change::Send(outgoing("south.example", "A", octets_max - 1))).await);
    assert_eq!(one(store, Change::Send(outgoing("south.example", "B", 2))).await, Outcome::Full);
    assert!(matches!(
        all(
            store,
            vec![
                Change::Send(of_bo(outgoing("south.example", "C", 1))),
                Change::Send(of_bo(outgoing("south.example", "D", 1))),
                Change::Send(outgoing("east.example", "E", 1)),
            ]
        )
        .await[..],
        [Outcome::Row(_), Outcome::Full, Outcome::Row(_)]
    ));
    assert_eq!(one(store, Change::DropOutgoing { row: number }).await, Outcome::Done);
    assert!(matches!(one(store, Change::Send(outgoing("south.example", "F", 2))).await, Outcome::Row(_)));
}

pub(in crate::store) async fn the_queue_of_a_guest_is_a_sixteenth_of_that_of_a_peer(store: &dyn Store) {
    let guest = Guest { domain: domain("west.example"), used: at(1) };
    assert_eq!(one(store, Change::Operators(OperatorsChange::Guest(guest))).await, Outcome::Done);
    let part = usize::try_from(QUEUE_OCTETS_MAX / QUEUE_PARTS).unwrap();
    for (peer, fits) in [("west.example", false), ("south.example", true)] {
        assert!(matches!(one(store, Change::Send(outgoing(peer, "A", part))).await, Outcome::Row(_)));
        let more = one(store, Change::Send(outgoing(peer, "B", 1))).await;
        assert_eq!(matches!(more, Outcome::Row(_)), fits, "{peer}: {more:?}");
    }
}

pub(in crate::store) async fn queues_are_summed_up(store: &dyn Store) {
    assert_eq!(store.queues().await.unwrap(), []);
    for (peer, octets, accepted) in
        [("south.example", 3, 20), ("east.example", 5, 30), ("south.example", 4, 40)]
    {
        let mut outgoing = outgoing(peer, "A", octets);
        outgoing.accepted = at(accepted);
        one(store, Change::Send(outgoing)).await;
    }
    let mut queues = store.queues().await.unwrap();
    queues.sort_by(|one, other| one.peer.cmp(&other.peer));
    assert_eq!(
        queues,
        [
            QueueSummary { peer: domain("east.example"), messages: 1, octets: 5, oldest: at(30) },
            QueueSummary { peer: domain("south.example"), messages: 2, octets: 7, oldest: at(20) },
        ]
    );
}

pub(in crate::store) async fn expired_outgoing_is_found_in_pages(store: &dyn Store) {
    for (primitive, expires) in [("C", 300), ("A", 100), ("B", 200), ("D", 301)] {
        let mut outgoing = outgoing("south.example", primitive, 1);
        outgoing.expires = at(expires);
        one(store, Change::Send(outgoing)).await;
    }
    let page = store.expired_outgoing(at(300), 2).await.unwrap();
    assert_eq!(page.iter().map(|row| &*row.outgoing.primitive).collect::<Vec<_>>(), ["A", "B"]);
    for expired in page {
        one(store, Change::DropOutgoing { row: expired.row }).await;
    }
    let page = store.expired_outgoing(at(300), 2).await.unwrap();
    assert_eq!(page.iter().map(|row| &*row.outgoing.primitive).collect::<Vec<_>>(), ["C"]);
}

pub(in crate::store) async fn reports_are_expected_from_one_peer_until_forgotten(store: &dyn Store) {
    let sent = |id: &str, until| Sent {
        message_id: id.parse().unwrap(),
        peer: domain("south.example"),
        author: user("wv:ada@north.example"),
        until: at(until),
    };
    all(
        store,
        vec![
            Change::Expect(sent("m-1", 50)),
            Change::Expect(sent("m-1", 100)),
            Change::Expect(sent("m-2", 200)),
        ],
    )
    .await;
    let expected =
        async |id: &str, peer: &str| store.expected(id.parse().unwrap(), domain(peer)).await.unwrap();
    assert_eq!(expected("m-1", "south.example").await, Some(sent("m-1", 100)));
    assert_eq!(expected("m-1", "east.example").await, None);
    assert_eq!(expected("m-3", "south.example").await, None);
    assert_eq!(one(store, Change::Forget { before: at(101) }).await, Outcome::Done);
    // Pages are forgotten at the latest with the next commit.
    one(store, Change::DropOutgoing { row: 0 }).await;
    assert_eq!(expected("m-1", "south.example").await, None);
    assert_eq!(expected("m-2", "south.example").await, Some(sent("m-2", 200)));
}
