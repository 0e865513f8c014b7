//! HTTP/2 on one connection of a peer: several requests at a time, within bounds.
//!
//! What is particular to this version, and what is done about it:
//!
//! * A caller may call a request off. A handler that has begun is carried to its end all the same, and
//!   holds its place among the requests of the connection until then: calling off and asking again
//!   (*rapid reset*) gets nobody more work than `streams_max`. Who calls off more than it lets us answer,
//!   by [`RESETS_MAX`], loses the connection.
//! * Heads, windows and what may wait in either direction are bounded by the settings below; the library
//!   bounds what is left (header tables, continuations, pings, settings).
//! * A connection without requests is closed after the idle time, told by GOAWAY; pings do not count. Who
//!   does not go then, nor at a drain or a change of trust, is cut after the drain time.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::Answer;
use super::accept::Server;
use crate::imps::agreement::PeerIdentity;
use crate::net::io::{WriteTimeout, words};

/// Requests that a caller may have called off beyond those that were answered.
const RESETS_MAX: usize = 100;
/// Octets of one body, and of all bodies of a connection, that a caller may send before they are read.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Octets of one answer that wait for the caller.
const SEND_OCTETS_MAX: usize = 64 * 1024;
/// Requests that may be called off before we have looked at them.
const UNSEEN_RESETS_MAX: usize = 20;
/// Streams that we reset because the caller broke a rule of HTTP/2.
const FAULTS_MAX: usize = 100;

impl Server {
    /// Speaks HTTP/2 on one connection until it ends, or what is in hand is answered after `until`.
    pub(super) async fn http2<S, F, W>(
        &self,
        stream: S,
        from: SocketAddr,
        peer: &PeerIdentity,
        until: &CancellationToken,
        begin: F,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn(Request<Incoming>) -> W + Send + Sync + 'static,
        W: Future<Output = Answer> + Send + 'static,
    {
        let desk = Arc::new(Desk::new(self));
        let ended = self.converse(stream, until, &desk, begin).await;
        match ended {
            End::Quiet => {}
            End::Cut => debug!(listener = self.name, %from, "a connection was cut: it did not end in time"),
            End::Flood => {
                self.reject(from, Some(peer), "resets", ());
            }
            End::Failed(found) => {
                if !is_io(&found) {
                    self.reject(from, Some(peer), "http2", ());
                }
                debug!(listener = self.name, %from, found = words(&found), "connection ended");
            }
        }
        // What has begun is carried through.
        desk.tasks.close();
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = desk.tasks.wait() => {}
        }
    }

    async fn converse<S, F, W>(&self, stream: S, until: &CancellationToken, desk: &Arc<Desk>, begin: F) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn(Request<Incoming>) -> W + Send + Sync + 'static,
        W: Future<Output = Answer> + Send + 'static,
    {
        let begin = Arc::new(begin);
        let service = service_fn(|request| {
            let (seat, begin) = (Seat::take(desk), begin.clone());
            async move {
                // Who calls off while it waits for its turn has cost nothing.
                let turn = seat.desk.turns.clone().acquire_owned().await.ok();
                let answer = Carried::new(begin(request), turn, &seat.desk).await;
                seat.answered();
                Ok::<_, Infallible>(answer.into_response())
            }
        });
        let io = TokioIo::new(WriteTimeout::new(stream, self.limits.write_timeout));
        let connection = http2::Builder::new(Tasks(desk.tasks.clone()))
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams_max)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(self.limits.head_octets_max).unwrap_or(u32::MAX))
            .max_send_buf_size(SEND_OCTETS_MAX)
            .max_pending_accept_reset_streams(UNSEEN_RESETS_MAX)
            .max_local_error_reset_streams(FAULTS_MAX)
            .serve_connection(io, service);
        let mut connection = pin!(connection);
        let mut leaving = false;
        let mut cut = pin!(sleep(Duration::ZERO));
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return End::Quiet,
                () = desk.flooded.cancelled() => return End::Flood,
                () = &mut cut, if leaving => return End::Cut,
                ended = connection.as_mut() => return ended.map_or_else(End::Failed, |()| End::Quiet),
                () = self.last_call(until, desk), if !leaving => {
                    leaving = true;
                    cut.as_mut().reset(Instant::now() + self.limits.drain_timeout);
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Waits for a reason to end the connection.
    async fn last_call(&self, until: &CancellationToken, desk: &Desk) {
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = until.cancelled() => {}
            () = desk.idle(self.limits.idle_timeout) => {}
        }
    }
}

