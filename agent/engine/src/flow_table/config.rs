//! Options of the flow table, and its counters.

use pidflow_schema::Flow;

use super::{TcpTotals, Traffic};
use crate::decode::FrameCount;
use crate::inspection::InspectionCounters;

/// The memory for messages and texts of a small table, bytes.
const MIN_WATCHED_BYTES: usize = 1 << 20;

/// Properties of the clock that stamps packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PacketClock {
    /// It may be set between two packets, and timestamps may be wrong, so the table detects steps.
    #[default]
    MayBeSet,
    /// It is never set, and no packet has a time in the future. A packet far behind others is late.
    Steady,
}

/// Whether sizes, times, marks and hop limits of packets are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PacketRule {
    /// They are not.
    #[default]
    Ignore,
    /// They are, in each flow and direction ([`pidflow_schema::PacketFigures`]).
    Measure,
}

/// Settings of a flow table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowTableConfig {
    /// A flow without packets for this long ends, nanoseconds; none or 0: never.
    pub idle_timeout_ns: Option<u64>,
    /// A longer flow gets a record each time this has passed, nanoseconds; none or 0: one record per flow.
    pub active_timeout_ns: Option<u64>,
    /// The greatest number of flows at the same time. Beyond it, unanswered flows are evicted first, then closing ones,
    /// then the least recently seen; see [`super::FlowTable::BYTES_PER_FLOW`] for the memory of each.
    pub max_flows: usize,
    /// How long a TCP connection stays in the table after FIN or RST, for retransmissions and late
    /// acknowledgements, nanoseconds of packet time.
    pub linger_ns: u64,
    /// The clock that stamps packets.
    pub packet_clock: PacketClock,
    /// Whether a packet that several interfaces see is counted only at the interface that saw its direction of the flow
    /// first. Not for capture files, whose interfaces may belong to several hosts or times.
    pub counts_once: bool,
    /// Most address translations that are known at the same time; see [`super::FlowTable::BYTES_PER_TRANSLATION`].
    pub max_translations: usize,
    /// Whether packets are measured; see [`super::FlowTable::BYTES_PER_FLOW_OF_MEASURED_PACKETS`] for the memory.
    pub packets: PacketRule,
}

impl FlowTableConfig {
    /// Default of [`FlowTableConfig::linger_ns`]: ten times the minimum retransmission timeout of Linux (200 ms).
    pub const LINGER_NS: u64 = 2_000_000_000;
    /// Defaults: 15 s idle and 60 s active timeout.
    const DEFAULT: Self = Self {
        idle_timeout_ns: Some(15_000_000_000),
        active_timeout_ns: Some(60_000_000_000),
        max_flows: Self::MAX_FLOWS,
        linger_ns: Self::LINGER_NS,
        packet_clock: PacketClock::MayBeSet,
        counts_once: false,
        max_translations: super::MAX_TRANSLATIONS,
        packets: PacketRule::Ignore,
    };
    /// Default of [`FlowTableConfig::max_flows`]: about 240 MB.
    pub const MAX_FLOWS: usize = 1_048_576;

    /// The memory for messages and texts of all flows together, bytes.
    pub(super) const fn max_watched_bytes(&self) -> usize {
        let bytes = self.max_flows.saturating_mul(super::FlowTable::BYTES_PER_WATCHED_FLOW);
        if bytes < MIN_WATCHED_BYTES { MIN_WATCHED_BYTES } else { bytes }
    }

    /// The number of flows that fit in `bytes` bytes, at least 1.
    #[must_use]
    pub const fn max_flows_within(bytes: usize) -> usize {
        let flows = bytes / super::FlowTable::BYTES_PER_FLOW;
        if flows == 0 { 1 } else { flows }
    }

    /// One record per flow for the whole capture: no timeouts, no split at FIN, RST or SYN.
    #[must_use]
    pub const fn whole_capture(max_flows: usize) -> Self {
        Self { idle_timeout_ns: None, active_timeout_ns: None, max_flows, ..Self::DEFAULT }
    }

    /// Replaces timeouts of 0 by none.
    pub(super) fn normal(self) -> Self {
        Self {
            idle_timeout_ns: self.idle_timeout_ns.filter(|ns| *ns > 0),
            active_timeout_ns: self.active_timeout_ns.filter(|ns| *ns > 0),
            ..self
        }
    }

    /// Whether both timeouts are off.
    pub(super) const fn is_whole_capture(&self) -> bool {
        self.idle_timeout_ns.is_none() && self.active_timeout_ns.is_none()
    }

    /// A flow is moved to the end of the list of idle flows only if its last packet came this long after it was last
    /// moved, because each move touches two other flows. Expiry may be late by as much.
    pub(super) fn relist_ns(&self) -> u64 {
        const MAX_RELIST_NS: u64 = 10_000_000_000;
        self.idle_timeout_ns.map_or(MAX_RELIST_NS, |idle| (idle / 8).min(MAX_RELIST_NS))
    }
}

impl Default for FlowTableConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Counters of a flow table since it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowTableCounters {
    /// Packets counted in flows.
    pub packets: u64,
    /// Their bytes from the IP header on.
    pub octets: u64,
    /// Bytes of their whole frames.
    pub frame_octets: u64,
    /// Packets that were not counted because another interface was counted for them, with their whole frames.
    pub seen_elsewhere: FrameCount,
    /// Flows that began.
    pub flows: u64,
    /// Records returned.
    pub records: u64,
    /// Traffic in these records.
    pub recorded: Traffic,
    /// Flows ended early because the table was full.
    pub evicted: u64,
    /// Packets that were counted and are in no record: they turned out to be translated ones of a flow that was counted before
    /// translation.
    pub merged: Traffic,
    /// Flows that were merged so.
    pub flows_merged: u64,
    /// Address translations known.
    pub translations: u64,
    /// Address translations that there was no room for.
    pub translations_dropped: u64,
    /// Records of which it is not known whether and how their addresses were translated, because reports were lost or late.
    pub translations_unknown: u64,
    /// Flows ended because an endpoint got another owner.
    pub socket_changes: u64,
    /// The greatest number of flows at the same time so far.
    pub peak_flows: u64,
    /// How often a tunnel of a batch got no number because none was left. The records of its flows do not contain it.
    pub unnamed_tunnels: u64,
    /// Payloads that were not read because their batch had too many.
    pub payloads_dropped: u64,
    /// Responses of DNS that were not taken in time, so that the names in them are not known.
    pub answers_dropped: u64,
    /// Figures of measured TCP connections in the records returned.
    pub tcp: TcpTotals,
    /// What an inspector did.
    pub inspection: InspectionCounters,
}

impl FlowTableCounters {
    /// Packets and bytes counted in flows, each once.
    #[must_use]
    pub fn in_flows(&self) -> Traffic {
        Traffic { packets: self.packets, octets: self.octets } - self.merged
    }

    /// Counts a record that is returned.
    pub(super) fn count_record(&mut self, flow: &Flow) {
        self.records += 1;
        self.recorded += Traffic::of(flow);
        self.translations_unknown += u64::from(flow.is_translation_unknown);
        self.tcp.count(flow);
    }
}
