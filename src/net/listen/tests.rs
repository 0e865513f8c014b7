//! Listeners over real sockets: what they let through, what they refuse, and how they end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::net::discover::Candidate;
use crate::net::pki::{Authority, LeafOptions};
use crate::net::post::{Connection, Headers, PostError, PostLimits};
use crate::net::testing::{authority, domain, identity, provider, trusting};
use crate::net::tls::{Connected, Offer, PeerTls, Trust, client_listener, connect};

/// Notes what never reaches a handler.
#[derive(Default)]
struct Noted(Mutex<Vec<String>>);

impl ConnectionEvents for Noted {
    fn handshake_refused(&self, listener: &'static str, _: SocketAddr, error: &HandshakeError) {
        self.0.lock().unwrap().push(format!("{listener} handshake {}", error.reason()));
    }

    fn rejected(&self, listener: &'static str, _peer: Option<&PeerIdentity>, reason: &'static str) {
        self.0.lock().unwrap().push(format!("{listener} {reason}"));
    }
}

/// Answers with what it was asked; `/wait` waits until it is told to go on.
#[derive(Default)]
struct Echo {
    entered: Notify,
    go_on: Notify,
    finished: AtomicUsize,
}

impl CspHandler for Echo {
    async fn request(&self, request: CspRequest) -> Answer {
        if request.path == "/wait" {
            self.entered.notify_one();
            self.go_on.notified().await;
        }
        self.finished.fetch_add(1, Ordering::SeqCst);
        let kind = request.content_type.unwrap_or_else(|| HeaderValue::from_static("text/plain"));
        Answer::document(kind, format!("{} {} {}", request.method, request.path, request.body.len()))
    }
}

impl SspHandler for Echo {
    fn admit(&self, peer: &Arc<PeerIdentity>, _own: &Domain) -> Result<usize, Answer> {
        match peer.names.first().map(Domain::as_str) {
            Some("suspended.example") => Err(Answer::later(StatusCode::SERVICE_UNAVAILABLE, 60)),
            Some("small.example") => Ok(10),
            _ => Ok(usize::MAX),
        }
    }

    async fn post(&self, request: SspRequest) -> Answer {
        assert_eq!(request.own, domain("south.example"));
        match &request.body[..] {
            b"busy" => Answer::later(StatusCode::TOO_MANY_REQUESTS, 7),
            b"wait" => {
                self.entered.notify_one();
                self.go_on.notified().await;
                self.finished.fetch_add(1, Ordering::SeqCst);
                Answer::empty(StatusCode::OK)
            }
            _ => Answer::empty(StatusCode::OK),
        }
    }
}

struct Running {
    addr: SocketAddr,
    echo: Arc<Echo>,
    noted: Arc<Noted>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn noted(&self) -> Vec<String> {
        self.noted.0.lock().unwrap().clone()
    }
}

/// Time-outs are short where a test waits for them, and long where it must not.
fn limits() -> ListenLimits {
    ListenLimits {
        body_octets_max: 1000,
        idle_timeout: Duration::from_secs(20),
        body_timeout: Duration::from_millis(100),
        drain_timeout: Duration::from_secs(20),
        ..ListenLimits::ssp()
    }
}

async fn csp_listener(limits: ListenLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (echo, noted, shutdown) =
        (Arc::new(Echo::default()), Arc::new(Noted::default()), CancellationToken::new());
    let task = tokio::spawn(serve_csp(listener, None, limits, echo.clone(), noted.clone(), shutdown.clone()));
    Running { addr, echo, noted, shutdown, task }
}

async fn ssp_listener(tls: PeerTls, limits: ListenLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (echo, noted, shutdown) =
        (Arc::new(Echo::default()), Arc::new(Noted::default()), CancellationToken::new());
    let task = tokio::spawn(serve_ssp(
        listener,
        tls.shared(),
        limits,
        echo.clone(),
        noted.clone(),
        shutdown.clone(),
    ));
    Running { addr, echo, noted, shutdown, task }
}

