//! What becomes of rows of the outbox: answered, silent, refused, expired (decisions.md 3, 4, 5).
//!
//! The link tells what happened to a row; here it is decided whether the row is done, who hears of
//! it, and when it is tried again. The commits are not waited for: they are carried out in order, and
//! one that is lost in a crash only makes the row leave once more, under the same ids.

use std::sync::Arc;

use tracing::{debug, info, warn};

use super::Sap;
use super::delegated::link_to;
use crate::element::im::send;
use crate::element::im::{Mail, StoredMail, report};
use crate::imps::agreement::Profile;
use crate::imps::primitive::Recipient;
use crate::imps::status::Entity;
use crate::imps::{Code, Moment, Primitive, UserId, Version};
use crate::relay::events::{Direction, Door, Undelivered};
use crate::relay::outbox::{self, Unanswered};
use crate::relay::pending;
use crate::relay::ports::{Change, Outcome, Outgoing, Settlement, StoredOutgoing};
use crate::wire::Carried;
use crate::wire::ssp::{self, Style};

/// What a link does with a row that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is gone.
    Done,
    /// It leaves again, not before this moment.
    Again(Moment),
    /// The same, because the peer took it and did not answer.
    Repeated(Moment),
    /// It keeps its place until it is replaced ([`crate::relay::exit::Exit::replaced`]).
    Held,
}

/// A failure on its way to an author.
enum Report {
    /// Into a mailbox here.
    Here(Box<Mail>),
    /// To the author's home.
    There(Box<Outgoing>),
}

impl Sap {
    /// The peer answered. `octets` are those of the answer, empty if they are of no use to others.
    pub fn outgoing_answered(
        self: &Arc<Self>,
        row: &StoredOutgoing,
        answer: &Carried,
        octets: &[u8],
        profile: Profile,
    ) -> Settled {
        let now = self.now();
        let outgoing = &row.outgoing;
        self.traces.peer_answered(row, code_of(answer).get(), now);
        self.events.ssp_transaction(
            &outgoing.peer,
            Direction::Out,
            name_of(&outgoing.primitive),
            code_of(answer),
        );
        self.events.ssp_transaction_took(&outgoing.peer, now.since(row.not_before));
        match outgoing.settlement {
            Settlement::Notice => return self.dropped(row),
            Settlement::Question if outgoing.via.is_some() => {
                return self.passage_answered(row, answer, octets);
            }
            Settlement::Question => return self.question_answered(row, answer),
            Settlement::Request => {}
        }
        let recipients = match send::recipients(&outgoing.body) {
            Ok(recipients) => recipients,
            Err(code) => {
                warn!(row = row.row, peer = %outgoing.peer, %code, "an outbox row is damaged; it is dropped");
                return self.dropped(row);
            }
        };
        let verdict = outbox::judge(answer, &recipients, &outgoing.peer, profile);
        let (outcomes, again) = (verdict.outcomes(), verdict.retry());
        if again.is_empty() {
            return self.ended(row, &outcomes, Undelivered::Rejected);
        }
        let at = outbox::retry_at(now, row.attempts, verdict.try_again, &mut **self.chance());
        if outcomes.is_empty() {
            debug!(row = row.row, peer = %outgoing.peer, "the peer wants it later");
            return self.deferred(row, at);
        }
        self.narrowed(row, again, outcomes, at, profile)
    }

    /// The notice has arrived.
    pub fn outgoing_settled(&self, row: &StoredOutgoing) {
        let name = name_of(&row.outgoing.primitive);
        self.events.ssp_transaction(&row.outgoing.peer, Direction::Out, name, Code::SUCCESSFUL);
        self.dropped(row);
    }

    /// The peer refused the document itself.
    pub fn outgoing_refused(self: &Arc<Self>, row: &StoredOutgoing, http: u16) {
        let code = outbox::refused_by_http(http).unwrap_or(Code::UNABLE_TO_DELIVER);
        warn!(row = row.row, peer = %row.outgoing.peer, http, "the peer refuses a document of ours");
        self.ended_for_all(row, code, Undelivered::Rejected);
    }

    /// The peer took it and never answered.
    pub fn outgoing_unanswered(self: &Arc<Self>, row: &StoredOutgoing, profile: Profile) -> Settled {
        let decision = outbox::unanswered(self.now(), row.unanswered, profile, &mut **self.chance());
        match decision {
            Unanswered::Repeat(at) => {
                self.deferred(row, at);
                Settled::Repeated(at)
            }
            Unanswered::Settle => {
                info!(row = row.row, peer = %row.outgoing.peer, "never answered; taken for delivered");
                self.events.ssp_unconfirmed(&row.outgoing.peer);
                if row.outgoing.settlement == Settlement::Question {
                    return self.question_ended(row, Code::TIMEOUT);
                }
                let recipients = send::recipients(&row.outgoing.body).unwrap_or_default();
                let outcomes: Vec<_> = recipients.iter().map(|to| (to.entity(), Code::SUCCESSFUL)).collect();
                self.ended(row, &outcomes, Undelivered::Rejected)
            }
        }
    }

