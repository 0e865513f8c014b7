//! Messages of the provider to its users, and what they answer (1.3; reference csp-messages §4).
//!
//! An operator announces something: a text, perhaps with answers to choose from, perhaps with something that
//! the user must copy as proof that a human being answers. Every user who is told has an [`Asked`] of it until
//! it is over. Clients before 1.3 know nothing of this: they get the text as an instant message of the
//! provider, and cannot answer.

use crate::imps::primitive::{
    MessageInfo, NewMessage, Recipient, Sender, SystemMessage, SystemMessageRequest, SystemMessageResponse,
    User,
};
use crate::imps::{Code, Content, Domain, Moment, UserId};

use crate::element::notify::{Notify, Reach};

/// Octets of the id of an announcement.
pub const ID_OCTETS_MAX: usize = 64;
/// Octets of its text, and of the text of an answer.
pub const TEXT_OCTETS_MAX: usize = 2000;
/// Answers to choose from.
pub const OPTIONS_MAX: usize = 20;
/// Seconds that an announcement lives at most.
pub const SECONDS_MAX: u32 = 30 * 86_400;
/// The name of the provider as the author of instant messages, where a client knows no system messages.
pub const NAME: &str = "system";
/// Announcements that one user has at a time, answered or not; more are not told.
pub const ASKED_MAX: usize = 50;

/// What an operator tells users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// What is told.
    pub message: SystemMessage,
    /// What the user must copy from the text or picture of the verification mechanism.
    pub key: Option<Box<str>>,
    /// Seconds that it is worth telling.
    pub seconds: u32,
}

/// An announcement as one user has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who was told.
    pub user: UserId,
    /// What.
    pub message: SystemMessage,
    /// What the user must copy.
    pub key: Option<Box<str>>,
    /// When it is over.
    pub until: Moment,
    /// When it was answered.
    pub answered: Option<Moment>,
    /// Which answer was chosen.
    pub chosen: Option<u32>,
}

/// Why an announcement cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// The id is empty, too long, or has characters that mean something in a URL.
    #[error(
        "the id of a system message is 1 to {ID_OCTETS_MAX} ASCII letters, digits, hyphens, dots and underscores"
    )]
    Id,
    /// There is no text, or one that is too long.
    #[error("a system message and its answers have texts of 1 to {TEXT_OCTETS_MAX} octets")]
    Text,
    /// Too many answers, or two with the same id.
    #[error("a system message has at most {OPTIONS_MAX} answers, each with an id of its own")]
    Options,
    /// A key without something to copy it from, or the other way round.
    #[error("a verification key needs a text or a picture to copy it from, and these need a key")]
    Verification,
    /// No time, or too long.
    #[error("a system message lives 1 to {SECONDS_MAX} seconds")]
    Seconds,
}

