//! Outgoing POSTs: connections to a peer over mutual TLS.
//!
//! [`Connection::connect`] goes through the candidates that [`super::discover`] found until one
//! answers, proves who it is and passes the caller's check. [`Connection::post`] then sends documents.
//! Over HTTP/1.1 a connection belongs to one lane and takes one document after the other (`http1`);
//! over HTTP/2, which is offered to peers of our own kind ([`Offer`]), all lanes of a link share one
//! connection ([`Shareable`], `http2`). There is no pool. The HTTP answer carries a status and
//! nothing else; the protocol's answer is a POST of the peer's (reference ssp-transport §3.3).

mod http1;
mod http2;

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{debug, info};

use super::discover::Candidate;
use super::listen::{
    ANSWERS_HERE, SSP_MEDIA_TYPE, X_CAUSEWAY_ANSWERS, X_CAUSEWAY_VIA, X_WV_SESSION_ID, X_WV_TRANSACTION_ID,
    is_ssp,
};
use super::tls::{self, Connected, HandshakeError, Offer, PeerTls};
use crate::imps::Domain;
use crate::imps::agreement::{IdentityError, PeerIdentity};

/// What we call ourselves.
const USER_AGENT: &str = concat!("Causeway/", env!("CARGO_PKG_VERSION"));
/// Octets of an answer's body that are read and forgotten; beyond, the connection is given up.
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
/// Octets of an answer's head.
const HEAD_OCTETS_MAX: usize = 16 * 1024;

/// How long the steps of a POST may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostLimits {
    /// Until a candidate accepts the TCP connection.
    pub connect_timeout: Duration,
    /// For the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the first octet of a POST to the end of its answer.
    pub answer_timeout: Duration,
}

impl Default for PostLimits {
    /// 5 s, 10 s and 15 s.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(15),
        }
    }
}

/// Why there is no connection, or no answer.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// No candidate was given.
    #[error("no address is known")]
    NoCandidate,
    /// TCP: refused, unreachable, or no answer in time.
    #[error("{target} cannot be reached: {found}")]
    Connect {
        /// Where.
        target: Candidate,
        /// What the system said.
        found: io::Error,
    },
    /// No TLS: we do not believe them, or they do not believe us.
    #[error("TLS with {target} failed: {reason}")]
    Tls {
        /// Where.
        target: Candidate,
        /// Which check, in words.
        reason: HandshakeError,
    },
    /// TLS is up, but the certificate does not stand for the peer that is wanted.
    #[error("{target} is not the peer that is wanted: {found}")]
    Identity {
        /// Where.
        target: Candidate,
        /// Which check.
        found: IdentityError,
    },
    /// The connection had been closed before; nothing was sent. Connect again and repeat.
    #[error("{target} had closed the connection; nothing was sent")]
    NotSent {
        /// Where.
        target: Candidate,
    },
    /// Sent in part or whole, then closed without an HTTP answer.
    #[error("{target} closed the connection without an answer: {found}")]
    ClosedWithoutAnswer {
        /// Where.
        target: Candidate,
        /// What the library said.
        found: String,
    },
    /// The answer is no HTTP.
    #[error("{target} answered with something else than HTTP: {found}")]
    Protocol {
        /// Where.
        target: Candidate,
        /// What the library said.
        found: String,
    },
    /// Sent in part or whole, and no answer in time; the connection is given up.
    #[error("{target} did not answer within {limit:?}")]
    Timeout {
        /// Where.
        target: Candidate,
        /// How long we waited.
        limit: Duration,
    },
}

impl PostError {
    /// Whether the peer certainly has not seen the document.
    pub const fn nothing_sent(&self) -> bool {
        !matches!(self, Self::ClosedWithoutAnswer { .. } | Self::Protocol { .. } | Self::Timeout { .. })
    }

    /// Of several failures the one that got furthest is told.
    const fn progress(&self) -> u8 {
        match self {
            Self::NoCandidate => 0,
            Self::Connect { .. } => 1,
            Self::Tls { .. } => 2,
            _ => 3,
        }
    }
}

