//! One exporter: its input, and the thread that delivers its records.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_expression::Expression;

use crate::config::ExporterConfig;
use crate::kinds;
use crate::sink::{Parts, Sink};
use crate::threads::Threads;

use super::intake::{Intake, spawn};
use super::latch::Latch;
use super::queue::Batch;
use super::worker::Worker;
use super::{Control, Counters, Exclusive, ExportContext, Link, Loss, Mode, Snapshot, StartError};

/// How often an exporter that waits for its predecessor checks whether it was stopped.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Pause before an output that could not be opened is tried again.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Creates a sink; tests create their own.
type Open = fn(&Parts<'_>) -> Result<Box<dyn Sink>, StartError>;

/// A running exporter. When dropped, it ends as soon as it notices.
pub(super) struct Exporter {
    pub(super) config: ExporterConfig,
    name: String,
    pub(super) intake: Arc<Intake>,
    pub(super) control: Arc<Control>,
    /// Closes when the delivering thread has ended.
    ended: Arc<Latch>,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if !self.control.is_handed_over() {
            self.control.stop_by(Instant::now());
        }
    }
}

/// What the delivering thread starts with.
struct WorkerSetup {
    config: ExporterConfig,
    context: ExportContext,
    intake: Arc<Intake>,
    control: Arc<Control>,
    /// None: it can be opened only after the predecessor has closed it.
    sink: Option<Box<dyn Sink>>,
    open: Open,
    /// Closes when the predecessor has ended, if there is one.
    before: Option<Arc<Latch>>,
}

impl Exporter {
    pub(super) fn start(
        config: &ExporterConfig,
        context: &ExportContext,
        share_bytes: usize,
    ) -> Result<Self, StartError> {
        Self::start_with(config, context, share_bytes, kinds::open)
    }

    fn start_with(
        config: &ExporterConfig,
        context: &ExportContext,
        share_bytes: usize,
        open: Open,
    ) -> Result<Self, StartError> {
        let (counters, control) = (Arc::new(Counters::default()), Arc::new(Control::default()));
        let sink = open(&Parts { config, context, counters: &counters, control: &control })?;
        let intake = Arc::new(Intake::open(config, share_bytes, &counters)?);
        let (config, context) = (config.clone(), context.clone());
        Self::deliver(WorkerSetup { config, context, intake, control, sink: Some(sink), open, before: None })
    }

    /// A successor that takes over the input of that exporter. It begins to deliver when that exporter has ended, which
    /// does not happen before [`Self::hand_over`]. If the successor is dropped before, nothing has changed.
    pub(super) fn succeed(&self, config: &ExporterConfig, context: &ExportContext) -> Result<Self, StartError> {
        let (intake, control) = (self.intake.clone(), Arc::new(Control::default()));
        let parts = Parts { config, context, counters: &intake.counters, control: &control };
        let sink = match Exclusive::of_output(&config.output) {
            None => Some(kinds::open(&parts)?),
            Some(_) => kinds::try_out(&parts).map(|()| None)?,
        };
        let (config, context) = (config.clone(), context.clone());
        let before = Some(self.ended.clone());
        Self::deliver(WorkerSetup { config, context, intake, control, sink, open: kinds::open, before })
    }

    fn deliver(beginning: WorkerSetup) -> Result<Self, StartError> {
        let WorkerSetup { config, intake, control, .. } = &beginning;
        let (config, intake, control) = (config.clone(), intake.clone(), control.clone());
        let ended = Arc::new(Latch::default());
        let working = ended.working();
        spawn(&config, "export", move || {
            if beginning.wait() {
                beginning.deliver();
            }
            drop(working);
        })?;
        Ok(Self { name: config.name(), config, intake, control, ended })
    }

    /// Accepts the batch, or counts it as lost. An exporter that does not export records ignores it. Waits for room
    /// only when files are read.
    pub(super) fn send(&self, batch: &Batch, mode: Mode) {
        if !self.config.output.takes_records() {
            return;
        }
        match &self.config.filter {
            Some(filter) => self.send_selected(batch, filter, mode),
            None => self.intake.take(batch, mode),
        }
    }

