//! Floor 6: sockets.

pub mod certificate;
pub mod cir;
pub mod client;
pub mod content;
pub mod dane;
pub mod discover;
pub mod dns_server;
pub mod listen;
pub mod peer;
pub mod pki;
pub mod post;
pub mod tls;

mod io;
#[cfg(test)]
mod testing;
