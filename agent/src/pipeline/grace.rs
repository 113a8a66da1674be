//! Ended flows that wait for late facts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pidflow_engine::flow_table::Traffic;
use pidflow_schema::Flow;

use crate::memory::WAITING_FLOW_BYTES;

/// As a size.
const FLOW_BYTES: usize = WAITING_FLOW_BYTES as usize;

/// How long ended flows wait for late facts before they are joined, by the monotonic clock.
pub(super) const JOIN_DELAY: Duration = Duration::from_millis(500);

/// A waiting flow.
#[derive(Debug)]
struct Waiting {
    /// When it is joined.
    due: Instant,
    /// The earliest time at which it can have ended, in the packets' time.
    ended_from_ns: u64,
    /// Memory, bytes.
    bytes: usize,
    flow: Flow,
}

impl Waiting {
    /// Memory of a waiting flow: the same for all, but for the texts of its application, which strangers choose, and the figures of
    /// a TCP connection, of packets and of requests.
    fn bytes_of(flow: &Flow) -> usize {
        let application = flow.application.as_ref().map_or(0, |known| known.kept_bytes());
        let figures = flow.packet_figures.as_deref().map_or(0, size_of_val);
        let latency = flow.http_latency.as_deref().map_or(0, size_of_val);
        FLOW_BYTES + application + flow.tcp.as_deref().map_or(0, size_of_val) + figures + latency
    }
}

/// The waiting flows, and the time up to which all other flows have been joined.
///
/// When delayed packets arrive together, the packets' time jumps while flows that ended long before still wait. Facts
/// that these need must not be expired by the new time.
#[derive(Debug)]
pub(super) struct Grace {
    waiting: VecDeque<Waiting>,
    /// The flow table has returned every flow that ended before this time of the packets.
    given_until_ns: u64,
    /// Memory of the waiting flows, bytes.
    bytes: usize,
    /// Its limit. Beyond it, the oldest are joined early.
    max_bytes: usize,
    joined_early: u64,
    /// Packets and bytes of the waiting flows.
    traffic: Traffic,
}

