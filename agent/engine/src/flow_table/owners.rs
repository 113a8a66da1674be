//! Ends flows when a local endpoint gets another owner.

use std::net::IpAddr;

use pidflow_schema::record::Protocol;

use super::FlowTable;
use super::changes::{LATE_ANSWER_NS, LocalEndpoint};
use super::entry::Entry;
use super::key::{FlowKey, KeySide};
use crate::packet::address_bits;

impl FlowTable {
    /// Notes that a socket with this local address and port was created or got another owner at `time_ns` (packet
    /// time). An unspecified address means all addresses. The next packet that the endpoint sends begins another flow;
    /// a packet to it soon after may be a late answer and does not. Ignored for TCP, where a SYN begins another flow.
    pub fn endpoint_changed(&mut self, protocol: u8, address: IpAddr, port: u16, time_ns: u64) {
        if protocol != Protocol::TCP && !self.config.is_whole_capture() {
            let (family, bits) = address_bits(address);
            self.changes.note(LocalEndpoint::new(protocol, family, bits, port), time_ns);
        }
    }

    /// Whether the sender's endpoint got another owner since it sent last, or the receiver's did and the packet is too
    /// late to be an answer to the previous owner.
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
