//! The accept loop and one connection's life.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode, Version, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::body::{self, BodyRefusal, Memory, Share};
use super::places::Places;
use super::{
    ANSWERS_HERE, Answer, ConnectionEvents, CspHandler, CspRequest, ListenLimits, SSP, SspHandler,
    SspRequest, X_CAUSEWAY_ANSWERS, X_CAUSEWAY_VIA, X_WV_SESSION_ID, X_WV_TRANSACTION_ID, is_ssp,
};
use crate::imps::agreement::PeerIdentity;
use crate::imps::{Domain, Source};
use crate::net::io::WriteTimeout;
use crate::net::tls::{self, HandshakeError, PeerTls, SharedPeerTls, Side};

/// Pause after the system could not give us a connection (no descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Largest read buffer of one connection, octets; hyper asks for at least 8 KiB.
const BUFFER_OCTETS_MAX: usize = 64 * 1024;

/// What all connections of a listener share.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) limits: ListenLimits,
    events: Arc<dyn ConnectionEvents>,
    memory: Arc<Memory>,
    /// Finish what is in hand.
    pub(super) drain: CancellationToken,
    /// Stop at once.
    pub(super) stop: CancellationToken,
}

impl Server {
    pub(super) fn new(
        name: &'static str,
        limits: ListenLimits,
        events: Arc<dyn ConnectionEvents>,
        drain: CancellationToken,
    ) -> Self {
        let memory = Memory::new(limits.bodies_octets_max);
        Self { name, limits, events, memory, drain, stop: CancellationToken::new() }
    }

