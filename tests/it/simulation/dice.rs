//! Randomness from a seed: the same seed throws the same numbers in every run.

use std::time::Duration;

use causeway::imps::Chance;

/// A stream of numbers (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// A stream of its own for each name under a seed, so that one more throw here changes nothing
    /// there.
    pub(super) fn of(seed: u64, name: &str) -> Self {
        let mix = |state: u64, octet: u8| (state ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        let mut dice = Self(name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed.rotate_left(17), mix));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True so often in a thousand throws.
    pub(super) fn permille(&mut self, often: u64) -> bool {
        self.below(1000) < often
    }

    /// True every other time.
    pub(super) fn coin(&mut self) -> bool {
        self.permille(500)
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// A time from `low` to `high` milliseconds.
    pub(super) fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }
}

impl Chance for Dice {
    fn fill(&mut self, octets: &mut [u8]) {
        for part in octets.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            part.copy_from_slice(&number[..part.len()]);
        }
    }
}
