//! HTTP/2: one connection that all lanes of a link share, each POST a stream of its own.
//!
//! The connection has a task behind it. It ends once nobody holds the line any more; a line that is
//! given up, because a POST over it failed or had no answer in time, carries what is under way to its
//! end and takes nothing new.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{Body, HEAD_OCTETS_MAX, Lost, PostAnswer};
use crate::net::io::{WriteTimeout, words};
use crate::net::tls::{self, HandshakeError};

/// Streams that are opened before the peer has said how many it takes: with more, some might be refused.
const FIRST_STREAMS: usize = 1;
/// Octets of one answer, and of all together, that a peer may send before they are read: answers are empty or short.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Octets of one document that are kept ready for the network.
const SEND_OCTETS_MAX: usize = 256 * 1024;
/// How long a peer may take no octet of what we send.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that speaks HTTP/2.
pub(super) struct Line {
    sender: http2::SendRequest<Full<Bytes>>,
    given_up: AtomicBool,
    /// Cancelled once the connection has ended.
    over: CancellationToken,
    ended: Arc<Ended>,
}

/// How a connection ended.
#[derive(Default)]
struct Ended {
    alert: OnceLock<HandshakeError>,
    words: OnceLock<String>,
}

impl Line {
    pub(super) async fn open(stream: TlsStream<TcpStream>) -> Result<Self, HandshakeError> {
        let ended = Arc::new(Ended::default());
        let heard = Heard { inner: WriteTimeout::new(stream, WRITE_TIMEOUT), ended: Arc::clone(&ended) };
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .initial_max_send_streams(FIRST_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEAD_OCTETS_MAX).unwrap_or(u32::MAX))
            .max_send_buf_size(SEND_OCTETS_MAX)
            .handshake(TokioIo::new(heard))
            .await
            .map_err(|found| HandshakeError::Protocol(found.to_string()))?;
        let over = CancellationToken::new();
        let (last, how) = (over.clone().drop_guard(), Arc::clone(&ended));
        tokio::spawn(async move {
            if let Err(found) = driver.await {
                let _ = how.words.set(words(&found));
            }
            drop(last);
        });
        Ok(Self { sender, given_up: AtomicBool::new(false), over, ended })
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.given_up.load(Ordering::Acquire) && !self.sender.is_closed()
    }

    pub(super) async fn closed(&self) {
        self.over.cancelled().await;
    }

    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    /// The TLS alert that ended the connection, if one did.
    pub(super) fn refusal(&self) -> Option<HandshakeError> {
        Some(match self.ended.alert.get()? {
            HandshakeError::Alert(alert) => HandshakeError::Alert(*alert),
            other => HandshakeError::Protocol(other.to_string()),
        })
    }

    /// `answers`: they may come in the body of the HTTP answer.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        answers: bool,
    ) -> Result<PostAnswer, Lost> {
        match self.sender.clone().try_send_request(request).await {
            Ok(response) => {
                let answer = PostAnswer::of(&response);
                let read = Body::of(&response, answers);
                Ok(PostAnswer { answers: body(response.into_body(), read).await?, ..answer })
            }
            Err(mut failed) => {
                let unsent = failed.take_message().is_some();
                let found = failed.into_error();
                Err(match self.refusal() {
                    Some(reason) => Lost::Refused(reason),
                    None if unsent => Lost::Unsent,
                    None => Lost::Closed(self.ended.words.get().cloned().unwrap_or_else(|| words(&found))),
                })
            }
        }
    }
}

/// Reads the body of an answer; one that is too long is refused in its course.
async fn body(mut body: Incoming, mut read: Body) -> Result<Bytes, Lost> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(data) => {
                if !data.data_ref().is_none_or(|piece| read.push(piece)) {
                    break;
                }
            }
            Err(found) if read.is_kept() => return Err(Lost::Closed(words(&found))),
            Err(_) => break,
        }
    }
    Ok(read.done())
}

/// A stream that remembers the alert by which TLS ended: the library above keeps its words only.
struct Heard<S> {
    inner: WriteTimeout<S>,
    ended: Arc<Ended>,
}

impl<S> Heard<S> {
    fn note<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done
            && let Some(alert) = tls::alert_in(error)
        {
            let _ = self.ended.alert.set(alert);
        }
        done
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.note(done)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.note(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.note(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
