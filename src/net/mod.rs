//! Floor 6: sockets.

pub mod discover;
pub mod listen;
pub mod post;
pub mod tls;
