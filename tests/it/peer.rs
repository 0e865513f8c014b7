//! A scripted peer: a provider that says what a play tells it to say, with a certificate and a TLS
//! listener of its own, over which the node under test posts back.
//!
//! HTTP and TLS are spoken here by hand, so that the peer can also hang up, stay silent, or say what no
//! library would let it say. What a node posts is read by the node's own reader, which has its
//! own tests against recorded traffic.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use causeway::imps::primitive::{LinkLoginRequest, LinkLoginResponse, SendSecretToken, Setup};
use causeway::imps::{Code, Domain, Primitive};
use causeway::net::pki::{Authority, Issued, LeafOptions};
use causeway::wire::ssp::{self, Body, Message, SessionMessage, SetupTransaction, Transaction};
use causeway::wire::{Carried, Limits, Mode};
use md5::Digest as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::world::{PATIENCE, Place, World};

/// The media type of SSP.
pub const MEDIA_TYPE: &str = "application/vnd.wv.ssp+xml";
/// The token of the peer's handshakes.
const TOKEN: &str = "a-token-that-nobody-guesses";
/// Room for what a node posts.
const OCTETS_MAX: usize = 1 << 20;

/// What the peer says to a POST of the node.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status.
    Status(u16),
    /// This status, and come again after so many seconds.
    Later(u16, u32),
    /// 200 with a body.
    Document(String),
    /// Nothing: it takes the POST and hangs up.
    HangUp,
    /// 200, once the play calls [`ScriptedPeer::release`].
    Held,
}

/// A POST of the node.
#[derive(Debug)]
pub struct Heard {
    pub head: String,
    pub text: String,
    pub message: Message,
    pub at: Instant,
}

impl Heard {
    pub fn setup(&self) -> &SetupTransaction {
        match &self.message.body {
            Body::Setup(setup) => setup,
            Body::Session(_) => panic!("no set-up: {}", self.text),
        }
    }

    pub fn session(&self) -> &SessionMessage {
        match &self.message.body {
            Body::Session(session) => session,
            Body::Setup(_) => panic!("no session traffic: {}", self.text),
        }
    }

    /// The only transaction.
    pub fn transaction(&self) -> &Transaction {
        match self.session().transactions.as_slice() {
            [only] => only,
            _ => panic!("not one transaction: {}", self.text),
        }
    }

    /// The code of the answer that the only transaction holds.
    pub fn code(&self) -> u16 {
        assert_eq!(self.transaction().mode, Mode::Response, "{}", self.text);
        self.status().code.get()
    }

    /// The status of the answer that the only transaction holds.
    pub fn status(&self) -> &causeway::imps::Status {
        match &self.transaction().content {
            Carried::Primitive(primitive) => match &**primitive {
                Primitive::Status(status) => status,
                Primitive::SendMessageResponse(response) => &response.result,
                other => panic!("{} is no answer", other.name()),
            },
            other => panic!("{} is no answer", other.name()),
        }
    }
}

/// An HTTP answer of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What the listener's connections share.
struct Stage {
    heard: mpsc::UnboundedSender<Heard>,
    replies: Mutex<VecDeque<Reply>>,
    /// What is said when no reply is left.
    usual: Mutex<Reply>,
    open: AtomicUsize,
    open_most: AtomicUsize,
    released: Semaphore,
    /// Whether the play hears GetServiceRequest; else it is taken and never answered.
    hears_discovery: AtomicBool,
}

