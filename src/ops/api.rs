//! The admin API: what operators ask of a running node, as JSON under `/api/v1`.
//!
//! Here a request is admitted and understood; a [`Desk`], which the composition root makes, carries it out.
//! The API is for programs on this machine, or with a token. A page in an operator's browser is neither: what
//! a browser sends across sites shows in `Origin` and `Sec-Fetch-Site`, and a name that a page had pointed
//! here (DNS rebinding) in `Host`; both are refused. Requests carry no body, but for announcements
//! ([`super::announce`]), what is set of a user ([`super::user`]), blocks, traces, and SMS that came in.
//!
//! ```text
//! GET    /api/v1/peers                     GET    /api/v1/queue?peer=&after=&limit=
//! GET    /api/v1/peers/DOMAIN              GET    /api/v1/queue/ROW
//! GET    /api/v1/peers/DOMAIN/session      POST   /api/v1/queue/ROW/retry
//! POST   /api/v1/peers/DOMAIN/VERB         DELETE /api/v1/queue/ROW
//!        suspend resume retry test         POST   /api/v1/queue/retry?peer=   DELETE /api/v1/queue?peer=
//! GET    /api/v1/users?after=&limit=       GET    /api/v1/users/ADDRESS    POST  /api/v1/users/ADDRESS
//! POST   /api/v1/announcements             GET    /api/v1/announcements/ID?after=&limit=
//! POST   /api/v1/sms
//! POST   /api/v1/traces                    GET    /api/v1/traces           DELETE /api/v1/traces/NUMBER
//! POST   /api/v1/blocks                    GET    /api/v1/blocks           DELETE /api/v1/blocks/SUBJECT
//! ```

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::announce::{self, Audience};
use super::{block, sms, trace};
use crate::element::common::system::Announcement;
use crate::element::content::serve::decoded;
use crate::imps::{Domain, UserId};
use crate::relay::blocks;
use crate::sap::traces::Subject;

/// Where the API begins.
pub const PREFIX: &str = "/api/v1/";
/// Rows of the queue in one answer, at most.
pub const PAGE_MAX: usize = 500;
/// Where announcements are made, behind [`PREFIX`].
const ANNOUNCEMENTS: &str = "announcements";
/// Where users are, behind [`PREFIX`].
const USERS: &str = "users";
/// Where SMS come in, behind [`PREFIX`].
const SMS: &str = "sms";
/// Where traces are, behind [`PREFIX`].
const TRACES: &str = "traces";
/// Where blocks are, behind [`PREFIX`].
const BLOCKS: &str = "blocks";
/// Set by browsers: who caused the request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Every agreement and its link.
    Peers,
    /// One agreement with everything known of it.
    Peer(Domain),
    /// The SSP sessions with a peer.
    Session(Domain),
    /// Nothing flows until [`Asked::Resume`].
    Suspend(Domain),
    /// Ends a suspension.
    Resume(Domain),
    /// Ends pauses and tries now.
    Retry(Domain),
    /// Resolves, connects, verifies, logs in; tells each step.
    Test(Domain),
    /// What waits, a page of it.
    Queue {
        /// For whom; `None`: for all.
        peer: Option<Domain>,
        /// Rows behind this one.
        after: i64,
        /// So many at most.
        limit: usize,
    },
    /// One row.
    Row(i64),
    /// The row leaves now.
    RetryRow(i64),
    /// The row goes back to its author.
    DropRow(i64),
    /// All rows of a peer leave now.
    RetryQueue(Domain),
    /// All rows of a peer go back to their authors.
    DropQueue(Domain),
    /// Accounts, a page of them.
    Users {
        /// Those behind this one.
        after: Option<UserId>,
        /// So many at most.
        limit: usize,
    },
    /// One user with everything known of it.
    User(UserId),
    /// What is agreed with a user is another: all of these `NAME=VALUE` or none.
    SetUser(UserId, Vec<String>),
    /// Users are told something.
    Announce(Audience, Box<Announcement>),
    /// Who was told an announcement and what they answered, a page of it.
    Announced {
        /// Which.
        id: Box<str>,
        /// Users behind this one.
        after: Option<UserId>,
        /// So many at most.
        limit: usize,
    },
    /// The log shows all of a user or a message for so long.
    Trace(Subject, Duration),
    /// The traces that are on.
    Traces,
    /// The trace of this number ends.
    EndTrace(u32),
    /// Somebody is kept out.
    Block {
        /// Who.
        subject: blocks::Subject,
        /// For so long; `None`: for ever.
        life: Option<Duration>,
        /// Why.
        reason: Box<str>,
    },
    /// Those who are kept out.
    Blocks,
    /// Somebody is not kept out any more.
    Unblock(blocks::Subject),
    /// A short message came for the number of this node.
    Sms {
        /// The number that it came from.
        from: Box<str>,
        /// What it says.
        text: Box<str>,
    },
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status.
    pub status: StatusCode,
    /// Why, and what to do: one line.
    pub error: String,
}

