//! How far all interfaces have been read.

use super::PacketBatch;

/// The time before which no packet is still to come.
///
/// Under load packets wait, in the kernel or in the channel, and the wall clock runs ahead of them: a flow that is idle
/// by that clock may have its next packet waiting.
#[derive(Debug)]
pub struct SeenUntil {
    of_source: Vec<u64>,
}

impl SeenUntil {
    /// What the batch of an interface that is gone says: nothing comes any more.
    pub(super) const ALL_NS: u64 = u64::MAX;

    pub(crate) fn new(sources: usize) -> Self {
        Self { of_source: vec![0; sources] }
    }

    /// Takes over what a batch says; batches must come in the order in which they were sent.
    pub fn note(&mut self, batch: &PacketBatch) {
        if let Some(seen_ns) = self.of_source.get_mut(batch.source) {
            *seen_ns = batch.seen_until_ns;
        }
    }

    /// The time, nanoseconds since the epoch; at most `now_ns`.
    pub fn time_ns(&self, now_ns: u64) -> u64 {
        self.of_source.iter().fold(now_ns, |least, seen_ns| least.min(*seen_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(source: usize, seen_until_ns: u64) -> PacketBatch {
        PacketBatch { source, seen_until_ns, interfaces: Vec::new(), packets: Vec::new() }
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
}
