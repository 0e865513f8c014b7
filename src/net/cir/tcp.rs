//! Standalone TCP: the connection that a client makes to be called on (STCP, reference csp.md §3.1).
//!
//! ```text
//! C: HELO <SessionID>   S: OK             the connection is attached to the session
//!                       S: WVCI 1.2 …     poll!
//! C: PING               S: OK             still here
//! ```
//!
//! A connection without HELO goes after [`GREETING_WAIT`], a silent one after [`SILENCE_MAX`]; an unknown
//! session is answered by closing. One connection may carry several sessions of one handset. Those that
//! have not greeted have places of their own, so that strangers cannot take the places of clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::lines::{Line, Lines, Word};
use crate::imps::SessionId;
use crate::relay::events::{Events, Listener};
use crate::sap::Sap;
use crate::session::csp::cir::text::{LINE_OCTETS_MAX, OK_LINE, Said, said};

/// How long a connection may be without HELO (reference csp.md §3.1).
pub const GREETING_WAIT: Duration = Duration::from_secs(30);
/// How long a connection may be silent: clients ping every 15 or 20 minutes (reference csp.md §3.1).
pub const SILENCE_MAX: Duration = Duration::from_secs(45 * 60);
/// How long a client may take no octet of a line.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// Connections at a time.
pub const CONNECTIONS_MAX: usize = 131_072;
/// Connections at a time that have not greeted.
pub const STRANGERS_MAX: usize = 1024;
/// Sessions of one connection.
const SESSIONS_MAX: usize = 16;
/// Pause after the system could not give us a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Octets of the buffer in which lines are put together.
const BUFFER_OCTETS: usize = LINE_OCTETS_MAX + 2;

/// What the connections of all listeners share.
#[derive(Clone)]
pub struct Switchboard {
    sap: Arc<Sap>,
    lines: Arc<Lines>,
    events: Arc<dyn Events>,
    places: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    greeting_wait: Duration,
}

impl std::fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switchboard").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl Switchboard {
    /// Connections for the sessions of this Service Access Point.
    pub fn new(sap: Arc<Sap>, lines: Arc<Lines>) -> Self {
        Self {
            events: Arc::clone(sap.events()),
            sap,
            lines,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            greeting_wait: GREETING_WAIT,
        }
    }

    /// Takes connections until told to stop, then closes them all: clients come back when the node does.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = async {
                    let place = self.places.clone().acquire_owned().await;
                    let stranger = self.strangers.clone().acquire_owned().await;
                    (listener.accept().await, place, stranger)
                } => accepted,
            };
            let (accepted, Ok(place), Ok(stranger)) = accepted else { break };
            match accepted {
                Ok((stream, from)) => {
                    // A line must not wait for more to come. If it cannot be set, it does.
                    let _ = stream.set_nodelay(true);
                    let (board, stop) = (self.clone(), stop.clone());
                    connections.spawn(async move {
                        board.connection(stream, from, stranger, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "no connection for calls could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        connections.close();
        connections.wait().await;
        info!("connections for calls are closed");
    }

    /// One connection from its first line to its end.
    async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        from: SocketAddr,
        stranger: OwnedSemaphorePermit,
        stop: CancellationToken,
    ) {
        let (line, words) = self.lines.line();
        let mut open = Open {
            board: self,
            stream,
            line,
            words,
            buffer: [0; BUFFER_OCTETS],
            filled: 0,
            sessions: Vec::new(),
            stranger: Some(stranger),
        };
        let why = tokio::select! {
            biased;
            () = stop.cancelled() => "this node stops",
            why = open.run() => why,
        };
        debug!(%from, why, "a connection for calls ends");
        let Open { sessions, line, mut stream, .. } = open;
        // The client hears the end, if it still listens.
        let _ = timeout(WRITE_WAIT, stream.shutdown()).await;
        for session in sessions {
            if self.lines.detach(&session, &line) {
                self.sap.detached(&session);
            }
        }
        self.events.cir_connections(self.lines.len());
    }
}

/// An open connection.
struct Open<'b, S> {
    board: &'b Switchboard,
    stream: S,
    line: Line,
    words: mpsc::Receiver<Word>,
    /// What was read of a line.
    buffer: [u8; BUFFER_OCTETS],
    filled: usize,
    sessions: Vec<SessionId>,
    /// Its place among those that have not greeted.
    stranger: Option<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Open<'_, S> {
    /// Until it ends: why.
    async fn run(&mut self) -> &'static str {
        let mut until = Instant::now() + self.board.greeting_wait;
        loop {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let ended = tokio::select! {
                read = self.stream.read(room) => match read {
                    Ok(0) | Err(_) => Some("the client closed it"),
                    Ok(octets) => {
                        self.filled += octets;
                        let ended = self.lines().await;
                        if self.stranger.is_none() {
                            until = Instant::now() + SILENCE_MAX;
                        }
                        ended
                    }
                },
                word = self.words.recv() => match word {
                    Some(word) => self.told(word).await,
                    None => Some("nobody calls any more"),
                },
                () = tokio::time::sleep_until(until) => Some("silence"),
            };
            if let Some(why) = ended {
                return why;
            }
        }
    }

    /// The whole lines of the buffer; why the connection ends with one of them.
    async fn lines(&mut self) -> Option<&'static str> {
        loop {
            let read = self.buffer.get(..self.filled).unwrap_or_default();
            let Some(end) = read.iter().position(|octet| *octet == b'\n') else { break };
            let heard = said(read.get(..end).unwrap_or_default());
            self.buffer.copy_within(end + 1..self.filled, 0);
            self.filled -= end + 1;
            if let Some(why) = self.line(heard).await {
                return Some(why);
            }
        }
        if self.filled == self.buffer.len() {
            self.board.events.wire_rejected(Listener::Csp, "limit");
            return Some("a line is too long");
        }
        None
    }

    async fn line(&mut self, heard: Option<Said>) -> Option<&'static str> {
        match heard {
            Some(Said::Hello(session)) => self.hello(session).await,
            Some(Said::Ping) if self.stranger.is_none() => self.write(OK_LINE).await,
            // Before HELO nothing is answered, and what is neither is nothing.
            Some(Said::Ping) => Some("a ping before HELO"),
            None if self.stranger.is_some() => Some("no HELO"),
            None => None,
        }
    }

    async fn hello(&mut self, session: SessionId) -> Option<&'static str> {
        if !self.board.sap.can_be_called(&session) {
            return Some("an unknown session");
        }
        if !self.sessions.contains(&session) {
            if self.sessions.len() >= SESSIONS_MAX {
                return Some("too many sessions");
            }
            self.sessions.push(session.clone());
        }
        self.stranger = None;
        let ended = self.write(OK_LINE).await;
        if ended.is_none() {
            self.board.lines.attach(&session, &self.line);
            self.board.events.cir_connections(self.board.lines.len());
            // What waits already is called out at once, behind the OK.
            self.board.sap.attached(&session).await;
        }
        ended
    }

    async fn told(&mut self, word: Word) -> Option<&'static str> {
        match word {
            Word::Say(text) => self.write(format!("{text}\r\n").as_bytes()).await,
            Word::Gone(session) => {
                self.sessions.retain(|other| *other != session);
                self.sessions.is_empty().then_some("its sessions are gone")
            }
        }
    }

    async fn write(&mut self, octets: &[u8]) -> Option<&'static str> {
        match timeout_at(Instant::now() + WRITE_WAIT, self.stream.write_all(octets)).await {
            Ok(Ok(())) => None,
            _ => Some("the client takes nothing"),
        }
    }
}
