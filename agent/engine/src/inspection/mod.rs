//! Hands the first packets of flows to a library that classifies them, within bounds.
//!
//! The decoder copies the first packets of each flow ([`gate`]); the flow table hands them to the [`Inspector`], and keeps what it
//! says until the flow ends. Nothing is copied, and nothing is kept, without an inspector.

mod gate;
mod packets;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

use pidflow_schema::record::{Classification, Protocol};

use crate::packet::Packet;
use crate::places::Places;
pub(crate) use gate::Gate;
pub(crate) use packets::InspectedPackets;

/// What an inspector says of a flow; none: it does not know.
pub type Verdict = Option<Arc<Classification>>;

/// How many packets of a flow are inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InspectedShare {
    /// Of a TCP connection, with those of the handshake.
    pub tcp: u8,
    /// Of a flow of UDP or another protocol.
    pub others: u8,
}

impl InspectedShare {
    /// The number for packets of this protocol.
    const fn of(self, protocol: u8) -> u8 {
        if protocol == Protocol::TCP { self.tcp } else { self.others }
    }
}

impl Default for InspectedShare {
    /// As ntop's talks say: 15 packets of a TCP connection, 2 of other flows.
    fn default() -> Self {
        Self { tcp: 15, others: 2 }
    }
}

/// Classifies flows by their first packets.
pub trait Inspector: Debug + Send {
    /// Looks at the next packet of the flow `id`, from its IP header on. Returns the verdict when further packets would not change it;
    /// then the inspector has forgotten the flow.
    fn see(&mut self, id: u64, packet: &[u8], time_ms: u64) -> Option<Verdict>;

    /// Forgets the flow, and says what is known of it.
    fn conclude(&mut self, id: u64) -> Verdict;

    /// Memory that a flow takes until its verdict beside its packets, bytes.
    fn bytes_per_flow(&self) -> usize;
}

/// What was inspected so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InspectionCounters {
    /// Packets that were inspected.
    pub packets: u64,
    /// Flows with a verdict.
    pub classified: u64,
    /// Flows that the inspector does not know.
    pub unknown: u64,
    /// Flows concluded early because all flows without a verdict had too much memory.
    pub early: u64,
}

/// One flow.
#[derive(Debug, Default)]
struct Inspection {
    /// The inspector's number of the flow.
    id: u64,
    /// Memory until the verdict, bytes: its structure, and the packets, which the inspector may have copied.
    bytes: u32,
    packets: u8,
    is_concluded: bool,
    verdict: Verdict,
}

/// The flows that are or were inspected, by the flow's place in the table.
#[derive(Debug, Default)]
pub(crate) struct Inspections {
    inspector: Option<Box<dyn Inspector>>,
    share: InspectedShare,
    packets: InspectedPackets,
    flows: Places<Inspection>,
    /// Id and place of the flows without a verdict, the oldest first, among others that have one by now.
    waiting: VecDeque<(u64, u32)>,
    /// How many flows have no verdict.
    running: usize,
    /// Their memory, bytes.
    bytes: usize,
    /// Its limit. Beyond it, the oldest are concluded early.
    max_bytes: usize,
    next_id: u64,
    counters: InspectionCounters,
}

impl Inspections {
    /// The memory that a flow takes in addition when it is inspected, bytes.
    pub(crate) const BYTES_PER_FLOW: usize = Places::<Inspection>::MAX_BYTES_EACH;

    /// Flows are inspected from now on.
    pub(crate) fn begin(&mut self, inspector: Box<dyn Inspector>, share: InspectedShare, max_bytes: usize) {
        (self.inspector, self.share, self.max_bytes) = (Some(inspector), share, max_bytes);
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.inspector.is_some()
    }

    /// Replaces the packets of the batch.
    pub(crate) fn set_packets(&mut self, packets: InspectedPackets) {
        self.packets = packets;
    }

    pub(crate) const fn counters(&self) -> InspectionCounters {
        self.counters
    }

