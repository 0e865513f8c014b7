//! What searches found, kept until the searcher has seen it all.
//!
//! A search is kept in memory for ten minutes at most and ends with its searcher; after a restart its id is
//! unknown, 424, and the client searches again. A search that another provider answers is kept as the id
//! that it has there.

use std::collections::HashMap;
use std::time::Duration;

use crate::imps::primitive::SearchResponse;
use crate::imps::{Code, Domain, GroupId, Moment, SearchId, SessionId, Status, UserId};

/// Hits that one search keeps; more are answered 536.
pub const HITS_MAX: usize = 1000;
/// Hits in one answer, whatever the searcher asks for.
pub const PAGE_MAX: usize = 200;
/// Hits in one answer if the searcher does not say.
pub const PAGE: usize = 50;
/// Searches that one searcher may have open; the oldest makes room.
const SEARCHES_PER_OWNER_MAX: usize = 10;
/// Searches of everybody together; beyond them nothing is kept for later.
const SEARCHES_MAX: usize = 10_000;
/// Searches that one peer may begin at once; sustained it is one a second (reference ssp-behaviour §9).
const BURST: u32 = 10;
/// How long a search is kept.
const LIFE: Duration = Duration::from_secs(600);

/// Whose search it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Of a session of our client.
    Session(SessionId),
    /// Of somebody at another provider.
    Peer(Domain, Option<UserId>),
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hits {
    /// Users.
    Users(Vec<UserId>),
    /// Groups.
    Groups(Vec<GroupId>),
}

impl Hits {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much was found.
    pub fn len(&self) -> usize {
        match self {
            Self::Users(users) => users.len(),
            Self::Groups(groups) => groups.len(),
        }
    }
}

/// A search that another provider answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The domain that was asked.
    pub domain: Domain,
    /// Its id there.
    pub id: SearchId,
}

#[derive(Debug)]
enum Found {
    Here(Hits),
    There(Elsewhere),
}

#[derive(Debug)]
struct Kept {
    id: SearchId,
    until: Moment,
    found: Found,
}

/// How a search goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// With these hits.
    Page(SearchResponse),
    /// With what that provider answers.
    Elsewhere(Elsewhere),
}

/// The open searches of everybody.
#[derive(Debug, Default)]
pub struct Searches {
    of: HashMap<Owner, Vec<Kept>>,
    count: usize,
    last: u64,
    /// When the next search of a peer would be due if they came evenly.
    due: HashMap<Domain, Moment>,
    /// When the next search that we begin at a peer is due.
    asks: HashMap<Domain, Moment>,
}

impl Searches {
    /// Whether a peer may begin a search now; one that is begun counts.
    pub fn may_begin(&mut self, peer: &Domain, now: Moment) -> bool {
        let second = Duration::from_secs(1);
        let due = self.due.entry(peer.clone()).or_insert(now);
        *due = (*due).max(now);
        if due.since(now) >= second * BURST {
            return false;
        }
        *due = due.after(second);
        true
    }

    /// How long a search of a peer has to wait so that we begin no more than one a second there (reference
    /// ssp-behaviour §9); the search counts. `None`: too long, and it does not count.
    pub fn wait(&mut self, peer: &Domain, now: Moment) -> Option<Duration> {
        let second = Duration::from_secs(1);
        let due = self.asks.entry(peer.clone()).or_insert(now);
        *due = (*due).max(now);
        let wait = due.since(now);
        if wait >= second * BURST {
            return None;
        }
        *due = due.after(second);
        Some(wait)
    }

    /// The first answer of a search, which is kept if there is more. 536: too many hits.
    pub fn first(
        &mut self,
        owner: &Owner,
        hits: Hits,
        limit: Option<u32>,
        now: Moment,
    ) -> Result<SearchResponse, Code> {
        if hits.len() > HITS_MAX {
            return Err(Code::TOO_MANY_HITS);
        }
        let mut page = page(&hits, 1, limit);
        if !page.complete {
            page.id = Some(self.keep(owner, Found::Here(hits), now)?);
        }
        Ok(page)
    }

    /// Keeps a search that another provider answers; gives the id under which the searcher knows it.
    pub fn elsewhere(&mut self, owner: &Owner, search: Elsewhere, now: Moment) -> Result<SearchId, Code> {
        self.keep(owner, Found::There(search), now)
    }

