//! Whether the node is ready for work, and if not, why.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle that every part with a say holds. Ready is when nobody holds a reason against it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<&'static str>>>);

impl Readiness {
    /// Not ready for these reasons, until each is [`Self::settled`]: `store`, `listeners`.
    pub fn waiting_for(reasons: &[&'static str]) -> Self {
        Self(Arc::new(Mutex::new(reasons.iter().copied().collect())))
    }

    /// This reason is gone.
    pub fn settled(&self, reason: &str) {
        self.lock().remove(reason);
    }

    /// Not ready for this reason: `draining`.
    pub fn not_ready(&self, reason: &'static str) {
        self.lock().insert(reason);
    }

    /// Why not; nothing means ready.
    pub fn reasons(&self) -> Vec<&'static str> {
        self.lock().iter().copied().collect()
    }

    /// A panic elsewhere does not make a set of words wrong.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
