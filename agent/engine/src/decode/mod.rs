//! Decodes the bytes of a frame to a [`Packet`], or to the reason why it is discarded.

mod discard;
mod fragment;
mod frame_count;
mod ip;
mod link;
mod open;
mod ppp;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;

pub use discard::{Discard, DiscardCounters};
pub use frame_count::FrameCount;
pub use link::LinkType;

use crate::packet::{Family, Fragment, Packet};
use crate::tunnel::PacketTunnel;
pub(crate) use fragment::Datagram;
use fragment::FragmentTable;

/// A captured frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// When it was captured, nanoseconds since the epoch.
    pub time_ns: u64,
    /// Its length on the wire, octets; may be more than was captured.
    pub wire_octets: u32,
    /// Number of the interface, copied to the packet.
    pub interface: u32,
    /// What was captured of it, from the link-layer header on.
    pub data: &'a [u8],
}

/// How to handle IP fragments behind the first one, which have no ports of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fragments {
    /// They get the ports of the first fragment where that was seen before, else 0; the flow table gives them those of
    /// one that comes soon after.
    #[default]
    Join,
    /// They are discarded as [`Discard::LaterFragment`].
    Separate,
}

/// Which packet a tunnel's packets are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tunnels {
    /// As the packet inside, which is in a flow of its own addresses and of this tunnel.
    #[default]
    Inner,
    /// As the packet outside; nothing is opened.
    Outer,
}

/// How to decode what may be decoded in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeRules {
    /// Later IP fragments.
    pub fragments: Fragments,
    /// Tunnels.
    pub tunnels: Tunnels,
}

impl From<Fragments> for DecodeRules {
    /// All else as it is by default.
    fn from(fragments: Fragments) -> Self {
        Self { fragments, ..Self::default() }
    }
}

/// Decodes frames. Keeps only a small bounded table of IP datagrams whose fragments are under way, and the tunnels of
/// one batch.
#[derive(Debug, Default)]
pub struct Decoder {
    rules: DecodeRules,
    fragments: FragmentTable,
    tunnels: Vec<PacketTunnel>,
}

impl Decoder {
    /// A decoder with these rules.
    #[must_use]
    pub fn new(rules: DecodeRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Decodes one frame of a link of type `link`.
    ///
    /// # Errors
    /// The reason why the frame belongs to no flow; the caller counts it.
    #[inline]
    pub fn decode(&mut self, link: LinkType, frame: &Frame<'_>) -> Result<Packet, Discard> {
        let mut packet = blank(frame);
        link::decode(link, Rest::new(frame), &mut packet)?;
        if packet.fragment != Fragment::Whole || tunnel::may_begin(&packet) {
            self.look_inside(link, frame, &mut packet)?;
        }
        Ok(packet)
    }
}

/// Where decoded headers go.
trait Target<'a> {
    /// The packet that is filled.
    fn packet(&mut self) -> &mut Packet;
    /// Whether the datagram goes on in later fragments of the one around it.
    fn goes_on(&self) -> bool;
    /// The IP header at `rest`, of a datagram of so many octets, has `data` behind it.
    fn behind(&mut self, rest: Rest<'a>, data: &'a [u8], octets: u32);
}

/// Most packets need nothing else.
impl<'a> Target<'a> for Packet {
    #[inline]
    fn packet(&mut self) -> &mut Packet {
        self
    }

    #[inline]
    fn goes_on(&self) -> bool {
        false
    }

    #[inline]
    fn behind(&mut self, _: Rest<'a>, _: &'a [u8], _: u32) {}
}

/// The rest of a frame behind the headers that are decoded.
#[derive(Debug, Clone, Copy)]
struct Rest<'a> {
    data: &'a [u8],
    /// How many octets the capture cut off at the end of the frame.
    cut: u32,
}

impl<'a> Rest<'a> {
    #[inline]
    fn new(frame: &Frame<'a>) -> Self {
        Self { data: frame.data, cut: frame.wire_octets.saturating_sub(length(frame.data)) }
    }

    /// Without the first `octets`; empty where there are fewer.
    #[inline]
    fn after(self, octets: usize) -> Self {
        Self { data: self.data.get(octets..).unwrap_or_default(), ..self }
    }

    /// How many octets this was on the wire, link-layer padding included.
    #[inline]
    fn on_the_wire(self) -> u32 {
        length(self.data).saturating_add(self.cut)
    }

    /// What was captured of the first `octets`, behind a header of `header_octets`.
    #[inline]
    fn within(self, header_octets: usize, octets: u32) -> &'a [u8] {
        let end = self.data.len().min(octets as usize);
        self.data.get(header_octets..end).unwrap_or_default()
    }

    /// The octets at the front, if there are so many.
    #[inline]
    fn front<const N: usize>(self) -> Option<&'a [u8; N]> {
        self.data.first_chunk()
    }

    /// The big-endian number at `offset`.
    #[inline]
    fn be16(self, offset: usize) -> Option<u16> {
        self.data.get(offset..)?.first_chunk().copied().map(u16::from_be_bytes)
    }
}

fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

const fn blank(frame: &Frame<'_>) -> Packet {
    Packet {
        source_bits: 0,
        destination_bits: 0,
        time_ns: frame.time_ns,
        octets: 0,
        frame_octets: frame.wire_octets,
        interface: frame.interface,
        tcp_sequence: 0,
        fragment_id: 0,
        tunnel: 0,
        source_port: 0,
        destination_port: 0,
        icmp: 0,
        vlan_id: 0,
        family: Family::V4,
        protocol: 0,
        tcp_flags: 0,
        tos: 0,
        fragment: Fragment::Whole,
        has_more_fragments: false,
        has_icmp: false,
        has_macs: false,
        source_mac: [0; 6],
        destination_mac: [0; 6],
    }
}
