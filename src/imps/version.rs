//! Protocol versions.

use std::fmt;

/// Version of CSP or SSP. CSP 1.1 is Wireless Village 1.1, 1.2 and 1.3 are OMA IMPS 1.2 and 1.3
/// (reference csp.md); SSP carries the same numbers (reference ssp-transport §4). Ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// Wireless Village 1.1.
    V1_1,
    /// OMA IMPS 1.2.
    V1_2,
    /// OMA IMPS 1.3.
    V1_3,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V1_1, Self::V1_2, Self::V1_3];

    /// `1.1`, `1.2` or `1.3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }

    /// Reads `1.1`, `1.2` or `1.3`; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text.trim())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
