//! A packet with the tunnel around it.

use super::{Rest, Target};
use crate::packet::Packet;
use crate::tunnel::PacketTunnel;

/// A packet, the tunnel around it, and the data after its IP header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) packet: Packet,
    pub(super) tunnel: Option<PacketTunnel>,
    pub(super) behind: Rest<'a>,
    /// Whether the packet continues in later fragments of the outer one.
    pub(super) goes_on: bool,
}

impl<'a> Layer<'a> {
    pub(super) const fn new(packet: Packet, tunnel: Option<PacketTunnel>, goes_on: bool) -> Self {
        Self { packet, tunnel, behind: Rest { data: &[], cut: 0 }, goes_on }
    }
}

impl<'a> Target<'a> for Layer<'a> {
    fn packet(&mut self) -> &mut Packet {
        &mut self.packet
    }

    fn goes_on(&self) -> bool {
        self.goes_on
    }

    fn behind(&mut self, rest: Rest<'a>, data: &'a [u8], octets: u32) {
        self.behind = rest.behind(data, octets);
    }
}
