//! Nothing goes wrong: states, ends, windows, round trips, latency.

use super::*;

#[test]
fn a_clean_connection_has_its_times_and_no_trouble() {
    let mut wire = Wire::established();
    wire.client(500, tcp(ACK, 1001, 5001).data(100));
    wire.server(20_000, tcp(ACK, 5001, 1101).window(400));
    wire.server(30_000, tcp(ACK, 5001, 1101).data(1000));
    wire.client(1500, tcp(ACK, 1101, 6001));
    wire.client(0, tcp(ACK, 1101, 6001).data(50));
    wire.server(10_000, tcp(ACK, 6001, 1151).data(10));
    wire.client(900, tcp(FIN, 1151, 6011));
    wire.server(20_000, tcp(FIN, 6011, 1152));
    wire.client(1000, tcp(ACK, 1152, 6012));
    let health = wire.health();
    check(&health, &[], &[]);
    assert_eq!((health.state, health.end), (TcpState::Closed, Some(TcpEnd::SourceFin)));
    let (forward, reverse) = (health.forward, health.reverse);
    assert_eq!((forward.rtt_min_us, reverse.rtt_min_us), (Some(10_000), Some(900)));
    // From 20 ms twice, 10 ms and 20 ms; each counts one eighth.
    assert_eq!(forward.rtt_smoothed_us, Some(18_907));
    assert_eq!((forward.max_segment, forward.window_scale, reverse.window_scale), (Some(1460), Some(7), Some(7)));
    assert_eq!((forward.window_min, forward.window_max), (Some(500), Some(500)));
    assert_eq!((reverse.window_min, reverse.window_max), (Some(400), Some(500)));
    let latency = health.latency.unwrap();
    assert_eq!((latency.first_us, latency.max_us, latency.total_us, latency.exchanges), (50_000, 50_000, 60_000, 2));
}

#[test]
fn the_latency_counts_from_the_end_of_the_request_and_not_for_who_greets() {
    let mut wire = Wire::established();
    wire.server(0, tcp(ACK, 5001, 1001).data(20));
    wire.client(100, tcp(ACK, 1001, 5021).data(100));
    wire.client(100, tcp(ACK, 1101, 5021).data(100));
    wire.client(7000, tcp(ACK, 1201, 5021).data(100));
    wire.server(30_000, tcp(ACK, 5021, 1301).data(1000));
    wire.server(30_000, tcp(ACK, 6021, 1301).data(1000));
    let latency = wire.health().latency.unwrap();
    assert_eq!((latency.first_us, latency.exchanges), (30_000, 1));
    let mut unknown = Wire::new();
    unknown.client(0, tcp(ACK, 1001, 5001).data(100));
    unknown.server(0, tcp(ACK, 5001, 1101).data(100));
    assert_eq!(unknown.health().latency, None);
}

