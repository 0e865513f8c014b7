//! Which rows of the outbox a peer may have taken though it has not said so.
//!
//! Only asked when the agreement is closed: what never left has failed then; of what may have arrived nobody can
//! say that.

use std::collections::{BTreeSet, HashMap};

use crate::imps::Moment;
use crate::relay::ports::StoredOutgoing;
use crate::session::ssp::{Post, PostContent, PostId, PostOutcome};
use crate::wire::Mode;

/// Rows that are known one by one; with more all count as doubtful.
const ROWS_MAX: usize = 65_536;

/// The rows in doubt.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    rows: BTreeSet<i64>,
    /// Those that are in doubt for the sake of a POST that is under way.
    posting: HashMap<PostId, Vec<i64>>,
    /// There were too many to know them.
    any: bool,
    /// What was accepted before this moment may have been posted by an earlier run of this node; `None` if no
    /// session with the peer has survived that run.
    before: Option<Moment>,
}

impl Doubts {
    /// None yet. `survived` tells whether a session with the peer is there from an earlier run of this node.
    pub(super) fn new(survived: bool, now: Moment) -> Self {
        Self { before: survived.then_some(now), ..Self::default() }
    }

    /// These were found in the store: an earlier run of this node may have posted those that are older than this one.
    pub(super) fn found(&mut self, rows: &[StoredOutgoing]) {
        let Some(before) = self.before else { return };
        for row in rows.iter().filter(|row| row.outgoing.accepted < before) {
            self.add(row.row);
        }
    }

    /// A POST leaves. Transactions of rows begin with `instance`.
    pub(super) fn leaves(&mut self, post: &Post, instance: &str) {
        let PostContent::Session { parts, .. } = &post.content else { return };
        let ours = parts.iter().filter(|part| part.mode == Mode::Request).filter_map(|part| {
            part.transaction.as_str().strip_prefix(instance)?.strip_prefix('-')?.parse::<i64>().ok()
        });
        let fresh: Vec<i64> = ours.filter(|row| self.add(*row)).collect();
        if !fresh.is_empty() {
            self.posting.insert(post.id, fresh);
        }
    }

    /// What became of a POST: those that surely nobody has looked at are as they were before.
    pub(super) fn came_to(&mut self, post: PostId, outcome: PostOutcome) {
        let fresh = self.posting.remove(&post).unwrap_or_default();
        if matches!(outcome, PostOutcome::Unreachable | PostOutcome::Status(403 | 404, _)) {
            for row in fresh {
                self.rows.remove(&row);
            }
        }
    }

    /// The row is done with.
    pub(super) fn gone(&mut self, row: i64) {
        self.rows.remove(&row);
    }

    /// Whether the peer may have taken the row.
    pub(super) fn holds(&self, row: i64) -> bool {
        self.any || self.rows.contains(&row)
    }

    fn add(&mut self, row: i64) -> bool {
        self.any |= self.rows.len() >= ROWS_MAX;
        !self.any && self.rows.insert(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::Version;
    use crate::relay::ports::testing;
    use crate::session::ssp::{Body, Part};

    fn post(id: u64, rows: &[&str]) -> Post {
        let part = |row: &&str| Part {
            transaction: row.parse().unwrap(),
            mode: Mode::Request,
            body: Body::Encoded(b"<X/>".as_slice().into()),
        };
        let session = "1@a.test".parse().unwrap();
        let content = PostContent::Session { session, parts: rows.iter().map(part).collect() };
        Post { id: PostId(id), at: None, version: Version::V1_3, legacy: false, content }
    }

    #[test]
    fn what_was_posted_is_in_doubt_unless_nobody_was_there_and_it_was_the_first_time() {
        let mut doubts = Doubts::default();
        doubts.leaves(&post(1, &["s1-7", "s1-8", "other-9"]), "s1");
        assert_eq!([7, 8, 9].map(|row| doubts.holds(row)), [true, true, false]);
        doubts.came_to(PostId(1), PostOutcome::Unreachable);
        assert!(!doubts.holds(7));
        doubts.leaves(&post(2, &["s1-7"]), "s1");
        doubts.came_to(PostId(2), PostOutcome::Closed);
        doubts.leaves(&post(3, &["s1-7", "s1-8"]), "s1");
        doubts.came_to(PostId(3), PostOutcome::Status(403, None));
        assert_eq!([7, 8].map(|row| doubts.holds(row)), [true, false], "the second may have arrived");
        doubts.gone(7);
        assert!(!doubts.holds(7));
    }

    #[test]
    fn what_an_earlier_run_may_have_posted_is_in_doubt_if_a_session_has_survived_it() {
        let now = Moment::from_millis(1000);
        let rows = [(1, 999), (2, 1001)].map(|(number, accepted)| {
            let mut row = testing::row(number, *b"<X/>");
            row.outgoing.accepted = Moment::from_millis(accepted);
            row
        });
        for (survived, held) in [(true, [true, false]), (false, [false, false])] {
            let mut doubts = Doubts::new(survived, now);
            doubts.found(&rows);
            assert_eq!([1, 2].map(|row| doubts.holds(row)), held);
        }
    }

    #[test]
    fn too_many_are_all_in_doubt() {
        let mut doubts = Doubts::default();
        let all: Vec<String> = (0..=ROWS_MAX).map(|row| format!("s1-{row}")).collect();
        doubts.leaves(&post(1, &all.iter().map(String::as_str).collect::<Vec<_>>()), "s1");
        assert!(doubts.holds(-1));
    }
}
