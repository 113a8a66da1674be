//! The latest flow records and the processes seen in them, for those who ask over HTTP.
//!
//! The pipeline puts each batch in under a lock that is held for a moment; who asks copies references out under the
//! same lock and does its work without it.

pub(crate) mod cursor;
mod processes;
mod ring;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pidflow_schema::FlowRecord;

use cursor::Place;
use processes::Processes;
use ring::Ring;

pub(crate) use processes::{Known, Sums};
pub(crate) use ring::RecordSnapshot;

/// What is kept, between the pipeline and HTTP.
#[derive(Debug)]
pub(crate) struct Recent {
    capacity: usize,
    kept: Mutex<RecentState>,
}

#[derive(Debug)]
struct RecentState {
    ring: Ring,
    processes: Processes,
}

impl Recent {
    /// Keeps the latest `capacity` records, and processes as [`Processes`] says; with 0 nothing at all.
    pub(crate) fn new(capacity: usize) -> Self {
        let kept = RecentState { ring: Ring::new(capacity), processes: Processes::new() };
        Self { capacity, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> MutexGuard<'_, RecentState> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over new records.
    pub(crate) fn add(&self, records: &Arc<[FlowRecord]>) {
        if self.capacity == 0 {
            return;
        }
        let mut kept = self.kept();
        records.iter().for_each(|r| kept.processes.count(r));
        kept.ring.push(records);
    }

    /// The records that are kept now.
    pub(crate) fn records(&self) -> RecordSnapshot {
        self.kept().ring.records()
    }

    /// The processes that are known now and match, the latest known first, from `before` on; at most `limit` and
    /// one more, by which it is seen that there are more. And how many processes have been forgotten until now.
    pub(crate) fn processes(
        &self,
        before: Place,
        limit: usize,
        matches: impl Fn(&Known) -> bool,
    ) -> (Vec<Arc<Known>>, u64) {
        let (mut all, forgotten) = self.all_processes();
        all.retain(|k| k.place < before.0 && matches(k));
        all.sort_unstable_by_key(|k| Reverse(k.place));
        all.truncate(limit + 1);
        (all, forgotten)
    }

    /// The last seen first, and how many have been forgotten.
    fn all_processes(&self) -> (Vec<Arc<Known>>, u64) {
        let kept = self.kept();
        (kept.processes.iter().cloned().collect(), kept.processes.forgotten())
    }

    /// For each of these process names how many processes have it, and the one that was seen last.
    pub(crate) fn named<'a>(&self, names: &HashSet<&'a str>) -> HashMap<&'a str, (usize, Arc<Known>)> {
        let mut found = HashMap::new();
        for known in self.all_processes().0 {
            if let Some(name) = names.get(&*known.process.name) {
                found.entry(*name).or_insert_with(|| (0, known)).0 += 1;
            }
        }
        found
    }
}
