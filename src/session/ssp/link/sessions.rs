//! The sessions agreed with the peer: one to send on, maybe older ones that are still accepted.

use std::time::Duration;

use crate::imps::agreement::Profile;
use crate::imps::{Domain, Moment, SessionId, TransactionId};
use crate::session::ssp::proof::{Proof, same};
use crate::session::ssp::record::SessionRecord;

/// Sessions held; beyond, the one that was quiet for longest goes, if another one is sent on.
pub(super) const SESSIONS_MAX: usize = 64;
/// How old `last_used` on disk may be.
const WRITE_BACK: Duration = Duration::from_secs(600);

/// A session with what is known beside its record.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) record: SessionRecord,
    /// When its handshake began.
    pub(super) started: Moment,
    /// The peer knows our id: it acknowledged step 6, or uses the session.
    pub(super) confirmed: bool,
    /// A POST on it was accepted.
    pub(super) worked: bool,
    /// We have logged out of it and wait for the answer.
    pub(super) leaving: bool,
    /// No KeepAliveRequest before this moment.
    pub(super) keep_alive_at: Moment,
    /// `last_used` on disk.
    written: Moment,
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: Vec<Session>,
}

impl Session {
    /// A session from a handshake; only with proof.
    pub(super) fn opened(record: SessionRecord, started: Moment, _proof: &Proof) -> Self {
        Self { started, confirmed: false, ..Self::restored(record) }
    }

    /// A session from disk.
    pub(super) fn restored(record: SessionRecord) -> Self {
        Self {
            started: record.established,
            confirmed: true,
            worked: false,
            leaving: false,
            keep_alive_at: record.last_used,
            written: record.last_used,
            record,
        }
    }

    /// Something was accepted on it, in either direction. `true` if that is worth writing down.
    pub(super) fn touch(&mut self, now: Moment) -> bool {
        self.record.last_used = self.record.last_used.max(now);
        let write = now.since(self.written) >= WRITE_BACK;
        if write {
            self.written = now;
        }
        write
    }

    /// When it has been idle for too long.
    pub(super) fn expires(&self, profile: Profile) -> Moment {
        self.record.last_used.after(self.record.idle_limit(profile))
    }

    /// Whether we may send on it.
    const fn is_sendable(&self) -> bool {
        self.confirmed && !self.leaving && !self.record.superseded
    }
}

impl Sessions {
    /// The session to send on: of those that no newer one has replaced the one whose initiator's
    /// domain sorts first (reference ssp-session §2.3), then the youngest.
    pub(super) fn current(&self) -> Option<&Session> {
        self.all.iter().filter(|session| session.is_sendable()).min_by(|left, right| {
            let (left, right) = (&left.record, &right.record);
            left.initiator.cmp(&right.initiator).then_with(|| right.established.cmp(&left.established))
        })
    }

    /// Our id of the session to send on.
    pub(super) fn current_id(&self) -> Option<SessionId> {
        self.current().map(|session| session.record.own_id.clone())
    }

    /// The session under an id that the peer names: its own, or ours for the same session (reference ssp.md
    /// C-06). Looks at all of them, whichever it is.
    pub(super) fn find(&mut self, named: &SessionId) -> Option<&mut Session> {
        let is = |id: &SessionId| same(id.as_str().as_bytes(), named.as_str().as_bytes());
        let mut found = None;
        for session in &mut self.all {
            if is(&session.record.peer_id) | is(&session.record.own_id) {
                found = Some(session);
            }
        }
        found
    }

    /// Whether there is a session under this id of ours or of the peer's.
    pub(super) fn knows(&self, named: &SessionId) -> bool {
        let is = |id: &SessionId| same(id.as_str().as_bytes(), named.as_str().as_bytes());
        self.all.iter().fold(false, |known, it| known | is(&it.record.peer_id) | is(&it.record.own_id))
    }

    /// The session under our id.
    pub(super) fn get(&mut self, own_id: &SessionId) -> Option<&mut Session> {
        self.all.iter_mut().find(|session| session.record.own_id == *own_id)
    }

    /// The session that came from this handshake, the latest if the id was used again.
    pub(super) fn by_setup(&self, setup: &TransactionId, initiator: &Domain) -> Option<&Session> {
        self.all
            .iter()
            .rev()
            .find(|session| session.record.setup == *setup && session.record.initiator == *initiator)
    }

    /// Adds a session; gives back our ids of those that had to go.
    pub(super) fn insert(&mut self, session: Session) -> Vec<SessionId> {
        let peer_id = session.record.peer_id.clone();
        let replaced = self.all.iter().filter(|old| old.record.peer_id == peer_id);
        let mut gone: Vec<SessionId> = replaced.map(|old| old.record.own_id.clone()).collect();
        if self.all.len() >= SESSIONS_MAX {
            let current = self.current_id();
            let others = self.all.iter().filter(|old| Some(&old.record.own_id) != current.as_ref());
            gone.extend(others.min_by_key(|old| old.record.last_used).map(|old| old.record.own_id.clone()));
        }
        self.all.retain(|old| !gone.contains(&old.record.own_id));
        self.all.push(session);
        gone
    }

    /// Removes a session.
    pub(super) fn remove(&mut self, own_id: &SessionId) -> bool {
        let before = self.all.len();
        self.all.retain(|session| session.record.own_id != *own_id);
        self.all.len() < before
    }

    /// The session is sent on from now: older ones are not, except those that were opened while its
    /// handshake ran (reference ssp-session §2.3, §2.4). Gives the changed records.
    pub(super) fn supersede_before(&mut self, own_id: &SessionId, started: Moment) -> Vec<SessionRecord> {
        let older = self.all.iter_mut().filter(|old| {
            old.record.own_id != *own_id && !old.record.superseded && old.record.established < started
        });
        older
            .map(|old| {
                old.record.superseded = true;
                old.record.clone()
            })
            .collect()
    }

    /// Every session.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.all.iter()
    }

    /// Sessions that stand beside the one that is sent on, since both sides opened at once.
    pub(super) fn siblings(&self) -> impl Iterator<Item = &Session> {
        let current = self.current_id();
        self.all
            .iter()
            .filter(move |session| session.is_sendable() && Some(&session.record.own_id) != current.as_ref())
    }
}
