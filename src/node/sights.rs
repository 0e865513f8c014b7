//! How peers, links and rows look as JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::element::common::system::Asked;
use crate::imps::agreement::{Agreement, Service};
use crate::imps::{Domain, Moment};
use crate::net::certificate::{Facts, pin_text};
use crate::net::peer::LinkView;
use crate::ops::alarm::Violations;
use crate::relay::blocks::Block;
use crate::relay::ports::{QueueSummary, Queued, Settlement};
use crate::sap::traces::Trace;
use crate::session::ssp::SessionSight;

/// A moment as text, to the second.
pub(super) fn date(moment: Moment) -> Value {
    json!(moment.date_time().to_string())
}

/// A user who was told something, and the answer.
pub(super) fn announced(asked: &Asked) -> Value {
    let option = |id: u32| asked.message.options.iter().find(|option| option.id == id);
    json!({
        "user": asked.user.to_string(),
        "must_answer": asked.message.requires_response,
        "until": date(asked.until),
        "answered": asked.answered.map(date),
        "chosen": asked.chosen,
        "answer": asked.chosen.and_then(option).map(|option| option.text.clone()),
    })
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

fn services(services: &BTreeSet<Service>) -> Vec<&'static str> {
    services.iter().map(|service| service.as_str()).collect()
}

/// The links of all our domains in one word.
pub(super) fn link_word(views: &[LinkView]) -> &'static str {
    let all = |test: fn(&LinkView) -> bool| !views.is_empty() && views.iter().all(test);
    if all(|view| view.link.up && !view.link.down) {
        "up"
    } else if views.iter().any(|view| view.link.down) {
        "down"
    } else if views.iter().any(|view| view.link.up) {
        "partly up"
    } else {
        "idle"
    }
}

/// What waits for a peer.
pub(super) fn waiting(queue: Option<&QueueSummary>, now: Moment) -> Value {
    match queue {
        None => json!({ "messages": 0, "octets": 0 }),
        Some(queue) => json!({
            "messages": queue.messages,
            "octets": queue.octets,
            "oldest_seconds": now.since(queue.oldest).as_secs(),
        }),
    }
}

/// What is agreed, and what of it the peer offers.
pub(super) fn agreement(
    entry: &Agreement,
    offered: Option<&BTreeSet<Service>>,
    in_force: &Agreement,
) -> Value {
    let pins: Vec<_> = entry.pins.iter().map(pin_text).collect();
    let endpoints: Vec<_> = entry
        .endpoints
        .iter()
        .map(|endpoint| format!("https://{}:{}/", endpoint.host, endpoint.port))
        .collect();
    json!({
        "guest": entry.guest,
        "contact": entry.contact,
        "note": entry.note,
        "valid_from": entry.valid_from.map(|date| date.to_string()),
        "valid_until": entry.valid_until.map(|date| date.to_string()),
        "services": {
            "agreed": services(&entry.services),
            "offered": offered.map(services),
            "in_force": services(&in_force.services),
        },
        "profile": { "agreed": entry.profile.as_str(), "in_force": in_force.profile.as_str() },
        "endpoints": endpoints,
        "names": texts(&entry.names),
        "pins": pins,
        "carries": texts(&entry.carries),
        "max_transactions_per_post": entry.max_transactions_per_post,
        "messages_per_second": entry.messages_per_second,
        "user_messages_per_minute": entry.user_messages_per_minute,
        "max_subscriptions": entry.max_subscriptions,
        "max_document_bytes": entry.max_document_bytes,
    })
}

/// How often a peer spoke for somebody who is not its own.
pub(super) fn violations(found: Option<Violations>) -> Value {
    match found {
        None => json!({ "count": 0 }),
        Some(found) => {
            json!({ "count": found.count, "last": date(found.last), "reason": found.reason.as_str() })
        }
    }
}

/// A link without its sessions.
pub(super) fn link(view: &LinkView) -> Value {
    json!({
        "own": view.own.as_str(),
        "state": link_word(std::slice::from_ref(view)),
        "failures": view.link.failures,
        "next_try": view.link.next_try.map(date),
        "sessions": view.link.sessions.len(),
        "place": view.seen.place,
        "http": view.seen.http,
        "certificate": view.seen.certificate.as_ref().map(certificate),
        "last_error": view.seen.trouble.as_ref().map(|(at, what)| json!({ "at": date(*at), "what": what })),
    })
}

fn certificate(facts: &Facts) -> Value {
    json!({
        "subject": facts.subject,
        "issuer": facts.issuer,
        "names": texts(&facts.names),
        "not_before": facts.not_before.to_string(),
        "not_after": facts.not_after.to_string(),
        "pin": pin_text(&facts.key),
    })
}

/// The sessions with a peer, link by link.
pub(super) fn sessions(peer: &Domain, views: &[LinkView]) -> Value {
    let links: Vec<_> = views
        .iter()
        .map(|view| {
            let sessions: Vec<_> = view.link.sessions.iter().map(session).collect();
            json!({
                "own": view.own.as_str(),
                "state": link_word(std::slice::from_ref(view)),
                "setting_up": view.link.setting_up,
                "profile": view.link.profile.as_str(),
                "version": view.link.version.to_string(),
                "sessions": sessions,
                "counters": {
                    "posts_out": view.posts_out,
                    "posts_failed": view.posts_failed,
                    "posts_in": view.posts_in,
                    "operations_open": view.link.unsettled,
                    "rows_under_way": view.under_way,
                },
            })
        })
        .collect();
    json!({ "domain": peer.as_str(), "links": links })
}

fn session(session: &SessionSight) -> Value {
    let record = &session.record;
    json!({
        "own_id": record.own_id.as_str(),
        "peer_id": record.peer_id.as_str(),
        "opened_by": record.initiator.as_str(),
        "version": record.version.to_string(),
        "current": session.current,
        "confirmed": session.confirmed,
        "leaving": session.leaving,
        "superseded": record.superseded,
        "legacy": record.legacy,
        "established": date(record.established),
        "last_used": date(record.last_used),
        "time_to_live": record.time_to_live,
        "expires": date(session.expires),
        "redirected_to": record.at,
    })
}

/// A row of the queue, without what it says.
pub(super) fn queued(queued: &Queued, now: Moment) -> Value {
    let (row, outgoing) = (&queued.row, &queued.row.outgoing);
    let settles = match outgoing.settlement {
        Settlement::Notice => "when the peer takes it",
        Settlement::Request | Settlement::Question => "when the peer answers",
    };
    json!({
        "row": row.row,
        "own": outgoing.own.as_str(),
        "peer": outgoing.peer.as_str(),
        "primitive": outgoing.primitive,
        "message_id": outgoing.message_id.as_ref().map(ToString::to_string),
        "author": outgoing.author.as_ref().map(ToString::to_string),
        "accepted": date(outgoing.accepted),
        "expires": date(outgoing.expires),
        "attempts": row.attempts,
        "next_try": (row.not_before > now).then(|| date(row.not_before)),
        "octets": queued.octets,
        "done": settles,
        "passes_through": outgoing.via.is_some(),
    })
}

/// A block.
pub(super) fn block(block: &Block) -> Value {
    json!({
        "subject": block.subject.to_string(),
        "since": date(block.since),
        "until": block.until.map(date),
        "reason": block.reason,
    })
}

/// A trace.
pub(super) fn trace(trace: &Trace) -> Value {
    json!({
        "number": trace.number,
        "of": trace.subject.to_string(),
        "since": date(trace.since),
        "until": date(trace.until),
        "lines": trace.lines,
    })
}
