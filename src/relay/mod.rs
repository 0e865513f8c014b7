//! Floor 4: decisions.

pub mod events;
pub mod ports;
