//! What operators see of a link, and what they may make it do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use super::Peers;
use super::carrier::Seen;
use super::link::PeerLink;
use crate::imps::{Domain, Moment};
use crate::session::ssp::{Close, LinkSight, PostOutcome};

/// A link at one moment.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// Our domain.
    pub own: Domain,
    /// Sessions, pauses, failures.
    pub link: LinkSight,
    /// Rows of the outbox that are under way.
    pub under_way: usize,
    /// POSTs to the peer since the node started, those that did not arrive too.
    pub posts_out: u64,
    /// Those of them that were not accepted.
    pub posts_failed: u64,
    /// Documents of the peer since the node started.
    pub posts_in: u64,
    /// Where it answered last, what it showed there, and the last thing that went wrong, on the way or at the
    /// end.
    pub seen: Seen,
}

/// What a link remembers for operators.
#[derive(Default)]
pub(super) struct Watch {
    posts_out: AtomicU64,
    posts_failed: AtomicU64,
    posts_in: AtomicU64,
    trouble: Mutex<Option<(Moment, String)>>,
    /// Certificates or trust were replaced since the peer was last looked at.
    recheck: AtomicBool,
}

impl Watch {
    pub(super) fn posted(&self, outcome: &PostOutcome, now: Moment) {
        self.posts_out.fetch_add(1, Ordering::Relaxed);
        match outcome {
            PostOutcome::Accepted => return,
            PostOutcome::Status(status, _) => {
                self.trouble(now, format!("the peer answered a POST of ours with HTTP {status}"));
            }
            // The road knows better what happened.
            PostOutcome::Closed | PostOutcome::Unreachable => {}
        }
        self.posts_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self) {
        self.posts_in.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn trouble(&self, now: Moment, what: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, what));
    }
}

impl PeerLink {
    fn view(&self) -> LinkView {
        let watch = &self.watch;
        let (link, under_way) = {
            let state = self.state();
            (state.link.sight(self.now()), state.flying.len())
        };
        let mut seen = self.road.seen();
        let own = watch.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let later = |(at, _): &(Moment, String)| *at;
        if own.as_ref().map(later) > seen.trouble.as_ref().map(later) {
            seen.trouble = own;
        }
        LinkView {
            own: self.own.clone(),
            link,
            under_way,
            posts_out: watch.posts_out.load(Ordering::Relaxed),
            posts_failed: watch.posts_failed.load(Ordering::Relaxed),
            posts_in: watch.posts_in.load(Ordering::Relaxed),
            seen,
        }
    }

    /// Certificates or trust were replaced: the driver finds out whether the peer is still believed.
    fn look_at_trust(&self) {
        self.watch.recheck.store(true, Ordering::Release);
        self.look_again();
    }

    /// If certificates or trust were replaced and the peer is not believed any more, its sessions end: it has
    /// to prove itself anew, and until then nothing leaves. `true` if that happened.
    pub(super) fn distrusts(&self) -> bool {
        if !self.watch.recheck.swap(false, Ordering::AcqRel) {
            return false;
        }
        let Some(why) = self.road.distrust(&self.last_agreement()) else { return false };
        warn!(peer = %self.peer, own = %self.own, "the link is closed: after the reload the peer is not believed any more: {why}");
        let now = self.now();
        self.watch.trouble(now, format!("not believed any more: {why}"));
        let mut state = self.state();
        let super::link::State { link, chance, left, .. } = &mut *state;
        if *left {
            return false;
        }
        link.close(Close::Closed, &mut **chance);
        *left = true;
        true
    }

    /// Whether there is nothing left of it: no agreement, no sessions, nothing under way.
    pub(super) fn is_gone(&self) -> bool {
        if self.agreement().is_some() {
            return false;
        }
        let state = self.state();
        state.left && state.flying.is_empty() && state.link.sight(self.now()).sessions.is_empty()
    }

    fn retry(&self) {
        let now = self.now();
        {
            let mut state = self.state();
            let super::link::State { link, chance, window, left, .. } = &mut *state;
            if !*left {
                link.retry(now, &mut **chance);
            }
            window.hurry();
        }
        self.look_again();
    }

    fn log_in(&self) {
        let now = self.now();
        {
            let mut state = self.state();
            let super::link::State { link, chance, left, .. } = &mut *state;
            if !*left {
                link.reconnect(now, &mut **chance);
            }
        }
        self.look_again();
    }
}

impl Peers {
    fn links_to(&self, peer: &Domain) -> Vec<std::sync::Arc<PeerLink>> {
        let links = self.links.load();
        links.iter().filter(|((_, found), _)| found == peer).map(|(_, link)| link.clone()).collect()
    }

    /// The links to a peer, one for each domain of ours.
    pub fn views(&self, peer: &Domain) -> Vec<LinkView> {
        self.links_to(peer).iter().map(|link| link.view()).collect()
    }

    /// Pauses of the links to this peer end: they are set up now if they are down, and what waits leaves.
    pub fn retry(&self, peer: &Domain) {
        for link in self.links_to(peer) {
            link.retry();
        }
    }

    /// Logs in anew at this peer from one of our domains, whether or not there is a session.
    pub fn log_in(&self, own: &Domain, peer: &Domain) {
        if let Some(link) = self.link(own, peer) {
            link.log_in();
        }
    }

    /// Certificates, CAs or revocation lists were replaced: links with peers that are not believed any more
    /// are closed.
    pub fn trust_changed(&self) {
        for link in self.links.load().values() {
            link.look_at_trust();
        }
    }
}
