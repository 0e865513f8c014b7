//! The way that a POST has come: the header `x-causeway-via: wv:@a, wv:@b` (R4).

use std::str::FromStr;

use crate::imps::{Domain, ServiceId};

/// Relays that one POST may have passed.
pub const VIA_MAX: usize = 5;

/// The relays that a POST has passed, in that order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Via(Vec<ServiceId>);

/// Why a path is not taken; each is answered 516.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViaError {
    /// Something in it is no service id.
    #[error("the path of relays cannot be read")]
    Unreadable,
    /// More than [`VIA_MAX`] entries.
    #[error("the path of relays is longer than {VIA_MAX}")]
    TooLong,
    /// It has been here before.
    #[error("it has passed {0} before: providers relay in a circle")]
    Circle(Domain),
}

impl FromStr for Via {
    type Err = ViaError;

    /// Reads the header's value; nothing is the empty path.
    fn from_str(text: &str) -> Result<Self, ViaError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut path = Vec::new();
        for entry in entries {
            if path.len() >= VIA_MAX {
                return Err(ViaError::TooLong);
            }
            path.push(entry.parse().map_err(|_| ViaError::Unreadable)?);
        }
        Ok(Self(path))
    }
}

impl Via {
    /// Fails if one of these domains of ours is on the path.
    pub fn check(&self, own: &[Domain]) -> Result<(), ViaError> {
        match self.0.iter().find(|relay| own.contains(relay.domain())) {
            Some(relay) => Err(ViaError::Circle(relay.domain().clone())),
            None => Ok(()),
        }
    }

    /// The path with our domain at its end, as it is written.
    pub(super) fn and(&self, own: &Domain) -> Result<Box<str>, ViaError> {
        if self.0.len() >= VIA_MAX {
            return Err(ViaError::TooLong);
        }
        let own = ServiceId::of(own.clone());
        let path: Vec<String> = self.0.iter().chain([&own]).map(ToString::to_string).collect();
        Ok(path.join(", ").into())
    }
}
