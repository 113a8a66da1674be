//! The payloads and TCP headers of one batch of packets.

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

    /// The payload with this number.
    pub(super) fn get(&self, number: u16) -> Option<&[u8]> {
        let index = usize::from(number).checked_sub(1)?;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start as usize..end as usize)
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

    /// Takes the TCP headers out.
    pub(crate) fn take_segments(&mut self) -> Segments {
        std::mem::take(&mut self.segments)
    }

    /// Memory, bytes.
    #[must_use]
    pub const fn allocated_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>() + self.segments.allocated_bytes()
    }
}
