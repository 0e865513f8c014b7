//! HTTP/1.1: one POST after the other, driven by the lane that owns the connection. There is no task
//! behind it, so a POST costs no switch between tasks.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{ANSWER_OCTETS_MAX, Body, HEAD_OCTETS_MAX, Lost, PostAnswer};
use crate::net::io::words;
use crate::net::tls::{self, HandshakeError};

type Driver = http1::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>>;

/// A connection that speaks HTTP/1.1.
pub(super) struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    driver: Option<Pin<Box<Driver>>>,
    /// How it ended.
    ended: Option<hyper::Error>,
}

impl Line {
    pub(super) async fn open(stream: TlsStream<TcpStream>) -> Result<Self, HandshakeError> {
        let (sender, driver) = http1::Builder::new()
            .title_case_headers(true)
            .max_header_size(HEAD_OCTETS_MAX)
            .max_buf_size(ANSWER_OCTETS_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|found| HandshakeError::Protocol(found.to_string()))?;
        Ok(Self { sender, driver: Some(Box::pin(driver)), ended: None })
    }

    /// Looks for a close that has arrived meanwhile.
    pub(super) fn is_usable(&mut self) -> bool {
        self.advance(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && !self.sender.is_closed()
    }

    pub(super) async fn closed(&mut self) {
        poll_fn(|cx| {
            self.advance(cx);
            if self.driver.is_none() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub(super) fn give_up(&mut self) {
        self.driver = None;
    }

    /// The TLS alert that ended the connection, if one did.
    pub(super) fn refusal(&self) -> Option<HandshakeError> {
        self.ended.as_ref().and_then(|ended| tls::alert_in(ended))
    }

    /// `answers`: they may come in the body of the HTTP answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        answers: bool,
    ) -> Result<PostAnswer, Lost> {
        let ready = self.drive(|line, cx| line.sender.poll_ready(cx)).await;
        if ready.is_err() {
            return Err(Lost::Unsent);
        }
        let mut sending = pin!(self.sender.try_send_request(request));
        let response = self.drive(|_, cx| sending.as_mut().poll(cx)).await;
        match response {
            Ok(response) => {
                let answer = PostAnswer::of(&response);
                let answers = self.body(response, answers).await?;
                Ok(PostAnswer { answers, ..answer })
            }
            Err(mut failed) => {
                let unsent = failed.take_message().is_some();
                let found = failed.into_error();
                Err(match self.refusal().or_else(|| tls::alert_in(&found)) {
                    Some(reason) => Lost::Refused(reason),
                    None if unsent => Lost::Unsent,
                    None if found.is_parse() || found.is_parse_too_large() => Lost::Protocol(words(&found)),
                    None => Lost::Closed(self.ended.as_ref().map_or_else(|| words(&found), words)),
                })
            }
        }
    }

    /// Reads the body of an answer.
    async fn body(&mut self, response: Response<Incoming>, answers: bool) -> Result<Bytes, Lost> {
        let mut read = Body::of(&response, answers);
        let mut body = response.into_body();
        loop {
            let mut frame = pin!(body.frame());
            let fits = match self.drive(|_, cx| frame.as_mut().poll(cx)).await {
                None => break,
                Some(Ok(data)) => data.data_ref().is_none_or(|piece| read.push(piece)),
                Some(Err(found)) if read.is_kept() => return Err(Lost::Closed(words(&found))),
                Some(Err(_)) => false,
            };
            if !fits {
                self.give_up();
                break;
            }
        }
        Ok(read.done())
    }

    /// Waits for `step`, keeping the connection moving meanwhile.
    async fn drive<T>(&mut self, mut step: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>) -> T {
        poll_fn(|cx| {
            self.advance(cx);
            step(self, cx)
        })
        .await
    }

    fn advance(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(ended) = driver.as_mut().poll(cx)
        {
            self.driver = None;
            self.ended = ended.err();
        }
    }
}
