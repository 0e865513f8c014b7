//! A search with an expression in the directory of a peer: several searches there, one for the client.

use std::collections::BTreeMap;

use tokio::time::{sleep, timeout};

use super::super::Sap;
use super::search::only_there;
use crate::element::common::search::kept::{Elsewhere, HITS_MAX, Hits, PAGE_MAX};
use crate::element::common::search::plan::Plan;
use crate::imps::primitive::{SearchPair, SearchRequest, User};
use crate::imps::{Code, Domain};
use crate::relay::ports::StoreError;

/// Answers in which a peer may hand out the hits of one search; one that needs more has too many.
const PAGES_MAX: usize = 32;

impl Sap {
    /// Makes the searches of a plan, a second apart, and gives what they found together. 535: they take longer
    /// than a client's request waits. 503: too many searches wait for this peer. 536: too many hits.
    pub(super) async fn search_in_parts(
        &self,
        by: &User,
        domain: &Domain,
        plan: &Plan,
        of_groups: bool,
    ) -> Result<Result<Hits, Code>, StoreError> {
        let searches = async {
            let mut found = BTreeMap::new();
            while let Some((number, pairs)) = plan.next(&found) {
                let Some(wait) = self.searches().wait(domain, self.now()) else {
                    return Ok(Err(Code::SERVICE_UNAVAILABLE));
                };
                sleep(wait).await;
                match self.all_hits(by, domain, pairs, of_groups).await? {
                    Ok(hits) => found.insert(number, hits),
                    Err(code) => return Ok(Err(code)),
                };
            }
            Ok(Ok(plan.merged(&found, of_groups)))
        };
        timeout(self.settings.hold_query, searches).await.unwrap_or(Ok(Err(Code::SEARCH_TIMED_OUT)))
    }

    /// Everything that one search finds in the directory of another domain.
    async fn all_hits(
        &self,
        by: &User,
        domain: &Domain,
        pairs: &[SearchPair],
        of_groups: bool,
    ) -> Result<Result<Hits, Code>, StoreError> {
        let limit = u32::try_from(PAGE_MAX).ok();
        let mut request = SearchRequest { pairs: pairs.to_vec(), limit, ..SearchRequest::default() };
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        let mut told: u32 = 0;
        for _ in 0..PAGES_MAX {
            let mut answer = match self.search_elsewhere(by, domain, request).await? {
                Ok(answer) => answer,
                Err(code) => return Ok(Err(code)),
            };
            let hits = u32::try_from(answer.users.len() + answer.groups.len()).unwrap_or(u32::MAX);
            told = told.saturating_add(hits);
            only_there(&mut answer, domain);
            users.append(&mut answer.users);
            groups.append(&mut answer.groups);
            let all = answer.findings.map_or(0, |all| all.max(told));
            let open = answer.id.take().filter(|_| !answer.complete);
            let too_many = all.max(told) as usize > HITS_MAX;
            match open {
                Some(id) if !too_many && hits > 0 => {
                    let index = told.checked_add(1);
                    request = SearchRequest { id: Some(id), index, limit, ..SearchRequest::default() };
                }
                rest => {
                    if let Some(id) = rest {
                        self.stop_elsewhere(by, Elsewhere { domain: domain.clone(), id }).await;
                    }
                    if too_many {
                        return Ok(Err(Code::TOO_MANY_HITS));
                    }
                    return Ok(Ok(if of_groups { Hits::Groups(groups) } else { Hits::Users(users) }));
                }
            }
        }
        if let Some(id) = request.id {
            self.stop_elsewhere(by, Elsewhere { domain: domain.clone(), id }).await;
        }
        Ok(Err(Code::TOO_MANY_HITS))
    }
}
