//! Detects from outside whether the pipeline works, because a pipeline that hangs cannot report it.

use std::time::{Duration, Instant};

/// A working pipeline publishes once a second, delayed at most by the time of one turn: a second or two on a busy
/// machine, because each step takes a bounded number of flows. So load does not cause ten missed publications in a row.
/// And ten seconds are less than the minute in which the kubelet probes three times, so its verdict does not depend on
/// chance.
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(10);

/// Whether the pipeline works, as seen from outside.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pulse {
    /// It has not published yet. The first turn processes all facts since the probes were attached, however long that
    /// takes: the agent is not ready, but not dead. To limit this time, wait for `/readyz`, as the kubelet's startup
    /// probe does.
    Starting,
    /// Time of the last publication.
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

    /// One line with the time since the last publication, if that is too long.
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
