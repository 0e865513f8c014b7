//! Load: connections that post the same message again and again, each as soon as the one before is
//! answered, or at an even pace.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use causeway::cli::phone::{Manner, Phone};
use causeway::imps::Version;
use causeway::wire::Encoding;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What a level brought.
pub(crate) struct Level {
    pub(crate) messages: usize,
    pub(crate) per_second: f64,
    pub(crate) cpu_micros: f64,
}

/// One client: a session, and a kept connection.
pub(crate) struct Lane {
    server: SocketAddr,
    stream: Option<TcpStream>,
    session: String,
    /// Users who are written to, in turn: their number and their domain. One alone would have his mailbox
    /// full after some thousands.
    recipients: (u64, String),
    content: String,
    next: u64,
    buffer: Vec<u8>,
}

impl Lane {
    /// A lane to a server that does not look at what is posted.
    pub(crate) fn plain(server: SocketAddr, content_octets: usize) -> Self {
        Self {
            server,
            stream: None,
            session: "none".to_owned(),
            recipients: (1, "other.example".to_owned()),
            content: "0123456789abcdef".repeat(content_octets / 16),
            next: 0,
            buffer: Vec::new(),
        }
    }

    /// The same client at another server.
    pub(crate) fn aimed_at(&self, server: SocketAddr) -> Self {
        Self {
            server,
            stream: None,
            session: self.session.clone(),
            recipients: self.recipients.clone(),
            content: self.content.clone(),
            next: 0,
            buffer: Vec::new(),
        }
    }

    fn request(&mut self) -> Vec<u8> {
        self.next += 1;
        let (recipients, to) = &self.recipients;
        let recipient = format!("wv:r{}@{to}", self.next % recipients);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <WV-CSP-Message xmlns=\"http://www.openmobilealliance.org/DTD/WV-CSP1.2\"><Session>\
             <SessionDescriptor><SessionType>Inband</SessionType><SessionID>{}</SessionID></SessionDescriptor>\
             <Transaction><TransactionDescriptor><TransactionMode>Request</TransactionMode>\
             <TransactionID>{}</TransactionID></TransactionDescriptor>\
             <TransactionContent xmlns=\"http://www.openmobilealliance.org/DTD/WV-TRC1.2\"><SendMessage-Request>\
             <DeliveryReport>F</DeliveryReport><MessageInfo><ContentType>text/plain</ContentType>\
             <ContentSize>{}</ContentSize><Recipient><User><UserID>{}</UserID></User></Recipient></MessageInfo>\
             <ContentData>{}</ContentData></SendMessage-Request></TransactionContent></Transaction></Session>\
             </WV-CSP-Message>",
            self.session,
            self.next,
            self.content.len(),
            recipient,
            self.content
        );
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/vnd.wv.csp.xml\r\nContent-Length: {}\r\n\r\n",
            self.server,
            body.len()
        );
        [head.into_bytes(), body.into_bytes()].concat()
    }

    /// Posts one message and reads the answer. A connection that breaks is made anew and the same
    /// message posted again, as a phone does: the server recognises it.
    async fn once(&mut self) {
        let request = self.request();
        for _ in 0..5 {
            if self.exchange(&request).await.is_ok() {
                return;
            }
            self.stream = None;
        }
        panic!("{} does not answer", self.server);
    }

    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.server).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().unwrap();
        stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&self.buffer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")
                    .and_then(|found| found.trim().parse().ok())
            });
            if body.len() >= length.unwrap_or(0usize) {
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                assert!(body.is_empty() || body.contains("<Code>200</Code>"), "{body}");
                return Ok(());
            }
        }
    }
}

/// Every lane posts as fast as it is answered; how many were answered in this time.
pub(crate) async fn closed(lanes: &mut [Lane], duration: Duration) -> usize {
    let until = Instant::now() + duration;
    let mut tasks = JoinSet::new();
    for lane in lanes.iter_mut() {
        let mut own = lane.aimed_at(lane.server);
        std::mem::swap(lane, &mut own);
        tasks.spawn(async move {
            let mut messages = 0;
            while Instant::now() < until {
                own.once().await;
                messages += 1;
            }
            (own, messages)
        });
    }
    let mut messages = 0;
    let mut place = lanes.iter_mut();
    while let Some(done) = tasks.join_next().await {
        let (lane, count) = done.unwrap();
        *place.next().unwrap() = lane;
        messages += count;
    }
    messages
}

/// So many messages a second in all, evenly; the delay of each until its answer.
pub(crate) async fn paced(lanes: &mut [Lane], per_second: usize, duration: Duration) -> Vec<Duration> {
    let step = Duration::from_secs_f64(lanes.len() as f64 / per_second as f64);
    let begin = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for (number, lane) in lanes.iter_mut().enumerate() {
        let mut own = lane.aimed_at(lane.server);
        std::mem::swap(lane, &mut own);
        let first = begin + step.mul_f64(number as f64 / 64.0);
        tasks.spawn(async move {
            let mut delays = Vec::new();
            let mut due = first;
            while due < begin + duration {
                tokio::time::sleep_until(due).await;
                own.once().await;
                delays.push(due.elapsed());
                due += step;
            }
            (own, delays)
        });
    }
    let mut delays = Vec::new();
    let mut place = lanes.iter_mut();
    while let Some(done) = tasks.join_next().await {
        let (lane, more) = done.unwrap();
        *place.next().unwrap() = lane;
        delays.extend(more);
    }
    delays
}

/// The delay below which this part of all delays lies, milliseconds.
pub(crate) fn sample(sorted: &[Duration], part: f64) -> f64 {
    let place = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(0.0, |delay| delay.as_secs_f64() * 1e3)
}

fn phone(server: SocketAddr, user: &str) -> Phone {
    let manner = Manner { version: Version::V1_2, encoding: Encoding::Xml, digest: false };
    Phone::new(server, user.parse().unwrap(), "bench", manner)
}

/// Logs the writers in.
pub(crate) async fn log_in(
    server: SocketAddr,
    senders: usize,
    content_octets: usize,
    recipients: usize,
    (from, to): (&str, &str),
) -> Vec<Lane> {
    let content = "0123456789abcdef".repeat(content_octets / 16);
    let mut lanes = Vec::new();
    for number in 0..senders {
        let mut phone = phone(server, &format!("wv:w{number}@{from}"));
        phone.login("secret").await.unwrap();
        lanes.push(Lane {
            server,
            stream: None,
            session: phone.session().unwrap().to_string(),
            recipients: (recipients as u64, to.to_owned()),
            content: content.clone(),
            // Not all of them write to the same one at a time.
            next: 1000 + number as u64,
            buffer: Vec::new(),
        });
    }
    lanes
}

/// Makes the accounts of those who are written to.
pub(crate) async fn register(server: SocketAddr, domain: &str, recipients: usize) {
    for number in 0..recipients {
        let mut phone = phone(server, &format!("wv:r{number}@{domain}"));
        phone.login("secret").await.unwrap();
        phone.logout().await.unwrap();
    }
}

/// Waits until a node answers that it is ready.
pub(crate) async fn ready(admin: SocketAddr) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        if let Ok(mut stream) = TcpStream::connect(admin).await {
            let _ = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            if answer.starts_with("HTTP/1.1 200") {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the node at {admin} does not get ready");
}
