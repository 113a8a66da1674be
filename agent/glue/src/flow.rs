//! All halves of one flow.

use std::cmp::Reverse;
use std::sync::Arc;

use pidflow_schema::{Flow, FlowKeyBasis, FlowRecord, Lost, kept_bytes};

use crate::ends::{OwnedEnd, Side, certainty};
use crate::half::{Half, direction_rank};
use crate::sums::Sums;

/// Flows with one key that is not exact: after a pause longer than the agents' idle timeout another one begins.
const MAX_PAUSE_NS: u64 = 15_000_000_000;
/// Beginnings of such flows are the same up to this, so that what two agents counted can be compared.
pub(crate) const MAX_APART_NS: u64 = 1_000_000_000;

/// Agents whose records of one flow are put together: at both ends, and on the way. Each record is compared with what each of them sent.
const MAX_OBSERVERS: usize = 16;

/// A flow of which records are held, or were handed on.
#[derive(Debug)]
pub(crate) struct HeldFlow {
    basis: FlowKeyBasis,
    /// The ends of the first record, by which the direction of others is recognised.
    direction: Direction,
    /// The most certain direction, and whether it is the other one than that of the first record.
    initiator: ((u8, Reverse<u64>), bool),
    pub(crate) halves: Vec<Half>,
    pub(crate) source: Option<OwnedEnd>,
    pub(crate) destination: Option<OwnedEnd>,
    /// Two agents are at one end of a flow whose key is not exact.
    pub(crate) is_ambiguous: bool,
    /// What was handed on.
    pub(crate) handed_on: Sums,
    /// What was told of losses.
    pub(crate) lost: Lost,
    first_ns: u64,
    last_ns: u64,
    /// Memory of the records that are held, bytes.
    record_bytes: usize,
    /// Memory of the ends without them, bytes.
    end_bytes: usize,
    /// Identifies the time at which it is due.
    pub(crate) turn: u64,
    /// Everything was handed on, and no more records are expected.
    pub(crate) is_over: bool,
}

/// What a record with the key of a held flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Something new of the flow.
    New,
    /// The first one of the next flow with the same key.
    Next,
    /// It has arrived already.
    Repeated,
    /// It is of a flow that was handed on.
    Late,
    /// It is of one agent more than a flow can have.
    Surplus,
}

/// What tells the direction of a record, equal for all agents but for the order of the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The sequence number in the source's SYN.
    Sequence(u32),
    /// Whether the source is the lower end, after translation.
    Lower(bool),
}

impl Direction {
    fn of(flow: &Flow) -> Self {
        if let Some(sequences) = flow.initial_sequences {
            return Self::Sequence(sequences.source);
        }
        let (source, destination) = match flow.translation.as_deref() {
            Some(t) => ((t.source, t.source_port), (t.destination, t.destination_port)),
            None => ((flow.source, flow.source_port), (flow.destination, flow.destination_port)),
        };
        Self::Lower(source <= destination)
    }
}

impl HeldFlow {
    pub(crate) fn new(record: &FlowRecord) -> Self {
        Self {
            basis: record.flow.key_basis(),
            direction: Direction::of(&record.flow),
            initiator: (direction_rank(record), false),
            halves: Vec::new(),
            source: None,
            destination: None,
            is_ambiguous: false,
            handed_on: Sums::default(),
            lost: Lost::default(),
            first_ns: record.flow.first_ns,
            last_ns: record.flow.last_ns,
            record_bytes: 0,
            end_bytes: 0,
            turn: 0,
            is_over: false,
        }
    }

