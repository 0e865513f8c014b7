//! Floor 9: one file a verb.
