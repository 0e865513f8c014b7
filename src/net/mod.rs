//! Floor 6: sockets.

pub mod certificate;
pub mod discover;
pub mod dns_server;
pub mod listen;
pub mod pki;
pub mod post;
pub mod tls;

#[cfg(test)]
mod testing;
