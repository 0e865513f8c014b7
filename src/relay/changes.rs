//! What an element decided, as changes of the store.

use std::time::Duration;

use crate::element::im::fetch::Ended;
use crate::element::im::report::Told;
use crate::element::im::send::{Prepared, VALIDITY_MAX_SECONDS};
use crate::element::im::{Mail, MailKind, Parcel};
use crate::imps::{Code, Domain, GroupId, MessageId, Moment, UserId};

use super::ports::{Change, Outcome, Outgoing, SeenKey, Sent, Settlement};

/// How long a message is remembered against repeats: the longest validity and one day (decisions.md 6).
const SEEN: Duration = Duration::from_secs(VALIDITY_MAX_SECONDS as u64 + 86_400);

impl From<Parcel> for Outgoing {
    fn from(parcel: Parcel) -> Self {
        Self {
            own: parcel.own,
            peer: parcel.peer,
            settlement: if parcel.notice { Settlement::Notice } else { Settlement::Request },
            primitive: parcel.primitive.into(),
            message_id: parcel.message_id,
            author: parcel.author,
            order: parcel.order,
            lane: parcel.lane,
            accepted: parcel.accepted,
            expires: parcel.expires,
            reply_to: parcel.reply_to,
            replaces: None,
            via: None,
            body: parcel.body,
        }
    }
}

/// Puts a row into a mailbox; a message of another domain only if it was not seen before. Messages of
/// the mailbox's own domain got their ids here a moment ago.
pub fn deliver(mail: Mail) -> Change {
    let foreign = mail.kind == MailKind::Message && !mail.owner.is_in(&mail.origin);
    let heard = || heard_by(&mail.owner, &mail.origin, &mail.message_id, mail.accepted);
    let seen = foreign.then(heard);
    Change::Deliver { mail, seen }
}

/// What is remembered of a message of another domain that a user has heard. `now` is when.
pub fn heard_by(user: &UserId, origin: &Domain, message_id: &MessageId, now: Moment) -> SeenKey {
    let (origin, message_id) = (origin.clone(), message_id.clone());
    SeenKey { origin, message_id, recipient: user.key().into(), until: now.after(SEEN) }
}

/// What is remembered of a message of another domain that was said in a group of ours, or to one name in it.
pub fn said_in(
    group: &GroupId,
    name: Option<&str>,
    origin: &Domain,
    message_id: &MessageId,
    now: Moment,
) -> SeenKey {
    let recipient = name.map_or_else(|| group.key(), |name| format!("{} {name}", group.key()));
    let (origin, message_id) = (origin.clone(), message_id.clone());
    SeenKey { origin, message_id, recipient: recipient.into(), until: now.after(SEEN) }
}

/// Puts a message into a mailbox unless it was seen before, whoever wrote it: the home of its owner, or the
/// element, repeats it if it did not hear the answer. `origin` tells equal ids of different homes apart.
pub fn deliver_hosted(mail: Mail, origin: &Domain) -> Change {
    let seen = heard_by(&mail.owner, origin, &mail.message_id, mail.accepted);
    Change::Deliver { mail, seen: Some(seen) }
}

/// Puts a report of a peer into its author's mailbox, unless it was seen before: a peer that did not
/// hear our answer says it again. `about` is the recipient whom it is about.
pub fn deliver_report(mail: Mail, peer: &Domain, about: Option<UserId>) -> Change {
    let seen = about.map(|recipient| SeenKey {
        origin: peer.clone(),
        message_id: mail.message_id.clone(),
        recipient: recipient.key().into(),
        until: mail.accepted.after(SEEN),
    });
    Change::Deliver { mail, seen }
}

/// Puts a parcel into the outbox.
pub fn send(parcel: Parcel) -> Change {
    Change::Send(parcel.into())
}

/// Remembers that `peer` may report on a message; nothing to do if no report was asked for.
pub fn expect(prepared: &Prepared, author: &UserId, peer: &Domain) -> Option<Change> {
    prepared.report_wanted().then(|| {
        Change::Expect(Sent {
            message_id: prepared.id().clone(),
            peer: peer.clone(),
            author: author.clone(),
            until: prepared.reports_until(),
        })
    })
}

/// What an append means for the recipient it was for: a repeat is a success, it was delivered before.
pub const fn code_of(outcome: Outcome) -> Code {
    match outcome {
        Outcome::Done | Outcome::Row(_) | Outcome::Replaced { .. } | Outcome::Duplicate => Code::SUCCESSFUL,
        Outcome::Full | Outcome::ShareFull => Code::QUEUE_FULL,
        Outcome::Missing => Code::UNKNOWN_USER,
        Outcome::Skipped | Outcome::Conflict => Code::INTERNAL_ERROR,
    }
}

/// Sends a report on its way.
pub fn tell(told: Told) -> Option<Change> {
    match told {
        Told::Here(mail) => Some(deliver(mail)),
        Told::There(parcel) => Some(send(parcel)),
        Told::Nobody => None,
    }
}

/// Drops a mailbox row, and tells its author if it was still there.
pub fn end(owner: UserId, ended: Ended) -> impl Iterator<Item = Change> {
    let drop = Change::DropMail { owner, row: ended.row };
    std::iter::once(drop).chain(tell(ended.told).map(|told| Change::Then(Box::new(told))))
}

/// Drops an outbox row, and tells its author of failures if it was still there.
pub fn give_up(row: i64, reports: Vec<Mail>) -> impl Iterator<Item = Change> {
    let told = reports.into_iter().map(|mail| Change::Then(Box::new(deliver(mail))));
    std::iter::once(Change::DropOutgoing { row }).chain(told)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::imps::Moment;

    fn mail(kind: MailKind) -> Mail {
        Mail {
            owner: "wv:ada@north.example".parse().unwrap(),
            kind,
            message_id: "m-1@south.example".parse().unwrap(),
            sender: "wv:bo@south.example".into(),
            origin: "south.example".parse().unwrap(),
            accepted: Moment::from_millis(1000),
            expires: Moment::from_millis(2000),
            report_wanted: false,
            reply_to: None,
            content_type: "text/plain".into(),
            content_octets: 0,
            session: None,
            replaces: None,
            body: Arc::from([]),
        }
    }

    #[test]
    fn a_message_is_remembered_for_eight_days_and_a_report_is_not() {
        let Change::Deliver { seen: Some(key), .. } = deliver(mail(MailKind::Message)) else {
            panic!("not remembered")
        };
        assert_eq!(key.until, Moment::from_millis(1000 + 8 * 86_400_000));
        assert_eq!((key.origin.as_str(), key.message_id.as_str()), ("south.example", "m-1@south.example"));
        assert!(matches!(deliver(mail(MailKind::Report)), Change::Deliver { seen: None, .. }));
    }

    #[test]
    fn an_author_is_told_only_by_who_dropped_the_row() {
        let ended = Ended { row: 7, told: Told::Here(mail(MailKind::Report)) };
        let changes: Vec<_> = end("wv:bo@south.example".parse().unwrap(), ended).collect();
        assert!(matches!(
            &changes[..],
            [Change::DropMail { row: 7, .. }, Change::Then(told)] if matches!(**told, Change::Deliver { .. })
        ));
        let quiet: Vec<_> = give_up(8, Vec::new()).collect();
        assert!(matches!(quiet[..], [Change::DropOutgoing { row: 8 }]));
    }
}
