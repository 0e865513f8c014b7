//! What every store must do, as tests over `&dyn Store`. [`keeps_the_contract`] makes a test of each
//! for the store that an expression opens; the store must be empty and have the limits below.

mod common;
mod content;
mod groups;
mod lists;
mod presence;

use std::sync::Arc;

use crate::element::im::{Mail, MailKind, StoredMail};
use crate::imps::primitive::ClientId;
use crate::imps::{Domain, Moment, UserId, Version};
use crate::relay::ports::{
    Account, Change, Outcome, Outgoing, QueueSummary, SeenKey, Sent, Settlement, Store, StoredOutgoing,
};
use crate::session::{csp, ssp};
use crate::wire::Encoding;

pub(super) use common::*;
pub(super) use content::*;
pub(super) use groups::*;
pub(super) use lists::*;
pub(super) use presence::*;

/// Rows that fit into a mailbox.
pub(super) const MAILBOX_MESSAGES_MAX: u64 = 5;
/// Octets that fit into a mailbox.
pub(super) const MAILBOX_OCTETS_MAX: u64 = 1000;
/// Octets that fit into the queue for a peer.
pub(super) const QUEUE_OCTETS_MAX: u64 = 500;

pub(super) fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

pub(super) fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

pub(super) fn user(text: &str) -> UserId {
    text.parse().unwrap()
}

pub(super) fn account(text: &str) -> Account {
    Account { user: user(text), sealed_password: Arc::from(*b"sealed"), created: at(7) }
}

pub(super) fn mail(owner: &str, id: &str, octets: usize) -> Mail {
    Mail {
        owner: user(owner),
        kind: MailKind::Message,
        message_id: id.parse().unwrap(),
        sender: "wv:Bo@south.example".into(),
        origin: domain("south.example"),
        accepted: at(10),
        expires: at(1000),
        report_wanted: true,
        reply_to: Some("t-1".parse().unwrap()),
        content_type: "text/plain".into(),
        content_octets: 3,
        session: None,
        replaces: None,
        body: vec![0x6d; octets].into(),
    }
}

pub(super) fn deliver(mail: Mail) -> Change {
    let seen = SeenKey {
        origin: mail.origin.clone(),
        message_id: mail.message_id.clone(),
        recipient: mail.owner.clone(),
        until: at(5000),
    };
    Change::Deliver { mail, seen: Some(seen) }
}

pub(super) fn outgoing(peer: &str, primitive: &str, octets: usize) -> Outgoing {
    Outgoing {
        replaces: None,
        via: None,
        own: domain("north.example"),
        peer: domain(peer),
        settlement: Settlement::Request,
        primitive: primitive.into(),
        message_id: Some("m-1@north.example".parse().unwrap()),
        author: Some(user("wv:Ada@north.example")),
        order: u64::MAX - 3,
        accepted: at(20),
        expires: at(2000),
        reply_to: None,
        body: vec![0x6f; octets].into(),
    }
}

pub(super) async fn all(store: &dyn Store, changes: Vec<Change>) -> Vec<Outcome> {
    store.commit(changes).await.unwrap()
}

pub(super) async fn one(store: &dyn Store, change: Change) -> Outcome {
    all(store, vec![change]).await[0]
}

fn row(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Row(row) => row,
        other => panic!("a row was wanted, not {other:?}"),
    }
}

async fn with_ada(store: &dyn Store) {
    assert_eq!(one(store, Change::AddAccount(account("wv:Ada@north.example"))).await, Outcome::Done);
}

pub(super) async fn mailbox(store: &dyn Store, owner: &str) -> Vec<StoredMail> {
    store.mailbox(user(owner), None, 0, 100).await.unwrap()
}

pub(super) async fn outbox(store: &dyn Store, peer: &str) -> Vec<StoredOutgoing> {
    store.outbox(domain("north.example"), domain(peer), 0, 100).await.unwrap()
}

fn ids(rows: &[StoredMail]) -> Vec<&str> {
    rows.iter().map(|row| row.mail.message_id.as_str()).collect()
}

