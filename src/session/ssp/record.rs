//! What outlives the process.

use crate::imps::{Domain, Moment, SessionId, Version};

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
}
