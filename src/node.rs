//! Floor 8: composition root.
