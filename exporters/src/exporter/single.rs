//! One exporter: what takes records in, and the thread that delivers them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::ExporterConfig;
use crate::kinds;
use crate::sink::{Parts, Sink};

use super::intake::{Intake, spawn};
use super::latch::Latch;
use super::worker::Worker;
use super::{Control, Counters, Exclusive, ExportContext, Loss, Mode, Snapshot, StartError};

/// How often one that waits for another looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);
/// How long to wait before an output is opened again that could not be.
const REOPEN: Duration = Duration::from_secs(1);

/// An exporter at work. Dropped, it ends as soon as it notices.
pub(super) struct Exporter {
    pub(super) config: ExporterConfig,
    name: String,
    pub(super) intake: Arc<Intake>,
    pub(super) control: Arc<Control>,
    /// The end of the thread that delivers.
    ended: Arc<Latch>,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if !self.control.is_handed_over() {
            self.control.stop_by(Instant::now());
        }
    }
}

/// What the thread that delivers begins with.
struct Beginning {
    config: ExporterConfig,
    context: ExportContext,
    intake: Arc<Intake>,
    control: Arc<Control>,
    /// None: it can be opened only when the one before has closed it.
    sink: Option<Box<dyn Sink>>,
    /// The end of the one before, if there was one.
    before: Option<Arc<Latch>>,
}

impl Exporter {
    pub(super) fn start(config: &ExporterConfig, context: &ExportContext) -> Result<Self, StartError> {
        let (counters, control) = (Arc::new(Counters::default()), Arc::new(Control::default()));
        let sink = kinds::open(&Parts { config, context, counters: &counters, control: &control })?;
        let intake = Arc::new(Intake::open(config, &counters)?);
        let (config, context) = (config.clone(), context.clone());
        Self::deliver(Beginning { config, context, intake, control, sink: Some(sink), before: None })
    }

    /// Another one for what that one takes in. It begins to deliver when that one has let go, which until
    /// [`Self::hand_over`] it does not; dropped before, it leaves no trace.
    pub(super) fn succeed(&self, config: &ExporterConfig, context: &ExportContext) -> Result<Self, StartError> {
        let (intake, control) = (self.intake.clone(), Arc::new(Control::default()));
        let parts = Parts { config, context, counters: &intake.counters, control: &control };
        let sink = match Exclusive::of_output(&config.output) {
            None => Some(kinds::open(&parts)?),
            Some(_) => kinds::try_out(&parts).map(|()| None)?,
        };
        let (config, context) = (config.clone(), context.clone());
        Self::deliver(Beginning { config, context, intake, control, sink, before: Some(self.ended.clone()) })
    }

    fn deliver(beginning: Beginning) -> Result<Self, StartError> {
        let Beginning { config, intake, control, .. } = &beginning;
        let (config, intake, control) = (config.clone(), intake.clone(), control.clone());
        let ended = Arc::new(Latch::default());
        let working = ended.working();
        spawn(&config, "export", move || {
            if let Some(worker) = beginning.wait() {
                worker.run();
            }
            drop(working);
        })?;
        Ok(Self { name: config.name(), config, intake, control, ended })
    }

    /// Takes the batch, or counts it as lost; not where it sends nothing that is made of records. Waits for room only when
    /// files are read.
    pub(super) fn send(&self, batch: &Arc<[FlowRecord]>, mode: Mode) {
        if self.config.output.takes_records() {
            self.intake.take(batch, mode);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.intake.snapshot(&self.name)
    }

    /// Whether it delivers, or will.
    pub(super) fn is_working(&self) -> bool {
        !self.ended.has_ended()
    }

    /// Leaves what it takes in to the one that succeeds it. What it has at hand it delivers, or leaves in the spool.
    pub(super) fn hand_over(&self) {
        self.control.hand_over();
        if self.intake.is_spooled() {
            self.control.stop_by(Instant::now());
        }
    }

    /// Takes no more records, and has until then to deliver those that it has.
    pub(super) fn stop_by(&self, deadline: Instant) {
        self.control.stop_by(deadline);
        self.intake.queue.close();
    }

    /// Waits for the threads until then; one that hangs in a system call is left behind. What is neither delivered nor in the
    /// spool is lost then.
    pub(super) fn finish(&self, end: Instant) -> Snapshot {
        self.intake.wait_until(end);
        self.ended.wait_until(end);
        let pending = usize::try_from(self.snapshot().pending()).unwrap_or(usize::MAX);
        self.intake.counters.lost(Loss::Shutdown, pending);
        self.snapshot()
    }

    /// Whether a new exporter of that configuration needs what this one has for itself.
    pub(super) fn excludes(&self, other: &ExporterConfig) -> bool {
        let own = Exclusive::of(&self.config);
        own.is_some() && own == Exclusive::of(other)
    }
}

impl Beginning {
    /// Waits for the exporter before, and for what it lets go of; none: this one is not wanted any more.
    fn wait(self) -> Option<Worker> {
        if let Some(before) = &self.before {
            while !before.wait_until(Instant::now() + LOOK) {
                // One that was itself handed over waits all the same: whoever comes after it takes its end for that of all.
                if self.control.is_over() && !self.control.is_handed_over() {
                    return None;
                }
            }
        }
        let (source, counters, mode) = (self.intake.source(), self.intake.counters.clone(), self.context.mode);
        let Self { config, context, intake, control, sink, .. } = self;
        // The thread must not keep the queue from being closed.
        drop(intake);
        let sink = sink.or_else(|| {
            reopen(&Parts { config: &config, context: &context, counters: &counters, control: &control })
        })?;
        Some(Worker { source, counters, control, sink, mode })
    }
}

/// Opens the output for as long as that fails; none: it is not wanted any more.
fn reopen(parts: &Parts<'_>) -> Option<Box<dyn Sink>> {
    let mut link = parts.link();
    while !parts.control.is_over() && !parts.control.is_handed_over() {
        match kinds::open(parts) {
            Ok(sink) => return Some(sink),
            Err(e) => link.failed(&e, "trying again, records wait"),
        }
        parts.control.pause(REOPEN);
    }
    None
}
