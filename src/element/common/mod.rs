//! The common features: invitations, searches, public profiles, and what one server offers another
//! (reference csp-messages §4, ssp-primitives §3, ssp-session §5).

pub mod invite;
pub mod offer;
pub mod profile;
pub mod search;
pub mod system;