    /// Accepts until told to drain, then waits for the connections.
    pub(super) async fn run<F, C>(&self, listener: TcpListener, connection: F)
    where
        F: Fn(TcpStream, SocketAddr) -> C,
        C: Future<Output = ()> + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(self.limits.connections_max.min(Semaphore::MAX_PERMITS)));
        let connections = TaskTracker::new();
        let places = Arc::new(Places::default());
        loop {
            if permits.available_permits() == 0 {
                self.events.rejected(self.name, None, "connections");
                warn!(
                    listener = self.name,
                    max = self.limits.connections_max,
                    "connections wait: the limit is reached"
                );
            }
            let accepted = tokio::select! {
                biased;
                () = self.drain.cancelled() => break,
                accepted = async {
                    let permit = permits.clone().acquire_owned().await;
                    (listener.accept().await, permit)
                } => accepted,
            };
            let (Ok((stream, from)), permit) = accepted else {
                if let (Err(found), _) = accepted {
                    warn!(listener = self.name, %found, "no connection could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            };
            let source = Source::from(from.ip());
            let Some(place) = places.take(source, self.limits.connections_of_source_max) else {
                debug!(listener = self.name, %source, "a connection is closed: its source has too many");
                self.events.rejected(self.name, None, "source");
                continue;
            };
            // Small answers must not wait for more to come. If it cannot be set, they do.
            let _ = stream.set_nodelay(true);
            let connection = connection(stream, from);
            connections.spawn(async move {
                connection.await;
                drop((permit, place));
            });
        }
        drop(listener);
        connections.close();
        if timeout(self.limits.drain_timeout, connections.wait()).await.is_err() {
            warn!(
                listener = self.name,
                open = connections.len(),
                "connections were cut: they did not finish in time"
            );
            self.stop.cancel();
            connections.wait().await;
        }
        info!(listener = self.name, "listener has drained");
    }

    /// Speaks HTTP/1 on one connection until it ends, or what is in hand is answered after `until` or when the
    /// listener drains.
    async fn http<S, F, W>(
        &self,
        stream: S,
        from: SocketAddr,
        peer: Option<&PeerIdentity>,
        until: Option<&CancellationToken>,
        begin: F,
    ) where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Fn(Request<Incoming>) -> W,
        W: Future<Output = Answer> + Send + 'static,
    {
        let service = service_fn(|request| {
            let work = begin(request);
            async move { Ok::<_, Infallible>(work.await.into_response()) }
        });
        let io = TokioIo::new(WriteTimeout::new(stream, self.limits.write_timeout));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle_timeout)
            .max_header_size(self.limits.head_octets_max)
            .max_buf_size(BUFFER_OCTETS_MAX.max(self.limits.head_octets_max))
            .title_case_headers(true)
            // A caller that has said all it has to say may close its half and wait. Nor does hyper
            // look at the connection then while a handler works, and so never drops one half-way.
            .half_close(true)
            .serve_connection(io, service);
        let mut connection = pin!(connection);
        let replaced = async {
            match until {
                Some(until) => until.cancelled().await,
                None => pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => Some(ended),
            () = self.drain.cancelled() => None,
            () = replaced => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                // Nobody stops who has not begun to drain.
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => Ok(()),
                    ended = connection => ended,
                }
            }
        };
        if let Err(found) = ended {
            if found.is_parse() || found.is_parse_too_large() {
                self.reject(from, peer, "head", ());
            }
            debug!(listener = self.name, %from, %found, "connection ended");
        }
    }

    fn refused(&self, from: SocketAddr, error: &HandshakeError) {
        // A port check is no event worth a warning.
        if matches!(error, HandshakeError::Broken(_)) {
            debug!(listener = self.name, %from, %error, "TLS handshake failed");
        } else {
            warn!(listener = self.name, %from, reason = error.reason(), "TLS handshake refused: {error}");
        }
        self.events.handshake_refused(self.name, from, error);
    }

    /// Reads the body, or says how it is refused.
    async fn body(
        &self,
        (head, mut body): (&Parts, Incoming),
        from: SocketAddr,
        peer: Option<&PeerIdentity>,
        octets_max: usize,
        share: &mut Share,
    ) -> Result<Bytes, Answer> {
        let expects = head.headers.contains_key(header::EXPECT);
        // Who waits for `100 Continue` has sent nothing yet, and in HTTP/2 the rest of one body is in nobody's way.
        let in_the_way = !expects && head.version != Version::HTTP_2;
        // Nothing is unpacked here: a few octets could become as many as they like.
        let encoding = head.headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
            if in_the_way {
                body::forget(body).await;
            }
            let answer = Answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return Err(self.reject(from, peer, "encoding", answer));
        }
        let refusal = match body::read(&mut body, octets_max, self.limits.body_timeout, share).await {
            Ok(octets) => return Ok(octets),
            Err(refusal) => refusal,
        };
        if matches!(refusal, BodyRefusal::TooLarge | BodyRefusal::NoMemory) && in_the_way {
            body::forget(body).await;
        }
        Err(self.reject(from, peer, refusal.reason(), refusal.answer()))
    }

    /// Tells that a request is turned away. A peer that misbehaves is worth a warning, a phone is not.
    pub(super) fn reject<A>(
        &self,
        from: SocketAddr,
        peer: Option<&PeerIdentity>,
        reason: &'static str,
        answer: A,
    ) -> A {
        match peer {
            Some(peer) => {
                warn!(listener = self.name, peer = %names(peer), %from, reason, "request turned away");
            }
            None => debug!(listener = self.name, %from, reason, "request turned away"),
        }
        self.events.rejected(self.name, peer, reason);
        answer
    }
}

/// A peer's connection.
pub(super) async fn ssp<H: SspHandler>(
    server: Arc<Server>,
    tls: SharedPeerTls,
    handler: Arc<H>,
    stream: TcpStream,
    from: SocketAddr,
) {
    let current = tls.load_full();
    let accepted = match tls::accept(&current, stream, server.limits.handshake_timeout).await {
        Ok(accepted) => accepted,
        Err(error) => return server.refused(from, &error),
    };
    let chain = accepted.stream.get_ref().1.peer_certificates().unwrap_or_default();
    let visitor = Visitor {
        peer: Arc::new(accepted.peer),
        own: accepted.own,
        from,
        chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
        met: current.clone(),
        tls,
    };
    let (visitor, http2) = (Arc::new(visitor), accepted.http2);
    debug!(listener = SSP, %from, names = ?visitor.peer.names, own = %visitor.own, http2, "peer connected");
    let begin = {
        let (server, visitor) = (server.clone(), visitor.clone());
        move |request| ssp_request(server.clone(), handler.clone(), visitor.clone(), request)
    };
    // Once certificates or trust are replaced, whoever wants to go on has to prove itself anew.
    if http2 {
        server.http2(accepted.stream, from, &visitor.peer, current.replaced(), begin).await;
    } else {
        server.http(accepted.stream, from, Some(&visitor.peer), Some(current.replaced()), begin).await;
    }
}

