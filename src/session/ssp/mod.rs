//! SSP sessions: the link to a peer, its set-up in both roles, its transactions.
//!
//! [`Link`] is the machine that a driver feeds; [`output`] says what comes out of it. The driver's loop:
//!
//! ```text
//! document arrived   receive → (200, or the error's status)   requests up to sap, then accepted/abandoned
//! POST ended         posted
//! outbox has rows    while capacity() > 0 { enqueue }
//! sap has an answer  answer
//! next_wakeup()      wake
//! after each of them poll_output until None, in order; then next_wakeup
//! ```

mod backoff;
mod link;
mod memory;
pub mod output;
mod proof;
mod record;
mod settings;
mod setup;
mod transactions;

pub use backoff::delay;
pub use link::{Link, LinkSight, SessionSight};
pub use output::{
    Alarm, Arrived, Blame, Body, Close, Down, Kind, LinkError, NotTaken, OperationId, Outgoing, Output, Part,
    Post, PostContent, PostId, PostOutcome,
};
pub use record::SessionRecord;
pub use settings::{
    BATCHES_IN_FLIGHT_MAX, IN_FLIGHT_MAX, LEGACY_IN_FLIGHT_MAX, LinkSettings, TIME_TO_LIVE, TIME_TO_LIVE_MIN,
};
