//! `cargo bench --bench full`: what a node takes when every listener is full of callers who hold on to what they
//! have: peers, clients with and without TLS, clients that want to be called, and operators, each with a head or a
//! line that does not end, and all the bodies that the listeners let in at a time, one octet short of their end.
//! The limit is what the constants of the listeners add up to.

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::cast_precision_loss)]

#[path = "support/system.rs"]
mod system;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use causeway::cli::laboratory::{Laboratory, Writing};
use causeway::imps::Domain;
use causeway::net::listen::{ListenLimits, SSP_MEDIA_TYPE};
use causeway::net::pki::{Authority, Issued, LeafOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use system::{Folder, resident};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const NODE: &str = "north.example";
const PEER: &str = "south.example";
/// Connections of each kind: all that there is room for, but for clients, of whom this machine has not enough sockets.
const PEERS: usize = 4096;
const CLIENTS: usize = 8192;
const CLIENTS_WITH_TLS: usize = 2048;
const CALLED: usize = 1024;
const OPERATORS: usize = 64;
/// Connections from each address of ours.
const OF_SOURCE: usize = 1024;
/// Connections that are being made at a time.
const AT_ONCE: usize = 64;
/// Octets of a connection without its head and body: TLS, HTTP, buffers, a task.
const CONNECTION_OCTETS: usize = 64 * 1024;
/// Octets of the node with nobody at it.
const EMPTY_OCTETS: usize = 128 * 1024 * 1024;

struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Node {
    /// Resident memory once it has taken in what was sent, octets.
    async fn settled(&self) -> usize {
        let mut known = resident(self.0.id());
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = resident(self.0.id());
            if now.abs_diff(known) < 1024 * 1024 {
                return now;
            }
            known = now;
        }
    }
}

/// What a caller says, and how it reaches the node.
#[derive(Clone)]
struct Caller {
    to: SocketAddr,
    tls: Option<TlsConnector>,
    says: Arc<[u8]>,
}

/// A connection that is held.
type Held = Box<dyn AsyncWrite + Send + Unpin>;

async fn connect(caller: Caller, number: usize) -> Held {
    let from = Ipv4Addr::new(127, 0, 1, u8::try_from(1 + number / OF_SOURCE).expect("few sources"));
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((IpAddr::from(from), 0).into()).expect("a source");
    let stream = socket.connect(caller.to).await.expect("a connection");
    let mut held: Held = match caller.tls {
        Some(tls) => {
            let name = ServerName::try_from(NODE).expect("a name");
            Box::new(tls.connect(name, stream).await.expect("TLS"))
        }
        None => Box::new(stream),
    };
    held.write_all(&caller.says).await.expect("it reads");
    held.flush().await.expect("it reads");
    held
}

/// So many callers of one kind.
async fn crowd(caller: Caller, from: usize, to: usize) -> Vec<Held> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut coming = JoinSet::new();
    for number in from..to {
        let (caller, places) = (caller.clone(), Arc::clone(&places));
        coming.spawn(async move {
            let _place = places.acquire().await;
            connect(caller, number).await
        });
    }
    coming.join_all().await
}

fn connector(ca: &str, issued: Option<&Issued>) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("a CA")).expect("a root");
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots);
    TlsConnector::from(Arc::new(match issued {
        Some(issued) => {
            let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).expect("a key");
            builder.with_client_auth_cert(vec![issued.certificate().expect("one")], key).expect("a pair")
        }
        None => builder.with_no_client_auth(),
    }))
}

/// A head of almost all the octets that it may have, without its end.
fn half_head(octets: usize) -> Arc<[u8]> {
    let begin = "POST / HTTP/1.1\r\nHost: north.example\r\nX-Long: ";
    format!("{begin}{}", "x".repeat(octets - begin.len() - 256)).into_bytes().into()
}

/// A request whose body lacks its last octet.
fn half_body(media_type: &str, octets: usize) -> Arc<[u8]> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: north.example\r\nContent-Type: {media_type}\r\nContent-Length: {octets}\r\n\r\n"
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + octets - 1, b' ');
    request.into()
}

fn mebibytes(octets: usize) -> f64 {
    octets as f64 / f64::from(1024 * 1024)
}

