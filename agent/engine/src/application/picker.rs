//! Picks payloads from decoded packets.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use pidflow_schema::record::Protocol;

use super::{MAX_MESSAGE, Payloads, signature};
use crate::packet::{Fragment, Packet, TcpFlags};

/// The number of messages whose next segment is waited for. A new one takes the place of another.
const MAX_OPEN: usize = 64;
const UDP_HEADER: usize = 8;

/// A message that continues in the next segment of its connection.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    /// Hash of addresses and ports.
    connection: u64,
    /// Sequence number of the next segment.
    sequence: u32,
    /// Bytes that the message still needs; 0: nothing is waited for.
    needed: u32,
}

/// Picks the payloads that may begin or continue a message of a known protocol.
#[derive(Debug)]
pub(crate) struct Picker {
    payloads: Payloads,
    open: Box<[Open; MAX_OPEN]>,
    /// How many messages are open.
    waiting: usize,
    hasher: RandomState,
}

impl Picker {
    /// Nothing was picked yet.
    pub(crate) fn new() -> Self {
        let open = Box::new([Open::default(); MAX_OPEN]);
        Self { payloads: Payloads::default(), open, waiting: 0, hasher: RandomState::default() }
    }

    /// The payloads picked since the last call.
    pub(crate) fn take(&mut self) -> Payloads {
        std::mem::take(&mut self.payloads)
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
                if let Some(picked) = signature::udp(payload).and_then(|octets| payload.get(..octets)) {
                    packet.payload = self.payloads.push(picked);
                }
            }
            _ => {}
        }
    }

    #[inline]
    fn look_at_tcp(&mut self, packet: &mut Packet, behind: &[u8]) {
        let Some(offset) = behind.get(12).map(|offset| usize::from(offset >> 4) * 4) else { return };
        let payload = behind.get(offset..).unwrap_or_default();
        if payload.is_empty() || offset < 20 {
            return;
        }
        let needed = if self.waiting == 0 { None } else { self.continued(packet, payload) };
        if let Some(needed) = needed.or_else(|| signature::tcp(payload)) {
            self.pick(packet, payload, needed);
        }
    }

    #[cold]
    #[inline(never)]
    fn pick(&mut self, packet: &mut Packet, payload: &[u8], needed: usize) {
        let picked = payload.get(..needed.min(payload.len())).unwrap_or_default();
        packet.payload = self.payloads.push(picked);
        if let Some(rest) = needed.checked_sub(payload.len()).filter(|rest| *rest > 0) {
            let connection = self.connection(packet);
            let sequence = first_sequence(packet).wrapping_add(length(payload));
            let open = Open { connection, sequence, needed: u32::try_from(rest.min(MAX_MESSAGE)).unwrap_or(0) };
            if let Some(place) = self.open.get_mut(place(connection)) {
                self.waiting += usize::from(place.needed == 0);
                *place = open;
            }
        }
    }

    /// How many bytes of this segment and later ones the open message of its connection needs; none: it has none.
    #[cold]
    #[inline(never)]
    fn continued(&mut self, packet: &Packet, payload: &[u8]) -> Option<usize> {
        let connection = self.connection(packet);
        let open = self.open.get_mut(place(connection))?;
        if open.needed == 0 || open.connection != connection || open.sequence != first_sequence(packet) {
            return None;
        }
        self.waiting = self.waiting.saturating_sub(1);
        let needed = std::mem::take(&mut open.needed) as usize;
        Some(if signature::has_whole_head(payload) { needed.min(payload.len()) } else { needed })
    }

    fn connection(&self, packet: &Packet) -> u64 {
        let Packet { source_bits, destination_bits, source_port, destination_port, .. } = *packet;
        self.hasher.hash_one((source_bits, destination_bits, source_port, destination_port))
    }
}

fn place(connection: u64) -> usize {
    connection as usize % MAX_OPEN
}

/// Sequence number of the first byte of a segment's data; a SYN takes a number before it.
pub(super) fn first_sequence(packet: &Packet) -> u32 {
    packet.tcp_sequence.wrapping_add(u32::from(packet.tcp_flags & TcpFlags::SYN != 0))
}

fn length(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX)
}
