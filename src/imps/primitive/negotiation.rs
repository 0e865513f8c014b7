//! What a server offers another, and what is granted (reference ssp-session §5). Unlike in CSP, where
//! the answer lists what is *not* available, every tree here says what there is.

use super::Functions;
use crate::imps::status::Status;

/// SSP: what the peer offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetServiceResponse {
    /// How it went.
    pub result: Status,
    /// The tree; a missing branch is not offered, an empty one offered whole.
    pub functions: Option<Functions>,
}

/// SSP: what this server wants to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkServiceRequest {
    /// The tree.
    pub functions: Functions,
}

/// SSP: what is granted of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkServiceResponse {
    /// How it went.
    pub result: Status,
    /// The tree.
    pub functions: Option<Functions>,
}

/// SSP: the offer has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceIndication {
    /// The new offer.
    pub functions: Functions,
}
