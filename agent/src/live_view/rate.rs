//! The rate of a flow, from its records.

use std::collections::VecDeque;

use pidflow_schema::{FlowEndReason, FlowRecord};

/// Seconds over which a rate is shown at least.
const WINDOW_S: u64 = 10;
/// The shortest usual interval between records of a flow that goes on.
const MIN_INTERVAL_S: u64 = 5;
/// How much later than expected the next record of a flow may come.
const DELAY_S: u64 = 2;

/// Bytes per second, which apply until a time.
#[derive(Debug, Clone, Copy)]
struct Part {
    until_s: u64,
    rate: f64,
}

/// The rate of a flow. Each record adds its bytes over its time; they apply until the next record is due.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate(VecDeque<Part>);

impl Rate {
    /// Adds a record that arrived now.
    pub(super) fn add(&mut self, r: &FlowRecord, now_s: u64) {
        let octets = r.flow.forward.octets + r.flow.reverse.octets;
        let lasted_s = r.flow.last_ns.saturating_sub(r.flow.first_ns) / 1_000_000_000;
        let goes_on = r.flow.end_reason == FlowEndReason::ActiveTimeout;
        // The next record of a flow that goes on comes after about the same time, and replaces this one.
        if goes_on {
            self.0.clear();
        }
        let applies_s = if goes_on { WINDOW_S.max(lasted_s + DELAY_S) } else { WINDOW_S };
        let rate = octets as f64 / lasted_s.max(if goes_on { MIN_INTERVAL_S } else { WINDOW_S }) as f64;
        self.0.retain(|part| part.until_s > now_s);
        self.0.push_back(Part { until_s: now_s + applies_s, rate });
    }

    /// Bytes per second now.
    pub(super) fn now(&self, now_s: u64) -> u64 {
        self.0.iter().filter(|part| part.until_s > now_s).map(|part| part.rate).sum::<f64>() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(octets: u64, seconds: u64, end_reason: FlowEndReason) -> FlowRecord {
        let mut r = crate::sample::record(1, 443, octets);
        (r.flow.last_ns, r.flow.end_reason) = (seconds * 1_000_000_000, end_reason);
        r
    }

    #[test]
    fn a_flow_that_ended_fades_after_the_window() {
        let mut rate = Rate::default();
        rate.add(&record(60_000, 60, FlowEndReason::EndOfFlow), 5);
        assert_eq!([rate.now(5), rate.now(14), rate.now(15)], [1000, 1000, 0]);
    }

    #[test]
    fn a_flow_that_goes_on_keeps_its_rate_until_the_next_record() {
        let mut rate = Rate::default();
        rate.add(&record(60_000, 60, FlowEndReason::ActiveTimeout), 60);
        assert_eq!([rate.now(60), rate.now(121), rate.now(122)], [1000, 1000, 0]);
        rate.add(&record(120_000, 60, FlowEndReason::ActiveTimeout), 121);
        assert_eq!(rate.now(121), 2000, "the last record alone");
    }

    #[test]
    fn a_short_flow_is_spread_over_the_window() {
        let mut rate = Rate::default();
        rate.add(&record(1000, 0, FlowEndReason::EndOfFlow), 5);
        assert_eq!(rate.now(6), 100);
    }
}
