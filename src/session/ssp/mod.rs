//! SSP sessions.
