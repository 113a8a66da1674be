//! The flows that the view knows, each with the sum of its records.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use pidflow_schema::{FlowEndReason, FlowRecord, Process, ProcessEnd, ProcessUsage};

use super::rate::Rate;
use super::series::Series;

/// Maximum number of flows; those without a record for longest are evicted first.
const MAX_FLOWS: usize = 10_000;

/// The identity of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ProcessKey {
    /// PID on the host.
    pub(super) pid: u32,
    /// Start, nanoseconds since the epoch; 0: unknown, because only its name is known from its children.
    pub(super) start_ns: u64,
}

impl ProcessKey {
    /// Of a process.
    pub(super) const fn of(process: &Process) -> Self {
        Self { pid: process.pid, start_ns: process.start_ns }
    }
}

/// What the records of one flow have in common while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    protocol: u8,
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
    icmp: Option<u16>,
    namespace: Option<u32>,
}

impl Ends {
    const fn of(r: &FlowRecord) -> Self {
        let f = &r.flow;
        Self {
            protocol: f.protocol,
            source: (f.source, f.source_port),
            destination: (f.destination, f.destination_port),
            icmp: f.icmp_type_code,
            namespace: f.network_namespace,
        }
    }
}

/// A flow.
#[derive(Debug, Clone)]
pub(super) struct KnownFlow {
    /// Number in the order in which flows became known.
    pub(super) id: u64,
    /// The latest record, with the counters and the times of all records of the flow.
    pub(super) record: FlowRecord,
    /// Whether it goes on, as far as the records say.
    pub(super) is_active: bool,
    /// Bytes over time.
    pub(super) series: Series,
    rate: Rate,
    last_s: u64,
}

impl KnownFlow {
    fn new(id: u64, record: FlowRecord) -> Self {
        Self { id, record, is_active: true, series: Series::default(), rate: Rate::default(), last_s: 0 }
    }

    fn add(&mut self, r: &FlowRecord, now_s: u64) {
        let before = std::mem::replace(&mut self.record, r.clone());
        if self.last_s > 0 {
            self.record.flow.forward.add(&before.flow.forward);
            self.record.flow.reverse.add(&before.flow.reverse);
            self.record.flow.first_ns = r.flow.first_ns.min(before.flow.first_ns);
            self.record.flow.handshake = r.flow.handshake.or(before.flow.handshake);
            self.record.connect_error = r.connect_error.or(before.connect_error);
        }
        // Seconds count from 1, so that 0 means that there was no record.
        self.last_s = now_s.max(1);
        self.is_active = r.flow.end_reason == FlowEndReason::ActiveTimeout;
        self.rate.add(r, now_s);
        self.series.add(now_s, r.flow.forward.octets + r.flow.reverse.octets, None);
    }

    /// Bytes of both directions.
    pub(super) const fn bytes(&self) -> u64 {
        self.record.flow.forward.octets + self.record.flow.reverse.octets
    }

    /// Bytes per second now.
    pub(super) fn rate(&self, now_s: u64) -> u64 {
        self.rate.now(now_s)
    }

    /// The process at one end, with the end.
    pub(super) fn processes(&self) -> impl Iterator<Item = (bool, &ProcessEnd, &Process)> {
        let ends = [(true, &self.record.source), (false, &self.record.destination)];
        ends.into_iter().filter_map(|(is_source, end)| Some((is_source, end, end.process.as_deref()?)))
    }

    /// Whether the process is at one of its ends.
    pub(super) fn is_of(&self, id: ProcessKey) -> bool {
        self.processes().any(|(_, _, process)| ProcessKey::of(process) == id)
    }
}

/// What is known of a process over time.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownProcess {
    /// The latest usage.
    pub(super) usage: Option<ProcessUsage>,
    /// Bytes, CPU load and memory over time.
    pub(super) series: Series,
}

/// All flows and the usage of their processes.
#[derive(Debug, Default)]
pub(super) struct Book {
    flows: HashMap<u64, KnownFlow>,
    /// Flows that go on.
    active: HashMap<Ends, u64>,
    processes: HashMap<ProcessKey, KnownProcess>,
    next: u64,
}