/// Checks an announcement.
pub fn check(announcement: &Announcement) -> Result<(), AnnouncementError> {
    let Announcement { message, key, seconds } = announcement;
    let id = message.id.as_bytes();
    if id.is_empty()
        || id.len() > ID_OCTETS_MAX
        || !id.iter().all(|c| c.is_ascii_alphanumeric() || b"-._".contains(c))
    {
        return Err(AnnouncementError::Id);
    }
    let sane = |text: &str| !text.trim().is_empty() && text.len() <= TEXT_OCTETS_MAX;
    let texts = message.options.iter().map(|option| &option.text);
    if !message.text.iter().chain(texts).all(|text| sane(text)) || message.text.is_none() {
        return Err(AnnouncementError::Text);
    }
    let mut ids: Vec<u32> = message.options.iter().map(|option| option.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != message.options.len() || ids.len() > OPTIONS_MAX {
        return Err(AnnouncementError::Options);
    }
    let shown = message.verification.as_ref().is_some_and(|by| by.in_text.is_some() != by.url.is_some());
    if shown != key.as_ref().is_some_and(|key| sane(key)) || message.verification.is_some() != shown {
        return Err(AnnouncementError::Verification);
    }
    if *seconds == 0 || *seconds > SECONDS_MAX {
        return Err(AnnouncementError::Seconds);
    }
    Ok(())
}

/// What a user is told.
pub fn told(asked: &Asked, own: Domain, seconds: u32) -> Notify {
    let request = SystemMessageRequest { recipients: Vec::new(), messages: vec![asked.message.clone()] };
    Notify {
        reach: Reach::Account,
        seconds,
        replaces: Some(format!("system {}", asked.message.id).into()),
        ..Notify::new(own, vec![asked.user.clone().into()], request)
    }
}

/// What an answer comes to: the answer chosen. 426: there is no such announcement for this user, it is over or
/// answered. 402: that is no answer to choose, or none was chosen where there are some. 403: what was copied
/// is wrong; the user may try again.
pub fn answer(
    asked: Option<&Asked>,
    response: &SystemMessageResponse,
    now: Moment,
) -> Result<Option<u32>, Code> {
    let open = |asked: &&Asked| asked.until > now && asked.answered.is_none();
    let asked = asked.filter(open).ok_or(Code::INVALID_MESSAGE_ID)?;
    let known = |id: u32| asked.message.options.iter().any(|option| option.id == id);
    let right = match response.chosen {
        Some(id) => known(id),
        None => asked.message.options.is_empty(),
    };
    if !right {
        return Err(Code::BAD_PARAMETER);
    }
    let copied = response.verification_key.as_deref().map(str::trim);
    match &asked.key {
        Some(key) if copied != Some(key.trim()) => Err(Code::FORBIDDEN),
        _ => Ok(response.chosen),
    }
}

/// The same for a client before 1.3: an instant message of the provider.
pub fn plain(request: &SystemMessageRequest, domain: &Domain, to: &UserId) -> Option<NewMessage> {
    let from: UserId = format!("wv:{NAME}@{domain}").parse().ok()?;
    let mut lines = Vec::new();
    let mut id = None;
    for message in &request.messages {
        id = id.or_else(|| message.id.parse().ok());
        lines.extend(message.text.as_deref().map(str::to_owned));
        lines.extend(message.options.iter().map(|option| format!("{}. {}", option.id, option.text)));
    }
    let text = lines.join("\n");
    let info = MessageInfo {
        id,
        content_type: Some("text/plain".into()),
        content_size: u64::try_from(text.len()).ok(),
        recipients: vec![Recipient::User(to.clone().into())],
        sender: Some(Sender::from(User::from(from))),
        ..MessageInfo::default()
    };
    Some(NewMessage { info, content: Some(Content::from(text.as_str())) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::primitive::{AnswerOption, VerificationMechanism};

    const NOW: Moment = Moment::from_millis(1000);

    fn announcement() -> Announcement {
        let option = |id: u32, text: &str| AnswerOption { id, text: text.into() };
        Announcement {
            message: SystemMessage {
                id: "terms-7".into(),
                requires_response: true,
                text: Some("Do you agree to the new terms?".into()),
                options: vec![option(1, "Yes"), option(2, "No")],
                verification: None,
            },
            key: None,
            seconds: 3600,
        }
    }

    fn asked(announcement: Announcement) -> Asked {
        Asked {
            user: "wv:ada@north.example".parse().unwrap(),
            message: announcement.message,
            key: announcement.key,
            until: Moment::from_millis(2000),
            answered: None,
            chosen: None,
        }
    }

    fn response(chosen: Option<u32>, key: Option<&str>) -> SystemMessageResponse {
        SystemMessageResponse { id: "terms-7".into(), chosen, verification_key: key.map(Into::into) }
    }

    fn changed(change: impl FnOnce(&mut Announcement)) -> Result<(), AnnouncementError> {
        let mut announcement = announcement();
        change(&mut announcement);
        check(&announcement)
    }

    #[test]
    fn an_announcement_makes_sense_or_says_why_not() {
        assert_eq!(changed(|_| {}), Ok(()));
        assert_eq!(changed(|it| it.message.id = "two words".into()), Err(AnnouncementError::Id));
        assert_eq!(changed(|it| it.message.id = "a/b".into()), Err(AnnouncementError::Id));
        assert_eq!(changed(|it| it.message.text = None), Err(AnnouncementError::Text));
        assert_eq!(changed(|it| it.message.options[1].id = 1), Err(AnnouncementError::Options));
        assert_eq!(changed(|it| it.key = Some("x7".into())), Err(AnnouncementError::Verification));
        assert_eq!(changed(|it| it.seconds = 0), Err(AnnouncementError::Seconds));
        let verified = changed(|it| {
            it.message.verification =
                Some(VerificationMechanism { in_text: Some("copy x7".into()), url: None });
            it.key = Some("x7".into());
        });
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn an_answer_is_one_of_those_to_choose_and_is_given_once() {
        let mut asked = asked(announcement());
        assert_eq!(answer(Some(&asked), &response(Some(2), None), NOW), Ok(Some(2)));
        assert_eq!(answer(Some(&asked), &response(Some(3), None), NOW), Err(Code::BAD_PARAMETER));
        assert_eq!(answer(Some(&asked), &response(None, None), NOW), Err(Code::BAD_PARAMETER));
        assert_eq!(answer(None, &response(Some(1), None), NOW), Err(Code::INVALID_MESSAGE_ID));
        let late = Moment::from_millis(2000);
        assert_eq!(answer(Some(&asked), &response(Some(1), None), late), Err(Code::INVALID_MESSAGE_ID));
        asked.answered = Some(NOW);
        assert_eq!(answer(Some(&asked), &response(Some(1), None), NOW), Err(Code::INVALID_MESSAGE_ID));
    }

    #[test]
    fn whoever_does_not_copy_the_key_has_not_answered() {
        let mut asked = asked(announcement());
        asked.key = Some("x7".into());
        for (key, said) in
            [(None, Err(Code::FORBIDDEN)), (Some("X7"), Err(Code::FORBIDDEN)), (Some(" x7 "), Ok(Some(1)))]
        {
            assert_eq!(answer(Some(&asked), &response(Some(1), key), NOW), said, "{key:?}");
        }
    }

    #[test]
    fn an_older_client_reads_the_text_and_the_answers() {
        let request = SystemMessageRequest { recipients: Vec::new(), messages: vec![announcement().message] };
        let to = "wv:ada@north.example".parse().unwrap();
        let message = plain(&request, &"north.example".parse().unwrap(), &to).unwrap();
        let text = std::str::from_utf8(message.content.as_ref().unwrap().octets()).unwrap();
        assert_eq!(text, "Do you agree to the new terms?\n1. Yes\n2. No");
        assert_eq!(message.info.author().map(|user| user.id.as_str()), Some("wv:system@north.example"));
    }
}
