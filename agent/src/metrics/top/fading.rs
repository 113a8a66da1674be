//! Weights whose old part fades: it halves every two minutes.

/// Seconds in which the weight of old traffic halves when keys compete for a series.
const HALF_LIFE_S: f64 = 120.0;
/// Half-lives that new weights may be raised by, so that they stay finite: 17 hours, and [`Fading::rebase`] comes sooner.
const MAX_HALF_LIVES: f64 = 512.0;

/// Instead of all old weights fading, new ones are raised (Cormode et al., "Forward Decay", 2009): so two weights are
/// in the same order at any time, and none is touched but those that grow.
#[derive(Debug)]
pub(super) struct Fading {
    base_s: u64,
    now_s: u64,
    gain: f64,
}

impl Fading {
    /// From second 0 on.
    pub(super) const fn new() -> Self {
        Self { base_s: 0, now_s: 0, gain: 1.0 }
    }

    /// What a weight of now is to be multiplied by.
    pub(super) fn gain(&mut self, now_s: u64) -> f64 {
        if self.now_s != now_s {
            self.now_s = now_s;
            self.gain = (now_s.saturating_sub(self.base_s) as f64 / HALF_LIFE_S).min(MAX_HALF_LIVES).exp2();
        }
        self.gain
    }

    /// Weights are those of now again; what all that are kept are to be multiplied by.
    pub(super) fn rebase(&mut self, now_s: u64) -> f64 {
        let fade = self.gain(now_s).recip();
        (self.base_s, self.gain) = (now_s, 1.0);
        fade
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_halve_in_two_minutes_whenever_they_are_looked_at() {
        let mut fading = Fading::new();
        let early = fading.gain(60);
        assert!((fading.gain(180) / early - 2.0).abs() < 1e-9);
        let early = early * fading.rebase(240);
        assert!((fading.gain(300) / early - 4.0).abs() < 1e-9);
        assert!((u64::MAX as f64 * fading.gain(u64::MAX)).is_finite() && fading.rebase(u64::MAX) > 0.0);
    }
}
