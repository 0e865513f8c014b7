//! What became of a message, told to its author.
//!
//! A local author hears of every failure after a success was answered, asked for or not, and of success
//! only if asked for; a foreign one hears later only if a report was asked for (decisions.md 1). A local
//! author finds the report in the mailbox; a foreign one gets a notice over the link.

use std::time::Duration;

use crate::imps::primitive::{
    DeliveryReport, MessageInfo, MetaInfo, Recipient, SendMessageRequest, Sender, User,
};
use crate::imps::status::Entity;
use crate::imps::{Code, Domain, MessageId, Moment, Primitive, ServiceId, Status, TransactionId, UserId};

use super::fragment;
use super::mail::{Mail, MailKind};
use super::parcel::{Parcel, lane, order};
use super::send::Link;

/// How long a report waits in the mailbox of its reader.
pub const KEPT_HERE: Duration = Duration::from_secs(7 * 86_400);
/// How long a report waits for a link.
pub const KEPT_FOR_PEER: Duration = Duration::from_secs(86_400);

/// Where the author of a message is to be found.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// In a mailbox here.
    Here,
    /// Over this link.
    Over(Link<'a>),
    /// Nowhere any more.
    Lost,
}

/// A report on its way.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// For a mailbox here.
    Here(Mail),
    /// For a peer.
    There(Parcel),
    /// The author did not ask, or cannot be reached.
    Nobody,
}

/// Whether the author hears of this outcome.
pub fn due(author_is_here: bool, wanted: bool, code: Code) -> bool {
    wanted || (author_is_here && !code.is_success())
}

/// The message in this row of a mailbox has ended: 200 delivered, 538 rejected, 541 forwarded, 542 expired,
/// or why it failed. Reports themselves, and messages of groups, are not reported on (reference
/// ssp-primitives §1.3).
pub fn of_mail(mail: &Mail, code: Code, now: Moment, way: Way<'_>) -> Result<Told, Code> {
    if mail.kind != MailKind::Message || !due(matches!(way, Way::Here), mail.report_wanted, code) {
        return Ok(Told::Nobody);
    }
    let info = fragment::open_new_message(&mail.body)?.info;
    let Some(author) = info.author().map(|user| user.id.clone()) else { return Ok(Told::Nobody) };
    let about = Recipient::User(User::from(mail.owner.clone()));
    let report = report(&info, about, code, now);
    match way {
        Way::Here => to_author(author, report, now).map(Told::Here),
        Way::Over(link) => {
            to_peer(&mail.owner, mail.reply_to.as_ref(), &author, report, now, &link).map(Told::There)
        }
        Way::Lost => Ok(Told::Nobody),
    }
}

/// A request for a peer has ended with these outcomes: one report for each recipient that failed. `body` and
/// `author` are those of the outbox row. Successes are the recipient's home to report.
pub fn of_request(
    body: &[u8],
    author: &UserId,
    outcomes: &[(Entity, Code)],
    now: Moment,
) -> Result<Vec<Mail>, Code> {
    if outcomes.iter().all(|(_, code)| code.is_success()) {
        return Ok(Vec::new());
    }
    let (SendMessageRequest { info, .. }, _) = fragment::open_message(body)?;
    let mut mails = Vec::new();
    for recipient in &info.recipients {
        let entity = recipient.entity();
        if let Some((_, code)) = outcomes.iter().find(|(named, code)| *named == entity && !code.is_success())
        {
            let report = report(&info, recipient.clone(), *code, now);
            mails.push(to_author(author.clone(), report, now)?);
        }
    }
    Ok(mails)
}

/// The same for an author elsewhere, whose message was handed on to the element of its recipients: reports for
/// its home, if it asked for them.
pub fn of_handed_on(
    body: &[u8],
    author: &UserId,
    outcomes: &[(Entity, Code)],
    now: Moment,
    link: &Link<'_>,
) -> Result<Vec<Parcel>, Code> {
    let (SendMessageRequest { info, delivery_report, .. }, _) = fragment::open_message(body)?;
    let failed = |recipient: &Recipient| {
        let entity = recipient.entity();
        outcomes.iter().find(|(named, code)| *named == entity && !code.is_success()).map(|(_, code)| *code)
    };
    let mut parcels = Vec::new();
    for recipient in info.recipients.iter().filter(|_| delivery_report) {
        if let (Recipient::User(user), Some(code)) = (recipient, failed(recipient)) {
            let report = report(&info, recipient.clone(), code, now);
            parcels.push(to_peer(&user.id, None, author, report, now, link)?);
        }
    }
    Ok(parcels)
}

