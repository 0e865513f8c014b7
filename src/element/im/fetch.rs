//! What waits in a mailbox, handed over.

use crate::imps::primitive::{
    GetMessageListRequest, GetMessageListResponse, GetMessageResponse, MessageNotification, Recipient,
    RejectMessageRequest,
};
use crate::imps::status::Entity;
use crate::imps::{Code, GroupId, Moment, Primitive, Status};

use super::fragment;
use super::mail::{Mail, MailKind, StoredMail};
use super::report::{self, Told, Way};

/// Messages that one GetMessageList answers at most, whatever the client asks for.
pub const LIST_MAX: usize = 100;
/// Messages that one RejectMessage may name; more are answered 402.
pub const REJECT_MAX: usize = 100;

/// A row that is done with, and what its author is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Number of the mailbox row to drop.
    pub row: i64,
    /// The report; `Nobody` if none is due.
    pub told: Told,
}

/// The primitive that brings a row to a client: NewMessage, or DeliveryReport.
pub fn push(mail: &Mail) -> Result<Primitive, Code> {
    Ok(fragment::open_mail(&mail.body)?)
}

/// The group in which a message was said; `None`: in none, or it cannot be read.
pub fn said_in(mail: &Mail) -> Option<GroupId> {
    let message = fragment::open_new_message(&mail.body).ok()?;
    message.info.recipients.into_iter().find_map(|recipient| match recipient {
        Recipient::Group(group) => Some(group),
        Recipient::ScreenName(name) => Some(name.group),
        _ => None,
    })
}

/// The primitive that tells a client of a message which it may fetch. A report cannot be fetched; it is
/// pushed as it is.
pub fn notification(mail: &Mail) -> Result<Primitive, Code> {
    if mail.kind != MailKind::Message {
        return push(mail);
    }
    let info = fragment::open_new_message(&mail.body)?.info;
    Ok(Primitive::MessageNotification(MessageNotification { info }))
}

/// Answers GetMessage. The message stays until the client says that it has it. 426: there is no such
/// message for this user, or it has expired.
pub fn message(stored: Option<&StoredMail>, now: Moment) -> Result<Primitive, Code> {
    let mail = waiting(stored, now).map(|stored| &stored.mail).ok_or(Code::INVALID_MESSAGE_ID)?;
    let message = fragment::open_new_message(&mail.body)?;
    Ok(Primitive::GetMessageResponse(GetMessageResponse {
        result: Status::ok(),
        info: message.info,
        content: message.content,
    }))
}

/// How many rows are wanted for a GetMessageList.
pub fn list_limit(request: &GetMessageListRequest) -> usize {
    request.count.map_or(LIST_MAX, |count| usize::try_from(count).unwrap_or(LIST_MAX).min(LIST_MAX))
}

/// Answers GetMessageList from the newest rows, newest first, and the number of all.
pub fn list(
    request: &GetMessageListRequest,
    newest: &[StoredMail],
    total: u64,
    now: Moment,
) -> Result<Primitive, Code> {
    let waiting = newest.iter().filter_map(|stored| waiting(Some(stored), now)).take(list_limit(request));
    let messages = waiting
        .map(|stored| Ok(fragment::open_new_message(&stored.mail.body)?.info))
        .collect::<Result<_, Code>>()?;
    let total = Some(u32::try_from(total).unwrap_or(u32::MAX));
    Ok(Primitive::GetMessageListResponse(GetMessageListResponse { result: Status::ok(), messages, total }))
}

/// Answers RejectMessage: the messages go unread, and their authors hear 538 (reference csp-messages §7).
/// `found` are the rows of the ids named, in order; `way` finds the home of an author.
pub fn reject<'a>(
    request: &RejectMessageRequest,
    found: &[Option<StoredMail>],
    now: Moment,
    way: impl Fn(&Mail) -> Way<'a>,
) -> Result<(Status, Vec<Ended>), Code> {
    if request.message_ids.is_empty() || request.message_ids.len() > REJECT_MAX {
        return Err(Code::BAD_PARAMETER);
    }
    let mut ended: Vec<Ended> = Vec::new();
    let mut parts = Vec::new();
    for (index, id) in request.message_ids.iter().enumerate() {
        let code = match waiting(found.get(index).and_then(Option::as_ref), now) {
            None => Code::INVALID_MESSAGE_ID,
            // The same id twice is one message.
            Some(stored) if ended.iter().any(|ended| ended.row == stored.row) => continue,
            Some(stored) => {
                let told = report::of_mail(&stored.mail, Code::REJECTED, now, way(&stored.mail))?;
                ended.push(Ended { row: stored.row, told });
                Code::SUCCESSFUL
            }
        };
        parts.push((Entity::Message(id.clone()), code));
    }
    Ok((Status::merge(parts), ended))
}

