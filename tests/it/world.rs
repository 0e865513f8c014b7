//! The world of the scenario tests: providers with real sockets on loopback, real TLS, real DNS
//! messages and real stores on disk; and phones.
//!
//! A provider is configured by files, as an operator would, so that every scenario also exercises
//! the contract. Nothing here sleeps for luck: waiting is polling for a condition within a bound.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use causeway::cli::laboratory::{Laboratory, Provider, Writing};
use causeway::cli::phone::{Manner, Phone};
use causeway::imps::{DateTime, Primitive, UserId, Version};
use causeway::node::Node;
use causeway::ops::metrics::Metrics;
use causeway::store::sqlite::Trouble;
use causeway::wire::Encoding;

use crate::plays;

/// The password of every user.
pub(crate) const PASSWORD: &str = "secret";
/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The day by the clock on the wall.
pub(crate) fn today() -> DateTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    DateTime::from_unix(i64::try_from(since.as_secs()).unwrap())
}

/// A folder that goes when its test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("causeway-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Providers, their certificates and the DNS that finds them.
pub(crate) struct World {
    pub(crate) laboratory: Laboratory,
    counted: Mutex<Vec<Arc<Metrics>>>,
    // Dropped last: the providers' stores are in it.
    _folder: Folder,
}

/// A provider with fixed ports, so that a restarted one is found where it was.
pub(crate) struct Place {
    pub(crate) provider: Provider,
    pub(crate) ssp: SocketAddr,
    pub(crate) csp: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A free port, outside the range from which systems take ports for outgoing connections: nobody else
/// takes it while a node restarts. Each process of tests begins at another place.
pub(crate) fn free_port() -> SocketAddr {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let begin = usize::try_from(std::process::id()).unwrap() % 200 * 100;
    loop {
        let number = 10_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(number).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

impl World {
    /// A private CA and a DNS server that knows nobody yet.
    pub(crate) async fn new() -> Self {
        let folder = Folder::new();
        let laboratory = Laboratory::new(folder.path()).await.unwrap();
        Self { laboratory, counted: Mutex::default(), _folder: folder }
    }

    /// Writes the files of a provider whose peers are these domains, and publishes it in DNS.
    pub(crate) fn place(&self, domain: &str, peers: &[&str]) -> Place {
        self.place_with(domain, &Writing { peers, ..Writing::default() })
    }

    /// The same with further lines in its files; the ports are chosen here, registration is open.
    pub(crate) fn place_with(&self, domain: &str, writing: &Writing<'_>) -> Place {
        let (ssp, csp, admin) = (free_port(), free_port(), free_port());
        let csp_lines = format!("registration = \"open\"\n{}", writing.csp_lines);
        let cir = free_port();
        let writing = Writing { ssp, csp, cir, admin, csp_lines: &csp_lines, ..writing.clone() };
        let provider = self.laboratory.provider(domain, &writing).unwrap();
        self.laboratory.publish(&provider.domain, ssp);
        Place { provider, ssp, csp, admin }
    }

    /// Runs a provider in this process.
    pub(crate) async fn start(&self, place: &Place) -> Node {
        self.start_over(place, Trouble::default()).await
    }

    /// The same, over a disk that can be made bad.
    pub(crate) async fn start_over(&self, place: &Place, trouble: Trouble) -> Node {
        let node = self.laboratory.start_over(&place.provider, trouble).await.unwrap();
        self.counted.lock().unwrap().push(Arc::clone(node.metrics()));
        node
    }

    /// Two providers with a service agreement, running.
    pub(crate) async fn linked(&self, one: &str, other: &str) -> ((Place, Node), (Place, Node)) {
        let one_place = self.place(one, &[other]);
        let other_place = self.place(other, &[one]);
        let one_node = self.start(&one_place).await;
        let other_node = self.start(&other_place).await;
        ((one_place, one_node), (other_place, other_node))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        plays::note(self.counted.get_mut().map_or(&[], |counted| counted.as_slice()));
    }
}

impl Place {
    /// The address of a user of this provider.
    pub(crate) fn user(&self, name: &str) -> UserId {
        self.provider.user(name).unwrap()
    }

    /// A phone of this provider, logged in; the first login makes the account.
    pub(crate) async fn phone(&self, user: &str, manner: Manner) -> Phone {
        if manner.digest {
            // Registration is open for 2-way logins only.
            let mut first = self.silent_phone(user, Manner { digest: false, ..manner.clone() });
            first.login(PASSWORD).await.unwrap();
            first.logout().await.unwrap();
        }
        let mut phone = self.silent_phone(user, manner);
        phone.login(PASSWORD).await.unwrap();
        phone
    }

    /// A phone that has not logged in.
    pub(crate) fn silent_phone(&self, user: &str, manner: Manner) -> Phone {
        Phone::new(self.csp, self.user(user), "test-phone", manner)
    }

    /// A page of the admin listener: status and body.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        http_get(self.admin, path).await
    }

    /// The value of the metric line with this name and these labels, `name{label="value"}`; 0 if there
    /// is none.
    pub(crate) async fn metric(&self, line: &str) -> f64 {
        let (status, text) = self.admin("/metrics").await;
        assert_eq!(status, 200);
        text.lines()
            .find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or_default()
    }

    /// Waits until the link with this peer is up, or down.
    pub(crate) async fn link_is(&self, peer: &str, up: bool) {
        let line = format!("causeway_ssp_link_up{{peer=\"{peer}\"}}");
        until("the link changes", async || ((self.metric(&line).await > 0.5) == up).then_some(())).await;
    }
}

/// GET over HTTP/1.1 without keep-alive.
pub(crate) async fn http_get(server: SocketAddr, path: &str) -> (u16, String) {
    try_http_get(server, path).await.unwrap()
}

/// The same; `None` if there is no answer.
pub(crate) async fn try_http_get(server: SocketAddr, path: &str) -> Option<(u16, String)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(server).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

/// How the phones of most scenarios speak.
pub(crate) fn manner(version: Version, encoding: Encoding) -> Manner {
    Manner { version, encoding, digest: true }
}

/// An XML client of 1.2.
pub(crate) fn modern() -> Manner {
    manner(Version::V1_2, Encoding::Xml)
}

/// Asks again and again, without a pause longer than needed, until there is an answer; panics after
/// [`PATIENCE`].
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Polls until something waits, takes it and acknowledges it.
pub(crate) async fn receive(phone: &mut Phone) -> Primitive {
    let begin = Instant::now();
    loop {
        if let Some(primitive) = phone.take().await.unwrap() {
            return primitive;
        }
        assert!(begin.elapsed() < PATIENCE, "nothing came for {}", phone.user());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The text of a NewMessage.
pub(crate) fn text(primitive: &Primitive) -> &str {
    match primitive {
        Primitive::NewMessage(message) => {
            std::str::from_utf8(message.content.as_ref().expect("content").octets()).expect("text")
        }
        other => panic!("{} is no NewMessage", other.name()),
    }
}
