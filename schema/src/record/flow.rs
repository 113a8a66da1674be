//! A flow as built from packets: its traffic, application and tunnel.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Application, ApplicationLatency, Classification, FlowEndDetail, FlowEndReason, Handshake, InitialSequences,
    InitiatorBasis, PacketFigures, TcpHealth, Translation, Tunnel,
};

/// IP protocol numbers that pidflow treats specially (IANA "Protocol Numbers").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol;

impl Protocol {
    /// Internet Control Message Protocol.
    pub const ICMP: u8 = 1;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// Stream Control Transmission Protocol.
    pub const SCTP: u8 = 132;
    /// The protocols that have a name where people write protocols, with their numbers.
    pub const NAMES: [(&'static str, u8); 5] =
        [("tcp", Self::TCP), ("udp", Self::UDP), ("icmp", Self::ICMP), ("icmpv6", Self::ICMPV6), ("sctp", Self::SCTP)];

    /// The number of the protocol with one of [`Self::NAMES`].
    #[must_use]
    pub fn named(name: &str) -> Option<u8> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    }

    /// The one of [`Self::NAMES`] that the protocol with this number has.
    #[must_use]
    pub fn name(number: u8) -> Option<&'static str> {
        Self::NAMES.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
    }
}

/// Counters (and flags) of one direction of a flow that are not known, because the exporter of a collected record does not send them. The
/// default is none of them: an agent counts everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnknownCounters(u8);

impl UnknownCounters {
    /// All counters are known.
    pub const NONE: Self = Self(0);
    /// Packets.
    pub const PACKETS: Self = Self(1);
    /// Bytes from the IP header on.
    pub const OCTETS: Self = Self(2);
    /// Bytes of whole frames.
    pub const FRAME_OCTETS: Self = Self(4);
    /// Flags of TCP.
    pub const TCP_FLAGS: Self = Self(8);
    /// None of the counters is known.
    pub const ALL: Self = Self(15);

    /// Whether all counters are known.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of those in `these` is not known.
    #[must_use]
    pub const fn contains(self, these: Self) -> bool {
        self.0 & these.0 != 0
    }

    /// Those of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These without those in `known`.
    #[must_use]
    pub const fn without(self, known: Self) -> Self {
        Self(self.0 & !known.0)
    }
}

/// The traffic of one direction of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes from the IP header on, without link-layer padding (IANA octetDeltaCount).
    pub octets: u64,
    /// Bytes of the whole frames as on the wire, without CRC (IANA layer2OctetDeltaCount).
    pub frame_octets: u64,
    /// Union of the TCP flags seen (RFC 9293 section 3.1, low 8 bits); 0 for other protocols.
    pub tcp_flags: u8,
    /// Whether the IP header of a packet states more bytes than its frame had; such packets count with what was there.
    pub is_beyond_frame: bool,
    /// Which of these counters are not known. They are 0.
    pub unknown: UnknownCounters,
}

impl Counters {
    /// No counter is known.
    pub const UNKNOWN: Self = Self {
        packets: 0,
        octets: 0,
        frame_octets: 0,
        tcp_flags: 0,
        is_beyond_frame: false,
        unknown: UnknownCounters::ALL,
    };

    const fn known(&self, counter: UnknownCounters, number: u64) -> Option<u64> {
        if self.unknown.contains(counter) { None } else { Some(number) }
    }

    /// Packets; none: not known.
    #[must_use]
    pub const fn known_packets(&self) -> Option<u64> {
        self.known(UnknownCounters::PACKETS, self.packets)
    }

    /// Bytes from the IP header on; none: not known.
    #[must_use]
    pub const fn known_octets(&self) -> Option<u64> {
        self.known(UnknownCounters::OCTETS, self.octets)
    }

    /// Bytes of whole frames; none: not known.
    #[must_use]
    pub const fn known_frame_octets(&self) -> Option<u64> {
        self.known(UnknownCounters::FRAME_OCTETS, self.frame_octets)
    }

