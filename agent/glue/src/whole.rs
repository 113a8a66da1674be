//! One record of all halves of a flow.

use std::sync::Arc;

use pidflow_schema::{EndObserver, FlowRecord, Glued, Lost, Translation};

use crate::ends::{OwnedEnd, Side};
use crate::flow::{HeldFlow, MAX_APART_NS};
use crate::half::Half;
use crate::sums::Sums;

/// The record of all that is held of a flow; none: nothing is held. Its counters are what was not handed on before.
pub(crate) fn whole(flow: &mut HeldFlow) -> Option<FlowRecord> {
    let mut pending = flow.take_pending();
    let records = pending.iter().map(|(_, _, records)| records).sum();
    let seen_by_destination = seen_by_destination(flow, &pending);
    let base = base(flow, &pending);
    let mut record = *pending.swap_remove(base?).1;
    pending.iter().for_each(|(_, other, _)| complete(&mut record, other));
    hand_on(flow, &mut record);
    if flow.halves.len() > 1 {
        put_ends(flow, &mut record, seen_by_destination);
        record.glued = Some(Box::new(glued(flow, records)));
    }
    if flow.is_turned() {
        record.turn_round();
    }
    Some(record)
}

/// The record that the others complete: that of the agent at the source, otherwise at the destination.
fn base(flow: &HeldFlow, pending: &[(usize, Box<FlowRecord>, u32)]) -> Option<usize> {
    let of = |end: &Option<OwnedEnd>| {
        let half = end.as_ref()?.half;
        pending.iter().position(|(place, _, _)| *place == half)
    };
    of(&flow.source).or_else(|| of(&flow.destination)).or((!pending.is_empty()).then_some(0))
}

/// The addresses and ports that the agent at the destination saw, which are those after all translations on the way.
fn seen_by_destination(flow: &HeldFlow, pending: &[(usize, Box<FlowRecord>, u32)]) -> Option<Translation> {
    let half = flow.destination.as_ref()?.half;
    let (_, record, _) = pending.iter().find(|(place, _, _)| *place == half)?;
    let f = &record.flow;
    let after = f.translation.as_deref();
    Some(after.copied().unwrap_or(Translation {
        source: f.source,
        source_port: f.source_port,
        destination: f.destination,
        destination_port: f.destination_port,
        begun_by_source: true,
    }))
}

/// Adds what another agent knows of the same packets.
fn complete(record: &mut FlowRecord, other: &FlowRecord) {
    let (flow, more) = (&mut record.flow, &other.flow);
    flow.first_ns = flow.first_ns.min(more.first_ns);
    if flow.last_ns < more.last_ns {
        (flow.last_ns, flow.end_reason, flow.end_detail) = (more.last_ns, more.end_reason, more.end_detail);
    }
    flow.forward.tcp_flags |= more.forward.tcp_flags;
    flow.reverse.tcp_flags |= more.reverse.tcp_flags;
    flow.forward.unknown = flow.forward.unknown.intersection(more.forward.unknown);
    flow.reverse.unknown = flow.reverse.unknown.intersection(more.reverse.unknown);
    flow.handshake = flow.handshake.or(more.handshake);
    if flow.application.is_none() {
        flow.application.clone_from(&more.application);
    }
    if flow.classification.is_none() {
        flow.classification.clone_from(&more.classification);
    }
    record.connect_error = record.connect_error.or(other.connect_error);
    name(record, other);
}

/// Takes over what the other agent calls an end of which this one knows nothing more.
fn name(record: &mut FlowRecord, other: &FlowRecord) {
    if record.source.endpoint.is_none() {
        record.source.endpoint.clone_from(&other.source.endpoint);
    }
    if record.destination.endpoint.is_none() {
        record.destination.endpoint.clone_from(&other.destination.endpoint);
    }
}

/// Sets the counters: of each, the greatest sum of an agent, without what was handed on before.
fn hand_on(flow: &mut HeldFlow, record: &mut FlowRecord) {
    let greatest = flow.halves.iter().fold(flow.handed_on, |greatest, half| greatest.greatest(half.sums));
    greatest.beyond(flow.handed_on).write(&mut record.flow);
    flow.handed_on = greatest;
}

fn put_ends(flow: &HeldFlow, record: &mut FlowRecord, after: Option<Translation>) {
    if let Some(source) = &flow.source {
        source.write(record, Side::Source);
    }
    if let Some(destination) = &flow.destination {
        destination.write(record, Side::Destination);
    }
    let f = &mut record.flow;
    let before = (f.source, f.source_port, f.destination, f.destination_port);
    let is_translated = |t: &Translation| (t.source, t.source_port, t.destination, t.destination_port) != before;
    if f.translation.is_none() && flow.source.is_some() {
        f.translation = after.filter(is_translated).map(Box::new);
    }
}

fn glued(flow: &mut HeldFlow, records: u32) -> Glued {
    let observer = |end: &Option<OwnedEnd>| end.as_ref().map_or_else(EndObserver::default, |end| end.observer.clone());
    let mut observers: Vec<&str> = flow.halves.iter().map(|half| &*half.observer).collect();
    observers.sort_unstable();
    let mut glued = Glued {
        source: observer(&flow.source),
        destination: observer(&flow.destination),
        observers: Arc::from(observers.join(",")),
        records,
        lost: None,
    };
    glued.lost = glued.is_of_two_ends().then(|| lost(flow)).flatten().map(|all| tell(&mut flow.lost, all));
    glued
}

/// What was sent minus what arrived; none: the agents at the ends did not both see all of it, or not yet.
fn lost(flow: &HeldFlow) -> Option<Lost> {
    let half = |end: &Option<OwnedEnd>| end.as_ref().and_then(|end| flow.halves.get(end.half));
    let (source, destination) = half(&flow.source).zip(half(&flow.destination))?;
    let have_begun = match flow.is_exact() {
        true => source.has_begin && destination.has_begin,
        false => source.first_ns.abs_diff(destination.first_ns) <= MAX_APART_NS,
    };
    let is_whole = |half: &Half| half.has_ended;
    (have_begun && is_whole(source) && is_whole(destination)).then(|| difference(source.sums, destination.sums))
}

/// What is new, where the flow went on after its loss was told.
const fn tell(told: &mut Lost, all: Lost) -> Lost {
    let new = Lost {
        packets: all.packets.wrapping_sub(told.packets),
        octets: all.octets.wrapping_sub(told.octets),
        reverse_packets: all.reverse_packets.wrapping_sub(told.reverse_packets),
        reverse_octets: all.reverse_octets.wrapping_sub(told.reverse_octets),
    };
    *told = all;
    new
}

fn difference(source: Sums, destination: Sums) -> Lost {
    let minus = |sent: u64, arrived: u64| sent.wrapping_sub(arrived).cast_signed();
    Lost {
        packets: minus(source.forward.packets, destination.forward.packets),
        octets: minus(source.forward.octets, destination.forward.octets),
        reverse_packets: minus(destination.reverse.packets, source.reverse.packets),
        reverse_octets: minus(destination.reverse.octets, source.reverse.octets),
    }
}
