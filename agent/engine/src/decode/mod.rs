//! Decodes the bytes of a frame to a [`Packet`], or to the reason why it is discarded.

mod discard;
mod fragment;
mod frame_count;
mod ip;
mod layer;
mod link;
mod mpls;
mod open;
mod payload;
mod ppp;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;
mod wlan;

pub use discard::{Discard, DiscardCounters};
pub use frame_count::FrameCount;
pub use link::LinkType;

use crate::application::Picker;
use crate::packet::{Family, Fragment, Marks, Packet};
use crate::segment::Segments;
use crate::tunnel::PacketTunnel;
pub(crate) use fragment::Datagram;
use fragment::FragmentTable;

/// A captured frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// When it was captured, nanoseconds since the epoch.
    pub time_ns: u64,
    /// Its length on the wire, bytes; may be more than was captured.
    pub wire_octets: u32,
    /// Number of the interface, copied to the packet.
    pub interface: u32,
    /// The captured data, from the link-layer header on.
    pub data: &'a [u8],
}

/// How to handle later IP fragments, which have no ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fragments {
    /// They get the ports of the first fragment if it was seen before, otherwise 0. The flow table assigns the ports if
    /// the first fragment arrives soon after.
    #[default]
    Join,
    /// They are discarded as [`Discard::LaterFragment`].
    Separate,
}

/// Whether a tunnel's packet is counted as the inner or the outer packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tunnels {
    /// As the inner packet, in a flow of its addresses and of this tunnel.
    #[default]
    Inner,
    /// As the outer packet. No tunnel is opened.
    Outer,
}

/// Whether payloads are picked for [`crate::application`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PayloadRule {
    /// Payloads are not looked at.
    #[default]
    Ignore,
    /// Payloads that may begin a message of a known protocol are picked.
    Pick,
}

/// Whether TCP headers are read beyond ports, sequence number and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TcpRule {
    /// They are not.
    #[default]
    Ignore,
    /// They are, for the flow table's figures of connections ([`pidflow_schema::TcpHealth`]).
    Measure,
}

/// Options of the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeRules {
    /// How to handle later IP fragments.
    pub fragments: Fragments,
    /// How to count packets in tunnels.
    pub tunnels: Tunnels,
    /// Whether payloads are picked.
    pub payloads: PayloadRule,
    /// Whether TCP headers are read.
    pub tcp: TcpRule,
}

impl From<Fragments> for DecodeRules {
    /// These fragments with defaults for everything else.
    fn from(fragments: Fragments) -> Self {
        Self { fragments, ..Self::default() }
    }
}

/// Decodes frames. Keeps only a small bounded table of fragmented IP datagrams, and the tunnels of one batch.
#[derive(Debug, Default)]
pub struct Decoder {
    rules: DecodeRules,
    fragments: FragmentTable,
    tunnels: Vec<PacketTunnel>,
    /// None: no payload is picked.
    picker: Option<Box<Picker>>,
    segments: Segments,
    /// Whether payloads or TCP headers are read.
    looks_closer: bool,
}

impl Decoder {
    /// A decoder with these rules.
    #[must_use]
    pub fn new(rules: DecodeRules) -> Self {
        let picker = (rules.payloads == PayloadRule::Pick).then(|| Box::new(Picker::new()));
        let looks_closer = picker.is_some() || rules.tcp == TcpRule::Measure;
        Self { rules, picker, looks_closer, ..Self::default() }
    }

    /// Whether payloads are picked from now on, if the rules say that they are.
    pub fn read_payloads(&mut self, reads: bool) {
        if reads == self.picker.is_some() || self.rules.payloads != PayloadRule::Pick {
            return;
        }
        self.picker = reads.then(|| Box::new(Picker::new()));
        self.looks_closer = reads || self.rules.tcp == TcpRule::Measure;
    }

    /// Decodes one frame of a link of type `link`.
    ///
    /// # Errors
    /// The reason why the frame belongs to no flow; the caller counts it.
    #[inline]
    pub fn decode(&mut self, link: LinkType, frame: &Frame<'_>) -> Result<Packet, Discard> {
        if self.looks_closer {
            return self.decode_with_payload(link, frame);
        }
        let mut packet = blank(frame);
        link::decode(link, Rest::new(frame), &mut packet)?;
        if packet.fragment != Fragment::Whole || tunnel::may_begin(&packet) {
            packet = self.look_inside(link, frame)?.packet;
        }
        Ok(packet)
    }
}

/// What a length in an IP header means that is greater than the rest of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    /// The packet counts with what is there, and is marked: its sender or what captured it is wrong.
    Marked,
    /// The rest of the datagram is in later fragments of the outer one.
    InLaterFragments,
    /// The bytes are no packet: tunnels are found by ports, which prove little.
    Refuted,
}

/// The output of decoding.
trait Target<'a> {
    /// The packet that is filled.
    fn packet(&mut self) -> &mut Packet;
    /// What a length in an IP header means that is greater than the rest of the frame.
    fn excess(&self) -> Excess;
    /// Notes that the IP header at `rest`, of a datagram of `octets` bytes, is followed by `data`.
    fn behind(&mut self, rest: Rest<'a>, data: &'a [u8], octets: u32);
}

/// The output for most packets, which need no [`Layer`](layer::Layer).
impl<'a> Target<'a> for Packet {
    #[inline]
    fn packet(&mut self) -> &mut Packet {
        self
    }

    #[inline]
    fn excess(&self) -> Excess {
        Excess::Marked
    }

    #[inline]
    fn behind(&mut self, _: Rest<'a>, _: &'a [u8], _: u32) {}
}

/// The rest of a frame after the headers that have been decoded.
#[derive(Debug, Clone, Copy)]
struct Rest<'a> {
    data: &'a [u8],
    /// Bytes that the capture cut off at the end of the frame.
    cut: u32,
}

impl<'a> Rest<'a> {
    #[inline]
    fn new(frame: &Frame<'a>) -> Self {
        Self { data: frame.data, cut: frame.wire_octets.saturating_sub(length(frame.data)) }
    }

    /// Without the first `octets` bytes; empty if there are fewer.
    #[inline]
    fn after(self, octets: usize) -> Self {
        Self { data: self.data.get(octets..).unwrap_or_default(), ..self }
    }

    /// This rest begins with the IP header of a datagram of `octets` bytes, which is followed by `data`: the same from there on.
    #[inline]
    fn behind(self, data: &'a [u8], octets: u32) -> Self {
        Self { data, cut: octets - length(self.data).min(octets) }
    }

    /// Length on the wire, bytes, including link-layer padding.
    #[inline]
    fn on_the_wire(self) -> u32 {
        length(self.data).saturating_add(self.cut)
    }

    /// The captured part of the first `octets` bytes, without a header of `header_octets` bytes.
    #[inline]
    fn within(self, header_octets: usize, octets: u32) -> &'a [u8] {
        let end = self.data.len().min(octets as usize);
        self.data.get(header_octets..end).unwrap_or_default()
    }

    /// The first `N` bytes; none: there are fewer.
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
        payload: 0,
        segment: 0,
        family: Family::V4,
        protocol: 0,
        tcp_flags: 0,
        tos: 0,
        fragment: Fragment::Whole,
        ttl: 0,
        marks: Marks::NONE,
        has_macs: false,
        source_mac: [0; 6],
        destination_mac: [0; 6],
    }
}
