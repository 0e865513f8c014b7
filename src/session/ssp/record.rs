//! What outlives the process.

use std::time::Duration;

use crate::imps::agreement::Profile;
use crate::imps::{Domain, Moment, SessionId, TransactionId, Version};

/// A session with a peer, as the store keeps it: a peer that never logs in again must find its
/// session after our restart (reference ssp.md fact 7). The key is our own session id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Our domain.
    pub own: Domain,
    /// The peer's domain.
    pub peer: Domain,
    /// The id we issued: stands in what we send.
    pub own_id: SessionId,
    /// The id the peer issued: stands in what it sends.
    pub peer_id: SessionId,
    /// Transaction id of the handshake, chosen by its initiator: repeats and late refusals name it.
    pub setup: TransactionId,
    /// Version of the link.
    pub version: Version,
    /// Whose step 1 opened it: decides between two sessions (reference ssp-session §2.3).
    pub initiator: Domain,
    /// Agreed idle limit, seconds.
    pub time_to_live: u32,
    /// When it came up.
    pub established: Moment,
    /// Last accepted traffic in either direction; written back now and then.
    pub last_used: Moment,
    /// A newer session took its place for sending; what comes on it is still accepted.
    pub superseded: bool,
    /// The peer showed the habits of the one known implementation (reference ssp-behaviour §10).
    pub legacy: bool,
    /// URL that the peer asked us to post to instead of its published address, by redirect.
    pub at: Option<Box<str>>,
}

impl SessionRecord {
    /// How long it may idle: the agreed time; 30 days for a legacy peer, which never gives a session
    /// up (reference ssp-session §2.4).
    pub fn idle_limit(&self, profile: Profile) -> Duration {
        if profile == Profile::Legacy || self.legacy {
            Duration::from_secs(30 * 24 * 3600)
        } else {
            Duration::from_secs(self.time_to_live.into())
        }
    }
}
