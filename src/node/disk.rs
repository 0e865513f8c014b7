//! Whether the disk takes what is written to it: counted like all else, and a reason against readiness.

use std::sync::Arc;
use std::time::Duration;

use crate::ops::metrics::Metrics;
use crate::ops::readiness::Readiness;
use crate::relay::events::Events;

/// The reason of `/readyz`.
pub(super) const STORE: &str = "store";

/// Hears what becomes of commits.
pub(super) struct DiskEvents {
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Readiness,
}

impl Events for DiskEvents {
    fn store_commit(&self, took: Duration) {
        self.metrics.store_commit(took);
    }

    fn store_commit_failed(&self) {
        self.metrics.store_commit_failed();
    }

    fn store_writes(&self, writes: bool) {
        if writes {
            self.readiness.settled(STORE);
        } else {
            self.readiness.not_ready(STORE);
        }
    }
}
