//! Causeway: the Service Access Point with its Service Relay for Wireless Village / OMA IMPS.
//!
//! The map of the house. Imports go down only; rooms on one floor do not import each other
//! (`tests/it/architecture.rs` keeps it so).
//!
//! ```text
//! 9  cli/      serve · check · demo · client · user · peer · queue · cert: one file or folder a verb; phone: the CSP client they use
//! 8  node      composition root: settings → parts → tasks → drain
//! 7  config/   causeway.toml and peers.toml: entries as written → checked settings
//! 6  net/      sockets: tls · discover · listen · post · peer · client · cir
//!    ops/      admin HTTP: metrics, health, API; tracing
//! 5  sap/      the Service Access Point: admit → load → element → commit → effects → reply
//!    store/    durable state behind the ports of floor 4
//! 4  relay/    decisions: admit · route · split and merge · pending answers · ports · exit
//! 3  session/  ssp/{link, setup, transactions}  csp/{login, session, poll, cir}
//!    element/  im/
//! 2  wire/     xml · wbxml/ · csp/ · ssp/: bytes ⇄ documents ⇄ primitives
//! 1  imps/     address · domain · ids · status · version · agreement · primitive/
//! ```

pub mod cli;
pub mod config;
pub mod element;
pub mod imps;
pub mod net;
pub mod node;
pub mod ops;
pub mod relay;
pub mod sap;
pub mod session;
pub mod store;
pub mod wire;
