//! One flow in the table.

use std::sync::Arc;

use pidflow_schema::record::{Counters, Flow, FlowEndDetail, FlowEndReason, InitiatorBasis, Protocol};

use super::handshake::Watch;
use super::key::{End, FlowKey};
use crate::packet::{Packet, TcpFlags, address};

/// Neighbours in one of the lists of [`super::list`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) before: u32,
    pub(super) after: u32,
}

/// What one end of the key sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    packets: u64,
    octets: u64,
    frame_octets: u64,
    /// TCP: sequence number of its SYN, where `has_syn`. Else: the microsecond of its last packet, in 32 bits.
    mark: u32,
    tcp_flags: u8,
    /// Of the whole flow, unlike `tcp_flags`, which begins anew with each record.
    pub(super) has_syn: bool,
    pub(super) has_fin: bool,
    /// Of the whole flow, unlike `packets`.
    pub(super) has_sent: bool,
}

impl Sent {
    const fn counters(&self) -> Counters {
        Counters {
            packets: self.packets,
            octets: self.octets,
            frame_octets: self.frame_octets,
            tcp_flags: self.tcp_flags,
        }
    }

    /// Sequence number of its SYN; none: it sent none.
    pub(super) fn syn_sequence(&self) -> Option<u32> {
        self.has_syn.then_some(self.mark)
    }

    /// When it sent last, seen from `now_ns` not more than an hour later; none: it has not. Not for TCP.
    pub(super) fn last_sent_ns(&self, now_ns: u64) -> Option<u64> {
        let ago = u64::from(micros(now_ns).wrapping_sub(self.mark)) * 1000;
        self.has_sent.then(|| now_ns.saturating_sub(ago))
    }

    const fn begin_record(&mut self) {
        self.packets = 0;
        self.octets = 0;
        self.frame_octets = 0;
        self.tcp_flags = 0;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "32 bits of microseconds last longer than any idle flow")]
pub(super) const fn micros(time_ns: u64) -> u32 {
    (time_ns / 1000) as u32
}

/// Whether a TCP connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Open,
    /// Both ends have sent FIN.
    Finished,
    Reset,
}

impl State {
    pub(super) const fn detail(self) -> FlowEndDetail {
        match self {
            Self::Open => FlowEndDetail::None,
            Self::Finished => FlowEndDetail::Fin,
            Self::Reset => FlowEndDetail::Rst,
        }
    }
}

/// One flow: three cache lines, of which most packets touch the first two.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Entry {
    pub(super) key: FlowKey,
    pub(super) last_ns: u64,
    /// When it was put at the end of the list of idle flows; `last_ns` is the same or up to a relisting interval
    /// later. Of a connection that has ended: when its end was seen.
    pub(super) listed_ns: u64,
    low: Sent,
    high: Sent,
    pub(super) first_ns: u64,
    /// In the list of idle or of closing flows.
    pub(super) activity: Link,
    /// In the list by time of the first packet of the record; used where there is an active timeout.
    pub(super) age: Link,
    pub(super) hash: u32,
    interface: u32,
    icmp: u16,
    has_icmp: bool,
    has_macs: bool,
    tos: u8,
    initiator: End,
    basis: InitiatorBasis,
    pub(super) state: State,
    /// Who sent the first packet of the flow.
    first_end: End,
    /// Whether its slot is in use.
    pub(super) live: bool,
    source_mac: [u8; 6],
    destination_mac: [u8; 6],
    handshake: Watch,
}

impl Entry {
    pub(super) fn new(key: FlowKey, hash: u32, from: End, packet: &Packet) -> Self {
        let none = Link { before: 0, after: 0 };
        let (initiator, basis) = initiator(from, packet);
        Self {
            key,
            last_ns: packet.time_ns,
            listed_ns: packet.time_ns,
            low: Sent::default(),
            high: Sent::default(),
            first_ns: packet.time_ns,
            activity: none,
            age: none,
            hash,
            interface: packet.interface,
            icmp: packet.icmp,
            has_icmp: packet.has_icmp,
            has_macs: packet.has_macs,
            tos: packet.tos,
            initiator,
            basis,
            state: State::Open,
            first_end: from,
            live: true,
            source_mac: packet.source_mac,
            destination_mac: packet.destination_mac,
            handshake: Watch::default(),
        }
    }

