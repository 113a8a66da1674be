//! The only place where records leave the pipeline: they are enriched first, then the observer and all exporters read
//! the same batch.

use std::sync::Arc;

use pidflow_engine::fact::{Fact, ProcessId};
use pidflow_engine::process_table::Usage;
use pidflow_exporters::ExporterSet;
use pidflow_expression::Expression;
use pidflow_schema::{FlowRecord, Process};

use super::RECORD_BATCH;
use super::figures::Figures;
use super::own_traffic::OwnTraffic;
use crate::ledger::Ends;
use crate::privacy::mask_url;

/// Reports what each process used; see [`pidflow_engine::join::Joiner::report_usage`].
pub(crate) type ReportUsage<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&Usage));

/// Finds the description of a process at a time.
pub(crate) type DescribeProcess<'a> = &'a mut dyn FnMut(ProcessId, u64) -> Option<Arc<Process>>;

/// Receives what the pipeline publishes, for the published state and the live view.
pub(crate) trait PipelineObserver {
    /// Facts in their order, after they were applied to the process table, from which processes are described.
    fn facts(&mut self, facts: &[Fact], describe: DescribeProcess<'_>);
    /// Records that leave the pipeline.
    fn records(&mut self, records: &Arc<[FlowRecord]>);
    /// Resources that processes used since the last call.
    fn usage(&mut self, tell: ReportUsage<'_>);
    /// All counters, once a second.
    fn publish(&mut self, figures: &Figures);
    /// The pipeline is stopping, for this reason.
    fn stopping(&mut self, why: &'static str);
}

/// Adds fields that the join does not know. The record's times are still in the engine's time.
pub(crate) type Enricher = Box<dyn FnMut(&mut FlowRecord)>;

/// Where records go.
pub(crate) struct Outlet {
    enrichers: Vec<Enricher>,
    wall_ahead_ns: i64,
    ends: Ends,
    only: Option<Arc<Expression>>,
    /// Records for which `only` was not true.
    not_selected: u64,
    own: OwnTraffic,
    observer: Option<Box<dyn PipelineObserver>>,
    /// A reload changes this set while it is in use.
    exporters: Arc<ExporterSet>,
}

impl Outlet {
    /// Sends records to exporters only.
    pub(crate) fn new(exporters: Arc<ExporterSet>) -> Self {
        let (ends, own, enrichers) = (Ends::default(), OwnTraffic::default(), Vec::new());
        Self { enrichers, wall_ahead_ns: 0, ends, only: None, not_selected: 0, own, observer: None, exporters }
    }

    /// Adds an observer.
    pub(crate) fn with_observer(self, observer: Box<dyn PipelineObserver>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Nobody reads a record for which the expression is not true.
    pub(crate) fn with_selection(self, only: Option<Arc<Expression>>) -> Self {
        Self { only, ..self }
    }

    /// Adds an enricher, which changes every record before it is read. Enrichers run in the order in which they were
    /// added.
    pub(crate) fn with_enricher(mut self, enricher: Enricher) -> Self {
        self.enrichers.push(enricher);
        self
    }

    /// Sets what is done with records of the agent's own connections.
    pub(crate) fn with_own_traffic(self, own: OwnTraffic) -> Self {
        Self { own, ..self }
    }

    /// Sets how far the wall clock is ahead of the engine's time, nanoseconds. Records leave in wall time.
    pub(super) const fn set_wall_ahead(&mut self, by_ns: i64) {
        self.wall_ahead_ns = by_ns;
    }

    /// Enriches and sends all records, in batches of at most [`RECORD_BATCH`].
    pub(super) fn hand_on(&mut self, records: impl Iterator<Item = FlowRecord>) {
        self.hand_on_paced(records, |_| {});
    }

    /// As [`Outlet::hand_on`]; before each batch `pace` may wait for the exporters.
    pub(super) fn hand_on_paced(
        &mut self,
        mut records: impl Iterator<Item = FlowRecord>,
        mut pace: impl FnMut(&ExporterSet),
    ) {
        loop {
            // From an iterator of known length, the records are written directly to their final place.
            let mut batch: Arc<[FlowRecord]> = records.by_ref().take(RECORD_BATCH).collect();
            if batch.is_empty() {
                return;
            }
            self.enrich(Arc::make_mut(&mut batch));
            self.select(&mut batch);
            let batch = self.own.shown(batch);
            if let Some(observer) = &mut self.observer {
                observer.records(&batch);
            }
            let batch = self.own.due(batch);
            if !batch.is_empty() {
                pace(&self.exporters);
                self.exporters.send(&batch);
            }
        }
    }

    /// Exports the records of the agent's own connections that wait; at the end, when that causes no more.
    pub(super) fn hand_on_own(&mut self) {
        let waiting = self.own.take();
        if !waiting.is_empty() {
            self.exporters.send(&waiting);
        }
    }

    /// Records of the agent's own connections that were left out.
    pub(super) const fn own_hidden(&self) -> u64 {
        self.own.hidden()
    }

    /// Records of the agent's own connections that wait for others.
    pub(super) const fn own_waiting(&self) -> usize {
        self.own.waiting()
    }

    fn enrich(&mut self, records: &mut [FlowRecord]) {
        records.iter().for_each(|record| self.ends.count(record));
        // Collected ones were scaled by their exporter or when they were received.
        records.iter_mut().filter(|record| record.collected.is_none()).for_each(|record| record.flow.scale_sample());
        records.iter_mut().for_each(mask_url);
        for enrich in &mut self.enrichers {
            records.iter_mut().for_each(enrich);
        }
        if self.wall_ahead_ns != 0 {
            let by_ns = self.wall_ahead_ns;
            for FlowRecord { flow, .. } in records {
                flow.first_ns = flow.first_ns.saturating_add_signed(by_ns);
                flow.last_ns = flow.last_ns.saturating_add_signed(by_ns);
            }
        }
    }

    /// Leaves out the records that were not selected.
    fn select(&mut self, batch: &mut Arc<[FlowRecord]>) {
        if let Some(selected) = self.only.as_ref().and_then(|only| only.select(batch)) {
            self.not_selected += (batch.len() - selected.len()) as u64;
            *batch = selected.into();
        }
    }

    /// Records for which the expression was not true.
    pub(super) const fn not_selected(&self) -> u64 {
        self.not_selected
    }

    /// Sums of all records sent, by how their ends were attributed.
    pub(super) const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// The observer, if there is one.
    pub(super) fn observer(&mut self) -> Option<&mut (dyn PipelineObserver + 'static)> {
        self.observer.as_deref_mut()
    }

    /// The exporters.
    pub(super) fn exporters(&self) -> &ExporterSet {
        &self.exporters
    }
}
