//! Segments of TCP that came before the ones that they follow.

use std::collections::VecDeque;

use super::MAX_MESSAGE;
use super::recent::Recent;

/// The greatest number of segments that are kept. Beyond it, the oldest is dropped.
const MAX_SEGMENTS: usize = 64;
/// Their greatest size together, bytes.
const MAX_BYTES: usize = 8 * MAX_MESSAGE;

#[derive(Debug)]
struct Segment {
    connection: u64,
    sequence: u32,
    bytes: Vec<u8>,
}

/// What is kept of all connections. A connection is a hash of addresses and ports, from sender to receiver.
#[derive(Debug)]
pub(super) struct Early {
    /// The first sequence number of directions of which a SYN was seen, and no data yet.
    begun: Recent<u32>,
    segments: VecDeque<Segment>,
    bytes: usize,
}

impl Early {
    pub(super) fn new() -> Self {
        Self { begun: Recent::new(), segments: VecDeque::new(), bytes: 0 }
    }

    /// Whether the first data of any connection is waited for.
    #[inline]
    pub(super) const fn is_waiting(&self) -> bool {
        !self.begun.is_empty()
    }

    /// A SYN was seen; `sequence` is the number of the first byte behind it.
    pub(super) fn begin(&mut self, connection: u64, sequence: u32) {
        self.begun.insert(connection, sequence);
    }

    /// The first data of this direction was seen.
    pub(super) fn has_begun(&mut self, connection: u64) {
        self.begun.remove(connection);
    }

    /// Keeps a segment that is not the beginning of a known message if the first data of its direction has not come yet. Returns the
    /// number of segments that were dropped for it.
    pub(super) fn look(&mut self, connection: u64, sequence: u32, bytes: &[u8]) -> u64 {
        let Some(first) = self.begun.get(connection) else { return 0 };
        let ahead = sequence.wrapping_sub(first) as usize;
        if ahead == 0 || ahead >= MAX_MESSAGE {
            self.has_begun(connection);
            return 0;
        }
        self.keep(connection, sequence, bytes)
    }

    /// Keeps a segment. Returns the number of segments that were dropped for it.
    pub(super) fn keep(&mut self, connection: u64, sequence: u32, bytes: &[u8]) -> u64 {
        let is_known = |known: &Segment| {
            known.connection == connection && known.sequence == sequence && known.bytes.len() >= bytes.len()
        };
        if bytes.len() > MAX_MESSAGE || self.segments.iter().any(is_known) {
            return 0;
        }
        self.bytes += bytes.len();
        self.segments.push_back(Segment { connection, sequence, bytes: bytes.to_vec() });
        let mut dropped = 0;
        while self.segments.len() > MAX_SEGMENTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.segments.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            dropped += 1;
        }
        dropped
    }

    /// Appends the segments that follow to `message`, which begins at `sequence`, until it has `needed` bytes.
    pub(super) fn follow(&mut self, connection: u64, sequence: u32, needed: usize, message: &mut Vec<u8>) {
        let mut at = 0;
        while message.len() < needed && at < self.segments.len() {
            let Some(segment) = self.segments.get(at) else { break };
            let known = message.len().checked_sub(segment.sequence.wrapping_sub(sequence) as usize);
            let Some(known) = known.filter(|_| segment.connection == connection) else {
                at += 1;
                continue;
            };
            let fresh = segment.bytes.get(known..).unwrap_or_default();
            message.extend_from_slice(fresh.get(..fresh.len().min(needed - message.len())).unwrap_or_default());
            self.bytes -= segment.bytes.len();
            self.segments.remove(at);
            at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_joined_in_their_order() {
        let mut early = Early::new();
        early.begin(7, 100);
        assert_eq!((early.look(7, 106, b"gh"), early.look(7, 103, b"defg"), early.look(8, 103, b"xxxx")), (0, 0, 0));
        let mut message = b"abc".to_vec();
        early.has_begun(7);
        early.follow(7, 100, 7, &mut message);
        assert_eq!(message, b"abcdefg");
        assert!(!early.is_waiting());
        early.follow(7, 100, 100, &mut message);
        assert_eq!((message.as_slice(), early.bytes, early.segments.len()), (&b"abcdefgh"[..], 0, 0));
    }

    #[test]
    fn only_early_segments_are_kept_and_not_too_many() {
        let mut early = Early::new();
        early.begin(7, u32::MAX);
        early.look(7, u32::MAX, b"the first one");
        assert_eq!((early.look(7, 12, b"later"), early.bytes), (0, 0), "it has begun");
        early.begin(7, 0);
        early.look(7, MAX_MESSAGE as u32, b"too far");
        assert_eq!((early.is_waiting(), early.bytes), (false, 0));
        early.begin(7, 0);
        let dropped: u64 = (1..200).map(|sequence| early.look(7, sequence, &[0; 3000])).sum();
        assert!(early.bytes <= MAX_BYTES && early.segments.len() <= MAX_SEGMENTS);
        assert_eq!(dropped as usize + early.segments.len(), 199);
        assert_eq!(early.look(7, 199, &[0; 3000]), 0, "it is there already");
    }
}
