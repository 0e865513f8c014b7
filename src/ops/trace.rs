//! The body of `POST /api/v1/traces`: whose traffic the log shows for a while.

use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use super::api::{Asked, Refused};
use crate::sap::traces::Subject;

/// How long a trace lasts if nothing else is said.
const SECONDS_DEFAULT: u64 = 600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    user: Option<String>,
    message: Option<String>,
    seconds: Option<u64>,
}

/// What is asked with this body.
pub(super) fn understand(body: &[u8]) -> Result<Asked, Refused> {
    let bad = |error: String| Refused::new(StatusCode::BAD_REQUEST, error);
    let body: Body =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is no trace: {error}")))?;
    let subject = match (&body.user, &body.message) {
        (Some(user), None) => Subject::User(
            user.parse().map_err(|error| bad(format!("{user:?} is no address of a user: {error}")))?,
        ),
        (None, Some(id)) => Subject::Message(
            id.parse().map_err(|error| bad(format!("{id:?} is no id of a message: {error}")))?,
        ),
        _ => return Err(bad("name either user or message".to_owned())),
    };
    Ok(Asked::Trace(subject, Duration::from_secs(body.seconds.unwrap_or(SECONDS_DEFAULT))))
}
