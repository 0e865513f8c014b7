//! Floor 5: durable state.
