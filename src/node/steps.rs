//! What a test of a peer tells, step by step.

use crate::net::post::PostError;

/// A step of a test that went well.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) what: String,
    /// There is something to do all the same.
    pub(super) warning: bool,
}

impl Step {
    pub(super) fn good(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, what: what.into(), warning: false }
    }
}

/// What to do about a peer that was reached and not believed, or does not believe us.
pub(super) fn blame(error: &PostError) -> String {
    match error {
        PostError::Identity { .. } => {
            "compare trust, pins and names of its entry with its certificate (`causeway cert show`)"
                .to_owned()
        }
        _ => {
            "compare trust and crls here, and those of the peer, with the certificates (`causeway cert show`)"
                .to_owned()
        }
    }
}
