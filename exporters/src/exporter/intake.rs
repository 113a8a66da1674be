//! The input of an exporter: its queue and, if there is one, its spool. It outlives the exporter if another exporter
//! takes it over.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::config::ExporterConfig;
use crate::spool::Spool;
use crate::threads::Threads;

use super::latch::Latch;
use super::queue::{Batch, Closed, Limits, Queue};
use super::spooler::Spooler;
use super::worker::Source;
use super::{Control, Counters, Link, Loss, Mode, Snapshot, StartError};

/// Accepts records and counts their outcome. Once dropped, it accepts no more.
pub(super) struct Intake {
    pub(super) queue: Arc<Queue>,
    spool: Option<Arc<Spool>>,
    pub(super) counters: Arc<Counters>,
    /// Closes when the threads between queue and spool have ended, if there are any.
    spooler: Arc<Latch>,
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Intake {
    /// Opens the spool, if one is configured. The queue may keep `share_bytes` unless the configuration sets another
    /// limit.
    pub(super) fn open(
        config: &ExporterConfig,
        share_bytes: usize,
        counters: &Arc<Counters>,
    ) -> Result<Self, StartError> {
        let queue = Arc::new(Queue::new(limits(config, share_bytes)));
        let spool = open_spool(config, counters)?;
        let intake = Self { queue, spool, counters: counters.clone(), spooler: Arc::default() };
        intake.start_spooler(config)?;
        Ok(intake)
    }

    fn start_spooler(&self, config: &ExporterConfig) -> Result<(), StartError> {
        let Some((spool, settings)) = self.spool.as_ref().zip(config.delivery.spool.as_ref()) else { return Ok(()) };
        let name = format!("spool {}", settings.folder.display());
        let link = Link::new(name, &self.counters, &Arc::new(Control::default()));
        let mut spooler = Spooler::new(self.queue.clone(), spool.clone(), link);
        let (notes, working, thread) = (spool.clone(), self.spooler.working(), format!("note {}", config.name()));
        spawn(config, "note", move || {
            Threads::of_process().keep_running(&thread, || {
                notes.keep_notes();
                Ok(())
            });
            drop((notes, working));
        })?;
        let (working, thread) = (self.spooler.working(), format!("spool {}", config.name()));
        spawn(config, "spool", move || {
            Threads::of_process().keep_running(&thread, || {
                spooler.run();
                Ok(())
            });
            drop(working);
        })
    }

    /// Accepts the batch, or counts it as lost. Waits for room only when files are read.
    pub(super) fn take(&self, batch: &Batch, mode: Mode) {
        self.counters.accepted(batch.len());
        if let Some(spool) = &self.spool {
            spool.expect(batch.len());
        }
        let pushed = match mode {
            Mode::Live => self.queue.push_dropping(batch),
            Mode::Offline => self.queue.push_waiting(batch),
        };
        let (why, lost) = match pushed {
            Ok(dropped) => (Loss::QueueFull, dropped),
            Err(Closed(refused)) => (Loss::Shutdown, refused),
        };
        self.counters.lost(why, lost);
        if let Some(spool) = self.spool.as_ref().filter(|_| lost > 0) {
            spool.expect_less(lost);
        }
    }

    /// The source of its records: the spool or the queue.
    pub(super) fn source(&self) -> Source {
        self.spool.as_ref().map_or_else(|| Source::Queue(self.queue.clone()), |s| Source::Spool(s.clone()))
    }

    /// Whether undelivered records are kept (in a spool).
    pub(super) const fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    pub(super) fn snapshot(&self, name: &str) -> Snapshot {
        self.counters.snapshot(name.to_owned(), self.spool.as_ref().map_or(0, |s| s.waiting()))
    }

    /// Waits until the queue's records are in the spool, at most until the deadline; false: they are not.
    pub(super) fn wait_until(&self, end: Instant) -> bool {
        self.spooler.wait_until(end)
    }

    /// Changes the limits to those of that configuration.
    pub(super) fn resize(&self, config: &ExporterConfig, share_bytes: usize) {
        self.queue.resize(limits(config, share_bytes));
        if let Some((spool, settings)) = self.spool.as_ref().zip(config.delivery.spool.as_ref()) {
            spool.resize(settings.max_octets);
        }
    }
}

/// The limits of an exporter's queue.
fn limits(config: &ExporterConfig, share_bytes: usize) -> Limits {
    Limits { records: config.queue_records, bytes: config.queue_bytes.unwrap_or(share_bytes) }
}

/// Opens the spool, if one is configured, and counts what earlier runs left.
fn open_spool(config: &ExporterConfig, counters: &Arc<Counters>) -> Result<Option<Arc<Spool>>, StartError> {
    let Some(settings) = config.delivery.spool.as_ref().filter(|_| config.output.is_reliable()) else {
        return Ok(None);
    };
    let (spool, found) =
        Spool::open(settings).map_err(|source| StartError::Spool { exporter: config.name(), source })?;
    let (name, folder) = (config.name(), settings.folder.display());
    if found.waiting > 0 {
        tracing::info!("{name}: {} records wait in the spool {folder}", found.waiting);
    }
    if found.lost > 0 {
        tracing::warn!(
            "{name}: {} records that an earlier run accepted are missing from the spool {folder}",
            found.lost
        );
    }
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    counters.accepted(count(found.waiting + found.lost));
    counters.lost(Loss::Crash, count(found.lost));
    Ok(Some(Arc::new(spool)))
}

/// Starts a thread of an exporter.
pub(super) fn spawn(
    config: &ExporterConfig,
    task: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<(), StartError> {
    let spawned = thread::Builder::new().name(format!("{task}-{}", config.output.kind())).spawn(run);
    spawned.map(drop).map_err(|source| StartError::Thread { exporter: config.name(), source })
}
