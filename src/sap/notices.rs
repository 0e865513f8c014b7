//! What others are told of a change, in the commit of the change and out after it.

use std::sync::Arc;

use tracing::{debug, warn};

use super::questions::{is_agreed, style};
use super::{Map, Sap};
use crate::element::im::{Mail, StoredMail, lane, order};
use crate::element::notify::{Notify, Reach};
use crate::imps::primitive::{MetaInfo, User};
use crate::imps::{Code, Primitive, ServiceId, SessionId};
use crate::relay::agreement::is_of_element;
use crate::relay::ports::{Change, Outcome, Outgoing, Settlement, StoreError, StoredOutgoing};
use crate::relay::split::{Elsewhere, by_domain};
use crate::wire::ssp;

/// A row that a notice becomes.
enum Row {
    Mail(Box<Mail>),
    Leaves(Box<Outgoing>),
}

impl Sap {
    /// Commits what was decided, together with what others are told of it; they hear it after the commit,
    /// and only if the change before it took effect. Gives the outcomes of `changes`. Notices need no
    /// change; with none they are only worth sending.
    pub(super) async fn commit_and_tell(
        &self,
        changes: Vec<Change>,
        notices: Vec<Notify>,
    ) -> Result<Vec<Outcome>, StoreError> {
        // A guest may have gone since; who has to wait is out of reach now.
        let domains = notices.iter().flat_map(|notice| &notice.to).filter_map(|user| user.id.domain_str());
        let _ = self.meet(domains).await;
        let rows = {
            let map = self.map();
            notices.iter().flat_map(|notice| self.rows(&map, notice)).collect::<Vec<_>>()
        };
        let decided = changes.len();
        let mut all = changes;
        for row in &rows {
            let change = match row {
                Row::Mail(mail) => Change::Deliver { mail: Mail::clone(mail), seen: None },
                Row::Leaves(outgoing) => Change::Send(Outgoing::clone(outgoing)),
            };
            all.push(if decided == 0 { change } else { Change::Then(Box::new(change)) });
        }
        let mut outcomes = self.store.commit(all).await?;
        let told = outcomes.split_off(decided.min(outcomes.len()));
        let now = self.now();
        let mut leaving = Vec::new();
        for (row, outcome) in rows.into_iter().zip(told) {
            match (row, outcome.row()) {
                (Row::Mail(mail), Some(row)) => {
                    if let Outcome::Replaced { old, .. } = outcome {
                        self.clients.row_removed(&mail.owner, old);
                    }
                    self.arrived(StoredMail { row, mail: *mail });
                }
                (Row::Leaves(outgoing), Some(row)) => {
                    if let Outcome::Replaced { old, .. } = outcome
                        && let Some(exit) = self.exit(&outgoing)
                    {
                        exit.withdraw(old);
                    }
                    leaving.push(StoredOutgoing::fresh(row, *outgoing, now));
                }
                (Row::Mail(mail), None) => {
                    debug!(owner = %mail.owner, notice = %mail.message_id, ?outcome, "a notice finds no place");
                }
                (Row::Leaves(outgoing), None) => {
                    debug!(peer = %outgoing.peer, notice = %outgoing.primitive, ?outcome, "a notice finds no place");
                }
            }
        }
        self.offer(leaving);
        Ok(outcomes)
    }

