//! Elements of the tunnel around a flow: IANA's, ntop's, and pidflow's own if neither has one.

use std::net::IpAddr;

use crate::element::DataType as T;
use crate::element::Element;
use crate::element::Enterprise::{Iana, Ntop, Pidflow};
use crate::group::Group;
use crate::record::{FlowRecord, Tunnel, TunnelKind};
use crate::value::Value;

use super::build::row;
use super::flow::{v4, v6};
use super::write::{set, tunnel_mut};

fn address(r: &FlowRecord, end: fn(&Tunnel) -> IpAddr) -> Option<IpAddr> {
    r.flow.tunnel.as_deref().map(end)
}

fn id(r: &FlowRecord, direction: fn(&Tunnel) -> Option<u32>) -> Option<Value<'static>> {
    r.flow.tunnel.as_deref().and_then(direction).map(Into::into)
}

/// The tunnel's elements.
pub(super) const TUNNEL: &[Element] = &[
    row("TUNNEL_KIND", "tunnelKind", (Pidflow, 8), T::String, |r| r.flow.tunnel.as_ref().map(|t| Value::text(t.kind.name()))).writes(|r, v| set(v.named(&TunnelKind::ALL, TunnelKind::name), |n| tunnel_mut(r).kind = n))
        .group(Group::Tunnel).v9_text(16).otel("pidflow.flow.tunnel.kind")
        .doc("Kind of the innermost tunnel that carried the flow: ip-in-ip, gre, nvgre, pptp, erspan, vxlan, vxlan-gpe, geneve, gtp-u, teredo, pim-register, l2tp, capwap."),
    row("UPSTREAM_TUNNEL_ID", "upstreamTunnelId", (Ntop, 106), T::Unsigned32, |r| id(r, |t| t.id)).writes(|r, v| set(v.number(), |n| tunnel_mut(r).id = Some(n)))
        .group(Group::TunnelId).identifier().otel("pidflow.flow.tunnel.id")
        .doc("Id of the tunnel in packets of the source: VNI, virtual subnet, GRE key, ERSPAN session, GTP TEID, PPTP call id, L2TP session (version 2: tunnel x 65536 + session) (ntop 106)."),
    row("DOWNSTREAM_TUNNEL_ID", "downstreamTunnelId", (Ntop, 120), T::Unsigned32, |r| id(r, |t| t.reverse_id)).writes(|r, v| set(v.number(), |n| tunnel_mut(r).reverse_id = Some(n)))
        .group(Group::TunnelId).identifier().otel("pidflow.flow.tunnel.reverse.id")
        .doc("Id of the tunnel in packets of the destination; for GTP, PPTP and L2TP it differs from the source's (ntop 120)."),
    row("LAYER2_SEGMENT_ID", "layer2SegmentId", (Iana, 351), T::Unsigned64, |r| r.flow.tunnel.as_ref().and_then(|t| t.layer2_segment()).map(Value::Unsigned))
        .group(Group::Layer2Segment).identifier()
        .doc("Encapsulation in the most significant octet (1 VXLAN, 2 NVGRE), VNI or virtual subnet in the three least significant ones."),
    row("TUNNEL_IPV4_SRC_ADDR", "tunnelSourceIPv4Address", (Pidflow, 9), T::Ipv4Address, |r| v4(address(r, |t| t.source)?)).writes(|r, v| set(v.address(), |n| tunnel_mut(r).source = n))
        .group(Group::TunnelIpv4).identifier().otel("pidflow.flow.tunnel.source.address")
        .doc("Outer IPv4 source address of packets from the flow's source."),
    row("TUNNEL_IPV4_DST_ADDR", "tunnelDestinationIPv4Address", (Pidflow, 10), T::Ipv4Address, |r| v4(address(r, |t| t.destination)?)).writes(|r, v| set(v.address(), |n| tunnel_mut(r).destination = n))
        .group(Group::TunnelIpv4).identifier().otel("pidflow.flow.tunnel.destination.address")
        .doc("Outer IPv4 destination address of packets from the flow's source."),
    row("TUNNEL_IPV6_SRC_ADDR", "tunnelSourceIPv6Address", (Pidflow, 11), T::Ipv6Address, |r| v6(address(r, |t| t.source)?)).writes(|r, v| set(v.address(), |n| tunnel_mut(r).source = n))
        .group(Group::TunnelIpv6).identifier().otel("pidflow.flow.tunnel.source.ipv6_address")
        .doc("Outer IPv6 source address of packets from the flow's source."),
    row("TUNNEL_IPV6_DST_ADDR", "tunnelDestinationIPv6Address", (Pidflow, 12), T::Ipv6Address, |r| v6(address(r, |t| t.destination)?)).writes(|r, v| set(v.address(), |n| tunnel_mut(r).destination = n))
        .group(Group::TunnelIpv6).identifier().otel("pidflow.flow.tunnel.destination.ipv6_address")
        .doc("Outer IPv6 destination address of packets from the flow's source."),
];
