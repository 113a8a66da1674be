//! Running exporters. Each has its own thread behind a bounded queue, so that a slow or dead receiver slows neither the
//! other exporters nor the capture.

mod intake;
mod latch;
mod queue;
mod set;
mod single;
mod spooler;
mod worker;

#[cfg(test)]
mod accounting;

pub use set::{ExporterSet, Reloaded, Stopper};

use crate::kinds::Exclusive;
use crate::sink::{Control, Counters, ExportContext, Link, Loss, Mode, Snapshot, StartError};
