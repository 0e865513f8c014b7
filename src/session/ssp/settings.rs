//! How a link to one peer behaves.

use std::time::Duration;

use crate::imps::agreement::{Agreement, Profile};
use crate::imps::primitive::{DigestSchema, Functions};
use crate::imps::{Domain, Version};

/// How a link to one peer behaves. The agreement says; see [`LinkSettings::of`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Our domain on this link.
    pub own: Domain,
    /// The peer's domain.
    pub peer: Domain,
    /// How the peer speaks. `Standard` becomes `Legacy` when the peer betrays itself
    /// (reference ssp-behaviour §10).
    pub profile: Profile,
    /// The newest version we speak; a session uses the older one of the two sides.
    pub version: Version,
    /// Idle limit that we propose and grant, seconds.
    pub time_to_live: u32,
    /// POSTs in flight within sessions; set-up comes on top.
    pub in_flight_max: usize,
    /// Transactions that one POST may hold.
    pub transactions_per_post: usize,
    /// How we make digests: MD5, or SHA where agreed (reference ssp-session §1.2).
    pub digest: DigestSchema,
    /// Whether the peer knows KeepAliveRequest, LogoutRequest and Disconnect.
    pub session_control: bool,
    /// Whether the peer is asked for its service tree once a session is up (reference ssp-session §5).
    pub discovery: bool,
    /// What we offer the peer: it hears of every change.
    pub offer: Functions,
    /// What we want of the peer: if that is less than it offers, it is told so. `None`: everything.
    pub wanted: Option<Functions>,
}

/// POSTs in flight to a legacy peer: eight wedge it (reference legacy-peer §2.7).
pub const LEGACY_IN_FLIGHT_MAX: usize = 4;
/// POSTs in flight to any other peer that takes one Transaction in each.
pub const IN_FLIGHT_MAX: usize = 32;
/// POSTs in flight to a peer that takes several Transactions in each: few, so that what waits meanwhile
/// fills the next one instead of leaving alone.
pub const BATCHES_IN_FLIGHT_MAX: usize = 6;
/// Idle limit that we propose, seconds (reference ssp-session §1.1).
pub const TIME_TO_LIVE: u32 = 86_400;
/// Shortest idle limit that is taken from a peer, seconds: less would end a session between two posts.
pub const TIME_TO_LIVE_MIN: u32 = 60;

impl LinkSettings {
    /// The settings that an agreement asks for, from our domain `own`.
    pub fn of(own: Domain, agreement: &Agreement) -> Self {
        let mut settings = Self::for_profile(own, agreement.domain.clone(), agreement.profile);
        settings.discovery = settings.profile != Profile::Legacy;
        if settings.profile != Profile::Legacy && agreement.max_transactions_per_post > 1 {
            settings.transactions_per_post = agreement.max_transactions_per_post;
            settings.in_flight_max = BATCHES_IN_FLIGHT_MAX;
        }
        settings
    }

    /// The settings that a profile asks for, with one Transaction in each POST.
    pub fn for_profile(own: Domain, peer: Domain, profile: Profile) -> Self {
        let legacy = profile == Profile::Legacy;
        Self {
            own,
            peer,
            profile,
            version: Version::V1_3,
            time_to_live: TIME_TO_LIVE,
            in_flight_max: if legacy { LEGACY_IN_FLIGHT_MAX } else { IN_FLIGHT_MAX },
            transactions_per_post: 1,
            digest: DigestSchema::Md5,
            session_control: !legacy,
            discovery: false,
            offer: Functions::default(),
            wanted: None,
        }
    }

    /// The peer showed the habits of the one known implementation: live with them from now on.
    pub(super) fn become_legacy(&mut self) {
        self.profile = Profile::Legacy;
        self.in_flight_max = self.in_flight_max.min(LEGACY_IN_FLIGHT_MAX);
        self.transactions_per_post = 1;
        self.session_control = false;
        self.discovery = false;
    }

    /// Operations that may wait or be on the wire at a time.
    pub(super) const fn unsettled_max(&self) -> usize {
        let transactions = if self.transactions_per_post == 0 { 1 } else { self.transactions_per_post };
        self.in_flight_max.saturating_mul(transactions)
    }

    /// Pause before steps 2 and 3 towards a peer that stores its own state too late
    /// (decisions.md 11, reference ssp-session §1.3).
    pub(super) fn pause(&self) -> Duration {
        if self.profile == Profile::Legacy { Duration::from_secs(1) } else { Duration::ZERO }
    }
}
