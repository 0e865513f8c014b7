//! What waits for peers without an agreement in force (architecture §4, *State*).
//!
//! Messages that have not left go back to their authors, and members of our groups who can no longer be told
//! what is said are put out. What the peer may have taken is not known to have failed: it stays, leaves again under
//! the same ids when the agreement is in force again, and its author hears what came of it. What is owed (reports,
//! notices, the end of something) stays as well. All of that ends with its validity, and at once where the entry
//! is removed from `peers.toml`: then nobody will come back.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::{debug, info, warn};

use super::Sap;
use crate::element::im::send;
use crate::imps::agreement::PeerState;
use crate::imps::{Domain, Moment};
use crate::relay::events::Undelivered;
use crate::relay::outbox;
use crate::relay::ports::{QueueSummary, Settlement, StoreError, StoredOutgoing};

/// Rows of a closed peer that are looked at in one read.
const PAGE: usize = 200;

/// Up to which row the queues of closed peers were looked at, by our domain and the peer. At most as many as there
/// are queues of closed peers.
pub(super) type Looked = HashMap<(Domain, Domain), i64>;

/// What happens to a row of a closed peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lot {
    /// It ends, and whoever waits for it hears so.
    Ends,
    /// It stays.
    Stays,
}

impl Sap {
    /// Renews the gauges of all queues, and looks at those of peers that are closed.
    pub(super) async fn return_closed(self: &Arc<Self>, now: Moment) {
        let queues = match self.store.queues().await {
            Ok(queues) => queues,
            Err(error) => return warn!(%error, "the queues cannot be counted"),
        };
        let map = self.map.load_full();
        for agreement in map.directory.agreements() {
            let queue = queues.iter().find(|queue| queue.peer == agreement.domain);
            let messages = queue.map_or(0, |queue| usize::try_from(queue.messages).unwrap_or(usize::MAX));
            self.events.outbox(&agreement.domain, messages, queue.map(|queue| queue.oldest));
        }
        let closed = |queue: &&QueueSummary| {
            map.directory
                .agreement(queue.peer.as_str())
                .is_none_or(|agreement| agreement.state_at(now.date_time()) == PeerState::Closed)
        };
        // Whoever comes second finds everything done.
        let mut looked = self.closed.lock().await;
        looked.retain(|(_, peer), _| queues.iter().filter(closed).any(|queue| queue.peer == *peer));
        for queue in queues.iter().filter(closed) {
            let may_come_back = map.directory.agreement(queue.peer.as_str()).is_some();
            for own in map.directory.own() {
                // Once the entry is removed everything ends, what stayed before too.
                let place = looked.entry((own.clone(), queue.peer.clone())).or_default();
                let begin = if may_come_back { *place } else { 0 };
                match self.look_at_closed(own, &queue.peer, begin, may_come_back).await {
                    Ok(after) => *place = after,
                    Err(error) => {
                        warn!(peer = %queue.peer, %error, "the queue of a closed peer cannot be read");
                    }
                }
            }
        }
    }

    /// Looks at the queue of a closed peer from a row on; up to which row.
    async fn look_at_closed(
        self: &Arc<Self>,
        own: &Domain,
        peer: &Domain,
        mut after: i64,
        may_come_back: bool,
    ) -> Result<i64, StoreError> {
        loop {
            let rows = self.store.outbox(own.clone(), peer.clone(), after, PAGE).await?;
            let count = rows.len();
            for row in rows {
                if self.lot(&row, may_come_back).await? == Lot::Ends {
                    info!(row = row.row, %peer, primitive = %row.outgoing.primitive, "no agreement any more");
                    if let Some(exit) = self.exit(&row.outgoing) {
                        exit.withdraw(row.row);
                    }
                    self.ended_for_all(&row, outbox::CLOSED, Undelivered::Closed);
                } else {
                    debug!(row = row.row, %peer, primitive = %row.outgoing.primitive, "kept for a closed peer");
                }
                after = row.row;
            }
            if count < PAGE {
                return Ok(after);
            }
        }
    }

    async fn lot(self: &Arc<Self>, row: &StoredOutgoing, may_come_back: bool) -> Result<Lot, StoreError> {
        let outgoing = &row.outgoing;
        match outgoing.settlement {
            Settlement::Notice if may_come_back => return Ok(Lot::Stays),
            Settlement::Notice => return Ok(Lot::Ends),
            Settlement::Request if outgoing.author.is_none() => {
                if let Ok(Some((group, users))) = send::heard_in(&outgoing.body) {
                    self.put_out_of_reach(&group, &users).await?;
                }
                return Ok(Lot::Ends);
            }
            // What a user was promised stays; of the others nobody waits for the answer after a while.
            Settlement::Question
                if may_come_back && outgoing.via.is_none() && *outgoing.primitive != *"InviteRequest" =>
            {
                return Ok(if self.is_owed(row.row) { Lot::Stays } else { Lot::Ends });
            }
            Settlement::Question | Settlement::Request => {}
        }
        if !may_come_back {
            return Ok(Lot::Ends);
        }
        // Without an exit it is of an earlier run of this node.
        if self.exit(outgoing).is_some_and(|exit| exit.take_back(row.row)) {
            return Ok(Lot::Ends);
        }
        self.outgoing_waits(std::iter::once(row.row));
        Ok(Lot::Stays)
    }
}
