//! All exporters of a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::ExporterConfig;
use crate::kinds;

use super::queue::{Batch, Queue};
use super::single::Exporter;
use super::{Control, Exclusive, ExportContext, Mode, Snapshot, StartError};

/// How long a removed exporter may continue to deliver its records.
const RETIREMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Tolerance for a thread to notice its deadline.
const DEADLINE_TOLERANCE: Duration = Duration::from_millis(500);
/// Interval at which to check whether an exporter has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Maximum number of records of a batch in queues, because the rest of a batch keeps the memory of the whole batch.
const MAX_BATCH: usize = 1024;

type Exporters = Vec<Arc<Exporter>>;

/// The exporters of a run, each with its own threads and queue.
#[must_use = "dropping it without `shutdown` loses what is queued"]
pub struct ExporterSet {
    exporters: RwLock<Exporters>,
    context: RwLock<ExportContext>,
    /// Removed exporters that still deliver their records.
    retiring: Mutex<Vec<Weak<Exporter>>>,
    mode: Mode,
}

/// The result of a reload: the number of exporters by what happened to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// Unchanged; they kept running.
    pub kept: usize,
    /// Started: new or changed.
    pub started: usize,
    /// Stopped: removed or changed.
    pub stopped: usize,
}

impl ExporterSet {
    /// Starts the exporters. An unreachable receiver is not an error; a file that cannot be opened is.
    ///
    /// # Errors
    /// See [`StartError`]. No exporter keeps running then.
    pub fn start(configs: &[ExporterConfig], context: &ExportContext) -> Result<Self, StartError> {
        let exporters = start_all(configs, context)?;
        let (mode, context) = (context.mode, RwLock::new(context.clone()));
        Ok(Self { exporters: RwLock::new(exporters), context, retiring: Mutex::default(), mode })
    }

    fn exporters(&self) -> RwLockReadGuard<'_, Exporters> {
        self.exporters.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the records to every exporter. Waits for room only when files are read.
    pub fn send(&self, records: &Arc<[FlowRecord]>) {
        match records.len() {
            0 => {}
            1..=MAX_BATCH => self.send_batch(&Batch::new(records.clone())),
            _ => records.chunks(MAX_BATCH).for_each(|part| self.send_batch(&Batch::new(part.into()))),
        }
    }

    fn send_batch(&self, batch: &Batch) {
        self.exporters().iter().for_each(|exporter| exporter.send(batch, self.mode));
    }

    /// Changes to another configuration, all or nothing. Exporters that are the same in both keep running. Removed
    /// exporters get half a minute to deliver their records. If a new exporter needs the spool, listening socket or
    /// file of an old one, it also takes over the old one's records and counters, and delivers once the old one has
    /// ended. Only one thread at a time may call this.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is changed then.
    pub fn reload(&self, configs: &[ExporterConfig], context: &ExportContext) -> Result<Reloaded, StartError> {
        self.change(configs, context, |_| false)
    }

    /// Starts exporters again that must not go on in the threads that they have. Each takes over the records and counters of
    /// the one before. Only one thread at a time may call this or [`Self::reload`].
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is changed then.
    pub fn renew(&self, is_stale: impl Fn(&ExporterConfig) -> bool) -> Result<Reloaded, StartError> {
        let configs: Vec<_> = self.exporters().iter().map(|exporter| exporter.config.clone()).collect();
        configs.iter().filter(|config| is_stale(config)).try_for_each(kinds::can_write)?;
        let context = self.context.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.change(&configs, &context, is_stale)
    }

    fn change(
        &self,
        configs: &[ExporterConfig],
        context: &ExportContext,
        is_stale: impl Fn(&ExporterConfig) -> bool,
    ) -> Result<Reloaded, StartError> {
        Exclusive::check_all(configs)?;
        let same_context = *self.context.read().unwrap_or_else(PoisonError::into_inner) == *context;
        let mut old = self.exporters().clone();
        // An exporter that has stopped does not count as unchanged.
        let mut take_same = |config: &ExporterConfig| {
            take(&mut old, |e| same_context && e.is_working() && e.config == *config && !is_stale(config))
        };
        let same: Vec<_> = configs.iter().map(|config| (config, take_same(config))).collect();
        let kept = same.iter().filter(|(_, same)| same.is_some()).count();
        let (started, stopped) = (configs.len() - kept, old.len());
        let share_bytes = share(context, configs);
        let mut next = Vec::new();
        let mut successions = Vec::new();
        for (config, same) in same {
            let before = same.is_none().then(|| take(&mut old, |e| e.excludes(config))).flatten();
            next.push(same.map_or_else(|| self.start_one(config, context, share_bytes, before.as_deref()), Ok)?);
            successions.extend(before);
        }
        next.iter().for_each(|exporter| exporter.intake.resize(&exporter.config, share_bytes));
        *self.exporters.write().unwrap_or_else(PoisonError::into_inner) = next;
        *self.context.write().unwrap_or_else(PoisonError::into_inner) = context.clone();
        successions.iter().for_each(|before| before.hand_over());
        self.retire(old);
        Ok(Reloaded { kept, started, stopped })
    }

