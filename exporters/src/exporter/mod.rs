//! Exporters at work: each is a thread of its own behind a bounded queue, so that a slow or dead one
//! slows neither the others nor the capture.

mod context;
mod control;
mod counters;
mod error;
mod exclusive;
mod intake;
mod latch;
mod link;
mod queue;
mod set;
mod single;
mod spooler;
mod worker;

#[cfg(test)]
mod accounting;

pub use context::{ExportContext, MetricSource, Mode};
pub(crate) use control::Control;
pub(crate) use counters::Counters;
pub use counters::{LOSSES, Loss, Snapshot};
pub use error::StartError;
pub(crate) use exclusive::Exclusive;
pub(crate) use link::Link;
pub use set::{ExporterSet, Reloaded, Stopper};
pub(crate) use worker::wall_ns;
