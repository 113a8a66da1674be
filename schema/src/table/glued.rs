//! Elements of records that were put together from those of several agents, named as in ClickHouse's `whole_flows`.

use crate::element::DataType as T;
use crate::element::Enterprise::Pidflow;
use crate::element::{Element, Semantics, Unit};
use crate::group::Group;
use crate::record::{FlowRecord, Glued, Lost};
use crate::value::Value;

use super::build::row;
use super::process::text;
use super::write::{glued_mut, lost_mut, set};

fn glued(r: &FlowRecord) -> Option<&Glued> {
    r.glued.as_deref()
}

fn lost(r: &FlowRecord, part: fn(&Lost) -> i64) -> Option<Value<'static>> {
    r.glued.as_deref()?.lost.as_ref().map(part).map(Value::Signed)
}

const fn amount(e: Element, unit: Unit) -> Element {
    e.group(Group::Lost).unit(unit, Semantics::Quantity)
}

/// Their elements.
pub(super) const GLUED: &[Element] = &[
    row("IS_GLUED", "isGlued", (Pidflow, 159), T::Unsigned8, |r| glued(r).map(|g| u8::from(g.is_of_two_ends()).into()))
        .group(Group::Glued).identifier().otel("pidflow.flow.is_glued")
        .doc("1: `pidflow collect --glue` put the record together from those of the agents at both ends; 0: of several agents, of which at most one is at an end. Absent: a record of one agent."),
    row("SRC_OBSERVER", "sourceObserver", (Pidflow, 160), T::String, |r| text(&glued(r)?.source.id)).writes(|r, v| set(v.shared_text(), |n| glued_mut(r).source.id = n))
        .group(Group::Glued).v9_text(33).otel("pidflow.source.observer.id")
        .doc("Id of the agent from which the source end of a glued record is; absent: no agent is at that end."),
    row("SRC_OBSERVER_HOST", "sourceObserverHost", (Pidflow, 161), T::String, |r| text(&glued(r)?.source.host)).writes(|r, v| set(v.shared_text(), |n| glued_mut(r).source.host = n))
        .group(Group::Glued).v9_text(64).otel("pidflow.source.observer.host.name")
        .doc("Name of the host of that agent."),
    row("DST_OBSERVER", "destinationObserver", (Pidflow, 162), T::String, |r| text(&glued(r)?.destination.id)).writes(|r, v| set(v.shared_text(), |n| glued_mut(r).destination.id = n))
        .group(Group::Glued).v9_text(33).otel("pidflow.destination.observer.id")
        .doc("Id of the agent from which the destination end of a glued record is; absent: no agent is at that end."),
    row("DST_OBSERVER_HOST", "destinationObserverHost", (Pidflow, 163), T::String, |r| text(&glued(r)?.destination.host)).writes(|r, v| set(v.shared_text(), |n| glued_mut(r).destination.host = n))
        .group(Group::Glued).v9_text(64).otel("pidflow.destination.observer.host.name")
        .doc("Name of the host of that agent."),
    row("OBSERVERS", "observerIdentifiers", (Pidflow, 164), T::String, |r| text(&glued(r)?.observers)).writes(|r, v| set(v.shared_text(), |n| glued_mut(r).observers = n))
        .group(Group::Glued).v9_text(64).otel("pidflow.observers")
        .doc("Ids of all agents whose records a glued record was made from, joined by commas."),
    row("GLUED_RECORDS", "gluedRecords", (Pidflow, 165), T::Unsigned32, |r| glued(r).map(|g| g.records.into())).writes(|r, v| set(v.number(), |n| glued_mut(r).records = n))
        .group(Group::Glued).unit(Unit::None, Semantics::Quantity).otel("pidflow.flow.glued_records")
        .doc("Number of records that a glued record was made from."),
    amount(row("IN_PKTS_LOST", "packetsLost", (Pidflow, 166), T::Signed64, |r| lost(r, |l| l.packets)).writes(|r, v| set(v.signed(), |n| lost_mut(r).packets = n)), Unit::Packets)
        .otel("pidflow.flow.lost.packets")
        .doc("Packets from source to destination of the whole flow, as the agent at the source counted them, minus those that the agent at the destination counted. In the last record of a glued flow."),
    amount(row("IN_BYTES_LOST", "octetsLost", (Pidflow, 167), T::Signed64, |r| lost(r, |l| l.octets)).writes(|r, v| set(v.signed(), |n| lost_mut(r).octets = n)), Unit::Octets)
        .otel("pidflow.flow.lost.bytes")
        .doc("The same of bytes, IP header included."),
    amount(row("OUT_PKTS_LOST", "reversePacketsLost", (Pidflow, 168), T::Signed64, |r| lost(r, |l| l.reverse_packets)).writes(|r, v| set(v.signed(), |n| lost_mut(r).reverse_packets = n)), Unit::Packets)
        .otel("pidflow.flow.reverse.lost.packets")
        .doc("Packets from destination to source of the whole flow, as the agent at the destination counted them, minus those that the agent at the source counted."),
    amount(row("OUT_BYTES_LOST", "reverseOctetsLost", (Pidflow, 169), T::Signed64, |r| lost(r, |l| l.reverse_octets)).writes(|r, v| set(v.signed(), |n| lost_mut(r).reverse_octets = n)), Unit::Octets)
        .otel("pidflow.flow.reverse.lost.bytes")
        .doc("The same of bytes, IP header included."),
];
