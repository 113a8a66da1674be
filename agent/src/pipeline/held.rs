//! Packets held until the kernel's events of the same time have arrived.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pidflow_engine::decode::FrameCount;

use crate::capture::PacketBatch;

/// How long batches are held. A sender that is preempted in its system call is reported only after its packet has
/// arrived, when the packet can no longer be counted in another flow.
const HOLD_TIME: Duration = Duration::from_millis(250);
/// How long batches are held at most, if the kernel's notices of address translations are later than that.
pub(super) const MAX_HOLD_TIME: Duration = Duration::from_secs(2);
/// The greatest number of held packets (about 25 MB). Beyond it, the oldest are counted early.
const MAX_PACKETS: usize = 262_144;

/// Batches in order of arrival.
#[derive(Debug, Default)]
pub(super) struct HeldBatches {
    batches: VecDeque<(Instant, PacketBatch)>,
    packets: usize,
}

impl HeldBatches {
    /// Adds a batch that arrived at `now`.
    pub(super) fn push(&mut self, batch: PacketBatch, now: Instant) {
        self.packets += batch.packets.len();
        self.batches.push_back((now, batch));
    }

    /// Removes the oldest batch if it has been held long enough and the notices up to `noticed_ns` include those of its packets, or
    /// if too many packets are held.
    pub(super) fn due(&mut self, now: Instant, noticed_ns: u64) -> Option<PacketBatch> {
        let (came, batch) = self.batches.front()?;
        let limit = if batch.until_ns() <= noticed_ns { HOLD_TIME } else { MAX_HOLD_TIME };
        let is_due = self.is_full() || now.saturating_duration_since(*came) >= limit;
        if is_due { self.pop() } else { None }
    }

    /// Whether more than [`MAX_PACKETS`] are held.
    pub(super) const fn is_full(&self) -> bool {
        self.packets > MAX_PACKETS
    }

    /// Removes the oldest batch.
    pub(super) fn pop(&mut self) -> Option<PacketBatch> {
        let (_, batch) = self.batches.pop_front()?;
        self.packets -= batch.packets.len();
        Some(batch)
    }

    /// Held packets by interface number, as the packet threads counted them.
    pub(super) fn waiting(&self) -> Vec<(u32, FrameCount)> {
        let all = self.batches.iter().flat_map(|(_, batch)| &batch.counts);
        all.map(|counts| (counts.interface, counts.in_packets())).collect()
    }

    /// Time of the latest held packet, nanoseconds; 0: none is held.
    pub(super) fn until_ns(&self) -> u64 {
        self.batches.back().map_or(0, |(_, batch)| batch.until_ns())
    }

    /// Number of held packets.
    pub(super) const fn packets(&self) -> usize {
        self.packets
    }
}

#[cfg(test)]
mod tests {
    use pidflow_engine::application::Payloads;
    use pidflow_engine::decode::{Decoder, Fragments, Frame};

    use super::*;

    fn batch(source: usize, packets: usize) -> PacketBatch {
        // IPv4 without options, no payload, a protocol without ports; link type 101 (LINKTYPE_RAW).
        let data = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let frame = Frame { time_ns: 1, wire_octets: 20, interface: 0, data: &data };
        let packet = Decoder::new(Fragments::Join.into()).decode(101.into(), &frame).unwrap();
        PacketBatch {
            source,
            seen_until_ns: 0,
            interfaces: Vec::new(),
            counts: Vec::new(),
            tunnels: Vec::new(),
            payloads: Payloads::default(),
            packets: vec![packet; packets],
        }
    }

    #[test]
    fn batches_wait_in_order_and_not_too_many() {
        let (mut held, start) = (HeldBatches::default(), Instant::now());
        held.push(batch(1, 2), start);
        held.push(batch(2, 3), start + HOLD_TIME / 2);
        assert!(held.due(start + HOLD_TIME / 2, 9).is_none());
        assert_eq!(held.due(start + HOLD_TIME, 9).map(|b| b.source), Some(1));
        assert!(held.due(start + HOLD_TIME, 9).is_none());
        held.push(batch(3, MAX_PACKETS), start + HOLD_TIME);
        assert_eq!(held.due(start + HOLD_TIME, 9).map(|b| b.source), Some(2), "there are too many");
        assert!(held.due(start + HOLD_TIME, 9).is_none());
        assert_eq!((held.packets(), held.pop().map(|b| b.source), held.packets()), (MAX_PACKETS, Some(3), 0));
    }

    #[test]
    fn batches_wait_for_late_notices_but_not_forever() {
        let (mut held, start) = (HeldBatches::default(), Instant::now());
        held.push(batch(1, 2), start);
        held.push(batch(2, 2), start);
        // Their packets are of the time 1.
        assert!(held.due(start + HOLD_TIME, 0).is_none());
        assert_eq!(held.due(start + HOLD_TIME, 1).map(|b| b.source), Some(1));
        assert!(held.due(start + MAX_HOLD_TIME / 2, 0).is_none());
        assert_eq!(held.due(start + MAX_HOLD_TIME, 0).map(|b| b.source), Some(2));
    }
}
