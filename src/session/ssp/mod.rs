//! SSP sessions.

mod backoff;
mod proof;
mod record;
mod settings;

pub use backoff::delay;
pub use record::SessionRecord;
pub use settings::{IN_FLIGHT_MAX, LEGACY_IN_FLIGHT_MAX, LinkSettings, TIME_TO_LIVE, TIME_TO_LIVE_MIN};
