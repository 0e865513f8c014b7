//! The body of `POST /api/v1/announcements`: what an operator tells users, and whom.
//!
//! The one request of the admin API with a body, which is JSON and says so: pages of other sites cannot send
//! that type without asking first. Words that are not known are refused, so that no slip tells everybody
//! something that was meant for one.

use hyper::StatusCode;
use serde::Deserialize;

use super::api::{Asked, Refused};
use crate::element::common::system::Announcement;
use crate::imps::primitive::{AnswerOption, SystemMessage, VerificationMechanism};
use crate::imps::{Domain, UserId};

/// Octets of the body.
pub const BODY_OCTETS_MAX: usize = 256 * 1024;
/// Users who are named at a time.
pub const NAMED_MAX: usize = 1000;
/// Seconds that an announcement lives if nothing else is said: a week.
pub const SECONDS_DEFAULT: u32 = 7 * 86_400;

/// Whom an announcement is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every account of the node.
    Everybody,
    /// Every account of a domain.
    Domain(Domain),
    /// These users.
    Users(Vec<UserId>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: Box<str>,
    text: Box<str>,
    users: Option<Vec<String>>,
    domain: Option<String>,
    #[serde(default)]
    everybody: bool,
    seconds: Option<u32>,
    #[serde(default)]
    answers: Vec<Box<str>>,
    must_answer: Option<bool>,
    key: Option<Box<str>>,
    copy: Option<Box<str>>,
    picture: Option<Box<str>>,
}

/// What is asked with this body. Answers are numbered from 1; who is given some, or a key, must answer unless
/// `must_answer` says otherwise.
pub(super) fn understand(body: &[u8]) -> Result<Asked, Refused> {
    let bad = |error: String| Refused::new(StatusCode::BAD_REQUEST, error);
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        bad(format!("the body is no announcement: {error}; docs/reference/admin-api.md says what it holds"))
    })?;
    let audience = match (body.users, body.domain, body.everybody) {
        (Some(users), None, false) if !users.is_empty() && users.len() <= NAMED_MAX => {
            let parsed = users.iter().map(|user| {
                user.parse().map_err(|error| bad(format!("{user:?} is no address of a user: {error}")))
            });
            Audience::Users(parsed.collect::<Result<_, _>>()?)
        }
        (Some(_), None, false) => {
            return Err(bad(format!("1 to {NAMED_MAX} users are named at a time; name a domain instead")));
        }
        (None, Some(domain), false) => Audience::Domain(
            domain.parse().map_err(|error| bad(format!("{domain:?} is no domain: {error}")))?,
        ),
        (None, None, true) => Audience::Everybody,
        _ => return Err(bad("say whom: one of users, domain and everybody".to_owned())),
    };
    let must_answer = body.must_answer.unwrap_or(!body.answers.is_empty() || body.key.is_some());
    let verification = (body.copy.is_some() || body.picture.is_some())
        .then_some(VerificationMechanism { in_text: body.copy, url: body.picture });
    let options = (1..).zip(body.answers).map(|(id, text)| AnswerOption { id, text }).collect();
    let message = SystemMessage {
        id: body.id,
        requires_response: must_answer,
        text: Some(body.text),
        options,
        verification,
    };
    let seconds = body.seconds.unwrap_or(SECONDS_DEFAULT);
    Ok(Asked::Announce(audience, Box::new(Announcement { message, key: body.key, seconds })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(body: &str) -> Result<(Audience, Announcement), u16> {
        match understand(body.as_bytes()) {
            Ok(Asked::Announce(audience, announcement)) => Ok((audience, *announcement)),
            Ok(other) => panic!("{other:?}"),
            Err(refused) => Err(refused.status.as_u16()),
        }
    }

    #[test]
    fn an_announcement_says_what_and_whom_and_answers_are_numbered() {
        let (audience, announcement) = understood(
            r#"{"id": "terms-7", "text": "Agreed?", "users": ["wv:ada@north.example"], "answers": ["Yes", "No"],
                "key": "K7", "copy": "Copy K7", "seconds": 60}"#,
        )
        .unwrap();
        assert_eq!(audience, Audience::Users(vec!["wv:ada@north.example".parse().unwrap()]));
        let ids: Vec<_> = announcement.message.options.iter().map(|option| option.id).collect();
        assert_eq!((ids, announcement.seconds), (vec![1, 2], 60));
        assert!(announcement.message.requires_response);
        let (audience, announcement) =
            understood(r#"{"id": "i", "text": "t", "domain": "North.example"}"#).unwrap();
        assert_eq!(audience, Audience::Domain("north.example".parse().unwrap()));
        assert_eq!((announcement.seconds, announcement.message.requires_response), (SECONDS_DEFAULT, false));
        assert_eq!(
            understood(r#"{"id": "i", "text": "t", "everybody": true}"#).unwrap().0,
            Audience::Everybody
        );
    }

    #[test]
    fn nobody_is_told_by_a_slip() {
        for body in [
            r#"{"id": "i", "text": "t"}"#,
            r#"{"id": "i", "text": "t", "users": []}"#,
            r#"{"id": "i", "text": "t", "users": ["no user"]}"#,
            r#"{"id": "i", "text": "t", "everybody": true, "domain": "north.example"}"#,
            r#"{"id": "i", "text": "t", "everybody": true, "user": ["wv:ada@north.example"]}"#,
            r#"{"id": "i", "everybody": true}"#,
            "",
        ] {
            assert_eq!(understood(body).map(|_| ()), Err(400), "{body}");
        }
    }
}