impl Refused {
    /// With this status, for this reason.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        json!({ "error": self.error })
    }
}

/// A JSON answer that comes later.
pub type Answering = Pin<Box<dyn Future<Output = Result<Value, Refused>> + Send>>;

/// Carries out what operators ask.
pub trait Desk: Send + Sync {
    /// Carries it out; a refusal says why and what to do.
    fn ask(&self, asked: Asked) -> Answering;
}

/// Whether a request with a body is understood: one that announces, sets something of a user, or hands
/// an SMS over.
pub(super) fn has_body(method: &Method, path: &str) -> bool {
    let of_user = path.strip_prefix(USERS).is_some_and(|rest| rest.starts_with('/'));
    method == Method::POST && ([ANNOUNCEMENTS, SMS, TRACES, BLOCKS].contains(&path) || of_user)
}

/// Whether this may come in at all, token or not. `token`: one was asked for and shown; `body`: it may have
/// one, of JSON.
pub(super) fn admit(headers: &HeaderMap, token: bool, body: bool) -> Result<(), Refused> {
    let refuse = |error: &str| Err(Refused::new(StatusCode::FORBIDDEN, error));
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(&HOST).unwrap_or_default();
    // With a token a name may be anybody's: a page that had rebound it does not know the token.
    if !token && !is_here(host) {
        return refuse("Host is no loopback address; ask 127.0.0.1, [::1] or localhost");
    }
    if let Some(origin) = text(&ORIGIN)
        && origin.split_once("://").map(|(_, from)| from) != Some(host)
    {
        return refuse("pages of other sites may not ask this");
    }
    if text(&SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "none" | "same-origin")) {
        return refuse("pages of other sites may not ask this");
    }
    if body {
        let kind = text(&CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
        return if kind.eq_ignore_ascii_case("application/json") {
            Ok(())
        } else {
            Err(Refused::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be application/json, and say so",
            ))
        };
    }
    let length = text(&CONTENT_LENGTH).map_or(Some(0), |length| length.trim().parse::<u64>().ok());
    if length != Some(0) || headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "requests of this API have no body"));
    }
    Ok(())
}

