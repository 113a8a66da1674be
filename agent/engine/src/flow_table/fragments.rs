//! Fragments that arrived before the first one of their datagram, which has the ports.

use std::collections::VecDeque;

use pidflow_schema::record::Flow;

use super::FlowTable;
use crate::decode::Datagram;
use crate::packet::{Fragment, Packet};
use crate::tunnel::PacketTunnel;

/// How long they are held, nanoseconds of the table's time. Packets overtake each other by milliseconds.
const HOLD_NS: u64 = 500_000_000;
/// The greatest number of held fragments. Beyond it, the oldest is counted without ports.
const MAX_HELD_FRAGMENTS: usize = 256;

/// A fragment that is not in a flow yet.
#[derive(Debug)]
struct Held {
    since_ns: u64,
    datagram: Datagram,
    packet: Packet,
    tunnel: Option<PacketTunnel>,
}

/// Held fragments, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct HeldFragments(VecDeque<Held>);

impl HeldFragments {
    /// Removes and returns the fragments of the datagram.
    fn take(&mut self, datagram: &Datagram) -> Vec<Packet> {
        let (of_it, others) = std::mem::take(&mut self.0).into_iter().partition(|held| held.datagram == *datagram);
        self.0 = others;
        VecDeque::into_iter(of_it).map(|held| held.packet).collect()
    }

    /// All held fragments.
    pub(super) fn packets(&self) -> impl Iterator<Item = &Packet> {
        self.0.iter().map(|held| &held.packet)
    }

    fn has(&self, datagram: &Datagram) -> bool {
        self.0.iter().any(|held| held.datagram == *datagram)
    }
}

impl FlowTable {
    /// Counts a fragment in its flow, or holds it until the flow is known.
    #[cold]
    pub(super) fn put_fragment(&mut self, packet: &Packet, out: &mut Vec<Flow>) {
        let tunnel = self.tunnels.of_packet(packet.tunnel);
        let datagram = Datagram::of(packet, tunnel);
        let has_ports = packet.source_port != 0 || packet.destination_port != 0 || packet.icmp_type_code().is_some();
        if packet.fragment == Fragment::Later && !has_ports {
            self.clock.follow(packet.time_ns);
            let since_ns = self.clock.now_ns();
            self.held_fragments.0.push_back(Held { since_ns, datagram, packet: *packet, tunnel });
            self.release_fragments(MAX_HELD_FRAGMENTS, out);
            return;
        }
        self.put_in_flow(packet, out);
        if packet.fragment == Fragment::First && self.held_fragments.has(&datagram) {
            for mut later in self.held_fragments.take(&datagram) {
                later.join(packet);
                later.tunnel = packet.tunnel;
                self.put_in_flow(&later, out);
            }
        }
    }

    /// Counts fragments whose first one has not arrived in time.
    pub(super) fn release_late_fragments(&mut self, out: &mut Vec<Flow>) {
        let now_ns = self.clock.now_ns();
        let late = self.held_fragments.0.partition_point(|held| now_ns.saturating_sub(held.since_ns) >= HOLD_NS);
        self.release_fragments(self.held_fragments.0.len() - late, out);
    }

    /// Keeps the latest `leave` fragments. The others are counted in flows of their addresses without ports.
    pub(super) fn release_fragments(&mut self, leave: usize, out: &mut Vec<Flow>) {
        while self.held_fragments.0.len() > leave
            && let Some(Held { mut packet, tunnel, .. }) = self.held_fragments.0.pop_front()
        {
            // The numbers of tunnels are valid only within one batch, so the tunnel is added again.
            packet.tunnel = tunnel.map_or(0, |tunnel| self.tunnels.add_to_batch(tunnel));
            self.put_in_flow(&packet, out);
        }
    }

    fn put_in_flow(&mut self, packet: &Packet, out: &mut Vec<Flow>) {
        self.update(&Packet { fragment: Fragment::Whole, ..*packet }, out);
    }
}
