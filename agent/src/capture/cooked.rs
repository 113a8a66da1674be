//! The header of Linux cooked capture version 2, apart from the protocol.

/// `PACKET_OUTGOING` of linux/if_packet.h.
const PACKET_OUTGOING: u8 = 4;
/// linux/if_arp.h.
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
const SLL2_HEADER_BYTES: u32 = 20;
const ETHERNET_HEADER_BYTES: u32 = 14;

/// The header of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cooked {
    /// The kernel's index of the interface.
    pub(super) interface_index: u32,
    hardware: u16,
    packet_type: u8,
}

impl Cooked {
    /// Fields: protocol, reserved, interface index (4), ARPHRD type, packet type (1), address length (1), address (8).
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let [_, _, _, _, i0, i1, i2, i3, h0, h1, packet_type] = *data.first_chunk()?;
        Some(Self {
            interface_index: u32::from_be_bytes([i0, i1, i2, i3]),
            hardware: u16::from_be_bytes([h0, h1]),
            packet_type,
        })
    }

    /// Whether this is the sent copy of a loopback packet, which is seen again when it is received.
    pub(super) const fn is_loopback_copy(self) -> bool {
        self.hardware == ARPHRD_LOOPBACK && self.packet_type == PACKET_OUTGOING
    }

    /// Length of the frame, bytes, before the kernel replaced its link-layer header with this one.
    pub(super) const fn frame_octets(self, cooked_octets: u32) -> u32 {
        let link = if matches!(self.hardware, ARPHRD_ETHER | ARPHRD_LOOPBACK) { ETHERNET_HEADER_BYTES } else { 0 };
        cooked_octets.saturating_sub(SLL2_HEADER_BYTES) + link
    }
}
