//! Elements from packets alone: IANA's, their RFC 5103 reverse elements, and ntop's TCP flags and latencies.

use std::net::IpAddr;

use crate::element::DataType as T;
use crate::element::Enterprise::{Iana, Ntop, Reverse};
use crate::element::{Element, Semantics, Unit};
use crate::group::Group;
use crate::record::{FlowEndReason, FlowRecord, Handshake, InitiatorBasis, Protocol};
use crate::value::Value;

use super::build::row;
use super::write::{handshake_mut, macs_mut, set};

pub(super) fn v4(a: IpAddr) -> Option<Value<'static>> {
    match a {
        IpAddr::V4(a) => Some(Value::Ipv4(a)),
        IpAddr::V6(_) => None,
    }
}

pub(super) fn v6(a: IpAddr) -> Option<Value<'static>> {
    match a {
        IpAddr::V6(a) => Some(Value::Ipv6(a)),
        IpAddr::V4(_) => None,
    }
}

fn icmp(r: &FlowRecord, protocol: u8) -> Option<Value<'static>> {
    r.flow.icmp_type_code.filter(|_| r.flow.protocol == protocol).map(Into::into)
}

/// RFC 5103 section 6.3: 0 arbitrary, 1 initiator.
fn biflow_direction(r: &FlowRecord) -> u8 {
    u8::from(r.flow.initiator != InitiatorBasis::FirstPacket)
}

/// Writes the element; it does not contain how the initiator was determined.
const fn initiator_of(biflow_direction: u8) -> Option<InitiatorBasis> {
    match biflow_direction {
        0 => Some(InitiatorBasis::FirstPacket),
        1 => Some(InitiatorBasis::Syn),
        _ => None,
    }
}

const DELTA_OCTETS: (Unit, Semantics) = (Unit::Octets, Semantics::DeltaCounter);

const fn octets(e: Element) -> Element {
    e.unit(DELTA_OCTETS.0, DELTA_OCTETS.1)
}

const fn packets(e: Element) -> Element {
    e.unit(Unit::Packets, Semantics::DeltaCounter)
}