    /// The union of the TCP flags; none: not known.
    #[must_use]
    pub const fn known_tcp_flags(&self) -> Option<u8> {
        if self.unknown.contains(UnknownCounters::TCP_FLAGS) { None } else { Some(self.tcp_flags) }
    }

    /// Sets the TCP flags, which are known then.
    pub const fn set_tcp_flags(&mut self, flags: u8) {
        (self.tcp_flags, self.unknown) = (flags, self.unknown.without(UnknownCounters::TCP_FLAGS));
    }

    /// Sets a counter of packets or bytes; none: it is not known.
    pub const fn set(&mut self, counter: UnknownCounters, number: Option<u64>) {
        let place = match counter {
            UnknownCounters::PACKETS => &mut self.packets,
            UnknownCounters::OCTETS => &mut self.octets,
            _ => &mut self.frame_octets,
        };
        (*place, self.unknown) = match number {
            Some(number) => (number, self.unknown.without(counter)),
            None => (0, self.unknown.union(counter)),
        };
    }

    /// Sets the packets, which are known then.
    pub const fn set_packets(&mut self, packets: u64) {
        self.set(UnknownCounters::PACKETS, Some(packets));
    }

    /// Sets the bytes from the IP header on, which are known then.
    pub const fn set_octets(&mut self, octets: u64) {
        self.set(UnknownCounters::OCTETS, Some(octets));
    }

    /// Sets the bytes of whole frames, which are known then.
    pub const fn set_frame_octets(&mut self, octets: u64) {
        self.set(UnknownCounters::FRAME_OCTETS, Some(octets));
    }

    /// Adds `other` to this. What is not known of one of them is not known of the sum.
    pub const fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.octets += other.octets;
        self.frame_octets += other.frame_octets;
        self.tcp_flags |= other.tcp_flags;
        self.is_beyond_frame |= other.is_beyond_frame;
        self.unknown = self.unknown.union(other.unknown);
    }
}

/// A flow as built from packets alone. `source` is the initiator, as far as the packets show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// IP protocol number.
    pub protocol: u8,
    /// Innermost 802.1Q/802.1ad VLAN id, 0 to 4095; none: no tag.
    pub vlan: Option<u16>,
    /// Source (initiator) address.
    pub source: IpAddr,
    /// Destination address; of the same family as `source`.
    pub destination: IpAddr,
    /// Source port, 0 where the protocol has none. ICMP echo: the identifier.
    pub source_port: u16,
    /// Destination port, 0 where the protocol has none. ICMP echo: the identifier.
    pub destination_port: u16,
    /// ICMP type and code of the first packet as `type * 256 + code`; none for other protocols.
    pub icmp_type_code: Option<u16>,
    /// Time of the first packet, nanoseconds since the epoch.
    pub first_ns: u64,
    /// Time of the last packet, nanoseconds since the epoch.
    pub last_ns: u64,
    /// From source to destination.
    pub forward: Counters,
    /// From destination to source.
    pub reverse: Counters,
    /// IP type of service / traffic class of the first packet of the source.
    pub ip_class_of_service: u8,
    /// MAC addresses of the first packet (source, destination); none where the link layer has none.
    pub macs: Option<([u8; 6], [u8; 6])>,
    /// Interface index of the first packet, 0: unknown (files).
    pub interface_index: u32,
    /// Interface name or capture file of the first packet.
    pub interface: Arc<str>,
    /// Why the record was made.
    pub end_reason: FlowEndReason,
    /// More precise than `end_reason`.
    pub end_detail: FlowEndDetail,
    /// How the initiator was determined.
    pub initiator: InitiatorBasis,
    /// The handshake, in the record of the interval in which it ended; none: not seen, or not TCP.
    pub handshake: Option<Handshake>,
    /// The initial sequence numbers of both ends of a TCP connection; none: a SYN was not seen, or not TCP.
    pub initial_sequences: Option<InitialSequences>,
    /// Inode number of the network namespace behind the interfaces that saw the flow; none: unknown.
    pub network_namespace: Option<u32>,
    /// The application protocol, shared by all records of the flow; none: unknown.
    pub application: Option<Arc<Application>>,
    /// What nDPI says of the flow, shared by flows of which it says the same; none: it was not asked, or does not know.
    pub classification: Option<Arc<Classification>>,
    /// The innermost tunnel that carried the flow; none: no tunnel, or it was not opened.
    pub tunnel: Option<Box<Tunnel>>,
    /// What this host translated its addresses and ports to; none: nothing was translated, or it is not known.
    pub translation: Option<Box<Translation>>,
    /// The host may have translated its addresses and ports, but the kernel's notices of that time were lost or late.
    pub is_translation_unknown: bool,
    /// Its counters are those of one in so many packets, selected at random (see [`Flow::scale_sample`]); none: of all packets.
    pub sampling_rate: Option<u32>,
    /// TCP: the sequence numbers show no gap between the SYN and a FIN or RST, so all packets are of one connection.
    #[serde(skip)]
    pub is_gapless: bool,
    /// How well the packets of a TCP connection got through; none: it was not measured, or not TCP.
    pub tcp: Option<Box<TcpHealth>>,
    /// What its packets look like; none: they were not measured.
    pub packet_figures: Option<Box<PacketFigures>>,
    /// From requests of HTTP/1 to their responses in the record, of which the first is not kept; none: there was no response to
    /// a request that was seen.
    pub http_latency: Option<Box<ApplicationLatency>>,
}