    /// The link could not place it.
    pub fn outgoing_returned(&self, row: &StoredOutgoing) -> Settled {
        let at = outbox::retry_at(self.now(), row.attempts, None, &mut **self.chance());
        self.deferred(row, at)
    }

    /// The peer turns out to be in trouble: whoever waits for these rows hears that they are queued
    /// (decisions.md 4).
    pub fn outgoing_waits(&self, rows: impl Iterator<Item = i64>) {
        for row in rows {
            self.question_waits(row);
            let settled = self.pending().settle(row, &[]);
            if let pending::Settled::Resolved(resolved) = settled {
                // The asker may be gone; then nobody has to hear it.
                let _ = resolved.asker.send(resolved.status);
            }
        }
    }

    /// Its validity has ended before it could leave.
    pub(super) fn outgoing_expired(self: &Arc<Self>, row: &StoredOutgoing) {
        if let Some(exit) = self.exit(&row.outgoing) {
            exit.withdraw(row.row);
        }
        self.ended_for_all(row, outbox::EXPIRED, Undelivered::Expired);
    }

    pub(super) fn dropped(&self, row: &StoredOutgoing) -> Settled {
        self.drop_row(row, None);
        Settled::Done
    }

    pub(super) fn deferred(&self, row: &StoredOutgoing, not_before: Moment) -> Settled {
        drop(self.commit_about(row.row, vec![Change::DeferOutgoing { row: row.row, not_before }]));
        Settled::Again(not_before)
    }

    pub(super) fn ended_for_all(self: &Arc<Self>, row: &StoredOutgoing, code: Code, failed: Undelivered) {
        match row.outgoing.settlement {
            Settlement::Notice => {
                self.dropped(row);
                return;
            }
            Settlement::Question => {
                self.question_ended(row, code);
                return;
            }
            Settlement::Request => {}
        }
        let recipients = send::recipients(&row.outgoing.body).unwrap_or_default();
        let outcomes: Vec<_> = recipients.iter().map(|to| (to.entity(), code)).collect();
        self.ended(row, &outcomes, failed);
    }

    /// Every recipient has its outcome: the asker hears it, or the author by reports.
    fn ended(
        self: &Arc<Self>,
        row: &StoredOutgoing,
        outcomes: &[(Entity, Code)],
        failed: Undelivered,
    ) -> Settled {
        for (_, code) in outcomes {
            if code.is_success() {
                self.events.message_delivered(Door::Ssp);
            } else {
                self.events.message_failed(failed);
            }
        }
        let settled = self.pending().settle(row.row, outcomes);
        let heard = match settled {
            pending::Settled::Resolved(resolved) => resolved.asker.send(resolved.status).is_ok(),
            pending::Settled::Waiting => true,
            pending::Settled::Nobody => false,
        };
        let reports = match &row.outgoing.author {
            Some(author) if !heard => self.reports(row, author, outcomes),
            _ => Vec::new(),
        };
        if reports.is_empty() {
            return self.dropped(row);
        }
        let mut changes = vec![Change::DropOutgoing { row: row.row }];
        changes.extend(reports.iter().map(|told| Change::Then(Box::new(report_change(told)))));
        let commit = self.commit_about(row.row, changes);
        let (sap, row) = (Arc::clone(self), row.clone());
        tokio::spawn(async move {
            match commit.await {
                Ok(outcomes) => {
                    for (told, outcome) in reports.into_iter().zip(outcomes.into_iter().skip(1)) {
                        sap.reported(told, outcome);
                    }
                }
                // The row is still there and leaves again.
                Err(error) => {
                    warn!(row = row.row, %error, "a failure cannot be reported now");
                    let at = outbox::retry_at(sap.now(), row.attempts, None, &mut **sap.chance());
                    sap.offer(vec![StoredOutgoing { not_before: at, attempts: row.attempts + 1, ..row }]);
                }
            }
        });
        Settled::Done
    }

    fn reports(&self, row: &StoredOutgoing, author: &UserId, outcomes: &[(Entity, Code)]) -> Vec<Report> {
        let (map, now, body) = (self.map(), self.now(), &row.outgoing.body);
        let is_ours = author.domain_str().is_some_and(|home| map.directory.own_domain(home).is_some());
        let reports = if is_ours {
            report::of_request(body, author, outcomes, now)
                .map(|mails| mails.into_iter().map(|mail| Report::Here(Box::new(mail))).collect())
        } else {
            // It was handed on to the element of those whom it is for.
            let link = link_to(&map, &row.outgoing.own, author, now);
            link.map_or(Ok(Vec::new()), |link| report::of_handed_on(body, author, outcomes, now, &link))
                .map(|parcels| parcels.into_iter().map(|it| Report::There(Box::new(it.into()))).collect())
        };
        reports.unwrap_or_else(|code| {
            warn!(row = row.row, %author, %code, "a failure cannot be reported: the row is damaged");
            Vec::new()
        })
    }

