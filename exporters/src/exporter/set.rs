//! All exporters of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_schema::metric::Family;
use pidflow_schema::{Enterprise, FlowRecord};

use crate::config::ExporterConfig;
use crate::template::Template;
use crate::transport::{self, Parts};

use super::queue::{Closed, Queue};
use super::worker::{Worker, wall_ns};
use super::{Control, Counters, Loss, Snapshot};

/// Whether records are made as they happen or read from files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A full queue drops its oldest records; messages carry the wall clock.
    #[default]
    Live,
    /// A full queue makes the sender wait; messages carry the records' own time.
    Offline,
}

/// Whoever knows the run's metrics as they stand.
#[derive(Clone)]
pub struct MetricSource {
    families: Arc<dyn Fn() -> Vec<Family> + Send + Sync>,
    start_ns: u64,
}

impl MetricSource {
    /// Asks `families` each time. The counters begin now.
    pub fn new(families: impl Fn() -> Vec<Family> + Send + Sync + 'static) -> Self {
        Self { families: Arc::new(families), start_ns: wall_ns() }
    }

    /// The metrics now.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        (self.families)()
    }

    /// When the counters began, nanoseconds since the epoch.
    #[must_use]
    pub const fn start_ns(&self) -> u64 {
        self.start_ns
    }
}

impl std::fmt::Debug for MetricSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetricSource")
    }
}

/// What all exporters of a run have in common.
#[derive(Debug, Clone)]
pub struct ExportContext {
    /// Elements of exporters that name none themselves; none: [`Template::for_collectors`] for IPFIX and NetFlow v9,
    /// every element for JSON and OTLP.
    pub template: Option<Template>,
    /// Private enterprise number of pidflow's own elements.
    pub own_pen: u32,
    /// IPFIX observation domain and NetFlow v9 source id of exporters that name none themselves.
    pub domain: u32,
    /// The observing host's name, for OTLP's resource.
    pub host_name: String,
    /// The observing host's machine id, for OTLP's resource; empty: unknown.
    pub host_id: String,
    /// Further attributes of OTLP's resource.
    pub resource: BTreeMap<String, String>,
    /// Live or from files.
    pub mode: Mode,
    /// The agent's metrics; none: nobody counts them (files).
    pub metrics: Option<MetricSource>,
}

impl Default for ExportContext {
    fn default() -> Self {
        Self {
            template: None,
            own_pen: Enterprise::DEFAULT_OWN_PEN,
            domain: 0,
            host_name: String::new(),
            host_id: String::new(),
            resource: BTreeMap::new(),
            mode: Mode::Live,
            metrics: None,
        }
    }
}

impl ExportContext {
    /// The exporter's own choice, else the run's, else `usual`.
    pub(crate) fn template(&self, own: Option<&Template>, usual: fn() -> Template) -> Template {
        own.or(self.template.as_ref()).cloned().unwrap_or_else(usual)
    }
}

/// Why an exporter could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The output file.
    #[error("cannot write {}: {source}", path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No thread.
    #[error("cannot start a thread for {exporter}: {source}")]
    Thread {
        /// Kind and target.
        exporter: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A template's largest record does not fit.
    #[error(
        "{exporter}: max-message {max_message} is too small for the template, which needs {needed} octets; name fewer elements or raise it"
    )]
    MessageTooSmall {
        /// Kind and target.
        exporter: String,
        /// As configured.
        max_message: usize,
        /// Octets of the largest record's fixed part, or of the largest template.
        needed: usize,
    },
    /// The OTLP client.
    #[error("{exporter}: {reason}")]
    Client {
        /// Kind and target.
        exporter: String,
        /// What is wrong with it.
        reason: String,
    },
}