/// Whether `Host` names a loopback address, with any port.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What is asked; `path` is what follows [`PREFIX`].
pub(super) fn understand(method: &Method, path: &str, query: &str, body: &[u8]) -> Result<Asked, Refused> {
    if path == SMS && method == Method::POST {
        return sms::understand(body);
    }
    if path == TRACES && method == Method::POST {
        return trace::understand(body);
    }
    if path == BLOCKS && method == Method::POST {
        return block::understand(body);
    }
    if let Some(rest) = path.strip_prefix(ANNOUNCEMENTS) {
        return about_announcements(method, rest, query, body);
    }
    if path == USERS || path.strip_prefix(USERS).is_some_and(|rest| rest.starts_with('/')) {
        return about_users(method, path, query, body);
    }
    let bad = |error: String| Refused::new(StatusCode::BAD_REQUEST, error);
    let domain =
        |text: &str| text.parse::<Domain>().map_err(|error| bad(format!("{text:?} is no domain: {error}")));
    let row = |text: &str| text.parse().map_err(|_| bad(format!("{text:?} is no number of a row")));
    let parts: Vec<&str> = path.split('/').collect();
    let mut peer = None;
    let (mut after, mut limit) = (0, PAGE_MAX);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "peer" if !value.is_empty() => peer = Some(domain(value)?),
            "after" => after = row(value)?,
            "limit" => {
                let number: usize = value.parse().map_err(|_| bad("limit is no number".to_owned()))?;
                limit = number.clamp(1, PAGE_MAX);
            }
            _ => {}
        }
    }
    let whose = |peer: Option<Domain>| peer.ok_or_else(|| bad("say whose: ?peer=DOMAIN".to_owned()));
    let asked = match (method.as_str(), parts.as_slice()) {
        ("GET" | "HEAD", ["peers"]) => Asked::Peers,
        ("GET" | "HEAD", ["peers", name]) => Asked::Peer(domain(name)?),
        ("GET" | "HEAD", ["peers", name, "session"]) => Asked::Session(domain(name)?),
        ("POST", ["peers", name, "suspend"]) => Asked::Suspend(domain(name)?),
        ("POST", ["peers", name, "resume"]) => Asked::Resume(domain(name)?),
        ("POST", ["peers", name, "retry"]) => Asked::Retry(domain(name)?),
        ("POST", ["peers", name, "test"]) => Asked::Test(domain(name)?),
        ("GET" | "HEAD", [TRACES]) => Asked::Traces,
        ("DELETE", [TRACES, number]) => {
            let number = number.parse().map_err(|_| bad(format!("{number:?} is no number of a trace")))?;
            Asked::EndTrace(number)
        }
        ("GET" | "HEAD", [BLOCKS]) => Asked::Blocks,
        ("DELETE", [BLOCKS, subject]) => Asked::Unblock(block::subject(&decoded(subject))?),
        ("GET" | "HEAD", ["queue"]) => Asked::Queue { peer, after, limit },
        ("DELETE", ["queue"]) => Asked::DropQueue(whose(peer)?),
        ("POST", ["queue", "retry"]) => Asked::RetryQueue(whose(peer)?),
        ("GET" | "HEAD", ["queue", number]) => Asked::Row(row(number)?),
        ("DELETE", ["queue", number]) => Asked::DropRow(row(number)?),
        ("POST", ["queue", number, "retry"]) => Asked::RetryRow(row(number)?),
        (_, ["peers" | "queue", ..]) if !matches!(method.as_str(), "GET" | "HEAD" | "POST" | "DELETE") => {
            return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "only GET, POST and DELETE"));
        }
        _ => {
            let error = format!(
                "{method} {PREFIX}{path} is unknown; docs/reference/admin-api.md lists what there is"
            );
            return Err(Refused::new(StatusCode::NOT_FOUND, error));
        }
    };
    Ok(asked)
}

fn about_users(method: &Method, path: &str, query: &str, body: &[u8]) -> Result<Asked, Refused> {
    let bad = |error: String| Refused::new(StatusCode::BAD_REQUEST, error);
    let Some((_, address)) = path.split_once('/') else {
        let (after, limit) = page_of_users(query)?;
        return match method.as_str() {
            "GET" | "HEAD" => Ok(Asked::Users { after, limit }),
            _ => Err(Refused::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET; accounts are made by `causeway user`",
            )),
        };
    };
    let address = decoded(address);
    let user: UserId =
        address.parse().map_err(|error| bad(format!("{address:?} is no address of a user: {error}")))?;
    match method.as_str() {
        "GET" | "HEAD" => Ok(Asked::User(user)),
        "POST" => {
            let pairs = super::user::pairs(body)
                .map_err(|why| bad(format!("{why}; docs/reference/admin-api.md says what it holds")))?;
            Ok(Asked::SetUser(user, pairs))
        }
        _ => Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and POST")),
    }
}

