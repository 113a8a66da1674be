//! Warnings that repeat themselves are said once a minute.

use std::fmt::Display;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(60);

/// One exporter's warnings.
#[derive(Debug)]
pub(crate) struct Notice {
    exporter: String,
    said: Option<Instant>,
    unsaid: u64,
    /// Whether the last thing that happened was a failure.
    failing: bool,
}

impl Notice {
    pub(crate) const fn new(exporter: String) -> Self {
        Self { exporter, said: None, unsaid: 0, failing: false }
    }

    /// Says that something failed, unless that was said within the last minute.
    pub(crate) fn failed(&mut self, what: &dyn Display, consequence: &str) {
        self.failing = true;
        if self.said.is_some_and(|t| t.elapsed() < PERIOD) {
            self.unsaid += 1;
            return;
        }
        let (exporter, unsaid) = (&self.exporter, self.unsaid);
        match unsaid {
            0 => tracing::warn!("{exporter}: {what}; {consequence}"),
            n => tracing::warn!("{exporter}: {what}; {consequence} (and {n} more since the last such line)"),
        }
        (self.said, self.unsaid) = (Some(Instant::now()), 0);
    }

    /// Says that it works again, if a failure was the last that was heard of it.
    pub(crate) fn worked(&mut self) {
        if std::mem::take(&mut self.failing) {
            tracing::info!("{}: works again", self.exporter);
            (self.said, self.unsaid) = (None, 0);
        }
    }
}
