//! One flow in the table.

use std::sync::Arc;

use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason, InitialSequences, InitiatorBasis, Protocol, Tunnel};

use super::entry_facts::Facts;
use super::handshake::{HandshakeWatch, micros};
use super::key::{FlowKey, KeySide};
use super::sent::Sent;
use super::side::Side;
use super::state::State;
use super::tunnels::TunnelTable;
use crate::packet::{Packet, TcpFlags};
use crate::tunnel::PacketTunnel;

/// The neighbours of an entry in a [`super::slab::List`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbours {
    pub(super) before: u32,
    pub(super) after: u32,
}

/// One flow: three cache lines.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Entry {
    pub(super) key: FlowKey,
    /// Time of the last packet, in the packets' own time.
    pub(super) last_ns: u64,
    /// When the flow was moved to the end of its list, in the table's time; its last packet came then or up to a
    /// relisting interval later. For a closing connection: when its end was seen.
    pub(super) listed_ns: u64,
    low: Sent,
    high: Sent,
    /// Time of the first packet of the record, in the packets' own time.
    pub(super) first_ns: u64,
    /// The table's time minus the packets' own time, modulo 2^64. It is the same for all packets of a record; see
    /// [`super::clock`].
    pub(super) shift: u64,
    /// Links in the list of idle or of closing flows.
    pub(super) activity: Neighbours,
    /// Links in the list by time of the first packet of the record; used with an active timeout.
    pub(super) age: Neighbours,
    interface: u32,
    icmp: u16,
    facts: Facts,
    tos: u8,
    basis: InitiatorBasis,
    pub(super) state: State,
    source_mac: [u8; 6],
    destination_mac: [u8; 6],
    handshake: HandshakeWatch,
}

impl Entry {
    pub(super) fn new(key: FlowKey, from: KeySide, shift: u64, packet: &Packet) -> Self {
        let none = Neighbours { before: 0, after: 0 };
        let (initiator, basis) = initiator(from, packet);
        let mut facts = Facts::default();
        facts.set(Facts::HAS_ICMP, packet.icmp_type_code().is_some());
        facts.set(Facts::HAS_MACS, packet.has_macs);
        facts.set(Facts::INITIATOR_IS_HIGH, initiator == KeySide::High);
        facts.set(Facts::FIRST_IS_HIGH, from == KeySide::High);
        Self {
            key,
            last_ns: packet.time_ns,
            listed_ns: packet.time_ns.wrapping_add(shift),
            low: Sent::default(),
            high: Sent::default(),
            first_ns: packet.time_ns,
            shift,
            activity: none,
            age: none,
            interface: packet.interface,
            icmp: packet.icmp,
            facts,
            tos: packet.tos,
            basis,
            state: State::Unanswered,
            source_mac: packet.source_mac,
            destination_mac: packet.destination_mac,
            handshake: HandshakeWatch::default(),
        }
    }

    /// When its last packet came, in the table's time.
    #[inline]
    pub(super) const fn seen_ns(&self) -> u64 {
        self.last_ns.wrapping_add(self.shift)
    }

    /// When its record began, in the table's time.
    pub(super) const fn record_from_ns(&self) -> u64 {
        self.first_ns.wrapping_add(self.shift)
    }

    /// Whether a packet at `time_ns` begins a record: there was no packet since the last record, or the current record
    /// is older than the active timeout.
    #[inline]
    pub(super) const fn begins_record(&self, time_ns: u64, active_timeout_ns: u64) -> bool {
        self.packets() == 0 || time_ns.saturating_sub(self.first_ns) >= active_timeout_ns
    }

    /// Whether a packet with this shift belongs to another clock than the record: the clock was set, or a timestamp is
    /// wrong.
    #[inline]
    pub(super) const fn is_of_other_clock(&self, shift: u64, time_ns: u64, tolerance_ns: u64) -> bool {
        self.shift != shift || (time_ns < self.last_ns && self.last_ns - time_ns > tolerance_ns)
    }

    /// Switches to another clock. The last packet keeps its table time, but is at most `time_ns`. The handshake's
    /// duration becomes unknown.
    pub(super) fn set_clock(&mut self, shift: u64, time_ns: u64) {
        self.last_ns = self.seen_ns().wrapping_sub(shift).min(time_ns);
        self.shift = shift;
        self.first_ns = self.last_ns;
        self.handshake.give_up();
    }

    /// The side that probably began the flow.
    pub(super) const fn initiator(&self) -> KeySide {
        self.facts.side(Facts::INITIATOR_IS_HIGH)
    }

