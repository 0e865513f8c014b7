//! Floor 7: configuration.
