//! The one integration-test binary of the house.

// Tests may panic, and say so by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// `pub` tells which items of a module other modules of this binary use.
#![allow(unreachable_pub)]
// Counters hold whole numbers.
#![allow(clippy::float_cmp)]

// The strategies of unit tests, which `wire` borrows, name their values by this path.
use causeway::imps;

mod architecture;
mod conformance;
mod csp;
mod findings;
mod links;
mod log;
mod peer;
mod plays;
mod process;
mod scenarios;
mod simulation;
mod tls;
mod tools;
mod wbxml_tools;
mod wire;
mod world;
