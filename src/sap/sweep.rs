//! What happens by itself: sessions and messages that end, activity that is written back.
//!
//! One task wakes often and does a bounded page of each; durable deadlines are an indexed column of
//! the store (decisions.md 27).

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::Sap;
use crate::imps::Moment;
use crate::relay::ports::Change;

/// How often sessions and waiting askers are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often the store is asked for what has expired.
const EXPIRY: Duration = Duration::from_secs(1);
/// How often keys that are over are forgotten and queue gauges are renewed.
const FORGET: Duration = Duration::from_secs(60);
/// Gauges of the queues are renewed so often.
const GAUGES: Duration = Duration::from_secs(5);
/// Rows or sessions of one page.
const PAGE: usize = 500;

impl Sap {
    /// Runs until stopped.
    pub async fn sweep(self: &Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        if let Err(error) = self.look_at_every_peer().await {
            warn!(%error, "it cannot be found out who was out of reach before");
        }
        let (mut expiry, mut forget, mut gauges) = (Moment::default(), Moment::default(), Moment::default());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
            }
            let now = self.now();
            self.sweep_sessions(now).await;
            self.leave_groups_of_the_gone().await;
            self.join_elsewhere();
            self.answer_the_impatient(now);
            self.tell_of_silence(now);
            self.sweep_pace(now).await;
            if let Err(error) = self.renew_subscriptions().await {
                warn!(%error, "subscriptions at a peer that is back cannot be renewed");
            }
            if now >= expiry {
                expiry = now.after(EXPIRY);
                self.sweep_expired(now).await;
                if let Err(error) = self.sweep_gone_peers(now).await {
                    warn!(%error, "watchers of a peer that is out of reach cannot be told");
                }
                if let Err(error) = self.sweep_groups(now).await {
                    warn!(%error, "groups that end cannot be looked up");
                }
            }
            if now >= gauges {
                gauges = now.after(GAUGES);
                self.return_closed(now).await;
            }
            if now >= forget {
                forget = now.after(FORGET);
                self.sweep_searches(now);
                self.sweep_budgets(now);
                self.sweep_guests();
                self.sweep_content(now).await;
                if let Err(error) = self.sweep_untold().await {
                    warn!(%error, "watchers who were not told yet cannot be looked up");
                }
                self.sweep_visits().await;
                if let Err(error) = self.sweep_absent().await {
                    warn!(%error, "sessions that are over cannot be put out of groups");
                }
                if let Err(error) = self.store.commit(vec![Change::Forget { before: now }]).await {
                    warn!(%error, "old keys cannot be forgotten");
                }
            }
        }
        self.hurry_pace().await;
        // What was active meanwhile is written back, so that a restart does not end it early.
        self.save_activity().await;
    }

    /// Clients whose session is over go out of their groups.
    async fn leave_groups_of_the_gone(&self) {
        let gone = std::mem::take(&mut *self.gone());
        for session in gone {
            if let Err(error) = self.leave_groups(&session).await {
                // Found again among those that are absent.
                warn!(%error, "a session that is over cannot be put out of its groups");
            }
        }
    }

    async fn sweep_sessions(&self, now: Moment) {
        for client in self.clients.due(now, PAGE) {
            let over = client.machine().is_over(now);
            if over {
                debug!(user = %client.user(), "session over");
                self.forget_session(&client).await;
                continue;
            }
            self.save_session(&client).await;
            self.call_if_due(&client).await;
            let wake_at = client.machine().wake_at().max(now.after(TICK));
            self.clients.watch(&client, wake_at);
        }
    }

    async fn save_activity(&self) {
        let touched = self.clients.all().into_iter().map(|client| {
            let last = client.machine().record().last_active;
            (client.id.clone(), last)
        });
        let touched: Vec<_> = touched.collect();
        if !touched.is_empty()
            && let Err(error) = self.store.commit(vec![Change::TouchCspSessions(touched)]).await
        {
            warn!(%error, "the activity of sessions cannot be saved");
        }
    }

    async fn sweep_expired(self: &Arc<Self>, now: Moment) {
        match self.store.expired_mail(now, PAGE).await {
            Ok(rows) => {
                for mail in rows {
                    info!(row = mail.row, owner = %mail.mail.owner, "a message expired in the mailbox");
                    self.mail_expired(mail).await;
                }
            }
            Err(error) => warn!(%error, "expired mail cannot be listed"),
        }
        match self.store.expired_outgoing(now, PAGE).await {
            Ok(rows) => {
                for row in rows {
                    info!(row = row.row, peer = %row.outgoing.peer, "a message expired in the outbox");
                    self.outgoing_expired(&row);
                }
            }
            Err(error) => warn!(%error, "expired messages of the outbox cannot be listed"),
        }
    }

    /// Askers whose patience ends hear that their message is queued.
    fn answer_the_impatient(&self, now: Moment) {
        let resolved = self.pending().expire(now);
        for resolved in resolved {
            // The asker may be gone; then nobody has to hear it.
            let _ = resolved.asker.send(resolved.status);
        }
    }
}
