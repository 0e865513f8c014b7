//! Rows of mailboxes: what is asked of them, and how they end. The author of a message that ends hears of it in
//! the same commit.

use std::sync::Arc;

use tracing::warn;

use super::clients::Client;
use super::questions::style;
use super::{Map, Sap, store_code};
use crate::element::im::fetch::{self, Ended};
use crate::element::im::report::{Told, Way};
use crate::element::im::send::Link;
use crate::element::im::{Mail, MailKind, StoredMail};
use crate::imps::{Code, Domain, MessageId, Moment, Primitive, Status, UserId};
use crate::relay::changes;
use crate::relay::events::{Door, Undelivered};
use crate::relay::ports::{Outcome, StoreError, StoredOutgoing};
use crate::relay::route::Route;

impl Sap {
    /// What is asked of the messages that wait for a user; `None`: something else is asked.
    pub(super) async fn mailbox_request(
        &self,
        user: &UserId,
        primitive: &Primitive,
    ) -> Option<Result<Primitive, Code>> {
        let now = self.now();
        Some(match primitive {
            Primitive::GetMessageRequest(request) => {
                match self.store.message(user.clone(), request.message_id.clone()).await {
                    Ok(found) => fetch::message(found.as_ref(), now),
                    Err(error) => Err(store_code(&error)),
                }
            }
            Primitive::GetMessageListRequest(request) => {
                match self.store.newest(user.clone(), fetch::list_limit(request)).await {
                    Ok((newest, total)) => fetch::list(request, &newest, total, now),
                    Err(error) => Err(store_code(&error)),
                }
            }
            Primitive::RejectMessageRequest(request) => {
                let mut found = Vec::new();
                for id in request.message_ids.iter().take(fetch::REJECT_MAX) {
                    match self.store.message(user.clone(), id.clone()).await {
                        Ok(row) => found.push(row),
                        Err(error) => return Some(Err(store_code(&error))),
                    }
                }
                let rejected = {
                    let map = self.map();
                    let home = user.domain()?;
                    fetch::reject(request, &found, now, |mail| way(&map, &home, mail, now))
                };
                match rejected {
                    Ok((status, ended)) => match self.end_rows(user, ended).await {
                        Ok(gone) => {
                            for _ in 0..gone {
                                self.events.message_failed(Undelivered::Rejected);
                            }
                            Ok(status.into())
                        }
                        Err(error) => Err(store_code(&error)),
                    },
                    Err(code) => Err(code),
                }
            }
            Primitive::MessageDelivered(delivered) => {
                match self.taken_of(user, delivered.message_id.clone()).await {
                    Ok(true) => Ok(Status::ok().into()),
                    Ok(false) => Err(Code::INVALID_MESSAGE_ID),
                    Err(error) => Err(store_code(&error)),
                }
            }
            _ => return None,
        })
    }

    /// A client has taken a row.
    pub(super) async fn take_row(&self, client: &Arc<Client>, row: i64) -> Result<bool, StoreError> {
        let stored = match client.kept_row(row) {
            Some(kept) => Some(kept),
            None => {
                let found = self.store.mailbox(client.user().clone(), None, row - 1, 1).await?;
                found.into_iter().next().filter(|found| found.row == row).map(Arc::new)
            }
        };
        match stored {
            Some(stored) => self.row_delivered(&stored).await,
            // Another session of the user was quicker.
            None => {
                self.clients.row_removed(client.user(), row);
                Ok(false)
            }
        }
    }

    /// A client says that it has a message; `false` if there is none.
    pub(super) async fn message_taken(
        &self,
        client: &Arc<Client>,
        id: MessageId,
    ) -> Result<bool, StoreError> {
        self.taken_of(client.user(), id).await
    }

    async fn taken_of(&self, user: &UserId, id: MessageId) -> Result<bool, StoreError> {
        match self.store.message(user.clone(), id).await? {
            Some(stored) => self.row_delivered(&stored).await,
            None => Ok(false),
        }
    }

