//! The status as one JSON object.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::wall_ns;
use crate::published::losses::Loss;
use crate::published::status::{Exporter, Labelled, Status};

const MILLISECOND_NS: u64 = 1_000_000;

/// Counters by label.
type Counts<'a> = BTreeMap<&'a str, u64>;

/// What `status` contains.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    host: &'a str,
    version: &'static str,
    /// The agent's time, milliseconds since 1970.
    time: u64,
    /// Seconds since the agent started.
    seconds: u64,
    /// Packets that became part of a flow.
    packets: u64,
    /// Bytes of all packets, whole frames.
    bytes: u64,
    /// Flows in the table.
    active_flows: u64,
    /// Records made.
    records: u64,
    /// Packets, events and records lost.
    lost: u64,
    /// Ends of records on this host that have a process.
    attributed: u64,
    /// Ends of records on this host where a process can be expected.
    attributable: u64,
    not_ready: &'a [String],
    degraded: &'a [String],
    losses: Vec<LossReport<'a>>,
    /// Packets in no flow, by reason.
    discards: Counts<'a>,
    /// How each fact is collected.
    hooks: BTreeMap<&'a str, &'a str>,
    self_tests: Counts<'a>,
    tables: Counts<'a>,
    queues: Counts<'a>,
    thread_restarts: Counts<'a>,
    exporters: Vec<ExporterReport<'a>>,
}

#[derive(Debug, Serialize)]
struct LossReport<'a> {
    stage: &'a str,
    what: &'a str,
    reason: &'a str,
    total: u64,
}

#[derive(Debug, Serialize)]
struct ExporterReport<'a> {
    name: &'a str,
    records: u64,
    filtered: u64,
    lost: u64,
    queue: u64,
    spooled: u64,
}

impl<'a> Report<'a> {
    /// Of a status.
    pub(super) fn new(status: &'a Status, host: &'a str) -> Self {
        let (attributed, attributable) = status.records.attributed();
        Self {
            host,
            version: env!("CARGO_PKG_VERSION"),
            time: wall_ns() / MILLISECOND_NS,
            seconds: status.seconds,
            packets: status.packets,
            bytes: status.octets,
            active_flows: status.active,
            records: status.records.total(),
            lost: status.lost(),
            attributed,
            attributable,
            not_ready: &status.not_ready,
            degraded: &status.degraded,
            losses: status.losses.iter().filter(|loss| loss.total > 0).map(LossReport::from).collect(),
            discards: counts(&status.discards),
            hooks: status.hooks.iter().map(|h| (h.hook.as_str(), h.way.as_str())).collect(),
            self_tests: counts(&status.self_tests),
            tables: counts(&status.tables),
            queues: counts(&status.queues),
            thread_restarts: counts(&status.thread_restarts),
            exporters: status.exporters.iter().map(ExporterReport::from).collect(),
        }
    }
}

fn counts(labelled: &Labelled) -> Counts<'_> {
    labelled.iter().map(|(label, n)| (label.as_str(), *n)).collect()
}

impl<'a> From<&'a Loss> for LossReport<'a> {
    fn from(loss: &'a Loss) -> Self {
        Self { stage: &loss.stage, what: loss.what, reason: &loss.reason, total: loss.total }
    }
}

impl<'a> From<&'a Exporter> for ExporterReport<'a> {
    fn from(e: &'a Exporter) -> Self {
        let lost = e.lost.iter().map(|(_, n)| n).sum();
        Self { name: &e.name, records: e.records, filtered: e.filtered, lost, queue: e.queue, spooled: e.spooled }
    }
}
