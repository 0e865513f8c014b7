//! The admin listener: `GET /metrics`, `/healthz`, `/readyz`, and the API of [`super::api`] (architecture §4,
//! decisions.md 34).
//!
//! A small HTTP/1.1 server of its own, so that it answers while the others are busy or draining. With a
//! token every path asks for `Authorization: Bearer TOKEN`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::announce::BODY_OCTETS_MAX;
use super::api::{self, Desk, Refused};
use super::audit::{Audit, Outcome, Who};
use super::metrics::Metrics;
use super::readiness::Readiness;
use crate::imps::Moment;

/// Connections at a time; more wait.
const CONNECTIONS_MAX: usize = 64;
/// How long a caller may take for its request line and headers, and again for a body.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Octets of request line and headers.
const HEADER_OCTETS_MAX: usize = 16 * 1024;
/// Rest after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The text format of Prometheus.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON_TYPE: &str = "application/json";
const PLAIN_TYPE: &str = "text/plain; charset=utf-8";

/// The wall clock of the node.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// What the admin listener answers from.
#[derive(Clone)]
pub struct Admin {
    metrics: Arc<Metrics>,
    readiness: Readiness,
    clock: Clock,
    token: Option<Arc<Zeroizing<String>>>,
    desk: Option<(Arc<dyn Desk>, Audit)>,
}

impl Admin {
    /// Answers from these. Without a token everybody who can connect is answered: `listen` must then be
    /// a loopback address, which `config` sees to.
    pub fn new(metrics: Arc<Metrics>, readiness: Readiness, clock: Clock, token: Option<&str>) -> Self {
        let token = token.map(|word| Arc::new(Zeroizing::new(word.to_owned())));
        Self { metrics, readiness, clock, token, desk: None }
    }

    /// The same with the admin API, carried out by `desk` and recorded in `audit`.
    #[must_use]
    pub fn with_desk(self, desk: Arc<dyn Desk>, audit: Audit) -> Self {
        Self { desk: Some((desk, audit)), ..self }
    }

