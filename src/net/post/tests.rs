//! Posts to peers that follow a script, over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::imps::agreement::Agreement;
use crate::net::pki::Authority;
use crate::net::testing::{authority, domain, provider};

const LIMITS: PostLimits = PostLimits {
    connect_timeout: Duration::from_secs(5),
    handshake_timeout: Duration::from_secs(5),
    answer_timeout: Duration::from_millis(200),
};

fn target(addr: SocketAddr) -> Candidate {
    Candidate { host: addr.ip().to_string(), addr }
}

/// A peer that reads one request and answers each with the next of these texts; an empty text
/// closes without an answer, and after the last one it stays silent.
async fn scripted(ca: &Authority, name: &str, answers: &[&str]) -> (SocketAddr, JoinHandle<String>) {
    let tls = Arc::new(provider(ca, name));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tls::accept(&tls, stream, Duration::from_secs(5)).await.unwrap().stream;
        let mut requests = String::new();
        for answer in answers {
            let mut request = Vec::new();
            while !request.ends_with(b"<x/>") {
                let Ok(octet) = stream.read_u8().await else { return requests };
                request.push(octet);
            }
            requests.push_str(&String::from_utf8(request).unwrap());
            if answer.is_empty() {
                return requests;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        while stream.read_u8().await.is_ok() {}
        requests
    });
    (addr, task)
}

async fn to(ca: &Authority, candidates: &[SocketAddr]) -> Result<Connection, PostError> {
    let (own, south) = (domain("north.example"), domain("south.example"));
    let tls = provider(ca, "north.example");
    let agreement = Agreement::with(south.clone());
    let trust = crate::net::certificate::key_hashes_of_pem(ca.certificate_pem().as_bytes()).unwrap();
    let candidates: Vec<Candidate> = candidates.iter().map(|addr| target(*addr)).collect();
    let check = |identity: &PeerIdentity| agreement.speaks_for(identity, &trust);
    Connection::connect(&tls, &own, &south, &candidates, &LIMITS, check).await
}

/// A port on which nobody listens.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[test]
fn a_post_waits_five_seconds_for_a_connection_and_fifteen_for_an_answer() {
    let PostLimits { connect_timeout, answer_timeout, .. } = PostLimits::default();
    assert_eq!((connect_timeout.as_secs(), answer_timeout.as_secs()), (5, 15));
}

#[tokio::test]
async fn a_post_looks_as_the_reference_says() {
    let ca = authority("CA");
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (addr, peer) = scripted(&ca, "south.example", &[ok]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    assert!(lane.is_usable());
    lane.post(
        Headers {
            transaction: Some("0000000123-45"),
            session: Some("7@north.example"),
            ..Headers::default()
        },
        "<x/>".into(),
    )
    .await
    .unwrap();
    drop(lane);
    let request = peer.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let lower = head.to_lowercase();
    let mut lines: Vec<&str> = lower.lines().collect();
    lines[1..].sort_unstable();
    assert_eq!(
        lines,
        [
            "post / http/1.1",
            "content-length: 4",
            "content-type: application/vnd.wv.ssp+xml",
            &format!("host: {addr}"),
            concat!("user-agent: causeway/", env!("CARGO_PKG_VERSION")),
            "x-wv-sessionid: 7@north.example",
            "x-wv-transactionid: 0000000123-45",
        ]
    );
    assert_eq!(body, "<x/>");
}

#[tokio::test]
async fn the_next_candidate_is_tried_and_the_failure_that_got_furthest_is_told() {
    let ca = authority("CA");
    let nobody = closed_port().await;
    let ok = "HTTP/1.1 202 Accepted\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\nhi";
    let (other, _task) = scripted(&ca, "other.example", &[]).await;
    let (south, _task) = scripted(&ca, "south.example", &[ok, ok]).await;
    let mut lane = to(&ca, &[nobody, other, south]).await.unwrap();
    assert_eq!(lane.target().addr, south);
    for _ in 0..2 {
        let answer = lane.post(Headers::default(), "<x/>".into()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.retry_after), (202, Some(Duration::from_secs(3))));
    }
    assert!(matches!(to(&ca, &[]).await, Err(PostError::NoCandidate)));
    assert!(matches!(to(&ca, &[nobody]).await, Err(PostError::Connect { .. })));
    let (other, _task) = scripted(&ca, "other.example", &[]).await;
    let failed = to(&ca, &[nobody, other, nobody]).await.unwrap_err();
    assert!(matches!(failed, PostError::Identity { .. }), "{failed:?}");
    assert_eq!(
        failed.to_string(),
        format!(
            "{other} is not the peer that is wanted: the certificate names [other.example], none of \
             which stands for south.example"
        )
    );
    let foreign = authority("Foreign CA");
    let (foreign, _task) = scripted(&foreign, "south.example", &[]).await;
    let failed = to(&ca, &[foreign, nobody]).await.unwrap_err();
    assert!(matches!(failed, PostError::Tls { .. }), "{failed:?}");
}

