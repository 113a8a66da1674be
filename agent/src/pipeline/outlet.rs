//! The one place where records leave the pipeline: first they are enriched, then everybody reads the same batch.

use std::sync::Arc;

use pidflow_engine::process_table::Usage;
use pidflow_exporters::ExporterSet;
use pidflow_schema::FlowRecord;

use super::RECORD_BATCH;
use super::figures::Figures;
use super::own_traffic::OwnTraffic;
use crate::ledger::Ends;

/// Reports what each process used; see [`pidflow_engine::join::Joiner::report_usage`].
pub(crate) type ReportUsage<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&Usage));

/// Gets what the pipeline publishes: published state and the live view.
pub(crate) trait PipelineObserver {
    /// Records that have been handed on.
    fn records(&mut self, records: &Arc<[FlowRecord]>);
    /// What processes used since the last time.
    fn usage(&mut self, tell: ReportUsage<'_>);
    /// Everything that counts, once a second.
    fn publish(&mut self, figures: &Figures);
    /// The end has begun, for this reason.
    fn stopping(&mut self, why: &'static str);
}

/// Adds to a record what is not the join's to know. The record's times are the engine's still.
pub(crate) type Enricher = Box<dyn FnMut(&mut FlowRecord)>;

/// Where records go.
pub(crate) struct Outlet {
    enrichers: Vec<Enricher>,
    wall_ahead_ns: i64,
    ends: Ends,
    own: OwnTraffic,
    observer: Option<Box<dyn PipelineObserver>>,
    /// A reload changes them while they work.
    exporters: Arc<ExporterSet>,
}

impl Outlet {
    /// To exporters alone.
    pub(crate) fn new(exporters: Arc<ExporterSet>) -> Self {
        let (ends, own) = (Ends::default(), OwnTraffic::default());
        Self { enrichers: Vec::new(), wall_ahead_ns: 0, ends, own, observer: None, exporters }
    }

    /// Also to an observer.
    pub(crate) fn with_observer(self, observer: Box<dyn PipelineObserver>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Every record passes `enricher` before anybody reads it; several do so in the order in which they were added.
    pub(crate) fn with_enricher(mut self, enricher: Enricher) -> Self {
        self.enrichers.push(enricher);
        self
    }

    /// What is done with the agent's own connections.
    pub(crate) fn with_own_traffic(self, own: OwnTraffic) -> Self {
        Self { own, ..self }
    }

    /// The wall clock is so far ahead of the engine's (nanoseconds): records leave with its times.
    pub(super) const fn set_wall_ahead(&mut self, by_ns: i64) {
        self.wall_ahead_ns = by_ns;
    }

    /// Hands on all of them, at most [`RECORD_BATCH`] together.
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
            // From an iterator of known length the records are written to where they stay.
            let mut batch: Arc<[FlowRecord]> = records.by_ref().take(RECORD_BATCH).collect();
            if batch.is_empty() {
                return;
            }
            self.enrich(Arc::make_mut(&mut batch));
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

    /// Records handed on, by how their ends were attributed.
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