    pub(super) const fn sent(&self, end: KeySide) -> &Sent {
        match end {
            KeySide::Low => &self.low,
            KeySide::High => &self.high,
        }
    }

    pub(super) const fn sent_mut(&mut self, end: KeySide) -> &mut Sent {
        match end {
            KeySide::Low => &mut self.low,
            KeySide::High => &mut self.high,
        }
    }

    /// Whether payloads of the flow were read.
    pub(super) const fn is_watched(&self) -> bool {
        self.low.facts.has(Sent::IS_WATCHED) || self.high.facts.has(Sent::IS_WATCHED)
    }

    pub(super) const fn set_watched(&mut self) {
        self.low.facts.set(Sent::IS_WATCHED, true);
        self.high.facts.set(Sent::IS_WATCHED, true);
    }

    /// Whether it is a TCP connection of which [`super::health`] has figures.
    pub(super) const fn is_measured(&self) -> bool {
        self.low.facts.has(Sent::IS_MEASURED)
    }

    pub(super) const fn set_measured(&mut self) {
        self.low.facts.set(Sent::IS_MEASURED, true);
        self.high.facts.set(Sent::IS_MEASURED, true);
    }

    /// The side that opened the connection; none: no SYN was seen.
    pub(super) fn client(&self) -> Option<KeySide> {
        (self.basis == InitiatorBasis::Syn).then(|| self.initiator())
    }

    /// Packets since the last record.
    pub(super) const fn packets(&self) -> u64 {
        self.low.packets + self.high.packets
    }

    /// Counts a packet that `from` sent.
    #[inline]
    pub(super) fn add(&mut self, from: KeySide, packet: &Packet) {
        let is_first = self.packets() == 0;
        let sent = self.sent_mut(from);
        sent.packets += 1;
        sent.octets += u64::from(packet.octets);
        sent.frame_octets += u64::from(packet.frame_octets);
        sent.tcp_flags |= packet.tcp_flags;
        sent.facts.add(packet.marks.beyond_frame());
        if packet.protocol != Protocol::TCP {
            sent.mark = micros(packet.time_ns);
        }
        if is_first || !sent.has_sent() || packet.time_ns < self.last_ns || self.handshake.is_answered() {
            self.add_special(from, packet, is_first);
        }
        self.last_ns = self.last_ns.max(packet.time_ns);
    }

    /// Whether `packet`, which is not the first, shows that the flow is answered or is more than an attempt.
    #[inline]
    pub(super) const fn is_answered_by(&self, packet: &Packet) -> bool {
        (self.low.has_sent() && self.high.has_sent()) || packet.tcp_flags & TcpFlags::SYN == 0
    }

    /// Updates for special packets: the first one of a record or of a side, the end of a handshake, or one out of
    /// order.
    fn add_special(&mut self, from: KeySide, packet: &Packet, is_first: bool) {
        let earliest = if is_first { packet.time_ns } else { self.first_ns };
        self.first_ns = earliest.min(packet.time_ns);
        let is_its_first = !self.sent(from).has_sent();
        self.sent_mut(from).facts.set(Sent::HAS_SENT, true);
        if is_its_first && from == self.initiator() {
            self.tos = packet.tos;
        }
        if from == self.initiator() {
            self.handshake.acknowledged(packet);
        }
    }

    /// Handles a SYN: notes its sequence number and the initiator.
    pub(super) fn note_syn(&mut self, from: KeySide, packet: &Packet) {
        if self.basis != InitiatorBasis::Syn {
            let (initiator, basis) = initiator(from, packet);
            self.facts.set(Facts::INITIATOR_IS_HIGH, initiator == KeySide::High);
            self.basis = basis;
        }
        let sent = self.sent_mut(from);
        sent.facts.set(Sent::HAS_SYN, true);
        sent.mark = packet.tcp_sequence;
        self.handshake.syn(packet);
    }

    /// Resets the counters after a record of a flow that continues.
    pub(super) const fn begin_record(&mut self) {
        self.low.begin_record();
        self.high.begin_record();
        self.handshake.begin_record();
    }

    /// The record with the current counters.
    pub(super) fn flow(&self, reason: FlowEndReason, detail: FlowEndDetail, interface: &(u32, Arc<str>)) -> Flow {
        let key = &self.key;
        let (source, destination) = (key.end(self.initiator()), key.end(self.initiator().other()));
        Flow {
            vlan: (key.vlan != 0).then_some(key.vlan),
            icmp_type_code: self.facts.has(Facts::HAS_ICMP).then_some(self.icmp),
            forward: self.sent(self.initiator()).counters(),
            reverse: self.sent(self.initiator().other()).counters(),
            ip_class_of_service: self.tos,
            macs: self.macs(),
            interface_index: interface.0,
            interface: Arc::clone(&interface.1),
            end_reason: reason,
            end_detail: detail,
            initiator: self.basis,
            handshake: self.handshake.handshake(),
            initial_sequences: self.initial_sequences(),
            network_namespace: (key.namespace != 0).then_some(key.namespace),
            is_gapless: self.is_gapless(),
            ..Flow::new(key.protocol, source, destination, (self.first_ns, self.last_ns))
        }
    }

