//! Ends of a transit that cost next to nothing: two providers that speak just enough SSP for a node in the
//! middle to be busy with what passes it, instead of with waiting for providers that do work of their own.
//!
//! Both log in at the node. The front then takes plain POSTs, writes a
//! SendMessageRequest for each, as many in one POST as wait and as the agreement has, and answers when the
//! SendMessageResponse has come; the back answers every request. Nothing but transaction ids is read.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use causeway::imps::primitive::Setup;
use causeway::net::discover::Candidate;
use causeway::net::post::{Connection, Headers, PostLimits};
use causeway::net::tls::PeerTls;
use causeway::wire::ssp::{self, Body};
use causeway::wire::{Limits, Mode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use md5::Digest as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

use crate::bare::{CONNECTIONS, listen, tls};

/// The token of the set-up.
const TOKEN: &str = "a-token-that-nobody-guesses";
/// The media type of SSP.
const MEDIA_TYPE: &str = "application/vnd.wv.ssp+xml";
/// Octets of a set-up document.
const SETUP_OCTETS_MAX: usize = 64 * 1024;

/// What an end is told on its command line.
pub(crate) struct Role {
    /// Its domain, whose certificate lies in the laboratory's folder.
    pub(crate) domain: String,
    /// The node in the middle.
    pub(crate) hub: String,
    /// Whom the front writes to; the back writes to nobody.
    pub(crate) to: Option<String>,
    /// Transactions in a POST, at most.
    pub(crate) transactions: usize,
    /// Answers come, and go, in the HTTP answer.
    pub(crate) along: bool,
    /// Octets of a message's content.
    pub(crate) content: usize,
}

/// A document that is to be posted to the middle.
enum Job {
    Setup(String),
    Transaction(String),
}

struct End {
    role: Role,
    /// Documents that wait to be posted.
    jobs: mpsc::UnboundedSender<Job>,
    /// Messages whose answer has not come.
    waiting: Mutex<HashMap<u64, oneshot::Sender<()>>>,
    next: AtomicU64,
    /// Whether a session is up.
    up: watch::Sender<bool>,
    content: String,
}

fn document(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><WV-SSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/WV-SSP1.3\">{inside}</WV-SSP-Message>"
    )
}

/// The ids of the transactions in a document.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.split("transactionID=\"").skip(1).filter_map(|rest| rest.split('"').next())
}

impl End {
    fn session(&self) -> String {
        format!("s1@{}", self.role.domain)
    }

    fn setup(&self, element: &str) {
        let text = format!(
            "<SetupTransaction mode=\"Request\" transactionID=\"setup\">{element}</SetupTransaction>"
        );
        let _ = self.jobs.send(Job::Setup(document(&text)));
    }

    /// Step 1 of a set-up.
    fn begin(&self) {
        self.setup(&format!(
            "<SendSecretToken serviceID=\"wv:@{}\" protocol=\"WV-SSP\" protocolVersion=\"1.3\">\
             <SecretToken>{TOKEN}</SecretToken></SendSecretToken>",
            self.role.domain
        ));
    }

    /// Steps 3 and 5 after the middle's 2 and 4, and the end of the set-up with its 6.
    fn go_on(&self, octets: &[u8]) {
        let read = ssp::read(octets, None, &Limits::for_document(SETUP_OCTETS_MAX)).unwrap();
        let Body::Setup(step) = read.body else { panic!("no set-up") };
        assert_eq!(step.mode, Mode::Response);
        let domain = &self.role.domain;
        match step.element {
            Setup::SendSecretToken(sent) => self.setup(&format!(
                "<LoginRequest serviceID=\"wv:@{domain}\" timeToLive=\"86400\">\
                 <PasswordDigest encoding=\"base64\">{}</PasswordDigest></LoginRequest>",
                STANDARD.encode(md5::Md5::digest(&*sent.token))
            )),
            Setup::LoginRequest(_) => self.setup(&format!(
                "<LoginResponse sessionID=\"{}\" timeToLive=\"86400\"><Status code=\"200\"/></LoginResponse>",
                self.session()
            )),
            Setup::LoginResponse(granted) => {
                assert!(granted.session.is_some(), "{granted:?}");
                self.up.send_replace(true);
            }
            Setup::Status(refused) => panic!("{refused:?}"),
        }
    }

    /// A document of the middle; answers to it, if they go in the HTTP answer.
    fn hear(&self, octets: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(octets).unwrap();
        if text.contains("<SetupTransaction") {
            self.go_on(octets);
            return None;
        }
        if self.role.to.is_some() {
            self.answered(text);
            return None;
        }
        if !text.contains("<SendMessageRequest") {
            return None;
        }
        let mut answers = String::new();
        for id in ids(text) {
            write!(
                answers,
                "<Transaction mode=\"Response\" transactionID=\"{id}\"><SendMessageResponse messageID=\"m{id}\">\
                 <Status code=\"200\"/></SendMessageResponse></Transaction>"
            )
            .unwrap();
        }
        if self.role.along {
            return Some(self.in_session(&answers));
        }
        let _ = self.jobs.send(Job::Transaction(answers));
        None
    }

    fn in_session(&self, transactions: &str) -> String {
        document(&format!("<Session sessionID=\"{}\">{transactions}</Session>", self.session()))
    }

    /// Answers to messages of ours.
    fn answered(&self, text: &str) {
        let mut waiting = self.waiting.lock().unwrap();
        for number in ids(text).filter_map(|id| id.strip_prefix('t')?.parse().ok()) {
            if let Some(done) = waiting.remove(&number) {
                let _ = done.send(());
            }
        }
        drop(waiting);
        assert!(!text.contains("<Status code=\"5"), "{text}");
    }

