//! CSP sessions.

pub mod record;
