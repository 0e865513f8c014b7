//! Floor 6: what the operator sees of a running node.
//!
//! * [`metrics`]: numbers, told through [`crate::relay::events::Events`]
//! * [`alarm`]: peers that break the rules of identity
//! * [`readiness`]: whether the node is ready, and why not
//! * [`admin`]: the HTTP listener that shows both
//! * [`user`]: everything that is known of one user
//! * [`audit`]: what operators did, in a chain that shows later changes
//! * [`api`]: what operators ask of the node, with bodies in [`announce`], `block`, `sms` and `trace`
//! * [`logging`]: lines of text or JSON

mod acts;
pub mod admin;
pub mod alarm;
pub mod announce;
pub mod api;
pub mod audit;
mod block;
pub mod logging;
pub mod metrics;
pub mod readiness;
mod sms;
mod trace;
pub mod user;
