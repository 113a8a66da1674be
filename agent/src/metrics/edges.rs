//! Process-to-process edges, bounded: the busiest have a series of their own, the rest is "other".
//!
//! Counters must only grow, whichever edges are shown. So what an edge carried while it was not
//! shown is counted as `other` at that time and stays there; an edge that is shown begins at zero; and when a
//! series is withdrawn its sums go to `retired`. At any time edges + other + retired = all records.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use pidflow_schema::{FlowEndReason, FlowRecord};

use super::node::Node;

/// Seconds in which the weight of old traffic halves when edges compete for a series.
const HALF_LIFE_S: f64 = 120.0;
/// Seconds without traffic after which a series is withdrawn.
const IDLE_S: u64 = 600;
/// Candidates held for each series.
const CANDIDATES: usize = 4;

/// Sums of an edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Octets of both directions, IP header included.
    pub(crate) bytes: u64,
    /// Packets of both directions.
    pub(crate) packets: u64,
    /// Flows that ended.
    pub(crate) flows: u64,
    /// Connection attempts that failed.
    pub(crate) failures: u64,
}

impl Sums {
    fn of(r: &FlowRecord) -> Self {
        let (a, b) = (&r.flow.forward, &r.flow.reverse);
        Self {
            bytes: a.octets + b.octets,
            packets: a.packets + b.packets,
            flows: u64::from(r.flow.end_reason != FlowEndReason::ActiveTimeout),
            failures: u64::from(r.connect_error.is_some()),
        }
    }

    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.packets += other.packets;
        self.flows += other.flows;
        self.failures += other.failures;
    }
}

#[derive(Debug)]
struct Edge {
    /// What the series says; none: not shown.
    shown: Option<Sums>,
    /// Octets with the old ones fading.
    weight: f64,
    /// Second of the last record.
    last_s: u64,
}

impl Edge {
    fn faded(&self, now_s: u64) -> f64 {
        self.weight * (-(now_s.saturating_sub(self.last_s) as f64) / HALF_LIFE_S).exp2()
    }

    /// How much it deserves a series: one that has it keeps it unless another is twice as heavy.
    fn claim(&self, now_s: u64) -> f64 {
        match now_s.saturating_sub(self.last_s) {
            idle if idle > IDLE_S => 0.0,
            _ if self.shown.is_some() => 2.0 * self.faded(now_s),
            _ => self.faded(now_s),
        }
    }
}

/// Source and target.
pub(crate) type Ends = (Node, Node);

/// All edges.
#[derive(Debug)]
pub(crate) struct Edges {
    limit: usize,
    shown: usize,
    edges: HashMap<Ends, Edge>,
    other: Sums,
    retired: Sums,
}

/// What `/metrics` and `/api/graph` print.
#[derive(Debug, Clone, Default)]
pub(crate) struct EdgesShown {
    /// The edges with a series, busiest first.
    pub(crate) edges: Vec<(Ends, Sums)>,
    /// Traffic of edges without a series.
    pub(crate) other: Sums,
    /// Traffic of series that were withdrawn.
    pub(crate) retired: Sums,
}

