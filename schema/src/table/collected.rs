//! Elements of records that a collector received from exporters on other hosts.

use crate::element::DataType as T;
use crate::element::Element;
use crate::element::Enterprise::{Iana, Pidflow};
use crate::group::Group;
use crate::record::{FlowRecord, Routing};
use crate::value::Value;

use super::build::row;
use super::flow::{v4, v6};
use super::process::text;
use super::write::{collected_mut, routing_mut, set};

fn routing<T: Into<Value<'static>>>(r: &FlowRecord, part: fn(&Routing) -> T) -> Option<Value<'static>> {
    r.collected.as_deref()?.routing.as_ref().map(part).map(Into::into)
}

/// The rate of the exporter if the record came from one, otherwise of this agent.
fn sampling_rate_mut(r: &mut FlowRecord) -> &mut Option<u32> {
    match &mut r.collected {
        Some(collected) => &mut collected.sampling_rate,
        None => &mut r.flow.sampling_rate,
    }
}

/// Their elements.
pub(super) const COLLECTED: &[Element] = &[
    row("EXPORTER_IPV4_ADDRESS", "exporterIPv4Address", (Iana, 130), T::Ipv4Address, |r| v4(r.collected.as_deref()?.exporter)).writes(|r, v| set(v.address(), |n| collected_mut(r).exporter = n))
        .group(Group::ExporterIpv4).identifier().otel("pidflow.exporter.address")
        .doc("IPv4 address of the exporter from which `pidflow collect` received the record."),
    row("EXPORTER_IPV6_ADDRESS", "exporterIPv6Address", (Iana, 131), T::Ipv6Address, |r| v6(r.collected.as_deref()?.exporter)).writes(|r, v| set(v.address(), |n| collected_mut(r).exporter = n))
        .group(Group::ExporterIpv6).identifier().otel("pidflow.exporter.ipv6_address")
        .doc("IPv6 address of the exporter from which `pidflow collect` received the record."),
    row("OBSERVATION_DOMAIN_ID", "observationDomainId", (Iana, 149), T::Unsigned32, |r| r.collected.as_deref().map(|c| c.domain.into())).writes(|r, v| set(v.number(), |n| collected_mut(r).domain = n))
        .group(Group::Collected).identifier().otel("pidflow.exporter.domain")
        .doc("Observation domain of that exporter (IPFIX), its source id (NetFlow v9), engine type x 256 + engine id (NetFlow v5), or sub-agent (sFlow)."),
    row("SAMPLING_RATE", "appliedSamplingRate", (Pidflow, 157), T::Unsigned32, |r| r.sampling_rate().map(Into::into)).writes(|r, v| set(v.number(), |n| *sampling_rate_mut(r) = Some(n).filter(|n| *n > 0)))
        .group(Group::Sampled).otel("pidflow.flow.sampling.rate")
        .doc("The record's counters have been multiplied by this, because one in so many packets was counted: by the exporter of a collected record, or by this agent, to stay within its budget (uniform probabilistic sampling, RFC 5475 section 5.2.2.1). Absent if all were counted or it is not known. Receivers must not multiply again."),
    row("OTHER_ELEMENTS", "otherElements", (Pidflow, 158), T::String, |r| text(&r.collected.as_deref()?.others)).writes(|r, v| set(v.shared_text(), |n| collected_mut(r).others = n))
        .group(Group::OtherElements).v9_text(64).otel("pidflow.exporter.elements")
        .doc("What the exporter sent of elements that have no other place in the record, as ID=octets or PEN.ID=octets in hexadecimal digits, separated by blanks; without elements whose octets are all 0; at most 512 characters."),
    row("COLLECTOR_PATH", "collectorPath", (Pidflow, 170), T::String, |r| text(&r.collected.as_deref()?.path)).writes(|r, v| set(v.shared_text(), |n| collected_mut(r).path = n))
        .group(Group::CollectorPath).v9_text(64).otel("pidflow.collector.path")
        .doc("Marks of the collectors (`pidflow collect`) that passed the record on, the first one first, with commas between them; a collector does not pass on a record that has its mark already."),
    row("OUTPUT_SNMP", "egressInterface", (Iana, 14), T::Unsigned32, |r| routing(r, |w| w.egress_interface)).writes(|r, v| set(v.number(), |n| routing_mut(r).egress_interface = n))
        .group(Group::Routing).identifier().otel("pidflow.exporter.egress.interface.index")
        .doc("Index of the exporter's interface by which the packets left; 0: unknown or none."),
    row("IPV4_SRC_MASK", "sourceIPv4PrefixLength", (Iana, 9), T::Unsigned8, |r| routing(r, |w| w.source_prefix)).writes(|r, v| set(v.number(), |n| routing_mut(r).source_prefix = n))
        .group(Group::Routing).identifier().otel("pidflow.source.prefix.length")
        .doc("Bits of the prefix with the source address (IPv4 or IPv6) in the exporter's routing table; 0: unknown, or the default route."),
    row("IPV4_DST_MASK", "destinationIPv4PrefixLength", (Iana, 13), T::Unsigned8, |r| routing(r, |w| w.destination_prefix)).writes(|r, v| set(v.number(), |n| routing_mut(r).destination_prefix = n))
        .group(Group::Routing).identifier().otel("pidflow.destination.prefix.length")
        .doc("Bits of the prefix with the destination address (IPv4 or IPv6) in the exporter's routing table; 0: unknown, or the default route."),
    row("DIRECTION", "flowDirection", (Iana, 61), T::Unsigned8, |r| routing(r, |w| w.direction)).writes(|r, v| set(v.number(), |n| routing_mut(r).direction = n))
        .group(Group::Routing).identifier().aliases(&["FLOW_DIRECTION"]).otel("pidflow.exporter.direction")
        .doc("Where the exporter observed the flow: 0 as it came in or unknown, 1 as it went out."),
];
