//! Floor 3: the service elements, pure functions over small aggregates.

pub mod common;
pub mod content;
pub mod group;
pub mod im;
pub mod lists;
pub mod notify;
pub mod presence;