/// How a connection ended.
enum End {
    Quiet,
    /// It was told to end and did not.
    Cut,
    /// Too many requests were called off.
    Flood,
    Failed(hyper::Error),
}

/// Where the requests of one connection come together.
struct Desk {
    listener: &'static str,
    /// One for each request that is worked on.
    turns: Arc<Semaphore>,
    /// Everything that goes on for this connection.
    tasks: TaskTracker,
    /// Stop at once.
    stop: CancellationToken,
    /// Requests that wait for their answer.
    open: AtomicUsize,
    /// When the last one came or was answered.
    last: Mutex<Instant>,
    /// Requests that were called off, less those that were answered.
    resets: AtomicUsize,
    flooded: CancellationToken,
}

impl Desk {
    fn new(server: &Server) -> Self {
        let turns = usize::try_from(server.limits.streams_max).unwrap_or(usize::MAX);
        Self {
            listener: server.name,
            turns: Arc::new(Semaphore::new(turns.clamp(1, Semaphore::MAX_PERMITS))),
            tasks: TaskTracker::new(),
            stop: server.stop.clone(),
            open: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
            resets: AtomicUsize::new(0),
            flooded: CancellationToken::new(),
        }
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until there was no request for so long.
    async fn idle(&self, limit: Duration) {
        loop {
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let since = if self.open.load(Ordering::Acquire) > 0 { Instant::now() } else { last };
            let due = since + limit;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// One request, from its head to its answer or its being called off.
struct Seat {
    desk: Arc<Desk>,
    answered: bool,
}

impl Seat {
    fn take(desk: &Arc<Desk>) -> Self {
        desk.open.fetch_add(1, Ordering::AcqRel);
        desk.touch();
        Self { desk: desk.clone(), answered: false }
    }

    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let desk = &self.desk;
        desk.touch();
        desk.open.fetch_sub(1, Ordering::AcqRel);
        if self.answered {
            let less = |resets: usize| resets.checked_sub(1);
            let _ = desk.resets.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        } else if desk.resets.fetch_add(1, Ordering::AcqRel) >= RESETS_MAX {
            desk.flooded.cancel();
        }
    }
}

/// Work that is carried to its end though nobody waits for it any more.
struct Carried {
    work: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    turn: Option<OwnedSemaphorePermit>,
    desk: Arc<Desk>,
}

impl Carried {
    fn new(
        work: impl Future<Output = Answer> + Send + 'static,
        turn: Option<OwnedSemaphorePermit>,
        desk: &Arc<Desk>,
    ) -> Self {
        Self { work: Some(Box::pin(work)), turn, desk: desk.clone() }
    }
}

impl Future for Carried {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let answer = std::task::ready!(work.as_mut().poll(cx));
        self.work = None;
        self.turn = None;
        Poll::Ready(answer)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        // A runtime that ends carries nothing through.
        if Handle::try_current().is_err() {
            return;
        }
        let (turn, stop) = (self.turn.take(), self.desk.stop.clone());
        let listener = self.desk.listener;
        self.desk.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => warn!(listener, "a request that was called off was cut"),
                _ = work => {}
            }
            drop(turn);
        });
    }
}

/// Runs what goes on for a connection.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> Executor<F> for Tasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// Whether the network ended the connection, and not a rule of HTTP/2.
fn is_io(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