#[tokio::test]
async fn closed_without_an_answer_is_told_from_silence_and_nonsense() {
    let ca = authority("CA");
    let (addr, _task) = scripted(&ca, "south.example", &[""]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    let closed = lane.post(Headers::default(), "<x/>".into()).await.unwrap_err();
    assert!(matches!(closed, PostError::ClosedWithoutAnswer { .. }), "{closed:?}");
    assert!(!closed.nothing_sent() && !lane.is_usable());

    let (addr, _task) = scripted(&ca, "south.example", &[]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    let silent = lane.post(Headers::default(), "<x/>".into()).await.unwrap_err();
    assert!(matches!(silent, PostError::Timeout { .. }), "{silent:?}");
    assert!(!lane.is_usable());

    let (addr, _task) = scripted(&ca, "south.example", &["SIP/2.0 200 OK\r\n\r\n"]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    let nonsense = lane.post(Headers::default(), "<x/>".into()).await.unwrap_err();
    assert!(matches!(nonsense, PostError::Protocol { .. }), "{nonsense:?}");
}

#[tokio::test]
async fn answers_are_kept_where_they_were_asked_for_and_nothing_else_is() {
    let ca = authority("CA");
    let with = |media_type: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: 4\r\n\r\n<y/>")
    };
    let (ssp, text) = (with(SSP_MEDIA_TYPE), with("text/plain"));
    let refused = ssp.replacen("200 OK", "403 Forbidden", 1);
    let (addr, peer) = scripted(&ca, "south.example", &[&ssp, &ssp, &text, &refused]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    let here = Headers { answers_here: true, ..Headers::default() };
    for (headers, kept) in [(here, "<y/>"), (Headers::default(), ""), (here, ""), (here, "")] {
        let answer = lane.post(headers, "<x/>".into()).await.unwrap();
        assert_eq!(answer.answers, kept);
    }
    drop(lane);
    let requests = peer.await.unwrap().to_lowercase();
    assert_eq!(requests.matches("x-causeway-answers: here\r\n").count(), 3, "{requests}");
    // Answers that end too early have not come: the same POST has to ask for them again.
    let broken = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {SSP_MEDIA_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<y/\r\nno\r\n"
    );
    let (addr, _task) = scripted(&ca, "south.example", &[&broken]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    let lost = lane.post(here, "<x/>".into()).await;
    assert!(matches!(lost, Err(PostError::ClosedWithoutAnswer { .. })), "{lost:?}");
    // And too long a document is none.
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {SSP_MEDIA_TYPE}\r\nContent-Length: 99999\r\n\r\n{}",
        "y".repeat(99_999)
    );
    let (addr, _task) = scripted(&ca, "south.example", &[&long]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    assert_eq!(lane.post(here, "<x/>".into()).await.unwrap().answers, "");
    assert!(!lane.is_usable());
}

#[tokio::test]
async fn an_endless_answer_counts_but_costs_the_connection() {
    let ca = authority("CA");
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n{}", "y".repeat(100_000));
    let (addr, _task) = scripted(&ca, "south.example", &[&answer]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    assert_eq!(lane.post(Headers::default(), "<x/>".into()).await.unwrap().status, StatusCode::OK);
    assert!(!lane.is_usable());
    // A connection that the peer closes after its answer is of no more use either.
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (addr, _task) = scripted(&ca, "south.example", &[close]).await;
    let mut lane = to(&ca, &[addr]).await.unwrap();
    assert_eq!(lane.post(Headers::default(), "<x/>".into()).await.unwrap().status, StatusCode::OK);
    let again = lane.post(Headers::default(), "<x/>".into()).await.unwrap_err();
    assert!(matches!(again, PostError::NotSent { .. }), "{again:?}");
}

#[tokio::test]
async fn the_host_header_names_target_and_port() {
    let at = |host: &str, addr: &str| {
        let candidate = Candidate { host: host.to_owned(), addr: addr.parse().unwrap() };
        (host_text(&candidate), candidate.to_string())
    };
    assert_eq!(
        at("im.south.example", "127.0.0.1:5222"),
        ("im.south.example:5222".to_owned(), "im.south.example (127.0.0.1:5222)".to_owned())
    );
    assert_eq!(at("::1", "[::1]:5222"), ("[::1]:5222".to_owned(), "[::1]:5222".to_owned()));
}