/// A provider that follows a script.
pub struct ScriptedPeer {
    pub domain: String,
    pub listens: SocketAddr,
    node: SocketAddr,
    node_domain: String,
    connector: TlsConnector,
    inbox: tokio::sync::Mutex<mpsc::UnboundedReceiver<Heard>>,
    stage: Arc<Stage>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for ScriptedPeer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A session between the peer and the node.
#[derive(Clone, Debug)]
pub struct Session {
    /// The id that the peer issued, and uses.
    pub ours: String,
    /// The id that the node issued, and uses.
    pub theirs: String,
}

fn md5(octets: &[u8]) -> String {
    STANDARD.encode(md5::Md5::digest(octets))
}

/// A client for TLS with this certificate, which believes this CA.
pub fn connector(ca_pem: &str, issued: Option<&Issued>) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match issued {
        Some(issued) => {
            let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![issued.certificate().unwrap()], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

fn acceptor(ca_pem: &str, issued: &Issued) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![issued.certificate().unwrap()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Reads one HTTP/1 message: head and body. `None` at the end of the connection.
pub async fn read_http(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut octets = Vec::new();
    let mut buffer = [0; 4096];
    let head_end = loop {
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => octets.extend_from_slice(&buffer[..count]),
        }
    };
    let head = String::from_utf8_lossy(&octets[..head_end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        })
        .unwrap_or(0);
    let mut body = octets.split_off(head_end + 4);
    while body.len() < length {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => body.extend_from_slice(&buffer[..count]),
        }
    }
    body.truncate(length);
    Some((head, body))
}

/// Writes octets while it reads the answer: a server may answer before it has read everything.
/// `None`: the server hung up without an answer.
pub async fn exchange(stream: impl AsyncRead + AsyncWrite, octets: &[u8]) -> Option<HttpAnswer> {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let write = async {
        // A server that has answered may hang up on the rest.
        let _ = writing.write_all(octets).await;
        let _ = writing.flush().await;
        std::future::pending::<()>().await;
    };
    let read = async {
        loop {
            let (head, body) = read_http(&mut reading).await?;
            let status = head.split(' ').nth(1)?.parse().ok()?;
            if status >= 200 {
                return Some(HttpAnswer { status, head, body });
            }
        }
    };
    tokio::select! {
        answer = read => answer,
        () = write => None,
        () = tokio::time::sleep(PATIENCE) => panic!("no HTTP answer"),
    }
}

/// Whether the node asks for the service tree, which most plays are not about.
fn is_discovery(message: &Message) -> bool {
    let Body::Session(session) = &message.body else { return false };
    let asks = |one: &Transaction| matches!(&one.content, Carried::Primitive(primitive) if **primitive == Primitive::GetServiceRequest);
    !session.transactions.is_empty() && session.transactions.iter().all(asks)
}

impl Stage {
    async fn connection(self: Arc<Self>, acceptor: TlsAcceptor, stream: TcpStream) {
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        while let Some((head, body)) = read_http(&mut stream).await {
            let text = String::from_utf8_lossy(&body).into_owned();
            let message = ssp::read(&body, None, &Limits::for_document(OCTETS_MAX)).expect("an SSP document");
            if is_discovery(&message) && !self.hears_discovery.load(Ordering::SeqCst) {
                if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
                    return;
                }
                continue;
            }
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.open_most.fetch_max(open, Ordering::SeqCst);
            let next = self.replies.lock().unwrap().pop_front();
            let reply = next.unwrap_or_else(|| self.usual.lock().unwrap().clone());
            // The play may have ended.
            let _ = self.heard.send(Heard { head, text, message, at: Instant::now() });
            if matches!(reply, Reply::Held) {
                self.released.acquire().await.unwrap().forget();
            }
            self.open.fetch_sub(1, Ordering::SeqCst);
            let answer = match reply {
                Reply::HangUp => return,
                Reply::Status(status) => format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n"),
                Reply::Held => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
                Reply::Later(status, seconds) => {
                    format!("HTTP/1.1 {status} Said\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n")
                }
                Reply::Document(body) => {
                    let length = body.len();
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {length}\r\n\r\n{body}"
                    )
                }
            };
            if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}

impl ScriptedPeer {
    /// A peer with a certificate of the world's CA, published in DNS, that speaks with this node.
    pub async fn start(world: &World, node: &Place, domain: &str) -> Self {
        let authority = Authority::load(world.laboratory.folder()).unwrap();
        let name: Domain = domain.parse().unwrap();
        let issued = authority.issue(std::slice::from_ref(&name), &LeafOptions::default()).unwrap();
        let peer = Self::with_certificate(&authority, &issued, node, domain).await;
        world.laboratory.publish(&name, peer.listens);
        peer
    }

    /// A peer with this certificate, not published.
    pub async fn with_certificate(
        authority: &Authority,
        issued: &Issued,
        node: &Place,
        domain: &str,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let listens = listener.local_addr().unwrap();
        let (sender, inbox) = mpsc::unbounded_channel();
        let stage = Arc::new(Stage {
            heard: sender,
            replies: Mutex::default(),
            usual: Mutex::new(Reply::Status(200)),
            open: AtomicUsize::new(0),
            open_most: AtomicUsize::new(0),
            released: Semaphore::new(0),
            hears_discovery: AtomicBool::new(false),
        });
        let (acceptor, shared) = (acceptor(authority.certificate_pem(), issued), stage.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().connection(acceptor.clone(), stream));
            }
        });
        Self {
            domain: domain.to_owned(),
            listens,
            node: node.ssp,
            node_domain: node.provider.domain.to_string(),
            connector: connector(authority.certificate_pem(), Some(issued)),
            inbox: tokio::sync::Mutex::new(inbox),
            stage,
            accepting,
        }
    }

    /// Replies to the next POSTs of the node, one each; after them it is [`ScriptedPeer::usually`].
    pub fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.stage.replies.lock().unwrap().extend(replies);
    }

    /// The reply where no other is left; at first 200.
    pub fn usually(&self, reply: Reply) {
        *self.stage.usual.lock().unwrap() = reply;
    }

    /// From now on the play hears when the node asks for the service tree.
    pub fn hear_discovery(&self) {
        self.stage.hears_discovery.store(true, Ordering::SeqCst);
    }

    /// Lets so many held POSTs go.
    pub fn release(&self, posts: usize) {
        self.stage.released.add_permits(posts);
    }

    /// POSTs that are held now, and that were at the most.
    pub fn open(&self) -> (usize, usize) {
        (self.stage.open.load(Ordering::SeqCst), self.stage.open_most.load(Ordering::SeqCst))
    }

    /// The next POST of the node.
    pub async fn next(&self) -> Heard {
        self.next_within(PATIENCE).await.expect("the node posts something")
    }

    /// The next POST of the node, if one comes within this time.
    pub async fn next_within(&self, limit: Duration) -> Option<Heard> {
        tokio::time::timeout(limit, self.inbox.lock().await.recv()).await.ok().flatten()
    }

    /// Whether POSTs of the node wait to be looked at.
    pub async fn has_more(&self) -> bool {
        !self.inbox.lock().await.is_empty()
    }

    /// A connection to the node over TLS as this peer.
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.node).await.unwrap();
        let name = ServerName::try_from(self.node_domain.clone()).unwrap();
        self.connector.connect(name, stream).await.unwrap()
    }

    /// Sends octets as they are over TLS as this peer. `None`: the node hung up without an answer.
    pub async fn raw(&self, octets: &[u8]) -> Option<HttpAnswer> {
        exchange(self.connect().await, octets).await
    }

    /// The same, and closes our half of the connection behind them.
    pub async fn raw_and_close(&self, octets: &[u8]) -> Option<HttpAnswer> {
        let mut stream = self.connect().await;
        stream.write_all(octets).await.unwrap();
        stream.shutdown().await.unwrap();
        exchange(stream, b"").await
    }

    /// Posts a document and gives the HTTP answer.
    pub async fn post(&self, body: &str) -> HttpAnswer {
        self.post_as(MEDIA_TYPE, body.as_bytes()).await
    }

    /// The same with any media type and body.
    pub async fn post_as(&self, media_type: &str, body: &[u8]) -> HttpAnswer {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            self.node_domain,
            body.len()
        );
        self.raw(&[head.as_bytes(), body].concat()).await.expect("an HTTP answer")
    }

    /// Posts a document that must be taken.
    pub async fn say(&self, body: &str) {
        let answer = self.post(body).await;
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(answer.header("Content-Length"), Some("0"));
    }

    /// Posts a request that must be taken, and gives the node's answer to it.
    pub async fn ask(&self, session: &Session, transaction: &str, primitive: &str) -> Heard {
        self.say(&in_session(&session.ours, &[request(transaction, primitive)])).await;
        let answer = self.next().await;
        assert_eq!(answer.transaction().id.as_str(), transaction, "{}", answer.text);
        assert_eq!(answer.transaction().mode, Mode::Response);
        assert_eq!(answer.session().session.as_str(), session.theirs);
        answer
    }

    /// Step 1 and 3 of a set-up.
    pub fn token(&self, mode: &str, id: &str) -> String {
        set_up(
            mode,
            id,
            &format!(
                "<SendSecretToken serviceID=\"wv:@{}\" protocol=\"WV-SSP\" protocolVersion=\"1.3\">\
                 <SecretToken>{TOKEN}</SecretToken></SendSecretToken>",
                self.domain
            ),
        )
    }

    /// Step 3 or 4, for this token of the node.
    pub fn login(&self, mode: &str, id: &str, token: &[u8]) -> String {
        set_up(
            mode,
            id,
            &format!(
                "<LoginRequest serviceID=\"wv:@{}\" timeToLive=\"86400\">\
                 <PasswordDigest encoding=\"base64\">{}</PasswordDigest></LoginRequest>",
                self.domain,
                md5(token)
            ),
        )
    }

    /// Step 5 or 6.
    pub fn grant(mode: &str, id: &str, session: &str) -> String {
        set_up(
            mode,
            id,
            &format!(
                "<LoginResponse sessionID=\"{session}\" timeToLive=\"86400\"><Status code=\"200\"/></LoginResponse>"
            ),
        )
    }

    /// Opens a session with the node: the six steps as initiator. `number` tells set-ups apart.
    pub async fn log_in(&self, number: u32) -> Session {
        self.log_in_saying(number, &self.token("Request", &format!("x{number}"))).await
    }

    /// The same with a first step of the play's own.
    pub async fn log_in_saying(&self, number: u32, step_one: &str) -> Session {
        let id = format!("x{number}");
        let ours = format!("Sc{number}@{}", self.domain);
        self.say(step_one).await;
        let token = self.heard_token(&self.next().await);
        self.say(&self.login("Request", &id, &token)).await;
        let four = self.next().await;
        assert_eq!((four.setup().id.as_str(), four.setup().mode), (id.as_str(), Mode::Response));
        self.check_login(&four);
        self.say(&Self::grant("Request", &id, &ours)).await;
        let six = self.next().await;
        assert_eq!((six.setup().id.as_str(), six.setup().mode), (id.as_str(), Mode::Response));
        Session { ours, theirs: heard_session(&six) }
    }

    /// Answers a set-up of the node, whose step 1 this is.
    pub async fn answer_set_up(&self, step_one: &Heard, number: u32) -> Session {
        assert_eq!(step_one.setup().mode, Mode::Request, "{}", step_one.text);
        let id = step_one.setup().id.as_str();
        let ours = format!("Sc{number}@{}", self.domain);
        let token = self.heard_token(step_one);
        self.say(&self.token("Response", &format!("own{number}"))).await;
        let three = self.next().await;
        assert_eq!((three.setup().id.as_str(), three.setup().mode), (id, Mode::Request));
        self.check_login(&three);
        self.say(&self.login("Response", id, &token)).await;
        let five = self.next().await;
        assert_eq!((five.setup().id.as_str(), five.setup().mode), (id, Mode::Request));
        let theirs = heard_session(&five);
        self.say(&Self::grant("Response", id, &ours)).await;
        Session { ours, theirs }
    }

    /// The token in step 1 or 2 of the node.
    pub fn heard_token(&self, heard: &Heard) -> Vec<u8> {
        match &heard.setup().element {
            Setup::SendSecretToken(SendSecretToken { service, token, .. }) => {
                assert_eq!(service.domain().as_str(), self.node_domain);
                token.to_vec()
            }
            other => panic!("{other:?}"),
        }
    }

    /// The node's login proves that it read our token.
    fn check_login(&self, heard: &Heard) {
        match &heard.setup().element {
            Setup::LoginRequest(LinkLoginRequest { service, digest, .. }) => {
                assert_eq!(service.domain().as_str(), self.node_domain);
                assert_eq!(STANDARD.encode(digest), md5(TOKEN.as_bytes()));
            }
            other => panic!("{other:?}"),
        }
    }

    /// A SendMessageRequest of a user of this peer.
    pub fn message(&self, id: &str, from: &str, to: &[&str], text: &str, report: bool) -> String {
        let mut recipients = String::new();
        for user in to {
            write!(recipients, "<User userID=\"{user}\"/>").unwrap();
        }
        let report = if report { "Yes" } else { "No" };
        format!(
            "<SendMessageRequest deliveryReport=\"{report}\"><MetaInfo clientOriginated=\"Yes\">\
             <Requestor serviceID=\"wv:@{domain}\"><User userID=\"{from}\"/></Requestor></MetaInfo>\
             <MessageInfo messageID=\"{id}\" contentType=\"text/plain\" contentSize=\"{}\">\
             <Recipient>{recipients}</Recipient><Sender><User userID=\"{from}\"/></Sender></MessageInfo>\
             <ContentData contentType=\"text/plain\" encoding=\"base64\">{}</ContentData></SendMessageRequest>",
            text.len(),
            STANDARD.encode(text),
            domain = self.domain,
        )
    }
}

