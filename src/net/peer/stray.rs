//! Answers that nobody waits for on the link they came by. Late ones and repeats are no news; one that
//! another peer was asked for is an attempt to answer in its place: it is dropped like the others, and the
//! operator hears of it (reference ssp-behaviour §3).

use tracing::warn;

use super::link::PeerLink;
use crate::imps::TransactionId;
use crate::relay::events::Refused;

/// Stray answers of one document that are looked at more closely.
pub(super) const LOOKED_AT_MAX: usize = 16;

impl PeerLink {
    /// Tells of those among these stray answers for which another peer was asked.
    pub(super) fn look_at_strays(&self, strays: &[TransactionId]) {
        for transaction in strays {
            let others = self.shared.links.load();
            let asked = others
                .iter()
                .filter_map(std::sync::Weak::upgrade)
                .find(|other| other.own == self.own && other.peer != self.peer && other.awaits(transaction));
            if let Some(other) = asked {
                let what = format!("an answer in transaction {transaction}, which {} was asked", other.peer);
                warn!(peer = %self.peer, own = %self.own, "refused: {what}");
                self.watch.trouble(self.now(), what);
                self.shared.sap.events().ssp_refused(Some(&self.peer), Refused::Identity);
            }
        }
    }

    /// Whether the peer was asked under this id and has not answered yet.
    fn awaits(&self, transaction: &TransactionId) -> bool {
        self.state().link.awaits(transaction)
    }
}
