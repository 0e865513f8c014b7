//! Listeners for peers (SSP: mutual TLS, HTTP/1.0, 1.1 and 2) and for phones (CSP: plain or TLS, HTTP/1.0
//! and 1.1).
//!
//! What a listener does before a handler sees anything: limits the number of connections, makes the
//! handshake, knows the peer by its certificate, refuses the wrong method and media type (SSP), and
//! reads the body within bounds of size, time and memory. A handler is a plain `async fn` from
//! request to [`Answer`]; it runs in the connection's own task and is **always run to its end**,
//! also when the caller hangs up meanwhile, so that what it has begun to commit is carried through.
//!
//! ```text
//! accept ─▶ [TLS ─▶ PeerIdentity] ─▶ head ─▶ admit? ─▶ body ─▶ handler ─▶ Answer
//!    │            │                   │        │         │
//!  limit      warn + event         405 415   403 429   413 408 503
//! ```
//!
//! Answers always carry `Content-Length` and are never chunked: WAP gateways and old phones need it.

mod accept;
mod body;
mod http2;
mod places;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http_body_util::Full;
pub use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response};
pub use hyper::{Method, StatusCode};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::tls::{HandshakeError, SharedPeerTls};
use crate::imps::Domain;
use crate::imps::agreement::PeerIdentity;

/// The media type of SSP (reference ssp-transport §3.1).
pub const SSP_MEDIA_TYPE: &str = "application/vnd.wv.ssp+xml";
/// Carries a transaction id, for logs only (reference ssp-transport §3.1).
pub(crate) const X_WV_TRANSACTION_ID: HeaderName = HeaderName::from_static("x-wv-transactionid");
/// Carries the sender's session id, for logs only (reference ssp-transport §3.1).
pub(crate) const X_WV_SESSION_ID: HeaderName = HeaderName::from_static("x-wv-sessionid");

/// The relays that a POST has passed (reference ssp-behaviour §8 R4).
pub(crate) const X_CAUSEWAY_VIA: HeaderName = HeaderName::from_static("x-causeway-via");
/// Whoever posts takes the answers in the body of the HTTP answer, if they are there by then (profile
/// `causeway`).
pub(crate) const X_CAUSEWAY_ANSWERS: HeaderName = HeaderName::from_static("x-causeway-answers");
/// Its value.
pub(crate) const ANSWERS_HERE: HeaderValue = HeaderValue::from_static("here");

/// What one listener takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenLimits {
    /// Connections at a time; more wait in the system's backlog.
    pub connections_max: usize,
    /// Connections of one source at a time, of which more are closed at once; 0: no limit of its own.
    pub connections_of_source_max: usize,
    /// From the connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the connection, or the last answer, to the complete head of the next request: how long a
    /// connection may be idle, and how slow a head may be.
    pub idle_timeout: Duration,
    /// From the head of a request to the end of its body.
    pub body_timeout: Duration,
    /// How long a caller may take no octet of an answer.
    pub write_timeout: Duration,
    /// Octets of request line and headers.
    pub head_octets_max: usize,
    /// Requests at a time on one connection that speaks HTTP/2.
    pub streams_max: u32,
    /// Octets of one body.
    pub body_octets_max: usize,
    /// Octets of all bodies that are read or handled at one time; above, callers get 503.
    pub bodies_octets_max: usize,
    /// How long requests in hand may take to finish once the listener is told to stop.
    pub drain_timeout: Duration,
}

impl ListenLimits {
    /// For peers: documents of up to 4 MiB (decisions.md 16); idle connections are kept for 75 s,
    /// longer than the known implementation does (reference legacy-peer §1). A node of our kind has at most
    /// 34 POSTs under way.
    pub fn ssp() -> Self {
        Self {
            connections_max: 4096,
            connections_of_source_max: 1024,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            head_octets_max: 16 * 1024,
            streams_max: 64,
            body_octets_max: 4 * 1024 * 1024,
            bodies_octets_max: 256 * 1024 * 1024,
            drain_timeout: Duration::from_secs(10),
        }
    }

    /// For phones: documents of up to 1 MiB (decisions.md 16), many and slow connections; a held
    /// request may take 20 s, so the drain is longer.
    pub fn csp() -> Self {
        Self {
            connections_max: 65_536,
            connections_of_source_max: 16_384,
            idle_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            body_octets_max: 1024 * 1024,
            drain_timeout: Duration::from_secs(25),
            ..Self::ssp()
        }
    }
}

/// What a handler says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// `Content-Type`, if there is a body.
    pub content_type: Option<HeaderValue>,
    /// `Retry-After`.
    pub retry_after_seconds: Option<u32>,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; `Content-Length` is written always, 0 too.
    pub body: Bytes,
}

impl Answer {
    /// An answer without a body.
    pub const fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: None,
            retry_after_seconds: None,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// 503 or 429, with the seconds after which to come again.
    pub fn later(status: StatusCode, retry_after_seconds: u32) -> Self {
        Self { retry_after_seconds: Some(retry_after_seconds), ..Self::empty(status) }
    }

