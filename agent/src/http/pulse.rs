//! Whether the pipeline works, which is seen from outside: one that hangs cannot say so.

use std::time::{Duration, Instant};

/// A pipeline that works publishes once a second, and later only by what one turn takes: a second or two on a busy
/// machine, since each of its steps takes so many flows and no more. Ten missed in a row are no load. And it is
/// less than the minute that the kubelet takes to ask three times, so that its answer does not come by chance.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// What is known of the pipeline.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pulse {
    /// It has published nothing yet. The first turn takes all that the probes found since they were attached, however
    /// long that takes: not ready, and not dead. Who must limit it waits for `/readyz`, as the kubelet's
    /// startup probe does.
    Starting,
    /// When it published last.
    Beating(Instant),
    /// The end has begun. Nothing is published while exporters finish, for as long as `--drain-timeout` says.
    Stopping,
}

impl Pulse {
    /// It has published.
    pub(super) fn beat(&mut self, now: Instant) {
        if !matches!(self, Self::Stopping) {
            *self = Self::Beating(now);
        }
    }

    /// For how long it has been silent, in one line, where that is too long.
    pub(super) fn silence(self, now: Instant) -> Option<String> {
        let Self::Beating(last) = self else { return None };
        let silent = now.saturating_duration_since(last);
        (silent >= SILENCE).then(|| format!("the pipeline has been silent for {} s", silent.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_had_begun_and_goes_on_can_be_silent() {
        let start = Instant::now();
        let mut pulse = Pulse::Starting;
        assert_eq!(pulse.silence(start + 100 * SILENCE), None);
        pulse.beat(start);
        assert_eq!(pulse.silence(start + SILENCE - Duration::from_millis(1)), None);
        assert_eq!(pulse.silence(start + SILENCE).unwrap(), "the pipeline has been silent for 10 s");
        pulse.beat(start + SILENCE);
        assert_eq!(pulse.silence(start + SILENCE), None, "it is back");
        pulse = Pulse::Stopping;
        pulse.beat(start);
        assert_eq!(pulse.silence(start + 100 * SILENCE), None);
    }
}