    async fn row_delivered(&self, stored: &StoredMail) -> Result<bool, StoreError> {
        let was_there = if self.is_copy(&stored.mail) {
            // The element says so to the author, and to nobody else that it is there.
            let told = self.taken(&stored.mail).map_or(Told::Nobody, Told::There);
            self.end_rows(&stored.mail.owner, vec![Ended { row: stored.row, told }]).await? > 0
        } else {
            self.settle_row(stored, fetch::delivered).await?
        };
        if was_there && stored.mail.kind == MailKind::Message {
            self.events.message_delivered(Door::Csp);
        }
        Ok(was_there)
    }

    /// The validity of a row has ended.
    pub(super) async fn mail_expired(&self, stored: StoredMail) {
        match self.settle_row(&stored, fetch::expired).await {
            Ok(true) if stored.mail.kind == MailKind::Message => {
                self.events.message_failed(Undelivered::Expired);
            }
            Ok(true) if stored.mail.kind == MailKind::Notice => {
                self.invitation_unfetched(&stored.mail).await;
            }
            Ok(_) => {}
            Err(error) => warn!(row = stored.row, %error, "an expired message cannot be removed"),
        }
    }

    pub(super) async fn settle_row(
        &self,
        stored: &StoredMail,
        end: fn(&StoredMail, Moment, Way<'_>) -> Result<Ended, Code>,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let owner = &stored.mail.owner;
        let ended = {
            let map = self.map();
            let home = owner.domain().ok_or_else(|| StoreError::Failed("an owner without domain".into()))?;
            end(stored, now, way(&map, &home, &stored.mail, now))
        };
        let ended = ended.unwrap_or_else(|code| {
            // The row is of no use to anybody; it goes without a report.
            warn!(row = stored.row, %owner, %code, "a mailbox row is damaged");
            Ended { row: stored.row, told: Told::Nobody }
        });
        Ok(self.end_rows(owner, vec![ended]).await? > 0)
    }

    /// Drops rows and tells their authors, each once; gives the number of rows that were still there.
    async fn end_rows(&self, owner: &UserId, ended: Vec<Ended>) -> Result<usize, StoreError> {
        let mut changes = Vec::new();
        let mut told = Vec::new();
        for ended in ended {
            told.push((ended.row, Told::Nobody));
            if ended.told != Told::Nobody {
                told.push((ended.row, ended.told.clone()));
            }
            changes.extend(changes::end(owner.clone(), ended));
        }
        let outcomes = self.store.commit(changes).await?;
        let now = self.now();
        let mut gone = 0;
        let mut leaving = Vec::new();
        for ((row, told), outcome) in told.into_iter().zip(outcomes) {
            match (told, outcome) {
                (Told::Nobody, outcome) => {
                    self.clients.row_removed(owner, row);
                    gone += usize::from(outcome == Outcome::Done);
                }
                (Told::Here(mail), Outcome::Row(row)) => self.arrived(StoredMail { row, mail }),
                (Told::There(parcel), Outcome::Row(row)) => {
                    leaving.push(StoredOutgoing::fresh(row, parcel.into(), now));
                }
                _ => {}
            }
        }
        self.offer(leaving);
        Ok(gone)
    }
}

/// Where the author of a mailbox row hears of it. `home` is the domain of the mailbox.
fn way<'a>(map: &'a Map, home: &'a Domain, mail: &Mail, now: Moment) -> Way<'a> {
    // Its owner is of another provider, by which everything goes that is said about it.
    if map.directory.own_domain(home.as_str()).is_none() {
        return match map.directory.own_towards(home.as_str()) {
            Some(own) => Way::Over(Link { own, peer: home, style: style(map, home) }),
            None => Way::Lost,
        };
    }
    match map.routes.of(mail.origin.as_str(), now.date_time()) {
        Route::Local(_) => Way::Here,
        Route::Peer(peer) => Way::Over(Link { own: home, peer, style: style(map, peer) }),
        // Behind a closed agreement it is heard once that is in force again. A guest stays one for as long as
        // anything can be owed to it.
        Route::Unknown => match map.routes.owed_to(mail.origin.as_str()) {
            Some(peer) => Way::Over(Link { own: home, peer, style: style(map, peer) }),
            None => Way::Lost,
        },
    }
}
