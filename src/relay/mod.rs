//! Floor 4: decisions.
