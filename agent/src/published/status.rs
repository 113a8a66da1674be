//! The pipeline's status as of its last turn: plain values that readers format.

use std::sync::Arc;

use pidflow_engine::flow_table::TcpTotals;
use pidflow_schema::{Attribution, FlowEndReason, FlowRecord, ProcessEnd};

use super::losses::Loss;
use crate::collect::{CollectFigures, GlueFigures};
use crate::host::HostFigures;
use crate::ledger::Ledger;
use crate::metrics::talk::ShownTraffic;
use crate::shedding::ShedCounts;

/// Counters under a label.
pub(crate) type Labelled = Vec<(String, u64)>;

/// Counts by label, in this order.
pub(crate) fn labelled<const N: usize>(values: [(&str, u64); N]) -> Labelled {
    values.map(|(name, n)| (name.to_owned(), n)).into()
}

/// How one fact is collected.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    /// The fact.
    pub(crate) hook: String,
    /// The mechanism that is used, or "none".
    pub(crate) way: String,
}

/// What the self-test says of one hook.
#[derive(Debug, Clone)]
pub(crate) struct HookTest {
    /// The program.
    pub(crate) program: String,
    /// The attach point.
    pub(crate) target: String,
    /// Whether the facts of the last test came.
    pub(crate) delivers: bool,
}

/// One exporter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exporter {
    /// `udp://…`, `json:…`.
    pub(crate) name: String,
    /// Records handed to the receiver.
    pub(crate) records: u64,
    /// Records that its filter left out.
    pub(crate) filtered: u64,
    /// Records lost, by reason.
    pub(crate) lost: Labelled,
    /// Records accepted and not finished yet, in memory.
    pub(crate) queue: u64,
    /// Records that wait on disk.
    pub(crate) spooled: u64,
}

/// The whole status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    /// Seconds since the start.
    pub(crate) seconds: u64,
    /// Packets that became part of a flow.
    pub(crate) packets: u64,
    /// Bytes of all packets seen, whole frames.
    pub(crate) octets: u64,
    /// Packets that are in no flow, by reason.
    pub(crate) discards: Labelled,
    /// Those of them whose link type or network protocol is not decoded, by its number.
    pub(crate) undecoded: Labelled,
    /// Packets that the kernel dropped before the agent saw them, by interface.
    pub(crate) kernel_drops: Labelled,
    /// Figures of measured TCP connections.
    pub(crate) tcp: TcpTotals,
    /// State of the interfaces that are captured or should be.
    pub(crate) interface_changes: Labelled,
    /// Interfaces that should be captured but are not.
    pub(crate) missing_interfaces: u64,
    /// Flows in the table.
    pub(crate) active: u64,
    /// Entries of other tables.
    pub(crate) tables: Labelled,
    /// Records made and how their ends were attributed.
    pub(crate) records: RecordCounts,
    /// Counters of the probes.
    pub(crate) probes: Labelled,
    /// Kernel events that were lost, by reason.
    pub(crate) events_lost: Labelled,
    /// Counters of the join.
    pub(crate) join: Labelled,
    /// How each fact is collected.
    pub(crate) hooks: Vec<Hook>,
    /// Self-tests, by result.
    pub(crate) self_tests: Labelled,
    /// Hooks that the last self-test tested.
    pub(crate) hook_tests: Vec<HookTest>,
    /// Exporters.
    pub(crate) exporters: Vec<Exporter>,
    /// Waiting items, by queue.
    pub(crate) queues: Labelled,
    /// Memory of records in exporters' queues, bytes.
    pub(crate) queue_bytes: u64,
    /// Number of restarts of failed threads, by thread.
    pub(crate) thread_restarts: Labelled,
    /// Failed attempts to ask a container engine, and unusable entries in its answers, by its socket.
    pub(crate) container_failures: Labelled,
    /// Lines of the log that could not be written.
    pub(crate) log_lines_lost: u64,
    /// Sums of traffic.
    pub(crate) talk: ShownTraffic,
    /// The host's figures; none: they are not read.
    pub(crate) host: Option<Arc<HostFigures>>,
    /// The ledger; none: nothing has been counted yet.
    pub(crate) ledger: Option<Arc<Ledger>>,
    /// What was received from exporters; none: this is not `pidflow collect`.
    pub(crate) collect: Option<CollectFigures>,
    /// Of its records that are put together; none: they are not.
    pub(crate) glue: Option<GlueFigures>,
    /// What is left out to stay within the budget.
    pub(crate) shed: ShedCounts,
    /// Everything that was lost, by stage and reason, since the start.
    pub(crate) losses: Vec<Loss>,
    /// Why the agent is not ready, one line each; empty: it is ready.
    pub(crate) not_ready: Vec<String>,
    /// What is degraded, one line each; a restart would not help.
    pub(crate) degraded: Vec<String>,
}

