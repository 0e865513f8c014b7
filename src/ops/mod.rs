//! Floor 6: admin HTTP, metrics, tracing.

pub mod logging;
