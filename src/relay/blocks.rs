//! Whom operators keep out: users of others and whole domains, each for a reason and, if they said so, until a
//! moment.
//!
//! A blocked domain counts as closed, wherever it is reached: over a link of its own, behind a hub, in transit, and
//! where it would be found by itself. A blocked user is nobody to whom anything leaves (516, as for a domain
//! without agreement) and nobody from whom anything is taken (403, without a word on why). [`super::route`] asks
//! for the one, [`super::admit`] for the other.
//!
//! The set is immutable: whoever changes it makes another one, and so does whoever finds that a block is over.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::imps::primitive::Recipient;
use crate::imps::{Domain, Moment, UserId};

/// So many blocks there may be at a time.
pub const BLOCKS_MAX: usize = 10_000;
/// Octets of a reason.
pub const REASON_OCTETS_MAX: usize = 500;

/// Who is kept out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Everybody of this domain, and its groups.
    Domain(Domain),
    /// One user; the address has a domain.
    User(UserId),
}

/// Why a text names nobody who can be kept out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither the address of a user (wv:mallory@south.example) nor a domain (south.example)")]
pub struct SubjectError(pub String);

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let wrong = || SubjectError(text.to_owned());
        if !text.contains('@') {
            return text.parse().map(Self::Domain).map_err(|_| wrong());
        }
        let user: UserId = text.parse().map_err(|_| wrong())?;
        if user.domain_str().is_some() { Ok(Self::User(user)) } else { Err(wrong()) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::User(user) => user.fmt(f),
        }
    }
}

impl Subject {
    /// The form for comparison and for keys of the store: lower case.
    pub fn key(&self) -> String {
        match self {
            Self::Domain(domain) => domain.as_str().to_owned(),
            Self::User(user) => user.key(),
        }
    }

    /// The domain, or that of the user.
    pub fn domain_str(&self) -> Option<&str> {
        match self {
            Self::Domain(domain) => Some(domain.as_str()),
            Self::User(user) => user.domain_str(),
        }
    }
}

/// A decision of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Who is kept out.
    pub subject: Subject,
    /// Since when.
    pub since: Moment,
    /// From when on no more; `None`: until it is removed.
    pub until: Option<Moment>,
    /// Why, for operators alone; at most [`REASON_OCTETS_MAX`] octets.
    pub reason: Box<str>,
}

impl Block {
    /// Whether it has ended by itself.
    pub fn is_over(&self, now: Moment) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Everybody who is kept out, by key.
#[derive(Clone, Debug, Default)]
pub struct Blocks(HashMap<String, Arc<Block>>);

impl Blocks {
    /// Those of these that are in force.
    pub fn new(blocks: impl IntoIterator<Item = Block>, now: Moment) -> Self {
        let in_force = blocks.into_iter().filter(|block| !block.is_over(now));
        Self(in_force.map(|block| (block.subject.key(), Arc::new(block))).collect())
    }

    /// These and one more, which takes the place of one for the same.
    #[must_use]
    pub fn with(&self, block: Block) -> Self {
        let mut all = self.0.clone();
        all.insert(block.subject.key(), Arc::new(block));
        Self(all)
    }

    /// These without one.
    #[must_use]
    pub fn without(&self, subject: &Subject) -> Self {
        let mut all = self.0.clone();
        all.remove(&subject.key());
        Self(all)
    }

    /// Those that are over, in the order of their subjects, if any are.
    pub fn over(&self, now: Moment) -> Vec<Arc<Block>> {
        self.chosen(|block| block.is_over(now))
    }

    /// All, in the order of their subjects.
    pub fn all(&self) -> Vec<Arc<Block>> {
        self.chosen(|_| true)
    }

    fn chosen(&self, which: impl Fn(&Block) -> bool) -> Vec<Arc<Block>> {
        let mut chosen: Vec<_> = self.0.values().filter(|block| which(block)).cloned().collect();
        chosen.sort_by(|a, b| a.subject.cmp(&b.subject));
        chosen
    }