    /// Starts an exporter that takes over a resource from another one.
    fn start_one(
        &self,
        config: &ExporterConfig,
        context: &ExportContext,
        share_bytes: usize,
        before: Option<&Exporter>,
    ) -> Result<Arc<Exporter>, StartError> {
        let new = match before {
            Some(before) => before.succeed(config, context),
            None => {
                self.wait_for_retiring(config);
                Exporter::start(config, context, share_bytes)
            }
        };
        new.map(Arc::new)
    }

    fn retiring(&self) -> MutexGuard<'_, Vec<Weak<Exporter>>> {
        self.retiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends exporters that were removed earlier and own a resource that the new one needs. Waits at most for the time
    /// of an attempt.
    fn wait_for_retiring(&self, config: &ExporterConfig) {
        self.retiring().retain(|e| e.strong_count() > 0);
        let in_the_way: Vec<_> =
            self.retiring().iter().filter(|e| e.upgrade().is_some_and(|e| e.excludes(config))).cloned().collect();
        for retiring in in_the_way {
            let Some(exporter) = retiring.upgrade() else { continue };
            exporter.stop_by(Instant::now());
            let end = Instant::now() + exporter.config.delivery.timeout + DEADLINE_TOLERANCE;
            drop(exporter);
            while retiring.strong_count() > 0 && Instant::now() < end {
                thread::sleep(POLL_INTERVAL);
            }
            // Its resources are released shortly after.
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Lets removed exporters deliver their records, and reports the outcome.
    fn retire(&self, exporters: Exporters) {
        for exporter in exporters {
            self.retiring().push(Arc::downgrade(&exporter));
            let deadline = Instant::now() + RETIREMENT_TIMEOUT;
            exporter.stop_by(deadline);
            let work = move || {
                // Its successor waits at most for the time of an attempt.
                let s = exporter.finish(exporter.config.delivery.timeout + DEADLINE_TOLERANCE);
                tracing::info!("{}: stopped; {} records delivered, {} lost", s.exporter, s.exported, s.lost_total());
            };
            if let Err(e) = thread::Builder::new().name("export-retire".into()).spawn(work) {
                tracing::warn!("a removed exporter ended without reporting its counters: {e}");
            }
        }
    }

    /// A handle for the thread that handles signals.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.exporters().iter().map(|e| (e.intake.queue.clone(), e.control.clone())).collect())
    }

    /// Whether no exporter is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exporters().is_empty()
    }

    /// The outcome of the records so far, one entry per exporter.
    #[must_use]
    pub fn counters(&self) -> Vec<Snapshot> {
        self.exporters().iter().map(|e| e.snapshot()).collect()
    }

    /// Records that wait in the queues.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.exporters().iter().map(|e| e.intake.queue.len()).sum()
    }

    /// Memory of the records in the queues, bytes. Records in several queues count in each.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.exporters().iter().map(|e| e.intake.queue.bytes()).sum()
    }

    /// Sends the queued records, for at most `limit` (a [`Stopper`] can shorten it meanwhile). The remaining records
    /// stay in the spool, or are counted as lost. A thread that hangs in a system call is abandoned.
    #[must_use]
    pub fn shutdown(&self, limit: Duration) -> Vec<Snapshot> {
        let (deadline, exporters) = (Instant::now() + limit, self.exporters());
        exporters.iter().for_each(|e| e.stop_by(deadline));
        exporters.iter().map(|e| e.finish(DEADLINE_TOLERANCE)).collect()
    }
}

/// Removes and returns the first exporter that matches.
fn take(from: &mut Exporters, is_such: impl Fn(&Exporter) -> bool) -> Option<Arc<Exporter>> {
    from.iter().position(|e| is_such(e)).map(|at| from.swap_remove(at))
}

fn start_all(configs: &[ExporterConfig], context: &ExportContext) -> Result<Exporters, StartError> {
    Exclusive::check_all(configs)?;
    let share_bytes = share(context, configs);
    configs.iter().map(|c| Exporter::start(c, context, share_bytes).map(Arc::new)).collect()
}

/// Memory limit for the queue of each of these exporters that sets none itself, bytes.
fn share(context: &ExportContext, configs: &[ExporterConfig]) -> usize {
    context.queues_bytes / configs.len().max(1)
}

/// Stops an [`ExporterSet`] from another thread, because the sending thread may be waiting for room.
#[derive(Clone)]
pub struct Stopper(Vec<(Arc<Queue>, Arc<Control>)>);

impl Stopper {
    /// Accepts no more records, and sends the queued ones for at most `limit`.
    pub fn stop_within(&self, limit: Duration) {
        for (queue, control) in &self.0 {
            control.stop_by(Instant::now() + limit);
            queue.close();
        }
    }
}