impl Grace {
    /// Empty; at most `max_waiting` flows will wait, fewer if they have long texts.
    pub(super) fn new(max_waiting: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            given_until_ns: 0,
            bytes: 0,
            max_bytes: max_waiting.saturating_mul(FLOW_BYTES),
            joined_early: 0,
            traffic: Traffic::default(),
        }
    }

    /// Adds the flows that the table returned at `now`.
    pub(super) fn take(&mut self, flows: impl Iterator<Item = Flow>, now: Instant) {
        let (due, ended_from_ns) = (now + JOIN_DELAY, self.given_until_ns);
        let Self { waiting, traffic, bytes: all_bytes, .. } = self;
        waiting.extend(flows.map(|flow| {
            *traffic += Traffic::of(&flow);
            let bytes = Waiting::bytes_of(&flow);
            *all_bytes += bytes;
            Waiting { due, ended_from_ns, bytes, flow }
        }));
    }

    /// How many of the oldest flows there is no room for.
    fn excess(&self) -> usize {
        let mut bytes = self.bytes;
        let is_too_much = |waiting: &&Waiting| {
            let is_too_much = bytes > self.max_bytes;
            bytes -= waiting.bytes;
            is_too_much
        };
        self.waiting.iter().take_while(is_too_much).count()
    }

    /// Notes that the table has returned every flow that ended before this time of the packets.
    pub(super) const fn all_given_until(&mut self, seen_ns: u64) {
        self.given_until_ns = seen_ns;
    }

    /// Flows whose delay is over, and the oldest beyond the maximum.
    pub(super) fn due(&mut self, now: Instant) -> impl Iterator<Item = Flow> + '_ {
        let due = self.waiting.partition_point(|w| w.due <= now);
        let too_many = self.excess();
        self.joined_early += too_many.saturating_sub(due) as u64;
        let Self { waiting, traffic, bytes, .. } = self;
        waiting.drain(..due.max(too_many)).map(|w| {
            *traffic = *traffic - Traffic::of(&w.flow);
            *bytes -= w.bytes;
            w.flow
        })
    }

    /// Removes the oldest flow, before its delay is over; used when the agent stops.
    pub(super) fn pop(&mut self) -> Option<Flow> {
        let Waiting { flow, bytes, .. } = self.waiting.pop_front()?;
        self.bytes -= bytes;
        self.traffic = self.traffic - Traffic::of(&flow);
        Some(flow)
    }

    /// The time of the packets before which every ended flow has been joined.
    pub(super) fn joined_until_ns(&self) -> u64 {
        self.waiting.front().map_or(self.given_until_ns, |w| w.ended_from_ns)
    }

    /// Number of waiting flows.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Packets and bytes of the waiting flows.
    pub(super) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Number of flows joined early since the start, because too many waited.
    pub(super) const fn joined_early(&self) -> u64 {
        self.joined_early
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pidflow_schema::record::{Application, ApplicationProtocol, Http};

    use super::*;
    use crate::sample;

    const S: u64 = 1_000_000_000;

    fn flows(n: usize) -> impl Iterator<Item = Flow> {
        std::iter::repeat_with(|| sample::record(1, 1, 1).flow).take(n)
    }

    #[test]
    fn waiting_batches_hold_the_time_back() {
        let (mut grace, start) = (Grace::new(10), Instant::now());
        grace.all_given_until(90 * S);
        assert_eq!(grace.joined_until_ns(), 90 * S);
        // The packets of eighty seconds come at once.
        grace.take(flows(2), start);
        grace.all_given_until(170 * S);
        assert_eq!((grace.joined_until_ns(), grace.len()), (90 * S, 2), "these may have ended 80 s ago");
        assert_eq!(grace.due(start + JOIN_DELAY - Duration::from_nanos(1)).count(), 0);
        assert_eq!(grace.due(start + JOIN_DELAY).count(), 2);
        assert_eq!(grace.joined_until_ns(), 170 * S);
    }

    #[test]
    fn flows_in_the_table_hold_the_time_back_too() {
        let (mut grace, start) = (Grace::new(10), Instant::now());
        grace.take(flows(1), start);
        assert_eq!(grace.due(start + JOIN_DELAY).count(), 1);
        assert_eq!(grace.joined_until_ns(), 0);
        grace.all_given_until(50 * S);
        assert_eq!(grace.joined_until_ns(), 50 * S);
    }

    #[test]
    fn the_oldest_of_too_many_do_not_wait_and_are_counted() {
        let (mut grace, start) = (Grace::new(3), Instant::now());
        grace.take(flows(5), start);
        assert_eq!((grace.due(start).count(), grace.len(), grace.joined_early()), (2, 3, 2));
        grace.take(flows(2), start + JOIN_DELAY);
        assert_eq!((grace.due(start + JOIN_DELAY).count(), grace.joined_early()), (3, 2), "these were due anyway");
    }

    /// Strangers choose the texts of an application: names of a kilobyte take the room of several flows.
    #[test]
    fn flows_with_long_texts_take_the_room_of_several() {
        let (mut grace, start) = (Grace::new(100), Instant::now());
        let http = Http { path: "a".repeat(30 * FLOW_BYTES).into(), ..Http::default() };
        let known = Application { http: Some(Box::new(http)), ..Application::of(ApplicationProtocol::Http) };
        grace.take(flows(1), start);
        grace.take(flows(10).map(|flow| Flow { application: Some(Arc::new(known.clone())), ..flow }), start);
        assert_eq!((grace.due(start).count(), grace.len(), grace.joined_early()), (8, 3, 8), "the one before them too");
        assert_eq!((grace.pop().is_some(), grace.due(start + JOIN_DELAY).count(), grace.bytes), (true, 2, 0));
    }
}
