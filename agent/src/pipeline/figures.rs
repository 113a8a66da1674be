//! Figures of the pipeline, published once a second.

use pidflow_engine::flow_table::FlowTableCounters;
use pidflow_engine::join::JoinCounters;
use pidflow_exporters::Snapshot;

use crate::collect::{CollectFigures, GlueFigures};
use crate::ledger::Ledger;
use crate::probes::KernelCounts;
use crate::shedding::ShedCounts;
use pidflow_capture::CaptureCounters;

/// All counters of the pipeline at one moment.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Packet sources.
    pub(crate) capture: CaptureCounters,
    /// Flow table.
    pub(crate) table: FlowTableCounters,
    /// Flows in the table.
    pub(crate) active: usize,
    /// The ledger: where every packet is; none: no packets are captured.
    pub(crate) ledger: Option<Ledger>,
    /// The join.
    pub(crate) join: JoinCounters,
    /// Number of processes and of socket claims in the tables.
    pub(crate) held: (usize, usize),
    /// Number of addresses that belong or belonged to pods and services.
    pub(crate) tenancies: usize,
    /// The kernel side.
    pub(crate) kernel: KernelCounts,
    /// Exporters.
    pub(crate) exporters: Vec<Snapshot>,
    /// Flows joined before [`grace`](super::grace) was over, because too many waited.
    pub(crate) joined_early: u64,
    /// Records that `--only` left out.
    pub(crate) not_selected: u64,
    /// Records of the agent's own connections that were left out.
    pub(crate) own_hidden: u64,
    /// Times that the system clock was set while running.
    pub(crate) clock_steps: u64,
    /// Batches of packets that were counted before the notices of address translations of their time had arrived.
    pub(crate) late_notices: u64,
    /// What is left out to stay within the budget.
    pub(crate) shed: ShedCounts,
    /// Waiting items, by queue.
    pub(crate) queues: Vec<(&'static str, usize)>,
    /// Memory that records in exporters' queues keep, bytes.
    pub(crate) queue_bytes: usize,
    /// What was received from exporters; none: this is not `pidflow collect`.
    pub(crate) collect: Option<CollectFigures>,
    /// Of its records that are put together; none: they are not.
    pub(crate) glue: Option<GlueFigures>,
}
