//! A packet with the tunnel around it.

use super::{Excess, Rest, Target};
use crate::packet::{Marks, Packet};
use crate::tunnel::PacketTunnel;

/// The length of a datagram in its header; none: the header has none.
fn whole_octets(rest: Rest<'_>) -> Option<u32> {
    let (at, header) = if rest.data.first()? >> 4 == 4 { (2, 0) } else { (4, 40) };
    rest.be16(at).filter(|octets| *octets != 0).map(|octets| u32::from(octets) + header)
}

/// A packet, the tunnel around it, and the data after its IP header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) packet: Packet,
    pub(super) tunnel: Option<PacketTunnel>,
    pub(super) behind: Rest<'a>,
    /// The captured part of the datagram, with its IP header.
    pub(super) datagram: &'a [u8],
    /// Whether the packet continues in later fragments of the outer one.
    pub(super) goes_on: bool,
    /// Bytes of the datagram behind its IP header, also those in later fragments of the outer packet; 0: it has no header here.
    pub(super) octets_behind: u32,
}

impl<'a> Layer<'a> {
    pub(super) const fn new(packet: Packet, tunnel: Option<PacketTunnel>, goes_on: bool) -> Self {
        Self { packet, tunnel, behind: Rest { data: &[], cut: 0 }, datagram: &[], goes_on, octets_behind: 0 }
    }
}

impl<'a> Target<'a> for Layer<'a> {
    fn packet(&mut self) -> &mut Packet {
        &mut self.packet
    }

    /// A packet in a tunnel whose own packet is longer than the frame is longer too.
    fn excess(&self) -> Excess {
        match self.tunnel {
            _ if self.goes_on => Excess::InLaterFragments,
            Some(_) if !self.packet.marks.has(Marks::BEYOND_FRAME) => Excess::Refuted,
            _ => Excess::Marked,
        }
    }

    fn behind(&mut self, rest: Rest<'a>, data: &'a [u8], octets: u32) {
        self.behind = rest.behind(data, octets);
        self.datagram = rest.within(0, octets);
        let later = if self.goes_on { whole_octets(rest).map_or(0, |whole| whole.saturating_sub(octets)) } else { 0 };
        self.octets_behind = self.behind.on_the_wire().saturating_add(later);
    }
}