    fn send_selected(&self, batch: &Batch, filter: &Expression, mode: Mode) {
        let selected = batch.selected(filter);
        self.intake.counters.filtered(batch.len() - selected.as_ref().map_or(0, Batch::len));
        if let Some(selected) = selected {
            self.intake.take(&selected, mode);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.intake.snapshot(&self.name)
    }

    /// Whether it is delivering, or will start to.
    pub(super) fn is_working(&self) -> bool {
        !self.ended.has_ended()
    }

    /// Hands its queue to its successor. The records that it has already taken are delivered, or stay in the spool.
    pub(super) fn hand_over(&self) {
        self.control.hand_over();
        if self.intake.is_spooled() {
            self.control.stop_by(Instant::now());
        }
    }

    /// Accepts no more records, and delivers the remaining ones until the deadline.
    pub(super) fn stop_by(&self, deadline: Instant) {
        self.control.stop_by(deadline);
        self.intake.queue.close();
    }

    /// Waits for the threads until their deadline plus a tolerance. A thread that hangs in a system call is abandoned;
    /// records that are neither delivered nor in the spool are then lost.
    pub(super) fn finish(&self, grace: Duration) -> Snapshot {
        // The deadline may be moved while this waits.
        while !self.have_threads_ended(grace) && self.control.deadline().is_none_or(|d| Instant::now() < d + grace) {}
        let pending = usize::try_from(self.snapshot().pending()).unwrap_or(usize::MAX);
        self.intake.counters.lost(Loss::Shutdown, pending);
        self.snapshot()
    }

    /// Waits briefly for the threads.
    fn have_threads_ended(&self, grace: Duration) -> bool {
        let end = self.control.deadline().map(|d| d + grace);
        let moment = Instant::now() + POLL_INTERVAL;
        let moment = end.map_or(moment, |end| end.min(moment));
        self.intake.wait_until(moment) && self.ended.wait_until(moment)
    }

    /// Whether a new exporter of that configuration needs a resource that this one owns.
    pub(super) fn excludes(&self, other: &ExporterConfig) -> bool {
        let own = Exclusive::of(&self.config);
        own.is_some() && own == Exclusive::of(other)
    }
}

impl WorkerSetup {
    /// Waits for the predecessor; false: this exporter was stopped meanwhile.
    fn wait(&self) -> bool {
        let Some(before) = &self.before else { return true };
        while !before.wait_until(Instant::now() + POLL_INTERVAL) {
            // An exporter that was handed over itself waits too, because its successor takes its end for the end of all
            // predecessors.
            if self.control.is_over() && !self.control.is_handed_over() {
                return false;
            }
        }
        true
    }

    /// Delivers until nothing is left or time is up. A sink that panics is replaced, and the queue is kept.
    fn deliver(self) {
        let (source, counters) = (self.intake.source(), self.intake.counters.clone());
        let Self { config, context, intake, control, mut sink, open, .. } = self;
        // The thread must not prevent the queue from being closed.
        drop(intake);
        let parts = Parts { config: &config, context: &context, counters: &counters, control: &control };
        let mut worker = Worker::new(source, parts.link(), context.mode);
        // True while a sink works; still true afterwards if it panicked.
        let mut is_working = false;
        let name = format!("export {}", config.name());
        let pause = |time| control.pause(time) && !control.is_handed_over();
        Threads::of_process().keep_running_while(&name, pause, || {
            if std::mem::replace(&mut is_working, true) {
                worker.recover();
            }
            if let Some(mut sink) = sink.take().or_else(|| reopen(&parts, open)) {
                worker.run(&mut *sink);
            }
            is_working = false;
            Ok(())
        });
        if is_working {
            worker.recover();
        }
    }
}

/// Tries to open the output until it succeeds; none: the exporter was stopped meanwhile.
fn reopen(parts: &Parts<'_>, open: Open) -> Option<Box<dyn Sink>> {
    let mut link: Link = parts.link();
    while !parts.control.is_over() && !parts.control.is_handed_over() {
        match open(parts) {
            Ok(sink) => return Some(sink),
            Err(e) => link.failed(&e, "trying again, records wait"),
        }
        parts.control.pause(REOPEN_PAUSE);
    }
    None
}

#[cfg(test)]
mod tests;
