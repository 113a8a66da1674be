//! The way into an exporter: its queue and, where there is one, the spool behind that. It outlives the exporter where another
//! one goes on with it.

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

/// What takes records in, and counts what becomes of them. Dropped, it takes no more.
pub(super) struct Intake {
    pub(super) queue: Arc<Queue>,
    spool: Option<Arc<Spool>>,
    pub(super) counters: Arc<Counters>,
    /// The end of the threads between the two, where there are any.
    spooler: Arc<Latch>,
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Intake {
    /// Opens the spool, where there is to be one. The queue may keep `share_bytes` where the configuration says nothing else.
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

    /// Takes the batch, or counts it as lost. Waits for nothing but, when files are read, room.
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

    /// Where its records are to be taken from.
    pub(super) fn source(&self) -> Source {
        self.spool.as_ref().map_or_else(|| Source::Queue(self.queue.clone()), |s| Source::Spool(s.clone()))
    }

    /// Whether what is not delivered stays.
    pub(super) const fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    pub(super) fn snapshot(&self, name: &str) -> Snapshot {
        self.counters.snapshot(name.to_owned(), self.spool.as_ref().map_or(0, |s| s.waiting()))
    }

    /// Waits until then at most for what is in the queue to be in the spool; false: it is not.
    pub(super) fn wait_until(&self, end: Instant) -> bool {
        self.spooler.wait_until(end)
    }

    /// Is to hold as much as that configuration says.
    pub(super) fn resize(&self, config: &ExporterConfig, share_bytes: usize) {
        self.queue.resize(limits(config, share_bytes));
        if let Some((spool, settings)) = self.spool.as_ref().zip(config.delivery.spool.as_ref()) {
            spool.resize(settings.max_octets);
        }
    }
}

/// What an exporter's queue holds at most.
fn limits(config: &ExporterConfig, share_bytes: usize) -> Limits {
    Limits { records: config.queue_records, bytes: config.queue_bytes.unwrap_or(share_bytes) }
}

/// Opens the spool, if there is to be one, and takes account of what earlier runs left.
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

/// Starts a thread of an exporter's.
pub(super) fn spawn(
    config: &ExporterConfig,
    task: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<(), StartError> {
    let spawned = thread::Builder::new().name(format!("{task}-{}", config.output.kind())).spawn(run);
    spawned.map(drop).map_err(|source| StartError::Thread { exporter: config.name(), source })
}
