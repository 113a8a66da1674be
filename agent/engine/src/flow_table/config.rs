//! Options of the flow table, and its counters.

use pidflow_schema::Flow;

use super::Traffic;
use crate::decode::FrameCount;

/// The clock by which packets are stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PacketClock {
    /// It may have been set between two packets, and stamps may be wrong: the table looks for steps.
    #[default]
    MayBeSet,
    /// Nobody sets it, and no packet has a time to come: one that is far behind others has come late.
    Steady,
}

/// Settings of a flow table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowTableConfig {
    /// A flow without packets for so long has ended, nanoseconds; none or 0: never.
    pub idle_timeout_ns: Option<u64>,
    /// A flow that goes on longer gives a record each time, nanoseconds; none or 0: one record.
    pub active_timeout_ns: Option<u64>,
    /// Most flows at the same time; one that nobody answered is evicted first, then the least recently seen.
    /// [`super::FlowTable::BYTES_PER_FLOW`] says what each takes.
    pub max_flows: usize,
    /// How long a TCP connection stays in the table after FIN or RST, for retransmissions and late
    /// acknowledgements, nanoseconds of packet time.
    pub linger_ns: u64,
    /// Whether a step of the packets' time is one of their clock.
    pub packet_clock: PacketClock,
    /// Whether a packet that several interfaces see is counted at one of them alone: that which saw its direction of the flow
    /// first. Not for capture files, whose interfaces may be those of several hosts or times.
    pub counts_once: bool,
    /// Most address translations that are known at the same time; see [`super::FlowTable::BYTES_PER_TRANSLATION`].
    pub max_translations: usize,
}

impl FlowTableConfig {
    /// See [`FlowTableConfig::linger_ns`]: ten times the least retransmission timeout of Linux (200 ms).
    pub const LINGER_NS: u64 = 2_000_000_000;
    /// 15 s idle and 60 s active.
    const DEFAULT: Self = Self {
        idle_timeout_ns: Some(15_000_000_000),
        active_timeout_ns: Some(60_000_000_000),
        max_flows: Self::MAX_FLOWS,
        linger_ns: Self::LINGER_NS,
        packet_clock: PacketClock::MayBeSet,
        counts_once: false,
        max_translations: super::MAX_TRANSLATIONS,
    };
    /// About 240 MB of flows at the most.
    pub const MAX_FLOWS: usize = 1_048_576;

    /// As many flows as fit in so many bytes, at least one.
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

    /// With none for timeouts of 0, which no flow could outlast.
    pub(super) fn normal(self) -> Self {
        Self {
            idle_timeout_ns: self.idle_timeout_ns.filter(|ns| *ns > 0),
            active_timeout_ns: self.active_timeout_ns.filter(|ns| *ns > 0),
            ..self
        }
    }

    /// Both timeouts are off.
    pub(super) const fn is_whole_capture(&self) -> bool {
        self.idle_timeout_ns.is_none() && self.active_timeout_ns.is_none()
    }

    /// A flow is put to the end of the list of idle ones when its last packet came so long after the last time it
    /// was put there: not at each packet, because that touches two other flows. Expiry may be late by as much.
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

/// What a flow table did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowTableCounters {
    /// Packets put in.
    pub packets: u64,
    /// Their bytes from the IP header on.
    pub octets: u64,
    /// Bytes of their whole frames.
    pub frame_octets: u64,
    /// Packets that were not counted because another interface was counted for them, with their whole frames.
    pub seen_elsewhere: FrameCount,
    /// Flows begun.
    pub flows: u64,
    /// Records given out.
    pub records: u64,
    /// What is in them.
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
    /// Flows ended because an endpoint got another owner.
    pub socket_changes: u64,
    /// Most flows at the same time.
    pub peak_flows: u64,
    /// How often there was no number left for a tunnel of a batch: the records of its flows do not name it.
    pub unnamed_tunnels: u64,
}

impl FlowTableCounters {
    /// What was put in flows, once.
    #[must_use]
    pub fn in_flows(&self) -> Traffic {
        Traffic { packets: self.packets, octets: self.octets } - self.merged
    }

    /// A record is given out.
    pub(super) fn count_record(&mut self, flow: &Flow) {
        self.records += 1;
        self.recorded += Traffic::of(flow);
    }
}
