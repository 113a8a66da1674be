//! Sums over flow records.

use pidflow_schema::metric::Histogram;
use pidflow_schema::{FlowEndReason, FlowRecord};

use super::top::Sum;

/// Upper bounds of [`Times`] for connects in seconds: from one on this host (tens of microseconds) to one with a
/// repeated SYN.
pub(crate) const CONNECT_BOUNDS: [f64; 8] = [0.000_025, 0.000_05, 0.000_1, 0.000_5, 0.005, 0.05, 0.5, 2.5];
/// The bounds of Tempo's service graphs (Tempo's default).
pub(crate) const SERVED_BOUNDS: [f64; 8] = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8];

/// A histogram of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    counts: [u64; 9],
    sum_us: u64,
}

impl Times {
    fn of(us: u64, bounds: &[f64; 8]) -> Self {
        let seconds = us as f64 / 1e6;
        let mut counts = [0; 9];
        if let Some(n) = counts.get_mut(bounds.partition_point(|b| *b < seconds)) {
            *n = 1;
        }
        Self { counts, sum_us: us }
    }

    /// Converts it for the metrics.
    pub(crate) fn histogram(&self, bounds: &'static [f64; 8]) -> Histogram {
        Histogram { bounds, counts: self.counts.to_vec(), sum: self.sum_us as f64 / 1e6 }
    }
}

impl Sum for Times {
    fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(a, b)| *a += b);
        self.sum_us += other.sum_us;
    }
}

/// Traffic of flows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Bytes of both directions, IP header included.
    pub(crate) bytes: u64,
    /// Packets of both directions.
    pub(crate) packets: u64,
    /// Flows that ended.
    pub(crate) flows: u64,
    /// Connection attempts that failed.
    pub(crate) failures: u64,
}

impl Traffic {
    /// The sums of one record.
    pub(crate) fn of(r: &FlowRecord) -> Self {
        let (a, b) = (&r.flow.forward, &r.flow.reverse);
        Self {
            bytes: a.octets + b.octets,
            packets: a.packets + b.packets,
            flows: u64::from(r.flow.end_reason != FlowEndReason::ActiveTimeout),
            failures: u64::from(r.connect_error.is_some()),
        }
    }
}

impl Sum for Traffic {
    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.packets += other.packets;
        self.flows += other.flows;
        self.failures += other.failures;
    }
}

/// Sums of an edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EdgeSums {
    /// Traffic of its flows.
    pub(crate) traffic: Traffic,
    /// How long it took to establish TCP connections.
    pub(crate) connects: Times,
    /// How long flows that ended lasted.
    pub(crate) served: Times,
}

impl EdgeSums {
    /// The sums of one record.
    pub(crate) fn of(r: &FlowRecord, traffic: Traffic) -> Self {
        let connects = r.flow.handshake.map(|h| Times::of(h.total_us().into(), &CONNECT_BOUNDS));
        let lasted_us = r.flow.last_ns.saturating_sub(r.flow.first_ns) / 1000;
        let served = (traffic.flows > 0).then(|| Times::of(lasted_us, &SERVED_BOUNDS));
        Self { traffic, connects: connects.unwrap_or_default(), served: served.unwrap_or_default() }
    }
}

impl Sum for EdgeSums {
    fn add(&mut self, other: &Self) {
        self.traffic.add(&other.traffic);
        self.connects.add(&other.connects);
        self.served.add(&other.served);
    }
}

/// Resource usage of processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// CPU time, user and system, nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Time waiting for block I/O, nanoseconds; none: unknown.
    pub(crate) iowait_ns: Option<u64>,
    /// Minor page faults.
    pub(crate) minor_faults: u64,
    /// Major page faults.
    pub(crate) major_faults: u64,
}

impl Sum for Used {
    fn add(&mut self, other: &Self) {
        self.cpu_ns += other.cpu_ns;
        self.iowait_ns = match (self.iowait_ns, other.iowait_ns) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
    }
}
