//! Traffic of others that passes through: from one link into the queue of another, and the answer back.
//!
//! What passes is kept like everything that is accepted: a row of the outbox, on disk before HTTP 200 unless
//! the next hop has answered by then ([`super::through`]).
//! Its octets are those that came, unless something about them could be read in two ways (decisions.md
//! 14). Decisions are taken by [`crate::relay::transit`].

use std::sync::{MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use super::outgoing::{Settled, name_of};
use super::peer::Encoded;
use super::questions::style;
use super::through::{Hears, Landed};
use super::{Map, Sap};
use crate::element::im::{lane, order};
use crate::imps::agreement::{Agreement, Profile};
use crate::imps::primitive::MetaInfo;
use crate::imps::{Code, Domain, Moment, Primitive, Status, TransactionId, Version};
use crate::relay::admit::{PeerContext, Refused};
use crate::relay::events::{Direction, Passing};
use crate::relay::ports::{Change, Outcome, Outgoing, Settlement, StoreError, StoredOutgoing};
use crate::relay::transit::{
    self, Brought, Key, Memory, Onward, Passages, Sight, Via, ViaError, Waiter, Way,
};
use crate::relay::{events, outbox};
use crate::wire::ssp::{self, Outline, Role, Style};
use crate::wire::{Carried, Limits, digest};

/// What passes, and what passed lately.
#[derive(Debug, Default)]
pub(super) struct Relaying {
    memory: Memory,
    passages: Passages,
    pub(super) brought: Brought,
}

/// The link by which requests came, and how.
#[derive(Clone, Copy, Debug)]
pub struct Ingress<'a> {
    /// Our domain on it.
    pub own: &'a Domain,
    /// The agreement with the peer.
    pub agreement: &'a Agreement,
    /// Version of the document.
    pub version: Version,
    /// The relays that it has passed.
    pub via: &'a Result<Via, ViaError>,
}

/// A request as its link hands it up.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its transaction.
    pub transaction: TransactionId,
    /// Who asks.
    pub meta: Option<MetaInfo>,
    /// What.
    pub content: Carried,
    /// The same from outside, if a relay could pass it on.
    pub outline: Option<Box<Outline>>,
    /// The octets of the primitive; empty if they came in another character set.
    pub octets: &'a [u8],
}

/// What became of requests that came by one link.
#[derive(Debug, Default)]
pub struct Passed<'a> {
    /// Those that are for us, or for nobody.
    pub here: Vec<Asked<'a>>,
    /// Those that are kept, or answered already, with the answer.
    pub done: Vec<(TransactionId, Option<Encoded>)>,
}

/// A request that goes on, once it is on disk.
struct Leaving {
    transaction: TransactionId,
    key: Key,
    digest: u64,
    outgoing: Outgoing,
}

/// What is to be done with a request that goes on.
enum Next {
    Leaves(Box<Leaving>),
    /// The same is under way already, as this row.
    UnderWay(TransactionId, i64),
    Refused(TransactionId, Code),
}

impl Sap {
    /// Whether requests of this link have to be looked at by [`Sap::pass_on`].
    pub fn may_pass(&self, ingress: Ingress<'_>) -> bool {
        let far = ingress.via.as_ref().map_or(true, |via| *via != Via::default());
        far || self.map().directory.transit().begins_with(&ingress.agreement.domain)
    }