#[test]
fn who_ended_it_and_how() {
    let ended = |packets: &[(bool, Tcp<'_>)]| {
        let mut wire = Wire::established();
        packets.iter().for_each(|(is_from_client, packet)| wire.put(100, *is_from_client, *packet));
        let health = wire.health();
        check(&health, &[], &[]);
        (health.state, health.end.map(TcpEnd::name))
    };
    let fin = (true, tcp(FIN, 1001, 5001));
    let answer = (false, tcp(FIN, 5001, 1002));
    assert_eq!(ended(&[]), (TcpState::Established, None));
    assert_eq!(ended(&[fin]), (TcpState::HalfClosed, Some("source-fin")));
    assert_eq!(ended(&[fin, answer]), (TcpState::Closed, Some("source-fin")));
    assert_eq!(
        ended(&[(false, tcp(FIN, 5001, 1001)), (true, tcp(FIN, 1001, 5002))]),
        (TcpState::Closed, Some("destination-fin"))
    );
    assert_eq!(ended(&[fin, (false, tcp(FIN, 5001, 1001))]), (TcpState::Closed, Some("both-fin")));
    assert_eq!(ended(&[(true, tcp(RST | ACK, 1001, 5001))]), (TcpState::Reset, Some("source-rst")));
    assert_eq!(ended(&[(false, tcp(RST, 5001, 0))]), (TcpState::Reset, Some("destination-rst")));
    assert_eq!(ended(&[fin, (false, tcp(RST, 5001, 0))]), (TcpState::Reset, Some("source-fin")));
    assert_eq!(ended(&[fin, answer, (true, tcp(RST, 1002, 0))]), (TcpState::Closed, Some("source-fin")));
}

#[test]
fn attempts_that_fail() {
    let mut refused = Wire::new();
    refused.client(0, tcp(SYN, 1000, 0));
    refused.server(100, tcp(RST | ACK, 0, 1001));
    let health = refused.health();
    assert_eq!((health.state, health.end), (TcpState::Reset, Some(TcpEnd::DestinationRst)));
    let mut silent = Wire::new();
    for wait in [0, 1_000_000, 2_000_000] {
        silent.client(wait, tcp(SYN, 1000, 0));
    }
    silent.table.expire(silent.now_us * 1000 + 20_000_000_000, &mut silent.out);
    let health = silent.health();
    check(&health, &[("retransmitted", 2), ("syn", 2)], &[]);
    assert_eq!((health.state, health.end), (TcpState::SynSent, Some(TcpEnd::Timeout)));
    let mut halfway = Wire::new();
    halfway.client(0, tcp(SYN, 1000, 0));
    halfway.server(100, tcp(SYN | ACK, 5000, 1001));
    halfway.server(1_000_000, tcp(SYN | ACK, 5000, 1001));
    let health = halfway.health();
    check(&health, &[], &[("retransmitted", 1), ("syn", 1)]);
    assert_eq!(health.state, TcpState::SynReceived);
}

#[test]
fn both_ends_open_at_the_same_time() {
    let mut wire = Wire::new();
    wire.client(0, tcp(SYN, 1000, 0));
    wire.server(10, tcp(SYN, 5000, 0));
    wire.client(10, tcp(SYN | ACK, 1000, 5001));
    wire.server(10, tcp(SYN | ACK, 5000, 1001));
    wire.client(10, tcp(ACK, 1001, 5001).data(10));
    let health = wire.health();
    // The second SYN of each end has the same number as the first (RFC 9293 figure 7).
    check(&health, &[("retransmitted", 1), ("syn", 1)], &[("retransmitted", 1), ("syn", 1)]);
    assert_eq!(health.state, TcpState::Established);
}

#[test]
fn keep_alives_and_probes_are_no_retransmissions() {
    let mut wire = Wire::established();
    wire.client(0, tcp(ACK, 1001, 5001).data(100));
    wire.server(100, tcp(ACK, 5001, 1101));
    for payload in [0, 1, 0] {
        wire.client(1_000_000, tcp(ACK, 1100, 5001).data(payload));
        wire.server(100, tcp(ACK, 5001, 1101));
    }
    check(&wire.health(), &[], &[]);
    let mut full = Wire::established();
    full.client(0, tcp(ACK, 1001, 5001).data(100));
    full.server(100, tcp(ACK, 5001, 1101).window(0));
    for _ in 0..3 {
        full.client(300_000, tcp(ACK, 1101, 5001).data(1));
        full.server(100, tcp(ACK, 5001, 1101).window(0));
    }
    full.server(100, tcp(ACK, 5001, 1101).window(300));
    full.client(100, tcp(ACK, 1101, 5001).data(100));
    full.server(100, tcp(ACK, 5001, 1201).window(300));
    check(&full.health(), &[], &[("zero windows", 4)]);
}

#[test]
fn sequence_numbers_may_begin_again_at_zero() {
    let begin = u32::MAX - 150;
    let mut wire = Wire::new();
    wire.client(0, tcp(SYN, begin, 0));
    wire.server(100, tcp(SYN | ACK, u32::MAX, begin.wrapping_add(1)));
    let mut next = begin.wrapping_add(1);
    for _ in 0..5 {
        wire.client(100, tcp(ACK, next, 0).data(100));
        next = next.wrapping_add(100);
        wire.server(50_000, tcp(ACK, 0, next));
    }
    // One that is behind the turn is sent again.
    wire.client(300_000, tcp(ACK, begin.wrapping_add(101), 0).data(100));
    let health = wire.health();
    check(&health, &[("retransmitted", 1), ("retransmitted bytes", 100)], &[]);
    assert_eq!(health.forward.rtt_min_us, Some(100));
}

#[test]
fn marks_of_congested_routers_are_counted() {
    let mut wire = Wire::established();
    for (sequence, tos) in [(1001, 2), (1101, 3), (1201, 0x2b)] {
        wire.client(0, tcp(ACK, sequence, 5001).data(100).tos(tos));
    }
    check(&wire.health(), &[("congestion", 2)], &[]);
}

#[test]
fn the_figures_of_records_add_up() {
    let config = FlowTableConfig { active_timeout_ns: Some(1_000_000_000), ..FlowTableConfig::default() };
    let mut wire = Wire::with(config);
    wire.client(0, tcp(SYN, 1000, 0).options(MSS_AND_SCALE));
    wire.server(20_000, tcp(SYN | ACK, 5000, 1001));
    let mut next = 1001;
    for round in 0..10 {
        wire.client(300_000, tcp(ACK, next, 5001).data(100));
        if round % 2 == 0 {
            wire.client(250_000, tcp(ACK, next, 5001).data(100));
        }
        next += 100;
        wire.server(20_000 + round, tcp(ACK, 5001, next).data(1));
    }
    let flows = wire.finish();
    assert!(flows.len() >= 4, "{}", flows.len());
    let of = |read: fn(&TcpHealth) -> u64| flows.iter().map(|flow| read(flow.tcp.as_ref().unwrap())).sum::<u64>();
    assert_eq!(of(|h| h.forward.retransmitted_packets.into()), 5);
    assert_eq!(of(|h| h.forward.timeout_retransmissions.into()), 5);
    assert_eq!(of(|h| h.forward.retransmitted_bytes), 500);
    assert_eq!(of(|h| h.latency.map_or(0, |l| l.exchanges.into())), 1, "the server's data has one number only");
    assert!(flows.iter().all(|flow| flow.tcp.as_ref().unwrap().forward.max_segment == Some(1460)));
}

#[test]
fn nothing_is_measured_unless_asked() {
    let mut wire = Wire::established();
    wire.decoder = Decoder::new(DecodeRules::default());
    wire.client(0, tcp(ACK, 1001, 5001).data(100));
    let mut plain = Wire::new();
    plain.decoder = Decoder::new(DecodeRules::default());
    plain.client(0, tcp(SYN, 1000, 0));
    assert_eq!(plain.table.healths.allocated_bytes(), 0);
    assert!(plain.finish().iter().all(|flow| flow.tcp.is_none()));
}
