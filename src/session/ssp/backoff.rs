//! The retry schedule, for set-up and traffic alike (decisions.md 4).

use std::time::Duration;

use crate::imps::Chance;

/// The first pause.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
pub(super) const LONGEST: Duration = Duration::from_secs(600);

/// How long to wait after this many earlier failures: 5 s · 2ⁿ, give or take 20 %, at most 10 minutes.
pub fn delay(failures: u32, chance: &mut dyn Chance) -> Duration {
    let plain = FIRST.saturating_mul(1 << failures.min(7)).min(LONGEST);
    let mut octets = [0; 2];
    chance.fill(&mut octets);
    let permille = 800 + u32::from(u16::from_be_bytes(octets)) * 400 / u32::from(u16::MAX);
    (plain * permille / 1000).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::chance::testing::Fixed;

    #[test]
    fn pauses_double_up_to_ten_minutes_and_vary_by_a_fifth() {
        let low: Vec<_> = (0..9).map(|n| delay(n, &mut Fixed(0)).as_secs()).collect();
        assert_eq!(low, [4, 8, 16, 32, 64, 128, 256, 480, 480]);
        assert_eq!(delay(0, &mut Fixed(255)), Duration::from_secs(6));
        assert_eq!(delay(u32::MAX, &mut Fixed(255)), LONGEST);
    }
}
