//! The audit log: what operators did with the node, in a chain that shows whether somebody changed it later.
//!
//! A line of `audit.jsonl` in the data folder is a record: one JSON object that says when, who, what, of whom
//! and how it ended, with the SHA-256 of the record before it (`prev`) and its own (`hash`). Whoever changes,
//! removes, inserts or swaps records breaks the chain, which [`verify`] finds. A chain alone does not show that
//! its end was cut off, or that all of it was written anew: for that the hash of the newest record, the *head*,
//! is kept elsewhere ([`Expected::head`]). Verbs of the command line and the running node write the same
//! file, one at a time under a lock, each record on disk before the act is answered.
//!
//! Never in it: what messages say, passwords, keys. Values of profiles neither, only their names.
//!
//! * [`Audit`]: writes records; [`Who`] did it, which [`Act`], with what [`Outcome`]
//! * [`verify`], [`each`]: read them

mod chain;
mod log;
mod record;
#[cfg(test)]
mod tests;
mod who;

pub use self::chain::{Broken, Expected, Fault, Verified, VerifyError, each, verify};
pub use self::log::{Audit, AuditError, FILE, SEGMENT_OCTETS_MAX};
pub use self::record::{Act, By, Outcome, Record, TEXT_OCTETS_MAX, Torn, Who};
