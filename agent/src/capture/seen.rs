//! How far all interfaces have been read.

use super::{MAX_SOURCES, PacketBatch};

/// The time before which all packets have been read.
///
/// Under load, packets wait in the kernel or in the channel and are behind the wall clock: a flow that is idle by that
/// clock may have its next packet in a queue.
#[derive(Debug)]
pub struct SeenUntil {
    of_source: Vec<u64>,
}

impl SeenUntil {
    /// The value in the last batch of a source, after which no packets follow.
    pub(super) const ALL_NS: u64 = u64::MAX;

    pub(crate) fn new(sources: usize) -> Self {
        Self { of_source: vec![0; sources] }
    }

    /// Takes over the time of a batch. Batches must arrive in the order in which they were sent. The latest batch
    /// counts even if its time is earlier than before, because the clock may have been set back. A source that is added
    /// later is known from its first batch on.
    pub fn note(&mut self, batch: &PacketBatch) {
        if batch.source >= self.of_source.len() && batch.source < MAX_SOURCES {
            self.of_source.resize(batch.source + 1, Self::ALL_NS);
        }
        if let Some(seen_ns) = self.of_source.get_mut(batch.source) {
            *seen_ns = batch.seen_until_ns;
        }
    }

    /// The time, nanoseconds since the epoch: the earliest of all sources, at most `now_ns`.
    pub fn time_ns(&self, now_ns: u64) -> u64 {
        self.of_source.iter().fold(now_ns, |least, seen_ns| least.min(*seen_ns))
    }
}

#[cfg(test)]
mod tests {
    use pidflow_engine::application::Payloads;

    use super::*;

    fn batch(source: usize, seen_until_ns: u64) -> PacketBatch {
        PacketBatch {
            source,
            seen_until_ns,
            interfaces: Vec::new(),
            counts: Vec::new(),
            tunnels: Vec::new(),
            payloads: Payloads::default(),
            packets: Vec::new(),
        }
    }

    #[test]
    fn the_slowest_interface_counts_and_one_that_is_gone_does_not() {
        let mut seen = SeenUntil::new(2);
        seen.note(&batch(0, 500));
        assert_eq!(seen.time_ns(1000), 0, "nothing is known of the other");
        seen.note(&batch(1, 700));
        assert_eq!(seen.time_ns(1000), 500);
        seen.note(&batch(0, SeenUntil::ALL_NS));
        assert_eq!(seen.time_ns(1000), 700);
        seen.note(&batch(1, SeenUntil::ALL_NS));
        assert_eq!(seen.time_ns(1000), 1000);
    }

    #[test]
    fn a_clock_that_was_set_back_is_followed() {
        let mut seen = SeenUntil::new(2);
        (0..2).for_each(|source| seen.note(&batch(source, 5000)));
        seen.note(&batch(0, 1400));
        assert_eq!(seen.time_ns(1500), 1400);
        seen.note(&batch(1, 1450));
        assert_eq!(seen.time_ns(1550), 1400, "one source is behind, none is ahead");
    }

    #[test]
    fn a_source_that_comes_later_counts_from_its_first_batch_on() {
        let mut seen = SeenUntil::new(1);
        seen.note(&batch(0, 900));
        seen.note(&batch(3, 700));
        assert_eq!(seen.time_ns(1000), 700);
        seen.note(&batch(3, SeenUntil::ALL_NS));
        assert_eq!(seen.time_ns(1000), 900);
        seen.note(&batch(usize::MAX, 1));
        assert_eq!(seen.time_ns(1000), 900);
    }
}