    /// Sequence numbers of the SYNs of source and destination.
    fn initial_sequences(&self) -> Option<InitialSequences> {
        let of = |side: KeySide| self.sent(side).syn_sequence().filter(|_| self.key.protocol == Protocol::TCP);
        Some(InitialSequences { source: of(self.initiator())?, destination: of(self.initiator().other())? })
    }

    /// Whether an end that was seen proves that no packet before it is of another connection.
    const fn is_gapless(&self) -> bool {
        let (low, high) = (self.low.facts, self.high.facts);
        let has_gap = low.has(Sent::HAS_GAP) || high.has(Sent::HAS_GAP);
        !has_gap && (low.has(Sent::IS_GAPLESS) || high.has(Sent::IS_GAPLESS))
    }

    /// The MAC addresses of the first packet, swapped if its sender is not the initiator.
    fn macs(&self) -> Option<([u8; 6], [u8; 6])> {
        let as_sent = (self.source_mac, self.destination_mac);
        let turned = (self.destination_mac, self.source_mac);
        let is_as_sent = self.facts.side(Facts::FIRST_IS_HIGH) == self.initiator();
        self.facts.has(Facts::HAS_MACS).then_some(if is_as_sent { as_sent } else { turned })
    }

    /// Notes the tunnel of the first packet.
    pub(super) fn set_tunnel(&mut self, tunnel: &PacketTunnel) {
        self.facts.set(Facts::TUNNEL_IS_FROM_HIGH, tunnel.is_from_high());
    }

    /// The tunnel around the flow, as seen from its source.
    pub(super) fn tunnel(&self, tunnels: &TunnelTable) -> Option<Box<Tunnel>> {
        let tunnel = tunnels.get(self.key.tunnel)?;
        let first_is_source = self.facts.side(Facts::FIRST_IS_HIGH) == self.initiator();
        let is_from_high = self.facts.has(Facts::TUNNEL_IS_FROM_HIGH) == first_is_source;
        let id = |side: KeySide| tunnels.get(self.sent(side).tunnel).and_then(PacketTunnel::id);
        Some(Box::new(tunnel.record(is_from_high, [id(self.initiator()), id(self.initiator().other())])))
    }

    pub(super) const fn interface(&self) -> u32 {
        self.interface
    }

    pub(super) const fn has_paths(&self) -> bool {
        self.facts.has(Facts::HAS_PATHS)
    }

    /// Whether only this interface sees the flow, and saw its first packet on this side of an address translation.
    #[inline]
    pub(super) const fn is_seen_only_at(&self, interface: u32, side: Side) -> bool {
        self.interface == interface && self.facts.seen_on_one_side(side)
    }

    /// On which side of an address translation its first packet was seen.
    pub(super) const fn first_side(&self) -> Side {
        match (self.facts.has(Facts::FIRST_IS_AFTER), self.facts.has(Facts::FIRST_IS_BETWEEN)) {
            (true, _) => Side::After,
            (_, true) => Side::Between,
            _ => Side::Before,
        }
    }

    pub(super) fn set_first_side(&mut self, side: Side) {
        self.facts.set_first_side(side);
    }

    /// Stands under another key from now on, whose sides may be the other way round.
    pub(super) const fn set_key(&mut self, key: FlowKey, is_turned: bool) {
        self.key = key;
        if is_turned {
            std::mem::swap(&mut self.low, &mut self.high);
            self.facts = self.facts.turned();
        }
    }

    pub(super) const fn set_has_paths(&mut self) {
        self.facts.set(Facts::HAS_PATHS, true);
    }
}

/// The initiator according to this packet.
const fn initiator(from: KeySide, packet: &Packet) -> (KeySide, InitiatorBasis) {
    match packet.tcp_flags & (TcpFlags::SYN | TcpFlags::ACK) {
        TcpFlags::SYN => (from, InitiatorBasis::Syn),
        flags if flags & TcpFlags::SYN != 0 => (from.other(), InitiatorBasis::Syn),
        _ => (from, InitiatorBasis::FirstPacket),
    }
}
