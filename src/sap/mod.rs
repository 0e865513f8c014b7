//! Floor 5: the Service Access Point.