    /// A report has its place, or not.
    fn reported(&self, report: Report, outcome: Outcome) {
        match (report, outcome) {
            (Report::Here(mail), Outcome::Row(row)) => self.arrived(StoredMail { row, mail: *mail }),
            (Report::There(outgoing), Outcome::Row(row)) => {
                self.offer(vec![StoredOutgoing::fresh(row, *outgoing, self.now())]);
            }
            (Report::Here(mail), outcome) => {
                warn!(author = %mail.owner, ?outcome, "there is no room for a report of a failure");
            }
            (Report::There(outgoing), outcome) => {
                warn!(peer = %outgoing.peer, ?outcome, "there is no room for a report of a failure");
            }
        }
    }

    /// Some recipients are done, the others go into a request of their own.
    fn narrowed(
        self: &Arc<Self>,
        row: &StoredOutgoing,
        again: Vec<Recipient>,
        outcomes: Vec<(Entity, Code)>,
        at: Moment,
        profile: Profile,
    ) -> Settled {
        let style = Style { version: Version::V1_3, legacy: profile == Profile::Legacy };
        let entities: Vec<_> = again.iter().map(Recipient::entity).collect();
        let body = match send::narrowed(&row.outgoing.body, again, style) {
            Ok(body) => body,
            Err(code) => {
                warn!(row = row.row, %code, "a request cannot be narrowed to those who are left");
                let all =
                    entities.into_iter().map(|entity| (entity, code)).chain(outcomes).collect::<Vec<_>>();
                return self.ended(row, &all, Undelivered::Rejected);
            }
        };
        let mut outgoing = row.outgoing.clone();
        outgoing.body = body;
        // Who waits for the answer hears of these with the rest; everybody else hears of them now.
        let waited = self.pending().waits_for(row.row);
        let reports = match &row.outgoing.author {
            Some(author) if !waited => self.reports(row, author, &outcomes),
            _ => Vec::new(),
        };
        let mut changes = vec![Change::ReplaceOutgoing { row: row.row, by: Box::new(outgoing.clone()) }];
        changes.extend(reports.iter().map(|told| Change::Then(Box::new(report_change(told)))));
        let commit = self.commit_about(row.row, changes);
        let (sap, old) = (Arc::clone(self), row.clone());
        tokio::spawn(async move {
            let mut found = match commit.await {
                Ok(found) => found.into_iter(),
                Err(error) => {
                    warn!(row = old.row, %error, "a request cannot be narrowed; it leaves again as it is");
                    let again = StoredOutgoing { not_before: at, attempts: old.attempts + 1, ..old.clone() };
                    sap.replaced(&old, Some(again));
                    return;
                }
            };
            // Otherwise somebody else has ended the row meanwhile, for all its recipients.
            let Some(Outcome::Row(by)) = found.next() else { return sap.replaced(&old, None) };
            for (told, outcome) in reports.into_iter().zip(found) {
                sap.reported(told, outcome);
            }
            let waits = sap.pending().waits_for(old.row);
            sap.pending().replace(old.row, by, entities, &outcomes);
            // Whoever waited has lost patience during the commit.
            if let (true, false, Some(author)) = (waited, waits, &old.outgoing.author) {
                for report in sap.reports(&old, author, &outcomes) {
                    let delivered = sap.store.commit(vec![report_change(&report)]).await;
                    if let Ok(Some(outcome)) = delivered.map(|found| found.first().copied()) {
                        sap.reported(report, outcome);
                    }
                }
            }
            let by = StoredOutgoing {
                row: by,
                attempts: old.attempts + 1,
                unanswered: 0,
                not_before: at,
                outgoing,
            };
            sap.replaced(&old, Some(by));
        });
        Settled::Held
    }

    fn replaced(&self, old: &StoredOutgoing, by: Option<StoredOutgoing>) {
        if let Some(exit) = self.exit(&old.outgoing) {
            exit.replaced(old.row, old.outgoing.order, by);
        }
    }
}

fn report_change(report: &Report) -> Change {
    match report {
        Report::Here(mail) => Change::Deliver { mail: Mail::clone(mail), seen: None },
        Report::There(outgoing) => Change::Send(Outgoing::clone(outgoing)),
    }
}

/// The name as a label of metrics: one of the fixed names.
pub(super) fn name_of(primitive: &str) -> &'static str {
    let own = Primitive::NAMES.iter().find(|name| **name == primitive).copied();
    own.or_else(|| ssp::relayed(primitive)).unwrap_or("unknown")
}

fn code_of(answer: &Carried) -> Code {
    match answer {
        Carried::Primitive(primitive) => primitive.code(),
        _ => Code::INTERNAL_ERROR,
    }
}
