//! The CSP listeners' handler: from HTTP to the Service Access Point and back.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::HeaderValue;

use crate::imps::Version;
use crate::net::content::Content;
use crate::net::listen::{Answer, Bytes, CspHandler, CspRequest, Method, StatusCode};
use crate::relay::events::Listener;
use crate::sap::{ClientDocument, Sap};
use crate::session::csp::Arrival;
use crate::session::csp::cir::HTTP_PATH;
use crate::wire::csp;

/// What proxies and gateways write into a request that they carry: then it does not come from the client's
/// own address.
const CARRIED: [&str; 4] = ["via", "forwarded", "x-forwarded-for", "x-up-calling-line-id"];

/// Takes the requests of clients.
#[derive(Debug)]
pub struct Clients {
    sap: Arc<Sap>,
    content: Content,
    /// The only path that takes POSTs; `None`: any.
    path: Option<String>,
}

impl Clients {
    /// A handler for POSTs to this path, or to any.
    pub const fn new(sap: Arc<Sap>, content: Content, path: Option<String>) -> Self {
        Self { sap, content, path }
    }

    /// A client asks whether something waits: 200 or 204, the body says nothing (reference csp.md §3.5).
    /// Any other GET is 404 (decisions.md 41).
    async fn get(&self, path: &str) -> Answer {
        let Some(token) = path.strip_prefix(HTTP_PATH) else { return Answer::empty(StatusCode::NOT_FOUND) };
        Answer::empty(match self.sap.asked_by_http(token).await {
            Some(true) => StatusCode::OK,
            Some(false) => StatusCode::NO_CONTENT,
            None => StatusCode::NOT_FOUND,
        })
    }

    /// More than may be: 429, and when to come again.
    fn later(&self, wait: Duration) -> Answer {
        self.sap.events().wire_rejected(Listener::Csp, "rate");
        let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        Answer::later(StatusCode::TOO_MANY_REQUESTS, seconds.max(1))
    }

    fn rejected(&self, status: StatusCode, reason: &'static str) -> Answer {
        self.sap.events().wire_rejected(Listener::Csp, reason);
        Answer::empty(status)
    }
}

impl CspHandler for Clients {
    fn body_octets_max(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<usize> {
        self.content.body_octets_max(method, path, headers)
    }

    async fn request(&self, request: CspRequest) -> Answer {
        let is_content = Content::is_asked(&request.method, &request.path, request.content_type.as_ref());
        if (is_content || request.method != Method::POST)
            && let Err(wait) = self.sap.spend_source(request.from.ip())
        {
            return self.later(wait);
        }
        if is_content {
            return self.content.request(&request).await;
        }
        if request.method == Method::GET || request.method == Method::HEAD {
            return self.get(&request.path).await;
        }
        if request.method != Method::POST {
            return self.rejected(StatusCode::METHOD_NOT_ALLOWED, "method");
        }
        if self.path.as_ref().is_some_and(|path| *path != request.path) {
            return Answer::empty(StatusCode::NOT_FOUND);
        }
        let media_type =
            request.content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(encoding) = csp::encoding_of(media_type) else {
            return self.rejected(StatusCode::BAD_REQUEST, "media-type");
        };
        let document = ClientDocument {
            body: &request.body,
            encoding,
            charset: charset(media_type),
            clear_password_allowed: true,
            arrival: Some(Arrival {
                from: request.from,
                to: request.to,
                secure: request.secure,
                direct: !CARRIED.iter().any(|name| request.headers.contains_key(*name)),
            }),
        };
        let body = match self.sap.client_document(document).await {
            Ok(body) => Bytes::from(body),
            Err(wait) => return self.later(wait),
        };
        // The answer's type is the request's, byte for byte (reference csp.md §2).
        let content_type = request.content_type.clone();
        Answer::document(content_type.unwrap_or_else(|| default_type(encoding)), body)
    }
}

fn default_type(encoding: crate::wire::Encoding) -> HeaderValue {
    HeaderValue::from_static(csp::content_type(Version::V1_2, encoding))
}

/// The charset parameter of a media type.
fn charset(media_type: &str) -> Option<&str> {
    media_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_found_among_the_parameters() {
        assert_eq!(charset("application/vnd.wv.csp.xml; charset=\"ISO-8859-1\""), Some("ISO-8859-1"));
        assert_eq!(charset("application/vnd.wv.csp.xml;a=b; Charset=utf-8"), Some("utf-8"));
        assert_eq!(charset("application/vnd.wv.csp.xml"), None);
    }
}
