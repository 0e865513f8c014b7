//! Floor 5: durable state.

pub mod seal;
