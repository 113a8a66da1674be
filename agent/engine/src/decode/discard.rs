//! The reasons why a frame is in no flow. Every reason is counted.

use std::mem::discriminant;

use thiserror::Error;

use super::FrameCount;

/// Why a frame is in no flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Discard {
    /// The link type, given by its number in capture files, cannot be decoded.
    #[error("link type {0} is not decoded")]
    UnknownLinkType(u32),
    /// The frame ends within its link-layer header, a VLAN tag or an MPLS label.
    #[error("frame ends within the link layer header")]
    TruncatedLink,
    /// Address Resolution Protocol (0x0806) or its reverse.
    #[error("not IP: ARP")]
    Arp,
    /// IEEE 802.3 frame with a length instead of a type (spanning tree, IS-IS, …).
    #[error("not IP: IEEE 802.2 LLC")]
    Llc,
    /// Link Layer Discovery Protocol (0x88cc).
    #[error("not IP: LLDP")]
    Lldp,
    /// PPP over Ethernet (0x8863, 0x8864): discovery, or a session's control packet.
    #[error("not IP: PPPoE")]
    Pppoe,
    /// A PPP link's frame of another protocol, which is given.
    #[error("not IP: PPP protocol {0:#06x}")]
    Ppp(u16),
    /// The last MPLS label is not followed by an IP header.
    #[error("not IP: MPLS with another payload")]
    MplsPayload,
    /// A frame with another EtherType, which is given.
    #[error("not IP: EtherType {0:#06x}")]
    NonIp(u16),
    /// A frame of a loopback link (`LINKTYPE_NULL`, `LINKTYPE_LOOP`) with another address family, which is given.
    #[error("not IP: address family {0}")]
    NonIpFamily(u32),
    /// The frame ends within the IPv4 or IPv6 header.
    #[error("frame ends within the IP header")]
    TruncatedIp,
    /// The frame ends within an IPv6 extension header.
    #[error("frame ends within an IPv6 extension header")]
    TruncatedExtension,
    /// The first fragment of an IPv6 datagram ends before the transport header, which RFC 7112 forbids.
    #[error("first IPv6 fragment without the transport header")]
    HeaderChainIncomplete,
    /// The IP version or the header length contradicts the link layer or itself.
    #[error("IP header malformed")]
    MalformedIp,
    /// A later IP fragment, where these are kept apart ([`super::Fragments::Separate`]).
    #[error("later IP fragment")]
    LaterFragment,
}

impl Discard {
    /// All reasons. Numbers that belong to a reason are 0 here.
    pub const ALL: [Self; 15] = [
        Self::UnknownLinkType(0),
        Self::TruncatedLink,
        Self::Arp,
        Self::Llc,
        Self::Lldp,
        Self::Pppoe,
        Self::Ppp(0),
        Self::MplsPayload,
        Self::NonIp(0),
        Self::NonIpFamily(0),
        Self::TruncatedIp,
        Self::TruncatedExtension,
        Self::HeaderChainIncomplete,
        Self::MalformedIp,
        Self::LaterFragment,
    ];

    /// The name in metrics and summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownLinkType(_) => "unknown-link-type",
            Self::TruncatedLink => "truncated-link",
            Self::Arp => "non-ip-arp",
            Self::Llc => "non-ip-llc",
            Self::Lldp => "non-ip-lldp",
            Self::Pppoe => "non-ip-pppoe",
            Self::Ppp(_) => "non-ip-ppp",
            Self::MplsPayload => "non-ip-mpls-payload",
            Self::NonIp(_) => "non-ip-other",
            Self::NonIpFamily(_) => "non-ip-family",
            Self::TruncatedIp => "truncated-ip",
            Self::TruncatedExtension => "truncated-ipv6-extension",
            Self::HeaderChainIncomplete => "ipv6-header-chain-incomplete",
            Self::MalformedIp => "malformed-ip",
            Self::LaterFragment => "later-fragment",
        }
    }

    /// A readable name of what was not decoded, such as `EtherType 0x88b8`. None: the reason has no number.
    #[must_use]
    pub fn protocol(self) -> Option<String> {
        match self {
            Self::UnknownLinkType(number) => Some(format!("link type {number}")),
            Self::NonIp(ether_type) => Some(format!("EtherType {ether_type:#06x}")),
            Self::NonIpFamily(family) => Some(format!("address family {family}")),
            Self::Ppp(protocol) => Some(format!("PPP protocol {protocol:#06x}")),
            _ => None,
        }
    }

    /// The name for all numbers of the reason that are not counted separately.
    const fn other_protocols(self) -> Option<&'static str> {
        match self {
            Self::UnknownLinkType(_) => Some("other link types"),
            Self::NonIp(_) => Some("other EtherTypes"),
            Self::NonIpFamily(_) => Some("other address families"),
            Self::Ppp(_) => Some("other PPP protocols"),
            _ => None,
        }
    }

    fn is_same_reason(self, other: Self) -> bool {
        discriminant(&self) == discriminant(&other)
    }
}