    /// Inspects a packet of the flow in `slot`, if it was copied and the flow has no verdict yet.
    pub(crate) fn see(&mut self, slot: u32, packet: &Packet) {
        let Some(inspector) = &mut self.inspector else { return };
        let Some(bytes) = self.packets.get(packet.payload) else { return };
        let Some(flow) = self.flows.get_or_default(slot) else { return };
        if flow.is_concluded {
            return;
        }
        let mut added = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if flow.packets == 0 {
            flow.id = self.next_id;
            self.next_id += 1;
            self.running += 1;
            self.waiting.push_back((flow.id, slot));
            added = added.saturating_add(u32::try_from(inspector.bytes_per_flow()).unwrap_or(u32::MAX));
        }
        flow.packets += 1;
        flow.bytes = flow.bytes.saturating_add(added);
        self.bytes += added as usize;
        self.counters.packets += 1;
        let found = inspector.see(flow.id, bytes, packet.time_ns / 1_000_000);
        let is_last = flow.packets >= self.share.of(packet.protocol);
        match found {
            Some(verdict) => self.note(slot, verdict),
            None if is_last => self.conclude(slot),
            None => self.make_room(),
        }
    }

    /// Asks for the verdict now, if there is none yet.
    fn conclude(&mut self, slot: u32) {
        let Some(flow) = self.flows.get(slot).filter(|flow| !flow.is_concluded) else { return };
        let verdict = self.inspector.as_mut().and_then(|inspector| inspector.conclude(flow.id));
        self.note(slot, verdict);
    }

    fn note(&mut self, slot: u32, verdict: Verdict) {
        let Some(flow) = self.flows.get_mut(slot) else { return };
        self.bytes = self.bytes.saturating_sub(flow.bytes as usize);
        self.running = self.running.saturating_sub(1);
        *(if verdict.is_some() { &mut self.counters.classified } else { &mut self.counters.unknown }) += 1;
        flow.is_concluded = true;
        flow.verdict = verdict;
    }

    /// Concludes the oldest flows while all have too much memory, and forgets those in the queue that have a verdict.
    fn make_room(&mut self) {
        while self.bytes > self.max_bytes
            && let Some((id, slot)) = self.waiting.pop_front()
        {
            if self.is_waiting(id, slot) {
                self.counters.early += 1;
                self.conclude(slot);
            }
        }
        if self.waiting.len() > 2 * self.running + 1024 {
            let flows = &self.flows;
            self.waiting.retain(|(id, slot)| flows.get(*slot).is_some_and(|flow| flow.id == *id && !flow.is_concluded));
        }
    }

    fn is_waiting(&self, id: u64, slot: u32) -> bool {
        self.flows.get(slot).is_some_and(|flow| flow.id == id && !flow.is_concluded)
    }

    /// The verdict on a flow of which a record is made. Its inspection ends with that.
    pub(crate) fn verdict(&mut self, slot: u32) -> Verdict {
        self.conclude(slot);
        self.flows.get(slot)?.verdict.clone()
    }

    /// The flow has ended.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.conclude(slot);
        self.flows.remove(slot);
    }

    /// The flow has another place.
    pub(crate) fn relocate(&mut self, from: u32, to: u32) {
        if let Some(flow) = self.flows.get(from).filter(|flow| !flow.is_concluded)
            && let Ok(at) = self.waiting.binary_search_by_key(&flow.id, |(id, _)| *id)
            && let Some((_, slot)) = self.waiting.get_mut(at)
        {
            *slot = to;
        }
        self.flows.relocate(from, to);
    }

    /// The flow in `from` turns out to be the one in `to`.
    pub(crate) fn merge(&mut self, from: u32, to: u32) {
        if self.flows.get(to).is_none() {
            self.relocate(from, to);
        }
    }

    /// Returns unused memory. No flow is in slot `used` or a later one.
    pub(crate) fn shrink(&mut self, used: usize) {
        self.flows.shrink(used);
        self.waiting.shrink_to(2 * self.running);
    }

    pub(crate) fn allocated_bytes(&self) -> usize {
        self.flows.allocated_bytes() + self.waiting.capacity() * size_of::<(u64, u32)>() + self.bytes
    }
}