/// The usual elements of a flow.
pub(super) const FLOW: &[Element] = &[
    row("IPV4_SRC_ADDR", "sourceIPv4Address", (Iana, 8), T::Ipv4Address, |r| v4(r.flow.source)).writes(|r, v| set(v.address(), |n| r.flow.source = n))
        .group(Group::Ipv4).identifier().otel("source.address")
        .doc("IPv4 address of the source, the end that initiated the flow."),
    row("IPV4_DST_ADDR", "destinationIPv4Address", (Iana, 12), T::Ipv4Address, |r| v4(r.flow.destination)).writes(|r, v| set(v.address(), |n| r.flow.destination = n))
        .group(Group::Ipv4).identifier().otel("destination.address")
        .doc("IPv4 address of the destination."),
    row("IPV6_SRC_ADDR", "sourceIPv6Address", (Iana, 27), T::Ipv6Address, |r| v6(r.flow.source)).writes(|r, v| set(v.address(), |n| r.flow.source = n))
        .group(Group::Ipv6).identifier().otel("source.address")
        .doc("IPv6 address of the source, the end that initiated the flow."),
    row("IPV6_DST_ADDR", "destinationIPv6Address", (Iana, 28), T::Ipv6Address, |r| v6(r.flow.destination)).writes(|r, v| set(v.address(), |n| r.flow.destination = n))
        .group(Group::Ipv6).identifier().otel("destination.address")
        .doc("IPv6 address of the destination."),
    row("L4_SRC_PORT", "sourceTransportPort", (Iana, 7), T::Unsigned16, |r| Some(r.flow.source_port.into())).writes(|r, v| set(v.number(), |n| r.flow.source_port = n))
        .identifier().otel("source.port")
        .doc("Source port of TCP, UDP or SCTP; the identifier of an ICMP echo; 0 if there is none."),
    row("L4_DST_PORT", "destinationTransportPort", (Iana, 11), T::Unsigned16, |r| Some(r.flow.destination_port.into())).writes(|r, v| set(v.number(), |n| r.flow.destination_port = n))
        .identifier().otel("destination.port")
        .doc("Destination port of TCP, UDP or SCTP; the identifier of an ICMP echo; 0 if there is none."),
    row("PROTOCOL", "protocolIdentifier", (Iana, 4), T::Unsigned8, |r| Some(r.flow.protocol.into())).writes(|r, v| set(v.number(), |n| r.flow.protocol = n))
        .identifier().otel("pidflow.flow.protocol.number")
        .doc("IP protocol number (IANA Protocol Numbers)."),
    row("IP_PROTOCOL_VERSION", "ipVersion", (Iana, 60), T::Unsigned8, |r| Some(Value::Unsigned(if r.flow.source.is_ipv4() { 4 } else { 6 })))
        .identifier().otel("pidflow.flow.ip.version")
        .doc("IP version: 4 or 6."),
    packets(row("IN_PKTS", "packetDeltaCount", (Iana, 2), T::Unsigned64, |r| r.flow.forward.known_packets().map(Into::into)).writes(|r, v| set(v.number(), |n| r.flow.forward.set_packets(n))))
        .group(Group::Packets).otel("pidflow.flow.packets")
        .doc("Packets from source to destination since the flow's last record."),
    octets(row("IN_BYTES", "octetDeltaCount", (Iana, 1), T::Unsigned64, |r| r.flow.forward.known_octets().map(Into::into)).writes(|r, v| set(v.number(), |n| r.flow.forward.set_octets(n))))
        .group(Group::Octets).otel("pidflow.flow.bytes")
        .doc("Bytes from source to destination, IP header included, link layer excluded."),
    packets(row("OUT_PKTS", "reversePacketDeltaCount", (Reverse, 2), T::Unsigned64, |r| r.flow.reverse.known_packets().map(Into::into)).writes(|r, v| set(v.number(), |n| r.flow.reverse.set_packets(n))))
        .group(Group::ReversePackets).v9(24, 8).otel("pidflow.flow.reverse.packets")
        .doc("Packets from destination to source (RFC 5103; NetFlow v9: type 24, as nProbe)."),
    octets(row("OUT_BYTES", "reverseOctetDeltaCount", (Reverse, 1), T::Unsigned64, |r| r.flow.reverse.known_octets().map(Into::into)).writes(|r, v| set(v.number(), |n| r.flow.reverse.set_octets(n))))
        .group(Group::ReverseOctets).v9(23, 8).otel("pidflow.flow.reverse.bytes")
        .doc("Bytes from destination to source, IP header included (RFC 5103; NetFlow v9: type 23, as nProbe)."),
    octets(row("IN_FRAME_BYTES", "layer2OctetDeltaCount", (Iana, 352), T::Unsigned64, |r| r.flow.forward.known_frame_octets().map(Into::into)).writes(|r, v| set(v.number(), |n| r.flow.forward.set_frame_octets(n))))
        .group(Group::FrameOctets).otel("pidflow.flow.frame.bytes")
        .doc("Bytes of whole frames from source to destination, link layer included, CRC excluded."),
    octets(row("OUT_FRAME_BYTES", "reverseLayer2OctetDeltaCount", (Reverse, 352), T::Unsigned64, |r| r.flow.reverse.known_frame_octets().map(Into::into)).writes(|r, v| set(v.number(), |n| r.flow.reverse.set_frame_octets(n))))
        .group(Group::ReverseFrameOctets).otel("pidflow.flow.reverse.frame.bytes")
        .doc("Bytes of whole frames from destination to source (RFC 5103; not in NetFlow v9, which has no type for it)."),
    row("FIRST_SWITCHED", "flowStartSeconds", (Iana, 150), T::DateTimeSeconds, |r| Some(Value::Time(r.flow.first_ns))).writes(|r, v| set(v.time_ns(), |n| r.flow.first_ns = n))
        .v9(22, 4).unit(Unit::Seconds, Semantics::Default).aliases(&["flowStartSysUpTime"])
        .doc("Time of the first packet: seconds since the epoch; NetFlow v9: milliseconds of system uptime (type 22)."),
    row("LAST_SWITCHED", "flowEndSeconds", (Iana, 151), T::DateTimeSeconds, |r| Some(Value::Time(r.flow.last_ns))).writes(|r, v| set(v.time_ns(), |n| r.flow.last_ns = n))
        .v9(21, 4).unit(Unit::Seconds, Semantics::Default).aliases(&["flowEndSysUpTime"])
        .doc("Time of the last packet: seconds since the epoch; NetFlow v9: milliseconds of system uptime (type 21)."),
    row("FLOW_START_MILLISECONDS", "flowStartMilliseconds", (Iana, 152), T::DateTimeMilliseconds, |r| Some(Value::Time(r.flow.first_ns))).writes(|r, v| set(v.time_ns(), |n| r.flow.first_ns = n))
        .unit(Unit::Milliseconds, Semantics::Default).otel("pidflow.flow.start_time")
        .doc("Time of the first packet, milliseconds since the epoch."),
    row("FLOW_END_MILLISECONDS", "flowEndMilliseconds", (Iana, 153), T::DateTimeMilliseconds, |r| Some(Value::Time(r.flow.last_ns))).writes(|r, v| set(v.time_ns(), |n| r.flow.last_ns = n))
        .unit(Unit::Milliseconds, Semantics::Default)
        .doc("Time of the last packet, milliseconds since the epoch."),
    row("TCP_FLAGS", "tcpControlBits", (Iana, 6), T::Unsigned16, |r| r.flow.known_tcp_flags().map(u64::from).map(Value::Unsigned))
        .group(Group::TcpFlags).v9(6, 1).flags().otel("pidflow.flow.tcp.flags")
        .doc("Union of the TCP flags of both directions (RFC 9293 section 3.1); 0 for other protocols."),
    row("CLIENT_TCP_FLAGS", "clientTcpFlags", (Ntop, 78), T::Unsigned8, |r| r.flow.forward.known_tcp_flags().map(u64::from).map(Value::Unsigned)).writes(|r, v| set(v.number(), |n| r.flow.forward.set_tcp_flags(n)))
        .group(Group::ForwardTcpFlags).flags().otel("pidflow.flow.tcp.client.flags")
        .doc("Union of the TCP flags that the source sent (ntop 78)."),
    row("SERVER_TCP_FLAGS", "serverTcpFlags", (Ntop, 79), T::Unsigned8, |r| r.flow.reverse.known_tcp_flags().map(u64::from).map(Value::Unsigned)).writes(|r, v| set(v.number(), |n| r.flow.reverse.set_tcp_flags(n)))
        .group(Group::ReverseTcpFlags).flags().otel("pidflow.flow.tcp.server.flags")
        .doc("Union of the TCP flags that the destination sent (ntop 79)."),
    row("SRC_TOS", "ipClassOfService", (Iana, 5), T::Unsigned8, |r| Some(r.flow.ip_class_of_service.into())).writes(|r, v| set(v.number(), |n| r.flow.ip_class_of_service = n))
        .identifier().otel("pidflow.flow.ip.class_of_service")
        .doc("IPv4 type of service or IPv6 traffic class of the flow's first packet."),
    row("INPUT_SNMP", "ingressInterface", (Iana, 10), T::Unsigned32, |r| Some(r.flow.interface_index.into())).writes(|r, v| set(v.number(), |n| r.flow.interface_index = n))
        .identifier().otel("pidflow.flow.interface.index")
        .doc("Index of the interface on which the first packet was seen, 0 for a capture file."),
    row("SRC_VLAN", "vlanId", (Iana, 58), T::Unsigned16, |r| r.flow.vlan.map(Into::into)).writes(|r, v| set(v.number(), |n| r.flow.vlan = Some(n)))
        .group(Group::Vlan).identifier().otel("pidflow.flow.vlan.id")
        .doc("Innermost VLAN id (IEEE 802.1Q), 0 to 4095."),
    row("ICMP_TYPE", "icmpTypeCodeIPv4", (Iana, 32), T::Unsigned16, |r| icmp(r, Protocol::ICMP)).writes(|r, v| set(v.number(), |n| r.flow.icmp_type_code = Some(n)))
        .group(Group::Icmp).identifier().otel("pidflow.flow.icmp.type_code")
        .doc("ICMP type × 256 + code of the flow's first packet."),
    row("IPV6_ICMP_TYPE", "icmpTypeCodeIPv6", (Iana, 139), T::Unsigned16, |r| icmp(r, Protocol::ICMPV6)).writes(|r, v| set(v.number(), |n| r.flow.icmp_type_code = Some(n)))
        .group(Group::Icmpv6).identifier().otel("pidflow.flow.icmp.type_code")
        .doc("ICMPv6 type × 256 + code of the flow's first packet."),
    row("FLOW_END_REASON", "flowEndReason", (Iana, 136), T::Unsigned8, |r| Some(Value::Unsigned(r.flow.end_reason as u64))).writes(|r, v| set(FlowEndReason::from_number(v.number()?), |n| r.flow.end_reason = n))
        .identifier().otel("pidflow.flow.end_reason")
        .doc("1 idle timeout, 2 active timeout, 3 end of flow, 4 forced end, 5 lack of resources (RFC 5102 section 5.11.3)."),
    row("BIFLOW_DIRECTION", "biflowDirection", (Iana, 239), T::Unsigned8, |r| Some(biflow_direction(r).into())).writes(|r, v| set(initiator_of(v.number()?), |n| r.flow.initiator = n))
        .identifier().otel("pidflow.flow.biflow_direction")
        .doc("1: the source is the initiator, known from the kernel or the SYN; 0: arbitrary, the source sent the first packet seen (RFC 5103)."),
    row("IN_SRC_MAC", "sourceMacAddress", (Iana, 56), T::MacAddress, |r| r.flow.macs.map(|m| Value::Mac(m.0))).writes(|r, v| set(v.mac(), |n| macs_mut(r).0 = n))
        .group(Group::Ethernet).identifier().otel("pidflow.flow.source.mac")
        .doc("Source MAC address of the flow's first packet."),
    row("OUT_DST_MAC", "destinationMacAddress", (Iana, 80), T::MacAddress, |r| r.flow.macs.map(|m| Value::Mac(m.1))).writes(|r, v| set(v.mac(), |n| macs_mut(r).1 = n))
        .group(Group::Ethernet).identifier().aliases(&["IN_DST_MAC"]).otel("pidflow.flow.destination.mac")
        .doc("Destination MAC address of the flow's first packet."),
    row("INTERFACE_NAME", "interfaceName", (Iana, 82), T::String, |r| Some(Value::text(&r.flow.interface))).writes(|r, v| set(v.shared_text(), |n| r.flow.interface = n))
        .v9_text(16).otel("network.interface.name")
        .doc("Name of the interface on which the first packet was seen, or the capture file's name."),
];