/// The HTTP answer to a POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostAnswer {
    /// Any 2xx means accepted.
    pub status: StatusCode,
    /// `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// The document in the body of a 2xx, if answers were to come there ([`Headers::answers_here`]); empty
    /// if there is none, or one that is too long.
    pub answers: Bytes,
}

impl PostAnswer {
    fn of<B>(response: &Response<B>) -> Self {
        Self {
            status: response.status(),
            retry_after: retry_after(response.headers()),
            answers: Bytes::new(),
        }
    }
}

/// The body of an HTTP answer: read away so that the connection can be used again, and kept if it has answers
/// in it.
struct Body {
    kept: Option<Vec<u8>>,
    octets: usize,
}

impl Body {
    /// `wanted`: whether answers may come there.
    fn of<B>(response: &Response<B>, wanted: bool) -> Self {
        let keeps = wanted && response.status().is_success() && is_ssp(response.headers());
        Self { kept: keeps.then(Vec::new), octets: 0 }
    }

    /// Another piece; `false` if that is too much.
    fn push(&mut self, piece: &Bytes) -> bool {
        self.octets = self.octets.saturating_add(piece.len());
        if self.octets > ANSWER_OCTETS_MAX {
            self.kept = None;
            return false;
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(piece);
        }
        true
    }

    /// Whether it is of any use to anybody.
    const fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    fn done(self) -> Bytes {
        self.kept.unwrap_or_default().into()
    }
}

/// What stands in the head of a POST beside what HTTP asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    /// `x-wv-transactionid`: the first transaction, for the peer's log.
    pub transaction: Option<&'a str>,
    /// `x-wv-sessionid`, for the peer's log.
    pub session: Option<&'a str>,
    /// `x-causeway-via`: the relays that it has passed.
    pub via: Option<&'a str>,
    /// `x-causeway-answers: here`: answers may come in the body of the HTTP answer.
    pub answers_here: bool,
}

/// Why a POST has no answer, before it is known where to.
enum Lost {
    /// TLS: they do not believe us.
    Refused(HandshakeError),
    /// The connection had been closed before.
    Unsent,
    /// No HTTP.
    Protocol(String),
    /// Closed without an answer.
    Closed(String),
}

/// What connections to one place that speak HTTP/2 have in common, and one over HTTP/1.1 has of its own.
struct Known {
    target: Candidate,
    identity: PeerIdentity,
    chain: Arc<[CertificateDer<'static>]>,
    /// Host and port, as they stand in the head of a POST.
    host: HeaderValue,
    /// Where POSTs go over HTTP/2.
    uri: Uri,
    answer_timeout: Duration,
}

/// The version of HTTP that was agreed on.
enum Wire {
    One(Box<http1::Line>),
    Two(Arc<http2::Line>),
}

/// One connection to a peer.
pub struct Connection {
    known: Arc<Known>,
    wire: Wire,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("target", &self.known.target)
            .field("identity", &self.known.identity)
            .field("http", &self.http())
            .finish_non_exhaustive()
    }
}

/// A way to more handles of a connection that speaks HTTP/2, which does not keep it open.
pub struct Shareable {
    known: Arc<Known>,
    line: Weak<http2::Line>,
}

impl std::fmt::Debug for Shareable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shareable").field("target", &self.known.target).finish_non_exhaustive()
    }
}

impl Shareable {
    /// Another handle, if the connection is still of use.
    pub fn open(&self) -> Option<Connection> {
        let line = self.line.upgrade().filter(|line| line.is_usable())?;
        Some(Connection { known: Arc::clone(&self.known), wire: Wire::Two(line) })
    }
}