/// Behind which user a page begins, and how long it is.
fn page_of_users(query: &str) -> Result<(Option<UserId>, usize), Refused> {
    let bad = |error: &str| Refused::new(StatusCode::BAD_REQUEST, error);
    let (mut after, mut limit) = (None, PAGE_MAX);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "after" if !value.is_empty() => {
                after = Some(decoded(value).parse().map_err(|_| bad("after is no address of a user"))?);
            }
            "limit" => {
                let number: usize = value.parse().map_err(|_| bad("limit is no number"))?;
                limit = number.clamp(1, PAGE_MAX);
            }
            _ => {}
        }
    }
    Ok((after, limit))
}

fn about_announcements(method: &Method, rest: &str, query: &str, body: &[u8]) -> Result<Asked, Refused> {
    let id = match (method.as_str(), rest.strip_prefix('/')) {
        ("POST", None) if rest.is_empty() => return announce::understand(body),
        ("GET" | "HEAD", Some(id)) if !id.is_empty() && !id.contains('/') => id,
        _ => {
            let error = "announcements are made with POST, and asked for by their id with GET; \
                         docs/reference/admin-api.md lists what there is";
            return Err(Refused::new(StatusCode::NOT_FOUND, error));
        }
    };
    let (after, limit) = page_of_users(query)?;
    Ok(Asked::Announced { id: id.into(), after, limit })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn programs_of_this_machine_come_in_and_pages_of_other_sites_do_not() {
        let admitted = |pairs: &[_]| admit(&headers(pairs), false, false).is_ok();
        for host in ["127.0.0.1:9090", "127.0.0.1", "[::1]:9090", "localhost:1", "LocalHost"] {
            assert!(admitted(&[("host", host)]), "{host}");
        }
        for host in
            ["rebound.example:9090", "127.0.0.1.rebound.example", "192.0.2.1", "localhost.example", ""]
        {
            assert!(!admitted(&[("host", host)]), "{host}");
            assert!(admit(&headers(&[("host", host)]), true, false).is_ok(), "a token says more than a name");
        }
        assert!(!admitted(&[]), "who names no host is no client of ours");
        let here = ("host", "127.0.0.1:9090");
        assert!(!admitted(&[here, ("origin", "https://evil.example")]));
        assert!(!admitted(&[here, ("origin", "null")]));
        assert!(!admitted(&[here, ("sec-fetch-site", "cross-site")]));
        assert!(admitted(&[here, ("origin", "http://127.0.0.1:9090"), ("sec-fetch-site", "same-origin")]));
        assert!(admit(&headers(&[here, ("origin", "https://evil.example")]), true, false).is_err());
    }

    #[test]
    fn no_request_has_a_body() {
        let admitted =
            |pair| admit(&headers(&[("host", "localhost"), pair]), false, false).map_err(|no| no.status);
        assert_eq!(admitted(("content-length", "0")), Ok(()));
        for pair in [("content-length", "1"), ("content-length", "x"), ("transfer-encoding", "chunked")] {
            assert_eq!(admitted(pair), Err(StatusCode::PAYLOAD_TOO_LARGE));
        }
    }

    #[test]
    fn an_announcement_has_a_body_that_says_it_is_json() {
        assert!(has_body(&Method::POST, "announcements") && !has_body(&Method::POST, "announcements/x"));
        assert!(has_body(&Method::POST, "users/ada@north.example") && !has_body(&Method::POST, "users"));
        assert!(has_body(&Method::POST, "sms") && !has_body(&Method::GET, "sms"));
        let admitted = |kind| {
            let headers = headers(&[("host", "localhost"), ("content-type", kind), ("content-length", "9")]);
            admit(&headers, false, true).map_err(|no| no.status.as_u16())
        };
        assert_eq!(admitted("application/json; charset=utf-8"), Ok(()));
        assert_eq!(admitted("text/plain"), Err(415), "which a page of another site could send");
    }

    #[test]
    fn a_request_is_one_of_those_that_are_known() {
        let south = || "south.example".parse::<Domain>().unwrap();
        let asked = |method: Method, path: &str| {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            understand(&method, path, query, b"").map_err(|refused| refused.status.as_u16())
        };
        assert_eq!(asked(Method::GET, "peers"), Ok(Asked::Peers));
        assert_eq!(asked(Method::GET, "peers/South.example"), Ok(Asked::Peer(south())));
        assert_eq!(asked(Method::POST, "peers/south.example/test"), Ok(Asked::Test(south())));
        assert_eq!(
            asked(Method::GET, "queue?peer=south.example&after=7&limit=100000"),
            Ok(Asked::Queue { peer: Some(south()), after: 7, limit: PAGE_MAX })
        );
        assert_eq!(asked(Method::DELETE, "queue/12"), Ok(Asked::DropRow(12)));
        assert_eq!(asked(Method::DELETE, "queue?peer=south.example"), Ok(Asked::DropQueue(south())));
        assert_eq!(asked(Method::DELETE, "queue"), Err(400), "nobody drops everything by leaving a word out");
        assert_eq!(asked(Method::GET, "peers/no domain"), Err(400));
        assert_eq!(asked(Method::GET, "peers/south.example/suspend"), Err(404));
        assert_eq!(asked(Method::PUT, "peers"), Err(405));
        assert_eq!(asked(Method::GET, "fish"), Err(404));
        assert_eq!(asked(Method::GET, "blocks"), Ok(Asked::Blocks));
        let mallory = "wv:mallory@south.example".parse().unwrap();
        assert_eq!(asked(Method::DELETE, "blocks/wv%3Amallory%40south.example"), Ok(Asked::Unblock(mallory)));
        assert_eq!(asked(Method::DELETE, "blocks/nobody%40"), Err(400));
        let ada = "wv:ada@north.example".parse().unwrap();
        assert_eq!(
            asked(Method::GET, "announcements/terms-7?after=wv%3Aada@north.example&limit=2"),
            Ok(Asked::Announced { id: "terms-7".into(), after: Some(ada), limit: 2 })
        );
        assert_eq!(asked(Method::GET, "announcements"), Err(404));
        let ada: UserId = "wv:ada@north.example".parse().unwrap();
        assert_eq!(asked(Method::GET, "users/ada@north.example"), Ok(Asked::User(ada.clone())));
        assert_eq!(asked(Method::GET, "users/wv%3Aada%40north.example"), Ok(Asked::User(ada.clone())));
        assert_eq!(asked(Method::GET, "users"), Ok(Asked::Users { after: None, limit: PAGE_MAX }));
        assert_eq!(
            asked(Method::GET, "users?after=ada@north.example&limit=3"),
            Ok(Asked::Users { after: Some(ada.clone()), limit: 3 })
        );
        assert_eq!(asked(Method::POST, "users/ada@north.example"), Err(400), "an empty body sets nothing");
        assert_eq!(asked(Method::GET, "users/a<b"), Err(400));
        assert_eq!(asked(Method::POST, "users"), Err(405));
        assert_eq!(asked(Method::DELETE, "users/ada@north.example"), Err(405));
        assert_eq!(asked(Method::GET, "usersx"), Err(404));
        let set = |body: &str| understand(&Method::POST, "users/ada@north.example", "", body.as_bytes());
        let pairs = vec!["offline=reject".to_owned(), "status=barred".to_owned()];
        assert_eq!(set(r#"{"status":"barred","offline":"reject"}"#), Ok(Asked::SetUser(ada, pairs)));
        for wrong in ["{}", "[]", r#"{"status":true}"#, "status=barred"] {
            assert_eq!(set(wrong).map_err(|refused| refused.status.as_u16()), Err(400), "{wrong}");
        }
        assert_eq!(asked(Method::POST, "announcements"), Err(400), "an empty body announces nothing");
    }
}
