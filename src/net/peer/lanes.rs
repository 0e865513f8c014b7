//! Lanes: the connections to one peer.
//!
//! A lane is a task that owns one HTTP/1.1 connection (or what stands for one, see
//! [`super::carrier`]) and takes one POST after the other from the queue it shares with its sisters. Lanes are made when a POST finds none free, up to a bound, and
//! go when they had nothing to do for a while. So no POST costs a task or a connection of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::carrier::Job;

/// A lane without work goes after this time, well before peers close idle connections
/// (reference legacy-peer §1: 60 to 70 s).
pub(super) const IDLE: Duration = Duration::from_secs(50);

/// The queue of POSTs and the count of lanes that serve it. Bounded by the link, which hands out no
/// more POSTs than its settings allow in flight.
#[derive(Default)]
pub(super) struct Lanes {
    jobs: Mutex<VecDeque<Job>>,
    ready: Notify,
    /// Lanes that wait for work.
    free: AtomicUsize,
    /// Lanes there are.
    open: AtomicUsize,
}

impl Lanes {
    /// Queues a POST; `true` if another lane should be made for it, which then counts as open.
    pub(super) fn push(&self, job: Job, lanes_max: usize) -> bool {
        let waiting = {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.push_back(job);
            jobs.len()
        };
        self.ready.notify_one();
        if waiting <= self.free.load(Ordering::Acquire) {
            return false;
        }
        self.open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| (open < lanes_max).then_some(open + 1))
            .is_ok()
    }

    fn take(&self) -> Option<Job> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The next POST; `None` when none came for [`IDLE`]: the lane then no longer counts and has to
    /// end. Cancel-safe but for the count of free lanes, so it is polled to its end.
    pub(super) async fn next(&self) -> Option<Job> {
        loop {
            if let Some(job) = self.take() {
                return Some(job);
            }
            self.free.fetch_add(1, Ordering::AcqRel);
            let woken = tokio::time::timeout(IDLE, self.ready.notified()).await;
            self.free.fetch_sub(1, Ordering::AcqRel);
            if woken.is_err() {
                // A POST may have come at the last moment.
                let last = self.take();
                if last.is_none() {
                    self.open.fetch_sub(1, Ordering::AcqRel);
                }
                return last;
            }
        }
    }
}
