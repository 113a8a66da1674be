//! A sampled packet: its header, decoded by the engine, or what the agent read from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pidflow_engine::decode::{DecodeRules, Decoder, Frame, LinkType, Tunnels};
use pidflow_engine::packet::Packet;
use pidflow_schema::{Counters, Flow, Protocol, UnknownCounters};

use crate::counters::Event;
use crate::octets::Octets;

/// `header_protocol` of a sampled header.
const ETHERNET: u32 = 1;
const PPP: u32 = 7;
const IPV4: u32 = 11;
const IPV6: u32 = 12;

/// Decodes sampled packets.
#[derive(Debug)]
pub(crate) struct Packets(Decoder);

impl Default for Packets {
    /// Packets in tunnels are counted as the outer packet, which is what the agent saw.
    fn default() -> Self {
        Self(Decoder::new(DecodeRules { tunnels: Tunnels::Outer, ..DecodeRules::default() }))
    }
}

impl Packets {
    /// The flow of a sampled header (format 1). An error says why it is none.
    pub(super) fn header(&mut self, mut octets: Octets<'_>, now_ns: u64) -> Result<Flow, Event> {
        let mut read = || Some((octets.u32()?, octets.u32()?, octets.u32()?, octets.u32()?));
        let (link, frame_octets, stripped, length) = read().ok_or(Event::BadRecord)?;
        let data = octets.take(length as usize).ok_or(Event::BadRecord)?;
        let link = match link {
            ETHERNET => LinkType::Ethernet,
            PPP => LinkType::Ppp,
            IPV4 | IPV6 => LinkType::RawIp,
            _ => return Err(Event::NotAFlow),
        };
        // The frame's length includes what was removed, usually the CRC.
        let wire_octets = frame_octets.saturating_sub(stripped).max(length);
        let frame = Frame { time_ns: now_ns, wire_octets, interface: 0, data };
        self.0.decode(link, &frame).map(|packet| of(&packet)).map_err(|_| Event::NotAFlow)
    }

    /// The flow of a packet whose header the agent read (formats 3 and 4); none: it is cut off.
    pub(super) fn read_by_agent(&self, mut octets: Octets<'_>, is_ipv6: bool, now_ns: u64) -> Option<Flow> {
        let (length, protocol) = (octets.u32()?, octets.u32()?);
        let address = |octets: &mut Octets<'_>| match is_ipv6 {
            true => octets.array::<16>().map(|a| IpAddr::from(Ipv6Addr::from(a))),
            false => octets.array::<4>().map(|a| IpAddr::from(Ipv4Addr::from(a))),
        };
        let (source, destination) = (address(&mut octets)?, address(&mut octets)?);
        let (source_port, destination_port) = (octets.u32()? as u16, octets.u32()? as u16);
        let (tcp_flags, class) = (octets.u32()? as u8, octets.u32()? as u8);
        let protocol = u8::try_from(protocol).ok()?;
        let ends = ((source, source_port), (destination, destination_port));
        let octets = u64::from(length);
        let tcp_flags = if protocol == Protocol::TCP { tcp_flags } else { 0 };
        Some(Flow {
            forward: Counters {
                packets: 1,
                octets,
                tcp_flags,
                frame_octets: 0,
                unknown: UnknownCounters::FRAME_OCTETS,
                is_beyond_frame: false,
            },
            reverse: Counters::UNKNOWN,
            ip_class_of_service: class,
            ..Flow::new(protocol, ends.0, ends.1, (now_ns, now_ns))
        })
    }
}

fn of(packet: &Packet) -> Flow {
    let (source, destination) =
        ((packet.source(), packet.source_port), (packet.destination(), packet.destination_port));
    Flow {
        vlan: packet.vlan(),
        icmp_type_code: packet.icmp_type_code(),
        forward: Counters {
            packets: 1,
            octets: packet.octets.into(),
            frame_octets: packet.frame_octets.into(),
            tcp_flags: packet.tcp_flags,
            is_beyond_frame: packet.is_beyond_frame(),
            unknown: UnknownCounters::NONE,
        },
        reverse: Counters::UNKNOWN,
        ip_class_of_service: packet.tos,
        macs: packet.macs(),
        ..Flow::new(packet.protocol, source, destination, (packet.time_ns, packet.time_ns))
    }
}