    /// Memory, bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.halves.capacity() * size_of::<Half>() + self.record_bytes + self.end_bytes
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.basis == FlowKeyBasis::TcpSequence
    }

    /// What a record with the flow's key is.
    pub(crate) fn find(&self, record: &FlowRecord) -> Found {
        let flow = &record.flow;
        let is_after = flow.first_ns > self.last_ns.saturating_add(MAX_PAUSE_NS);
        let is_before = self.first_ns > flow.last_ns.saturating_add(MAX_PAUSE_NS);
        match self.is_exact() {
            _ if self.has(record) => Found::Repeated,
            _ if self.is_surplus(record) => Found::Surplus,
            false if is_after => Found::Next,
            false if is_before => Found::Late,
            // It goes on after a pause that does not part flows.
            false if flow.first_ns > self.last_ns => Found::New,
            _ if self.is_over => Found::Late,
            _ => Found::New,
        }
    }

    fn has(&self, record: &FlowRecord) -> bool {
        self.halves.iter().any(|half| half.observer == record.observer && half.has(record))
    }

    fn is_surplus(&self, record: &FlowRecord) -> bool {
        self.halves.len() >= MAX_OBSERVERS && self.halves.iter().all(|half| half.observer != record.observer)
    }

    /// Whether records are held that were not handed on.
    pub(crate) fn is_pending(&self) -> bool {
        self.halves.iter().any(|half| half.pending.is_some())
    }

    /// Whether the last records of the agents at both ends have arrived.
    pub(crate) fn is_whole(&self) -> bool {
        let has_ended = |end: &Option<OwnedEnd>| {
            end.as_ref().and_then(|end| self.halves.get(end.half)).is_some_and(|half| half.has_ended)
        };
        has_ended(&self.source) && has_ended(&self.destination)
    }

    /// Adds a record.
    pub(crate) fn add(&mut self, mut record: Box<FlowRecord>) {
        let is_turned = Direction::of(&record.flow) != self.direction;
        let rank = direction_rank(&record);
        if rank > self.initiator.0 {
            self.initiator = (rank, is_turned);
        }
        if is_turned {
            record.turn_round();
        }
        self.first_ns = self.first_ns.min(record.flow.first_ns);
        self.last_ns = self.last_ns.max(record.flow.last_ns);
        self.record_bytes += kept_bytes(std::slice::from_ref(&record));
        self.is_over = false;
        let half = self.half(&record.observer);
        self.note_ends(&record, half);
        if let Some(half) = self.halves.get_mut(half) {
            half.add(record);
        }
    }

    fn half(&mut self, observer: &Arc<str>) -> usize {
        if let Some(place) = self.halves.iter().position(|half| half.observer == *observer) {
            return place;
        }
        self.halves.reserve_exact(1);
        self.halves.push(Half::new(Arc::clone(observer)));
        self.halves.len() - 1
    }

    fn note_ends(&mut self, record: &FlowRecord, half: usize) {
        for side in Side::BOTH {
            let known = if side == Side::Source { &mut self.source } else { &mut self.destination };
            let Some(end) = OwnedEnd::of(record, side, half) else { continue };
            self.is_ambiguous |=
                self.basis != FlowKeyBasis::TcpSequence && known.as_ref().is_some_and(|k| k.half != half);
            end.replace(known);
        }
    }

    /// Notes that everything was handed on, and forgets what is needed no longer.
    pub(crate) fn rest(&mut self) {
        self.is_over = self.halves.iter().all(|half| half.has_ended);
        if self.is_over && self.is_exact() {
            (self.source, self.destination) = (None, None);
        }
        self.end_bytes = [&self.source, &self.destination].into_iter().flatten().map(OwnedEnd::kept_bytes).sum();
    }

    /// Takes out all records that are held, as they came but for those of one agent, which are together.
    pub(crate) fn take_apart(&mut self) -> Vec<FlowRecord> {
        self.record_bytes = 0;
        let is_turned = self.is_turned();
        let turned = |mut record: FlowRecord| {
            if is_turned {
                record.turn_round();
            }
            record
        };
        let apart: Vec<_> = self.halves.iter_mut().filter_map(Half::take).map(|(record, _)| turned(*record)).collect();
        for record in &apart {
            let mut record_sums = Sums::of(&record.flow);
            if is_turned {
                std::mem::swap(&mut record_sums.forward, &mut record_sums.reverse);
            }
            self.handed_on.add(record_sums);
        }
        apart
    }

    /// The records that are held, by their half, and that they are held no longer.
    pub(crate) fn take_pending(&mut self) -> Vec<(usize, Box<FlowRecord>, u32)> {
        self.record_bytes = 0;
        let halves = self.halves.iter_mut().enumerate();
        halves.filter_map(|(place, half)| half.take().map(|(record, records)| (place, record, records))).collect()
    }

    /// Whether the direction of the first record is the wrong one.
    pub(crate) const fn is_turned(&self) -> bool {
        self.initiator.1
    }
}

/// Whether the record is to be held: one of an agent that is not at both ends.
pub(crate) fn is_half(record: &FlowRecord) -> bool {
    let is_at_both = certainty(&record.source) > 0 && certainty(&record.destination) > 0;
    !record.observer.is_empty() && record.glued.is_none() && !is_at_both
}