impl Connection {
    /// Tries the candidates in their order: TCP, TLS as own domain `own` with the peer's domain as
    /// SNI, then `check` (usually `Agreement::speaks_for`). If all fail, the failure that got
    /// furthest is returned; each one is logged. Speaks HTTP/1.1.
    pub async fn connect(
        tls: &PeerTls,
        own: &Domain,
        peer: &Domain,
        candidates: &[Candidate],
        limits: &PostLimits,
        check: impl Fn(&PeerIdentity) -> Result<(), IdentityError> + Send + Sync,
    ) -> Result<Self, PostError> {
        Self::connect_offering(Offer::Http1, tls, own, peer, candidates, limits, check).await
    }

    /// As [`Connection::connect`], with the versions of HTTP that the peer may choose from.
    pub async fn connect_offering(
        offer: Offer,
        tls: &PeerTls,
        own: &Domain,
        peer: &Domain,
        candidates: &[Candidate],
        limits: &PostLimits,
        check: impl Fn(&PeerIdentity) -> Result<(), IdentityError> + Send + Sync,
    ) -> Result<Self, PostError> {
        let mut failed = PostError::NoCandidate;
        for target in candidates {
            match Self::try_one(offer, tls, own, peer, target, limits, &check).await {
                Ok(connection) => {
                    let (names, http) = (&connection.known.identity.names, connection.http());
                    debug!(%peer, %target, ?names, http, "connected to peer");
                    return Ok(connection);
                }
                Err(error) => {
                    info!(%peer, "{error}");
                    if error.progress() >= failed.progress() {
                        failed = error;
                    }
                }
            }
        }
        Err(failed)
    }

    async fn try_one(
        offer: Offer,
        tls: &PeerTls,
        own: &Domain,
        peer: &Domain,
        target: &Candidate,
        limits: &PostLimits,
        check: &(impl Fn(&PeerIdentity) -> Result<(), IdentityError> + Send + Sync),
    ) -> Result<Self, PostError> {
        let unreachable = |found| PostError::Connect { target: target.clone(), found };
        let refused = |reason| PostError::Tls { target: target.clone(), reason };
        let stream = timeout(limits.connect_timeout, TcpStream::connect(target.addr))
            .await
            .map_err(|_| unreachable(io::Error::from(io::ErrorKind::TimedOut)))?
            .map_err(unreachable)?;
        // A POST must not wait for more to come. If it cannot be set, it does.
        let _ = stream.set_nodelay(true);
        let connected = tls::connect(tls, own, peer, stream, offer, limits.handshake_timeout);
        let Connected { stream, peer: identity, http2 } = connected.await.map_err(refused)?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain = chain.iter().map(|der| der.clone().into_owned()).collect();
        check(&identity).map_err(|found| PostError::Identity { target: target.clone(), found })?;
        let host = host_text(target);
        let unwritable =
            || io::Error::new(io::ErrorKind::InvalidInput, "the host cannot be written in a head");
        let known = Known {
            host: HeaderValue::from_str(&host).map_err(|_| unreachable(unwritable()))?,
            uri: format!("https://{host}/").parse().map_err(|_| unreachable(unwritable()))?,
            target: target.clone(),
            identity,
            chain,
            answer_timeout: limits.answer_timeout,
        };
        let wire = if http2 {
            Wire::Two(Arc::new(http2::Line::open(stream).await.map_err(refused)?))
        } else {
            Wire::One(Box::new(http1::Line::open(stream).await.map_err(refused)?))
        };
        Ok(Self { known: Arc::new(known), wire })
    }

    /// Where it leads.
    pub fn target(&self) -> &Candidate {
        &self.known.target
    }

    /// Who is there, as far as the certificate tells.
    pub fn identity(&self) -> &PeerIdentity {
        &self.known.identity
    }

    /// The certificates that it showed, leaf first.
    pub fn chain(&self) -> &Arc<[CertificateDer<'static>]> {
        &self.known.chain
    }