pub(super) async fn a_message_comes_back_as_it_was_delivered(store: &dyn Store) {
    with_ada(store).await;
    let mut report = mail("wv:ADA@north.example", "m-2", 0);
    report.kind = MailKind::Report;
    report.report_wanted = false;
    report.reply_to = None;
    for mail in [mail("wv:ada@north.example", "m-1", 3), report] {
        let number = row(one(store, Change::Deliver { mail: mail.clone(), seen: None }).await);
        let found = mailbox(store, "ada@north.example").await.pop().unwrap();
        assert_eq!(found, StoredMail { row: number, mail });
    }
}

pub(super) async fn a_notice_is_for_its_session_and_gives_way_to_a_newer_one(store: &dyn Store) {
    with_ada(store).await;
    let ada = user("wv:ada@north.example");
    let record = csp_record("s-1", "wv:ada@north.example");
    all(store, vec![Change::PutCspSession(Box::new(record))]).await;
    let notice = |session: &str, octets| Mail {
        kind: MailKind::Notice,
        session: Some(session.parse().unwrap()),
        replaces: Some("presence wv:bo@south.example".into()),
        ..mail("wv:ada@north.example", "PresenceNotification", octets)
    };
    let deliver = |mail: Mail| Change::Deliver { mail, seen: None };
    let first = row(one(store, deliver(notice("s-1", 400))).await);
    let other = row(one(store, deliver(notice("s-2", 400))).await);
    let newer = one(store, deliver(notice("s-1", 100))).await;
    let Outcome::Replaced { row: newer, old } = newer else { panic!("not replaced: {newer:?}") };
    assert_eq!(old, first);
    row(one(store, deliver(mail("wv:ada@north.example", "m-1", 400))).await);
    let seen = store.mailbox(ada.clone(), Some("s-1".parse().unwrap()), 0, 100).await.unwrap();
    assert_eq!(ids(&seen), ["PresenceNotification", "m-1"]);
    assert_eq!((seen[0].row, seen[0].mail.clone()), (newer, notice("s-1", 100)));
    assert_eq!(mailbox(store, "ada@north.example").await.iter().map(|mail| mail.row).min(), Some(other));
    all(store, vec![Change::DropCspSession("s-1".parse().unwrap())]).await;
    assert_eq!(ids(&store.mailbox(ada, Some("s-1".parse().unwrap()), 0, 100).await.unwrap()), ["m-1"]);
}

