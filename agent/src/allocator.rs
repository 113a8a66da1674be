//! Returns memory that the C library's allocator keeps after a flood. The allocator returns pages only at the end of
//! its heaps, and allocations that outlive the flood are spread over all of them.

use std::time::{Duration, Instant};

/// The smallest decrease for which a walk over all heaps is worthwhile, bytes.
const MIN_SHRUNK: u64 = 16 << 20;
/// The same as a fraction of the peak.
const MIN_SHRUNK_PART: u64 = 8;
/// Minimum interval between two such walks, each of which takes some ten milliseconds.
const MIN_INTERVAL: Duration = Duration::from_secs(20);

/// Returns memory to the system when the program uses much less of it than before. It belongs to one thread, which
/// checks from time to time.
#[derive(Debug, Default)]
pub(crate) struct Trimmer {
    /// Peak size of tables and queues since memory was last returned, bytes.
    peak: u64,
    trimmed: Option<Instant>,
}

impl Trimmer {
    /// Notes the current size of tables and queues in bytes. Returns free memory to the system if the size is at least
    /// an eighth and 16 MiB below the peak since the last time. A flood ends gradually: with a larger fraction, memory
    /// freed after the first time would be kept. Other threads may have to wait for memory meanwhile. Returns true if
    /// memory was returned.
    pub(crate) fn look(&mut self, held: u64, now: Instant) -> bool {
        self.peak = self.peak.max(held);
        let has_shrunk = self.peak - held >= MIN_SHRUNK.max(self.peak / MIN_SHRUNK_PART);
        let is_early = self.trimmed.is_some_and(|t| now.saturating_duration_since(t) < MIN_INTERVAL);
        if !has_shrunk || is_early {
            return false;
        }
        (self.peak, self.trimmed) = (held, Some(now));
        give_back();
        true
    }
}

/// Returns all empty pages to the kernel.
#[cfg(target_env = "gnu")]
fn give_back() {
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries have no such call.
#[cfg(not(target_env = "gnu"))]
const fn give_back() {}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::{Arc, mpsc};
    use std::{fs, thread};

    use pidflow_schema::FlowRecord;

    use super::*;
    use crate::sample;

    const MB: u64 = 1 << 20;
    /// Set in the process in which memory is measured.
    const MEASURED: &str = "PIDFLOW_TEST_MEMORY_IS_MEASURED";

    /// Memory of this process that is in use by the kernel's account, bytes.
    fn resident() -> u64 {
        let statm = fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    /// Records made by four threads, each with its own heap; one batch in fifty outlives the flood. Batches are small,
    /// as most live ones are: the allocator returns large pieces of memory without help.
    fn flood() -> (Vec<Arc<[FlowRecord]>>, u64) {
        let (sender, receiver) = mpsc::channel::<Arc<[FlowRecord]>>();
        let make = |n: u32| {
            let sender = sender.clone();
            let batch = move || (0..64).map(|i| sample::record(n, 1, i)).collect();
            thread::spawn(move || (0..800).for_each(|_| sender.send(batch()).unwrap()))
        };
        let threads: Vec<_> = (0..4).map(make).collect();
        drop(sender);
        let mut all: Vec<_> = receiver.iter().collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        let (peak, mut n) = (resident(), 0);
        all.retain(|_| {
            n += 1;
            n % 50 == 0
        });
        (all, peak)
    }

    /// Runs in a separate process, because other tests in this one would be measured too.
    #[test]
    fn memory_is_given_back_after_a_flood() {
        if std::env::var_os(MEASURED).is_some() {
            return memory_is_given_back();
        }
        let this = std::env::current_exe().unwrap();
        let name = "allocator::tests::memory_is_given_back_after_a_flood";
        let output = Command::new(this).args(["--exact", name]).env(MEASURED, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    fn memory_is_given_back() {
        let before = resident();
        let (_left, peak) = flood();
        let grown = peak - before;
        assert!(grown > 40 * MB, "{grown}");
        let (mut trimmer, now) = (Trimmer::default(), Instant::now());
        assert!(!trimmer.look(grown, now));
        let untrimmed = resident() - before;
        assert!(trimmer.look(grown / 50, now));
        let kept = resident() - before;
        assert!(kept < grown / 4 && kept < untrimmed / 2, "grown by {grown}, {untrimmed} and then {kept} kept");
    }

    #[test]
    fn small_changes_and_quick_ones_are_not_worth_it() {
        let (mut trimmer, now) = (Trimmer::default(), Instant::now());
        assert!(!trimmer.look(20 * MB, now));
        assert!(!trimmer.look(5 * MB, now), "that is little");
        assert!(!trimmer.look(400 * MB, now));
        assert!(!trimmer.look(360 * MB, now), "that is a small part of it");
        assert!(trimmer.look(100 * MB, now));
        assert!(!trimmer.look(10 * MB, now + MIN_INTERVAL / 2), "it was just now");
        assert!(trimmer.look(10 * MB, now + MIN_INTERVAL));
        assert!(!trimmer.look(10 * MB, now + MIN_INTERVAL * 2));
    }

    #[test]
    fn what_a_flood_leaves_bit_by_bit_is_given_back_too() {
        let (mut trimmer, now) = (Trimmer::default(), Instant::now());
        assert!(!trimmer.look(230 * MB, now));
        assert!(trimmer.look(115 * MB, now));
        assert!(!trimmer.look(85 * MB, now + MIN_INTERVAL / 2));
        assert!(trimmer.look(85 * MB, now + MIN_INTERVAL), "less than half of it is gone");
    }
}