/// A client has taken a row: MessageDelivered, or Status 200 for what was pushed.
pub fn delivered(stored: &StoredMail, now: Moment, way: Way<'_>) -> Result<Ended, Code> {
    Ok(Ended { row: stored.row, told: report::of_mail(&stored.mail, Code::SUCCESSFUL, now, way)? })
}

/// The validity of a row has ended.
pub fn expired(stored: &StoredMail, now: Moment, way: Way<'_>) -> Result<Ended, Code> {
    Ok(Ended { row: stored.row, told: report::of_mail(&stored.mail, Code::EXPIRED, now, way)? })
}

/// A message that may still be read.
pub(super) fn waiting(stored: Option<&StoredMail>, now: Moment) -> Option<&StoredMail> {
    stored.filter(|stored| stored.mail.kind == MailKind::Message && now < stored.mail.expires)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::stage::*;
    use super::*;
    use crate::imps::primitive::GetMessageListResponse;

    fn later() -> Moment {
        NOW.after(Duration::from_secs(60))
    }

    fn over() -> Moment {
        NOW.after(Duration::from_secs(86_400))
    }

    #[test]
    fn a_message_can_be_pushed_announced_and_fetched() {
        let mail = mail(ADA, false);
        let Primitive::NewMessage(pushed) = push(&mail).unwrap() else { panic!("not pushed") };
        let Primitive::MessageNotification(told) = notification(&mail).unwrap() else { panic!("not told") };
        let row = stored(7, mail);
        let Primitive::GetMessageResponse(got) = message(Some(&row), later()).unwrap() else {
            panic!("not fetched")
        };
        assert_eq!((&got.info, &got.content), (&pushed.info, &pushed.content));
        assert_eq!(told.info, pushed.info);
    }

    #[test]
    fn what_is_not_there_or_has_expired_is_426() {
        assert_eq!(message(None, NOW), Err(Code::INVALID_MESSAGE_ID));
        let row = stored(7, mail(ADA, false));
        assert_eq!(message(Some(&row), over()), Err(Code::INVALID_MESSAGE_ID));
    }

    fn listed(count: Option<u32>, rows: &[StoredMail], now: Moment) -> GetMessageListResponse {
        let request = GetMessageListRequest { group: None, count };
        match list(&request, rows, 9, now).unwrap() {
            Primitive::GetMessageListResponse(response) => response,
            other => panic!("{}", other.name()),
        }
    }

    #[test]
    fn a_list_holds_as_many_as_asked_for_and_says_how_many_there_are() {
        let rows = [stored(9, mail(ADA, false)), stored(8, mail(BO, false))];
        let all = listed(None, &rows, later());
        assert_eq!((all.messages.len(), all.total), (2, Some(9)));
        assert_eq!(all.messages[0].author().map(|user| user.id.as_str()), Some(ADA));
        assert_eq!(listed(Some(1), &rows, later()).messages.len(), 1);
        assert!(listed(None, &rows, over()).messages.is_empty());
    }

    #[test]
    fn a_rejected_message_goes_and_its_author_hears_538() {
        let request = RejectMessageRequest {
            message_ids: vec![id("m-1@north.example"), id("m-1@north.example"), id("gone")],
        };
        let row = stored(7, mail(ADA, false));
        let found = [Some(row.clone()), Some(row), None];
        let (status, ended) = reject(&request, &found, NOW, |_| Way::Here).unwrap();
        assert_eq!(status.code, Code::PARTIALLY_SUCCESSFUL);
        assert_eq!(status.code_for(&Entity::Message(id("gone"))), Code::INVALID_MESSAGE_ID);
        let [only] = &ended[..] else { panic!("{} rows ended", ended.len()) };
        assert_eq!(only.row, 7);
        let Told::Here(report) = &only.told else { panic!("not told") };
        let Primitive::DeliveryReport(report) = push(report).unwrap() else { panic!("no report") };
        assert_eq!(report.result.code, Code::REJECTED);
        let none = RejectMessageRequest { message_ids: Vec::new() };
        assert_eq!(reject(&none, &[], NOW, |_| Way::Here), Err(Code::BAD_PARAMETER));
    }

    #[test]
    fn a_message_that_was_taken_ends_and_is_reported_if_asked_for() {
        let quiet = delivered(&stored(7, mail(ADA, false)), NOW, Way::Here).unwrap();
        assert_eq!(quiet, Ended { row: 7, told: Told::Nobody });
        let loud = delivered(&stored(7, mail(ADA, true)), NOW, Way::Here).unwrap();
        assert!(matches!(loud.told, Told::Here(_)));
        let lost = expired(&stored(7, mail(BO, true)), NOW, Way::Lost).unwrap();
        assert_eq!(lost.told, Told::Nobody);
    }
}
