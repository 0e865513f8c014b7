//! What every store must do about mailboxes.

use super::{
    MAILBOX_MESSAGES_MAX, MAILBOX_OCTETS_MAX, account, all, at, csp_record, deliver, domain, ids, mail,
    mailbox, one, outbox, outgoing, row, user, with_ada,
};
use crate::element::im::{Mail, MailKind, StoredMail};
use crate::relay::ports::{Change, Outcome, Store};

pub(in crate::store) async fn a_message_comes_back_as_it_was_delivered(store: &dyn Store) {
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

pub(in crate::store) async fn a_notice_is_for_its_session_and_gives_way_to_a_newer_one(store: &dyn Store) {
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

pub(in crate::store) async fn a_message_is_delivered_once(store: &dyn Store) {
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

pub(in crate::store) async fn a_full_mailbox_takes_no_more_until_something_is_taken(store: &dyn Store) {
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

pub(in crate::store) async fn a_full_mailbox_has_as_much_room_again_for_reports(store: &dyn Store) {
    with_ada(store).await;
    for id in 0..MAILBOX_MESSAGES_MAX {
        one(store, deliver(mail("wv:ada@north.example", &format!("m-{id}"), 1))).await;
    }
    for id in 0..MAILBOX_MESSAGES_MAX {
        let report = mail("wv:ada@north.example", &format!("r-{id}"), 1);
        let report = deliver(Mail { kind: MailKind::Report, ..report });
        assert!(matches!(one(store, report).await, Outcome::Row(_)), "{id}");
    }
    let more = Mail { kind: MailKind::Report, ..mail("wv:ada@north.example", "more", 1) };
    assert_eq!(one(store, deliver(more)).await, Outcome::Full);
}

pub(in crate::store) async fn who_has_no_account_has_no_mailbox(store: &dyn Store) {
    assert_eq!(one(store, deliver(mail("wv:ada@north.example", "m-1", 3))).await, Outcome::Missing);
    assert!(mailbox(store, "wv:ada@north.example").await.is_empty());
    with_ada(store).await;
    assert!(matches!(one(store, deliver(mail("wv:ada@north.example", "m-1", 3))).await, Outcome::Row(_)));
}

pub(in crate::store) async fn rows_are_numbered_upwards_and_read_in_pages(store: &dyn Store) {
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

pub(in crate::store) async fn one_message_and_the_newest_are_found(store: &dyn Store) {
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

pub(in crate::store) async fn a_row_is_dropped_once_and_by_its_owner(store: &dyn Store) {
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

pub(in crate::store) async fn what_hangs_on_a_change_happens_only_with_it(store: &dyn Store) {
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

pub(in crate::store) async fn expired_mail_is_found_in_pages(store: &dyn Store) {
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
