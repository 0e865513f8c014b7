//! DANE: secure DNS vouches for the certificate of a peer (RFC 6698, 7671, 7673), where its agreement says
//! `dane = true`.
//!
//! A TLSA record takes the place of the chain to a CA, not of the name: the certificate must still carry the
//! domain of the peer, be within its dates and not be revoked. Handshakes cannot wait for DNS, so there is a
//! table of what it has said, [`Vouched`]: filled and renewed by the one task of a [`Dane`], asked by
//! [`super::tls::Trust`] at both ends of a connection.
//!
//! ```text
//! agreements ─▶ Dane ──asks──▶ Discover::associations ──▶ Vouched ◀──asks── tls::Trust ─▶ Voucher
//! ```

mod keeper;
mod record;
mod table;

pub use keeper::{Dane, Wanted};
pub use record::{Association, Usage};
pub use table::Vouched;

#[cfg(test)]
mod tests;