/// One counter per reason, and one per number of those reasons that have one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscardCounters {
    by_reason: [FrameCount; Discard::ALL.len()],
    by_number: Vec<(Discard, FrameCount)>,
}

impl DiscardCounters {
    /// Maximum of numbers counted separately per reason. It is bounded because any host may send frames with any
    /// EtherType.
    pub const MAX_NUMBERS: usize = 32;

    /// Counts one frame.
    pub fn count(&mut self, reason: Discard, frame_octets: u32) {
        self.add_one(reason, FrameCount { packets: 1, frame_octets: u64::from(frame_octets) });
    }

    /// Adds all counters of `other`.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.by_reason.iter_mut().zip(&other.by_reason) {
            *mine += *theirs;
        }
        other.by_number.iter().for_each(|(reason, more)| self.add_number(*reason, *more));
    }

    fn add_one(&mut self, reason: Discard, more: FrameCount) {
        let place = Discard::ALL.iter().position(|r| r.is_same_reason(reason));
        if let Some(counter) = place.and_then(|place| self.by_reason.get_mut(place)) {
            *counter += more;
        }
        if reason.other_protocols().is_some() {
            self.add_number(reason, more);
        }
    }

    fn add_number(&mut self, reason: Discard, more: FrameCount) {
        if let Some((_, counter)) = self.by_number.iter_mut().find(|(known, _)| *known == reason) {
            *counter += more;
        } else if self.by_number.iter().filter(|(known, _)| known.is_same_reason(reason)).count() < Self::MAX_NUMBERS {
            self.by_number.push((reason, more));
        }
    }

    /// The reasons with nonzero counters.
    pub fn iter(&self) -> impl Iterator<Item = (Discard, FrameCount)> + '_ {
        Discard::ALL.into_iter().zip(self.by_reason).filter(|(_, counter)| counter.packets > 0)
    }

    /// Packets that were not decoded, by protocol: the first 32 numbers of each reason, then all others together. They
    /// add up to the counters of the reasons that have a number.
    pub fn by_protocol(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let told_apart = self.by_number.iter().filter_map(|(reason, n)| Some((reason.protocol()?, n.packets)));
        let others = self.iter().filter_map(|(reason, all)| {
            let rest = all.packets - self.told_apart(reason);
            reason.other_protocols().filter(|_| rest > 0).map(|name| (name.to_owned(), rest))
        });
        told_apart.chain(others)
    }

    fn told_apart(&self, reason: Discard) -> u64 {
        self.by_number.iter().filter(|(known, _)| known.is_same_reason(reason)).map(|(_, n)| n.packets).sum()
    }

    /// Sum over all reasons.
    #[must_use]
    pub fn total(&self) -> FrameCount {
        self.by_reason.iter().fold(FrameCount::default(), |mut sum, counter| {
            sum += *counter;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_there_once_and_has_a_name_of_its_own() {
        for reason in Discard::ALL {
            assert_eq!(Discard::ALL.iter().filter(|r| r.is_same_reason(reason)).count(), 1);
            assert_eq!(Discard::ALL.iter().filter(|r| r.name() == reason.name()).count(), 1);
            assert_eq!(reason.protocol().is_some(), reason.other_protocols().is_some());
        }
    }

    #[test]
    fn counts_add_up() {
        let mut counters = DiscardCounters::default();
        counters.count(Discard::Arp, 60);
        counters.count(Discard::Arp, 42);
        let mut sum = counters.clone();
        sum.add(&counters);
        assert_eq!(sum.total(), FrameCount { packets: 4, frame_octets: 204 });
        assert_eq!((sum.iter().count(), sum.by_protocol().count()), (1, 0));
    }

    #[test]
    fn numbers_are_counted_separately_up_to_a_bound_and_add_up() {
        let mut counters = DiscardCounters::default();
        counters.count(Discard::UnknownLinkType(147), 60);
        (0..100).for_each(|n| counters.count(Discard::NonIp(0x9000 + n), 60));
        (0..3).for_each(|_| counters.count(Discard::NonIp(0x9000), 60));
        counters.count(Discard::NonIpFamily(7), 60);
        let mut sum = counters.clone();
        sum.add(&counters);
        for (counters, times) in [(&counters, 1), (&sum, 2)] {
            let by_protocol: Vec<_> = counters.by_protocol().collect();
            assert_eq!(by_protocol.len(), 1 + DiscardCounters::MAX_NUMBERS + 1 + 1);
            for (name, packets) in
                [("link type 147", 1), ("EtherType 0x9000", 4), ("address family 7", 1), ("other EtherTypes", 68)]
            {
                assert!(by_protocol.contains(&(name.to_owned(), times * packets)), "{name}: {by_protocol:?}");
            }
            assert_eq!(by_protocol.iter().map(|(_, n)| n).sum::<u64>(), counters.total().packets);
        }
    }
}