    /// Sends on what is for others. An error means that nothing was stored, and the peer has to keep all of
    /// it.
    pub async fn pass_on<'a>(
        &self,
        ingress: Ingress<'_>,
        asked: Vec<Asked<'a>>,
    ) -> Result<Passed<'a>, StoreError> {
        let now = self.now();
        let mut passed = Passed::default();
        let (mut leaving, mut under_way) = (Vec::new(), Vec::new());
        {
            let map = self.map();
            let via = ingress.via.clone().and_then(|via| via.check(map.directory.own()).map(|()| via));
            for asked in asked {
                match self.way(&map, ingress, &via, &asked, now) {
                    Ok(None) => passed.here.push(opened(asked)),
                    Ok(Some(found)) => match self.next_hop(&map, ingress, found, asked, now) {
                        Next::Leaves(next) => leaving.push(*next),
                        Next::UnderWay(transaction, row) => {
                            under_way.push(row);
                            passed.done.push((transaction, None));
                        }
                        Next::Refused(transaction, code) => {
                            passed.done.push((transaction, encoded(&Status::new(code), ingress.agreement)));
                        }
                    },
                    Err(refused) if refused.reason == events::Refused::Closed => {
                        // What left while the agreement was in force may have arrived.
                        let row = self.under_way(ingress, &asked, now);
                        let answer = if let Some(row) = row {
                            under_way.push(row);
                            None
                        } else {
                            self.refused(ingress, &asked, &refused);
                            encoded(&refused.status, ingress.agreement)
                        };
                        passed.done.push((asked.transaction, answer));
                    }
                    Err(refused) => {
                        self.refused(ingress, &asked, &refused);
                        passed.done.push((asked.transaction, encoded(&refused.status, ingress.agreement)));
                    }
                }
            }
        }
        if !leaving.is_empty() {
            match self.numbers_unwritten(leaving.iter().map(|next| &next.outgoing)) {
                Some(numbers) => self.leave_unwritten(ingress, leaving, numbers, &mut passed, now).await?,
                None => self.leave(ingress, leaving, &mut passed, now).await?,
            }
        }
        if !under_way.is_empty() {
            self.landed(&under_way).await?;
        }
        Ok(passed)
    }

    /// Where a request goes, and by what it and its octets are known again: `None` is here.
    fn way(
        &self,
        map: &Map,
        ingress: Ingress<'_>,
        via: &Result<Via, ViaError>,
        asked: &Asked<'_>,
        now: Moment,
    ) -> Result<Option<(Onward, Key, u64)>, Refused> {
        let via = via.as_ref().map_err(|error| transit::looped(error.to_string()))?;
        let Some(outline) = asked.outline.as_deref() else { return Ok(None) };
        let context = PeerContext { own: ingress.own, agreement: ingress.agreement };
        let onward = match transit::decide(&context, &map.directory, &map.routes, outline, via, now) {
            Way::Here => return Ok(None),
            Way::Refused(refused) => return Err(refused),
            Way::Onward(onward) => onward,
        };
        let peer = &ingress.agreement.domain;
        let mut relaying = self.relaying();
        let digest = digest(asked.octets);
        let key = relaying.memory.key(outline, &onward.to, digest);
        match relaying.memory.sight(key, ingress.own, peer, now) {
            Sight::Fine => Ok(Some((onward, key, digest))),
            Sight::Loop => {
                let what =
                    format!("{} came by another link before: providers relay in a circle", outline.name);
                Err(transit::looped(what))
            }
        }
    }

    /// The row of a request that came before and has not ended.
    fn under_way(&self, ingress: Ingress<'_>, asked: &Asked<'_>, now: Moment) -> Option<i64> {
        let outline = asked.outline.as_deref()?;
        let context = PeerContext { own: ingress.own, agreement: ingress.agreement };
        let to = transit::destination(&context, outline)?;
        let waiter = Waiter {
            own: ingress.own.clone(),
            ingress: ingress.agreement.domain.clone(),
            transaction: asked.transaction.clone(),
        };
        let digest = digest(asked.octets);
        let mut relaying = self.relaying();
        let key = relaying.memory.key(outline, &to, digest);
        relaying.passages.again(key, digest, &waiter, now)
    }

    /// The row for the next hop.
    fn next_hop(
        &self,
        map: &Map,
        ingress: Ingress<'_>,
        (onward, key, digest): (Onward, Key, u64),
        asked: Asked<'_>,
        now: Moment,
    ) -> Next {
        let Asked { transaction, meta, content, outline, octets } = asked;
        let Some(outline) = outline else { return Next::Refused(transaction, Code::INTERNAL_ERROR) };
        let waiter = Waiter {
            own: ingress.own.clone(),
            ingress: ingress.agreement.domain.clone(),
            transaction: transaction.clone(),
        };
        {
            let mut relaying = self.relaying();
            if !onward.is_notice
                && let Some(row) = relaying.passages.again(key, digest, &waiter, now)
            {
                debug!(peer = %waiter.ingress, %transaction, "asked again while it is under way");
                return Next::UnderWay(transaction, row);
            }
            if relaying.passages.is_full() {
                return Next::Refused(transaction, Code::SERVICE_UNAVAILABLE);
            }
        }
        let reply_to = self.transaction_before(map, &outline, &onward, &waiter);
        let style = style(map, &onward.egress);
        let as_it_is = if outline.plain {
            fits(octets, ingress.version, style).then_some(octets)
        } else {
            spliced(octets, ingress.version, style)
        };
        let body = match as_it_is {
            Some(octets) => octets.into(),
            None => match rebuilt(meta.as_ref(), &content, octets, style) {
                Ok(octets) => octets.into(),
                Err(code) => return Next::Refused(transaction, code),
            },
        };
        let outgoing = Outgoing {
            own: ingress.own.clone(),
            peer: onward.egress,
            settlement: if onward.is_notice { Settlement::Notice } else { Settlement::Question },
            primitive: outline.name.into(),
            message_id: outline.first(Role::Key).and_then(|id| id.parse().ok()),
            author: None,
            order: order(&parties(&outline), &[]),
            lane: lane(sender(&outline)),
            accepted: now,
            expires: now.after(onward.lifetime),
            reply_to,
            replaces: None,
            via: Some(onward.via),
            body,
        };
        Next::Leaves(Box::new(Leaving { transaction, key, digest, outgoing }))
    }

    /// The transaction of a legacy peer in which it hears this, if it is about something that came from there
    /// through us; and what comes from such a peer is noted for that.
    fn transaction_before(
        &self,
        map: &Map,
        outline: &Outline,
        onward: &Onward,
        waiter: &Waiter,
    ) -> Option<TransactionId> {
        let id = outline.first(Role::Key)?;
        match outline.name {
            "SendMessageRequest" | "InviteRequest" if style(map, &waiter.ingress).legacy => {
                self.relaying().brought.note(&waiter.ingress, id, &waiter.transaction);
                None
            }
            "DeliveryStatusReport" | "InviteResponse" if style(map, &onward.egress).legacy => {
                self.relaying().brought.transaction(&onward.egress, id)
            }
            _ => None,
        }
    }

    async fn leave(
        &self,
        ingress: Ingress<'_>,
        leaving: Vec<Leaving>,
        passed: &mut Passed<'_>,
        now: Moment,
    ) -> Result<(), StoreError> {
        let peer = &ingress.agreement.domain;
        let changes = leaving.iter().map(|next| Change::Send(next.outgoing.clone())).collect();
        let outcomes = self.store.commit(changes).await?;
        let mut rows = Vec::with_capacity(leaving.len());
        for (next, outcome) in leaving.into_iter().zip(outcomes) {
            let Leaving { transaction, key, digest, outgoing } = next;
            let Outcome::Row(row) = outcome else {
                self.events.ssp_transit(peer, &outgoing.peer, Passing::Refused);
                let full = encoded(&Status::new(Code::QUEUE_FULL), ingress.agreement);
                passed.done.push((transaction, full));
                continue;
            };
            debug!(from = %peer, to = %outgoing.peer, row, primitive = %outgoing.primitive, "passed on");
            self.events.ssp_transit(peer, &outgoing.peer, Passing::Accepted);
            if outgoing.settlement == Settlement::Question {
                let waiter = Waiter {
                    own: ingress.own.clone(),
                    ingress: peer.clone(),
                    transaction: transaction.clone(),
                };
                self.relaying().passages.open(row, waiter, key, digest, now);
            }
            passed.done.push((transaction, None));
            rows.push(StoredOutgoing::fresh(row, outgoing, now));
        }
        // Only now may they leave: an answer can overtake everything.
        self.offer(rows);
        Ok(())
    }

    /// The next hop is up: its answer, if it comes soon, is as good as our disk.
    async fn leave_unwritten(
        &self,
        ingress: Ingress<'_>,
        leaving: Vec<Leaving>,
        numbers: Vec<i64>,
        passed: &mut Passed<'_>,
        now: Moment,
    ) -> Result<(), StoreError> {
        let peer = &ingress.agreement.domain;
        let mut rows = Vec::with_capacity(leaving.len());
        let mut waits = Vec::with_capacity(leaving.len());
        for (next, row) in leaving.into_iter().zip(&numbers) {
            let Leaving { transaction, key, digest, outgoing } = next;
            debug!(from = %peer, to = %outgoing.peer, row, primitive = %outgoing.primitive, "passes through");
            self.events.ssp_transit(peer, &outgoing.peer, Passing::Accepted);
            let row = StoredOutgoing::fresh(*row, outgoing, now);
            let (hears, landed) = Hears::answer();
            self.unwritten().insert(row.clone(), Some(hears));
            if row.outgoing.settlement == Settlement::Question {
                let waiter = Waiter {
                    own: ingress.own.clone(),
                    ingress: peer.clone(),
                    transaction: transaction.clone(),
                };
                self.relaying().passages.open(row.row, waiter, key, digest, now);
            }
            waits.push((transaction, landed));
            rows.push(row);
        }
        let deadline = Instant::now() + self.settings.cut_through;
        let landed = match self.send_unwritten(rows.clone()).await {
            Ok(()) => self.landed_in_time(&rows, waits, deadline).await,
            Err(error) => Err(error),
        };
        let landed = landed.inspect_err(|error| {
            for row in &rows {
                self.relaying().passages.ended(row.row);
            }
            self.give_up(&rows, error);
        })?;
        for (transaction, landed) in landed {
            let answer = match landed {
                Landed::Answered(waiter, answer) if waiter.transaction == transaction => Some(answer),
                // It was asked for again meanwhile, and by that name the answer is waited for.
                Landed::Answered(waiter, answer) => {
                    self.give_back(&waiter, answer);
                    None
                }
                _ => None,
            };
            passed.done.push((transaction, answer));
        }
        Ok(())
    }

    /// What became of rows until the deadline; those that are late are written.
    async fn landed_in_time(
        &self,
        rows: &[StoredOutgoing],
        waits: Vec<(TransactionId, oneshot::Receiver<Landed>)>,
        deadline: Instant,
    ) -> Result<Vec<(TransactionId, Landed)>, StoreError> {
        let mut done = Vec::with_capacity(waits.len());
        let mut numbers = None;
        for ((transaction, mut landed), row) in waits.into_iter().zip(rows) {
            let found = match timeout_at(deadline, &mut landed).await {
                Ok(found) => found,
                Err(_) => {
                    // All that are late share a commit.
                    let numbers =
                        numbers.get_or_insert_with(|| rows.iter().map(|row| row.row).collect::<Vec<_>>());
                    self.unwritten().late(&row.outgoing.peer, self.now());
                    self.write(numbers);
                    landed.await
                }
            };
            match found {
                Ok(Landed::Failed(_)) => {
                    self.landed(&[row.row]).await?;
                    done.push((transaction, Landed::Written));
                }
                Ok(found) => done.push((transaction, found)),
                Err(_) => return Err(StoreError::Closed),
            }
        }
        Ok(done)
    }

    fn refused(&self, ingress: Ingress<'_>, asked: &Asked<'_>, refused: &Refused) {
        let peer = &ingress.agreement.domain;
        let name = asked.outline.as_ref().map_or_else(|| asked.content.name(), |outline| outline.name);
        warn!(%peer, transaction = %asked.transaction, primitive = name, "not passed on: {}", refused.what);
        self.events.ssp_refused(Some(peer), refused.reason);
        let what = if refused.reason == events::Refused::Loop { Passing::Loop } else { Passing::Refused };
        self.events.ssp_transit(peer, peer, what);
        self.events.ssp_transaction(peer, Direction::In, name_of(name), refused.status.code);
    }

    /// The next hop answered what passed through: the answer goes back unchanged (R8).
    pub(super) fn passage_answered(&self, row: &StoredOutgoing, answer: &Carried, octets: &[u8]) -> Settled {
        if let Some(waiter) = self.relaying().passages.ended(row.row) {
            let style = style(&self.map(), &waiter.ingress);
            let code = code_of(answer);
            let fragment = spliced(octets, Version::V1_3, style)
                .map(<[u8]>::to_vec)
                .or_else(|| rebuilt(None, answer, octets, style).ok());
            let fragment = fragment
                .or_else(|| ssp::encode_primitive(&Status::new(Code::INTERNAL_ERROR).into(), None, style));
            self.events.ssp_transit(&waiter.ingress, &row.outgoing.peer, Passing::Answered);
            let primitive = name_of(&row.outgoing.primitive);
            self.events.ssp_transaction(&waiter.ingress, Direction::In, primitive, code);
            // Goes with the HTTP answer to the request, if that is not out yet.
            let for_now = is_temporary(answer);
            let left = self.drop_row(row, fragment.map(|fragment| (waiter, Encoded { fragment, for_now })));
            if let Some((waiter, answer)) = left {
                self.give_back(&waiter, answer);
            }
            return Settled::Done;
        }
        self.dropped(row)
    }

    /// What passed through will not be answered.
    pub(super) fn passage_ended(&self, row: &StoredOutgoing, code: Code) -> Settled {
        if let Some(waiter) = self.relaying().passages.ended(row.row) {
            let code = if code == outbox::EXPIRED { Code::TIMEOUT } else { code };
            info!(row = row.row, from = %waiter.ingress, to = %row.outgoing.peer, %code, "not delivered to the next hop");
            self.events.ssp_transit(&waiter.ingress, &row.outgoing.peer, Passing::Refused);
            let style = style(&self.map(), &waiter.ingress);
            let fragment = ssp::encode_primitive(&Status::new(code).into(), None, style);
            let primitive = name_of(&row.outgoing.primitive);
            self.events.ssp_transaction(&waiter.ingress, Direction::In, primitive, code);
            if let Some(fragment) = fragment {
                self.give_back(&waiter, Encoded { fragment, for_now: true });
            }
        }
        self.dropped(row)
    }

    /// Those whose next hop is silent hear 504. Their rows go on trying; the same request again finds them.
    pub(super) fn tell_of_silence(&self, now: Moment) {
        let silent = self.relaying().passages.silent(now);
        for waiter in silent {
            info!(from = %waiter.ingress, transaction = %waiter.transaction, "the next hop is silent");
            self.events.ssp_transit(&waiter.ingress, &waiter.ingress, Passing::Silent);
            let style = style(&self.map(), &waiter.ingress);
            let fragment = ssp::encode_primitive(&Status::new(Code::TIMEOUT).into(), None, style);
            self.events.ssp_transaction(&waiter.ingress, Direction::In, name_of(""), Code::TIMEOUT);
            if let Some(fragment) = fragment {
                self.give_back(&waiter, Encoded { fragment, for_now: true });
            }
        }
    }

    fn give_back(&self, waiter: &Waiter, Encoded { fragment, for_now }: Encoded) {
        if let Some(exit) = self.exits.get().and_then(|exits| exits.exit(&waiter.own, &waiter.ingress)) {
            exit.answer(&waiter.transaction, fragment.into(), for_now);
        }
    }

    pub(super) fn relaying(&self) -> MutexGuard<'_, Relaying> {
        self.relaying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sender and addressees: what is between the same keeps its order.
