//! What all kinds of exporters are made of: where records go, what counts them, and who stops it.
//!
//! Nothing here knows which kinds there are; see [`crate::kinds`].

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
    /// With a spool: those from this index on stay there, and are counted nowhere else.
    pub(crate) from: usize,
    /// Without: so many were not delivered, and are counted nowhere yet.
    pub(crate) left: usize,
}

/// Where one exporter's records go.
pub(crate) trait Sink: Send {
    /// Delivers the records, or counts them as lost. `now_ns` is the clock of the messages, nanoseconds since the epoch.
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Undelivered>;

    /// Writes what is buffered, hears of what went wrong; called when there is nothing to export, and at the end.
    fn flush(&mut self) {}
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

    /// What is wrong with the exporter's configuration.
    pub(crate) fn error(&self, reason: String) -> StartError {
        StartError::Client { exporter: self.config.name(), reason }
    }

    /// Of a kind that was left out when the program was built.
    #[allow(dead_code, reason = "with every feature there is no such kind")]
    pub(crate) fn not_built(&self, feature: &str) -> StartError {
        self.error(format!("`kind`: this build has no {feature}; build it with the feature `{feature}`"))
    }
}
