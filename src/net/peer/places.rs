//! Where a peer is reached: the addresses of its domain, the good one first, and remembered as long
//! as DNS allows (decisions.md 9).

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::imps::agreement::Agreement;
use crate::imps::{Chance, Moment};
use crate::net::discover::{Candidate, Discover, DiscoverError};

/// The addresses of one peer.
#[derive(Default)]
pub(super) struct Places(Mutex<Known>);

#[derive(Default)]
struct Known {
    candidates: Vec<Candidate>,
    expires: Moment,
}

impl Places {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses that were found before, in the order in which to try them.
    pub(super) fn remembered(&self, now: Moment) -> Option<Vec<Candidate>> {
        let known = self.known();
        (!known.candidates.is_empty() && now < known.expires).then(|| known.candidates.clone())
    }

    /// Asks for the addresses, and remembers them.
    pub(super) async fn find(
        &self,
        discover: &Discover,
        agreement: &Agreement,
        now: Moment,
        chance: Box<dyn Chance>,
    ) -> Result<Vec<Candidate>, DiscoverError> {
        let mut chance = chance;
        let targets = discover.find(&agreement.domain, &agreement.endpoints, now).await?;
        let candidates = targets.candidates(&mut *chance);
        *self.known() = Known { candidates: candidates.clone(), expires: targets.expires };
        Ok(candidates)
    }

    /// How many addresses are known.
    pub(super) fn len(&self) -> usize {
        self.known().candidates.len()
    }

    /// This one answered: it is tried first from now on.
    pub(super) fn good(&self, target: &Candidate) {
        let mut known = self.known();
        if known.candidates.first() != Some(target)
            && let Some(place) = known.candidates.iter().position(|known| known == target)
        {
            let good = known.candidates.remove(place);
            known.candidates.insert(0, good);
        }
    }

    /// This one failed: it is tried last from now on.
    pub(super) fn bad(&self, target: &Candidate) {
        let mut known = self.known();
        if let Some(place) = known.candidates.iter().position(|known| known == target) {
            let failed = known.candidates.remove(place);
            known.candidates.push(failed);
        }
    }

    /// None of them could be reached.
    pub(super) fn forget(&self) {
        self.known().candidates.clear();
    }
}
