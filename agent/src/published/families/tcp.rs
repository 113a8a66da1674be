//! The figures of measured TCP connections.

use pidflow_engine::flow_table::TcpTotals;
use pidflow_schema::metric::{Family, MetricSample};

/// The families; none if no connection was measured.
pub(super) fn families(totals: &TcpTotals) -> Vec<Family> {
    if totals.records == 0 {
        return Vec::new();
    }
    let packets = [
        ("retransmitted", totals.retransmitted),
        ("retransmitted-syn", totals.syn_retransmitted),
        ("retransmitted-after-timeout", totals.timeout_retransmitted),
        ("out-of-order", totals.out_of_order),
        ("duplicate-ack", totals.duplicate_acks),
        ("zero-window", totals.zero_windows),
        ("congestion-marked", totals.congestion_marked),
    ];
    let unseen = [("lost", totals.lost_bytes), ("uncaptured", totals.uncaptured_bytes)];
    vec![
        Family::counter(
            "pidflow.tcp.troubled.packets",
            "{packet}",
            "TCP packets in records that are not as on a good path, by kind. retransmitted contains the next two.",
            MetricSample::by("kind", packets),
        ),
        Family::counter(
            "pidflow.tcp.unseen.bytes",
            "By",
            "Bytes of TCP connections that were never seen: lost, or uncaptured if the receiver acknowledged them.",
            MetricSample::by("kind", unseen),
        ),
        Family::counter(
            "pidflow.tcp.reset.connections",
            "{connection}",
            "TCP connections that ended with RST.",
            MetricSample::alone(totals.resets),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use pidflow_schema::metric::Point;

    use super::*;

    #[test]
    fn what_was_not_measured_has_no_family() {
        assert!(families(&TcpTotals::default()).is_empty());
        let totals = TcpTotals { records: 1, zero_windows: 7, resets: 2, ..TcpTotals::default() };
        let all = families(&totals);
        assert_eq!(all.iter().map(|family| family.samples.len()).collect::<Vec<_>>(), [7, 2, 1]);
        assert_eq!((&all[0].samples[5].point, &all[2].samples[0].point), (&Point::Whole(7), &Point::Whole(2)));
    }
}
