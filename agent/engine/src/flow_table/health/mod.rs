//! How well the packets of TCP connections get through: what is kept of each connection beside its flow.
//!
//! The decoder reads the headers ([`crate::segment`]), and packets refer to them by number. Nothing is kept, and nothing is done, if
//! it does not.

mod connection;
mod direction;
mod exchange;
mod gaps;
mod progress;
mod round_trip;
mod sequence;
#[cfg(test)]
mod tests;
mod totals;
mod trouble;

use pidflow_schema::record::{FlowEndReason, TcpEnd, TcpHealth};

use super::FlowTable;
use super::config::PacketRule;
use super::entry::Entry;
use super::handshake::micros;
use super::key::KeySide;
use crate::packet::Packet;
use crate::places::Places;
use crate::segment::Segments;
use connection::{Connection, Sight};
pub use totals::TcpTotals;

/// The connections that are measured, by the place of their flow in the table.
#[derive(Debug, Default)]
pub(super) struct Healths {
    /// The headers of the batch that is being counted.
    segments: Segments,
    connections: Places<Connection>,
    /// Memory of what went wrong, bytes.
    kept_bytes: usize,
    /// Its limit. Beyond it, gaps count as lost at once.
    max_kept_bytes: usize,
}

impl Healths {
    /// The mean memory of what went wrong in one connection, bytes. If all together take more, gaps are not kept.
    const MEAN_TROUBLE: usize = 64;
    /// The greatest mean memory of one connection, bytes.
    pub(super) const BYTES_PER_CONNECTION: usize = Places::<Connection>::MAX_BYTES_EACH + Self::MEAN_TROUBLE;

    /// For a table of so many flows.
    pub(super) fn for_flows(max_flows: usize) -> Self {
        let max_kept_bytes = max_flows.saturating_mul(Self::MEAN_TROUBLE).max(1 << 20);
        Self { max_kept_bytes, ..Self::default() }
    }

    /// Replaces the headers of the batch.
    pub(super) fn set_segments(&mut self, segments: Segments) {
        self.segments = segments;
    }

    /// Reads a packet of the flow in `slot`.
    fn see(&mut self, slot: u32, (from, client): (KeySide, Option<KeySide>), packet: &Packet) {
        let Some(segment) = self.segments.get(packet.segment) else { return };
        let Some(connection) = self.connections.get_or_default(slot) else { return };
        let before = connection.kept_bytes();
        let has_room = self.kept_bytes < self.max_kept_bytes;
        connection.see(Sight { from, client, has_room }, packet, segment);
        self.kept_bytes = self.kept_bytes - before.min(self.kept_bytes) + connection.kept_bytes();
    }

    /// The figures of a flow since its last record, which ends at `now_ns`.
    pub(super) fn take(
        &mut self,
        slot: u32,
        entry: &Entry,
        now_ns: u64,
        reason: FlowEndReason,
    ) -> Option<Box<TcpHealth>> {
        if !entry.is_measured() {
            return None;
        }
        let is_last = reason != FlowEndReason::ActiveTimeout;
        let mut health = self.connections.get_mut(slot)?.take(entry.initiator(), micros(now_ns), is_last);
        if reason == FlowEndReason::IdleTimeout {
            health.end.get_or_insert(TcpEnd::Timeout);
        }
        Some(Box::new(health))
    }

    /// The clock was set, and the time is `now_ns` on the new one.
    pub(super) fn set_clock(&mut self, slot: u32, now_ns: u64) {
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.set_clock(micros(now_ns));
        }
    }

    /// The flow stands under a key whose sides are the other way round.
    pub(super) fn turn_round(&mut self, slot: u32) {
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.turn_round();
        }
    }

    /// The flow has ended.
    pub(super) fn remove(&mut self, slot: u32) {
        let removed = self.connections.remove(slot);
        self.forget(removed);
    }

    /// The flow has another place.
    pub(super) fn relocate(&mut self, from: u32, to: u32) {
        self.connections.relocate(from, to);
    }

    /// The flow in `from` turns out to be the one in `to`, whose figures it replaces.
    pub(super) fn replace(&mut self, to: u32, from: u32, is_turned: bool) {
        if is_turned {
            self.turn_round(from);
        }
        let replaced = self.connections.relocate(from, to);
        self.forget(replaced);
    }

    fn forget(&mut self, connection: Option<Box<Connection>>) {
        let kept = connection.map_or(0, |connection| connection.kept_bytes());
        self.kept_bytes = self.kept_bytes.saturating_sub(kept);
    }

    /// Takes everything known of flows, and leaves nothing.
    pub(super) fn take_all(&mut self) -> Self {
        std::mem::replace(self, Self { max_kept_bytes: self.max_kept_bytes, ..Self::default() })
    }

    /// Returns unused memory. No flow is in slot `used` or a later one.
    pub(super) fn shrink(&mut self, used: usize) {
        self.connections.shrink(used);
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        self.segments.allocated_bytes() + self.connections.allocated_bytes() + self.kept_bytes
    }
}

impl FlowTable {
    /// The greatest mean memory that a flow may take in addition when TCP connections are measured, bytes.
    pub const BYTES_PER_MEASURED_FLOW: usize = Healths::BYTES_PER_CONNECTION;

    /// Reads the header and the payload of a packet that `from` sent, as far as its decoder picked them, and measures the packet.
    #[inline(never)]
    pub(super) fn look_closer(&mut self, slot: u32, from: KeySide, packet: &Packet) {
        let is_sampled = self.is_sampled(packet.time_ns);
        if packet.segment != 0 && !is_sampled {
            let entry = self.slab.get_mut(slot);
            entry.set_measured();
            self.healths.see(slot, (from, entry.client()), packet);
        }
        if packet.payload != 0 {
            self.read_payload(slot, from, packet);
        }
        if self.config.packets == PacketRule::Measure && !is_sampled {
            self.figures.see(slot, from, packet);
        }
    }
}
