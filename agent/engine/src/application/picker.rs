//! Picks payloads from decoded packets.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use pidflow_schema::record::Protocol;

use super::early::Early;
use super::recent::Recent;
use super::{MAX_MESSAGE, Payloads, signature, vpn};
use crate::packet::{Fragment, Packet, TcpFlags};

const UDP_HEADER: usize = 8;

/// A message that continues in the next segment of its connection.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Sequence number of the next segment.
    sequence: u32,
    /// Bytes that the message still needs.
    needed: u32,
}

/// Picks the payloads that may begin or continue a message of a known protocol.
#[derive(Debug)]
pub(crate) struct Picker {
    payloads: Payloads,
    open: Recent<Open>,
    early: Early,
    hasher: RandomState,
}

/// How a segment stands to the open message of its connection.
enum Place {
    /// It continues the message, which needs so many bytes from the segment's first one on.
    Next(usize),
    /// It belongs to the message, and was picked already, or is kept until the ones before it have come.
    Known,
    /// There is no open message, or it does not belong to it.
    Elsewhere,
}

impl Picker {
    /// Nothing was picked yet.
    pub(crate) fn new() -> Self {
        Self { payloads: Payloads::default(), open: Recent::new(), early: Early::new(), hasher: RandomState::default() }
    }

    /// The payloads picked since the last call.
    pub(crate) fn take(&mut self) -> Payloads {
        std::mem::take(&mut self.payloads)
    }

    /// Adds a whole packet.
    pub(crate) fn push_packet(&mut self, packet: &mut Packet, datagram: &[u8]) {
        packet.payload = self.payloads.push_packet(packet.payload, datagram);
    }

    /// Picks the payload of a packet if it is worth reading. `behind` is the packet from the transport header on.
    #[inline]
    pub(crate) fn look(&mut self, packet: &mut Packet, behind: &[u8]) {
        if packet.fragment != Fragment::Whole {
            return;
        }
        match packet.protocol {
            Protocol::TCP => self.look_at_tcp(packet, behind),
            Protocol::UDP => {
                let payload = behind.get(UDP_HEADER..).unwrap_or_default();
                let ports = [packet.source_port, packet.destination_port];
                let octets = signature::udp(payload).or_else(|| vpn::octets(ports, payload));
                if let Some(picked) = octets.and_then(|octets| payload.get(..octets)) {
                    packet.payload = self.payloads.push(picked);
                }
            }
            vpn::ESP => {
                if let Some(header) = vpn::esp_header(behind) {
                    packet.payload = self.payloads.push(header);
                }
            }
            _ => {}
        }
    }

    #[inline]
    fn look_at_tcp(&mut self, packet: &mut Packet, behind: &[u8]) {
        let Some(offset) = behind.get(12).map(|offset| usize::from(offset >> 4) * 4) else { return };
        if packet.tcp_flags & TcpFlags::SYN != 0 {
            self.begin(packet);
        }
        let payload = behind.get(offset..).unwrap_or_default();
        if payload.is_empty() || offset < 20 {
            return;
        }
        match if self.open.is_empty() { Place::Elsewhere } else { self.place(packet, payload) } {
            Place::Next(needed) => self.pick(packet, payload, needed),
            Place::Known => {}
            Place::Elsewhere => match signature::tcp(payload) {
                Some(needed) => self.pick(packet, payload, needed),
                None if self.early.is_waiting() => {
                    let dropped = self.early.look(self.connection(packet), first_sequence(packet), payload);
                    self.payloads.leave_out(dropped);
                }
                None => {}
            },
        }
    }

    /// A connection begins, or its SYN is sent again.
    #[cold]
    #[inline(never)]
    fn begin(&mut self, packet: &Packet) {
        let connection = self.connection(packet);
        self.early.begin(connection, first_sequence(packet));
        self.open.remove(connection);
    }

    #[cold]
    #[inline(never)]
    fn pick(&mut self, packet: &mut Packet, payload: &[u8], needed: usize) {
        let connection = self.connection(packet);
        self.early.has_begun(connection);
        let mut picked = payload.get(..needed.min(payload.len())).unwrap_or_default().to_vec();
        self.early.follow(connection, first_sequence(packet), needed, &mut picked);
        packet.payload = self.payloads.push(&picked);
        let is_whole = |needed: usize| needed <= picked.len();
        let is_over = picked.len() > payload.len()
            && signature::tcp(&picked).map_or_else(|| signature::has_whole_head(&picked), is_whole);
        if let Some(rest) = needed.checked_sub(picked.len()).filter(|rest| *rest > 0 && !is_over) {
            let sequence = first_sequence(packet).wrapping_add(length(&picked));
            let needed = u32::try_from(rest.min(MAX_MESSAGE)).unwrap_or(0);
            self.open.insert(connection, Open { sequence, needed });
        }
    }

    #[cold]
    #[inline(never)]
    fn place(&mut self, packet: &Packet, payload: &[u8]) -> Place {
        let (connection, sequence) = (self.connection(packet), first_sequence(packet));
        let Some(open) = self.open.get(connection) else { return Place::Elsewhere };
        let (ahead, behind) = (sequence.wrapping_sub(open.sequence), open.sequence.wrapping_sub(sequence));
        if (1..open.needed).contains(&ahead) {
            let dropped = self.early.keep(connection, sequence, payload);
            self.payloads.leave_out(dropped);
            return Place::Known;
        }
        if behind >= length(payload) {
            return if behind < MAX_MESSAGE as u32 { Place::Known } else { Place::Elsewhere };
        }
        self.open.remove(connection);
        let needed = (open.needed + behind) as usize;
        Place::Next(if signature::has_whole_head(payload) { needed.min(payload.len()) } else { needed })
    }

    fn connection(&self, packet: &Packet) -> u64 {
        let Packet { source_bits, destination_bits, source_port, destination_port, .. } = *packet;
        self.hasher.hash_one((source_bits, destination_bits, source_port, destination_port))
    }
}

/// Sequence number of the first byte of a segment's data; a SYN takes a number before it.
pub(super) fn first_sequence(packet: &Packet) -> u32 {
    packet.tcp_sequence.wrapping_add(u32::from(packet.tcp_flags & TcpFlags::SYN != 0))
}

fn length(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX)
}
