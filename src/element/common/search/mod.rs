//! Searches: what is asked, who fits, and what was found and is handed out in parts.
//!
//! [`query`] has the question: pairs and a boolean expression over them, compiled once and then asked of
//! every entry of the directory. [`plan`] has the searches of SSP that an expression comes to in the directory
//! of a peer. [`kept`] has what was found, which waits for the searcher to ask for more.

mod criteria;
pub mod kept;
pub mod plan;
pub mod query;
