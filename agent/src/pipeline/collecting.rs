//! The pipeline for records that exporters on other hosts made: ports, enrichers, observers, exporters.

use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use pidflow_exporters::Snapshot;
use pidflow_schema::FlowRecord;

use super::{Figures, Outlet};
use crate::allocator::Trimmer;
use crate::collect::{CollectFigures, GlueFigures, Gluing, Source};
use crate::pacing::Pacer;
use crate::signals::Stop;

/// How long the pipeline waits for records before it does its other work.
const RECV_TIMEOUT: Duration = Duration::from_millis(50);
/// Interval of figures.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum time for exporters at the end.
const MIN_DRAIN: Duration = Duration::from_secs(1);

/// The final counters of `pidflow collect`.
#[derive(Debug)]
pub(crate) struct CollectEnded {
    /// What was received.
    pub(crate) figures: CollectFigures,
    /// What was put together; none: that was not asked for.
    pub(crate) glue: Option<GlueFigures>,
    /// Counters of the exporters.
    pub(crate) exporters: Vec<Snapshot>,
}

/// Passes on the records of exporters.
pub(crate) struct Collecting {
    source: Source,
    glue: Option<Gluing>,
    outlet: Outlet,
    drain_timeout: Duration,
    observed: Instant,
    trimmer: Trimmer,
}

impl Collecting {
    /// The source must be started already. Exporters may take `drain_timeout` at the end.
    pub(crate) fn new(source: Source, outlet: Outlet, drain_timeout: Duration) -> Self {
        Self { source, glue: None, outlet, drain_timeout, observed: Instant::now(), trimmer: Trimmer::default() }
    }

    /// Puts records of several agents together.
    pub(crate) fn with_glue(self, glue: Option<Gluing>) -> Self {
        Self { glue, ..self }
    }

    /// Runs until a stop is requested or no port is left. Then it exports everything that has arrived.
    pub(crate) fn run(mut self, stop: &Stop) -> CollectEnded {
        while !stop.requested() {
            match self.source.records().recv_timeout(RECV_TIMEOUT) {
                Ok(records) => self.hand_on(records),
                Err(RecvTimeoutError::Timeout) => self.hand_on(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.observed.elapsed() >= OBSERVE_INTERVAL {
                self.observed = Instant::now();
                self.observe();
                self.trimmer.look(self.outlet.exporters().queued_bytes() as u64, self.observed);
            }
        }
        self.finish()
    }

    fn hand_on(&mut self, records: Vec<FlowRecord>) {
        let records = glued(self.glue.as_mut(), records);
        self.outlet.hand_on(records.into_iter());
    }

    fn observe(&mut self) {
        let figures = self.figures();
        if let Some(observer) = self.outlet.observer() {
            observer.publish(&figures);
        }
    }

    fn figures(&self) -> Figures {
        let exporters = self.outlet.exporters();
        Figures {
            exporters: exporters.counters(),
            not_selected: self.outlet.not_selected(),
            queues: vec![("record-batches", self.source.records().len()), ("records-to-export", exporters.queued())],
            queue_bytes: exporters.queued_bytes(),
            collect: Some(self.source.figures()),
            glue: self.glue.as_ref().map(Gluing::figures),
            ..Figures::default()
        }
    }

    /// Passes on what has arrived, no faster than the exporters accept it, until the deadline.
    fn finish(mut self) -> CollectEnded {
        if let Some(observer) = self.outlet.observer() {
            observer.stopping("stopping");
        }
        self.source.stop();
        let mut pacer = Pacer::new(Instant::now() + self.drain_timeout.max(MIN_DRAIN));
        while let Ok(records) = self.source.records().recv() {
            let records = glued(self.glue.as_mut(), records);
            self.outlet.hand_on_paced(records.into_iter(), |exporters| pacer.wait(exporters));
        }
        let held = self.glue.as_mut().map(Gluing::drain).unwrap_or_default();
        self.outlet.hand_on_paced(held.into_iter(), |exporters| pacer.wait(exporters));
        self.observe();
        let exporters = self.outlet.exporters().shutdown(pacer.left().max(MIN_DRAIN));
        CollectEnded { figures: self.source.figures(), glue: self.glue.as_ref().map(Gluing::figures), exporters }
    }
}

/// The records that are ready.
fn glued(glue: Option<&mut Gluing>, records: Vec<FlowRecord>) -> Vec<FlowRecord> {
    match glue {
        Some(glue) => glue.pass(records),
        None => records,
    }
}
