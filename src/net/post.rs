//! Outgoing POSTs: one HTTP/1.1 connection to a peer over mutual TLS, owned by one lane task.
//!
//! [`Connection::connect`] goes through the candidates that [`super::discover`] found until one
//! answers, proves who it is and passes the caller's check. [`Connection::post`] then sends documents
//! one after the other. There is no pool and no task behind it: the lane that owns the connection
//! also drives it, so a POST costs no switch between tasks. The HTTP answer carries a status and
//! nothing else; the protocol's answer is a POST of the peer's (reference ssp-transport §3.3).

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tracing::{debug, info};

use super::discover::Candidate;
use super::listen::{SSP_MEDIA_TYPE, X_CAUSEWAY_VIA, X_WV_SESSION_ID, X_WV_TRANSACTION_ID};
use super::tls::{self, HandshakeError, PeerTls};
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
    /// The answer is no HTTP/1.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostAnswer {
    /// Any 2xx means accepted.
    pub status: StatusCode,
    /// `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
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
}

type Http = http1::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>>;

/// One connection to a peer.
pub struct Connection {
    target: Candidate,
    identity: PeerIdentity,
    chain: Arc<[CertificateDer<'static>]>,
    host: HeaderValue,
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    driver: Option<Pin<Box<Http>>>,
    /// How it ended.
    ended: Option<hyper::Error>,
    answer_timeout: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("target", &self.target)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Tries the candidates in their order: TCP, TLS as own domain `own` with the peer's domain as
    /// SNI, then `check` (usually `Agreement::speaks_for`). If all fail, the failure that got
    /// furthest is returned; each one is logged.
    pub async fn connect(
        tls: &PeerTls,
        own: &Domain,
        peer: &Domain,
        candidates: &[Candidate],
        limits: &PostLimits,
        check: impl Fn(&PeerIdentity) -> Result<(), IdentityError> + Send + Sync,
    ) -> Result<Self, PostError> {
        let mut failed = PostError::NoCandidate;
        for target in candidates {
            match Self::try_one(tls, own, peer, target, limits, &check).await {
                Ok(connection) => {
                    debug!(%peer, %target, names = ?connection.identity.names, "connected to peer");
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
        let (stream, identity) =
            tls::connect(tls, own, peer, stream, limits.handshake_timeout).await.map_err(refused)?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain = chain.iter().map(|der| der.clone().into_owned()).collect();
        check(&identity).map_err(|found| PostError::Identity { target: target.clone(), found })?;
        let (sender, driver) = http1::Builder::new()
            .title_case_headers(true)
            .max_header_size(HEAD_OCTETS_MAX)
            .max_buf_size(ANSWER_OCTETS_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|found| refused(HandshakeError::Protocol(found.to_string())))?;
        Ok(Self {
            host: host(target)?,
            target: target.clone(),
            identity,
            chain,
            sender,
            driver: Some(Box::pin(driver)),
            ended: None,
            answer_timeout: limits.answer_timeout,
        })
    }

    /// Where it leads.
    pub fn target(&self) -> &Candidate {
        &self.target
    }

    /// Who is there, as far as the certificate tells.
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// The certificates that it showed, leaf first.
    pub fn chain(&self) -> &Arc<[CertificateDer<'static>]> {
        &self.chain
    }

    /// Whether another POST may be tried: looks for a close that has arrived meanwhile.
    pub fn is_usable(&mut self) -> bool {
        self.advance(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Waits until the peer closes; for a lane that has nothing to send. Cancel-safe.
    pub async fn closed(&mut self) {
        poll_fn(|cx| {
            self.advance(cx);
            if self.driver.is_none() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Posts one document to `/`; the ids go into headers that the peer may log. An error other
    /// for which [`PostError::nothing_sent`] is false leaves open whether the peer has it; after any
    /// error, and if this future is dropped before it is done, the connection is of no more use.
    pub async fn post(&mut self, headers: Headers<'_>, body: Bytes) -> Result<PostAnswer, PostError> {
        if !self.is_usable() {
            return Err(match self.refusal() {
                Some(reason) => PostError::Tls { target: self.target.clone(), reason },
                None => PostError::NotSent { target: self.target.clone() },
            });
        }
        let request = self.request(headers, body);
        let limit = self.answer_timeout;
        let outcome = timeout(limit, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(PostError::Timeout { target: self.target.clone(), limit }));
        if outcome.is_err() {
            self.driver = None;
        }
        outcome
    }

    fn request(&self, ids: Headers<'_>, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/");
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SSP_MEDIA_TYPE));
        let ids = [
            (X_WV_TRANSACTION_ID, ids.transaction),
            (X_WV_SESSION_ID, ids.session),
            (X_CAUSEWAY_VIA, ids.via),
        ];
        for (name, id) in ids {
            // An id that no header can hold is left out: the body is authoritative.
            if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
                headers.insert(name, value);
            }
        }
        request
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<PostAnswer, PostError> {
        let ready = self.drive(|connection, cx| connection.sender.poll_ready(cx)).await;
        if ready.is_err() {
            return Err(PostError::NotSent { target: self.target.clone() });
        }
        let mut sending = pin!(self.sender.try_send_request(request));
        let response = self.drive(|_, cx| sending.as_mut().poll(cx)).await;
        match response {
            Ok(response) => {
                let answer =
                    PostAnswer { status: response.status(), retry_after: retry_after(response.headers()) };
                self.forget(response).await;
                Ok(answer)
            }
            Err(mut failed) => {
                let target = self.target.clone();
                let unsent = failed.take_message().is_some();
                let found = failed.into_error();
                Err(match self.refusal().or_else(|| tls::alert_in(&found)) {
                    Some(reason) => PostError::Tls { target, reason },
                    None if unsent => PostError::NotSent { target },
                    None if found.is_parse() || found.is_parse_too_large() => {
                        PostError::Protocol { target, found: words(&found) }
                    }
                    None => {
                        let found = self.ended.as_ref().map_or_else(|| words(&found), words);
                        PostError::ClosedWithoutAnswer { target, found }
                    }
                })
            }
        }
    }

    /// Reads the body of an answer away, so that the connection can be used again.
    async fn forget(&mut self, response: Response<Incoming>) {
        let mut body = response.into_body();
        let mut octets = 0;
        loop {
            let mut frame = pin!(body.frame());
            match self.drive(|_, cx| frame.as_mut().poll(cx)).await {
                None => break,
                Some(Ok(data)) => octets += data.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) => octets = usize::MAX,
            }
            if octets > ANSWER_OCTETS_MAX {
                self.driver = None;
                break;
            }
        }
    }

    /// Waits for `step`, keeping the connection moving meanwhile.
    async fn drive<T>(&mut self, mut step: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>) -> T {
        poll_fn(|cx| {
            self.advance(cx);
            step(self, cx)
        })
        .await
    }

    fn advance(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(ended) = driver.as_mut().poll(cx)
        {
            self.driver = None;
            self.ended = ended.err();
        }
    }

    /// The TLS alert that ended the connection, if one did.
    fn refusal(&self) -> Option<HandshakeError> {
        self.ended.as_ref().and_then(|ended| tls::alert_in(ended))
    }
}

/// `Host` for this target: name or address literal, and port.
fn host(target: &Candidate) -> Result<HeaderValue, PostError> {
    let port = target.addr.port();
    let text = if target.host.contains(':') {
        format!("[{}]:{port}", target.host)
    } else {
        format!("{}:{port}", target.host)
    };
    HeaderValue::from_str(&text).map_err(|_| PostError::Connect {
        target: target.clone(),
        found: io::Error::new(io::ErrorKind::InvalidInput, "the host name cannot be written in a header"),
    })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// An error with its causes.
fn words(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
