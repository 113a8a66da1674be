//! The payloads and TCP headers of one batch of packets.

use crate::inspection::InspectedPackets;
use crate::segment::Segments;

/// The greatest sum of payloads in one batch, bytes. Beyond it, payloads are left out and counted.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// Payloads and TCP headers that were picked from the packets of one batch. Packets refer to them by number.
#[derive(Debug, Clone, Default)]
pub struct Payloads {
    bytes: Vec<u8>,
    /// Where each payload ends in `bytes`; indexed by number minus one.
    ends: Vec<u32>,
    left_out: u64,
    segments: Segments,
    /// Whole packets that are to be inspected.
    packets: InspectedPackets,
}

impl Payloads {
    /// Adds a payload and returns its number; 0: there is no room for it.
    pub(super) fn push(&mut self, payload: &[u8]) -> u16 {
        let end = u32::try_from(self.bytes.len() + payload.len()).unwrap_or(u32::MAX);
        let number = u16::try_from(self.ends.len() + 1).unwrap_or(0);
        if number == 0 || end as usize > MAX_BATCH_BYTES {
            self.left_out += 1;
            return 0;
        }
        self.bytes.extend_from_slice(payload);
        self.ends.push(end);
        number
    }

    /// Adds a whole packet, whose payload may have been picked before it with this number; 0: it was not. Returns its number from
    /// now on; 0: there is no room for it.
    pub(crate) fn push_packet(&mut self, number: u16, packet: &[u8]) -> u16 {
        if !self.packets.has_room() {
            self.left_out += 1;
            return number;
        }
        let number = if number == 0 { self.push(&[]) } else { number };
        if number != 0 {
            self.packets.push(number, packet);
        }
        number
    }

    /// The payload with this number; none: it was not picked.
    pub(super) fn get(&self, number: u16) -> Option<&[u8]> {
        let index = usize::from(number).checked_sub(1)?;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start as usize..end as usize).filter(|payload| !payload.is_empty())
    }

    /// Counts payloads that there was no room for.
    pub(super) const fn leave_out(&mut self, payloads: u64) {
        self.left_out += payloads;
    }

    /// Payloads that there was no room for.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// These payloads and those TCP headers.
    pub(crate) fn with_segments(self, segments: Segments) -> Self {
        Self { segments, ..self }
    }

    /// Takes the whole packets out.
    pub(crate) fn take_packets(&mut self) -> InspectedPackets {
        std::mem::take(&mut self.packets)
    }

    /// Takes the TCP headers out.
    pub(crate) fn take_segments(&mut self) -> Segments {
        std::mem::take(&mut self.segments)
    }

    /// Memory, bytes.
    #[must_use]
    pub const fn allocated_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.segments.allocated_bytes()
            + self.packets.allocated_bytes()
    }
}
