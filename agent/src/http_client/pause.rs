//! Pauses between attempts, which become longer.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// The pauses.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    attempts: u32,
}

impl Pause {
    /// An attempt was successful.
    pub(crate) const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next pause: half of it is random, so that the agents of all nodes do not return at once.
    pub(crate) fn next(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.attempts.min(10)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        whole / 2 + whole.mul_f64(random() / 2.0)
    }
}

/// From 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    filled.map_or(1.0, |()| f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let mut pause = Pause::default();
        let all: Vec<_> = (0..100).map(|_| pause.next()).collect();
        assert!(all[0] <= FIRST && all[0] >= FIRST / 2);
        assert!(all.iter().all(|p| *p <= LONGEST) && all[99] >= LONGEST / 2, "{all:?}");
        pause.reset();
        assert!(pause.next() <= FIRST);
    }
}
