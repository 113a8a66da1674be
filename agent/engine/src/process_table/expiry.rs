//! Expiry of the table, and the order of eviction when memory is short.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::{Entry, ProcessTable};
use crate::fact::{ProcessId, ProcessesAlive};

/// The number of samples that a process keeps if memory is short.
const MIN_KEPT_SAMPLES: usize = 16;

impl ProcessTable {
    /// A complete poll that began at `begun_ns` is done: processes that it did not contain have ended.
    pub fn polled(&mut self, begun_ns: u64) {
        for entry in self.entries.values_mut().filter(|e| e.exited_ns.is_none() && e.seen_ns < begun_ns) {
            entry.exited_ns = Some(entry.seen_ns);
        }
    }

    /// Ends the processes that are not in the list and were last reported before it, and returns them.
    pub fn reconcile(&mut self, alive: &ProcessesAlive) -> Vec<ProcessId> {
        let key = |id: &ProcessId| (id.pid, id.start);
        let listed: HashSet<_, RandomState> = alive.processes.iter().map(key).collect();
        let mut vanished = Vec::new();
        for (id, entry) in self.entries.iter_mut().filter(|(id, _)| !listed.contains(&key(id))) {
            if entry.exited_ns.is_none() && entry.seen_ns < alive.taken_ns {
                entry.exited_ns = Some(alive.taken_ns);
                vanished.push(*id);
            }
        }
        vanished
    }

    /// Removes processes that ended before `before_ns` and have no children in the table. If memory is still short, it
    /// drops most samples, then the half of the ended processes without children that ended first, because flows may still wait for the
    /// others, then all ended ones, then the least recently seen quarter.
    pub fn expire(&mut self, before_ns: u64) {
        self.forget_ended(before_ns);
        self.forget_movers();
        self.losses.expire(before_ns);
        self.measure();
        self.has_thinned = false;
        if self.is_crowded() {
            self.thin_samples();
        }
        for before_ns in [self.median_end(), u64::MAX] {
            if self.is_crowded() {
                self.dropped += self.forget_ended(before_ns);
                self.measure();
            }
        }
        if self.is_crowded() {
            self.forget_longest_unheard();
            self.measure();
        }
    }

    /// Whether three quarters of the memory are in use: old entries are evicted early.
    #[must_use]
    pub const fn is_crowded(&self) -> bool {
        self.bytes() > self.max_bytes / 4 * 3
    }

    /// Whether the limit is reached, even without most samples.
    pub(super) fn is_full(&mut self) -> bool {
        if self.bytes() > self.max_bytes && !self.has_thinned {
            self.thin_samples();
        }
        self.bytes() > self.max_bytes
    }

    fn thin_samples(&mut self) {
        self.has_thinned = true;
        self.entries.values_mut().for_each(|e| e.samples.thin(MIN_KEPT_SAMPLES));
        self.measure();
    }

    /// Memory in use, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.entry_bytes + self.texts.bytes()
    }

    fn measure(&mut self) {
        self.texts.forget_unused();
        self.entry_bytes = self.entries.values().map(Entry::bytes).sum();
    }

    /// Removes ended processes without children, and returns how many.
    fn forget_ended(&mut self, before_ns: u64) -> u64 {
        let mut count = 0;
        loop {
            let is_over = |e: &&Entry| e.is_over(before_ns);
            let over = self.entries.iter().filter(|(_, e)| is_over(e)).map(|(&id, _)| id);
            let gone: Vec<_> = over.collect();
            if gone.is_empty() {
                return count;
            }
            count += gone.len() as u64;
            gone.into_iter().for_each(|id| self.remove(id));
        }
    }

    /// When half of the ended processes had ended; 0: none has.
    fn median_end(&self) -> u64 {
        let mut ends: Vec<u64> = self.entries.values().filter_map(|e| e.exited_ns).collect();
        let half = ends.len() / 2;
        if ends.is_empty() { 0 } else { *ends.select_nth_unstable(half).1 }
    }

    fn forget_longest_unheard(&mut self) {
        let mut all: Vec<(u64, ProcessId)> = self.entries.iter().map(|(&id, e)| (e.seen_ns, id)).collect();
        all.sort_unstable();
        let quarter = all.len() / 4;
        for (_, id) in all.into_iter().take(quarter) {
            self.remove(id);
            self.dropped += 1;
        }
    }

    fn remove(&mut self, id: ProcessId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if self.by_pid.get(&id.pid) == Some(&id) {
            self.by_pid.remove(&id.pid);
        }
        for parent in entry.parents() {
            self.count_child(parent, -1);
        }
    }
}