impl Book {
    /// Adds a record.
    pub(super) fn add(&mut self, r: &FlowRecord, now_s: u64) {
        let (ends, next) = (Ends::of(r), &mut self.next);
        let id = *self.active.entry(ends).or_insert_with(|| {
            *next += 1;
            *next
        });
        let flow = self.flows.entry(id).or_insert_with(|| KnownFlow::new(id, r.clone()));
        flow.add(r, now_s);
        if !flow.is_active {
            self.active.remove(&ends);
        }
        self.add_usage(r, now_s);
        if self.flows.len() > MAX_FLOWS {
            self.prune();
        }
    }

    fn add_usage(&mut self, r: &FlowRecord, now_s: u64) {
        let octets = r.flow.forward.octets + r.flow.reverse.octets;
        for end in [&r.source, &r.destination] {
            let Some(process) = &end.process else { continue };
            let known = self.processes.entry(ProcessKey::of(process)).or_default();
            known.usage = end.usage.or(known.usage);
            known.series.add(now_s, octets, end.usage);
        }
    }

    /// Removes the half without a record for longest, and the processes of which no flow is left.
    fn prune(&mut self) {
        let mut ages: Vec<(u64, u64)> = self.flows.values().map(|f| (f.last_s, f.id)).collect();
        let (_, middle, _) = ages.select_nth_unstable(self.flows.len() / 2);
        let middle = *middle;
        self.flows.retain(|id, flow| (flow.last_s, *id) > middle);
        let flows = &self.flows;
        self.active.retain(|_, id| flows.contains_key(id));
        let ends = flows.values().flat_map(|flow| flow.processes().map(|(_, _, p)| ProcessKey::of(p)));
        let left: HashSet<ProcessKey> = ends.collect();
        self.processes.retain(|id, _| left.contains(id));
    }

    /// All flows, in no order.
    pub(super) fn flows(&self) -> impl Iterator<Item = &KnownFlow> {
        self.flows.values()
    }

    /// A flow.
    pub(super) fn flow(&self, id: u64) -> Option<&KnownFlow> {
        self.flows.get(&id)
    }

    /// A process over time.
    pub(super) fn process(&self, id: ProcessKey) -> Option<&KnownProcess> {
        self.processes.get(&id)
    }

    /// The process as its latest flow describes it.
    pub(super) fn description(&self, id: ProcessKey) -> Option<&Process> {
        let of_it = self.flows.values().filter(|flow| flow.is_of(id));
        let latest = of_it.max_by_key(|flow| flow.record.flow.last_ns)?;
        latest.processes().map(|(_, _, process)| process).find(|process| ProcessKey::of(process) == id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{active, ended};
    use super::*;

    #[test]
    fn records_of_a_flow_are_added_up_until_it_ends() {
        let mut book = Book::default();
        for r in [active(443, 1000), active(443, 500), ended(443, 10)] {
            book.add(&r, 5);
        }
        book.add(&active(443, 7), 6);
        let mut sums: Vec<_> = book.flows().map(|f| (f.bytes(), f.is_active)).collect();
        sums.sort_unstable();
        assert_eq!(sums, [(7, true), (1510, false)], "a port that is used again is another flow");
    }

    #[test]
    fn flows_are_bounded_and_the_latest_stay() {
        let mut book = Book::default();
        (1..=25_000).for_each(|n: u16| book.add(&ended(n, 1), u64::from(n) / 100));
        assert!(book.flows.len() <= MAX_FLOWS && book.processes.len() <= MAX_FLOWS + 1);
        assert!(book.flows().any(|f| f.record.flow.destination_port == 25_000));
        assert!(book.flows().all(|f| f.record.flow.destination_port > 10_000));
    }

    #[test]
    fn a_failed_connect_stays_failed() {
        let mut book = Book::default();
        let failed = FlowRecord { connect_error: Some(111), ..active(443, 1) };
        book.add(&failed, 1);
        book.add(&ended(443, 1), 1);
        assert_eq!(book.flows().next().unwrap().record.connect_error, Some(111));
    }
}
