//! Flows that end because a port of this host has another owner.

use std::net::IpAddr;

use pidflow_schema::record::Protocol;

use super::FlowTable;
use super::changes::{LATE_ANSWER_NS, LocalEndpoint};
use super::entry::Entry;
use super::key::{FlowKey, KeySide};
use crate::packet::address_bits;

impl FlowTable {
    /// Says that a socket of this host with this address and port got another owner, or was made, at `time_ns`
    /// (packet time). An unspecified address stands for all addresses. The next packet that the endpoint sends begins
    /// another flow (one sent to it soon after may be a late answer and does not). TCP has its SYN for that.
    pub fn endpoint_changed(&mut self, protocol: u8, address: IpAddr, port: u16, time_ns: u64) {
        if protocol != Protocol::TCP && !self.config.is_whole_capture() {
            let (family, bits) = address_bits(address);
            self.changes.note(LocalEndpoint::new(protocol, family, bits, port), time_ns);
        }
    }

    /// Whether the sender's endpoint changed hands since it sent last, or the receiver's so long ago that the packet
    /// cannot be an answer to the owner before.
    pub(super) fn socket_changed(&self, entry: &Entry, from: KeySide, now_ns: u64) -> bool {
        let FlowKey { low, high, low_port, high_port, protocol, family, .. } = entry.key;
        let low = LocalEndpoint::new(protocol, family, low, low_port);
        let high = LocalEndpoint::new(protocol, family, high, high_port);
        let (sender, receiver) = if from == KeySide::Low { (low, high) } else { (high, low) };
        let sent_ns = entry.sent(from).last_sent_ns(now_ns).unwrap_or(entry.first_ns).max(entry.first_ns);
        let is_late = now_ns.saturating_sub(entry.last_ns) > LATE_ANSWER_NS;
        self.changes.between(sender, sent_ns, now_ns)
            || (is_late && self.changes.between(receiver, entry.last_ns, now_ns))
    }
}