/// The session id in step 5 or 6 of the node.
fn heard_session(heard: &Heard) -> String {
    match &heard.setup().element {
        Setup::LoginResponse(LinkLoginResponse { session: Some(session), status, .. }) => {
            assert_eq!(status.code, Code::SUCCESSFUL);
            session.to_string()
        }
        other => panic!("{other:?}"),
    }
}

fn document(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><WV-SSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/WV-SSP1.3\">{inside}</WV-SSP-Message>"
    )
}

/// One step of a set-up.
pub fn set_up(mode: &str, id: &str, element: &str) -> String {
    document(&format!(
        "<SetupTransaction mode=\"{mode}\" transactionID=\"{id}\">{element}</SetupTransaction>"
    ))
}

/// A transaction that asks.
pub fn request(id: &str, primitive: &str) -> String {
    format!("<Transaction mode=\"Request\" transactionID=\"{id}\">{primitive}</Transaction>")
}

/// A transaction that answers.
pub fn response(id: &str, primitive: &str) -> String {
    format!("<Transaction mode=\"Response\" transactionID=\"{id}\">{primitive}</Transaction>")
}

/// A document of a session.
pub fn in_session(session: &str, transactions: &[String]) -> String {
    document(&format!("<Session sessionID=\"{session}\">{}</Session>", transactions.concat()))
}

/// The answer to a SendMessageRequest.
pub fn sent(code: u16) -> String {
    format!("<SendMessageResponse messageID=\"\"><Status code=\"{code}\"/></SendMessageResponse>")
}
