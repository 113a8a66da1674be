//! The order of things, here and nowhere else: packets and facts in, flows, the join, records out.
//!
//! [`Live`] is driven by sources that it is handed ([`Sources`]) and hands its records to an [`Outlet`]; [`Reading`] does the
//! same for capture files. Neither knows where packets and facts come from or who reads the records.

mod changes;
mod figures;
mod grace;
mod held;
mod live;
mod namespaces;
mod outlet;
mod own_traffic;
mod reading;
mod source;
#[cfg(test)]
mod tests;

use pidflow_engine::flow_table::{FlowTable, FlowTableCounters};
use pidflow_exporters::Snapshot;

use crate::capture::{CaptureCounters, Interface};

pub(crate) use figures::Figures;
pub(crate) use live::{Live, LiveParts, NOTHING_LEFT};
pub(crate) use outlet::{Enricher, Outlet, PipelineObserver, ReportUsage};
pub(crate) use own_traffic::OwnTraffic;
pub(crate) use reading::Reading;
pub(crate) use source::Sources;

/// Records handed on together when there are many.
const RECORD_BATCH: usize = 1024;

/// What is left when it is over.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What the packet sources saw.
    pub(crate) capture: CaptureCounters,
    /// What the flow table did.
    pub(crate) table: FlowTableCounters,
    /// The outcome of the records.
    pub(crate) exporters: Vec<Snapshot>,
    /// Packets that are in no record, because the time for the end was over.
    pub(crate) left_over: u64,
}

fn name_interfaces(table: &mut FlowTable, interfaces: &[Interface]) {
    for interface in interfaces {
        table.set_interface(interface.number, interface.index, &interface.name);
        table.set_observation(interface.number, interface.observation);
    }
}