impl Flow {
    /// The union of the TCP flags of both directions, as far as they are known; none: of neither.
    #[must_use]
    pub fn known_tcp_flags(&self) -> Option<u8> {
        let [there, back] = [self.forward, self.reverse].map(|direction| direction.known_tcp_flags());
        there.map_or(back, |there| Some(there | back.unwrap_or(0)))
    }

    /// A flow of which only protocol, both ends (address and port) and times (first and last packet, nanoseconds since
    /// the epoch) are known: without packets, first seen from `source`, ended by the idle timeout.
    #[must_use]
    pub fn new(protocol: u8, source: (IpAddr, u16), destination: (IpAddr, u16), time: (u64, u64)) -> Self {
        Self {
            protocol,
            vlan: None,
            source: source.0,
            destination: destination.0,
            source_port: source.1,
            destination_port: destination.1,
            icmp_type_code: None,
            first_ns: time.0,
            last_ns: time.1,
            forward: Counters::default(),
            reverse: Counters::default(),
            ip_class_of_service: 0,
            macs: None,
            interface_index: 0,
            interface: Arc::default(),
            end_reason: FlowEndReason::IdleTimeout,
            end_detail: FlowEndDetail::None,
            initiator: InitiatorBasis::FirstPacket,
            handshake: None,
            initial_sequences: None,
            network_namespace: None,
            application: None,
            classification: None,
            tunnel: None,
            translation: None,
            is_translation_unknown: false,
            sampling_rate: None,
            is_gapless: false,
            tcp: None,
            packet_figures: None,
            http_latency: None,
        }
    }

    /// Multiplies the counters by the sampling rate, so that they are estimates of all packets. To be called once.
    pub fn scale_sample(&mut self) {
        let Some(rate) = self.sampling_rate else { return };
        for counters in [&mut self.forward, &mut self.reverse] {
            let Counters { packets, octets, frame_octets, .. } = counters;
            for count in [packets, octets, frame_octets] {
                *count = count.saturating_mul(rate.into());
            }
        }
    }

    /// Swaps the ends: the destination becomes the source.
    pub fn turn_round(&mut self) {
        std::mem::swap(&mut self.source, &mut self.destination);
        std::mem::swap(&mut self.source_port, &mut self.destination_port);
        std::mem::swap(&mut self.forward, &mut self.reverse);
        self.macs = self.macs.map(|(s, d)| (d, s));
        if let Some(sequences) = &mut self.initial_sequences {
            sequences.turn_round();
        }
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.turn_round();
        }
        if let Some(translation) = &mut self.translation {
            translation.turn_round();
        }
        if let Some(tcp) = &mut self.tcp {
            tcp.turn_round();
        }
        if let Some(figures) = &mut self.packet_figures {
            figures.turn_round();
        }
    }
}
