//! Reading a body within bounds of size, time and memory.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body, Bytes};
use tokio::time::{sleep, timeout};

use super::Answer;

/// Octets of a refused body that are read and forgotten, so that the caller gets to our answer.
const FORGOTTEN_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// How long that may take.
const FORGOTTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The octets that all bodies of a listener hold together.
#[derive(Debug)]
pub(super) struct Memory {
    held: AtomicUsize,
    max: usize,
}

impl Memory {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), max })
    }
}

/// A part of [`Memory`]; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    memory: Arc<Memory>,
    octets: usize,
}

impl Share {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        Self { memory: memory.clone(), octets: 0 }
    }

    fn grow(&mut self, octets: usize) -> bool {
        let before = self.memory.held.fetch_add(octets, Ordering::Relaxed);
        self.octets += octets;
        before.saturating_add(octets) <= self.memory.max
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyRefusal {
    TooLarge,
    Slow,
    Broken,
    NoMemory,
}

impl BodyRefusal {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "size",
            Self::Slow => "slow-body",
            Self::Broken => "broken-body",
            Self::NoMemory => "memory",
        }
    }

    pub(super) fn answer(self) -> Answer {
        match self {
            Self::TooLarge => Answer::empty(StatusCode::PAYLOAD_TOO_LARGE),
            Self::Slow => Answer::empty(StatusCode::REQUEST_TIMEOUT),
            Self::Broken => Answer::empty(StatusCode::BAD_REQUEST),
            Self::NoMemory => Answer::later(StatusCode::SERVICE_UNAVAILABLE, 1),
        }
    }
}

/// Reads a body of at most `octets_max`, in `limit`. Memory is taken as octets arrive, never for
/// what is only announced.
pub(super) async fn read<B>(
    body: B,
    octets_max: usize,
    limit: Duration,
    share: &mut Share,
) -> Result<Bytes, BodyRefusal>
where
    B: Body<Data = Bytes>,
{
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > octets_max) {
        return Err(BodyRefusal::TooLarge);
    }
    let mut body = pin!(body);
    // Most bodies come whole with the head and need no timer.
    let mut deadline = pin!(sleep(limit));
    let mut first = Bytes::new();
    let mut all = Vec::new();
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = &mut deadline => return Err(BodyRefusal::Slow),
        };
        let data = match frame {
            None => break,
            Some(Err(_)) => return Err(BodyRefusal::Broken),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_trailers) => continue,
            },
        };
        if first.len().max(all.len()) + data.len() > octets_max {
            return Err(BodyRefusal::TooLarge);
        }
        if !share.grow(data.len()) {
            return Err(BodyRefusal::NoMemory);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
                first = Bytes::new();
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { Bytes::from(all) })
}

/// Reads on for a moment without keeping anything: a caller that still sends when the connection is
/// closed would lose our answer to the reset.
pub(super) async fn forget<B>(body: B)
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut octets = 0;
    let _ = timeout(FORGOTTEN_TIMEOUT, async {
        while let Some(Ok(frame)) = body.frame().await {
            octets += frame.data_ref().map_or(0, Bytes::len);
            if octets > FORGOTTEN_OCTETS_MAX {
                break;
            }
        }
    })
    .await;
}
