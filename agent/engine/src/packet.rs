//! A packet as the flow table needs it: compact, `Copy`, without the captured bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TCP flag bits (RFC 9293 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFlags;

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement field is significant.
    pub const ACK: u8 = 0x10;
}

/// Address family of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Family {
    /// IPv4.
    V4 = 4,
    /// IPv6.
    V6 = 6,
}

/// The IP address of a [`Family`] from its bits: IPv4 in the low 32 bits, IPv6 in all 128.
pub(crate) const fn address(family: Family, bits: u128) -> IpAddr {
    match family {
        #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address is in the low 32 bits")]
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// The inverse of [`address`].
pub(crate) const fn address_bits(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(v4) => (Family::V4, v4.to_bits() as u128),
        IpAddr::V6(v6) => (Family::V6, v6.to_bits()),
    }
}

/// Whether a packet is a fragment of an IP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Fragment {
    /// A whole datagram.
    #[default]
    Whole,
    /// The first fragment: it has the transport header.
    First,
    /// A later fragment; its ports are those of the first one if that was seen, otherwise 0.
    Later,
}

/// Facts of a packet that take one bit each, so that a packet takes 96 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    /// None of them.
    pub(crate) const NONE: Self = Self(0);
    /// ICMP type and code are known.
    pub(crate) const ICMP: u8 = 1;
    /// Fragments of the same datagram with greater offsets exist (the more-fragments flag).
    pub(crate) const MORE_FRAGMENTS: u8 = 2;
    /// The IP header states more bytes than the frame had on the wire. The same bit as in what a flow keeps of it.
    pub(crate) const BEYOND_FRAME: u8 = 128;

    pub(crate) const fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    /// That mark alone, as a bit.
    pub(crate) const fn beyond_frame(self) -> u8 {
        self.0 & Self::BEYOND_FRAME
    }

    pub(crate) const fn with(self, mark: u8, holds: bool) -> Self {
        Self((self.0 & !mark) | if holds { mark } else { 0 })
    }
}

/// What the decoder found in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Source address, see [`Packet::source`].
    pub(crate) source_bits: u128,
    /// Destination address, see [`Packet::destination`].
    pub(crate) destination_bits: u128,
    /// When it was captured, nanoseconds since the epoch.
    pub time_ns: u64,
    /// Bytes from the IP header on, without link-layer padding.
    pub octets: u32,
    /// Bytes of the whole frame on the wire, without CRC.
    pub frame_octets: u32,
    /// Number of the interface as given to [`crate::flow_table::FlowTable::set_interface`].
    pub interface: u32,
    /// TCP sequence number; 0 for other protocols.
    pub tcp_sequence: u32,
    /// IP identification of a fragment; 0 for whole datagrams.
    pub fragment_id: u32,
    /// Number of its tunnel, assigned by its decoder; see [`crate::decode::Decoder::take_tunnels`]. 0: none.
    pub(crate) tunnel: u32,
    /// Source port; 0: none. ICMP queries: the identifier.
    pub source_port: u16,
    /// Destination port; 0: none. ICMP queries: the identifier.
    pub destination_port: u16,
    /// ICMP type and code as `type * 256 + code`, see [`Packet::icmp_type_code`].
    pub(crate) icmp: u16,
    /// Innermost VLAN id; 0: no tag.
    pub(crate) vlan_id: u16,
    /// Number of its payload in its batch, see [`crate::decode::Decoder::take_payloads`]; 0: none was picked.
    pub(crate) payload: u16,
    /// Number of its TCP header in its batch, see [`crate::decode::Decoder::take_payloads`]; 0: it was not read.
    pub(crate) segment: u16,
    /// Address family.
    pub family: Family,
    /// IP protocol number.
    pub protocol: u8,
    /// TCP flags, low 8 bits; 0 for other protocols.
    pub tcp_flags: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Whether it is a fragment.
    pub fragment: Fragment,
    /// Time to live (IPv4) or hop limit (IPv6).
    pub ttl: u8,
    /// Facts of one bit each.
    pub(crate) marks: Marks,
    /// Whether the link layer had MAC addresses.
    pub(crate) has_macs: bool,
    /// Source MAC address.
    pub(crate) source_mac: [u8; 6],
    /// Destination MAC address.
    pub(crate) destination_mac: [u8; 6],
}