    /// More of a search, from hit number `index` on. 424: there is no such search. 425: there is no such hit.
    pub fn next(
        &mut self,
        owner: &Owner,
        id: &SearchId,
        index: Option<u32>,
        limit: Option<u32>,
        now: Moment,
    ) -> Result<Next, Code> {
        let kept = self.of.get_mut(owner).and_then(|kept| kept.iter_mut().find(|kept| kept.id == *id));
        let kept = kept.filter(|kept| kept.until > now).ok_or(Code::INVALID_SEARCH)?;
        match &kept.found {
            Found::There(elsewhere) => Ok(Next::Elsewhere(elsewhere.clone())),
            Found::Here(hits) => {
                let index = usize::try_from(index.unwrap_or(1)).unwrap_or(usize::MAX);
                if index == 0 || index > hits.len() {
                    return Err(Code::INVALID_SEARCH_INDEX);
                }
                let mut page = page(hits, index, limit);
                page.id = Some(id.clone());
                Ok(Next::Page(page))
            }
        }
    }

    /// Forgets a search; gives where else it has to be stopped. 424: there is no such search.
    pub fn stop(&mut self, owner: &Owner, id: &SearchId, now: Moment) -> Result<Option<Elsewhere>, Code> {
        let kept = self.of.get_mut(owner).ok_or(Code::INVALID_SEARCH)?;
        let place = kept.iter().position(|kept| kept.id == *id).ok_or(Code::INVALID_SEARCH)?;
        let stopped = kept.remove(place);
        self.count = self.count.saturating_sub(1);
        if kept.is_empty() {
            self.of.remove(owner);
        }
        match stopped.found {
            _ if stopped.until <= now => Err(Code::INVALID_SEARCH),
            Found::There(elsewhere) => Ok(Some(elsewhere)),
            Found::Here(_) => Ok(None),
        }
    }

    /// The searcher is gone.
    pub fn forget(&mut self, owner: &Owner) {
        if let Some(kept) = self.of.remove(owner) {
            self.count = self.count.saturating_sub(kept.len());
        }
    }

    /// Forgets what is over.
    pub fn sweep(&mut self, now: Moment) {
        self.of.retain(|_, kept| {
            kept.retain(|kept| kept.until > now);
            !kept.is_empty()
        });
        self.count = self.of.values().map(Vec::len).sum();
        self.due.retain(|_, due| *due > now);
        self.asks.retain(|_, due| *due > now);
    }

    fn keep(&mut self, owner: &Owner, found: Found, now: Moment) -> Result<SearchId, Code> {
        if self.count >= SEARCHES_MAX {
            self.sweep(now);
            if self.count >= SEARCHES_MAX {
                return Err(Code::SERVICE_UNAVAILABLE);
            }
        }
        self.last += 1;
        let id: SearchId = self.last.to_string().parse().map_err(|_| Code::INTERNAL_ERROR)?;
        let of = self.of.entry(owner.clone()).or_default();
        if of.len() >= SEARCHES_PER_OWNER_MAX {
            of.remove(0);
            self.count -= 1;
        }
        of.push(Kept { id: id.clone(), until: now.after(LIFE), found });
        self.count += 1;
        Ok(id)
    }
}

