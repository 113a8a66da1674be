//! Link layers: from the frame to the network layer's header.

use etherparse::{Ethernet2Header, Ethernet2HeaderSlice, LinuxSllHeader, SingleVlanHeader, SingleVlanHeaderSlice};

use super::{Discard, Rest, Target, ip, mpls, ppp};

/// Link types that can be decoded. Numbers are those in capture files (<https://www.tcpdump.org/linktypes.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// `LINKTYPE_ETHERNET` 1.
    Ethernet,
    /// `LINKTYPE_RAW` 101, also `DLT_RAW` 12 and 14, `LINKTYPE_IPV4` 228, `LINKTYPE_IPV6` 229.
    RawIp,
    /// `LINKTYPE_NULL` 0 and `LINKTYPE_LOOP` 108: an address family in four bytes.
    Loopback,
    /// `LINKTYPE_LINUX_SLL` 113, Linux cooked capture.
    LinuxSll,
    /// `LINKTYPE_LINUX_SLL2` 276, Linux cooked capture version 2.
    LinuxSll2,
    /// `LINKTYPE_PPP` 9 and `LINKTYPE_PPP_HDLC` 50.
    Ppp,
    /// Any other.
    Unknown(u32),
}

impl From<u32> for LinkType {
    fn from(number: u32) -> Self {
        match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            other => Self::Unknown(other),
        }
    }
}

/// EtherTypes (IEEE 802 numbers, IANA registry).
pub(super) mod ether_type {
    pub(in super::super) const IPV4: u16 = 0x0800;
    pub(super) const ARP: u16 = 0x0806;
    pub(super) const REVERSE_ARP: u16 = 0x8035;
    pub(in super::super) const VLAN: u16 = 0x8100;
    pub(in super::super) const IPV6: u16 = 0x86dd;
    pub(in super::super) const MPLS: u16 = 0x8847;
    pub(super) const MPLS_MULTICAST: u16 = 0x8848;
    pub(super) const PPPOE_DISCOVERY: u16 = 0x8863;
    pub(super) const PPPOE_SESSION: u16 = 0x8864;
    pub(in super::super) const PROVIDER_VLAN: u16 = 0x88a8;
    pub(super) const LLDP: u16 = 0x88cc;
    pub(super) const FABRIC_PATH: u16 = 0x8903;
    pub(super) const CISCO_METADATA: u16 = 0x8909;
    /// Ethernet inside of another protocol (RFC 1701; IANA "Transparent Ethernet Bridging").
    pub(in super::super) const ETHERNET: u16 = 0x6558;
    /// Stacked tags before IEEE 802.1ad.
    pub(super) const OLD_QINQ: u16 = 0x9100;
    /// Values below are lengths (IEEE 802.3 section 3.2.6).
    pub(super) const MIN_ETHER_TYPE: u16 = 0x0600;
}

/// Fills `out` from a frame of a link of type `link`.
#[inline]
pub(super) fn decode<'a>(link: LinkType, rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    match link {
        LinkType::Ethernet => ethernet(rest, out),
        LinkType::RawIp => ip::by_version(rest, out),
        LinkType::Loopback => loopback(rest, out),
        LinkType::LinuxSll => linux_sll(rest, out),
        LinkType::LinuxSll2 => linux_sll2(rest, out),
        LinkType::Ppp => ppp::ppp(rest, out),
        LinkType::Unknown(number) => Err(Discard::UnknownLinkType(number)),
    }
}

#[inline]
pub(super) fn ethernet<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    let (ether_type, rest) = ethernet_header(rest, out)?;
    network(ether_type, rest, out)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "for nearly each frame")]
fn ethernet_header<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(u16, Rest<'a>), Discard> {
    let header = Ethernet2HeaderSlice::from_slice(rest.data).map_err(|_| Discard::TruncatedLink)?;
    let packet = out.packet();
    packet.source_mac = header.source();
    packet.destination_mac = header.destination();
    packet.has_macs = true;
    Ok((header.ether_type().0, rest.after(Ethernet2Header::LEN)))
}

