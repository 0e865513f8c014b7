//! `causeway::wire` together with the strategies of its unit tests, so that outside programs are asked
//! about generated documents too.

pub use causeway::wire::*;
use proptest::strategy::{Strategy as _, ValueTree as _};

#[path = "../../src/wire/arbitrary/mod.rs"]
#[allow(dead_code, reason = "not every strategy is asked for here")]
pub mod arbitrary;

#[path = "../../src/wire/csp/arbitrary.rs"]
#[allow(dead_code, reason = "what a version can carry is asked of the codec here")]
mod csp_arbitrary;

#[path = "../../src/wire/pa/arbitrary.rs"]
#[allow(dead_code, reason = "not every strategy is asked for here")]
pub mod pa_arbitrary;

pub mod pa {
    pub use super::pa_arbitrary as arbitrary;
}

fn generate<T: std::fmt::Debug>(strategy: &proptest::strategy::BoxedStrategy<T>, count: usize) -> Vec<T> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// So many primitives of CSP, the same at every run.
pub fn csp_primitives(count: usize) -> Vec<crate::imps::Primitive> {
    generate(&csp_arbitrary::primitive(), count)
}

/// So many primitives of SSP, the same at every run.
pub fn ssp_primitives(count: usize) -> Vec<crate::imps::Primitive> {
    generate(&arbitrary::ssp_primitive(), count)
}
