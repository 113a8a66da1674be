//! IANA's elements of a flow whose addresses or ports were translated (NAT).
//!
//! natEvent (230) is left out: it marks records that report the creation or deletion of a translation. These records report flows.

use std::net::IpAddr;

use crate::element::DataType as T;
use crate::element::Element;
use crate::element::Enterprise::{Iana, Pidflow};
use crate::group::Group;
use crate::record::{FlowRecord, Translation};
use crate::value::Value;

use super::build::row;
use super::flow::{v4, v6};
use super::write::{set, translation_mut};

fn address(r: &FlowRecord, end: fn(&Translation) -> IpAddr) -> Option<IpAddr> {
    r.flow.translation.as_deref().map(end)
}

fn port(r: &FlowRecord, end: fn(&Translation) -> u16) -> Option<Value<'static>> {
    r.flow.translation.as_deref().map(end).map(Into::into)
}

/// The translation's elements.
pub(super) const TRANSLATION: &[Element] = &[
    row("POST_NAT_SRC_IPV4_ADDR", "postNATSourceIPv4Address", (Iana, 225), T::Ipv4Address, |r| v4(address(r, |t| t.source)?)).writes(|r, v| set(v.address(), |n| translation_mut(r).source = n))
        .group(Group::TranslationIpv4).identifier().otel("pidflow.flow.nat.source.address")
        .doc("IPv4 source address after translation by this host; the same as before where only the destination was translated."),
    row("POST_NAT_DST_IPV4_ADDR", "postNATDestinationIPv4Address", (Iana, 226), T::Ipv4Address, |r| v4(address(r, |t| t.destination)?)).writes(|r, v| set(v.address(), |n| translation_mut(r).destination = n))
        .group(Group::TranslationIpv4).identifier().otel("pidflow.flow.nat.destination.address")
        .doc("IPv4 destination address after translation by this host, for example the pod behind a service address."),
    row("POST_NAPT_SRC_TRANSPORT_PORT", "postNAPTSourceTransportPort", (Iana, 227), T::Unsigned16, |r| port(r, |t| t.source_port)).writes(|r, v| set(v.number(), |n| translation_mut(r).source_port = n))
        .group(Group::Translation).identifier().otel("pidflow.flow.nat.source.port")
        .doc("Source port after translation by this host; the identifier of an ICMP echo."),
    row("POST_NAPT_DST_TRANSPORT_PORT", "postNAPTDestinationTransportPort", (Iana, 228), T::Unsigned16, |r| port(r, |t| t.destination_port)).writes(|r, v| set(v.number(), |n| translation_mut(r).destination_port = n))
        .group(Group::Translation).identifier().otel("pidflow.flow.nat.destination.port")
        .doc("Destination port after translation by this host; the identifier of an ICMP echo."),
    row("POST_NAT_SRC_IPV6_ADDR", "postNATSourceIPv6Address", (Iana, 281), T::Ipv6Address, |r| v6(address(r, |t| t.source)?)).writes(|r, v| set(v.address(), |n| translation_mut(r).source = n))
        .group(Group::TranslationIpv6).identifier().otel("pidflow.flow.nat.source.ipv6_address")
        .doc("IPv6 source address after translation by this host; the same as before where only the destination was translated."),
    row("POST_NAT_DST_IPV6_ADDR", "postNATDestinationIPv6Address", (Iana, 282), T::Ipv6Address, |r| v6(address(r, |t| t.destination)?)).writes(|r, v| set(v.address(), |n| translation_mut(r).destination = n))
        .group(Group::TranslationIpv6).identifier().otel("pidflow.flow.nat.destination.ipv6_address")
        .doc("IPv6 destination address after translation by this host, for example the pod behind a service address."),
    row("TRANSLATION_UNKNOWN", "translationUnknown", (Pidflow, 188), T::Unsigned8, |r| r.flow.is_translation_unknown.then_some(Value::Unsigned(1))).writes(|r, v| set(v.number::<u8>(), |n| r.flow.is_translation_unknown = n != 0))
        .group(Group::TranslationUnknown).identifier().otel("pidflow.flow.nat.unknown")
        .doc("1: this host may have translated the addresses and ports, but the kernel's notices of that time were lost or late; absent in other records."),
];
