//! SMS by way of a gateway of the operator's: each is one HTTP POST with a JSON object.
//!
//! ```text
//! text    {"from": "+4670", "to": "+46701234567", "port": 3716, "text": "WVCI 1.3 17-35"}
//! binary  {"from": "+4670", "to": "+46701234567", "header": "0605040B8423F0", "body": "010603C6AF8A5756…"}
//! ```
//!
//! Octets are written in hexadecimal digits; `header` is the user data header. An answer of 2xx says that the gateway
//! has it. Nothing is tried twice: the session repeats its call, and a call that waited for longer than that is of no
//! use to anybody.

use std::io;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::sms::SmsSender;

/// SMS that wait for the gateway; more are not taken.
pub const WAITING_MAX: usize = 256;
/// How long one POST may take.
pub const POST_WAIT: Duration = Duration::from_secs(10);
/// What waited for longer is not sent: the session has called again meanwhile (reference csp.md §3).
pub const STALE_AFTER: Duration = Duration::from_secs(60);

/// Where the gateway is: `http://HOST:PORT/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUrl {
    host: Box<str>,
    port: u16,
    path: Box<str>,
}

impl std::str::FromStr for GatewayUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("http://").ok_or("does not begin with http://")?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let named = |octet: u8| octet.is_ascii_alphanumeric() || b"-.:_".contains(&octet);
        if host.is_empty() || !host.bytes().all(named) {
            return Err("names no host");
        }
        let port = match port {
            None => 80,
            Some(port) => port.parse().map_err(|_| "has no port that could be")?,
        };
        if port == 0 || !path.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'#') {
            return Err("is no URL");
        }
        Ok(Self { host: host.into(), port, path: path.into() })
    }
}

impl GatewayUrl {
    /// As it stands in `Host`.
    fn authority(&self) -> String {
        let port = self.port;
        if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        }
    }
}

/// Why the gateway does not have an SMS.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("no request: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("it answered {0}")]
    Refused(StatusCode),
    #[error("it did not answer in time")]
    Late,
}

/// An SMS on its way.
struct Letter {
    since: Instant,
    body: Vec<u8>,
}

/// The sender: takes SMS and never waits.
pub struct Gateway {
    number: Box<str>,
    letters: mpsc::Sender<Letter>,
}

/// The other end: carries what was taken to the gateway.
pub struct Courier {
    url: GatewayUrl,
    letters: mpsc::Receiver<Letter>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("number", &self.number).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Gateway {
    /// SMS leave from this number by way of this gateway; [`Courier::carry`] has to run.
    pub fn new(number: Box<str>, url: GatewayUrl) -> (Self, Courier) {
        let (taking, letters) = mpsc::channel(WAITING_MAX);
        (Self { number, letters: taking }, Courier { url, letters })
    }

    fn take(&self, sms: &Value) -> bool {
        let letter = Letter { since: Instant::now(), body: sms.to_string().into_bytes() };
        self.letters.try_send(letter).is_ok()
    }
}

impl SmsSender for Gateway {
    fn number(&self) -> Option<&str> {
        Some(&self.number)
    }

    fn text(&self, to: &str, port: u16, text: &str) -> bool {
        self.take(&json!({ "from": self.number, "to": to, "port": port, "text": text }))
    }

    fn binary(&self, to: &str, header: &[u8], body: &[u8]) -> bool {
        self.take(&json!({ "from": self.number, "to": to, "header": hex(header), "body": hex(body) }))
    }
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Writing into a String does not fail.
        let _ = write!(text, "{octet:02X}");
        text
    })
}

/// Ends a task that nobody waits for any more.
struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Courier {
    /// Carries SMS to the gateway, one after the other, until told to stop.
    pub async fn carry(mut self, stop: CancellationToken) {
        loop {
            let letter = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                letter = self.letters.recv() => letter,
            };
            let Some(letter) = letter else { return };
            if letter.since.elapsed() > STALE_AFTER {
                debug!("an SMS waited too long for the gateway");
                continue;
            }
            let posted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                posted = timeout(POST_WAIT, self.post(letter.body)) => posted.unwrap_or(Err(Lost::Late)),
            };
            if let Err(why) = posted {
                warn!(gateway = %self.url.authority(), %why, "an SMS could not be handed to the gateway");
            }
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), Lost> {
        let stream = TcpStream::connect((&*self.url.host, self.url.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let _driver = Ends(tokio::spawn(connection).abort_handle());
        let request = Request::post(&*self.url.path)
            .header(HOST, self.url.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))?;
        let answer = sender.send_request(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(Lost::Refused(answer.status())) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_gateway_is_named_by_a_plain_url() {
        let url = |text: &str| text.parse::<GatewayUrl>();
        let found = url("http://127.0.0.1:8091/sms?key=1").unwrap();
        assert_eq!((&*found.host, found.port, &*found.path), ("127.0.0.1", 8091, "/sms?key=1"));
        let found = url("http://sms.north.example").unwrap();
        assert_eq!((&*found.host, found.port, &*found.path), ("sms.north.example", 80, "/"));
        let six = url("http://[::1]:8091/").unwrap();
        assert_eq!((&*six.host, six.authority()), ("::1", "[::1]:8091".to_owned()));
        for wrong in
            ["", "log", "https://x/", "http://", "http:///sms", "http://x:0/", "http://x:y/", "http://x y/"]
        {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    /// Takes one POST and answers with this status; the request.
    async fn taken(listener: &TcpListener, status: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut octets = [0; 512];
            let count = stream.read(&mut octets).await.unwrap();
            assert_ne!(count, 0, "{}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&octets[..count]);
        }
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    }

    #[tokio::test]
    async fn an_sms_is_a_post_of_its_own_and_a_gateway_that_fails_stops_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sms", listener.local_addr().unwrap()).parse().unwrap();
        let (gateway, courier) = Gateway::new("+4670".into(), url);
        let stop = CancellationToken::new();
        let carrying = tokio::spawn(courier.carry(stop.clone()));
        assert_eq!(gateway.number(), Some("+4670"));
        assert!(gateway.text("+46701", 3716, "WVCI 1.3 17"));
        assert!(gateway.binary("+46701", &[0x06, 0xF0], b"\x01WVCI"));
        let first = taken(&listener, "500 Internal Server Error").await;
        assert!(first.starts_with("POST /sms HTTP/1.1\r\n"), "{first}");
        let body = |request: &str| request.split_once("\r\n\r\n").unwrap().1.parse::<Value>().unwrap();
        assert_eq!(
            body(&first),
            json!({ "from": "+4670", "to": "+46701", "port": 3716, "text": "WVCI 1.3 17" })
        );
        let second = taken(&listener, "202 Accepted").await;
        assert_eq!(
            body(&second),
            json!({ "from": "+4670", "to": "+46701", "header": "06F0", "body": "0157564349" })
        );
        stop.cancel();
        carrying.await.unwrap();
        assert!(!gateway.text("+46701", 3716, "nobody carries it"));
    }

    #[tokio::test]
    async fn only_so_many_wait_for_a_gateway() {
        let (gateway, _courier) = Gateway::new("+4670".into(), "http://127.0.0.1:9/".parse().unwrap());
        let taken = (0..WAITING_MAX + 10).filter(|_| gateway.text("+46701", 1, "x")).count();
        assert_eq!(taken, WAITING_MAX);
    }
}
