//! What passed lately, and who waits for its answer.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::imps::{Domain, Moment, TransactionId};
use crate::wire::ssp::{Outline, Role};

/// How long a request is remembered against loops (R5).
pub const SEEN_FOR: Duration = Duration::from_secs(600);
/// Requests that are remembered; the oldest go first.
const SEEN_MAX: usize = 65_536;
/// How long the next hop may be silent before the one who asked is told so (R2, R8).
pub const SILENT_AFTER: Duration = Duration::from_secs(60);
/// Requests under way at a time; beyond, peers are told to come again.
const PASSAGES_MAX: usize = 65_536;

/// Messages and invitations of legacy peers whose transactions are remembered; the oldest go first.
const BROUGHT_MAX: usize = 16_384;

/// Names a request on its way, whatever link it takes: primitive, requestor, id, destination (R5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

/// What the memory says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Never seen, or on the same link: a repeat.
    Fine,
    /// Seen on another link: it goes in circles.
    Loop,
}

/// The requests that passed lately.
#[derive(Debug, Default)]
pub struct Memory {
    /// Its keys are secret to this process: nobody makes another's request look like one that passed.
    hasher: RandomState,
    seen: HashMap<Key, Seen>,
    order: VecDeque<(Moment, Key)>,
}

#[derive(Debug)]
struct Seen {
    own: Domain,
    ingress: Domain,
    last: Moment,
}

impl Memory {
    /// The key of a request for this domain. `digest` is that of its octets, for what has no id.
    pub fn key(&self, outline: &Outline, to: &Domain, digest: u64) -> Key {
        let requestor = (outline.first(Role::Service), outline.first(Role::Requestor));
        let id = outline.first(Role::Key).filter(|id| !id.is_empty());
        let digest = id.is_none().then_some(digest);
        Key(self.hasher.hash_one((outline.name, requestor, id, digest, to)))
    }

    /// Looks at a request on this link, and remembers it unless it is a loop.
    pub fn sight(&mut self, key: Key, own: &Domain, ingress: &Domain, now: Moment) -> Sight {
        self.forget(now);
        match self.seen.get_mut(&key) {
            Some(seen) if seen.ingress != *ingress || seen.own != *own => return Sight::Loop,
            Some(seen) => seen.last = now,
            None => {
                let seen = Seen { own: own.clone(), ingress: ingress.clone(), last: now };
                self.seen.insert(key, seen);
                self.order.push_back((now, key));
            }
        }
        while self.order.len() > SEEN_MAX {
            if let Some((_, oldest)) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
        Sight::Fine
    }

    fn forget(&mut self, now: Moment) {
        while let Some((_, key)) = self.order.front().copied().filter(|(at, _)| now.since(*at) >= SEEN_FOR) {
            self.order.pop_front();
            match self.seen.get(&key).map(|seen| seen.last) {
                // It was repeated meanwhile.
                Some(last) if now.since(last) < SEEN_FOR => self.order.push_back((last, key)),
                _ => {
                    self.seen.remove(&key);
                }
            }
        }
    }
}

/// In which transactions messages and invitations of legacy peers came, for what is told of them later: such
/// a peer hears it in that transaction only (reference ssp-behaviour §10). Bounded, and forgotten with the
/// process: what is told then goes out as a request, which that peer takes and passes over.
#[derive(Debug, Default)]
pub struct Brought {
    transactions: HashMap<(Domain, Box<str>), TransactionId>,
    order: VecDeque<(Domain, Box<str>)>,
}

impl Brought {
    /// The peer's message or invitation with this id came in this transaction.
    pub fn note(&mut self, peer: &Domain, id: &str, transaction: &TransactionId) {
        let key = (peer.clone(), Box::from(id));
        if self.transactions.insert(key.clone(), transaction.clone()).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > BROUGHT_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.transactions.remove(&oldest);
            }
        }
    }

    /// The transaction in which the peer's message or invitation came, if that is still known.
    pub fn transaction(&self, peer: &Domain, id: &str) -> Option<TransactionId> {
        self.transactions.get(&(peer.clone(), Box::from(id))).cloned()
    }
}

/// Where the answer of the next hop goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Our domain on the link of the one who asked.
    pub own: Domain,
    /// Who asked.
    pub ingress: Domain,
    /// In which transaction.
    pub transaction: TransactionId,
}

#[derive(Debug)]
struct Passage {
    waiter: Waiter,
    key: Key,
    digest: u64,
    /// When silence is told; `None`: it was.
    deadline: Option<Moment>,
}

/// Requests that wait for the answer of the next hop, by row of the outbox. Forgotten with the process:
/// the rows are not, and whoever asked asks again.
#[derive(Debug, Default)]
pub struct Passages {
    rows: HashMap<i64, Passage>,
    by_request: HashMap<(Key, u64), i64>,
    deadlines: BTreeSet<(Moment, i64)>,
}

impl Passages {
    /// Whether no more can be taken.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= PASSAGES_MAX
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A request has become this row.
    pub fn open(&mut self, row: i64, waiter: Waiter, key: Key, digest: u64, now: Moment) {
        let deadline = now.after(SILENT_AFTER);
        self.deadlines.insert((deadline, row));
        self.by_request.insert((key, digest), row);
        self.rows.insert(row, Passage { waiter, key, digest, deadline: Some(deadline) });
    }

    /// The same request again, under whatever transaction: if it is still under way, as the row that is
    /// given, it is not sent twice, and its answer goes to this transaction.
    pub fn again(&mut self, key: Key, digest: u64, waiter: &Waiter, now: Moment) -> Option<i64> {
        let row = self.by_request.get(&(key, digest)).copied()?;
        let passage = self.rows.get_mut(&row)?;
        let deadline = now.after(SILENT_AFTER);
        if let Some(old) = passage.deadline.replace(deadline) {
            self.deadlines.remove(&(old, row));
        }
        self.deadlines.insert((deadline, row));
        passage.waiter = waiter.clone();
        Some(row)
    }

    /// The row has ended: gives the one who waits, unless it was told of the silence.
    pub fn ended(&mut self, row: i64) -> Option<Waiter> {
        let passage = self.rows.remove(&row)?;
        if self.by_request.get(&(passage.key, passage.digest)) == Some(&row) {
            self.by_request.remove(&(passage.key, passage.digest));
        }
        let deadline = passage.deadline?;
        self.deadlines.remove(&(deadline, row));
        Some(passage.waiter)
    }

    /// Those to whom the next hop was silent for too long. Their rows stay under way.
    pub fn silent(&mut self, now: Moment) -> Vec<Waiter> {
        let mut silent = Vec::new();
        while let Some((deadline, row)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(deadline, row));
            if let Some(passage) = self.rows.get_mut(&row) {
                passage.deadline = None;
                silent.push(passage.waiter.clone());
            }
        }
        silent
    }

    /// Nothing is left behind.
    #[cfg(test)]
    pub(super) fn by_nobody(&self) -> bool {
        self.by_request.is_empty() && self.deadlines.is_empty()
    }
}
