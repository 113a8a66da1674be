//! Elements of places: countries, cities, autonomous systems, and the border of the local networks.

use crate::element::DataType as T;
use crate::element::Element;
use crate::element::Enterprise::{Iana, Ntop, Pidflow};
use crate::group::Group;
use crate::record::{FlowRecord, Place, ProcessEnd, Routing, TrafficDirection};
use crate::value::Value;

use super::build::row;
use super::process::text;
use super::write::{place_mut, set};

fn place(end: &ProcessEnd) -> Option<&Place> {
    end.place.as_deref()
}

/// What the exporter of a collected record says, otherwise the database.
fn system(of_exporter: Option<u32>, end: &ProcessEnd) -> Option<Value<'static>> {
    let known = of_exporter.filter(|number| *number != 0);
    known.or_else(|| place(end).map(|place| place.system).filter(|number| *number != 0)).or(of_exporter).map(Into::into)
}

fn source_system(r: &FlowRecord) -> Option<Value<'_>> {
    system(r.collected.as_deref().and_then(|c| Some(c.routing.as_ref()?.source_as)), &r.source)
}

fn destination_system(r: &FlowRecord) -> Option<Value<'_>> {
    system(r.collected.as_deref().and_then(|c| Some(c.routing.as_ref()?.destination_as)), &r.destination)
}

fn routing_of(r: &mut FlowRecord) -> Option<&mut Routing> {
    r.collected.as_deref_mut()?.routing.as_mut()
}

/// What an exporter knows as a router stays apart from what a database says.
fn set_source_system(r: &mut FlowRecord, number: u32) {
    match routing_of(r) {
        Some(routing) => routing.source_as = number,
        None if number != 0 => place_mut(&mut r.source).system = number,
        None => {}
    }
}

fn set_destination_system(r: &mut FlowRecord, number: u32) {
    match routing_of(r) {
        Some(routing) => routing.destination_as = number,
        None if number != 0 => place_mut(&mut r.destination).system = number,
        None => {}
    }
}

/// Autonomous systems, which exporters of collected records know too.
pub(super) const SYSTEMS: &[Element] = &[
    row("SRC_AS", "bgpSourceAsNumber", (Iana, 16), T::Unsigned32, source_system).writes(|r, v| set(v.number(), |n| set_source_system(r, n)))
        .group(Group::SourceSystem).identifier().otel("pidflow.source.as.number")
        .doc("Autonomous system of the source address: of a collected record as the exporter knows it (origin or neighbour, by its configuration), otherwise from the database (--geoip-asn); 0: unknown."),
    row("DST_AS", "bgpDestinationAsNumber", (Iana, 17), T::Unsigned32, destination_system).writes(|r, v| set(v.number(), |n| set_destination_system(r, n)))
        .group(Group::DestinationSystem).identifier().otel("pidflow.destination.as.number")
        .doc("Autonomous system of the destination address: of a collected record as the exporter knows it (origin or neighbour, by its configuration), otherwise from the database (--geoip-asn); 0: unknown."),
];

/// Other elements of places.
pub(super) const PLACES: &[Element] = &[
    row("SRC_AS_MAP", "srcAsMap", (Ntop, 443), T::String, |r| text(&place(&r.source)?.organisation)).writes(|r, v| set(v.shared_text(), |n| place_mut(&mut r.source).organisation = n))
        .group(Group::SourcePlace).v9_text(16).otel("pidflow.source.as.organization.name")
        .doc("Organisation of the source's autonomous system, from the database (ntop 443)."),
    row("DST_AS_MAP", "dstAsMap", (Ntop, 444), T::String, |r| text(&place(&r.destination)?.organisation)).writes(|r, v| set(v.shared_text(), |n| place_mut(&mut r.destination).organisation = n))
        .group(Group::DestinationPlace).v9_text(16).otel("pidflow.destination.as.organization.name")
        .doc("Organisation of the destination's autonomous system, from the database (ntop 444)."),
    row("SRC_IP_COUNTRY", "srcIpCountry", (Ntop, 101), T::String, |r| text(&place(&r.source)?.country)).writes(|r, v| set(v.shared_text(), |n| place_mut(&mut r.source).country = n))
        .group(Group::SourcePlace).v9_text(2).otel("source.geo.country.iso_code")
        .doc("Country of the source address (ISO 3166-1 alpha-2), from the database (--geoip-city) (ntop 101)."),
    row("SRC_IP_CITY", "srcIpCity", (Ntop, 102), T::String, |r| text(&place(&r.source)?.city)).writes(|r, v| set(v.shared_text(), |n| place_mut(&mut r.source).city = n))
        .group(Group::SourcePlace).v9_text(16).otel("source.geo.locality.name")
        .doc("City of the source address, in English, from the database (ntop 102)."),
    row("DST_IP_COUNTRY", "dstIpCountry", (Ntop, 103), T::String, |r| text(&place(&r.destination)?.country)).writes(|r, v| set(v.shared_text(), |n| place_mut(&mut r.destination).country = n))
        .group(Group::DestinationPlace).v9_text(2).otel("destination.geo.country.iso_code")
        .doc("Country of the destination address (ISO 3166-1 alpha-2), from the database (--geoip-city) (ntop 103)."),
    row("DST_IP_CITY", "dstIpCity", (Ntop, 104), T::String, |r| text(&place(&r.destination)?.city)).writes(|r, v| set(v.shared_text(), |n| place_mut(&mut r.destination).city = n))
        .group(Group::DestinationPlace).v9_text(16).otel("destination.geo.locality.name")
        .doc("City of the destination address, in English, from the database (ntop 104)."),
    row("TRAFFIC_DIRECTION", "trafficDirection", (Pidflow, 233), T::String, |r| r.direction.map(|d| Value::text(d.name()))).writes(|r, v| set(v.named(&TrafficDirection::ALL, TrafficDirection::name), |d| r.direction = Some(d)))
        .group(Group::TrafficDirection).v9_text(9).otel("pidflow.flow.direction")
        .doc("How the flow crosses the border of the local networks (--local-networks): in, out, internal (between local addresses), forwarded (between others)."),
];
