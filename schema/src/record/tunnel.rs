//! Tunnels that carry a flow's packets inside other packets.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// Kinds of tunnels that are decapsulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum TunnelKind {
    /// IPv4 or IPv6 directly in IPv4 or IPv6 (RFC 2003, 2473, 4213).
    #[default]
    IpInIp,
    /// Generic Routing Encapsulation (RFC 2784, 2890), except for the more specific kinds.
    Gre,
    /// Ethernet in GRE with a virtual subnet id (RFC 7637).
    Nvgre,
    /// PPP in GRE version 1 (RFC 2637).
    Pptp,
    /// Mirrored Ethernet frames in GRE (Cisco ERSPAN, types I to III).
    Erspan,
    /// Virtual eXtensible Local Area Network (RFC 7348).
    Vxlan,
    /// VXLAN with a protocol field (draft-ietf-nvo3-vxlan-gpe).
    VxlanGpe,
    /// Generic Network Virtualization Encapsulation (RFC 8926).
    Geneve,
    /// User data of mobile networks (3GPP TS 29.281).
    GtpU,
    /// IPv6 through NAT (RFC 4380).
    Teredo,
    /// Multicast data on its way to a rendezvous point (RFC 7761 section 4.9.3).
    PimRegister,
    /// Layer Two Tunneling Protocol, version 2 (RFC 2661) and 3 (RFC 3931).
    L2tp,
    /// Frames between access points and their controller (RFC 5415).
    Capwap,
}

impl TunnelKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::IpInIp,
        Self::Gre,
        Self::Nvgre,
        Self::Pptp,
        Self::Erspan,
        Self::Vxlan,
        Self::VxlanGpe,
        Self::Geneve,
        Self::GtpU,
        Self::Teredo,
        Self::PimRegister,
        Self::L2tp,
        Self::Capwap,
    ];

    /// The name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpInIp => "ip-in-ip",
            Self::Gre => "gre",
            Self::Nvgre => "nvgre",
            Self::Pptp => "pptp",
            Self::Erspan => "erspan",
            Self::Vxlan => "vxlan",
            Self::VxlanGpe => "vxlan-gpe",
            Self::Geneve => "geneve",
            Self::GtpU => "gtp-u",
            Self::Teredo => "teredo",
            Self::PimRegister => "pim-register",
            Self::L2tp => "l2tp",
            Self::Capwap => "capwap",
        }
    }

    /// Whether the receiver chooses the id, so that each direction of a flow has its own. Otherwise both have the same.
    #[must_use]
    pub const fn has_id_per_direction(self) -> bool {
        matches!(self, Self::GtpU | Self::Pptp | Self::L2tp)
    }
}

/// The tunnel around a flow: the flow's packets were inside packets between these addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// The kind of tunnel.
    pub kind: TunnelKind,
    /// VNI, virtual subnet, key, session, TEID or call id (L2TP 2: tunnel * 65536 + session) in packets of the flow's source; none: they have no id, or no
    /// such packet was seen.
    pub id: Option<u32>,
    /// The same in packets of the flow's destination.
    pub reverse_id: Option<u32>,
    /// Outer source address of packets from the flow's source.
    pub source: IpAddr,
    /// Outer destination address of these packets.
    pub destination: IpAddr,
}

impl Default for Tunnel {
    /// A tunnel with unknown properties.
    fn default() -> Self {
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { kind: TunnelKind::default(), id: None, reverse_id: None, source: unknown, destination: unknown }
    }
}

impl Tunnel {
    /// Swaps the ends.
    pub(super) const fn turn_round(&mut self) {
        std::mem::swap(&mut self.source, &mut self.destination);
        std::mem::swap(&mut self.id, &mut self.reverse_id);
    }

    /// As in IANA's layer2SegmentId (351): the encapsulation in the most significant octet, the id in the three least
    /// significant ones. None: a kind for which IANA has no number.
    #[must_use]
    pub fn layer2_segment(&self) -> Option<u64> {
        let encapsulation: u64 = match self.kind {
            TunnelKind::Vxlan => 1,
            TunnelKind::Nvgre => 2,
            _ => return None,
        };
        let id = self.id.or(self.reverse_id)?;
        Some(encapsulation << 56 | u64::from(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_there_once_and_has_a_name_of_its_own() {
        for kind in TunnelKind::ALL {
            assert_eq!(TunnelKind::ALL.iter().filter(|k| k.name() == kind.name()).count(), 1, "{kind:?}");
        }
    }

    #[test]
    fn segments_have_the_number_of_their_encapsulation() {
        let segment = |kind, id| Tunnel { kind, id, ..Tunnel::default() }.layer2_segment();
        assert_eq!(segment(TunnelKind::Vxlan, Some(5001)), Some(0x0100_0000_0000_1389));
        assert_eq!(segment(TunnelKind::Nvgre, Some(0xff_fffe)), Some(0x0200_0000_00ff_fffe));
        assert_eq!(segment(TunnelKind::Geneve, Some(5001)), None);
        assert_eq!(segment(TunnelKind::Vxlan, None), None);
    }
}