    /// 200 with a document.
    pub fn document(content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self { content_type: Some(content_type), body: body.into(), ..Self::empty(StatusCode::OK) }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = self.content_type {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(self.headers);
        if self.status == StatusCode::METHOD_NOT_ALLOWED && !headers.contains_key(header::ALLOW) {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// A POST of a peer.
#[derive(Clone, Debug)]
pub struct SspRequest {
    /// Who it is, as far as the certificate tells.
    pub peer: Arc<PeerIdentity>,
    /// Which of our domains it addressed (SNI).
    pub own: Domain,
    /// Where it came from; for logs.
    pub from: SocketAddr,
    /// `x-wv-transactionid`; for logs, the body is authoritative.
    pub transaction_id: Option<HeaderValue>,
    /// `x-wv-sessionid`; for logs, the body is authoritative.
    pub session_id: Option<HeaderValue>,
    /// `x-causeway-via`, as often as it was given.
    pub via: Vec<HeaderValue>,
    /// `x-causeway-answers: here`: answers may go in the body of the HTTP answer.
    pub answers_here: bool,
    /// The document.
    pub body: Bytes,
}

/// Takes the POSTs of peers.
pub trait SspHandler: Send + Sync + 'static {
    /// Before the body is read: the octets it may have, at most the listener's own limit; or the
    /// answer that refuses it (403, 429, 503). The default takes what the listener takes.
    fn admit(&self, peer: &Arc<PeerIdentity>, own: &Domain) -> Result<usize, Answer> {
        let _ = (peer, own);
        Ok(usize::MAX)
    }

    /// One POST: method, media type and size are right. Run to its end even if the peer hangs up.
    fn post(&self, request: SspRequest) -> impl Future<Output = Answer> + Send;
}

/// A request on a CSP listener.
#[derive(Clone, Debug)]
pub struct CspRequest {
    /// Where it came from.
    pub from: SocketAddr,
    /// Where it arrived: an address that this client can reach.
    pub to: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The method, any.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The query, if there is one.
    pub query: Option<String>,
    /// Every header.
    pub headers: HeaderMap,
    /// `Content-Type`, byte for byte: the answer repeats it (reference csp §2).
    pub content_type: Option<HeaderValue>,
    /// The body, perhaps empty.
    pub body: Bytes,
}

/// Takes the requests of clients.
pub trait CspHandler: Send + Sync + 'static {
    /// Octets that the body of such a request may have; `None`: what the listener takes.
    fn body_octets_max(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<usize> {
        let _ = (method, path, headers);
        None
    }

    /// One request: its size is right, all else is the handler's to check. Run to its end even if the
    /// client hangs up.
    fn request(&self, request: CspRequest) -> impl Future<Output = Answer> + Send;
}

/// Hears of what never reaches a handler, so that it can be counted.
pub trait ConnectionEvents: Send + Sync + 'static {
    /// A TLS handshake failed; the log line is already written.
    fn handshake_refused(&self, listener: &'static str, from: SocketAddr, error: &HandshakeError) {
        let _ = (listener, from, error);
    }

    /// A request (or, with reason `connections`, a connection) was turned away; the log line is already
    /// written. `peer` is who it came from, where a certificate told. Reasons: `method`, `media-type`,
    /// `size`, `slow-body`, `broken-body`, `memory`, `head`, `connections`, `http2`, `resets`, `certificate`,
    /// `source` (a connection too many of one source), `encoding`.
    fn rejected(&self, listener: &'static str, peer: Option<&PeerIdentity>, reason: &'static str) {
        let _ = (listener, peer, reason);
    }
}

/// Nobody listens.
impl ConnectionEvents for () {}

/// The name of SSP listeners in logs and events.
const SSP: &str = "ssp";
/// The name of CSP listeners in logs and events.
const CSP: &str = "csp";

/// Serves peers until `shutdown`; returns when the last request is answered, or after the drain
/// time-out. Connections take the certificates and trust that `tls` holds when they arrive.
pub async fn serve_ssp<H: SspHandler>(
    listener: TcpListener,
    tls: SharedPeerTls,
    limits: ListenLimits,
    handler: Arc<H>,
    events: Arc<dyn ConnectionEvents>,
    shutdown: CancellationToken,
) {
    let server = Arc::new(accept::Server::new(SSP, limits, events, shutdown));
    let each = {
        let server = server.clone();
        move |stream, from| accept::ssp(server.clone(), tls.clone(), handler.clone(), stream, from)
    };
    server.run(listener, each).await;
}

/// Serves clients until `shutdown`, over TLS if a configuration is given; returns as
/// [`serve_ssp`] does.
pub async fn serve_csp<H: CspHandler>(
    listener: TcpListener,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    limits: ListenLimits,
    handler: Arc<H>,
    events: Arc<dyn ConnectionEvents>,
    shutdown: CancellationToken,
) {
    let server = Arc::new(accept::Server::new(CSP, limits, events, shutdown));
    let each = {
        let server = server.clone();
        move |stream, from| accept::csp(server.clone(), tls.clone(), handler.clone(), stream, from)
    };
    server.run(listener, each).await;
}

/// Whether this is the media type of SSP: a case-insensitive prefix, parameters allowed.
pub(super) fn is_ssp(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    given.get(..SSP_MEDIA_TYPE.len()).is_some_and(|prefix| {
        prefix.eq_ignore_ascii_case(SSP_MEDIA_TYPE.as_bytes())
            && matches!(given.get(SSP_MEDIA_TYPE.len()), None | Some(b';' | b' ' | b'\t'))
    })
}

#[cfg(test)]
mod tests;
