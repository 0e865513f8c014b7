//! The one integration-test binary of the house.

// Tests may panic, and say so by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod architecture;
mod scenarios;
mod world;
