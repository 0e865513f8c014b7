//! The bare pair: hyper and rustls, mutual TLS between them, and nothing else. The front takes plain
//! POSTs and passes each one's body to the back over a few kept connections; the back answers 200. A
//! middle takes what a front posts and passes it on to the back, mutual TLS on both sides; what passes it
//! are the bodies that pass a node in transit, the message and its answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use causeway::net::discover::Candidate;
use causeway::net::post::{Connection, Headers, PostLimits};
use causeway::net::tls::{Identity, PeerTls, Trust, TrustSettings};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};

/// The domain that all of them stand for.
pub(crate) const DOMAIN: &str = "bare.example";
/// Connections from front to back, as many as a link has lanes.
pub(crate) const CONNECTIONS: usize = 32;

/// The certificate and key of a domain of the laboratory.
pub(crate) fn tls(folder: &Path, domain: &str) -> PeerTls {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (certificate, key) = (read(&format!("{domain}.pem")), read(&format!("{domain}.key")));
    let identity = Identity::from_pem(domain.parse().unwrap(), &certificate, &key).unwrap();
    let mut trust = TrustSettings::default();
    trust.add_authorities(&read("ca.pem")).unwrap();
    PeerTls::new(&[identity], Trust::new(trust).unwrap()).unwrap()
}

/// A listener, whose address is printed.
pub(crate) async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    listener
}

/// Answers every POST over mutual TLS with an empty 200.
pub(crate) async fn back(folder: &Path) {
    let acceptor = tokio_rustls::TlsAcceptor::from(tls(folder, DOMAIN).server_config());
    let listener = listen().await;
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request: Request<Incoming>| async move {
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Job = (Bytes, oneshot::Sender<()>);

/// Kept connections to the back; what is handed in is posted over one that is free, and `answers` octets
/// in another POST after it, if there are any.
fn onward(folder: &Path, back: SocketAddr, answers: usize) -> mpsc::Sender<Job> {
    let (jobs, queue) = mpsc::channel::<Job>(4096);
    let (queue, tls) = (Arc::new(Mutex::new(queue)), Arc::new(tls(folder, DOMAIN)));
    for _ in 0..CONNECTIONS {
        let (queue, tls) = (queue.clone(), tls.clone());
        tokio::spawn(async move {
            let domain = DOMAIN.parse().unwrap();
            let candidates = [Candidate { host: "127.0.0.1".into(), addr: back }];
            let limits = PostLimits::default();
            let mut connection =
                Connection::connect(&tls, &domain, &domain, &candidates, &limits, |_| Ok(())).await.unwrap();
            loop {
                let job = queue.lock().await.recv().await;
                let Some((body, done)) = job else { return };
                connection.post(Headers::default(), body).await.unwrap();
                if answers > 0 {
                    connection.post(Headers::default(), Bytes::from(vec![b'a'; answers])).await.unwrap();
                }
                let _ = done.send(());
            }
        });
    }
    jobs
}

/// Passes one POST on and answers it.
async fn pass(
    request: Request<Incoming>,
    jobs: mpsc::Sender<Job>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (done, answer) = oneshot::channel();
    jobs.send((body, done)).await.unwrap();
    let _ = answer.await;
    Ok(Response::new(Full::new(Bytes::new())))
}

/// Takes plain POSTs and passes their bodies on, each with an answer of so many octets.
pub(crate) async fn front(folder: &Path, back: SocketAddr, answers: usize) {
    let jobs = onward(folder, back, answers);
    let listener = listen().await;
    while let Ok((stream, _)) = listener.accept().await {
        let jobs = jobs.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(|request| pass(request, jobs.clone()));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Takes POSTs over mutual TLS and passes their bodies on over mutual TLS.
pub(crate) async fn middle(folder: &Path, back: SocketAddr) {
    let acceptor = tokio_rustls::TlsAcceptor::from(tls(folder, DOMAIN).server_config());
    let jobs = onward(folder, back, 0);
    let listener = listen().await;
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, jobs) = (acceptor.clone(), jobs.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| pass(request, jobs.clone()));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
