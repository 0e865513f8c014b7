//! What operators see of a link: sessions, trouble, the next try. Nothing here is secret: tokens and digests
//! of a set-up are not kept.

use super::Link;
use crate::imps::agreement::Profile;
use crate::imps::{Moment, Version};
use crate::session::ssp::record::SessionRecord;

/// A link at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSight {
    /// There is a session to send on.
    pub up: bool,
    /// The last attempt failed, or the peer asked for a pause.
    pub down: bool,
    /// A set-up is under way, from either side.
    pub setting_up: bool,
    /// How the peer speaks, as far as it is known.
    pub profile: Profile,
    /// Version of the session that is sent on; of our side if there is none.
    pub version: Version,
    /// Failures in a row: of set-ups while there is no session, else of traffic.
    pub failures: u32,
    /// Nothing leaves before this moment.
    pub next_try: Option<Moment>,
    /// Operations that the link holds.
    pub unsettled: usize,
    /// The sessions, the one that is sent on first.
    pub sessions: Vec<SessionSight>,
}

/// One session of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSight {
    /// What is known of it on disk too.
    pub record: SessionRecord,
    /// It is the one that is sent on.
    pub current: bool,
    /// The peer knows our id.
    pub confirmed: bool,
    /// We have logged out of it and wait for the answer.
    pub leaving: bool,
    /// When it ends if nothing is said on it.
    pub expires: Moment,
}

impl Link {
    /// How it looks now.
    pub fn sight(&self, now: Moment) -> LinkSight {
        let up = self.is_up();
        let (failures, gate) = if up {
            (self.traffic_failures, self.traffic_gate)
        } else {
            (self.setup_failures, self.setup_gate)
        };
        let current = self.sessions.current_id();
        let mut sessions: Vec<_> = self
            .sessions
            .iter()
            .map(|session| SessionSight {
                current: current.as_ref() == Some(&session.record.own_id),
                confirmed: session.confirmed,
                leaving: session.leaving,
                expires: session.expires(self.settings.profile),
                record: session.record.clone(),
            })
            .collect();
        sessions.sort_by_key(|session| (!session.current, std::cmp::Reverse(session.record.established)));
        LinkSight {
            up,
            down: self.is_down(now),
            setting_up: self.outgoing.is_some() || self.incoming.is_some(),
            profile: self.settings.profile,
            version: self.version(),
            failures,
            next_try: (gate.until > now).then_some(gate.until),
            unsettled: self.transactions.open(),
            sessions,
        }
    }

    /// The operator says: try now. Pauses end, those that the peer asked for too.
    pub fn retry(&mut self, now: Moment, chance: &mut dyn crate::imps::Chance) {
        self.setup_gate = super::Gate::default();
        self.traffic_gate = super::Gate::default();
        self.setup_failures = 0;
        self.setup_wanted |= !self.is_up();
        self.go_on(now, chance);
    }
}
