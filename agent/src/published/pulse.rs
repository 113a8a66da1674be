//! Whether the pipeline works, judged from outside: a pipeline that hangs cannot say so.

use std::time::{Duration, Instant};

/// A pipeline that works publishes once a second, later only by the time of one turn: a second or two on a busy machine,
/// since each step takes a bounded number of flows. Ten missed in a row are not caused by load. And ten seconds are less than
/// the minute in which the kubelet asks three times, so that its verdict does not depend on chance.
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(10);

/// What is known of the pipeline.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pulse {
    /// It has published nothing yet. The first turn takes all that the probes found since they were attached, however
    /// long that takes: not ready, but not dead. To limit it, wait for `/readyz` as the kubelet's startup probe does.
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
        (silent >= MAX_SILENCE).then(|| format!("the pipeline has been silent for {} s", silent.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_had_begun_and_goes_on_can_be_silent() {
        let start = Instant::now();
        let mut pulse = Pulse::Starting;
        assert_eq!(pulse.silence(start + 100 * MAX_SILENCE), None);
        pulse.beat(start);
        assert_eq!(pulse.silence(start + MAX_SILENCE - Duration::from_millis(1)), None);
        assert_eq!(pulse.silence(start + MAX_SILENCE).unwrap(), "the pipeline has been silent for 10 s");
        pulse.beat(start + MAX_SILENCE);
        assert_eq!(pulse.silence(start + MAX_SILENCE), None, "it is back");
        pulse = Pulse::Stopping;
        pulse.beat(start);
        assert_eq!(pulse.silence(start + 100 * MAX_SILENCE), None);
    }
}
