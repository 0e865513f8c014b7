//! Guests: domains without an entry in `peers.toml`, where federation is open (architecture §4, decisions.md 9 and 12).
//!
//! A guest is an ordinary agreement made from one template with small budgets. It begins when a user of ours asks for
//! something there and DNS knows the domain, or when somebody comes with a certificate of the domain that `[ssp]
//! trust`, or secure DNS with `[ssp] dane`, vouches for; it ends when nothing went either way for so long that nothing can be owed any more. Whoever
//! has an entry, whatever it says, is no guest, and neither is whom operators block.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::imps::Domain;
use crate::imps::agreement::{Agreement, Service};

/// So many guests there may be at a time. Who comes beyond hears that it should come again later.
pub const GUESTS_MAX: usize = 2000;
/// After this time without traffic a guest is none any more: longer than the longest validity of a message, so that
/// no report can be owed to it.
pub const UNUSED_MAX: Duration = Duration::from_secs(8 * 86_400);
/// So many new guests there may be in a second.
pub const INTRODUCED_PER_SECOND: u32 = 10;
/// The queue of a guest holds this part of what that of a peer with an entry may hold.
pub const QUEUE_PARTS: u64 = 16;
/// Octets of a document of a stranger, who can but begin a set-up.
pub const STRANGER_OCTETS_MAX: usize = 16 * 1024;

/// What may cross between a guest and us: what people do who know each other's address. Searching would show our
/// users to everybody.
const SERVICES: [Service; 3] = [Service::Presence, Service::Im, Service::Group];
/// Messages a second, of all users of a guest.
const MESSAGES_PER_SECOND: u32 = 50;
/// Messages a minute, of each of them.
const USER_MESSAGES_PER_MINUTE: u32 = 60;
/// Subscriptions to presence here.
const SUBSCRIPTIONS_MAX: u64 = 1000;
/// Octets of a document.
const DOCUMENT_OCTETS_MAX: usize = 1024 * 1024;

/// The agreement with a guest, for whom secure DNS may vouch or not.
pub fn agreement(domain: Domain, dane: bool) -> Agreement {
    Agreement {
        services: BTreeSet::from(SERVICES),
        messages_per_second: MESSAGES_PER_SECOND,
        user_messages_per_minute: USER_MESSAGES_PER_MINUTE,
        max_subscriptions: SUBSCRIPTIONS_MAX,
        max_document_bytes: DOCUMENT_OCTETS_MAX,
        dane,
        guest: true,
        ..Agreement::with(domain)
    }
}

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// A user of ours: whether there is such a provider is for DNS to say.
    We,
    /// The other provider, which has shown its certificate.
    They,
}

/// What became of an introduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introduced {
    /// There is an agreement now.
    Known,
    /// There is no such provider, or it is not wanted.
    Nobody,
    /// There is no place, or it could not be written down; later there may be.
    Later,
}

/// Makes guests of strangers.
pub trait Strangers: Send + Sync {
    /// Makes a guest of a domain that has no agreement. Returns when everybody follows.
    fn introduce(&self, domain: Domain, begins: Begins) -> Pin<Box<dyn Future<Output = Introduced> + Send>>;
}
