//! The parts of all kinds of exporters: sink, counters and control.
//!
//! This module does not depend on the kinds; see [`crate::kinds`].

mod context;
mod control;
mod counters;
mod error;
mod link;
mod notice;

use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::config::ExporterConfig;

pub use context::{ExportContext, Mode};
pub(crate) use control::Control;
pub(crate) use counters::Counters;
pub use counters::{LOSSES, Loss, Snapshot};
pub use error::StartError;
pub(crate) use link::Link;
pub(crate) use notice::Notice;

/// The deadline passed before all records were delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undelivered {
    /// With a spool: the records from this index on stay there, and are not counted elsewhere.
    pub(crate) from: usize,
    /// Without a spool: this many records were not delivered, and are not counted yet.
    pub(crate) left: usize,
}

/// The destination of one exporter's records.
pub(crate) trait Sink: Send {
    /// Delivers the records, or counts them as lost. `now_ns` is the time for the messages, nanoseconds since the
    /// epoch.
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Undelivered>;

    /// Writes buffered data, and checks for errors. Called when there is nothing to export.
    fn flush(&mut self) {}

    /// Completes what has been begun. Called once, at the end.
    fn finish(&mut self) {
        self.flush();
    }
}

/// What every sink is made from.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a ExporterConfig,
    pub(crate) context: &'a ExportContext,
    pub(crate) counters: &'a Arc<Counters>,
    pub(crate) control: &'a Arc<Control>,
}

impl Parts<'_> {
    /// Counters, end and warnings of the exporter.
    pub(crate) fn link(&self) -> Link {
        Link::new(self.config.name(), self.counters, self.control)
    }

    /// An error in the exporter's configuration.
    pub(crate) fn error(&self, reason: String) -> StartError {
        StartError::Client { exporter: self.config.name(), reason }
    }

    /// The error for a kind that this build does not contain.
    #[allow(dead_code, reason = "with every feature there is no such kind")]
    pub(crate) fn not_built(&self, feature: &str) -> StartError {
        self.error(format!("`kind`: this build has no {feature}; build it with the feature `{feature}`"))
    }
}