/// A report of the element about a user of ours, for an author elsewhere.
pub fn onward(
    mut report: DeliveryReport,
    author: &UserId,
    now: Moment,
    link: &Link<'_>,
) -> Result<Parcel, Code> {
    report.info.sender = Some(Sender::from(User::from(author.clone())));
    report.delivery_time.get_or_insert(now.date_time());
    let Some(Recipient::User(about)) = report.info.recipients.first().cloned() else {
        return Err(Code::BAD_REQUEST);
    };
    to_peer(&about.id, None, author, report, now, link)
}

/// A report that a peer sent, for the author here. `author` is who wrote the message to that peer, as we
/// remember it; `None` means that no report is expected: 426. The roles were set right at the door.
pub fn inbound(mut report: DeliveryReport, author: Option<&UserId>, now: Moment) -> Result<Mail, Code> {
    let Some(author) = author else { return Err(Code::INVALID_MESSAGE_ID) };
    report.info.sender = Some(Sender::from(User::from(author.clone())));
    report.delivery_time.get_or_insert(now.date_time());
    to_author(author.clone(), report, now)
}

/// The original message info with the one recipient that this is about.
fn report(info: &MessageInfo, about: Recipient, code: Code, now: Moment) -> DeliveryReport {
    DeliveryReport {
        result: Status::new(code),
        delivery_time: Some(now.date_time()),
        info: MessageInfo { recipients: vec![about], ..info.clone() },
    }
}

fn to_author(author: UserId, report: DeliveryReport, now: Moment) -> Result<Mail, Code> {
    let message_id = id_of(&report)?;
    let about = report.info.recipients.first();
    let sender = about.map(shown).unwrap_or_default();
    let origin = about.and_then(Recipient::domain_str).and_then(|domain| domain.parse().ok());
    let origin: Domain = match origin.or_else(|| author.domain()) {
        Some(origin) => origin,
        None => return Err(Code::INTERNAL_ERROR),
    };
    Ok(Mail {
        owner: author,
        kind: MailKind::Report,
        message_id,
        sender,
        origin,
        accepted: now,
        expires: now.after(KEPT_HERE),
        report_wanted: false,
        reply_to: None,
        content_type: "".into(),
        content_octets: 0,
        session: None,
        replaces: None,
        body: fragment::mail(&Primitive::DeliveryReport(report))?,
    })
}

/// The notice for the author's home. To a `legacy` peer it goes inside the transaction that brought the
/// message, the only form in which that server hands it on, and always with a requestor.
fn to_peer(
    about: &UserId,
    reply_to: Option<&TransactionId>,
    author: &UserId,
    report: DeliveryReport,
    now: Moment,
    link: &Link<'_>,
) -> Result<Parcel, Code> {
    let meta = MetaInfo {
        client_originated: link.style.legacy || report.result.code != Code::EXPIRED,
        service: ServiceId::of(link.own.clone()),
        user: Some(User::from(about.clone())),
    };
    let reader = [Recipient::User(User::from(author.clone()))];
    let message_id = id_of(&report)?;
    let primitive = Primitive::DeliveryReport(report);
    Ok(Parcel {
        own: link.own.clone(),
        peer: link.peer.clone(),
        notice: true,
        primitive: primitive.name(),
        message_id: Some(message_id),
        author: None,
        order: order(about.as_str(), &reader),
        lane: lane(about.as_str()),
        accepted: now,
        expires: now.after(KEPT_FOR_PEER),
        reply_to: reply_to.filter(|_| link.style.legacy).cloned(),
        body: fragment::parcel(&primitive, &meta, link.style)?,
    })
}

fn id_of(report: &DeliveryReport) -> Result<MessageId, Code> {
    report.info.id.clone().ok_or(Code::INVALID_MESSAGE_ID)
}

