//! Messages accepted whose answer never reached the client.
//!
//! A client that hears nothing sends its message once more under a *new* transaction id, so the
//! memory for repeated documents does not know it. It is recognised by what it says and to whom,
//! if the first answer is known to be lost (reference csp.md §2, client-android §1).

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

use crate::imps::primitive::{SendMessageRequest, SendMessageResponse};
use crate::imps::{Moment, TransactionId};

/// For so long after its acceptance a message is recognised (reference csp.md §2).
pub const RECOGNISED_FOR: Duration = Duration::from_secs(120);
/// Messages remembered per session.
pub const SENT_MAX: usize = 8;

/// Digest of what is written to whom; the order of recipients does not count. Not cryptographic: a
/// client can only fool itself.
pub fn message_digest(request: &SendMessageRequest) -> u64 {
    let mut recipients: Vec<u64> = request
        .info
        .recipients
        .iter()
        .map(|recipient| {
            let mut hasher = DefaultHasher::new();
            recipient.hash(&mut hasher);
            hasher.finish()
        })
        .collect();
    recipients.sort_unstable();
    let mut hasher = DefaultHasher::new();
    recipients.hash(&mut hasher);
    (&request.info.content_type, &request.info.uri, &request.content).hash(&mut hasher);
    hasher.finish()
}

#[derive(Debug)]
struct Accepted {
    digest: u64,
    transaction: TransactionId,
    at: Moment,
    response: SendMessageResponse,
    lost: bool,
}

/// The last messages of one session.
#[derive(Debug, Default)]
pub(super) struct Sent {
    messages: VecDeque<Accepted>,
}

impl Sent {
    /// A message was accepted and is about to be answered.
    pub(super) fn accepted(
        &mut self,
        digest: u64,
        transaction: &TransactionId,
        response: SendMessageResponse,
        now: Moment,
    ) {
        while self.messages.len() >= SENT_MAX
            || self.messages.front().is_some_and(|oldest| now.since(oldest.at) >= RECOGNISED_FOR)
        {
            self.messages.pop_front();
        }
        self.messages.push_back(Accepted {
            digest,
            transaction: transaction.clone(),
            at: now,
            response,
            lost: false,
        });
    }

    /// The answer in this transaction could not be written.
    pub(super) fn answer_lost(&mut self, transaction: &TransactionId) {
        if let Some(message) = self.messages.iter_mut().rfind(|message| message.transaction == *transaction) {
            message.lost = true;
        }
    }

    /// The answer to give once more, if this message is one whose answer was lost.
    pub(super) fn answer_again(&self, digest: u64, now: Moment) -> Option<SendMessageResponse> {
        let message = self.messages.iter().rfind(|message| {
            message.lost && message.digest == digest && now.since(message.at) < RECOGNISED_FOR
        })?;
        Some(message.response.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;
    use crate::imps::Status;
    use crate::imps::primitive::{MessageInfo, Recipient, User};

    fn message(recipients: &[&str], content: &str) -> SendMessageRequest {
        let recipient =
            |user: &&str| Recipient::User(User::from(user.parse::<crate::imps::UserId>().unwrap()));
        SendMessageRequest {
            delivery_report: false,
            info: MessageInfo {
                recipients: recipients.iter().map(recipient).collect(),
                ..MessageInfo::default()
            },
            content: Some(content.into()),
        }
    }

    fn response(id: &str) -> SendMessageResponse {
        SendMessageResponse { result: Status::ok(), message_id: Some(id.parse().unwrap()) }
    }

    fn id(text: &str) -> TransactionId {
        text.parse().unwrap()
    }

    #[test]
    fn a_message_is_known_by_its_recipients_and_content() {
        let digest = message_digest(&message(&["a@x", "b@x"], "hi"));
        assert_eq!(message_digest(&message(&["B@x", "a@x"], "hi")), digest);
        assert_ne!(message_digest(&message(&["a@x"], "hi")), digest);
        assert_ne!(message_digest(&message(&["a@x", "b@x"], "ho")), digest);
    }

    #[test]
    fn a_message_whose_answer_was_lost_is_answered_again_for_two_minutes() {
        let mut sent = Sent::default();
        sent.accepted(7, &id("4"), response("m1"), at(0));
        sent.answer_lost(&id("4"));
        assert_eq!(sent.answer_again(7, at(119)), Some(response("m1")));
        assert_eq!(sent.answer_again(8, at(1)), None);
        assert_eq!(sent.answer_again(7, at(120)), None);
    }

    #[test]
    fn whoever_got_the_answer_may_say_the_same_again() {
        let mut sent = Sent::default();
        sent.accepted(7, &id("4"), response("m1"), at(0));
        assert_eq!(sent.answer_again(7, at(1)), None);
    }

    #[test]
    fn only_a_few_are_remembered() {
        let mut sent = Sent::default();
        for number in 0..20_u32 {
            sent.accepted(number.into(), &id(&number.to_string()), response("m"), at(0));
        }
        assert_eq!(sent.messages.len(), SENT_MAX);
    }
}
