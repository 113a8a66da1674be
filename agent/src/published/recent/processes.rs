//! The processes seen in records, each with sums over its records. The least recently seen one is evicted first.

use std::sync::Arc;

use lru::LruCache;
use pidflow_schema::{FlowEndReason, FlowRecord, Process, ProcessEnd, ProcessUsage};

/// The greatest number of processes kept.
const MAX_PROCESSES: usize = 10_000;

/// Sums over the records of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Records in which the process is the source.
    pub(crate) as_source: u64,
    /// Records in which it is the destination.
    pub(crate) as_destination: u64,
    /// Flows that ended.
    pub(crate) flows: u64,
    /// Connection attempts of it that failed.
    pub(crate) failures: u64,
    /// Bytes it sent, from the IP header on.
    pub(crate) octets_sent: u64,
    /// Bytes it received.
    pub(crate) octets_received: u64,
    /// Packets it sent.
    pub(crate) packets_sent: u64,
    /// Packets it received.
    pub(crate) packets_received: u64,
}

impl Sums {
    fn add(&mut self, r: &FlowRecord, is_source: bool) {
        let (sent, received) = match is_source {
            true => (&r.flow.forward, &r.flow.reverse),
            false => (&r.flow.reverse, &r.flow.forward),
        };
        self.as_source += u64::from(is_source);
        self.as_destination += u64::from(!is_source);
        // A process that talks to itself has one flow.
        let is_counted = !is_source && identity(&r.source) == identity(&r.destination);
        self.flows += u64::from(r.flow.end_reason != FlowEndReason::ActiveTimeout && !is_counted);
        self.failures += u64::from(is_source && r.connect_error.is_some());
        self.octets_sent += sent.octets;
        self.octets_received += received.octets;
        self.packets_sent += sent.packets;
        self.packets_received += received.packets;
    }
}

/// A process and the sums over its records.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Position in the order in which processes became known, from 1.
    pub(crate) place: u64,
    /// The process as described in its latest record.
    pub(crate) process: Arc<Process>,
    /// Usage in the latest flow that has one; none: no flow had one.
    pub(crate) usage: Option<ProcessUsage>,
    /// Start of its earliest flow, nanoseconds since the epoch.
    pub(crate) first_ns: u64,
    /// End of its latest flow, nanoseconds since the epoch.
    pub(crate) last_ns: u64,
    /// Sums.
    pub(crate) sums: Sums,
}

/// PID and start time.
type Identity = (u32, u64);

fn identity(end: &ProcessEnd) -> Option<Identity> {
    end.process.as_ref().map(|p| (p.pid, p.start_ns))
}

/// Memory of a known process, bytes; an entry of the map is about as large as its key and four pointers.
fn entry_bytes(process: &Process) -> usize {
    process.kept_bytes() + size_of::<Known>() + size_of::<Identity>() + 4 * size_of::<usize>()
}

/// Keeps at most [`MAX_PROCESSES`] processes; fewer if they would exceed `max_bytes`, but always at least one.
#[derive(Debug)]
pub(super) struct Processes {
    max_bytes: usize,
    bytes: usize,
    known: LruCache<Identity, Arc<Known>>,
    next: u64,
}