fn shown(recipient: &Recipient) -> Box<str> {
    match recipient {
        Recipient::User(user) => user.id.as_str().into(),
        Recipient::Group(group) => group.as_str().into(),
        Recipient::ScreenName(to) => to.group.as_str().into(),
        Recipient::ContactList(list) => list.as_str().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::send;
    use super::super::stage::*;
    use super::*;
    use crate::wire::Limits;
    use crate::wire::{Carried, ssp};

    fn opened(mail: &Mail) -> DeliveryReport {
        match fragment::open_mail(&mail.body).unwrap() {
            Primitive::DeliveryReport(report) => report,
            other => panic!("{}", other.name()),
        }
    }

    #[test]
    fn a_local_author_hears_of_every_failure_and_a_foreign_one_only_if_it_asked() {
        assert!(due(true, false, Code::EXPIRED) && due(true, true, Code::SUCCESSFUL));
        assert!(!due(true, false, Code::SUCCESSFUL));
        assert!(!due(false, false, Code::EXPIRED) && due(false, true, Code::EXPIRED));
    }

    #[test]
    fn a_local_author_finds_the_report_in_the_mailbox() {
        let Told::Here(told) = of_mail(&mail(ADA, true), Code::SUCCESSFUL, NOW, Way::Here).unwrap() else {
            panic!("not told")
        };
        assert_eq!((told.kind, told.owner.as_str(), &*told.sender), (MailKind::Report, ADA, CY));
        let report = opened(&told);
        assert_eq!(report.result.code, Code::SUCCESSFUL);
        assert_eq!(report.delivery_time, Some(NOW.date_time()));
        assert_eq!(report.info.recipients, [to(CY)]);
        assert_eq!(report.info.id, Some(id("m-1@north.example")));
    }

    #[test]
    fn success_that_nobody_asked_about_is_not_told() {
        assert_eq!(of_mail(&mail(ADA, false), Code::SUCCESSFUL, NOW, Way::Here), Ok(Told::Nobody));
        let expired = of_mail(&mail(ADA, false), Code::EXPIRED, NOW, Way::Here);
        assert!(matches!(expired, Ok(Told::Here(_))));
    }

    #[test]
    fn a_report_is_not_reported_on() {
        let Ok(Told::Here(report)) = of_mail(&mail(ADA, false), Code::EXPIRED, NOW, Way::Here) else {
            panic!("not told")
        };
        assert_eq!(of_mail(&report, Code::EXPIRED, NOW, Way::Here), Ok(Told::Nobody));
    }

    #[test]
    fn a_foreign_author_gets_a_notice_over_the_link() {
        let told = with_link(STANDARD, |link| {
            of_mail(&mail(BO, true), Code::SUCCESSFUL, NOW, Way::Over(link)).unwrap()
        });
        let Told::There(parcel) = told else { panic!("not told") };
        assert!(parcel.notice && parcel.author.is_none() && parcel.reply_to.is_none());
        let (meta, carried) = ssp::decode_primitive(&parcel.body, &Limits::for_document(1 << 20)).unwrap();
        let meta = meta.unwrap();
        assert_eq!(meta.service.to_string(), "wv:@north.example");
        assert_eq!(meta.user.unwrap().id.as_str(), CY);
        let Carried::Primitive(primitive) = carried else { panic!("unreadable") };
        let Primitive::DeliveryReport(report) = *primitive else { panic!("no report") };
        assert_eq!(report.info.recipients, [to(CY)]);
        assert_eq!(report.info.author().map(|user| user.id.as_str()), Some(BO));
    }

    #[test]
    fn a_legacy_peer_is_told_inside_the_transaction_that_brought_the_message() {
        let told = with_link(LEGACY, |link| {
            of_mail(&mail(BO, true), Code::SUCCESSFUL, NOW, Way::Over(link)).unwrap()
        });
        let Told::There(parcel) = told else { panic!("not told") };
        assert_eq!(parcel.reply_to.as_ref().map(crate::imps::TransactionId::as_str), Some("beta-9"));
    }

    #[test]
    fn each_recipient_that_failed_makes_one_report_to_the_author() {
        let recipients = vec![to(BO), to("wv:dee@south.example")];
        let parcel = with_link(STANDARD, |link| {
            send::to_peer(&prepared(ADA, false), recipients.clone(), None, &link).unwrap()
        });
        let author: UserId = ADA.parse().unwrap();
        let outcomes =
            [(recipients[0].entity(), Code::SUCCESSFUL), (recipients[1].entity(), Code::UNKNOWN_USER)];
        let reports = of_request(&parcel.body, &author, &outcomes, NOW).unwrap();
        let [only] = &reports[..] else { panic!("{} reports", reports.len()) };
        assert_eq!((only.owner.as_str(), &*only.sender), (ADA, "wv:dee@south.example"));
        assert_eq!(only.origin.as_str(), "south.example");
        assert_eq!(opened(only).result.code, Code::UNKNOWN_USER);
        assert!(of_request(&parcel.body, &author, &outcomes[..1], NOW).unwrap().is_empty());
    }

    #[test]
    fn a_report_from_a_peer_is_taken_only_if_it_is_expected() {
        let info = MessageInfo {
            id: Some(id("m-1@north.example")),
            recipients: vec![to(BO)],
            ..MessageInfo::default()
        };
        let came = DeliveryReport { result: Status::new(Code::REJECTED), delivery_time: None, info };
        assert_eq!(inbound(came.clone(), None, NOW), Err(Code::INVALID_MESSAGE_ID));
        let mail = inbound(came, Some(&ADA.parse().unwrap()), NOW).unwrap();
        let report = opened(&mail);
        assert_eq!((mail.owner.as_str(), report.result.code), (ADA, Code::REJECTED));
        assert_eq!(report.info.author().map(|user| user.id.as_str()), Some(ADA));
        assert_eq!(report.delivery_time, Some(NOW.date_time()));
    }
}
