//! HTTP/2 over real sockets: friends share a connection, and who is no friend meets the bounds.

use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore as Gate};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::client::TlsStream;

use super::*;
use crate::net::discover::Candidate;
use crate::net::listen::{ConnectionEvents, ListenLimits, SspHandler, SspRequest, StatusCode, serve_ssp};
use crate::net::pki::Authority;
use crate::net::post::{Connection, Headers, PostError, PostLimits};
use crate::net::testing::{authority, domain, provider};
use crate::net::tls::{Offer, PeerTls, SharedPeerTls, connect};

const SOON: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Noted(Mutex<Vec<String>>);

impl ConnectionEvents for Noted {
    fn rejected(&self, _: &'static str, _: Option<&PeerIdentity>, reason: &'static str) {
        self.0.lock().unwrap().push(reason.to_owned());
    }
}

/// Answers at once, but `wait`, which takes as many as the gate lets through.
struct Door {
    entered: AtomicUsize,
    came: Notify,
    gate: Gate,
    finished: AtomicUsize,
}

impl SspHandler for Door {
    async fn post(&self, request: SspRequest) -> Answer {
        match &request.body[..] {
            b"busy" => return Answer::later(StatusCode::TOO_MANY_REQUESTS, 7),
            b"wait" => {
                self.entered.fetch_add(1, Ordering::SeqCst);
                self.came.notify_one();
                self.gate.acquire().await.unwrap().forget();
                self.finished.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        Answer::empty(StatusCode::OK)
    }
}

impl Door {
    async fn entered(&self, count: usize) {
        while self.entered.load(Ordering::SeqCst) < count {
            self.came.notified().await;
        }
    }
}

struct South {
    ca: Authority,
    addr: SocketAddr,
    tls: SharedPeerTls,
    door: Arc<Door>,
    noted: Arc<Noted>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn limits() -> ListenLimits {
    ListenLimits {
        body_octets_max: 600_000,
        streams_max: 4,
        body_timeout: Duration::from_millis(100),
        drain_timeout: Duration::from_secs(20),
        ..ListenLimits::ssp()
    }
}

impl South {
    async fn with(limits: ListenLimits, http2: bool) -> Self {
        let ca = authority("CA");
        let tls = provider(&ca, "south.example");
        let tls = if http2 { tls } else { tls.without_http2() }.shared();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (entered, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let door = Arc::new(Door { entered, came: Notify::new(), gate: Gate::new(0), finished });
        let (noted, shutdown) = (Arc::new(Noted::default()), CancellationToken::new());
        let serving = serve_ssp(listener, tls.clone(), limits, door.clone(), noted.clone(), shutdown.clone());
        let task = tokio::spawn(serving);
        Self { ca, addr, tls, door, noted, shutdown, task }
    }

    fn noted(&self) -> Vec<String> {
        self.noted.0.lock().unwrap().clone()
    }

    async fn caller(&self, tls: &PeerTls) -> Connection {
        let target = [Candidate { host: "node.south.example".to_owned(), addr: self.addr }];
        let (own, south) = (domain("north.example"), domain("south.example"));
        let limits = PostLimits::default();
        Connection::connect_offering(Offer::Both, tls, &own, &south, &target, &limits, |_| Ok(()))
            .await
            .unwrap()
    }

    async fn friend(&self) -> Connection {
        self.caller(&provider(&self.ca, "north.example")).await
    }

    /// A caller that has a good certificate and no manners: its first words are said.
    async fn stranger(&self) -> TlsStream<TcpStream> {
        let (tls, own) = (provider(&self.ca, "north.example"), domain("north.example"));
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let connected = connect(&tls, &own, &domain("south.example"), stream, Offer::Both, SOON).await;
        let mut stream = connected.unwrap().stream;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        stream
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut octets = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    octets.extend([kind, flags]);
    octets.extend(stream.to_be_bytes());
    octets.extend(payload);
    octets
}

/// The head of a POST of SSP, in HPACK.
fn head() -> Vec<u8> {
    let mut head = vec![0x83, 0x87, 0x84];
    for (name, value) in [(0x41, "south.example"), (0x5f, crate::net::listen::SSP_MEDIA_TYPE)] {
        head.extend([name, u8::try_from(value.len()).unwrap()]);
        head.extend(value.as_bytes());
    }
    head
}

/// Reads frames until the connection ends, or one is wanted: its kind and payload.
async fn frame_of(
    stream: &mut TlsStream<TcpStream>,
    wanted: impl Fn(u8, u32) -> bool,
) -> Option<(u8, Vec<u8>)> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        if wanted(head[3], u32::from_be_bytes(head[5..9].try_into().unwrap())) {
            return Some((head[3], payload));
        }
    }
}

#[tokio::test]
async fn several_posts_share_one_connection_and_get_the_answers_of_any_other() {
    let south = South::with(limits(), true).await;
    let first = south.friend().await;
    assert_eq!((first.http(), &first.identity().names[..]), ("2", &[domain("south.example")][..]));
    // More at a time than the listener takes: the rest wait for their turn
    let shareable = first.shareable().unwrap();
    let mut posts = JoinSet::new();
    for _ in 0..10 {
        let mut handle = shareable.open().unwrap();
        posts.spawn(async move { handle.post(Headers::default(), "wait".into()).await.unwrap().status });
    }
    south.door.entered(4).await;
    south.door.gate.add_permits(10);
    assert_eq!(posts.join_all().await, [StatusCode::OK; 10]);
    // What is refused is refused as ever, and harms nobody else
    let mut post = shareable.open().unwrap();
    let busy = post.post(Headers::default(), "busy".into()).await.unwrap();
    assert_eq!((busy.status.as_u16(), busy.retry_after), (429, Some(Duration::from_secs(7))));
    for (octets, status) in [(600_000, 200), (600_001, 413), (5_000_000, 413), (1, 200)] {
        let answer = post.post(Headers::default(), vec![b'x'; octets].into()).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{octets} octets");
    }
    assert_eq!(south.noted(), ["size"; 2]);
    // Once nobody holds it the connection ends
    drop((first, post));
    assert!(shareable.open().is_none());
    south.shutdown.cancel();
    south.task.await.unwrap();
}

#[tokio::test]
async fn who_speaks_http_1_1_alone_is_spoken_to_in_it() {
    let south = South::with(limits(), false).await;
    let mut caller = south.friend().await;
    assert!(caller.http() == "1.1" && caller.shareable().is_none());
    assert_eq!(caller.post(Headers::default(), "<x/>".into()).await.unwrap().status, StatusCode::OK);
    // And so does who does not want more
    let south = South::with(limits(), true).await;
    let caller = south.caller(&provider(&south.ca, "north.example").without_http2()).await;
    assert_eq!(caller.http(), "1.1");
}

#[tokio::test]
async fn a_drain_lets_posts_under_way_finish_and_takes_no_new_ones() {
    let south = South::with(limits(), true).await;
    let mut caller = south.friend().await;
    let mut other = caller.shareable().unwrap().open().unwrap();
    let posting = tokio::spawn(async move { caller.post(Headers::default(), "wait".into()).await });
    south.door.entered(1).await;
    south.shutdown.cancel();
    // It is told to go while the answer is still to come
    let late = loop {
        match other.post(Headers::default(), "<x/>".into()).await {
            Ok(answer) => assert_eq!(answer.status, StatusCode::OK),
            Err(late) => break late,
        }
    };
    assert!(matches!(late, PostError::NotSent { .. }), "{late:?}");
    south.door.gate.add_permits(1);
    assert_eq!(posting.await.unwrap().unwrap().status, StatusCode::OK);
    south.task.await.unwrap();
    other.closed().await;
}

#[tokio::test]
async fn a_caller_that_was_refused_its_certificate_learns_why() {
    let south = South::with(limits(), true).await;
    let stranger = authority("Their CA");
    let own = crate::net::testing::identity(&stranger, "north.example", &<_>::default());
    let trust = crate::net::tls::Trust::new(crate::net::testing::trusting(&[&south.ca])).unwrap();
    let tls = PeerTls::new(&[own], trust).unwrap();
    let refused = south.caller(&tls).await.post(Headers::default(), "<x/>".into()).await.unwrap_err();
    assert!(matches!(refused, PostError::Tls { .. }), "{refused:?}");
}

#[tokio::test]
async fn who_is_not_believed_any_more_is_refused_and_has_to_go() {
    let south = South::with(limits(), true).await;
    let mut caller = south.friend().await;
    assert_eq!(caller.post(Headers::default(), "<x/>".into()).await.unwrap().status, StatusCode::OK);
    // When trust is replaced by one that knows another CA
    let other = provider(&authority("Other CA"), "south.example");
    south.tls.swap(Arc::new(other)).retire();
    // Then the connection ends, and a post that comes before that is refused
    match caller.post(Headers::default(), "<x/>".into()).await {
        Ok(answer) => assert_eq!(answer.status, StatusCode::FORBIDDEN),
        Err(error) => assert!(matches!(error, PostError::NotSent { .. }), "{error:?}"),
    }
    caller.closed().await;
}

#[tokio::test]
async fn work_that_was_called_off_is_finished_and_counts_until_then() {
    let south = South::with(limits(), true).await;
    let mut caller = south.stranger().await;
    // When more is asked and called off at once than may be worked on
    for stream in (1..20).step_by(2) {
        let ask = [frame(HEADERS, END_HEADERS, stream, &head()), frame(DATA, END_STREAM, stream, b"wait")];
        caller.write_all(&ask.concat()).await.unwrap();
        caller.flush().await.unwrap();
        if stream <= 7 {
            south.door.entered(usize::try_from(stream.div_ceil(2)).unwrap()).await;
        }
        caller.write_all(&frame(RESET, 0, stream, &8_u32.to_be_bytes())).await.unwrap();
    }
    caller.flush().await.unwrap();
    // Then no more than the four are begun, though the caller hangs up; and those are carried through
    drop(caller);
    south.shutdown.cancel();
    south.door.gate.add_permits(4);
    south.task.await.unwrap();
    assert_eq!(south.door.entered.load(Ordering::SeqCst), 4);
    assert_eq!(south.door.finished.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn who_does_nothing_but_call_off_loses_the_connection() {
    let south = South::with(limits(), true).await;
    let mut caller = south.stranger().await;
    let flood = async {
        for stream in (1..2000).step_by(2) {
            let ask =
                [frame(HEADERS, END_HEADERS, stream, &head()), frame(RESET, 0, stream, &8_u32.to_be_bytes())];
            caller.write_all(&ask.concat()).await?;
            caller.flush().await?;
            tokio::task::yield_now().await;
        }
        io::Result::Ok(())
    };
    let _ = flood.await;
    while frame_of(&mut caller, |_, _| false).await.is_some() {}
    let cut = |reason: &String| reason == "resets" || reason == "http2";
    assert!(south.noted().iter().any(cut), "{:?}", south.noted());
    // Others are served as before
    let answer = south.friend().await.post(Headers::default(), "<x/>".into()).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn streams_beyond_the_bound_are_refused_one_by_one() {
    let south = South::with(limits(), true).await;
    let mut caller = south.stranger().await;
    for stream in (1..11).step_by(2) {
        let ask = [frame(HEADERS, END_HEADERS, stream, &head()), frame(DATA, END_STREAM, stream, b"wait")];
        caller.write_all(&ask.concat()).await.unwrap();
    }
    caller.flush().await.unwrap();
    let (_, why) = frame_of(&mut caller, |kind, stream| kind == RESET && stream == 9).await.unwrap();
    assert_eq!(why, 7_u32.to_be_bytes(), "REFUSED_STREAM");
    south.door.entered(4).await;
    south.door.gate.add_permits(4);
    for _ in 0..4 {
        assert!(frame_of(&mut caller, |kind, _| kind == HEADERS).await.is_some());
    }
    assert_eq!(south.door.finished.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_slow_body_ends_its_request_and_not_the_connection() {
    let south = South::with(limits(), true).await;
    let mut caller = south.stranger().await;
    caller.write_all(&frame(HEADERS, END_HEADERS, 1, &head())).await.unwrap();
    caller.write_all(&frame(DATA, 0, 1, b"ha")).await.unwrap();
    caller.flush().await.unwrap();
    assert!(frame_of(&mut caller, |kind, stream| (kind, stream) == (HEADERS, 1)).await.is_some());
    assert_eq!(south.noted(), ["slow-body"]);
    caller.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &head())).await.unwrap();
    caller.flush().await.unwrap();
    assert!(frame_of(&mut caller, |kind, stream| (kind, stream) == (HEADERS, 3)).await.is_some());
}

#[tokio::test]
async fn heads_without_end_and_bodies_beyond_the_window_end_the_connection() {
    let south = South::with(limits(), true).await;
    // A head that is continued for ever
    let mut caller = south.stranger().await;
    let _ = caller.write_all(&frame(HEADERS, 0, 1, &head())).await;
    for _ in 0..1000 {
        // A literal without index: x: y…
        let mut more = vec![0x00, 0x01, b'x', 0x7f, 0xd9, 0x1e];
        more.resize(6 + 4056, b'y');
        if caller.write_all(&frame(CONTINUATION, 0, 1, &more)).await.is_err() {
            break;
        }
    }
    while frame_of(&mut caller, |_, _| false).await.is_some() {}
    // What is no HTTP/2 at all
    let (tls, own) = (provider(&south.ca, "north.example"), domain("north.example"));
    let stream = TcpStream::connect(south.addr).await.unwrap();
    let connected = connect(&tls, &own, &domain("south.example"), stream, Offer::Both, SOON).await;
    let mut caller = connected.unwrap().stream;
    caller.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    while frame_of(&mut caller, |_, _| false).await.is_some() {}
    // More than the window holds, while nobody reads
    let mut caller = south.stranger().await;
    let _ = caller.write_all(&frame(HEADERS, END_HEADERS, 1, &head())).await;
    let _ = caller.write_all(&frame(DATA, END_STREAM, 3, b"of no stream")).await;
    let _ = caller.flush().await;
    assert!(frame_of(&mut caller, |kind, _| kind == GOAWAY).await.is_some());
    assert_eq!(south.noted().iter().filter(|reason| *reason == "http2").count(), 3, "{:?}", south.noted());
}

#[tokio::test]
async fn a_connection_without_requests_ends_however_lively_it_is() {
    let short = Duration::from_millis(50);
    let south =
        South::with(ListenLimits { idle_timeout: short, drain_timeout: short, ..limits() }, true).await;
    // A friend goes when told
    let mut friend = south.friend().await;
    friend.post(Headers::default(), "<x/>".into()).await.unwrap();
    friend.closed().await;
    // Who does not listen is cut
    let mut caller = south.stranger().await;
    while frame_of(&mut caller, |_, _| false).await.is_some() {}
    assert_eq!(south.noted(), Vec::<String>::new());
}

#[tokio::test]
async fn pings_and_settings_without_end_wait_for_who_does_not_read_and_cost_nobody_else() {
    let short = Duration::from_millis(500);
    let south = South::with(ListenLimits { write_timeout: short, ..limits() }, true).await;
    // Each wants an answer, and who asks reads none of them
    let empty_settings = frame(SETTINGS, 0, 0, &[]);
    let one_setting = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]);
    for kind in [frame(PING, 0, 0, b"12345678"), empty_settings, one_setting] {
        let mut caller = south.stranger().await;
        let flood = kind.repeat(1000);
        // Then as soon as nothing more goes out nothing more is read, and the connection is given up: what
        // was taken in until then is what fits into the buffers of the system on both sides
        let flooded = async {
            let mut octets = 0;
            while caller.write_all(&flood).await.is_ok() && caller.flush().await.is_ok() {
                octets += flood.len();
            }
            octets
        };
        let octets = tokio::time::timeout(Duration::from_secs(60), flooded).await.expect("it is cut");
        assert!(octets < 64 * 1024 * 1024, "{octets} octets were taken");
    }
    // Others are served meanwhile and afterwards
    let answer = south.friend().await.post(Headers::default(), "<x/>".into()).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn pings_that_are_answered_do_not_keep_a_connection() {
    let short = Duration::from_millis(100);
    let south =
        South::with(ListenLimits { idle_timeout: short, drain_timeout: short, ..limits() }, true).await;
    let mut caller = south.stranger().await;
    // A ping, its answer, the next ping, and so on: no request comes, so that the connection ends
    let mut answered = 0;
    while caller.write_all(&frame(PING, 0, 0, b"12345678")).await.is_ok()
        && caller.flush().await.is_ok()
        && frame_of(&mut caller, |kind, _| kind == PING).await.is_some()
    {
        answered += 1;
    }
    assert!(answered > 0);
}
