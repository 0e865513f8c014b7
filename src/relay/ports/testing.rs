//! Rows for tests.

use std::sync::Arc;

use super::{Outgoing, Settlement, StoredOutgoing};
use crate::imps::Moment;

/// A row of north.example for south.example that says this, accepted at the beginning of time.
pub(crate) fn row(number: i64, body: impl Into<Arc<[u8]>>) -> StoredOutgoing {
    let outgoing = Outgoing {
        own: "north.example".parse().unwrap(),
        peer: "south.example".parse().unwrap(),
        settlement: Settlement::Request,
        primitive: "SendMessageRequest".into(),
        message_id: None,
        author: None,
        order: 0,
        lane: 1,
        accepted: Moment::default(),
        expires: Moment::default(),
        reply_to: None,
        replaces: None,
        via: None,
        body: body.into(),
    };
    StoredOutgoing::fresh(number, outgoing, Moment::default())
}
