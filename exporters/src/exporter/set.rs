//! All exporters of a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::ExporterConfig;

use super::queue::{Batch, Queue};
use super::single::Exporter;
use super::{Control, Exclusive, ExportContext, Mode, Snapshot, StartError};

/// How long an exporter that is taken out may go on delivering what it has.
const RETIREMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long after the deadline a thread may take to notice it.
const DEADLINE_TOLERANCE: Duration = Duration::from_millis(500);
/// Between two looks whether an exporter has gone.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Records of a batch in queues: of larger ones, what is left of a batch would keep the memory of the whole for long.
const MAX_BATCH: usize = 1024;

type Exporters = Vec<Arc<Exporter>>;

/// The exporters of a run, each with threads and a queue of its own.
#[must_use = "dropping it without `shutdown` loses what is queued"]
pub struct ExporterSet {
    exporters: RwLock<Exporters>,
    context: RwLock<ExportContext>,
    /// Those that were taken out, for as long as they deliver what they had.
    retiring: Mutex<Vec<Weak<Exporter>>>,
    mode: Mode,
}

/// What a reload did: how many exporters there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// Went on as if nothing had happened.
    pub kept: usize,
    /// New, or changed.
    pub started: usize,
    /// Gone, or changed.
    pub stopped: usize,
}

impl ExporterSet {
    /// Starts the exporters. A receiver that is away is no error; a file that cannot be opened is.
    ///
    /// # Errors
    /// As [`StartError`] says; none is left running then.
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

    /// Goes over to another configuration, all or nothing. Exporters that are the same in both do not notice; those that
    /// are not wanted any more get half a minute to deliver what they have. Of one whose spool, listening socket or file
    /// another one is to have, that one takes over the records too, those on their way in as well as the counters, and
    /// delivers when the old one has let go. To be called by one thread at a time.
    ///
    /// # Errors
    /// As [`StartError`] says; everything is as before then.
    pub fn reload(&self, configs: &[ExporterConfig], context: &ExportContext) -> Result<Reloaded, StartError> {
        Exclusive::check_all(configs)?;
        let same_context = *self.context.read().unwrap_or_else(PoisonError::into_inner) == *context;
        let mut old = self.exporters().clone();
        // One that has stopped is not the same as one that was asked for.
        let mut take_same =
            |config: &ExporterConfig| take(&mut old, |e| same_context && e.is_working() && e.config == *config);
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

    /// Ends exporters that were taken out earlier and have what that one needs; waits for as long as an attempt may take.
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
            // What it had is let go of in the moment after.
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Lets exporters that are no longer wanted deliver what they have, and reports the outcome.
    fn retire(&self, exporters: Exporters) {
        for exporter in exporters {
            self.retiring().push(Arc::downgrade(&exporter));
            let deadline = Instant::now() + RETIREMENT_TIMEOUT;
            exporter.stop_by(deadline);
            let work = move || {
                // Whoever comes after it waits for as long as an attempt may take.
                let s = exporter.finish(exporter.config.delivery.timeout + DEADLINE_TOLERANCE);
                tracing::info!("{}: stopped; {} records delivered, {} lost", s.exporter, s.exported, s.lost_total());
            };
            if let Err(e) = thread::Builder::new().name("export-retire".into()).spawn(work) {
                tracing::warn!("a removed exporter ended without reporting its counters: {e}");
            }
        }
    }

    /// For a signal handler's thread.
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

    /// Memory that the records in the queues keep, bytes. What several queues hold counts in each.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.exporters().iter().map(|e| e.intake.queue.bytes()).sum()
    }

    /// Sends what is queued, for at most `limit`, less where a [`Stopper`] says so meanwhile; what is left then stays in the
    /// spool, or is counted as lost. A thread that hangs in a system call is left behind.
    #[must_use]
    pub fn shutdown(&self, limit: Duration) -> Vec<Snapshot> {
        let (deadline, exporters) = (Instant::now() + limit, self.exporters());
        exporters.iter().for_each(|e| e.stop_by(deadline));
        exporters.iter().map(|e| e.finish(DEADLINE_TOLERANCE)).collect()
    }
}

/// Takes out the first exporter that is such a one.
fn take(from: &mut Exporters, is_such: impl Fn(&Exporter) -> bool) -> Option<Arc<Exporter>> {
    from.iter().position(|e| is_such(e)).map(|at| from.swap_remove(at))
}

fn start_all(configs: &[ExporterConfig], context: &ExportContext) -> Result<Exporters, StartError> {
    Exclusive::check_all(configs)?;
    let share_bytes = share(context, configs);
    configs.iter().map(|c| Exporter::start(c, context, share_bytes).map(Arc::new)).collect()
}

/// What the queue of one of these exporters may keep where it does not say so itself, bytes.
fn share(context: &ExportContext, configs: &[ExporterConfig]) -> usize {
    context.queues_bytes / configs.len().max(1)
}

/// Ends an [`ExporterSet`]'s waiting from another thread, where the one that sends may itself be waiting for room.
#[derive(Clone)]
pub struct Stopper(Vec<(Arc<Queue>, Arc<Control>)>);

impl Stopper {
    /// Takes no more records, and sends what is queued for at most `limit`.
    pub fn stop_within(&self, limit: Duration) {
        for (queue, control) in &self.0 {
            control.stop_by(Instant::now() + limit);
            queue.close();
        }
    }
}
