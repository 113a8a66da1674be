//! Hands payloads to [`crate::application`].

use pidflow_schema::record::{Flow, Protocol};

use super::FlowTable;
use super::entry::Entry;
use super::handshake::micros;
use super::key::KeySide;
use crate::application::{NameAnswer, Payloads, Piece, Watches};
use crate::inspection::{InspectedShare, Inspections, Inspector};
use crate::packet::{Packet, TcpFlags};

impl FlowTable {
    /// Sets the payloads and TCP headers of the next packets, which their decoder picked
    /// ([`crate::decode::Decoder::take_payloads`]). Replaces the previous ones.
    pub fn set_payloads(&mut self, mut payloads: Payloads) {
        self.healths.set_segments(payloads.take_segments());
        self.inspections.set_packets(payloads.take_packets());
        self.watches.set_payloads(payloads);
    }

    /// The responses of DNS since the last call.
    pub fn take_name_answers(&mut self) -> Vec<NameAnswer> {
        self.watches.take_answers()
    }

    /// Memory of what is known of the flows' applications, bytes.
    #[must_use]
    pub fn watched_bytes(&self) -> usize {
        self.watches.allocated_bytes()
    }

    /// Has an inspector classify flows by their first packets, which the decoder must copy
    /// ([`crate::decode::DecodeRules::inspected`]).
    /// All flows without a verdict may take `max_bytes` bytes; beyond it, the oldest are concluded early.
    pub fn set_inspector(&mut self, inspector: Box<dyn Inspector>, share: InspectedShare, max_bytes: usize) {
        self.inspections.begin(inspector, share, max_bytes);
    }

    /// Hands a packet that was picked to those who picked it.
    pub(super) fn read_picked(&mut self, slot: u32, from: KeySide, packet: &Packet) {
        if self.inspections.is_on() {
            self.inspections.see(slot, packet);
            if !self.watches.has_payload(packet.payload) {
                return;
            }
        }
        self.read_payload(slot, from, packet);
    }

    /// Reads the payload of a packet that `from` sent.
    #[cold]
    #[inline(never)]
    fn read_payload(&mut self, slot: u32, from: KeySide, packet: &Packet) {
        let entry = self.slab.get_mut(slot);
        entry.set_watched();
        let sequence = packet.tcp_sequence.wrapping_add(u32::from(packet.tcp_flags & TcpFlags::SYN != 0));
        let syn = entry.sent(from).syn_sequence().filter(|_| packet.protocol == Protocol::TCP);
        let piece = Piece {
            protocol: packet.protocol,
            is_from_high: from == KeySide::High,
            ports: [packet.source_port, packet.destination_port],
            sequence,
            now_us: micros(packet.time_ns),
            position: syn.map(|syn| sequence.wrapping_sub(syn.wrapping_add(1))),
            bytes: &[],
        };
        let Some((name, addresses)) = self.watches.see(slot, packet.payload, piece) else { return };
        let entry = self.slab.get(slot);
        self.watches.keep(NameAnswer {
            time_ns: packet.time_ns,
            protocol: packet.protocol,
            client: entry.key.end(from.other()),
            server: entry.key.end(from),
            network_namespace: (entry.key.namespace != 0).then_some(entry.key.namespace),
            name,
            addresses,
        });
    }
}

/// Adds what is known of a flow's application to its record.
pub(super) fn describe(
    (watches, inspections): (&mut Watches, &mut Inspections),
    slot: u32,
    entry: &Entry,
    flow: &mut Flow,
) {
    if inspections.is_on() {
        flow.classification = inspections.verdict(slot);
    }
    if entry.is_watched() {
        flow.application = watches.application(slot);
        flow.http_latency = watches.take_latency(slot);
    }
}