impl Edges {
    /// At most `limit` series.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, shown: 0, edges: HashMap::new(), other: Sums::default(), retired: Sums::default() }
    }

    /// Counts a record.
    pub(crate) fn count(&mut self, r: &FlowRecord, now_s: u64) {
        let ends = (Node::of(&r.source, r.flow.source), Node::of(&r.destination, r.flow.destination));
        let sums = Sums::of(r);
        let Some(edge) = self.edge(ends, now_s) else { return self.other.add(sums) };
        edge.weight = edge.faded(now_s) + sums.bytes as f64;
        edge.last_s = now_s;
        match &mut edge.shown {
            Some(shown) => shown.add(sums),
            None => self.other.add(sums),
        }
    }

    /// The edge, made if there is room for it.
    fn edge(&mut self, ends: Ends, now_s: u64) -> Option<&mut Edge> {
        let (room, free) = (self.edges.len() < self.limit * CANDIDATES, self.shown < self.limit);
        match self.edges.entry(ends) {
            Entry::Occupied(e) => Some(e.into_mut()),
            Entry::Vacant(_) if !room => None,
            Entry::Vacant(e) => {
                self.shown += usize::from(free);
                Some(e.insert(Edge { shown: free.then(Sums::default), weight: 0.0, last_s: now_s }))
            }
        }
    }

    /// Chooses anew which edges are shown; to be called now and then.
    pub(crate) fn settle(&mut self, now_s: u64) {
        let mut rank: Vec<(f64, Ends)> = self.edges.iter().map(|(ends, e)| (e.claim(now_s), ends.clone())).collect();
        rank.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.shown = 0;
        for (place, (claim, ends)) in rank.iter().enumerate() {
            self.settle_one(ends, place, *claim);
        }
    }

    fn settle_one(&mut self, ends: &Ends, place: usize, claim: f64) {
        let Some(edge) = self.edges.get_mut(ends) else { return };
        let show = claim > 0.0 && place < self.limit;
        match (show, edge.shown) {
            (true, shown) => edge.shown = Some(shown.unwrap_or_default()),
            (false, Some(sums)) => self.retired.add(sums),
            (false, None) => {}
        }
        self.shown += usize::from(show);
        if !show && (claim <= 0.0 || place >= self.limit * CANDIDATES / 2) {
            self.edges.remove(ends);
        } else if !show {
            edge.shown = None;
        }
    }

    /// What is to be printed.
    pub(crate) fn shown(&self) -> EdgesShown {
        let shown = self.edges.iter().filter_map(|(ends, e)| Some((ends.clone(), e.shown?)));
        let mut edges: Vec<_> = shown.collect();
        edges.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
        EdgesShown { edges, other: self.other, retired: self.retired }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(peer: u32, octets: u64) -> FlowRecord {
        crate::sample::record(peer, 443, octets)
    }

    fn total(e: &Edges) -> Sums {
        let shown = e.shown();
        let mut sum = shown.other;
        sum.add(shown.retired);
        shown.edges.iter().for_each(|(_, s)| sum.add(*s));
        sum
    }

    #[test]
    fn totals_are_those_of_the_records_whatever_is_shown() {
        let mut edges = Edges::new(5);
        let mut bytes = 0;
        for i in 0..10_000_u32 {
            let octets = u64::from(i % 97) * 10 + 1;
            bytes += octets;
            edges.count(&record(i % 300, octets), u64::from(i) / 10);
            if i % 150 == 0 {
                edges.settle(u64::from(i) / 10);
            }
            assert!(edges.edges.len() <= 20 && edges.shown().edges.len() <= 5);
        }
        assert_eq!((total(&edges).bytes, total(&edges).flows), (bytes, 10_000));
    }

    #[test]
    fn a_heavy_newcomer_gets_a_series_that_begins_at_zero() {
        let mut edges = Edges::new(2);
        (1..=2).for_each(|p| edges.count(&record(p, 100), 0));
        edges.count(&record(9, 1_000_000), 1);
        edges.settle(1);
        edges.count(&record(9, 5), 2);
        let shown = edges.shown();
        assert_eq!(shown.edges.iter().map(|(_, s)| s.bytes).max(), Some(100));
        assert!(shown.edges.iter().any(|(_, s)| s.bytes == 5), "{shown:?}");
        assert_eq!((shown.other.bytes, shown.retired.bytes), (1_000_000, 100));
    }

    #[test]
    fn series_of_those_gone_retire() {
        let mut edges = Edges::new(2);
        edges.count(&record(1, 100), 0);
        edges.settle(IDLE_S + 1);
        assert!(edges.shown().edges.is_empty() && edges.edges.is_empty());
        assert_eq!(total(&edges).bytes, 100);
    }
}
