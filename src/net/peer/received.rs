//! What a peer sends: requests that are carried out or passed on, answers to ours, and how we answer.

use hyper::header::HeaderValue;
use tracing::{debug, warn};

use super::link::{PeerLink, State};
use super::{is_answers, read, stray};
use crate::imps::agreement::{Agreement, PeerState, Profile};
use crate::imps::{TransactionId, Version};
use crate::net::listen::{Answer, SSP_MEDIA_TYPE, StatusCode};
use crate::relay::events::{Listener, Refused};
use crate::relay::transit::{Via, ViaError};
use crate::sap::{Asked, Encoded, Ingress, PeerAnswer, PeerRequest};
use crate::session::ssp::Arrived;
use crate::wire::ssp::{self, Message};
use crate::wire::{Limits, unquoted};

/// Seconds that a peer is told to wait when we could not store what it sent.
const STORE_RETRY_SECONDS: u32 = 5;

impl PeerLink {
    /// Answers came in the HTTP answer to a POST of ours: they are what they would be in a POST of their own.
    pub(super) async fn answers_came(&self, document: &[u8]) {
        let Some(agreement) = self.agreement().filter(|_| self.standing() == PeerState::Active) else {
            return;
        };
        let relays = self.shared.sap.map().directory.transit().begins_with(&self.peer);
        let read = read(document, &Limits::for_document(agreement.max_document_bytes), relays);
        match read {
            Ok(message) if is_answers(&message) => {
                // What is wrong with it is told there.
                let _ = self.receive(message, document, &Ok(Via::default()), &agreement, false).await;
            }
            Ok(_) => warn!(peer = %self.peer, "an HTTP answer holds something else than answers"),
            Err(refusal) => {
                warn!(peer = %self.peer, "an HTTP answer cannot be read: {}", unquoted(&refusal));
                self.shared.sap.events().wire_rejected(Listener::Ssp, refusal.reason());
            }
        }
    }