/// Who is at the other end of a peer's connection.
struct Visitor {
    peer: Arc<PeerIdentity>,
    own: Domain,
    from: SocketAddr,
    chain: Vec<CertificateDer<'static>>,
    /// What it was believed by.
    met: Arc<PeerTls>,
    /// What is believed now.
    tls: SharedPeerTls,
}

impl Visitor {
    /// Who it is, if it is believed still: a request may come after certificates or trust were replaced and
    /// before the connection has ended, or after secure DNS has changed its mind.
    fn believed(&self) -> Option<Arc<PeerIdentity>> {
        let tls = self.tls.load();
        if !self.met.replaced().is_cancelled() && tls.vouchers_hold(&self.peer) {
            return Some(self.peer.clone());
        }
        tls.check_again(&self.chain, Side::Inbound).ok().map(Arc::new)
    }
}

/// The names of a certificate, for the log.
fn names(peer: &PeerIdentity) -> String {
    let names: Vec<_> = peer.names.iter().map(Domain::as_str).collect();
    names.join(" ")
}

async fn ssp_request<H: SspHandler>(
    server: Arc<Server>,
    handler: Arc<H>,
    visitor: Arc<Visitor>,
    request: Request<Incoming>,
) -> Answer {
    let (own, from) = (visitor.own.clone(), visitor.from);
    let Some(peer) = visitor.believed() else {
        let answer = Answer::empty(StatusCode::FORBIDDEN);
        return server.reject(from, Some(&visitor.peer), "certificate", answer);
    };
    if request.method() != Method::POST {
        let answer = Answer::empty(StatusCode::METHOD_NOT_ALLOWED);
        return server.reject(from, Some(&peer), "method", answer);
    }
    if !is_ssp(request.headers()) {
        let answer = Answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        return server.reject(from, Some(&peer), "media-type", answer);
    }
    let octets_max = match handler.admit(&peer, &own) {
        Ok(octets_max) => octets_max.min(server.limits.body_octets_max),
        Err(answer) => return answer,
    };
    let transaction_id = request.headers().get(X_WV_TRANSACTION_ID).cloned();
    let session_id = request.headers().get(X_WV_SESSION_ID).cloned();
    let via = request.headers().get_all(X_CAUSEWAY_VIA).into_iter().cloned().collect();
    let answers_here = request.headers().get(X_CAUSEWAY_ANSWERS) == Some(&ANSWERS_HERE);
    let (head, body) = request.into_parts();
    let mut share = Share::new(&server.memory);
    match server.body((&head, body), from, Some(&peer), octets_max, &mut share).await {
        Ok(body) => {
            let request = SspRequest { peer, own, from, transaction_id, session_id, via, answers_here, body };
            handler.post(request).await
        }
        Err(answer) => answer,
    }
}

/// A client's connection.
pub(super) async fn csp<H: CspHandler>(
    server: Arc<Server>,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    handler: Arc<H>,
    stream: TcpStream,
    from: SocketAddr,
) {
    let Ok(to) = stream.local_addr() else { return };
    let secure = tls.is_some();
    let begin = |request| csp_request(server.clone(), handler.clone(), from, to, secure, request);
    let Some(tls) = tls else { return server.http(stream, from, None, None, begin).await };
    let config = tls.load_full();
    match tls::answer(config, stream, server.limits.handshake_timeout).await {
        Ok(stream) => server.http(stream, from, None, None, begin).await,
        Err(error) => server.refused(from, &error),
    }
}

async fn csp_request<H: CspHandler>(
    server: Arc<Server>,
    handler: Arc<H>,
    from: SocketAddr,
    to: SocketAddr,
    secure: bool,
    request: Request<Incoming>,
) -> Answer {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().map(ToOwned::to_owned);
    let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
    let octets_max =
        handler.body_octets_max(&head.method, &path, &head.headers).unwrap_or(server.limits.body_octets_max);
    let mut share = Share::new(&server.memory);
    match server.body((&head, body), from, None, octets_max, &mut share).await {
        Ok(body) => {
            let Parts { method, headers, .. } = head;
            let request = CspRequest { from, to, secure, method, path, query, headers, content_type, body };
            handler.request(request).await
        }
        Err(answer) => answer,
    }
}