fn parties(outline: &Outline) -> String {
    let mut to: Vec<String> =
        outline.all(Role::To).chain(outline.all(Role::Either)).map(str::to_ascii_lowercase).collect();
    to.sort_unstable();
    to.insert(0, sender(outline).to_ascii_lowercase());
    to.join(" ")
}

fn sender(outline: &Outline) -> &str {
    outline.first(Role::From).or(outline.first(Role::Requestor)).unwrap_or_default()
}

/// What was only seen from outside is read after all.
fn opened(mut asked: Asked<'_>) -> Asked<'_> {
    if let Carried::NotServed(_) = asked.content
        && asked.outline.is_some()
        && let Ok((meta, content)) = ssp::decode_primitive(asked.octets, &limits(asked.octets))
    {
        asked.meta = meta;
        asked.content = content;
    }
    asked
}

fn limits(octets: &[u8]) -> Limits {
    Limits::for_document(octets.len())
}

/// The octets as they are, if nothing about them could be read in two ways.
fn spliced(octets: &[u8], version: Version, style: Style) -> Option<&[u8]> {
    (fits(octets, version, style) && ssp::is_plain(octets, &limits(octets))).then_some(octets)
}

/// Whether the next hop is written to as these octets are.
fn fits(octets: &[u8], version: Version, style: Style) -> bool {
    version == style.version && !style.legacy && !octets.is_empty()
}

/// The same primitive, written anew.
fn rebuilt(meta: Option<&MetaInfo>, content: &Carried, octets: &[u8], style: Style) -> Result<Vec<u8>, Code> {
    let write = |meta: Option<&MetaInfo>, primitive: &Primitive| {
        ssp::encode_primitive(primitive, meta, style).ok_or(Code::NOT_IMPLEMENTED)
    };
    let read;
    let (meta, content) = match content {
        Carried::NotServed(_) if !octets.is_empty() => {
            read = ssp::decode_primitive(octets, &limits(octets)).map_err(|_| Code::BAD_REQUEST)?;
            (read.0.as_ref(), &read.1)
        }
        content => (meta, content),
    };
    match content {
        Carried::Primitive(primitive) => write(meta, primitive),
        Carried::NotServed(_) => Err(Code::NOT_IMPLEMENTED),
        Carried::Unknown(_) => Err(Code::SERVICE_NOT_SUPPORTED),
        Carried::Faulty { fault, .. } => Err(fault.code),
    }
}

fn encoded(status: &Status, agreement: &Agreement) -> Option<Encoded> {
    let style = Style { version: Version::V1_3, legacy: agreement.profile == Profile::Legacy };
    let fragment = ssp::encode_primitive(&status.clone().into(), None, style)?;
    Some(Encoded { fragment, for_now: status.is_temporary() })
}

fn is_temporary(answer: &Carried) -> bool {
    matches!(answer, Carried::Primitive(primitive) if primitive.status().is_some_and(Status::is_temporary))
}

fn code_of(answer: &Carried) -> Code {
    match answer {
        Carried::Primitive(primitive) => primitive.code(),
        _ => Code::INTERNAL_ERROR,
    }
}
