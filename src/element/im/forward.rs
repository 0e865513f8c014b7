//! A stored message, passed on (reference ssp-primitives §1.4).
//!
//! Whoever forwards sends a new message with the same content, under a new id and its own name, to whom it
//! wishes. The stored one has ended with that: it leaves the mailbox, and its author hears 541 if it asked
//! for a report.

use crate::imps::primitive::{ForwardMessageRequest, MessageInfo, NewMessage, SendMessageRequest};
use crate::imps::{Code, Moment};

use super::fetch::{self, Ended};
use super::fragment;
use super::mail::StoredMail;
use super::report::{self, Told, Way};

/// The message that is to be passed on. 426: there is no such message for this user, or it has expired.
pub fn original(stored: Option<&StoredMail>, now: Moment) -> Result<NewMessage, Code> {
    let stored = fetch::waiting(stored, now).ok_or(Code::INVALID_MESSAGE_ID)?;
    Ok(fragment::open_new_message(&stored.mail.body)?)
}

/// The new message: content, type, name and look of the old one; sender and recipients of the request. Id,
/// time and validity are those of any new message.
pub fn message(request: ForwardMessageRequest, original: NewMessage) -> SendMessageRequest {
    let info = MessageInfo {
        id: None,
        recipients: request.recipients,
        sender: request.sender,
        date_time: None,
        validity: None,
        ..original.info
    };
    SendMessageRequest { delivery_report: false, info, content: original.content }
}

/// The message was passed on: its row goes, and its author hears of it if it asked.
pub fn ended(stored: &StoredMail, now: Moment, way: Way<'_>) -> Result<Ended, Code> {
    let told = if stored.mail.report_wanted {
        report::of_mail(&stored.mail, Code::FORWARDED, now, way)?
    } else {
        Told::Nobody
    };
    Ok(Ended { row: stored.row, told })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::stage::*;
    use super::*;
    use crate::element::im::fetch::push;
    use crate::imps::Primitive;
    use crate::imps::primitive::Sender;

    #[test]
    fn the_same_content_leaves_under_a_new_name() {
        let row = stored(7, mail(ADA, true));
        let old = original(Some(&row), NOW).unwrap();
        let request = ForwardMessageRequest {
            message_id: id("m-1@north.example"),
            sender: Some(Sender::from(user(CY))),
            recipients: vec![to(BO)],
        };
        let new = message(request, old.clone());
        assert_eq!((new.info.id, new.info.date_time, new.delivery_report), (None, None, false));
        assert_eq!(new.info.sender, Some(Sender::from(user(CY))));
        assert_eq!((new.info.recipients, new.content), (vec![to(BO)], old.content));
        assert_eq!(new.info.content_type, old.info.content_type);
    }

    #[test]
    fn what_is_not_there_or_has_expired_cannot_be_passed_on() {
        assert_eq!(original(None, NOW), Err(Code::INVALID_MESSAGE_ID));
        let row = stored(7, mail(ADA, false));
        let later = NOW.after(Duration::from_secs(86_400));
        assert_eq!(original(Some(&row), later), Err(Code::INVALID_MESSAGE_ID));
    }

    #[test]
    fn an_author_hears_541_only_if_it_asked() {
        let quiet = ended(&stored(7, mail(ADA, false)), NOW, Way::Here).unwrap();
        assert_eq!(quiet, Ended { row: 7, told: Told::Nobody });
        let loud = ended(&stored(7, mail(ADA, true)), NOW, Way::Here).unwrap();
        let Told::Here(report) = &loud.told else { panic!("not told") };
        let Primitive::DeliveryReport(report) = push(report).unwrap() else { panic!("no report") };
        assert_eq!(report.result.code, Code::FORWARDED);
    }
}