impl Status {
    /// Packets, events, records, and what exporters sent (`pidflow collect`) lost, all together.
    pub(crate) fn lost(&self) -> u64 {
        let exporters = self.exporters.iter().flat_map(|e| &e.lost);
        let collected = self.collect.iter().flat_map(|collect| collect.losses().map(|(_, _, n)| n));
        self.kernel_drops.iter().chain(&self.events_lost).chain(exporters).map(|(_, n)| *n).chain(collected).sum()
    }
}

/// Counts of records.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecordCounts {
    /// By [`FlowEndReason`], at its number.
    by_reason: [u64; 6],
    /// Source and destination ends, in the order of [`Attribution::ALL`].
    by_attribution: [[u64; Attribution::ALL.len()]; 2],
    /// With a process, and all where one can be expected.
    attributed: (u64, u64),
}

/// `ECONNREFUSED` of the Linux generic ABI (include/uapi/asm-generic/errno.h).
const ECONNREFUSED: u16 = 111;

/// The reasons in the order of their numbers, with the names of RFC 5102 section 5.11.3.
const REASONS: [(FlowEndReason, &str); 5] = [
    (FlowEndReason::IdleTimeout, "idle-timeout"),
    (FlowEndReason::ActiveTimeout, "active-timeout"),
    (FlowEndReason::EndOfFlow, "end-of-flow"),
    (FlowEndReason::ForcedEnd, "forced-end"),
    (FlowEndReason::LackOfResources, "lack-of-resources"),
];

impl RecordCounts {
    /// Counts a record.
    pub(crate) fn count(&mut self, r: &FlowRecord) {
        if let Some(n) = self.by_reason.get_mut(r.flow.end_reason as usize) {
            *n += 1;
        }
        for (side, end) in self.by_attribution.iter_mut().zip([&r.source, &r.destination]) {
            let place = Attribution::ALL.iter().position(|a| *a == end.attribution);
            if let Some(n) = place.and_then(|p| side.get_mut(p)) {
                *n += 1;
            }
        }
        for known in [has_process(r, &r.source, false), has_process(r, &r.destination, true)].into_iter().flatten() {
            self.attributed.0 += u64::from(known);
            self.attributed.1 += 1;
        }
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.by_reason.iter().sum()
    }

    /// Name of the reason and count.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.iter().map(|(r, name)| (*name, self.by_reason.get(*r as usize).copied().unwrap_or_default()))
    }

    /// End, attribution and count.
    pub(crate) fn attributions(&self) -> impl Iterator<Item = (&'static str, Attribution, u64)> {
        ["source", "destination"]
            .into_iter()
            .zip(&self.by_attribution)
            .flat_map(|(end, counts)| Attribution::ALL.into_iter().zip(counts).map(move |(a, n)| (end, a, *n)))
    }

    /// Ends on this host that have a process, and all ends on this host where one can be expected.
    pub(crate) const fn attributed(&self) -> (u64, u64) {
        self.attributed
    }
}

/// Whether the end has a process; none: it cannot have one (another host, a file, the kernel itself, or no listener).
fn has_process(r: &FlowRecord, end: &ProcessEnd, is_destination: bool) -> Option<bool> {
    let refused = is_destination && r.connect_error == Some(ECONNREFUSED);
    match end.attribution {
        Attribution::Remote | Attribution::Offline | Attribution::Kernel | Attribution::NotReported => None,
        _ if end.process.is_some() => Some(true),
        _ => (!refused).then_some(false),
    }
}