    /// A message of the peer: everything in it is carried out and stored before the answer.
    /// `body` is the document, `via` the way it has come, `along` says that the peer takes answers in ours.
    pub(super) async fn receive(
        &self,
        message: Message,
        body: &[u8],
        via: &Result<Via, ViaError>,
        agreement: &Agreement,
        along: bool,
    ) -> Answer {
        let now = self.now();
        self.watch.received();
        let version = message.version;
        let is_setup = matches!(message.body, ssp::Body::Setup(_));
        let arrived = {
            let mut state = self.state();
            let State { link, chance, window, .. } = &mut *state;
            let was_flowing = link.is_flowing(now);
            let arrived = link.receive(message, now, &mut **chance);
            // A sign of life after trouble (decisions.md 4). What the peer itself put off keeps its time
            // while traffic flows, or two such rows would hurry each other for ever.
            if arrived.is_ok() && (is_setup || !was_flowing) {
                window.hurry();
            }
            arrived
        };
        let arrived = match arrived {
            Ok(arrived) => arrived,
            Err(error) => {
                warn!(peer = %self.peer, own = %self.own, "{error}");
                self.watch.trouble(now, error.to_string());
                self.shared.sap.events().ssp_refused(Some(&self.peer), refused_reason(error.reason()));
                self.nudge.notify_one();
                let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::FORBIDDEN);
                return match error.retry_after() {
                    Some(seconds) => Answer::later(status, seconds),
                    None => Answer::empty(status),
                };
            }
        };
        if is_setup {
            self.settled().await;
        }
        let (mut asked, mut told, mut strays) = (Vec::new(), Vec::new(), Vec::new());
        for arrived in arrived {
            match arrived {
                Arrived::Told { transaction, meta, content, place, outline } => {
                    let octets = body.get(place).unwrap_or_default();
                    told.push(Asked { transaction, meta, content, outline, octets });
                }
                Arrived::Request { transaction, meta, content, place, outline } => {
                    let octets = body.get(place).unwrap_or_default();
                    asked.push(Asked { transaction, meta, content, outline, octets });
                }
                Arrived::Answer { operation, content, place, .. } => {
                    let profile = self.state().link.settings().profile;
                    // Others are given octets of their own version only.
                    let place = if version == Version::V1_3 { place } else { 0..0 };
                    let octets = body.get(place).unwrap_or_default();
                    let answered =
                        |row: &_| self.shared.sap.outgoing_answered(row, &content, octets, profile);
                    self.finish(operation, answered);
                }
                Arrived::Stray { transaction } => {
                    debug!(peer = %self.peer, %transaction, "an answer that nobody waits for");
                    if strays.len() < stray::LOOKED_AT_MAX {
                        strays.push(transaction);
                    }
                }
                Arrived::Acknowledged { operation, content, .. } => {
                    let notice = self.state().notice(operation);
                    if let Some(notice) = notice {
                        self.shared.sap.notice_acknowledged(&notice, &content);
                    }
                }
                Arrived::Repeat { .. } | Arrived::Control { .. } => {}
            }
        }
        self.look_at_strays(&strays);
        let ingress = Ingress { own: &self.own, agreement, version, via };
        let told = self.carry_through(ingress, told).await;
        // An answer is never answered.
        let mut stored = told.iter().all(|(_, carried)| carried.is_ok());
        let done = self.carry_through(ingress, asked).await;
        let mut answers = None;
        if !done.is_empty() {
            stored &= done.iter().all(|(_, carried)| carried.is_ok());
            answers = self.carried(done, along && stored);
        }
        self.go();
        match answers {
            _ if !stored => Answer::later(StatusCode::SERVICE_UNAVAILABLE, STORE_RETRY_SECONDS),
            Some(answers) => Answer::document(HeaderValue::from_static(SSP_MEDIA_TYPE), answers),
            None => Answer::empty(StatusCode::OK),
        }
    }

    /// Carries requests out, or passes them on; tells what became of each.
    async fn carry_through(&self, ingress: Ingress<'_>, mut asked: Vec<Asked<'_>>) -> Vec<PeerAnswer> {
        let sap = &self.shared.sap;
        let mut done = Vec::new();
        if !asked.is_empty() && sap.may_pass(ingress) {
            let all: Vec<TransactionId> = asked.iter().map(|asked| asked.transaction.clone()).collect();
            match sap.pass_on(ingress, asked).await {
                Ok(passed) => {
                    done.extend(
                        passed.done.into_iter().map(|(transaction, answer)| (transaction, Ok(answer))),
                    );
                    asked = passed.here;
                }
                Err(error) => {
                    return all.into_iter().map(|transaction| (transaction, Err(error.clone()))).collect();
                }
            }
        }
        if !asked.is_empty() {
            let requests = asked.into_iter().map(|Asked { transaction, meta, content, .. }| PeerRequest {
                transaction,
                meta,
                content,
            });
            let legacy = self.is_legacy();
            // Boxed: whoever only passes on would move room for it about with every POST.
            let carried = sap.peer_requests(&self.own, ingress.agreement, legacy, requests.collect());
            done.extend(Box::pin(carried).await);
        }
        done
    }

    /// Tells the machine what became of requests, whose answers leave together: in the HTTP answer, as the
    /// document that is given back, if they may go `along`.
    fn carried(&self, carried: Vec<PeerAnswer>, along: bool) -> Option<Vec<u8>> {
        let now = self.now();
        let mut state = self.state();
        let State { link, chance, .. } = &mut *state;
        let along = along && link.settings().profile == Profile::Causeway;
        let mut answered = Vec::new();
        link.hold();
        for (transaction, carried) in carried {
            match carried {
                Ok(answer) => {
                    link.accepted(&transaction);
                    if along && answer.is_some() {
                        answered.push(transaction.clone());
                    }
                    match answer {
                        Some(Encoded { fragment, for_now: true }) => {
                            link.answer_for_now(&transaction, fragment.into(), now, &mut **chance);
                        }
                        Some(Encoded { fragment, .. }) => {
                            link.answer(&transaction, fragment.into(), now, &mut **chance);
                        }
                        None => {}
                    }
                }
                Err(error) => {
                    warn!(peer = %self.peer, %transaction, %error, "a request could not be stored");
                    link.abandoned(&transaction);
                }
            }
        }
        let answers = link.answers_along(&answered);
        link.release(now, &mut **chance);
        answers
    }
}

/// The word for metrics of a refusal by the link.
fn refused_reason(reason: &str) -> Refused {
    reason.parse().unwrap_or(Refused::Session)
}