struct Exporter {
    name: String,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    control: Arc<Control>,
    /// Whether it is given records.
    takes_records: bool,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

/// The exporters of a run, each with a thread and a queue of its own.
#[must_use = "dropping it without `shutdown` loses what is queued"]
pub struct ExporterSet {
    exporters: Vec<Exporter>,
    mode: Mode,
}

impl ExporterSet {
    /// Starts one thread per exporter. A receiver that is away is no error; a file that cannot be opened is.
    ///
    /// # Errors
    /// As [`StartError`] says; none is left running then.
    pub fn start(configs: &[ExporterConfig], context: &ExportContext) -> Result<Self, StartError> {
        let exporters = configs.iter().map(|c| Exporter::start(c, context)).collect::<Result<_, _>>()?;
        Ok(Self { exporters, mode: context.mode })
    }

    /// Gives the batch to every exporter. Waits for room only when files are read.
    pub fn send(&self, batch: &Arc<[FlowRecord]>) {
        for exporter in self.exporters.iter().filter(|e| e.takes_records && !batch.is_empty()) {
            exporter.counters.accepted(batch.len());
            let pushed = match self.mode {
                Mode::Live => exporter.queue.push_dropping(batch.clone()),
                Mode::Offline => exporter.queue.push_waiting(batch.clone()),
            };
            match pushed {
                Ok(dropped) => exporter.counters.lost(Loss::QueueFull, dropped),
                Err(Closed) => exporter.counters.lost(Loss::Shutdown, batch.len()),
            }
        }
    }

    /// For a signal handler's thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.exporters.iter().map(|e| (e.queue.clone(), e.control.clone())).collect())
    }

    /// Whether no exporter is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exporters.is_empty()
    }

    /// What became of the records so far, one entry per exporter.
    #[must_use]
    pub fn counters(&self) -> Vec<Snapshot> {
        self.exporters.iter().map(Exporter::snapshot).collect()
    }

    /// Records that wait in the queues.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.exporters.iter().map(|e| e.queue.len()).sum()
    }

    /// Sends what is queued, for at most `limit`; what is left then is counted as lost.
    #[must_use]
    pub fn shutdown(self, limit: Duration) -> Vec<Snapshot> {
        let deadline = Instant::now() + limit;
        for exporter in &self.exporters {
            exporter.control.stop_by(deadline);
            exporter.queue.close();
        }
        self.exporters.iter().map(|e| e.finish(deadline)).collect()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.queue.close();
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

/// How long a thread may take, past the deadline, to notice it.
const GRACE: Duration = Duration::from_millis(500);

impl Exporter {
    fn start(config: &ExporterConfig, context: &ExportContext) -> Result<Self, StartError> {
        let name = config.name();
        let queue = Arc::new(Queue::new(config.queue_records));
        let (counters, control) = (Arc::new(Counters::default()), Arc::new(Control::default()));
        let sink = transport::open(&Parts { config, context, counters: &counters, control: &control })?;
        let (alive, ended) = channel::<()>();
        let worker = Worker {
            queue: queue.clone(),
            counters: counters.clone(),
            control: control.clone(),
            sink,
            mode: context.mode,
        };
        let run = move || {
            worker.run();
            drop(alive);
        };
        let spawned = thread::Builder::new().name(format!("export-{}", config.output.kind())).spawn(run);
        spawned.map_err(|source| StartError::Thread { exporter: name.clone(), source })?;
        let takes_records = config.output.takes_records();
        Ok(Self { name, queue, counters, control, takes_records, ended })
    }

    fn snapshot(&self) -> Snapshot {
        self.counters.snapshot(self.name.clone())
    }

    /// Waits for the thread; one that hangs in a system call is left behind.
    fn finish(&self, deadline: Instant) -> Snapshot {
        let left = deadline.saturating_duration_since(Instant::now()) + GRACE;
        // Nothing is ever sent: the end of waiting is the other side's going away, or the time.
        let _ = self.ended.recv_timeout(left);
        let pending = usize::try_from(self.counters.pending()).unwrap_or(usize::MAX);
        self.counters.lost(Loss::Shutdown, pending);
        self.snapshot()
    }
}