const fn latency(e: Element) -> Element {
    e.group(Group::Handshake).unit(Unit::Milliseconds, Semantics::Quantity)
}

/// Elements of a TCP handshake.
pub(super) const MORE: &[Element] = &[
    latency(
        row("CLIENT_NW_LATENCY_MS", "clientNwLatencyMs", (Ntop, 123), T::Unsigned32, |r| half_ms(r, |h| h.client_us))
            .writes(|r, v| set(v.number(), |ms: u32| handshake_mut(r).client_us = ms.saturating_mul(HALF_MS_US))),
    )
    .otel("pidflow.flow.tcp.client.latency")
    .doc("Half of the time from the server's SYN with ACK to the client's ACK, whole milliseconds (ntop 123)."),
    latency(
        row("SERVER_NW_LATENCY_MS", "serverNwLatencyMs", (Ntop, 124), T::Unsigned32, |r| half_ms(r, |h| h.server_us))
            .writes(|r, v| set(v.number(), |ms: u32| handshake_mut(r).server_us = ms.saturating_mul(HALF_MS_US))),
    )
    .otel("pidflow.flow.tcp.server.latency")
    .doc("Half of the time from the client's SYN to the server's SYN with ACK, whole milliseconds (ntop 124)."),
];

/// Microseconds of a round trip whose half is a millisecond.
const HALF_MS_US: u32 = 2000;

/// ntop's definition of latency: half of the round trip.
fn half_ms(r: &FlowRecord, part: fn(&Handshake) -> u32) -> Option<Value<'static>> {
    r.flow.handshake.map(|h| (part(&h) / HALF_MS_US).into())
}