/// Sends octets as they are and reads until the listener closes.
async fn raw(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// Reads one answer whose body ends with the given text.
async fn answer_ending(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).ends_with(end) {
        let octet = stream.read_u8().await.unwrap();
        answer.push(octet);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_content_length_and_title_case_headers() {
    let csp = csp_listener(limits()).await;
    let answer = raw(
        csp.addr,
        b"POST /imps HTTP/1.0\r\nContent-Type: application/vnd.wv.csp.wbxml\r\nContent-Length: 5\r\n\r\nhello",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Length: 12\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Type: application/vnd.wv.csp.wbxml\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nPOST /imps 5"), "{answer}");
}

#[tokio::test]
async fn a_connection_is_kept_and_an_empty_answer_has_a_length_too() {
    let csp = csp_listener(limits()).await;
    let mut stream = TcpStream::connect(csp.addr).await.unwrap();
    for path in ["/a", "/b"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = answer_ending(&mut stream, &format!("POST {path} 3")).await;
        assert!(answer.contains("Content-Length: 9\r\n"), "{answer}");
    }
    // A 1.0 client may ask for the same.
    let mut stream = TcpStream::connect(csp.addr).await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await.unwrap();
        let answer = answer_ending(&mut stream, "GET /x 0").await;
        assert!(answer.contains("Content-Length: 8\r\n"), "{answer}");
    }
    let too_large = raw(csp.addr, b"POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1001\r\n\r\n").await;
    assert!(too_large.contains("Content-Length: 0\r\n"), "{too_large}");
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_by_its_announcement_and_in_its_course() {
    let csp = csp_listener(limits()).await;
    let announced = raw(csp.addr, b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n").await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    let mut chunked =
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..200 {
        chunked.extend_from_slice(b"a\r\n0123456789\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let streamed = raw(csp.addr, &chunked).await;
    assert!(streamed.starts_with("HTTP/1.1 413 "), "{streamed}");
    // All of a large body can be sent before the answer is read.
    let mut large =
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    large.resize(large.len() + 3_000_000, b'x');
    let sent = raw(csp.addr, &large).await;
    assert!(sent.starts_with("HTTP/1.1 413 "), "{sent}");
    let mut fits =
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n".to_vec();
    fits.resize(fits.len() + 1000, b'x');
    assert!(raw(csp.addr, &fits).await.ends_with("POST / 1000"));
    assert_eq!(csp.noted(), ["csp size"; 3]);
}

#[tokio::test]
async fn a_slow_or_broken_body_ends_the_request() {
    let csp = csp_listener(limits()).await;
    let slow = raw(csp.addr, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");
    let broken =
        raw(csp.addr, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").await;
    assert!(broken.starts_with("HTTP/1.1 400 "), "{broken}");
    assert_eq!(csp.noted(), ["csp slow-body", "csp broken-body"]);
    assert_eq!(csp.echo.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_counted() {
    let csp = csp_listener(ListenLimits { head_octets_max: 8192, ..limits() }).await;
    let garbage = raw(csp.addr, b"\x16\x03\x01 garbage\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400 "), "{garbage}");
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(10_000));
    let refused = raw(csp.addr, long.as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 431 "), "{refused}");
    assert_eq!(csp.noted(), ["csp head"; 2]);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_after_the_idle_time() {
    let csp = csp_listener(ListenLimits { idle_timeout: Duration::from_millis(50), ..limits() }).await;
    assert_eq!(raw(csp.addr, b"").await, "");
    assert_eq!(raw(csp.addr, b"POST / HTTP/1.1\r\nHo").await, "");
}

#[tokio::test]
async fn all_bodies_together_have_a_bound() {
    let csp = csp_listener(ListenLimits { bodies_octets_max: 100, ..limits() }).await;
    let mut request =
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 101\r\n\r\n".to_vec();
    request.resize(request.len() + 101, b'x');
    let refused = raw(csp.addr, &request).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("Retry-After: 1\r\n"), "{refused}");
    // What one request held is free for the next.
    for _ in 0..3 {
        let mut request =
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99\r\n\r\n".to_vec();
        request.resize(request.len() + 99, b'x');
        assert!(raw(csp.addr, &request).await.ends_with("POST / 99"));
    }
    assert_eq!(csp.noted(), ["csp memory"]);
}

#[tokio::test]
async fn above_the_limit_connections_wait_for_their_turn() {
    let csp = csp_listener(ListenLimits { connections_max: 1, ..limits() }).await;
    let mut first = TcpStream::connect(csp.addr).await.unwrap();
    first.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    answer_ending(&mut first, "GET /a 0").await;
    let mut second = TcpStream::connect(csp.addr).await.unwrap();
    second.write_all(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), second.read_u8()).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    answer_ending(&mut second, "GET /b 0").await;
    assert_eq!(csp.noted().first().map(String::as_str), Some("csp connections"));
}

#[tokio::test]
async fn a_source_that_has_its_connections_gets_no_more_until_one_is_gone() {
    let csp = csp_listener(ListenLimits { connections_of_source_max: 1, ..limits() }).await;
    let mut first = TcpStream::connect(csp.addr).await.unwrap();
    first.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    answer_ending(&mut first, "GET /a 0").await;
    let mut second = TcpStream::connect(csp.addr).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap_or_default(), 0, "closed at once");
    assert_eq!(csp.noted(), ["csp source"]);
    first.write_all(b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    answer_ending(&mut first, "GET /b 0").await;
}

#[tokio::test]
async fn a_packed_body_is_refused_unread_and_nothing_is_unpacked() {
    let csp = csp_listener(limits()).await;
    for encoding in ["gzip", "deflate", "br, gzip"] {
        let head =
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: {encoding}\r\nContent-Length: 4\r\n");
        let refused =
            raw(csp.addr, format!("{head}Connection: close\r\n\r\n\x1f\x0b\x08\x00").as_bytes()).await;
        assert!(refused.starts_with("HTTP/1.1 415 "), "{refused}");
    }
    assert_eq!(csp.noted(), ["csp encoding"; 3]);
    assert_eq!(csp.echo.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_hand_and_closes_the_rest() {
    let csp = csp_listener(limits()).await;
    let mut idle = TcpStream::connect(csp.addr).await.unwrap();
    idle.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    answer_ending(&mut idle, "GET /a 0").await;
    let mut busy = TcpStream::connect(csp.addr).await.unwrap();
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    csp.echo.entered.notified().await;
    csp.shutdown.cancel();
    // The idle connection is closed, new ones are not taken, the busy one gets its answer.
    assert_eq!(idle.read(&mut [0; 10]).await.unwrap(), 0);
    csp.echo.go_on.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("GET /wait 0") && answer.contains("Connection: close\r\n"), "{answer}");
    csp.task.await.unwrap();
    assert!(TcpStream::connect(csp.addr).await.is_err());
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut() {
    let csp = csp_listener(ListenLimits { drain_timeout: Duration::from_millis(30), ..limits() }).await;
    let mut busy = TcpStream::connect(csp.addr).await.unwrap();
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    csp.echo.entered.notified().await;
    csp.shutdown.cancel();
    csp.task.await.unwrap();
    assert_eq!(csp.echo.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_handler_is_run_to_its_end_though_the_caller_has_gone() {
    let csp = csp_listener(limits()).await;
    let mut caller = TcpStream::connect(csp.addr).await.unwrap();
    caller.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    csp.echo.entered.notified().await;
    // With a reset, so that nothing is left to write to.
    socket2::SockRef::from(&caller).set_linger(Some(Duration::ZERO)).unwrap();
    drop(caller);
    // Time for the listener to notice, if it looked.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    csp.shutdown.cancel();
    csp.echo.go_on.notify_one();
    csp.task.await.unwrap();
    assert_eq!(csp.echo.finished.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn phones_get_ordinary_tls() {
    let ca = authority("CA");
    let own = ["north.example", "second.example"].map(|name| identity(&ca, name, &LeafOptions::default()));
    let config = Arc::new(ArcSwap::from(client_listener(&own).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (echo, noted, shutdown) =
        (Arc::new(Echo::default()), Arc::new(Noted::default()), CancellationToken::new());
    let task =
        tokio::spawn(serve_csp(listener, Some(config), limits(), echo, noted.clone(), shutdown.clone()));
    // A peer's dialler will do for a phone: its certificate is not asked for.
    let (tls, own) = (provider(&ca, "phone.example"), domain("phone.example"));
    for name in ["north.example", "second.example"] {
        let stream = TcpStream::connect(addr).await.unwrap();
        let Connected { mut stream, peer, .. } =
            connect(&tls, &own, &domain(name), stream, Offer::Both, Duration::from_secs(10)).await.unwrap();
        assert_eq!(peer.names, [domain(name)]);
        stream.write_all(b"POST /imps HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.ends_with("POST /imps 2"), "{answer}");
    }
    // Plain HTTP on the same port is refused, noted, and harms nobody.
    raw(addr, b"POST / HTTP/1.0\r\n\r\n").await;
    shutdown.cancel();
    task.await.unwrap();
    assert_eq!(noted.0.lock().unwrap().as_slice(), ["csp handshake protocol"]);
}

async fn peer(ca: &Authority, name: &str, addr: SocketAddr) -> Result<Connection, PostError> {
    let target = Candidate { host: "node.south.example".to_owned(), addr };
    let south = domain("south.example");
    let (tls, own) = (provider(ca, name), domain(name));
    Connection::connect(&tls, &own, &south, &[target], &PostLimits::default(), |_| Ok(())).await
}

#[tokio::test]
async fn a_peer_posts_and_the_listener_knows_it() {
    let ca = authority("CA");
    let ssp = ssp_listener(provider(&ca, "south.example"), limits()).await;
    let mut north = peer(&ca, "north.example", ssp.addr).await.unwrap();
    assert_eq!(north.identity().names, [domain("south.example")]);
    for _ in 0..3 {
        let answer = north
            .post(
                Headers { transaction: Some("t-1"), session: Some("s@north.example"), ..Headers::default() },
                "<x/>".into(),
            )
            .await
            .unwrap();
        assert_eq!((answer.status, answer.retry_after), (StatusCode::OK, None));
    }
    let answer = north.post(Headers::default(), "busy".into()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.retry_after), (429, Some(Duration::from_secs(7))));
    let answer = north.post(Headers::default(), vec![b'x'; 1001].into()).await.unwrap();
    assert_eq!(answer.status.as_u16(), 413);
    let mut suspended = peer(&ca, "suspended.example", ssp.addr).await.unwrap();
    let answer = suspended.post(Headers::default(), "<x/>".into()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.retry_after), (503, Some(Duration::from_secs(60))));
    let mut small = peer(&ca, "small.example", ssp.addr).await.unwrap();
    assert_eq!(small.post(Headers::default(), "0123456789".into()).await.unwrap().status.as_u16(), 200);
    assert_eq!(small.post(Headers::default(), "0123456789a".into()).await.unwrap().status.as_u16(), 413);
    assert_eq!(ssp.noted(), ["ssp size"; 2]);
}

#[tokio::test]
async fn method_and_media_type_are_checked_before_anything_else() {
    let ca = authority("CA");
    let ssp = ssp_listener(provider(&ca, "south.example"), limits()).await;
    let ask = async |head: &str| {
        let (tls, own) = (provider(&ca, "north.example"), domain("north.example"));
        let stream = TcpStream::connect(ssp.addr).await.unwrap();
        let south = domain("south.example");
        let connected = connect(&tls, &own, &south, stream, Offer::Http1, Duration::from_secs(10)).await;
        let mut stream = connected.unwrap().stream;
        let request = format!("{head}Host: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let get = ask("GET / HTTP/1.1\r\n").await;
    assert!(get.starts_with("HTTP/1.1 405 ") && get.contains("Allow: POST\r\n"), "{get}");
    for kind in ["text/xml", "application/vnd.wv.ssp+xmlish", "application/vnd.wv.csp+xml"] {
        let other = ask(&format!("POST / HTTP/1.1\r\nContent-Type: {kind}\r\n")).await;
        assert!(other.starts_with("HTTP/1.1 415 "), "{kind}: {other}");
    }
    let none = ask("POST / HTTP/1.1\r\n").await;
    assert!(none.starts_with("HTTP/1.1 415 "), "{none}");
    for kind in ["application/vnd.wv.ssp+xml", "Application/VND.WV.SSP+XML; charset=utf-8"] {
        let right = ask(&format!("POST /any/path HTTP/1.1\r\nContent-Type: {kind}\r\n")).await;
        assert!(right.starts_with("HTTP/1.1 200 ") && right.contains("Content-Length: 0\r\n"), "{right}");
    }
    assert_eq!(
        ssp.noted(),
        ["ssp method", "ssp media-type", "ssp media-type", "ssp media-type", "ssp media-type"]
    );
}

#[tokio::test]
async fn a_refused_handshake_is_reported_and_the_caller_learns_why() {
    let (ours, theirs) = (authority("Our CA"), authority("Their CA"));
    let ssp = ssp_listener(provider(&ours, "south.example"), limits()).await;
    let own = identity(&theirs, "north.example", &LeafOptions::default());
    let trust = Trust::new(trusting(&[&ours])).unwrap();
    let tls = PeerTls::new(&[own], trust).unwrap();
    let target = Candidate { host: "127.0.0.1".to_owned(), addr: ssp.addr };
    let mut connection = Connection::connect(
        &tls,
        &domain("north.example"),
        &domain("south.example"),
        &[target],
        &PostLimits::default(),
        |_| Ok(()),
    )
    .await
    .unwrap();
    let refused = connection.post(Headers::default(), "<x/>".into()).await.unwrap_err();
    assert!(matches!(&refused, PostError::Tls { reason: HandshakeError::Alert(_), .. }), "{refused:?}");
    assert!(refused.to_string().contains("they do not trust the CA of our certificate"), "{refused}");
    assert!(!connection.is_usable());
    ssp.shutdown.cancel();
    ssp.task.await.unwrap();
    assert_eq!(ssp.noted.0.lock().unwrap().as_slice(), ["ssp handshake unknown-issuer"]);
}

#[tokio::test]
async fn a_lane_notices_that_the_listener_has_drained() {
    let ca = authority("CA");
    let ssp = ssp_listener(provider(&ca, "south.example"), limits()).await;
    let mut north = peer(&ca, "north.example", ssp.addr).await.unwrap();
    assert_eq!(north.post(Headers::default(), "<x/>".into()).await.unwrap().status, StatusCode::OK);
    let echo = ssp.echo.clone();
    let posting = tokio::spawn(async move {
        let answer = north.post(Headers::default(), "wait".into()).await;
        (answer, north)
    });
    echo.entered.notified().await;
    ssp.shutdown.cancel();
    echo.go_on.notify_one();
    let (answer, mut north) = posting.await.unwrap();
    assert_eq!(answer.unwrap().status, StatusCode::OK);
    ssp.task.await.unwrap();
    north.closed().await;
    assert!(!north.is_usable());
    let late = north.post(Headers::default(), "<x/>".into()).await.unwrap_err();
    assert!(matches!(late, PostError::NotSent { .. }) && late.nothing_sent(), "{late:?}");
    let gone = peer(&ca, "north.example", ssp.addr).await.unwrap_err();
    assert!(matches!(gone, PostError::Connect { .. }), "{gone:?}");
}
