//! Why a frame is in no flow. Every reason is counted.

use thiserror::Error;

/// Why a frame is in no flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[repr(u8)]
pub enum Discard {
    /// The link type is none of those that can be decoded.
    #[error("link type not known")]
    UnknownLinkType,
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
    /// PPP over Ethernet, discovery or session (0x8863, 0x8864).
    #[error("not IP: PPPoE")]
    Pppoe,
    /// Behind the last MPLS label is no IP header.
    #[error("not IP: MPLS with another payload")]
    MplsPayload,
    /// Any other frame that is not IP.
    #[error("not IP")]
    NonIp,
    /// The frame ends within the IPv4 or IPv6 header.
    #[error("frame ends within the IP header")]
    TruncatedIp,
    /// The frame ends within an IPv6 extension header.
    #[error("frame ends within an IPv6 extension header")]
    TruncatedExtension,
    /// The IP version or the header length contradicts the link layer or itself.
    #[error("IP header malformed")]
    MalformedIp,
    /// The IP header states more octets than the frame had on the wire.
    #[error("IP length greater than the frame")]
    LengthBeyondFrame,
    /// A later IP fragment, where these are kept apart ([`super::Fragments::Separate`]).
    #[error("later IP fragment")]
    LaterFragment,
}

impl Discard {
    /// All of them, in order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::UnknownLinkType,
        Self::TruncatedLink,
        Self::Arp,
        Self::Llc,
        Self::Lldp,
        Self::Pppoe,
        Self::MplsPayload,
        Self::NonIp,
        Self::TruncatedIp,
        Self::TruncatedExtension,
        Self::MalformedIp,
        Self::LengthBeyondFrame,
        Self::LaterFragment,
    ];

    /// As in metrics and summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownLinkType => "unknown-link-type",
            Self::TruncatedLink => "truncated-link",
            Self::Arp => "non-ip-arp",
            Self::Llc => "non-ip-llc",
            Self::Lldp => "non-ip-lldp",
            Self::Pppoe => "non-ip-pppoe",
            Self::MplsPayload => "non-ip-mpls-payload",
            Self::NonIp => "non-ip-other",
            Self::TruncatedIp => "truncated-ip",
            Self::TruncatedExtension => "truncated-ipv6-extension",
            Self::MalformedIp => "malformed-ip",
            Self::LengthBeyondFrame => "ip-length-beyond-frame",
            Self::LaterFragment => "later-fragment",
        }
    }
}

/// Packets and octets that were discarded for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Discarded {
    /// Frames.
    pub packets: u64,
    /// Octets of the whole frames on the wire.
    pub frame_octets: u64,
}

/// One counter per reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscardCounters {
    by_reason: [Discarded; Discard::ALL.len()],
}

impl DiscardCounters {
    /// Counts one frame.
    pub fn count(&mut self, reason: Discard, frame_octets: u32) {
        if let Some(counter) = self.by_reason.get_mut(reason as usize) {
            counter.packets += 1;
            counter.frame_octets += u64::from(frame_octets);
        }
    }

    /// Adds all counters of `other`.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.by_reason.iter_mut().zip(&other.by_reason) {
            mine.packets += theirs.packets;
            mine.frame_octets += theirs.frame_octets;
        }
    }

    /// The counters that are not zero.
    pub fn iter(&self) -> impl Iterator<Item = (Discard, Discarded)> + '_ {
        Discard::ALL.into_iter().zip(self.by_reason).filter(|(_, counter)| counter.packets > 0)
    }

    /// Sum over all reasons.
    #[must_use]
    pub fn total(&self) -> Discarded {
        self.by_reason.iter().fold(Discarded::default(), |sum, c| Discarded {
            packets: sum.packets + c.packets,
            frame_octets: sum.frame_octets + c.frame_octets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_in_its_place_and_has_a_name_of_its_own() {
        for (place, reason) in Discard::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            assert_eq!(Discard::ALL.iter().filter(|r| r.name() == reason.name()).count(), 1);
        }
    }

    #[test]
    fn counts_add_up() {
        let mut counters = DiscardCounters::default();
        counters.count(Discard::Arp, 60);
        counters.count(Discard::Arp, 42);
        let mut sum = counters.clone();
        sum.add(&counters);
        assert_eq!(sum.total(), Discarded { packets: 4, frame_octets: 204 });
        assert_eq!(sum.iter().count(), 1);
    }
}