impl Packet {
    /// Source address.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        address(self.family, self.source_bits)
    }

    /// Destination address.
    #[must_use]
    pub const fn destination(&self) -> IpAddr {
        address(self.family, self.destination_bits)
    }

    /// Innermost VLAN id; none: no tag, or only priority tags (IEEE 802.1Q: VLAN id 0 names no VLAN).
    #[must_use]
    pub const fn vlan(&self) -> Option<u16> {
        match self.vlan_id {
            0 => None,
            id => Some(id),
        }
    }

    /// ICMP type and code as `type * 256 + code`; none for other protocols.
    #[must_use]
    pub const fn icmp_type_code(&self) -> Option<u16> {
        if self.marks.has(Marks::ICMP) { Some(self.icmp) } else { None }
    }

    /// Whether its IP header states more bytes than its frame had.
    #[must_use]
    pub const fn is_beyond_frame(&self) -> bool {
        self.marks.has(Marks::BEYOND_FRAME)
    }

    /// MAC addresses (source, destination); none where the link layer has none.
    #[must_use]
    pub const fn macs(&self) -> Option<([u8; 6], [u8; 6])> {
        if self.has_macs { Some((self.source_mac, self.destination_mac)) } else { None }
    }

    /// Takes over what only the first fragment of its datagram has.
    pub(crate) const fn join(&mut self, first: &Self) {
        self.source_port = first.source_port;
        self.destination_port = first.destination_port;
        self.icmp = first.icmp;
        self.marks = self.marks.with(Marks::ICMP, first.marks.has(Marks::ICMP));
        self.protocol = first.protocol;
    }

    /// The inner packet before its headers are decoded. It has no MAC addresses, because those of the frame belong to
    /// the tunnel.
    pub(crate) const fn inside(&self) -> Self {
        Self {
            source_port: 0,
            destination_port: 0,
            fragment: Fragment::Whole,
            fragment_id: 0,
            marks: self.marks.with(Marks::MORE_FRAGMENTS, false),
            has_macs: false,
            source_mac: [0; 6],
            destination_mac: [0; 6],
            ..*self
        }
    }

    /// The part of this inner packet, `octets` bytes, that a later fragment of the outer packet carries.
    pub(crate) const fn continued(&self, later: &Self, octets: u32) -> Self {
        Self {
            time_ns: later.time_ns,
            frame_octets: later.frame_octets,
            interface: later.interface,
            octets,
            tcp_flags: 0,
            tcp_sequence: 0,
            payload: 0,
            segment: 0,
            fragment: Fragment::Whole,
            marks: self.marks.with(Marks::BEYOND_FRAME, later.marks.has(Marks::BEYOND_FRAME)),
            ..*self
        }
    }

    /// A packet without transport header, for generators and tests.
    ///
    /// Addresses of different families give an IPv6 packet.
    #[must_use]
    pub const fn new(time_ns: u64, protocol: u8, source: (IpAddr, u16), destination: (IpAddr, u16)) -> Self {
        let (family, source_bits) = address_bits(source.0);
        let (destination_family, destination_bits) = address_bits(destination.0);
        let family = if matches!((family, destination_family), (Family::V4, Family::V4)) { family } else { Family::V6 };
        Self {
            source_bits,
            destination_bits,
            time_ns,
            octets: 0,
            frame_octets: 0,
            interface: 0,
            tcp_sequence: 0,
            fragment_id: 0,
            tunnel: 0,
            source_port: source.1,
            destination_port: destination.1,
            icmp: 0,
            vlan_id: 0,
            payload: 0,
            segment: 0,
            family,
            protocol,
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

    /// The same packet with lengths: bytes from the IP header on, and of the whole frame.
    #[must_use]
    pub const fn with_octets(mut self, octets: u32, frame_octets: u32) -> Self {
        self.octets = octets;
        self.frame_octets = frame_octets;
        self
    }

    /// The same packet with TCP flags and sequence number.
    #[must_use]
    pub const fn with_tcp(mut self, flags: u8, sequence: u32) -> Self {
        self.tcp_flags = flags;
        self.tcp_sequence = sequence;
        self
    }

    /// The same packet with an ICMP type and code.
    #[must_use]
    pub const fn with_icmp(mut self, icmp_type: u8, code: u8) -> Self {
        self.icmp = u16::from_be_bytes([icmp_type, code]);
        self.marks = self.marks.with(Marks::ICMP, true);
        self
    }

    /// The same packet, whose IP header states more bytes than its frame had.
    #[must_use]
    pub const fn with_length_beyond_frame(mut self) -> Self {
        self.marks = self.marks.with(Marks::BEYOND_FRAME, true);
        self
    }

    /// The same packet with type of service or traffic class, and time to live or hop limit.
    #[must_use]
    pub const fn with_ip(mut self, tos: u8, ttl: u8) -> Self {
        self.tos = tos;
        self.ttl = ttl;
        self
    }

    /// The same packet as a fragment of the datagram of this identification.
    #[must_use]
    pub const fn with_fragment(mut self, fragment: Fragment, id: u32) -> Self {
        self.fragment = fragment;
        self.fragment_id = id;
        self
    }

    /// The same packet in the tunnel with this number, which must be set in the flow table first.
    #[must_use]
    pub const fn with_tunnel(mut self, number: u32) -> Self {
        self.tunnel = number;
        self
    }

    /// The same packet in a VLAN.
    #[must_use]
    pub const fn with_vlan(mut self, vlan_id: u16) -> Self {
        self.vlan_id = vlan_id & 0x0fff;
        self
    }
}
