//! Outgoing POSTs.