    /// The version of HTTP that it speaks: `1.1` or `2`.
    pub const fn http(&self) -> &'static str {
        match self.wire {
            Wire::One(_) => "1.1",
            Wire::Two(_) => "2",
        }
    }

    /// How to get more handles of it; `None` if it takes one POST at a time.
    pub fn shareable(&self) -> Option<Shareable> {
        match &self.wire {
            Wire::One(_) => None,
            Wire::Two(line) => Some(Shareable { known: Arc::clone(&self.known), line: Arc::downgrade(line) }),
        }
    }

    /// Whether another POST may be tried: looks for a close that has arrived meanwhile.
    pub fn is_usable(&mut self) -> bool {
        match &mut self.wire {
            Wire::One(line) => line.is_usable(),
            Wire::Two(line) => line.is_usable(),
        }
    }

    /// Waits until the connection has ended; for who has nothing to send. Cancel-safe.
    pub async fn closed(&mut self) {
        match &mut self.wire {
            Wire::One(line) => line.closed().await,
            Wire::Two(line) => line.closed().await,
        }
    }

    /// Posts one document to `/`; the ids go into headers that the peer may log. An error
    /// for which [`PostError::nothing_sent`] is false leaves open whether the peer has it; after any
    /// error no more can be posted over this connection. If this future is dropped before it is done
    /// that holds for HTTP/1.1; over HTTP/2 the POST is called off alone.
    pub async fn post(&mut self, headers: Headers<'_>, body: Bytes) -> Result<PostAnswer, PostError> {
        if !self.is_usable() {
            return Err(self.lost(self.refusal().map_or(Lost::Unsent, Lost::Refused)));
        }
        let (request, answers) = (self.request(headers, body), headers.answers_here);
        let limit = self.known.answer_timeout;
        let exchange = async {
            match &mut self.wire {
                Wire::One(line) => line.exchange(request, answers).await,
                Wire::Two(line) => line.exchange(request, answers).await,
            }
        };
        let outcome = match timeout(limit, exchange).await {
            Ok(outcome) => outcome.map_err(|lost| self.lost(lost)),
            Err(_) => Err(PostError::Timeout { target: self.known.target.clone(), limit }),
        };
        if outcome.is_err() {
            match &mut self.wire {
                Wire::One(line) => line.give_up(),
                Wire::Two(line) => line.give_up(),
            }
        }
        outcome
    }

    fn request(&self, told: Headers<'_>, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        let headers = match self.wire {
            Wire::One(_) => {
                *request.uri_mut() = Uri::from_static("/");
                request.headers_mut().insert(header::HOST, self.known.host.clone());
                request.headers_mut()
            }
            Wire::Two(_) => {
                *request.version_mut() = Version::HTTP_2;
                *request.uri_mut() = self.known.uri.clone();
                request.headers_mut()
            }
        };
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SSP_MEDIA_TYPE));
        let ids = [
            (X_WV_TRANSACTION_ID, told.transaction),
            (X_WV_SESSION_ID, told.session),
            (X_CAUSEWAY_VIA, told.via),
        ];
        for (name, id) in ids {
            // An id that no header can hold is left out: the body is authoritative.
            if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
                headers.insert(name, value);
            }
        }
        if told.answers_here {
            headers.insert(X_CAUSEWAY_ANSWERS, ANSWERS_HERE);
        }
        request
    }

    /// The TLS alert that ended the connection, if one did.
    fn refusal(&self) -> Option<HandshakeError> {
        match &self.wire {
            Wire::One(line) => line.refusal(),
            Wire::Two(line) => line.refusal(),
        }
    }

    fn lost(&self, lost: Lost) -> PostError {
        let target = self.known.target.clone();
        match lost {
            Lost::Refused(reason) => PostError::Tls { target, reason },
            Lost::Unsent => PostError::NotSent { target },
            Lost::Protocol(found) => PostError::Protocol { target, found },
            Lost::Closed(found) => PostError::ClosedWithoutAnswer { target, found },
        }
    }
}

/// Name or address literal, and port, of this target.
fn host_text(target: &Candidate) -> String {
    let port = target.addr.port();
    if target.host.contains(':') {
        format!("[{}]:{port}", target.host)
    } else {
        format!("{}:{port}", target.host)
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
