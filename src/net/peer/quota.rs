//! What a peer may have in work here at one time (reference ssp-behaviour §1 row 2, §9).
//!
//! The octets of all bodies together are bounded by the listener, the rate of a peer by its agreement; here
//! is the number of POSTs that are taken and not yet answered by HTTP. One that comes beyond is told to come
//! again: work is refused and no connection, so that the peer's queue does not take the link for dead.

use std::sync::atomic::{AtomicUsize, Ordering};

/// POSTs of one peer to one domain of ours that may be in work. A node of our kind has at most 34 under way.
pub(super) const POSTS_MAX: usize = 50;
/// Seconds after which a POST that found no place may come again.
pub(super) const RETRY_SECONDS: u32 = 1;

/// The POSTs of one peer that are in work.
#[derive(Debug, Default)]
pub(super) struct Work {
    posts: AtomicUsize,
}

/// The place of one POST; free again when dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Work);

impl Work {
    /// A place for one more POST; `None` while [`POSTS_MAX`] are in work.
    pub(super) fn begin(&self) -> Option<Place<'_>> {
        let more = |posts: usize| (posts < POSTS_MAX).then_some(posts + 1);
        self.posts.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok().then(|| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.posts.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_posts_have_a_place_and_the_next_one_when_one_of_them_is_answered() {
        let work = Work::default();
        let mut places: Vec<_> = (0..POSTS_MAX).map(|_| work.begin().expect("a place")).collect();
        assert!(work.begin().is_none() && work.begin().is_none());
        drop(places.pop());
        let again = work.begin();
        assert!(again.is_some() && work.begin().is_none());
        drop((places, again));
        assert_eq!(work.posts.load(Ordering::Acquire), 0);
    }
}
