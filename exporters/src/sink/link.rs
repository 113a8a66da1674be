//! What an exporter's transport shares with the threads that observe and stop it.

use std::fmt::Display;
use std::sync::Arc;

use super::{Control, Counters, Notice};

/// One exporter's counters, end and warnings.
pub(crate) struct Link {
    /// The outcome of the records.
    pub(crate) counters: Arc<Counters>,
    /// When to stop.
    pub(crate) control: Arc<Control>,
    /// Messages to the operator.
    pub(crate) notice: Notice,
}

impl Link {
    pub(crate) fn new(name: String, counters: &Arc<Counters>, control: &Arc<Control>) -> Self {
        Self { counters: counters.clone(), control: control.clone(), notice: Notice::new(name) }
    }

    /// Counts and logs a failed attempt.
    pub(crate) fn failed(&mut self, what: &dyn Display, consequence: &str) {
        self.counters.error();
        self.notice.failed(what, consequence);
    }
}
