//! Handlers that outlive their connection.
//!
//! hyper drops the future of a request when the caller hangs up. A handler may then stand between a
//! commit and what follows from it. So the future itself is kept in a place beside the connection,
//! hyper only holds a handle that polls it, and what is left when the connection ends is run to its
//! end by the same task.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};

use super::Answer;

type Work = Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

/// The one request that a connection is working on.
#[derive(Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<Work>>>);

impl Place {
    /// Puts a request in; the handle polls it.
    pub(super) fn begin(&self, work: impl Future<Output = Response<Full<Bytes>>> + Send + 'static) -> Handle {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(Box::pin(work));
        // HTTP/1 has one request in hand at a time; hyper drops the handle before it calls again.
        debug_assert!(left.is_none(), "two requests at a time on one connection");
        Handle(self.0.clone())
    }

    /// Takes out what the connection did not wait for.
    pub(super) fn left(&self) -> Option<Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Polls the request in its place.
pub(super) struct Handle(Arc<Mutex<Option<Work>>>);

impl Future for Handle {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The lock is only ever held for one poll, by the task that owns the connection.
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(work) = place.as_mut() else {
            return Poll::Ready(Ok(Answer::empty(StatusCode::INTERNAL_SERVER_ERROR).into_response()));
        };
        let Poll::Ready(response) = work.as_mut().poll(cx) else { return Poll::Pending };
        *place = None;
        Poll::Ready(Ok(response))
    }
}
