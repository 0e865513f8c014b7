//! SSP sessions.

mod record;

pub use record::SessionRecord;