/// The hits from number `index` on, counted from 1. The index of the answer is that of the last hit in it.
fn page(hits: &Hits, index: usize, limit: Option<u32>) -> SearchResponse {
    let most = limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX));
    let skip = index.saturating_sub(1);
    let last = hits.len().min(skip.saturating_add(most));
    let complete = last >= hits.len();
    let number = |count: usize| Some(u32::try_from(count).unwrap_or(u32::MAX));
    let (users, groups) = match hits {
        Hits::Users(users) => (users.get(skip..last).unwrap_or_default().to_vec(), Vec::new()),
        Hits::Groups(groups) => (Vec::new(), groups.get(skip..last).unwrap_or_default().to_vec()),
    };
    SearchResponse {
        result: Status::ok(),
        id: None,
        findings: number(hits.len()),
        complete,
        index: number(last).filter(|_| !complete),
        users,
        groups,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_millis(1_000_000);

    fn ada() -> Owner {
        Owner::Session("s1".parse().unwrap())
    }

    fn users(count: usize) -> Hits {
        Hits::Users((0..count).map(|n| format!("wv:u{n}@north.example").parse().unwrap()).collect())
    }

    fn next(searches: &mut Searches, id: &SearchId, index: u32) -> Result<SearchResponse, Code> {
        match searches.next(&ada(), id, Some(index), Some(5), NOW)? {
            Next::Page(page) => Ok(page),
            Next::Elsewhere(_) => panic!("it is here"),
        }
    }

    #[test]
    fn seven_hits_come_as_five_and_two_as_in_the_standard() {
        let mut searches = Searches::default();
        let first = searches.first(&ada(), users(7), Some(5), NOW).unwrap();
        assert_eq!(
            (first.findings, first.index, first.complete, first.users.len()),
            (Some(7), Some(5), false, 5)
        );
        let id = first.id.unwrap();
        let second = next(&mut searches, &id, 6).unwrap();
        assert_eq!((second.index, second.complete, second.users.len()), (None, true, 2));
        assert_eq!(next(&mut searches, &id, 8), Err(Code::INVALID_SEARCH_INDEX));
        assert_eq!(next(&mut searches, &id, 0), Err(Code::INVALID_SEARCH_INDEX));
        assert_eq!(searches.stop(&ada(), &id, NOW), Ok(None));
        assert_eq!(next(&mut searches, &id, 6), Err(Code::INVALID_SEARCH));
        assert_eq!(searches.stop(&ada(), &id, NOW), Err(Code::INVALID_SEARCH));
    }

    #[test]
    fn what_fits_into_one_answer_is_not_kept() {
        let mut searches = Searches::default();
        let all = searches.first(&ada(), users(5), Some(5), NOW).unwrap();
        assert!(all.complete && all.id.is_none() && all.index.is_none());
        let none = searches.first(&ada(), users(0), None, NOW).unwrap();
        assert_eq!((none.findings, none.complete), (Some(0), true));
        assert_eq!(searches.first(&ada(), users(HITS_MAX + 1), None, NOW), Err(Code::TOO_MANY_HITS));
        assert_eq!(
            searches.first(&ada(), users(HITS_MAX), Some(u32::MAX), NOW).unwrap().users.len(),
            PAGE_MAX
        );
    }

    #[test]
    fn a_search_belongs_to_its_searcher_and_ends_with_it_or_by_itself() {
        let mut searches = Searches::default();
        let id = searches.first(&ada(), users(60), None, NOW).unwrap().id.unwrap();
        let bo = Owner::Peer("south.example".parse().unwrap(), None);
        assert_eq!(searches.next(&bo, &id, None, None, NOW), Err(Code::INVALID_SEARCH));
        let late = NOW.after(LIFE);
        assert_eq!(searches.next(&ada(), &id, None, None, late), Err(Code::INVALID_SEARCH));
        searches.forget(&ada());
        assert_eq!(searches.count, 0);
        assert_eq!(searches.next(&ada(), &id, None, None, NOW), Err(Code::INVALID_SEARCH));
    }

    #[test]
    fn nobody_keeps_more_searches_than_ten() {
        let mut searches = Searches::default();
        let ids: Vec<_> =
            (0..12).map(|_| searches.first(&ada(), users(60), None, NOW).unwrap().id.unwrap()).collect();
        assert_eq!(searches.count, SEARCHES_PER_OWNER_MAX);
        assert_eq!(next(&mut searches, &ids[1], 1), Err(Code::INVALID_SEARCH));
        assert!(next(&mut searches, &ids[2], 1).is_ok());
        searches.sweep(NOW.after(LIFE));
        assert_eq!(searches.count, 0);
    }

    #[test]
    fn a_peer_begins_ten_searches_at_once_and_one_a_second_for_ever() {
        let mut searches = Searches::default();
        let south: Domain = "south.example".parse().unwrap();
        assert_eq!((0..20).filter(|_| searches.may_begin(&south, NOW)).count(), 10);
        assert!(searches.may_begin(&"east.example".parse().unwrap(), NOW), "others are not held up");
        let later = NOW.after(Duration::from_secs(3));
        assert_eq!((0..20).filter(|_| searches.may_begin(&south, later)).count(), 3);
        searches.sweep(later.after(Duration::from_secs(60)));
        assert!(searches.due.is_empty());
    }

    #[test]
    fn searches_of_a_peer_begin_a_second_apart() {
        let mut searches = Searches::default();
        let south: Domain = "south.example".parse().unwrap();
        let waits: Vec<u64> =
            (0..12).map_while(|_| searches.wait(&south, NOW)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(searches.wait(&"east.example".parse().unwrap(), NOW), Some(Duration::ZERO));
        let later = NOW.after(Duration::from_secs(60));
        searches.sweep(later);
        assert!(searches.asks.is_empty());
        assert_eq!(searches.wait(&south, later), Some(Duration::ZERO));
    }

    #[test]
    fn a_search_elsewhere_keeps_its_id_there() {
        let mut searches = Searches::default();
        let there = Elsewhere { domain: "south.example".parse().unwrap(), id: "x-9".parse().unwrap() };
        let id = searches.elsewhere(&ada(), there.clone(), NOW).unwrap();
        assert_eq!(searches.next(&ada(), &id, Some(6), None, NOW), Ok(Next::Elsewhere(there.clone())));
        assert_eq!(searches.stop(&ada(), &id, NOW), Ok(Some(there)));
    }
}
