//! The body of `POST /api/v1/sms`: a short message that came for the number of this node, handed over by the
//! operator's gateway. A phone greets by it (`HELO` and its session), so that it can be called by SMS.

use hyper::StatusCode;
use serde::Deserialize;

use super::api::{Asked, Refused};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    from: Box<str>,
    text: Box<str>,
}

/// What is asked with this body.
pub(super) fn understand(body: &[u8]) -> Result<Asked, Refused> {
    let Body { from, text } = serde_json::from_slice(body).map_err(|error| {
        let error = format!("the body is no SMS: {error}; docs/reference/admin-api.md says what it holds");
        Refused::new(StatusCode::BAD_REQUEST, error)
    })?;
    Ok(Asked::Sms { from, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sms_says_from_whom_and_what_and_nothing_else() {
        let asked = |body: &str| understand(body.as_bytes()).map_err(|refused| refused.status.as_u16());
        assert_eq!(
            asked(r#"{"from": "+46701234567", "text": "HELO ca13-00019"}"#),
            Ok(Asked::Sms { from: "+46701234567".into(), text: "HELO ca13-00019".into() })
        );
        for wrong in ["", "{}", r#"{"from": "+46701"}"#, r#"{"from": "+46701", "text": "", "to": "x"}"#] {
            assert_eq!(asked(wrong), Err(400), "{wrong}");
        }
    }
}
