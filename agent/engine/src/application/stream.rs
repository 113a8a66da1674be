//! The bytes of one direction of a TCP connection that belong to one message.

use super::MAX_MESSAGE;

/// A message that has begun.
#[derive(Debug)]
pub(super) struct Stream {
    /// Sequence number of the byte after `bytes`.
    next: u32,
    bytes: Vec<u8>,
}

impl Stream {
    /// A message of which these bytes are known.
    pub(super) fn new(sequence: u32, bytes: &[u8]) -> Self {
        Self { next: sequence.wrapping_add(length(bytes)), bytes: bytes.to_vec() }
    }

    /// Appends a segment that follows, without what is known already. False: it does not follow, or the message becomes too long.
    pub(super) fn append(&mut self, sequence: u32, bytes: &[u8]) -> bool {
        // Less than 2^31 behind: known already (RFC 9293 section 3.4).
        let known = self.next.wrapping_sub(sequence);
        if known >= 1 << 31 {
            return false;
        }
        let fresh = bytes.get(known as usize..).unwrap_or_default();
        if self.bytes.len() + fresh.len() > MAX_MESSAGE {
            return false;
        }
        self.bytes.extend_from_slice(fresh);
        self.next = self.next.wrapping_add(length(fresh));
        true
    }

    /// Sequence number of the first byte.
    pub(super) fn start(&self) -> u32 {
        self.next.wrapping_sub(length(&self.bytes))
    }

    /// All bytes so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Memory, bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