impl Processes {
    /// Empty.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, known: LruCache::unbounded(), next: 0 }
    }

    /// Takes over both ends of a record.
    pub(super) fn count(&mut self, r: &FlowRecord) {
        self.count_end(r, &r.source, true);
        self.count_end(r, &r.destination, false);
    }

    fn count_end(&mut self, r: &FlowRecord, end: &ProcessEnd, is_source: bool) {
        let Some(process) = &end.process else { return };
        let (next, bytes) = (&mut self.next, &mut self.bytes);
        let known = self.known.get_or_insert_mut((process.pid, process.start_ns), || {
            *next += 1;
            *bytes += entry_bytes(process);
            Arc::new(Known {
                place: *next,
                process: Arc::clone(process),
                usage: None,
                first_ns: r.flow.first_ns,
                last_ns: 0,
                sums: Sums::default(),
            })
        });
        // Copied only while a reader still holds a reference.
        let known = Arc::make_mut(known);
        known.sums.add(r, is_source);
        known.first_ns = known.first_ns.min(r.flow.first_ns);
        if r.flow.last_ns >= known.last_ns {
            known.last_ns = r.flow.last_ns;
            known.usage = end.usage.or(known.usage);
            self.bytes = self.bytes + entry_bytes(process) - entry_bytes(&known.process);
            known.process.clone_from(process);
        }
        self.forget_surplus();
    }

    fn forget_surplus(&mut self) {
        let is_too_much = |p: &Self| p.known.len() > MAX_PROCESSES || p.bytes > p.max_bytes;
        while self.known.len() > 1
            && is_too_much(self)
            && let Some((_, known)) = self.known.pop_lru()
        {
            self.bytes -= entry_bytes(&known.process);
        }
    }

    /// Number of processes that have been evicted.
    pub(super) fn forgotten(&self) -> u64 {
        self.next - self.known.len() as u64
    }

    /// All processes, the most recently seen first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Known>> {
        self.known.iter().map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use pidflow_schema::Attribution;

    use super::*;

    fn record(pid: u32, last_ns: u64, memory: Option<u64>) -> FlowRecord {
        let mut r = crate::sample::record(1, 443, 100);
        (r.flow.first_ns, r.flow.last_ns) = (last_ns / 2, last_ns);
        r.source = ProcessEnd {
            process: Some(Arc::new(Process { pid, ..Process::default() })),
            usage: memory.map(|m| ProcessUsage { memory_actual: Some(m), ..ProcessUsage::default() }),
            ..ProcessEnd::unknown(Attribution::SocketEvent)
        };
        r
    }

    #[test]
    fn a_process_has_the_sums_of_both_ends_and_the_latest_usage() {
        let mut processes = Processes::new(1 << 30);
        processes.count(&record(7, 1000, Some(5)));
        let mut both = record(7, 3000, None);
        both.destination = both.source.clone();
        processes.count(&both);
        processes.count(&record(7, 2000, Some(4)));
        let known = processes.iter().next().unwrap();
        let (sums, memory) = (known.sums, known.usage.and_then(|u| u.memory_actual));
        assert_eq!((sums.as_source, sums.as_destination, sums.flows), (3, 1, 3));
        assert_eq!((sums.octets_sent, sums.octets_received), (300, 100));
        assert_eq!((known.first_ns, known.last_ns, memory), (500, 3000, Some(5)));
    }

    #[test]
    fn processes_that_keep_much_are_fewer_and_what_is_kept_is_added_up() {
        let mut processes = Processes::new(1 << 20);
        for pid in 0..3000 {
            let mut r = record(pid, 1, None);
            // The process is known with a short command line first, and with a long one after its exec.
            processes.count(&r);
            let command_line = "x".repeat(4096).into();
            r.source.process = Some(Arc::new(Process { pid, command_line, ..Process::default() }));
            processes.count(&r);
            assert!(processes.bytes <= 1 << 20);
        }
        let kept: usize = processes.iter().map(|k| entry_bytes(&k.process)).sum();
        assert_eq!(processes.bytes, kept);
        assert!((100..256).contains(&processes.iter().count()), "{}", processes.iter().count());
        assert_eq!(processes.forgotten() as usize + processes.iter().count(), 3000);
    }

    #[test]
    fn the_least_recently_seen_process_is_evicted() {
        let mut processes = Processes::new(1 << 30);
        (0..=MAX_PROCESSES as u32).for_each(|pid| {
            processes.count(&record(pid, 1, None));
            processes.count(&record(0, 1, None));
        });
        assert_eq!((processes.iter().count(), processes.forgotten()), (MAX_PROCESSES, 1));
        let has = |pid| processes.iter().any(|k| k.process.pid == pid);
        assert!(has(0) && !has(1) && has(2));
    }
}
