//! The figures of all connections together.

use pidflow_schema::record::{Flow, FlowEndReason, TcpDirection, TcpState};

/// Sums over the records of measured TCP connections, both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpTotals {
    /// Records with such figures.
    pub records: u64,
    /// Packets that were sent before.
    pub retransmitted: u64,
    /// Of them SYNs.
    pub syn_retransmitted: u64,
    /// Of them those after a time-out of the sender.
    pub timeout_retransmitted: u64,
    /// Packets that another one overtook.
    pub out_of_order: u64,
    /// Acknowledgements that repeat the previous one.
    pub duplicate_acks: u64,
    /// Packets with a receive window of zero.
    pub zero_windows: u64,
    /// Packets with the mark of a congested router.
    pub congestion_marked: u64,
    /// Bytes that were never seen, and not acknowledged.
    pub lost_bytes: u64,
    /// Bytes that were never seen, but acknowledged.
    pub uncaptured_bytes: u64,
    /// Connections that ended with RST.
    pub resets: u64,
}

impl TcpTotals {
    /// Adds the figures of a record.
    pub(in crate::flow_table) fn count(&mut self, flow: &Flow) {
        let Some(tcp) = flow.tcp.as_deref() else { return };
        self.records += 1;
        let is_last = flow.end_reason != FlowEndReason::ActiveTimeout;
        self.resets += u64::from(is_last && tcp.state == TcpState::Reset);
        [&tcp.forward, &tcp.reverse].into_iter().for_each(|direction| self.add(direction));
    }

    fn add(&mut self, direction: &TcpDirection) {
        self.retransmitted += u64::from(direction.retransmitted_packets);
        self.syn_retransmitted += u64::from(direction.syn_retransmissions);
        self.timeout_retransmitted += u64::from(direction.timeout_retransmissions);
        self.out_of_order += u64::from(direction.out_of_order_packets);
        self.duplicate_acks += u64::from(direction.duplicate_acks);
        self.zero_windows += u64::from(direction.zero_windows);
        self.congestion_marked += u64::from(direction.congestion_marks);
        self.lost_bytes += direction.lost_bytes;
        self.uncaptured_bytes += direction.uncaptured_bytes;
    }
}
