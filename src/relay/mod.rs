//! Floor 4: decisions.

pub mod directory;
pub mod events;
pub mod ports;
pub mod queue;