    /// The domains that are kept out as a whole.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.0.values().filter_map(|block| match &block.subject {
            Subject::Domain(domain) => Some(domain),
            Subject::User(_) => None,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is kept out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The block of just this.
    pub fn get(&self, subject: &Subject) -> Option<Arc<Block>> {
        self.0.get(&subject.key()).cloned()
    }

    /// The block of a domain, in normal form.
    pub fn of_domain(&self, domain: &str) -> Option<&Block> {
        self.0.get(domain).map(AsRef::as_ref)
    }

    /// The block of a user, or of the domain that it is of.
    pub fn of_user(&self, user: &UserId) -> Option<&Block> {
        if self.is_empty() {
            return None;
        }
        let own = self.0.get(&user.key()).map(AsRef::as_ref);
        own.or_else(|| user.domain_str().and_then(|domain| self.of_domain(domain)))
    }

    /// Where a user can be reached, as far as nobody is kept out.
    pub fn home_of<'u>(&self, user: &'u UserId) -> Option<&'u str> {
        user.domain_str().filter(|_| self.of_user(user).is_none())
    }

    /// Where a recipient can be reached, as far as nobody is kept out.
    pub fn place_of<'r>(&self, recipient: &'r Recipient) -> Option<&'r str> {
        match recipient {
            Recipient::User(user) => self.home_of(&user.id),
            // What is of a blocked domain has no route.
            other => other.domain_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(subject: &str, until: Option<u64>) -> Block {
        let until = until.map(Moment::from_millis);
        Block { subject: subject.parse().unwrap(), since: Moment::default(), until, reason: "spam".into() }
    }

    fn user(text: &str) -> UserId {
        text.parse().unwrap()
    }

    #[test]
    fn a_subject_is_a_domain_or_a_user_with_one() {
        let read = |text: &str| text.parse::<Subject>().map(|subject| subject.to_string());
        assert_eq!(read("Evil.Example").unwrap(), "evil.example");
        assert_eq!(read("Mallory@South.example").unwrap(), "wv:Mallory@south.example");
        assert_eq!("wv:MALLORY@south.example".parse::<Subject>().unwrap().key(), "wv:mallory@south.example");
        for wrong in ["wv:mallory", "", "@", "two words", "wv:/group@south.example"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_user_is_kept_out_in_any_spelling_and_with_its_whole_domain() {
        let blocks = Blocks::new(
            [block("Mallory@south.example", None), block("evil.example", None)],
            Moment::default(),
        );
        assert!(blocks.of_user(&user("wv:MALLORY@South.Example")).is_some());
        assert!(blocks.of_user(&user("wv:anybody@evil.example")).is_some());
        assert!(blocks.of_user(&user("wv:bo@south.example")).is_none());
        assert_eq!(blocks.home_of(&user("wv:bo@south.example")), Some("south.example"));
        assert_eq!(blocks.home_of(&user("wv:mallory@south.example")), None);
        let mallory = Recipient::User(user("wv:mallory@south.example").into());
        assert_eq!(blocks.place_of(&mallory), None);
    }

    #[test]
    fn a_block_ends_at_its_moment() {
        let at = Moment::from_millis;
        let blocks = Blocks::new([block("a.example", Some(10)), block("b.example", None)], at(9));
        assert_eq!((blocks.len(), blocks.over(at(9)).len()), (2, 0));
        let over = blocks.over(at(10));
        assert_eq!(over.iter().map(|block| block.subject.to_string()).collect::<Vec<_>>(), ["a.example"]);
        assert_eq!(Blocks::new([block("a.example", Some(10))], at(10)).len(), 0);
        let longer = blocks.with(block("a.example", Some(20)));
        assert_eq!((longer.len(), longer.over(at(10)).len()), (2, 0));
        assert_eq!(longer.without(&"b.example".parse().unwrap()).all().len(), 1);
    }
}