    /// Serves until cancelled; requests in hand are answered.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let next = async {
                // It is never closed; if it were, nothing more would be accepted.
                let permit = Arc::clone(&room).acquire_owned().await.ok()?;
                Some((listener.accept().await, permit))
            };
            let (accepted, permit) = tokio::select! {
                () = stop.cancelled() => return,
                next = next => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            let (socket, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the admin listener could not accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (admin, stop) = (self.clone(), stop.clone());
            tokio::spawn(async move {
                let _permit = permit;
                let ends = socket.local_addr().map(|to| Ends { from, to }).ok();
                let service = service_fn(move |request| {
                    let admin = admin.clone();
                    async move { Ok::<_, Infallible>(admin.answer(request, ends).await) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .max_buf_size(HEADER_OCTETS_MAX);
                let connection = http.serve_connection(TokioIo::new(socket), service);
                tokio::pin!(connection);
                tokio::select! {
                    // A caller that went away is no event.
                    _ = connection.as_mut() => return,
                    () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
                }
                let _ = tokio::time::timeout(HEADER_TIMEOUT, connection).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>, ends: Option<Ends>) -> Response<Full<Bytes>> {
        if !self.admits(request.headers().get(AUTHORIZATION)) {
            let mut refused = plain(StatusCode::UNAUTHORIZED, "a token is needed\n".to_owned());
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return refused;
        }
        let path = request.uri().path().to_owned();
        if let (Some((desk, audit)), Some(rest)) = (&self.desk, path.strip_prefix(api::PREFIX)) {
            return match self.ask(desk, audit, rest, (request, ends)).await {
                Ok(value) => typed(StatusCode::OK, JSON_TYPE, format!("{value}\n")),
                Err(refused) => typed(refused.status, JSON_TYPE, format!("{}\n", refused.to_json())),
            };
        }
        if !["/metrics", "/healthz", "/readyz"].contains(&path.as_str()) {
            return plain(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz, /readyz and /api/v1\n".to_owned(),
            );
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match path.as_str() {
            "/metrics" => match self.metrics.render((self.clock)()) {
                Ok(text) => typed(StatusCode::OK, METRICS_TYPE, text),
                Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
            },
            "/readyz" => match self.readiness.reasons().as_slice() {
                [] => plain(StatusCode::OK, "ready\n".to_owned()),
                reasons => plain(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n"),
            },
            _ => plain(StatusCode::OK, "alive\n".to_owned()),
        }
    }

    async fn ask(
        &self,
        desk: &Arc<dyn Desk>,
        audit: &Audit,
        path: &str,
        (request, ends): (Request<Incoming>, Option<Ends>),
    ) -> Result<serde_json::Value, Refused> {
        let (head, body) = request.into_parts();
        let has_body = api::has_body(&head.method, path);
        api::admit(&head.headers, self.token.is_some(), has_body)?;
        let body = if has_body { self::body(body).await? } else { Bytes::new() };
        let query = head.uri.query().unwrap_or_default();
        let asked = api::understand(&head.method, path, query, &body)?;
        let Some(act) = asked.act() else { return desk.ask(asked).await };
        let (desk, audit, clock) = (Arc::clone(desk), audit.clone(), Arc::clone(&self.clock));
        // Who goes away meanwhile leaves a record all the same.
        let work = tokio::spawn(async move {
            let who = {
                let audit = audit.clone();
                tokio::task::spawn_blocking(move || {
                    audit
                        .ready()
                        .map(|()| ends.map_or_else(Who::node, |Ends { from, to }| Who::admin_api(from, to)))
                })
            };
            let who = match who.await {
                Ok(Ok(who)) => who,
                Ok(Err(error)) => return Err(unrecorded("not done", &error)),
                Err(error) => return Err(unrecorded("not done", &error)),
            };
            // Not what it was done with: users' names and texts are nothing for a log.
            tracing::info!(act = act.verb, "an operator asks");
            let told = desk.ask(asked).await;
            let outcome = if told.is_ok() { Outcome::Done } else { Outcome::Refused };
            match audit.recorded(clock(), who, act, outcome).await {
                Err(error) if told.is_ok() => Err(unrecorded("done, and not recorded", &error)),
                _ => told,
            }
        });
        work.await.unwrap_or_else(|error| Err(unrecorded("perhaps not done", &error)))
    }

    /// Compares in a time that does not tell how much of the token was right.
    fn admits(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some(token) = &self.token else { return true };
        let shown = authorization.map(HeaderValue::as_bytes).unwrap_or_default();
        let (scheme, word) = shown.split_at_checked(7).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"Bearer ")
            && aws_lc_rs::constant_time::verify_slices_are_equal(word.trim_ascii(), token.as_bytes()).is_ok()
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admin")
    }
}

/// Binds the listener; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// The ends of a connection.
#[derive(Clone, Copy, Debug)]
struct Ends {
    from: SocketAddr,
    to: SocketAddr,
}

/// What could not be written down.
fn unrecorded(done: &str, why: &dyn std::fmt::Display) -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, format!("{done}: {why}"))
}

/// The body of a request, all of it.
async fn body(body: Incoming) -> Result<Bytes, Refused> {
    let read = tokio::time::timeout(HEADER_TIMEOUT, Limited::new(body, BODY_OCTETS_MAX).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => {
            let error =
                format!("the body broke off or is longer than {BODY_OCTETS_MAX} octets; name fewer users");
            Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, error))
        }
        Err(_) => Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "the body did not come; try again")),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    typed(status, PLAIN_TYPE, text)
}

fn typed(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    struct Desk {
        address: SocketAddr,
        readiness: Readiness,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    async fn desk(token: Option<&str>) -> Desk {
        let metrics = Arc::new(Metrics::new(Registry::new()).unwrap());
        let readiness = Readiness::waiting_for(&["listeners", "store"]);
        let clock: Clock = Arc::new(|| Moment::from_millis(1000));
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let admin = Admin::new(metrics, readiness.clone(), clock, token);
        let task = tokio::spawn(admin.serve(listener, stop.clone()));
        Desk { address, readiness, stop, task }
    }

    impl Desk {
        async fn ask(&self, line: &str, headers: &str) -> String {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            answer
        }
    }

    fn status(answer: &str) -> &str {
        &answer[9..12]
    }

    #[tokio::test]
    async fn metrics_and_health_are_served_on_loopback() {
        let desk = desk(None).await;
        let metrics = desk.ask("GET /metrics", "").await;
        assert_eq!(status(&metrics), "200");
        assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
        assert!(metrics.contains("\ncauseway_csp_sessions 0\n"), "{metrics}");
        assert_eq!(status(&desk.ask("GET /healthz", "").await), "200");
        assert_eq!(status(&desk.ask("HEAD /healthz", "").await), "200");
        assert_eq!(status(&desk.ask("GET /healthz?why", "").await), "200");
        assert_eq!(status(&desk.ask("GET /", "").await), "404");
        assert_eq!(status(&desk.ask("POST /api/v1/peers", "Content-Length: 0\r\n").await), "404");
        let refused = desk.ask("POST /metrics", "Content-Length: 0\r\n").await;
        assert_eq!(status(&refused), "405");
        assert!(refused.contains("allow: GET, HEAD"), "{refused}");
    }

    #[tokio::test]
    async fn ready_is_when_no_reason_is_left() {
        let desk = desk(None).await;
        let waiting = desk.ask("GET /readyz", "").await;
        assert_eq!(status(&waiting), "503");
        assert!(waiting.ends_with("\r\n\r\nlisteners\nstore\n"), "{waiting}");
        desk.readiness.settled("store");
        desk.readiness.settled("listeners");
        assert_eq!(status(&desk.ask("GET /readyz", "").await), "200");
        desk.readiness.not_ready("draining");
        assert!(desk.ask("GET /readyz", "").await.ends_with("\r\n\r\ndraining\n"));
        assert_eq!(status(&desk.ask("GET /healthz", "").await), "200");
    }

    #[tokio::test]
    async fn with_a_token_nothing_is_told_without_it() {
        let desk = desk(Some("0123456789abcdef")).await;
        let refused = desk.ask("GET /metrics", "").await;
        assert_eq!(status(&refused), "401");
        assert!(refused.contains("www-authenticate: Bearer"), "{refused}");
        for wrong in
            ["Bearer 0123456789abcdeg", "Bearer 0123456789abcde", "Basic 0123456789abcdef", "Bearer "]
        {
            let answer = desk.ask("GET /healthz", &format!("Authorization: {wrong}\r\n")).await;
            assert_eq!(status(&answer), "401", "{wrong}");
        }
        for right in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef"] {
            let answer = desk.ask("GET /metrics", &format!("Authorization: {right}\r\n")).await;
            assert_eq!(status(&answer), "200", "{right}");
        }
    }

    #[tokio::test]
    async fn it_stops_when_told_even_with_an_idle_caller() {
        let desk = desk(None).await;
        let mut idle = TcpStream::connect(desk.address).await.unwrap();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut buffer = [0; 9];
        idle.read_exact(&mut buffer).await.unwrap();
        desk.stop.cancel();
        desk.task.await.unwrap();
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.unwrap();
        assert!(TcpStream::connect(desk.address).await.is_err());
    }
}