    /// The rows of one notice: for each of our users, or each of its sessions, and for each other domain.
    fn rows(&self, map: &Map, notice: &Notify) -> Vec<Row> {
        let now = self.now();
        // Who is behind a closed agreement hears it once that is in force again, if it is still worth telling.
        let routes = &map.routes;
        let to = by_domain(notice.to.iter().cloned(), |user| routes.home_of(&user.id), routes, now);
        let mut to = to.owing(|user| routes.home_of(&user.id), routes);
        if map.directory.own_domain(notice.own.as_str()).is_none() {
            // It is about a user of another provider whose element is run here: it leaves by that user's home.
            let there = to.remote.into_iter().flat_map(|elsewhere| elsewhere.items);
            let items: Vec<User> = there.chain(std::mem::take(&mut to.unknown)).collect();
            let home =
                || Elsewhere { peer: notice.own.clone(), domain: notice.own.clone(), items: Vec::new() };
            to.remote = if is_of_element(&notice.primitive) {
                items.into_iter().map(|user| Elsewhere { items: vec![user], ..home() }).collect()
            } else {
                (!items.is_empty()).then(|| Elsewhere { items, ..home() }).into_iter().collect()
            };
        }
        let mut rows = Vec::new();
        if !to.local.is_empty() {
            match notice.body() {
                Ok(body) => {
                    for user in &to.local {
                        rows.extend(self.mails(notice, user, &body));
                    }
                }
                Err(code) => warn!(notice = notice.primitive.name(), %code, "a notice cannot be written"),
            }
        }
        for elsewhere in to.remote {
            match self.leaves(map, notice, elsewhere) {
                Ok(outgoing) => rows.push(Row::Leaves(Box::new(outgoing))),
                Err(code) => debug!(notice = notice.primitive.name(), %code, "a notice does not leave"),
            }
        }
        rows
    }

    fn mails(&self, notice: &Notify, user: &User, body: &Arc<[u8]>) -> Vec<Row> {
        let sessions: Vec<Option<SessionId>> = match &notice.reach {
            Reach::Account => vec![None],
            Reach::EverySession => {
                self.clients.of_user(&user.id).iter().map(|client| Some(client.id.clone())).collect()
            }
            Reach::Sessions(sessions) => sessions.iter().cloned().map(Some).collect(),
        };
        let mails = sessions
            .into_iter()
            .filter_map(|session| notice.mail(user.id.clone(), session, Arc::clone(body), self.now()).ok());
        mails.map(|mail| Row::Mail(Box::new(mail))).collect()
    }

    fn leaves(&self, map: &Map, notice: &Notify, to: Elsewhere<User>) -> Result<Outgoing, Code> {
        let agreement = map.directory.outbound(to.peer.as_str()).ok_or(Code::SERVICE_NOT_AGREED)?;
        if !is_agreed(agreement, &notice.primitive) {
            return Err(Code::SERVICE_NOT_AGREED);
        }
        let own = map.directory.own_domain(notice.own.as_str());
        let own = own.or_else(|| map.directory.own_towards(notice.own.as_str()));
        let own = own.ok_or(Code::INTERNAL_ERROR)?.clone();
        let meta = MetaInfo {
            // Of all notices only the answer to an invitation is a client's own.
            client_originated: matches!(notice.primitive, Primitive::InviteResponse(_)),
            service: ServiceId::of(own.clone()),
            // What an element asks is said to be for its user.
            user: if is_of_element(&notice.primitive) {
                to.items.first().cloned()
            } else {
                notice.by.clone()
            },
        };
        // What one user causes others to be told keeps its order, whichever of them it is for: the last word
        // has to be the last. Others need not wait for it.
        let about = notice.by.as_ref().map_or_else(|| notice.own.to_string(), |user| user.id.key());
        let primitive = notice.primitive.clone().addressed_to(&to.items);
        let body = ssp::encode_primitive(&primitive, Some(&meta), style(map, &to.peer))
            .ok_or(Code::INTERNAL_ERROR)?;
        let now = self.now();
        Ok(Outgoing {
            own,
            settlement: Settlement::Notice,
            primitive: primitive.name().into(),
            message_id: None,
            author: None,
            order: order(&format!("{about} {}", to.domain), &[]),
            lane: lane(&about),
            accepted: now,
            expires: notice.expires(now),
            reply_to: notice.reply_to.clone(),
            replaces: notice.replaces.as_ref().map(|text| format!("{text} {}", to.domain).into()),
            via: None,
            body: body.into(),
            peer: to.peer,
        })
    }
}