async fn is_up(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin).await else { return false };
    let asked = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    stream.write_all(asked.as_bytes()).await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("a port")
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let folder = Folder::new("full");
    let laboratory = Laboratory::new(folder.path()).await.expect("a laboratory");
    let tls = free();
    let lines = format!("tls-listen = [\"{tls}\"]\n");
    let writing = Writing {
        ssp: free(),
        csp: free(),
        cir: free(),
        admin: free(),
        peers: &[PEER],
        csp_lines: &lines,
        sections: "[log]\nlevel = \"off\"\n",
        ..Writing::default()
    };
    let provider = laboratory.provider(NODE, &writing).expect("a provider");
    let child = Command::new(env!("CARGO_BIN_EXE_causeway"))
        .args(["serve", "--config"])
        .arg(provider.config())
        .stdout(Stdio::null())
        .spawn()
        .expect("a node");
    let node = Node(child);
    while !is_up(writing.admin).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let authority = Authority::load(laboratory.folder()).expect("a CA");
    let peer: Domain = PEER.parse().expect("a domain");
    let issued = authority.issue(&[peer], &LeafOptions::default()).expect("a certificate");
    let as_peer = connector(authority.certificate_pem(), Some(&issued));
    let as_client = connector(authority.certificate_pem(), None);

    let (ssp, csp) = (ListenLimits::ssp(), ListenLimits::csp());
    let (ssp_bodies, csp_bodies) =
        (ssp.bodies_octets_max / ssp.body_octets_max, csp.bodies_octets_max / csp.body_octets_max);
    let head = half_head(ssp.head_octets_max);
    let caller = |to, tls: Option<&TlsConnector>, says: &Arc<[u8]>| Caller {
        to,
        tls: tls.cloned(),
        says: says.clone(),
    };
    let csp_type = "application/vnd.wv.csp.xml";
    // Who takes longest to come comes first; a body has half a minute.
    let crowds = [
        ("peers, half a head each", caller(writing.ssp, Some(&as_peer), &head), 0, PEERS - ssp_bodies),
        ("clients with TLS, half a head", caller(tls, Some(&as_client), &head), 0, CLIENTS_WITH_TLS),
        ("clients, half a head", caller(writing.csp, None, &head), 0, CLIENTS - csp_bodies),
        (
            "clients to be called, half a line",
            caller(writing.cir, None, &b"HELO wv".as_slice().into()),
            0,
            CALLED,
        ),
        ("operators, half a head", caller(writing.admin, None, &half_head(8192)), 0, OPERATORS),
        (
            "peers, a body each without its end",
            caller(writing.ssp, Some(&as_peer), &half_body(SSP_MEDIA_TYPE, ssp.body_octets_max)),
            PEERS - ssp_bodies,
            PEERS,
        ),
        (
            "clients, a body each without its end",
            caller(writing.csp, None, &half_body(csp_type, csp.body_octets_max)),
            CLIENTS - csp_bodies,
            CLIENTS,
        ),
    ];
    let empty = node.settled().await;
    println!("{:>7} {:<36} {:>8.0} MiB resident", "", "nobody", mebibytes(empty));
    let (mut everybody, mut before) = (Vec::new(), empty);
    for (what, caller, from, to) in crowds {
        everybody.extend(crowd(caller, from, to).await);
        let now = node.settled().await;
        let each = now.saturating_sub(before) as f64 / (to - from) as f64 / 1024.0;
        println!("{:>7} {what:<36} {:>8.0} MiB resident, {each:>7.1} KiB each", to - from, mebibytes(now));
        before = now;
    }
    let connections = PEERS + CLIENTS + CLIENTS_WITH_TLS + CALLED + OPERATORS;
    let ceiling = EMPTY_OCTETS
        + connections * (ssp.head_octets_max + CONNECTION_OCTETS)
        + ssp.bodies_octets_max
        + csp.bodies_octets_max;
    let verdict = if before <= ceiling { "kept" } else { "MISSED" };
    println!(
        "{:>7} connections: {:.0} MiB of {:.0} (limit: {verdict})",
        everybody.len(),
        mebibytes(before),
        mebibytes(ceiling)
    );
    drop(everybody);
    let after = node.settled().await;
    println!("{:>7} {:<36} {:>8.0} MiB resident", "", "when they have gone", mebibytes(after));
}
