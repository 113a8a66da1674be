//! One sample: a packet, and what the agent knows of it.

use pidflow_schema::{Attribution, Collected, Flow, FlowEndReason, FlowRecord, Protocol, Routing};

use crate::counters::Event;
use crate::octets::Octets;
use crate::sampling::scale;

use super::address;
use super::packet::Packets;

/// Compact interfaces have their format in the upper two bits; formats other than 0 are no index.
const MAX_INDEX: u32 = 0x3fff_fffe;
/// Most autonomous systems of a path that are read.
const MAX_PATH: u32 = 1024;
/// Bits of flags that end a connection (RFC 9293 section 3.1: FIN, RST).
const ENDING: u8 = 0x05;

/// The head of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    rate: u32,
    input: u32,
    output: u32,
    count: u32,
    records: Octets<'a>,
}

impl<'a> Sample<'a> {
    /// A flow sample (format 1).
    pub(super) fn compact(mut octets: Octets<'a>) -> Option<Self> {
        let (_sequence, _source, rate) = (octets.u32()?, octets.u32()?, octets.u32()?);
        let (_pool, _drops, input, output) = (octets.u32()?, octets.u32()?, octets.u32()?, octets.u32()?);
        let count = octets.u32()?;
        Some(Self { rate, input: index(0, input), output: index(0, output), count, records: octets })
    }

    /// An expanded flow sample (format 3).
    pub(super) fn expanded(mut octets: Octets<'a>) -> Option<Self> {
        let (_sequence, _class, _source, rate) = (octets.u32()?, octets.u32()?, octets.u32()?, octets.u32()?);
        let (_pool, _drops) = (octets.u32()?, octets.u32()?);
        let input = index(octets.u32()?, octets.u32()?);
        let output = index(octets.u32()?, octets.u32()?);
        let count = octets.u32()?;
        Some(Self { rate, input, output, count, records: octets })
    }

    /// The record of the packet. An error says why it is none.
    pub(super) fn flow(&self, packets: &mut Packets, now_ns: u64) -> Result<FlowRecord, Event> {
        let mut found = Err(Event::NotAFlow);
        let mut routing = Routing { egress_interface: self.output, ..Routing::default() };
        let mut records = self.records;
        for _ in 0..self.count {
            let (format, length) = records.u32().zip(records.u32()).ok_or(Event::BadRecord)?;
            let mut octets = Octets::new(records.take(length as usize).ok_or(Event::BadRecord)?);
            match format {
                // A header says more than what the agent read from it.
                1 => found = packets.header(octets, now_ns),
                3 | 4 if found.is_err() => {
                    found = packets.read_by_agent(octets, format == 4, now_ns).ok_or(Event::BadRecord);
                }
                1002 => _ = router(&mut octets, &mut routing),
                1003 => _ = gateway(&mut octets, &mut routing),
                _ => {}
            }
        }
        found.map(|flow| self.record(flow, routing))
    }

    fn record(&self, mut flow: Flow, routing: Routing) -> FlowRecord {
        flow.interface_index = self.input;
        if flow.protocol == Protocol::TCP && flow.forward.tcp_flags & ENDING != 0 {
            flow.end_reason = FlowEndReason::EndOfFlow;
        }
        let mut record = FlowRecord::without_processes(flow, Attribution::NotReported);
        let sampling_rate = Some(self.rate).filter(|rate| *rate > 0);
        record.collected = Some(Box::new(Collected { sampling_rate, routing: Some(routing), ..Collected::default() }));
        scale(&mut record, self.rate.max(1));
        record
    }
}

/// Format 0 is an index; 0x3fffffff is unknown.
const fn index(format: u32, value: u32) -> u32 {
    if format == 0 && value <= MAX_INDEX { value } else { 0 }
}

/// Extended router data: next hop, and the prefixes' lengths.
fn router(octets: &mut Octets<'_>, routing: &mut Routing) -> Option<()> {
    let _next_hop = address(octets)?;
    let prefix = |length: u32| u8::try_from(length).unwrap_or(0);
    (routing.source_prefix, routing.destination_prefix) = (prefix(octets.u32()?), prefix(octets.u32()?));
    Some(())
}

/// Extended gateway data: the last system of the path is that of the destination.
fn gateway(octets: &mut Octets<'_>, routing: &mut Routing) -> Option<()> {
    let _next_hop = address(octets)?;
    let (_own, source_as, _peer, segments) = (octets.u32()?, octets.u32()?, octets.u32()?, octets.u32()?);
    routing.source_as = source_as;
    for _ in 0..segments.min(MAX_PATH) {
        let (_kind, length) = (octets.u32()?, octets.u32()?);
        for _ in 0..length.min(MAX_PATH) {
            routing.destination_as = octets.u32()?;
        }
    }
    Some(())
}
