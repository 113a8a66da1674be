//! The pipeline for capture files: files, flow table, exporters. It runs in one thread, and waits for full exporters,
//! so that no record is dropped.

use std::sync::Arc;
use std::time::Duration;

use pidflow_engine::flow_table::FlowTable;
use pidflow_engine::packet::Packet;
use pidflow_exporters::ExporterSet;
use pidflow_expression::Expression;
use pidflow_schema::{Attribution, Flow, FlowEndDetail, FlowEndReason, FlowRecord};

use super::{Ended, Outlet, RECORD_BATCH, name_interfaces};
use crate::shedding::ShedCounts;
use pidflow_capture::{CaptureError, CaptureFiles};

/// Reads the packets of capture files into flows.
pub(crate) struct Reading {
    files: CaptureFiles,
    table: FlowTable,
    outlet: Outlet,
    packets: Vec<Packet>,
    flows: Vec<Flow>,
}

impl Reading {
    /// Opens no file yet.
    pub(crate) fn new(
        files: CaptureFiles,
        table: FlowTable,
        exporters: ExporterSet,
        only: Option<Arc<Expression>>,
    ) -> Self {
        let outlet = Outlet::new(Arc::new(exporters)).with_selection(only);
        Self { files, table, outlet, packets: Vec::new(), flows: Vec::new() }
    }

    /// Reads some packets. False: there are no more.
    ///
    /// # Errors
    /// One file cannot be read completely; the next turn continues with the next file.
    pub(crate) fn turn(&mut self) -> Result<bool, CaptureError> {
        self.packets.clear();
        let more = self.files.next_batch(&mut self.packets);
        name_interfaces(&mut self.table, self.files.new_interfaces());
        self.table.set_tunnels(&self.files.take_tunnels());
        self.table.set_payloads(self.files.take_payloads());
        self.table.update_all(&self.packets, &mut self.flows);
        // No process asked for the names in a file.
        drop(self.table.take_name_answers());
        let waits = self.files.has_all_that_came();
        if let Some(last_ns) = self.packets.last().map(|p| p.time_ns) {
            // In a file, a time far ahead may be a wrong timestamp until other packets confirm it. While waiting for
            // more input, these may not come soon: so one nanosecond more than the last packet's time is passed, which
            // the table trusts like a clock.
            while self.table.expire(last_ns + u64::from(waits), &mut self.flows) {
                self.hand_on(RECORD_BATCH);
            }
        }
        // While waiting for more input, finished flows are sent immediately.
        self.hand_on(if waits { 1 } else { RECORD_BATCH });
        more
    }

    /// Sends the waiting flows if there are at least `min_waiting`.
    fn hand_on(&mut self, min_waiting: usize) {
        if self.flows.len() >= min_waiting {
            self.outlet.hand_on(self.flows.drain(..).map(offline));
        }
    }

    /// Bytes of the files read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.files.bytes_read()
    }

    /// Ends all flows and sends everything. Slow receivers get `max_drain` to accept the rest.
    pub(crate) fn finish(mut self, detail: FlowEndDetail, max_drain: Duration) -> Ended {
        self.hand_on(1);
        let mut rest = self.table.drain(FlowEndReason::ForcedEnd, detail);
        loop {
            self.flows.extend(rest.by_ref().take(RECORD_BATCH));
            if self.flows.is_empty() {
                break;
            }
            self.outlet.hand_on(self.flows.drain(..).map(offline));
        }
        drop(rest);
        let exporters = self.outlet.exporters().shutdown(max_drain);
        Ended {
            capture: self.files.counters().clone(),
            table: self.table.counters(),
            exporters,
            left_over: 0,
            shed: ShedCounts::default(),
        }
    }
}

/// The record of a flow from a capture file, which has no information on processes.
fn offline(flow: Flow) -> FlowRecord {
    FlowRecord::without_processes(flow, Attribution::Offline)
}
