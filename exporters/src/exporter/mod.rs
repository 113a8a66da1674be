//! Exporters at work: each is a thread of its own behind a bounded queue, so that a slow or dead one
//! slows neither the others nor the capture.

mod control;
mod counters;
mod link;
mod queue;
mod set;
mod worker;

pub(crate) use control::Control;
pub(crate) use counters::Counters;
pub use counters::{LOSSES, Loss, Snapshot};
pub(crate) use link::Link;
pub use set::{ExportContext, ExporterSet, MetricSource, Mode, StartError, Stopper};
#[cfg(feature = "otlp")]
pub(crate) use worker::wall_ns;
