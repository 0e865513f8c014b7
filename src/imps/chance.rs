//! Randomness as an argument, so that recordings and simulations replay exactly (decisions.md 21).

/// A source of random octets: the system's generator in a node, a seeded one in tests.
pub trait Chance: Send {
    /// Fills the buffer.
    fn fill(&mut self, octets: &mut [u8]);
}

/// A fresh identifier of `N` random octets in base64url without padding.
pub fn token<const N: usize>(chance: &mut dyn Chance) -> String {
    use base64::Engine as _;
    let mut octets = [0; N];
    chance.fill(&mut octets);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}

#[cfg(test)]
pub(crate) mod testing {
    /// The same octet for ever.
    pub(crate) struct Fixed(pub(crate) u8);

    impl super::Chance for Fixed {
        fn fill(&mut self, octets: &mut [u8]) {
            octets.fill(self.0);
        }
    }
}
