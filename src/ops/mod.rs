//! Floor 6: admin HTTP, metrics, tracing.
