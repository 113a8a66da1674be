//! The pipeline: packets and facts come in, flows are built and joined with processes, and records go out. Only this
//! module defines that order.
//!
//! [`Live`] gets its input from [`Sources`] and passes its records to an [`Outlet`]; [`Reading`] does the same for
//! capture files. Neither depends on where packets and facts come from or on who reads the records.

mod changes;
mod collecting;
mod figures;
mod grace;
mod held;
mod live;
mod moment;
mod namespaces;
mod outlet;
mod own_traffic;
mod reading;
mod source;
#[cfg(test)]
mod tests;

use pidflow_engine::flow_table::{FlowTable, FlowTableCounters};
use pidflow_exporters::Snapshot;

use crate::shedding::ShedCounts;
use pidflow_capture::{CaptureCounters, Interface};

pub(crate) use collecting::{CollectEnded, Collecting};
pub(crate) use figures::Figures;
pub(crate) use live::{Live, LiveParts, NOTHING_LEFT};
pub(crate) use outlet::{DescribeProcess, Enricher, Outlet, PipelineObserver, ReportUsage};
pub(crate) use own_traffic::OwnTraffic;
pub(crate) use reading::Reading;
pub(crate) use source::{Inbox, Sources};

/// The greatest number of records passed on together.
const RECORD_BATCH: usize = 1024;

/// The final counters of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Counters of the packet sources.
    pub(crate) capture: CaptureCounters,
    /// Counters of the flow table.
    pub(crate) table: FlowTableCounters,
    /// Counters of the exporters.
    pub(crate) exporters: Vec<Snapshot>,
    /// Number of packets in no record, because the drain timeout was over.
    pub(crate) left_over: u64,
    /// What was left out to stay within the budget.
    pub(crate) shed: ShedCounts,
}

fn name_interfaces(table: &mut FlowTable, interfaces: &[Interface]) {
    for interface in interfaces.iter().filter(|interface| !interface.is_gone) {
        table.set_interface(interface.number, interface.index, &interface.name);
        table.set_observation(interface.number, interface.observation);
    }
}
