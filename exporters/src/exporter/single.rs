//! One exporter: its queue, its spool and its threads.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::ExporterConfig;
use crate::spool::Spool;
use crate::transport::{self, Parts};

use super::queue::{Closed, Queue};
use super::spooler::Spooler;
use super::worker::{Source, Worker};
use super::{Control, Counters, ExportContext, Link, Loss, Mode, Snapshot, StartError};

/// How long a thread may take, past the deadline, to notice it.
const GRACE: Duration = Duration::from_millis(500);

/// An exporter at work. Dropped, it ends as soon as it notices.
pub(super) struct Exporter {
    pub(super) config: ExporterConfig,
    name: String,
    pub(super) queue: Arc<Queue>,
    spool: Option<Arc<Spool>>,
    counters: Arc<Counters>,
    pub(super) control: Arc<Control>,
    /// Disconnected when all of its threads have ended.
    ended: Mutex<Receiver<()>>,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.control.stop_by(Instant::now());
        self.queue.close();
    }
}

impl Exporter {
    pub(super) fn start(config: &ExporterConfig, context: &ExportContext) -> Result<Self, StartError> {
        let name = config.name();
        let queue = Arc::new(Queue::new(config.queue_records));
        let (counters, control) = (Arc::new(Counters::default()), Arc::new(Control::default()));
        let sink = transport::open(&Parts { config, context, counters: &counters, control: &control })?;
        let spool = open_spool(config, &counters)?;
        let source = spool.as_ref().map_or_else(|| Source::Queue(queue.clone()), |s| Source::Spool(s.clone()));
        let (alive, ended) = channel::<()>();
        if let Some(spool) = &spool {
            let link = Link::new(format!("{name}: spool"), &counters, &control);
            let spooler = Spooler { queue: queue.clone(), spool: spool.clone(), link };
            spawn(config, "spool", (alive.clone(), move || spooler.run()))?;
        }
        let worker = Worker { source, counters: counters.clone(), control: control.clone(), sink, mode: context.mode };
        spawn(config, "export", (alive, move || worker.run()))?;
        Ok(Self { config: config.clone(), name, queue, spool, counters, control, ended: Mutex::new(ended) })
    }

    /// Takes the batch, or counts it as lost; not where it sends nothing that is made of records. Waits for room only when
    /// files are read.
    pub(super) fn send(&self, batch: &Arc<[FlowRecord]>, mode: Mode) {
        if !self.config.output.takes_records() {
            return;
        }
        self.counters.accepted(batch.len());
        if let Some(spool) = &self.spool {
            spool.expect(batch.len());
        }
        let pushed = match mode {
            Mode::Live => self.queue.push_dropping(batch.clone()),
            Mode::Offline => self.queue.push_waiting(batch.clone()),
        };
        let (why, lost) = match pushed {
            Ok(dropped) => (Loss::QueueFull, dropped),
            Err(Closed) => (Loss::Shutdown, batch.len()),
        };
        self.counters.lost(why, lost);
        if let Some(spool) = self.spool.as_ref().filter(|_| lost > 0) {
            spool.expect_less(lost);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.counters.snapshot(self.name.clone(), self.spool.as_ref().map_or(0, |s| s.waiting()))
    }

    /// Takes no more records, and has until then to deliver those that it has.
    pub(super) fn stop_by(&self, deadline: Instant) {
        self.control.stop_by(deadline);
        self.queue.close();
    }

    /// Waits for the threads; one that hangs in a system call is left behind. What is neither delivered nor in the spool is
    /// lost then.
    pub(super) fn finish(&self, deadline: Instant) -> Snapshot {
        let left = deadline.saturating_duration_since(Instant::now()) + GRACE;
        // Nothing is ever sent: the end of waiting is the other side's going away, or the time.
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(left);
        if let (Err(RecvTimeoutError::Disconnected), Some(spool)) = (ended, &self.spool) {
            spool.release();
        }
        let pending = usize::try_from(self.snapshot().pending()).unwrap_or(usize::MAX);
        self.counters.lost(Loss::Shutdown, pending);
        self.snapshot()
    }

    /// Whether a new exporter of that configuration has to wait until this one has let go of its spool.
    pub(super) fn shares_spool(&self, other: &ExporterConfig) -> bool {
        let folder = |c: &ExporterConfig| c.delivery.spool.as_ref().map(|s| s.folder.clone());
        self.spool.is_some() && folder(&self.config) == folder(other)
    }
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
        tracing::warn!("{name}: an earlier run took {} records that are not in the spool {folder}", found.lost);
    }
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    counters.accepted(count(found.waiting + found.lost));
    counters.lost(Loss::Crash, count(found.lost));
    Ok(Some(Arc::new(spool)))
}

/// Starts a thread that holds `alive` for as long as it works.
fn spawn<T: Send + 'static>(
    config: &ExporterConfig,
    task: &str,
    (alive, run): (T, impl FnOnce() + Send + 'static),
) -> Result<(), StartError> {
    let run = move || {
        run();
        drop(alive);
    };
    let spawned = thread::Builder::new().name(format!("{task}-{}", config.output.kind())).spawn(run);
    spawned.map(drop).map_err(|source| StartError::Thread { exporter: config.name(), source })
}