/// Header: packet type, ARPHRD type, address length, address (8 bytes), protocol; all others have two bytes.
fn linux_sll<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    let protocol = rest.be16(LinuxSllHeader::LEN - 2).ok_or(Discard::TruncatedLink)?;
    network(protocol, rest.after(LinuxSllHeader::LEN), out)
}

/// Header: protocol, reserved, interface index, ARPHRD type, packet type, address length, address.
fn linux_sll2<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    const LEN: usize = 20;
    let header = rest.data.first_chunk::<LEN>().ok_or(Discard::TruncatedLink)?;
    let [high, low, ..] = *header;
    network(u16::from_be_bytes([high, low]), rest.after(LEN), out)
}

/// The family is in the byte order of the machine that wrote the capture (NULL) or big-endian (LOOP).
fn loopback<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    let family = rest.data.first_chunk::<4>().ok_or(Discard::TruncatedLink)?;
    let family = u32::from_be_bytes(*family);
    match family.min(family.swap_bytes()) {
        // AF_INET everywhere; AF_INET6 of Linux, Windows, NetBSD, FreeBSD, Darwin.
        2 | 10 | 23 | 24 | 28 | 30 => ip::by_version(rest.after(4), out),
        other => Err(Discard::NonIpFamily(other)),
    }
}

/// Dispatches on an EtherType. Tunnels call this again for the inner frame.
#[inline]
pub(super) fn network<'a>(mut ether_type: u16, mut rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    loop {
        match ether_type {
            ether_type::IPV4 => return ip::ipv4(rest, out),
            ether_type::IPV6 => return ip::ipv6(rest, out),
            ether_type::VLAN | ether_type::PROVIDER_VLAN | ether_type::OLD_QINQ => {
                (ether_type, rest) = vlan(rest, out)?;
            }
            ether_type::MPLS | ether_type::MPLS_MULTICAST => return mpls::mpls(rest, out),
            ether_type::PPPOE_SESSION => return ppp::over_ethernet(rest, out),
            other => (ether_type, rest) = shim(other, rest, out)?,
        }
    }
}

/// Removes headers that few frames have.
#[cold]
fn shim<'a>(ether_type: u16, rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(u16, Rest<'a>), Discard> {
    match ether_type {
        ether_type::FABRIC_PATH => fabric_path(rest, out),
        ether_type::CISCO_METADATA => cisco_metadata(rest),
        other => Err(not_ip(other)),
    }
}

const fn not_ip(ether_type: u16) -> Discard {
    match ether_type {
        ether_type::ARP | ether_type::REVERSE_ARP => Discard::Arp,
        ether_type::LLDP => Discard::Lldp,
        ether_type::PPPOE_DISCOVERY | ether_type::PPPOE_SESSION => Discard::Pppoe,
        length if length < ether_type::MIN_ETHER_TYPE => Discard::Llc,
        other => Discard::NonIp(other),
    }
}

/// Removes one tag. The packet keeps the VLAN id of the innermost tag that has one.
fn vlan<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(u16, Rest<'a>), Discard> {
    let tag = SingleVlanHeaderSlice::from_slice(rest.data).map_err(|_| Discard::TruncatedLink)?;
    match tag.vlan_identifier().value() {
        0 => {}
        id => out.packet().vlan_id = id,
    }
    Ok((tag.ether_type().0, rest.after(SingleVlanHeader::LEN)))
}

/// Cisco FabricPath: forwarding tag and TTL in two bytes, then the whole frame of the host.
fn fabric_path<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(u16, Rest<'a>), Discard> {
    ethernet_header(rest.after(2), out)
}

/// Cisco metadata: version, length, and one option of four bytes with the security group tag, then the EtherType.
fn cisco_metadata(rest: Rest<'_>) -> Result<(u16, Rest<'_>), Discard> {
    const LEN: usize = 8;
    match rest.front::<LEN>().ok_or(Discard::TruncatedLink)? {
        [1, 1, _, _, _, _, high, low] => Ok((u16::from_be_bytes([*high, *low]), rest.after(LEN))),
        _ => Err(Discard::NonIp(ether_type::CISCO_METADATA)),
    }
}
