//! What operators do to rows of the outbox.

use std::sync::Arc;

use tracing::info;

use super::Sap;
use crate::element::im::send;
use crate::imps::Domain;
use crate::imps::primitive::Recipient;
use crate::relay::events::Undelivered;
use crate::relay::outbox;
use crate::relay::ports::{Change, OperatorsChange, StoreError, StoredOutgoing};

/// Rows that are taken at a time.
const PAGE: usize = 200;

impl Sap {
    /// The row leaves at the next chance; `false` if there is no such row.
    pub async fn outgoing_hurried(&self, row: i64) -> Result<bool, StoreError> {
        let due = Change::Operators(OperatorsChange::MakeDue { row });
        let outcomes = self.store.commit(vec![due]).await?;
        Ok(outcomes.first().is_some_and(|outcome| outcome.took_effect()))
    }

    /// The row is taken out of the queue; its author, or whoever waits for its answer, hears that it was not
    /// delivered.
    pub async fn outgoing_taken_out(self: &Arc<Self>, row: &StoredOutgoing) -> Result<(), StoreError> {
        self.take_out(row);
        self.is_taken_out(row.row).await
    }

    fn take_out(self: &Arc<Self>, row: &StoredOutgoing) {
        info!(row = row.row, peer = %row.outgoing.peer, "taken out of the queue by an operator");
        if let Some(exit) = self.exit(&row.outgoing) {
            exit.withdraw(row.row);
        }
        self.ended_for_all(row, outbox::DROPPED, Undelivered::Dropped);
    }

    /// Commits happen in the order of the calls: once the store has looked for the row in vain, it is gone, and
    /// all that were taken out before it.
    async fn is_taken_out(&self, row: i64) -> Result<(), StoreError> {
        self.outgoing_hurried(row).await.map(|_| ())
    }

    /// Takes out everything that waits for a peer now; tells how many rows that were.
    pub async fn queue_taken_out(self: &Arc<Self>, peer: &Domain) -> Result<u64, StoreError> {
        let (mut taken, mut after) = (0, 0);
        // What is accepted meanwhile stays.
        let begun = self.now();
        loop {
            let page = self.store.queued(Some(peer.clone()), after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(taken) };
            after = last.row.row;
            let mut last_taken = None;
            for queued in page.iter().filter(|queued| queued.row.outgoing.accepted <= begun) {
                if let Some(row) = self.store.outgoing(queued.row.row).await? {
                    self.take_out(&row);
                    taken += 1;
                    last_taken = Some(row.row);
                }
            }
            if let Some(row) = last_taken {
                self.is_taken_out(row).await?;
            }
        }
    }

    /// For whom a row is: the recipients of a message, nobody of anything else.
    pub fn outgoing_recipients(row: &StoredOutgoing) -> Vec<String> {
        send::recipients(&row.outgoing.body)
            .map(|recipients| recipients.iter().map(named).collect())
            .unwrap_or_default()
    }
}

fn named(recipient: &Recipient) -> String {
    match recipient {
        Recipient::User(user) => user.id.to_string(),
        Recipient::Group(group) => group.to_string(),
        Recipient::ScreenName(name) => format!("{} in {}", name.name, name.group),
        Recipient::ContactList(list) => list.to_string(),
    }
}