    pub(super) const fn sent(&self, end: End) -> &Sent {
        match end {
            End::Low => &self.low,
            End::High => &self.high,
        }
    }

    pub(super) const fn sent_mut(&mut self, end: End) -> &mut Sent {
        match end {
            End::Low => &mut self.low,
            End::High => &mut self.high,
        }
    }

    /// Packets since the last record.
    pub(super) const fn packets(&self) -> u64 {
        self.low.packets + self.high.packets
    }

    /// Counts a packet that `from` sent.
    #[inline]
    pub(super) fn add(&mut self, from: End, packet: &Packet) {
        let is_first = self.packets() == 0;
        let sent = self.sent_mut(from);
        sent.packets += 1;
        sent.octets += u64::from(packet.octets);
        sent.frame_octets += u64::from(packet.frame_octets);
        sent.tcp_flags |= packet.tcp_flags;
        if packet.protocol != Protocol::TCP {
            sent.mark = micros(packet.time_ns);
        }
        if is_first || !sent.has_sent || packet.time_ns < self.last_ns || self.handshake.is_answered() {
            self.add_special(from, packet, is_first);
        }
        self.last_ns = self.last_ns.max(packet.time_ns);
    }

    /// What only the first packet of a record or of an end changes, or the end of a handshake, or one out of order.
    fn add_special(&mut self, from: End, packet: &Packet, is_first: bool) {
        let earliest = if is_first { packet.time_ns } else { self.first_ns };
        self.first_ns = earliest.min(packet.time_ns);
        let is_its_first = !std::mem::replace(&mut self.sent_mut(from).has_sent, true);
        if is_its_first && from == self.initiator {
            self.tos = packet.tos;
        }
        if from == self.initiator {
            self.handshake.acknowledged(packet);
        }
    }

    /// Takes note of a SYN: its sequence number, and who the initiator is.
    pub(super) fn note_syn(&mut self, from: End, packet: &Packet) {
        if self.basis != InitiatorBasis::Syn {
            (self.initiator, self.basis) = initiator(from, packet);
        }
        let sent = self.sent_mut(from);
        sent.has_syn = true;
        sent.mark = packet.tcp_sequence;
        self.handshake.syn(packet);
    }

    /// After a record of a flow that goes on.
    pub(super) const fn begin_record(&mut self) {
        self.low.begin_record();
        self.high.begin_record();
        self.handshake.begin_record();
    }

    /// The record of what was counted.
    pub(super) fn flow(&self, reason: FlowEndReason, detail: FlowEndDetail, interface: &(u32, Arc<str>)) -> Flow {
        let key = &self.key;
        let low = (address(key.family, key.low), key.low_port);
        let high = (address(key.family, key.high), key.high_port);
        let from_low = self.initiator == End::Low;
        let (source, destination) = if from_low { (low, high) } else { (high, low) };
        Flow {
            vlan: (key.vlan != 0).then_some(key.vlan),
            icmp_type_code: self.has_icmp.then_some(self.icmp),
            forward: self.sent(self.initiator).counters(),
            reverse: self.sent(self.initiator.other()).counters(),
            ip_class_of_service: self.tos,
            macs: self.macs(),
            interface_index: interface.0,
            interface: Arc::clone(&interface.1),
            end_reason: reason,
            end_detail: detail,
            initiator: self.basis,
            handshake: self.handshake.handshake(),
            ..Flow::new(key.protocol, source, destination, (self.first_ns, self.last_ns))
        }
    }

    /// Those of the first packet, turned round where its sender turned out not to be the initiator.
    fn macs(&self) -> Option<([u8; 6], [u8; 6])> {
        let as_sent = (self.source_mac, self.destination_mac);
        let turned = (self.destination_mac, self.source_mac);
        self.has_macs.then_some(if self.first_end == self.initiator { as_sent } else { turned })
    }

    pub(super) const fn interface(&self) -> u32 {
        self.interface
    }
}

/// Who began the flow as far as this packet tells.
const fn initiator(from: End, packet: &Packet) -> (End, InitiatorBasis) {
    match packet.tcp_flags & (TcpFlags::SYN | TcpFlags::ACK) {
        TcpFlags::SYN => (from, InitiatorBasis::Syn),
        flags if flags & TcpFlags::SYN != 0 => (from.other(), InitiatorBasis::Syn),
        _ => (from, InitiatorBasis::FirstPacket),
    }
}
