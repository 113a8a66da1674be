//! The latest flow records and the processes seen in them, for requests over HTTP.
//!
//! The pipeline adds each batch under a lock that it holds only briefly. A reader copies references under the same
//! lock, and works on them without it.

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

/// One part in this many of the memory is for processes; the rest is for records.
const PROCESSES_PART: usize = 5;

/// The records and processes that are kept for HTTP.
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
    /// Keeps the latest `capacity` records, and as many processes as [`Processes`] does; nothing if `capacity` is 0.
    /// Fewer are kept if both together would exceed `bytes`.
    pub(crate) fn new(capacity: usize, bytes: usize) -> Self {
        let for_processes = bytes / PROCESSES_PART;
        let kept =
            RecentState { ring: Ring::new(capacity, bytes - for_processes), processes: Processes::new(for_processes) };
        Self { capacity, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> MutexGuard<'_, RecentState> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds new records.
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

    /// Returns the known processes before `before` that match, the latest known first, and how many processes have been
    /// evicted so far. It returns up to `limit` + 1 processes; the additional one shows that there are more.
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

    /// All processes, the most recently seen first, and how many have been evicted.
    fn all_processes(&self) -> (Vec<Arc<Known>>, u64) {
        let kept = self.kept();
        (kept.processes.iter().cloned().collect(), kept.processes.forgotten())
    }

    /// For each of these process names, the number of processes with it, and the one seen most recently.
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

#[cfg(test)]
mod tests {
    use pidflow_schema::{Candidate, Placement, Pod, Process, kept_bytes};

    use super::*;

    const MAX_BYTES: usize = 8 << 20;
    const CONNECTIONS: u32 = 600;

    fn kept(recent: &Recent) -> usize {
        let records: Vec<FlowRecord> =
            recent.records().newest_first(Place::NEWEST, |_| true).map(|(_, r)| r.clone()).collect();
        kept_bytes(&records) + recent.all_processes().0.iter().map(|k| k.process.kept_bytes()).sum::<usize>()
    }

    /// Adds connections, each of its own process, which `describe` fills in.
    fn after(batch: u32, describe: impl Fn(u32) -> Process) -> Recent {
        let recent = Recent::new(10_000, MAX_BYTES);
        for first in (0..CONNECTIONS).step_by(batch as usize) {
            let records = (first..first + batch).map(|pid| {
                let mut record = crate::sample::record(pid, 443, u64::from(pid));
                let process = Process { pid, ..describe(pid) };
                record.source.candidate = Some(Candidate { pid, name: Arc::clone(&process.name) });
                record.source.process = Some(Arc::new(process));
                record
            });
            recent.add(&records.collect());
        }
        recent
    }

    fn newest(recent: &Recent) -> u64 {
        recent.records().newest_first(Place::NEWEST, |_| true).map(|(_, r)| r.flow.forward.octets).next().unwrap()
    }

    #[test]
    fn long_command_lines_do_not_exceed_the_limit() {
        let of_a_megabyte = |n: u32| Process {
            command_line: n.to_string().repeat(1_000_000).get(..1_000_000).unwrap().into(),
            ..Process::default()
        };
        let recent = after(3, of_a_megabyte);
        assert!((2 << 20..=MAX_BYTES).contains(&kept(&recent)), "{}", kept(&recent));
        assert_eq!(newest(&recent), u64::from(CONNECTIONS) - 1);
        let (processes, forgotten) = recent.all_processes();
        assert_eq!(processes.len() + forgotten as usize, CONNECTIONS as usize);
    }

    #[test]
    fn long_names_in_every_field_do_not_exceed_the_limit() {
        let long_names = |n: u32| {
            let text = |field: &str| -> Arc<str> { format!("{field}{n:04000}").into() };
            let placement = Placement {
                container_id: text("container id"),
                container_runtime: text("runtime"),
                unit: text("unit"),
                user_unit: text("user unit"),
                slice: text("slice"),
            };
            let pod =
                Pod { namespace: text("namespace"), name: text("pod"), container: text("container"), details: None };
            Process {
                name: text("name"),
                user: text("user"),
                executable: text("executable"),
                placement,
                pod: Some(Arc::new(pod)),
                parent_name: text("parent"),
                parent_user: text("user"),
                ancestors: text("ancestors"),
                ..Process::default()
            }
        };
        let recent = after(20, long_names);
        assert!((MAX_BYTES / 2..=MAX_BYTES).contains(&kept(&recent)), "{}", kept(&recent));
    }

    #[test]
    fn usual_records_are_kept_as_many_as_configured() {
        let usual = |n: u32| Process { command_line: format!("/usr/bin/curl {n}").into(), ..Process::default() };
        let recent = after(1, usual);
        assert_eq!(recent.records().newest_first(Place::NEWEST, |_| true).count(), CONNECTIONS as usize);
        assert_eq!(recent.all_processes().0.len(), CONNECTIONS as usize);
    }
}