    /// Writes a message and waits for its answer.
    async fn send(&self, to: &str) {
        let _ = self.up.subscribe().wait_for(|up| *up).await;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (domain, content) = (&self.role.domain, &self.content);
        let (from, to) = (format!("wv:w{}@{domain}", number % 1000), format!("wv:r{}@{to}", number % 200));
        let (answered, answer) = oneshot::channel();
        self.waiting.lock().unwrap().insert(number, answered);
        let _ = self.jobs.send(Job::Transaction(format!(
            "<Transaction mode=\"Request\" transactionID=\"t{number}\">\
             <SendMessageRequest deliveryReport=\"No\"><MetaInfo clientOriginated=\"Yes\">\
             <Requestor serviceID=\"wv:@{domain}\"><User userID=\"{from}\"/></Requestor></MetaInfo>\
             <MessageInfo messageID=\"m{number}@{domain}\" contentType=\"text/plain\" contentSize=\"{}\">\
             <Recipient><User userID=\"{to}\"/></Recipient><Sender><User userID=\"{from}\"/></Sender></MessageInfo>\
             <ContentData contentType=\"text/plain\">{content}</ContentData></SendMessageRequest></Transaction>",
            content.len(),
        )));
        let _ = answer.await;
    }

    /// Posts what waits, as many transactions at once as may be.
    async fn post(
        &self,
        connection: &mut Connection,
        jobs: &tokio::sync::Mutex<mpsc::UnboundedReceiver<Job>>,
    ) {
        let mut together = String::new();
        let mut body = None;
        {
            let mut jobs = jobs.lock().await;
            match jobs.recv().await.unwrap() {
                Job::Setup(document) => body = Some(document),
                Job::Transaction(first) => together = first,
            }
            let mut count = 1;
            while body.is_none() && count < self.role.transactions {
                match jobs.try_recv() {
                    Ok(Job::Transaction(next)) => together.push_str(&next),
                    Ok(Job::Setup(document)) => {
                        let _ = self.jobs.send(Job::Setup(document));
                    }
                    Err(_) => break,
                }
                count += 1;
            }
        }
        let body = body.unwrap_or_else(|| self.in_session(&together));
        let headers = Headers { answers_here: self.role.along, ..Headers::default() };
        let answer = connection.post(headers, body.into()).await.unwrap();
        assert!(answer.status.is_success(), "{answer:?}");
        if !answer.answers.is_empty() {
            self.answered(std::str::from_utf8(&answer.answers).unwrap());
        }
    }
}

/// Runs an end. It prints where it speaks SSP and where it takes plain POSTs, and reads where the middle is
/// once that is known.
pub(crate) async fn end(folder: &Path, role: Role) {
    let tls = Arc::new(tls(folder, &role.domain));
    let acceptor = tokio_rustls::TlsAcceptor::from(tls.server_config());
    let (peers, plain) = (listen().await, listen().await);
    let (sender, jobs) = mpsc::unbounded_channel();
    let end = Arc::new(End {
        content: "0123456789abcdef".repeat(role.content / 16),
        role,
        jobs: sender,
        waiting: Mutex::default(),
        next: AtomicU64::new(0),
        up: watch::Sender::new(false),
    });
    tokio::spawn(take(plain, Arc::clone(&end)));
    let posting = Arc::clone(&end);
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let hub = std::io::stdin().lines().next().unwrap().unwrap();
        let _runtime = runtime.enter();
        connect(&posting, &tls, hub.parse().unwrap(), jobs);
        posting.begin();
    });
    while let Ok((stream, _)) = peers.accept().await {
        let (acceptor, end) = (acceptor.clone(), Arc::clone(&end));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request: Request<Incoming>| async {
                let octets = request.into_body().collect().await.unwrap().to_bytes();
                let mut response = Response::new(Full::new(Bytes::new()));
                if let Some(answers) = end.hear(&octets) {
                    *response.body_mut() = Full::new(answers.into());
                    let media_type = hyper::header::HeaderValue::from_static(MEDIA_TYPE);
                    response.headers_mut().insert(hyper::header::CONTENT_TYPE, media_type);
                }
                Ok::<_, Infallible>(response)
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Keeps connections to the middle and posts over them.
fn connect(end: &Arc<End>, tls: &Arc<PeerTls>, hub: SocketAddr, jobs: mpsc::UnboundedReceiver<Job>) {
    let jobs = Arc::new(tokio::sync::Mutex::new(jobs));
    for _ in 0..CONNECTIONS {
        let (end, tls, jobs) = (Arc::clone(end), Arc::clone(tls), Arc::clone(&jobs));
        tokio::spawn(async move {
            let (own, peer) = (end.role.domain.parse().unwrap(), end.role.hub.parse().unwrap());
            let candidates = [Candidate { host: "127.0.0.1".into(), addr: hub }];
            let limits = PostLimits::default();
            let mut connection =
                Connection::connect(&tls, &own, &peer, &candidates, &limits, |_| Ok(())).await.unwrap();
            loop {
                end.post(&mut connection, &jobs).await;
            }
        });
    }
}

/// Takes plain POSTs; each is a message.
async fn take(listener: TcpListener, end: Arc<End>) {
    while let Ok((stream, _)) = listener.accept().await {
        let end = Arc::clone(&end);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(|request: Request<Incoming>| async {
                let _ = request.into_body().collect().await;
                end.send(end.role.to.as_deref().unwrap_or_default()).await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
