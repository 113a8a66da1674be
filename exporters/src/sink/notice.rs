//! Log lines of an exporter about its receiver: at most two a minute, whatever the receiver does.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Minimum time between two warnings; each may be followed by one line about the recovery.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// The receiver counts as recovered when nothing has failed for this long, because one sent datagram or one connection
/// proves nothing.
const RECOVERY_TIME: Duration = Duration::from_secs(10);

/// One exporter's warnings.
#[derive(Debug)]
pub(crate) struct Notice {
    exporter: String,
    /// Time of the last warning.
    warned: Option<Instant>,
    /// Number of failures since then.
    unsaid: u64,
    /// Whether the last message was about a failure.
    told_failing: bool,
    /// Since when nothing has failed; none: the last result was a failure.
    working_since: Option<Instant>,
}

impl Notice {
    pub(crate) const fn new(exporter: String) -> Self {
        Self { exporter, warned: None, unsaid: 0, told_failing: false, working_since: None }
    }

    /// Logs a failure, unless a warning was logged within the last minute.
    pub(crate) fn failed(&mut self, what: &dyn Display, consequence: &str) {
        if let Some(line) = self.warning(what, consequence, Instant::now()) {
            tracing::warn!("{line}");
        }
    }

    /// Logs a change, which counts as a warning, so that a name whose address keeps changing is logged no more often.
    pub(crate) fn changed(&mut self, what: &str) {
        let now = Instant::now();
        if self.warned.is_none_or(|t| now.duration_since(t) >= WARNING_INTERVAL) {
            self.warned = Some(now);
            tracing::info!("{}: {what}", self.exporter);
        } else {
            tracing::debug!("{}: {what}", self.exporter);
        }
    }

    /// Notes a success. The recovery is logged when nothing has failed for a while.
    pub(crate) fn worked(&mut self) {
        self.working_since.get_or_insert_with(Instant::now);
        self.look();
    }

    /// Logs the recovery if it is due; for exporters that have nothing to send.
    pub(crate) fn look(&mut self) {
        if let Some(line) = self.recovery(Instant::now()) {
            tracing::info!("{line}");
        }
    }

    fn warning(&mut self, what: &dyn Display, consequence: &str, now: Instant) -> Option<String> {
        self.working_since = None;
        if self.warned.is_some_and(|t| now.duration_since(t) < WARNING_INTERVAL) {
            self.unsaid += 1;
            return None;
        }
        (self.warned, self.told_failing) = (Some(now), true);
        let unsaid = match std::mem::take(&mut self.unsaid) {
            0 => String::new(),
            n => format!(" (and {n} more failures since the last warning)"),
        };
        Some(format!("{}: {what}; {consequence}{unsaid}", self.exporter))
    }

    fn recovery(&mut self, now: Instant) -> Option<String> {
        let since = self.working_since.filter(|_| self.told_failing)?;
        let proven = now.duration_since(since) >= RECOVERY_TIME;
        proven.then(|| {
            self.told_failing = false;
            format!("{}: works again", self.exporter)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn notice() -> (Notice, Instant) {
        (Notice::new("udp".into()), Instant::now())
    }

    /// As [`Notice::worked`], at that time.
    fn worked(notice: &mut Notice, now: Instant) -> Option<String> {
        notice.working_since.get_or_insert(now);
        notice.recovery(now)
    }

    #[test]
    fn an_unreachable_collector_is_logged_once_a_minute() {
        let (mut notice, start) = notice();
        let mut lines = Vec::new();
        // Over UDP every other send is Ok: the error of one datagram is reported by the next one.
        for half_second in 0..360 {
            let now = start + 500 * MS * half_second;
            lines.extend(notice.warning(&"refused", "records are lost", now));
            lines.extend(worked(&mut notice, now + 250 * MS));
        }
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[1].contains("119 more failures"), "{lines:?}");
    }

    #[test]
    fn it_works_again_when_nothing_has_failed_for_a_while() {
        let (mut notice, start) = notice();
        assert!(notice.warning(&"refused", "", start).is_some());
        assert_eq!(worked(&mut notice, start + 1000 * MS), None, "that proves nothing");
        assert!(notice.warning(&"refused", "", start + 5000 * MS).is_none());
        assert_eq!(worked(&mut notice, start + 12_000 * MS), None);
        assert_eq!(worked(&mut notice, start + 21_999 * MS), None);
        assert!(worked(&mut notice, start + 22_000 * MS).unwrap().contains("works again"));
        assert_eq!(worked(&mut notice, start + 60_000 * MS), None, "it was said");
    }

    #[test]
    fn an_unstable_receiver_gets_two_lines_a_minute() {
        for up in [1, 9, 11, 14] {
            let (mut notice, start) = notice();
            let mut lines = 0;
            for second in 0..600 {
                let now = start + Duration::from_secs(second);
                let line = if second % 15 < up { worked(&mut notice, now) } else { notice.warning(&"cut", "", now) };
                lines += usize::from(line.is_some());
            }
            assert!((9..=20).contains(&lines), "{lines} lines in ten minutes when it works {up} of 15 s");
        }
    }

    #[test]
    fn a_failure_that_nothing_came_after_is_not_over() {
        let (mut notice, start) = notice();
        notice.warning(&"refused", "", start);
        assert_eq!(notice.recovery(start + WARNING_INTERVAL), None);
    }
}
