//! The body of `POST /api/v1/blocks`: who is kept out, why and for how long.

use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use super::api::{Asked, Refused};
use crate::relay::blocks::{REASON_OCTETS_MAX, Subject};

/// Longest time that can be written down: a hundred years.
const SECONDS_MAX: u64 = 100 * 366 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    subject: String,
    reason: String,
    seconds: Option<u64>,
}

/// What is asked with this body.
pub(super) fn understand(body: &[u8]) -> Result<Asked, Refused> {
    let bad = |error: String| Refused::new(StatusCode::BAD_REQUEST, error);
    let body: Body =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is no block: {error}")))?;
    let reason = body.reason.trim();
    if reason.is_empty() || reason.len() > REASON_OCTETS_MAX || reason.chars().any(char::is_control) {
        return Err(bad(format!("a block has a reason, one line of at most {REASON_OCTETS_MAX} octets")));
    }
    if body.seconds.is_some_and(|seconds| seconds == 0 || seconds > SECONDS_MAX) {
        return Err(bad(format!("seconds is outside 1..={SECONDS_MAX}; leave it out to block for ever")));
    }
    let subject: Subject = body.subject.parse().map_err(|error| bad(format!("{error}")))?;
    Ok(Asked::Block { subject, life: body.seconds.map(Duration::from_secs), reason: reason.into() })
}

/// The subject of a path, without its percent signs.
pub(super) fn subject(text: &str) -> Result<Subject, Refused> {
    text.parse().map_err(|error| Refused::new(StatusCode::BAD_REQUEST, format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_a_subject_and_a_reason() {
        let asked = |body: &str| understand(body.as_bytes()).map_err(|refused| refused.status.as_u16());
        assert_eq!(
            asked(r#"{"subject":"evil.example","reason":" spam ","seconds":60}"#),
            Ok(Asked::Block {
                subject: Subject::Domain("evil.example".parse().unwrap()),
                life: Some(Duration::from_secs(60)),
                reason: "spam".into()
            })
        );
        let long =
            format!(r#"{{"subject":"evil.example","reason":"{}"}}"#, "x".repeat(REASON_OCTETS_MAX + 1));
        for wrong in [
            r#"{"subject":"evil.example"}"#,
            r#"{"subject":"evil.example","reason":""}"#,
            r#"{"subject":"evil.example","reason":"two\nlines"}"#,
            r#"{"subject":"wv:nobody","reason":"spam"}"#,
            r#"{"subject":"evil.example","reason":"spam","seconds":0}"#,
            &long,
        ] {
            assert_eq!(asked(wrong), Err(400), "{wrong}");
        }
    }
}
