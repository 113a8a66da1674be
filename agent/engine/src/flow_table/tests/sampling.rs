//! Packets of which only a sample is counted.

use super::*;

const FROM: u64 = 10 * SECOND;

/// Rate, packets and end of each record of one UDP flow with packets at these times, in seconds, where one in four is selected from
/// [`FROM`] on, and all from 20 s on.
fn records(seconds: &[u64]) -> Vec<(Option<u32>, u64, &'static str)> {
    let mut run = Run::new(FlowTableConfig { idle_timeout_ns: None, ..FlowTableConfig::default() });
    run.table.set_sampling(4, FROM);
    run.table.set_sampling(1, 20 * SECOND);
    for second in seconds {
        run.put(udp(second * SECOND, (Ipv4Addr::new(10, 0, 0, 1).into(), 1), (Ipv4Addr::new(10, 0, 0, 2).into(), 2)));
    }
    run.finish().iter().map(|f| (f.sampling_rate, f.forward.packets, f.end_detail.name())).collect()
}

#[test]
fn no_record_has_packets_of_two_rates() {
    assert_eq!(records(&[1, 2]), [(None, 2, "end-of-capture")]);
    assert_eq!(
        records(&[8, 9, 10, 11, 12, 20, 21]),
        [(None, 2, "sampling-changed"), (Some(4), 3, "sampling-changed"), (None, 2, "end-of-capture")]
    );
    assert_eq!(records(&[8, 25]), [(None, 1, "sampling-changed"), (None, 1, "end-of-capture")]);
}

#[test]
fn the_counters_of_a_record_are_scaled_once() {
    let mut run = Run::new(FlowTableConfig::default());
    run.table.set_sampling(8, SECOND);
    run.put(udp(SECOND, (Ipv4Addr::new(10, 0, 0, 1).into(), 1), (Ipv4Addr::new(10, 0, 0, 2).into(), 2)));
    let mut flow = run.finish().remove(0);
    let before = flow.forward;
    flow.scale_sample();
    assert_eq!((flow.forward.packets, flow.forward.octets), (8, 8 * before.octets));
    assert_eq!((flow.forward.frame_octets, flow.reverse.packets), (8 * before.frame_octets, 0));
}
