//! Floor 5: durable state.
//!
//! Accepted means kept: whatever this node says yes to is on disk first. The floors above know the
//! store only as [`crate::relay::ports::Store`]; [`sqlite`] is the embedded one, for one machine.
//! [`seal`] keeps passwords unreadable to whoever takes the database alone.

#[cfg(test)]
mod contract;
pub mod seal;
pub mod sqlite;

pub use sqlite::{OpenError, ServeLock, Settings, Sqlite};
