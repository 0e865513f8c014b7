//! Floor 4: decisions.

pub mod ports;
