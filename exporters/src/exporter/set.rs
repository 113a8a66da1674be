//! All exporters of a run.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::ExporterConfig;

use super::queue::Queue;
use super::single::Exporter;
use super::{Control, ExportContext, Mode, Snapshot, StartError};

/// How long an exporter that is taken out may go on delivering what it has.
const RETIREMENT: Duration = Duration::from_secs(30);
/// As that, where another one waits for its spool, in which nothing is lost.
const HANDOVER: Duration = Duration::from_millis(500);

type Exporters = Vec<Arc<Exporter>>;
/// What is wanted, and what has it already.
type Planned<'a> = (&'a ExporterConfig, Option<Arc<Exporter>>);

/// The exporters of a run, each with threads and a queue of its own.
#[must_use = "dropping it without `shutdown` loses what is queued"]
pub struct ExporterSet {
    exporters: RwLock<Exporters>,
    context: RwLock<ExportContext>,
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
        Ok(Self { exporters: RwLock::new(exporters), context, mode })
    }

    fn exporters(&self) -> RwLockReadGuard<'_, Exporters> {
        self.exporters.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the batch to every exporter. Waits for room only when files are read.
    pub fn send(&self, batch: &Arc<[FlowRecord]>) {
        for exporter in self.exporters().iter().filter(|_| !batch.is_empty()) {
            exporter.send(batch, self.mode);
        }
    }

    /// Goes over to another configuration, all or nothing. Exporters that are the same in both do not notice; those that
    /// are not wanted any more get half a minute to deliver what they have. To be called by one thread at a time.
    ///
    /// # Errors
    /// As [`StartError`] says; everything is as before then.
    pub fn reload(&self, configs: &[ExporterConfig], context: &ExportContext) -> Result<Reloaded, StartError> {
        let same_context = *self.context.read().unwrap_or_else(PoisonError::into_inner) == *context;
        let mut old: Vec<_> = self.exporters().iter().map(|e| Some(e.clone())).collect();
        let mut take_same = |config: &ExporterConfig| {
            old.iter_mut().find(|e| same_context && e.as_ref().is_some_and(|e| e.config == *config))?.take()
        };
        let plan: Vec<_> = configs.iter().map(|c| (c, take_same(c))).collect();
        let gone: Vec<_> = old.into_iter().flatten().collect();
        let next = self.start_missing(plan, &gone, context)?;
        let kept = next.len() - next.iter().filter(|(_, new)| *new).count();
        let (started, stopped) = (next.len() - kept, gone.len());
        *self.exporters.write().unwrap_or_else(PoisonError::into_inner) = next.into_iter().map(|(e, _)| e).collect();
        *self.context.write().unwrap_or_else(PoisonError::into_inner) = context.clone();
        retire(gone);
        Ok(Reloaded { kept, started, stopped })
    }

    /// The exporters of the plan, and which of them are new.
    fn start_missing(
        &self,
        plan: Vec<Planned<'_>>,
        gone: &[Arc<Exporter>],
        context: &ExportContext,
    ) -> Result<Vec<(Arc<Exporter>, bool)>, StartError> {
        let (mut next, mut handed_over) = (Vec::new(), Vec::new());
        for (config, running) in plan {
            if let Some(running) = running {
                next.push((running, false));
                continue;
            }
            handed_over.extend(gone.iter().filter(|e| e.shares_spool(config)).inspect(|e| stop_now(e)));
            match Exporter::start(config, context) {
                Ok(new) => next.push((Arc::new(new), true)),
                Err(e) => {
                    next.iter().filter(|(_, new)| *new).for_each(|(exporter, _)| stop_now(exporter));
                    self.revive(&handed_over);
                    return Err(e);
                }
            }
        }
        Ok(next)
    }

    /// Starts again what had been stopped for another one's sake.
    fn revive(&self, stopped: &[&Arc<Exporter>]) {
        let context = self.context.read().unwrap_or_else(PoisonError::into_inner).clone();
        for exporter in &mut *self.exporters.write().unwrap_or_else(PoisonError::into_inner) {
            if stopped.iter().any(|s| Arc::ptr_eq(s, exporter)) {
                match Exporter::start(&exporter.config, &context) {
                    Ok(again) => *exporter = Arc::new(again),
                    Err(e) => tracing::error!("{e}; it stays stopped until the configuration is reloaded"),
                }
            }
        }
    }

    /// For a signal handler's thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.exporters().iter().map(|e| (e.queue.clone(), e.control.clone())).collect())
    }

    /// Whether no exporter is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exporters().is_empty()
    }

    /// What became of the records so far, one entry per exporter.
    #[must_use]
    pub fn counters(&self) -> Vec<Snapshot> {
        self.exporters().iter().map(|e| e.snapshot()).collect()
    }

    /// Records that wait in the queues.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.exporters().iter().map(|e| e.queue.len()).sum()
    }

    /// Sends what is queued, for at most `limit`; what is left then stays in the spool, or is counted as lost.
    #[must_use]
    pub fn shutdown(&self, limit: Duration) -> Vec<Snapshot> {
        let (deadline, exporters) = (Instant::now() + limit, self.exporters());
        exporters.iter().for_each(|e| e.stop_by(deadline));
        exporters.iter().map(|e| e.finish(deadline)).collect()
    }
}

/// For one whose records stay in its spool, or that has none yet.
fn stop_now(exporter: &Arc<Exporter>) {
    let deadline = Instant::now() + HANDOVER;
    exporter.stop_by(deadline);
    exporter.finish(deadline);
}

fn start_all(configs: &[ExporterConfig], context: &ExportContext) -> Result<Exporters, StartError> {
    configs.iter().map(|c| Exporter::start(c, context).map(Arc::new)).collect()
}

/// Lets exporters that are no longer wanted deliver what they have, and says what became of it.
fn retire(exporters: Exporters) {
    if exporters.is_empty() {
        return;
    }
    let work = move || {
        let deadline = Instant::now() + RETIREMENT;
        exporters.iter().for_each(|e| e.stop_by(deadline));
        for s in exporters.iter().map(|e| e.finish(deadline)) {
            tracing::info!("{}: stopped; {} records delivered, {} lost", s.exporter, s.exported, s.lost_total());
        }
    };
    if let Err(e) = thread::Builder::new().name("export-retire".into()).spawn(work) {
        tracing::warn!("exporters that were taken out end without a last word: {e}");
    }
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