pub(super) async fn a_newer_notice_for_a_peer_takes_the_place_of_the_old_one(store: &dyn Store) {
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

pub(super) async fn a_message_is_delivered_once(store: &dyn Store) {
    with_ada(store).await;
    all(store, vec![Change::AddAccount(account("wv:cy@north.example"))]).await;
    let first = row(one(store, deliver(mail("wv:ada@north.example", "m-1", 3))).await);
    assert_eq!(one(store, deliver(mail("wv:ADA@north.example", "m-1", 4))).await, Outcome::Duplicate);
    // Another recipient, id or origin is another message.
    assert!(matches!(one(store, deliver(mail("wv:cy@north.example", "m-1", 3))).await, Outcome::Row(_)));
    assert!(matches!(one(store, deliver(mail("wv:ada@north.example", "m-2", 3))).await, Outcome::Row(_)));
    let mut elsewhere = mail("wv:ada@north.example", "m-1", 3);
    elsewhere.origin = domain("east.example");
    assert!(matches!(one(store, deliver(elsewhere)).await, Outcome::Row(_)));
    // Also after it was taken, and twice in one commit.
    let drop = Change::DropMail { owner: user("wv:ada@north.example"), row: first };
    assert_eq!(one(store, drop).await, Outcome::Done);
    assert_eq!(one(store, deliver(mail("wv:ada@north.example", "m-1", 3))).await, Outcome::Duplicate);
    let twice = vec![
        deliver(mail("wv:ada@north.example", "m-9", 1)),
        deliver(mail("wv:ada@north.example", "m-9", 1)),
    ];
    assert!(matches!(all(store, twice).await[..], [Outcome::Row(_), Outcome::Duplicate]));
}

pub(super) async fn a_full_mailbox_takes_no_more_until_something_is_taken(store: &dyn Store) {
    with_ada(store).await;
    let octets_max = usize::try_from(MAILBOX_OCTETS_MAX).unwrap();
    let first = row(one(store, deliver(mail("wv:ada@north.example", "big", octets_max))).await);
    assert_eq!(one(store, deliver(mail("wv:ada@north.example", "m-0", 1))).await, Outcome::Full);
    assert_eq!(
        one(store, deliver(mail("wv:ada@north.example", "big", 1))).await,
        Outcome::Duplicate,
        "what was accepted before stays accepted"
    );
    one(store, Change::DropMail { owner: user("wv:ada@north.example"), row: first }).await;
    // What was refused as Full was not seen.
    for id in 0..MAILBOX_MESSAGES_MAX {
        let change = deliver(mail("wv:ada@north.example", &format!("m-{id}"), 1));
        assert!(matches!(one(store, change).await, Outcome::Row(_)), "{id}");
    }
    assert_eq!(one(store, deliver(mail("wv:ada@north.example", "more", 1))).await, Outcome::Full);
    assert_eq!(mailbox(store, "wv:ada@north.example").await.len() as u64, MAILBOX_MESSAGES_MAX);
}

pub(super) async fn who_has_no_account_has_no_mailbox(store: &dyn Store) {
    assert_eq!(one(store, deliver(mail("wv:ada@north.example", "m-1", 3))).await, Outcome::Missing);
    assert!(mailbox(store, "wv:ada@north.example").await.is_empty());
    with_ada(store).await;
    assert!(matches!(one(store, deliver(mail("wv:ada@north.example", "m-1", 3))).await, Outcome::Row(_)));
}

pub(super) async fn rows_are_numbered_upwards_and_read_in_pages(store: &dyn Store) {
    with_ada(store).await;
    all(store, vec![Change::AddAccount(account("wv:cy@north.example"))]).await;
    let changes = ["a", "b", "c", "d"]
        .into_iter()
        .flat_map(|id| {
            [deliver(mail("wv:ada@north.example", id, 1)), deliver(mail("wv:cy@north.example", id, 1))]
        })
        .collect();
    let rows: Vec<i64> = all(store, changes).await.into_iter().map(row).collect();
    assert!(rows.is_sorted_by(|one, next| one < next));
    let ada = user("wv:ada@north.example");
    let page = store.mailbox(ada.clone(), None, 0, 3).await.unwrap();
    assert_eq!(ids(&page), ["a", "b", "c"]);
    assert_eq!(ids(&store.mailbox(ada.clone(), None, page[2].row, 3).await.unwrap()), ["d"]);
    assert_eq!(ids(&store.mailbox(ada, None, 0, 0).await.unwrap()), [""; 0]);
}

pub(super) async fn one_message_and_the_newest_are_found(store: &dyn Store) {
    with_ada(store).await;
    let mut report = mail("wv:ada@north.example", "b", 1);
    report.kind = MailKind::Report;
    all(
        store,
        vec![
            deliver(mail("wv:ada@north.example", "a", 1)),
            Change::Deliver { mail: report, seen: None },
            deliver(mail("wv:ada@north.example", "c", 1)),
            deliver(mail("wv:ada@north.example", "d", 1)),
        ],
    )
    .await;
    let ada = user("wv:Ada@north.example");
    let found = store.message(ada.clone(), "c".parse().unwrap()).await.unwrap();
    assert_eq!(found.unwrap().mail, mail("wv:ada@north.example", "c", 1));
    assert_eq!(store.message(ada.clone(), "b".parse().unwrap()).await.unwrap(), None, "a report");
    assert_eq!(store.message(ada.clone(), "C".parse().unwrap()).await.unwrap(), None);
    let (newest, count) = store.newest(ada, 2).await.unwrap();
    assert_eq!((ids(&newest), count), (vec!["d", "c"], 3));
    let (newest, count) = store.newest(user("wv:cy@north.example"), 2).await.unwrap();
    assert_eq!((ids(&newest), count), (vec![], 0));
}

pub(super) async fn a_row_is_dropped_once_and_by_its_owner(store: &dyn Store) {
    with_ada(store).await;
    all(store, vec![Change::AddAccount(account("wv:cy@north.example"))]).await;
    let number = row(one(store, deliver(mail("wv:ada@north.example", "m-1", 3))).await);
    let drop = |owner: &str| Change::DropMail { owner: user(owner), row: number };
    assert_eq!(one(store, drop("wv:cy@north.example")).await, Outcome::Missing);
    assert_eq!(one(store, drop("wv:Ada@north.example")).await, Outcome::Done);
    assert_eq!(one(store, drop("wv:ada@north.example")).await, Outcome::Missing);
    let again = row(one(store, deliver(mail("wv:ada@north.example", "m-2", 3))).await);
    assert!(again > number, "numbers are never reused");
}

pub(super) async fn what_hangs_on_a_change_happens_only_with_it(store: &dyn Store) {
    with_ada(store).await;
    let number = row(one(store, deliver(mail("wv:ada@north.example", "m-1", 3))).await);
    let taken = || {
        vec![
            Change::DropMail { owner: user("wv:ada@north.example"), row: number },
            Change::Then(Box::new(Change::Send(outgoing("south.example", "Report", 1)))),
            Change::Then(Box::new(Change::Send(outgoing("south.example", "Report", 1)))),
        ]
    };
    assert!(matches!(all(store, taken()).await[..], [Outcome::Done, Outcome::Row(_), Outcome::Row(_)]));
    assert_eq!(all(store, taken()).await, [Outcome::Missing, Outcome::Skipped, Outcome::Skipped]);
    assert_eq!(outbox(store, "south.example").await.len(), 2);
}

pub(super) async fn expired_mail_is_found_in_pages(store: &dyn Store) {
    with_ada(store).await;
    for (id, expires) in [("c", 300), ("a", 100), ("b", 200), ("d", 301)] {
        let mut mail = mail("wv:ada@north.example", id, 1);
        mail.expires = at(expires);
        one(store, deliver(mail)).await;
    }
    let mut found = Vec::new();
    loop {
        let page = store.expired_mail(at(300), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        for expired in page {
            found.push(expired.mail.message_id.to_string());
            let drop = Change::DropMail { owner: expired.mail.owner, row: expired.row };
            assert_eq!(one(store, drop).await, Outcome::Done);
        }
    }
    assert_eq!(found, ["a", "b", "c"]);
}

pub(super) async fn an_outbox_keeps_order_and_every_field(store: &dyn Store) {
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

pub(super) async fn a_row_can_wait_and_leave(store: &dyn Store) {
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

pub(super) async fn a_row_may_have_its_number_before_it_is_written(store: &dyn Store) {
    let before = row(one(store, Change::Send(outgoing("south.example", "A", 3))).await);
    let number = store.number().expect("the commit has set some aside");
    let other = store.number().unwrap();
    let after = row(one(store, Change::Send(outgoing("south.example", "C", 3))).await);
    assert!(before < number && number < other && other < after);
    assert_eq!(outbox(store, "south.example").await.len(), 2, "nothing was written");
    let octets_max = usize::try_from(QUEUE_OCTETS_MAX).unwrap();
    let kept = outgoing("south.example", "B", octets_max);
    let stored = StoredOutgoing { row: number, attempts: 0, not_before: kept.accepted, outgoing: kept };
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

pub(super) async fn a_full_queue_is_that_of_one_peer(store: &dyn Store) {
    let octets_max = usize::try_from(QUEUE_OCTETS_MAX).unwrap();
    let number = row(one(store, Change::Send(outgoing("south.example", "A", octets_max - 1))).await);
    assert_eq!(one(store, Change::Send(outgoing("south.example", "B", 2))).await, Outcome::Full);
    assert!(matches!(
        all(
            store,
            vec![
                Change::Send(outgoing("south.example", "C", 1)),
                Change::Send(outgoing("south.example", "D", 1)),
                Change::Send(outgoing("east.example", "E", 1)),
            ]
        )
        .await[..],
        [Outcome::Row(_), Outcome::Full, Outcome::Row(_)]
    ));
    assert_eq!(one(store, Change::DropOutgoing { row: number }).await, Outcome::Done);
    assert!(matches!(one(store, Change::Send(outgoing("south.example", "F", 2))).await, Outcome::Row(_)));
}

pub(super) async fn queues_are_summed_up(store: &dyn Store) {
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

pub(super) async fn expired_outgoing_is_found_in_pages(store: &dyn Store) {
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

pub(super) async fn reports_are_expected_from_one_peer_until_forgotten(store: &dyn Store) {
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

pub(super) async fn a_seen_key_is_forgotten_when_it_is_over(store: &dyn Store) {
    with_ada(store).await;
    let message = || deliver(mail("wv:ada@north.example", "m-1", 1));
    one(store, message()).await;
    one(store, Change::Forget { before: at(5000) }).await;
    assert_eq!(one(store, message()).await, Outcome::Duplicate, "its moment is not before 5000");
    one(store, Change::Forget { before: at(5001) }).await;
    one(store, Change::DropOutgoing { row: 0 }).await;
    assert!(matches!(one(store, message()).await, Outcome::Row(_)));
}

pub(super) async fn accounts_come_and_go(store: &dyn Store) {
    let (ada, cy) = (account("wv:Ada@north.example"), account("wv:cy@north.example"));
    let ask = || store.accounts(vec![user("wv:cy@north.example"), user("wv:ADA@north.example")]);
    assert_eq!(ask().await.unwrap(), [None, None]);
    assert_eq!(one(store, Change::AddAccount(cy.clone())).await, Outcome::Done);
    assert_eq!(one(store, Change::AddAccount(ada.clone())).await, Outcome::Done);
    assert_eq!(one(store, Change::AddAccount(account("wv:CY@north.example"))).await, Outcome::Duplicate);
    assert_eq!(ask().await.unwrap(), [Some(cy.clone()), Some(ada.clone())]);
    let everybody = store.all_accounts().await.unwrap();
    assert_eq!(everybody, [ada.clone(), cy.clone()]);
    assert_eq!(everybody[0].user.as_str(), "wv:Ada@north.example", "as spelled when it was made");

    let password = |name: &str| Change::SetPassword { user: user(name), sealed_password: Arc::from(*b"new") };
    assert_eq!(one(store, password("wv:Cy@north.example")).await, Outcome::Done);
    assert_eq!(one(store, password("wv:bo@north.example")).await, Outcome::Missing);
    assert_eq!(&*ask().await.unwrap()[0].clone().unwrap().sealed_password, b"new");

    assert_eq!(one(store, Change::RemoveAccount(user("wv:CY@north.example"))).await, Outcome::Done);
    assert_eq!(one(store, Change::RemoveAccount(cy.user.clone())).await, Outcome::Missing);
    assert_eq!(ask().await.unwrap(), [None, Some(ada.clone())]);
    assert_eq!(store.all_accounts().await.unwrap(), [ada]);
}

pub(super) async fn messages_of_a_removed_account_go_back_to_their_authors(store: &dyn Store) {
    with_ada(store).await;
    let ada = user("wv:ada@north.example");
    let mut report = mail("wv:ada@north.example", "r-1", 1);
    report.kind = MailKind::Report;
    one(store, Change::Deliver { mail: report, seen: None }).await;
    one(store, deliver(mail("wv:ada@north.example", "m-1", 1))).await;
    one(store, Change::PutCspSession(Box::new(csp_record("s-1", "wv:ada@north.example")))).await;
    assert_eq!(one(store, Change::RemoveAccount(ada.clone())).await, Outcome::Done);
    assert!(store.csp_sessions().await.unwrap().is_empty());
    assert!(mailbox(store, "wv:ada@north.example").await.is_empty());
    assert_eq!(store.message(ada.clone(), "m-1".parse().unwrap()).await.unwrap(), None);

    // A new account of that name has an empty mailbox, and the old message is still given back.
    with_ada(store).await;
    one(store, deliver(mail("wv:ada@north.example", "m-2", 1))).await;
    assert_eq!(ids(&mailbox(store, "wv:ada@north.example").await), ["m-2"]);
    let expired = store.expired_mail(at(11), 10).await.unwrap();
    assert_eq!((ids(&expired), &expired[0].mail.owner), (vec!["m-1"], &ada));
    let drop = Change::DropMail { owner: ada.clone(), row: expired[0].row };
    assert_eq!(one(store, drop).await, Outcome::Done);
    assert!(store.expired_mail(at(11), 10).await.unwrap().is_empty());
    one(store, Change::Forget { before: at(0) }).await;
    assert_eq!(ids(&mailbox(store, "wv:ada@north.example").await), ["m-2"]);
}

pub(super) fn csp_record(id: &str, name: &str) -> csp::record::SessionRecord {
    csp::record::SessionRecord {
        id: id.parse().unwrap(),
        user: user(name),
        client: ClientId { url: Some("phone".into()), msisdn: None, text: Some("t".into()) },
        application: Some("app".into()),
        version: Version::V1_3,
        encoding: Encoding::Wbxml,
        cookie: Some("cookie".into()),
        time_to_live: 3600,
        capabilities: Box::from(*b"\x00caps"),
        created: at(30),
        last_active: at(40),
    }
}

pub(super) async fn csp_sessions_are_kept_touched_and_dropped(store: &dyn Store) {
    let full = csp_record("s-1", "wv:ada@north.example");
    assert_eq!(one(store, Change::PutCspSession(Box::new(full.clone()))).await, Outcome::Missing);
    with_ada(store).await;
    let mut bare = csp_record("s-2", "wv:ada@north.example");
    bare.client = ClientId::default();
    bare.application = None;
    bare.cookie = None;
    bare.version = Version::V1_1;
    bare.encoding = Encoding::Xml;
    bare.capabilities = Box::default();
    for record in [&full, &bare] {
        assert_eq!(one(store, Change::PutCspSession(Box::new(record.clone()))).await, Outcome::Done);
    }
    let sessions = async || {
        let mut sessions = store.csp_sessions().await.unwrap();
        sessions.sort_by(|one, other| one.id.cmp(&other.id));
        sessions
    };
    assert_eq!(sessions().await, [full.clone(), bare.clone()]);
    let moments = ["s-1", "s-2", "s-3"].into_iter().zip([at(90), at(39), at(90)]);
    let moments = moments.map(|(id, moment)| (id.parse().unwrap(), moment)).collect();
    assert_eq!(one(store, Change::TouchCspSessions(moments)).await, Outcome::Done);
    let touched = csp::record::SessionRecord { last_active: at(90), ..full };
    assert_eq!(sessions().await, [touched.clone(), bare.clone()], "never backwards");
    let changed = csp::record::SessionRecord { capabilities: Box::from(*b"new"), ..touched };
    assert_eq!(one(store, Change::PutCspSession(Box::new(changed.clone()))).await, Outcome::Done);
    assert_eq!(one(store, Change::DropCspSession(bare.id.clone())).await, Outcome::Done);
    assert_eq!(one(store, Change::DropCspSession(bare.id)).await, Outcome::Missing);
    assert_eq!(sessions().await, [changed]);
}

pub(super) async fn links_are_kept_changed_and_dropped(store: &dyn Store) {
    let record = ssp::SessionRecord {
        own: domain("north.example"),
        peer: domain("south.example"),
        own_id: "1@north.example".parse().unwrap(),
        peer_id: "2@south.example".parse().unwrap(),
        setup: "setup-1".parse().unwrap(),
        version: Version::V1_2,
        initiator: domain("south.example"),
        time_to_live: 600,
        established: at(1),
        last_used: at(2),
        superseded: false,
        legacy: true,
        at: Some("https://a.south.example/".into()),
    };
    let second = ssp::SessionRecord {
        own_id: "3@north.example".parse().unwrap(),
        superseded: true,
        legacy: false,
        at: None,
        ..record.clone()
    };
    for record in [&record, &second] {
        assert_eq!(one(store, Change::PutLink(Box::new(record.clone()))).await, Outcome::Done);
    }
    let changed = ssp::SessionRecord { last_used: at(9), ..record };
    one(store, Change::PutLink(Box::new(changed.clone()))).await;
    let mut links = store.links().await.unwrap();
    links.sort_by(|one, other| one.own_id.cmp(&other.own_id));
    assert_eq!(links, [changed, second.clone()]);
    assert_eq!(one(store, Change::DropLink("1@north.example".parse().unwrap())).await, Outcome::Done);
    assert_eq!(one(store, Change::DropLink("1@north.example".parse().unwrap())).await, Outcome::Missing);
    assert_eq!(store.links().await.unwrap(), [second]);
}

pub(super) async fn a_dropped_promise_is_carried_out(store: &dyn Store) {
    with_ada(store).await;
    drop(store.commit(vec![deliver(mail("wv:ada@north.example", "m-1", 1))]));
    // Commits happen in the order of the calls.
    assert_eq!(one(store, deliver(mail("wv:ada@north.example", "m-1", 1))).await, Outcome::Duplicate);
    assert_eq!(mailbox(store, "wv:ada@north.example").await.len(), 1);
}

pub(super) async fn nothing_to_do_is_done(store: &dyn Store) {
    assert_eq!(all(store, Vec::new()).await, []);
    assert!(!store.instance().is_empty());
}

/// Makes a test of each check above for the store that the expression opens.
macro_rules! keeps_the_contract {
    ($open:expr) => {
        $crate::store::contract::keeps_the_contract! { $open =>
            a_message_comes_back_as_it_was_delivered
            a_message_is_delivered_once
            a_notice_is_for_its_session_and_gives_way_to_a_newer_one
            a_newer_notice_for_a_peer_takes_the_place_of_the_old_one
            a_full_mailbox_takes_no_more_until_something_is_taken
            who_has_no_account_has_no_mailbox
            rows_are_numbered_upwards_and_read_in_pages
            one_message_and_the_newest_are_found
            a_row_is_dropped_once_and_by_its_owner
            what_hangs_on_a_change_happens_only_with_it
            expired_mail_is_found_in_pages
            an_outbox_keeps_order_and_every_field
            a_row_can_wait_and_leave
            a_row_may_have_its_number_before_it_is_written
            a_full_queue_is_that_of_one_peer
            queues_are_summed_up
            expired_outgoing_is_found_in_pages
            reports_are_expected_from_one_peer_until_forgotten
            a_seen_key_is_forgotten_when_it_is_over
            accounts_come_and_go
            messages_of_a_removed_account_go_back_to_their_authors
            csp_sessions_are_kept_touched_and_dropped
            links_are_kept_changed_and_dropped
            lists_are_kept_and_changed_by_whoever_was_first
            lists_go_with_their_account
            content_is_kept_within_a_quota
            octets_are_litter_unless_somebody_keeps_them
            content_goes_with_its_account
            presence_is_kept_and_changed_by_whoever_was_first
            what_is_followed_is_bounded_and_ends_with_the_session
            subscriptions_of_a_visitor_are_counted
            it_is_known_since_when_a_peer_is_out_of_reach
            those_who_watched_are_remembered_within_a_bound
            groups_are_kept_as_they_were_made
            edits_of_a_group_mean_the_same_on_disk_and_in_memory
            groups_are_found_by_session_wish_and_end
            visits_are_kept_until_they_end
            a_group_keeps_its_newest_messages
            what_was_said_long_ago_is_forgotten
            groups_elsewhere_are_joined_at_login_too
            a_dropped_promise_is_carried_out
            nothing_to_do_is_done
            invitations_are_remembered_until_they_are_dropped
            an_inviter_makes_so_many_invitations_an_hour
            what_the_provider_told_is_kept_until_it_is_answered
            a_profile_is_set_and_cleared
            users_are_found_in_the_directory
            groups_that_want_to_be_found_are
            who_has_no_account_has_no_profile_and_no_invitations
        }
    };
    ($open:expr => $($check:ident)+) => {
        $(#[tokio::test]
        async fn $check() {
            let open = $open;
            $crate::store::contract::$check(&open.store).await;
        })+
    };
}
pub(super) use keeps_the_contract;
