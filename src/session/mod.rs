//! Floor 3: session machines, without sockets and clocks.

pub mod csp;
pub mod ssp;
