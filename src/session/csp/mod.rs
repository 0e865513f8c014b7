//! CSP sessions.
