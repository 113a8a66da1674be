//! Weights that decay: they halve every two minutes.

/// Seconds in which the weight of old traffic halves when keys compete for a series.
const HALF_LIFE_S: f64 = 120.0;
/// Maximum number of half-lives by which new weights are scaled, so that they stay finite: 17 hours. [`Fading::rebase`]
/// is called sooner.
const MAX_HALF_LIVES: f64 = 512.0;

/// Instead of reducing all old weights, new ones are increased (Cormode et al., "Forward Decay", 2009). So the order of
/// two weights does not change over time, and only weights that grow are updated.
#[derive(Debug)]
pub(super) struct Fading {
    base_s: u64,
    now_s: u64,
    gain: f64,
}

impl Fading {
    /// Starts at second 0.
    pub(super) const fn new() -> Self {
        Self { base_s: 0, now_s: 0, gain: 1.0 }
    }

    /// The factor for a weight added now.
    pub(super) fn gain(&mut self, now_s: u64) -> f64 {
        if self.now_s != now_s {
            self.now_s = now_s;
            self.gain = (now_s.saturating_sub(self.base_s) as f64 / HALF_LIFE_S).min(MAX_HALF_LIVES).exp2();
        }
        self.gain
    }

    /// Resets the scale to now. Returns the factor for all existing weights.
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
