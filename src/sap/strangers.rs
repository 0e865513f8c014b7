//! Strangers: providers without an agreement, who become guests where federation is open ([`crate::relay::guests`]).
//!
//! Whatever divides a request by domains does so by the routes that there are. Where one of those who are named is a
//! stranger, it is introduced first; then there is a route, or there is none and the answer is 516 as ever.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Sap;
use crate::imps::{Code, Domain};
use crate::relay::admit::Admitted;
use crate::relay::guests::{Begins, Introduced, Strangers};

/// So many strangers of one request are looked for at a time.
const AT_ONCE: usize = 16;
/// So long a request waits for all of them: a little longer than looking for one may take.
const PATIENCE: Duration = Duration::from_secs(12);

impl Sap {
    /// Says who makes guests of strangers; once, where there are links at all.
    pub fn connect_strangers(&self, strangers: Arc<dyn Strangers>) {
        // A second call would be a mistake of the composition root and changes nothing.
        let _ = self.strangers.set(strangers);
    }

    /// A stranger comes with a certificate of this domain that it may be a guest with.
    pub async fn stranger_comes(&self, domain: Domain) -> Introduced {
        match self.strangers.get() {
            Some(strangers) => strangers.introduce(domain, Begins::They).await,
            None => Introduced::Later,
        }
    }

    /// Makes guests of the strangers among these domains, as far as there are such providers. 503: one of them has
    /// to wait, and so has the whole request.
    pub(super) async fn meet<'d>(&self, domains: impl IntoIterator<Item = &'d str>) -> Result<(), Code> {
        let strangers: BTreeSet<Domain> = {
            let map = self.map();
            if !map.directory.is_open() {
                return Ok(());
            }
            domains.into_iter().filter_map(|domain| map.routes.stranger(domain)).collect()
        };
        if strangers.is_empty() { Ok(()) } else { Box::pin(self.introduce(strangers)).await }
    }

    /// The same for whoever a request of a client names itself.
    pub(super) async fn meet_those_in(&self, admitted: &Admitted) -> Result<(), Code> {
        let is_open = self.map().directory.is_open();
        if is_open { self.meet(admitted.domains()).await } else { Ok(()) }
    }

    async fn introduce(&self, strangers: BTreeSet<Domain>) -> Result<(), Code> {
        let Some(door) = self.strangers.get() else { return Ok(()) };
        let mut left = strangers.into_iter();
        let mut asked = JoinSet::new();
        let all = async {
            for stranger in left.by_ref().take(AT_ONCE) {
                asked.spawn(door.introduce(stranger, Begins::We));
            }
            while let Some(met) = asked.join_next().await {
                if met.is_ok_and(|met| met == Introduced::Later) {
                    return Err(Code::SERVICE_UNAVAILABLE);
                }
                if let Some(stranger) = left.next() {
                    asked.spawn(door.introduce(stranger, Begins::We));
                }
            }
            Ok(())
        };
        // What was found so far is known the next time.
        timeout(PATIENCE, all).await.unwrap_or(Err(Code::SERVICE_UNAVAILABLE))
    }
}
