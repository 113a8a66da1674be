//! Clocks that are set, wrong timestamps, and suspended machines.

use super::*;

const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;
/// An ordinary time of day, nanoseconds since the epoch.
const START: u64 = 1_700_000_000 * SECOND;

fn client(n: u64) -> (IpAddr, u16) {
    (IpAddr::V4(Ipv4Addr::new(10, 1, (n / 250) as u8, (n % 250) as u8)), 2000 + (n % 60_000) as u16)
}

/// A table that is asked to expire after each packet, as when a file is read.
fn read(packets: impl IntoIterator<Item = Packet>) -> Run {
    let mut run = Run::new(FlowTableConfig::default());
    packets.into_iter().for_each(|packet| read_one(&mut run, packet));
    run
}

fn read_one(run: &mut Run, packet: Packet) {
    run.put(packet);
    while run.table.expire(packet.time_ns, &mut run.out) {}
}

fn idle(flows: &[Flow]) -> usize {
    flows.iter().filter(|f| f.end_reason == FlowEndReason::IdleTimeout).count()
}

/// A flow each second, from `start_ns` on.
fn one_each_second(start_ns: u64, seconds: std::ops::Range<u64>) -> impl Iterator<Item = Packet> {
    let start = seconds.start;
    seconds.map(move |s| udp(start_ns + (s - start) * SECOND, client(s), SERVER))
}

fn check_times(flows: &[Flow]) {
    assert!(flows.iter().all(|f| f.first_ns <= f.last_ns && f.last_ns - f.first_ns <= 61 * SECOND), "{flows:?}");
}

#[test]
fn flows_end_as_idle_after_the_clock_was_set_back() {
    for back in [11 * SECOND, 90 * SECOND, HOUR, DAY, 400 * DAY] {
        let after = START - back;
        let run = read(one_each_second(START, 0..30).chain(one_each_second(after, 100..400)));
        assert!(run.table.len() <= 18, "{} under way, {back} ns back", run.table.len());
        let flows = run.finish();
        assert_eq!((flows.len(), idle(&flows) >= 312), (330, true), "{back} ns back");
        assert!(flows.iter().all(|f| f.first_ns == f.last_ns));
    }
}

#[test]
fn a_clock_that_is_set_back_and_forth_ends_no_flow_that_goes_on() {
    let steady = |start: u64, n: u64| (0..n).map(move |s| udp(start + s * SECOND, CLIENT, SERVER));
    let mut packets: Vec<_> = steady(START, 20).collect();
    packets.extend(steady(START + 20 * SECOND - HOUR, 20));
    packets.extend(steady(START + 40 * SECOND, 20));
    let flows = read(packets).finish();
    let told: Vec<_> = flows.iter().map(|f| (f.end_detail, f.forward.packets, f.first_ns)).collect();
    let step = FlowEndDetail::ClockStep;
    let second = (step, 20, START + 20 * SECOND - HOUR);
    assert_eq!(told, [(step, 20, START), second, (FlowEndDetail::EndOfCapture, 20, START + 40 * SECOND)]);
    check_times(&flows);
}

#[test]
fn a_wrong_stamp_neither_ends_all_flows_nor_holds_back_later_ones() {
    for off in [DAY, HOUR, 20 * SECOND, 400 * DAY, DAY.wrapping_neg(), HOUR.wrapping_neg()] {
        let mut run = read(one_each_second(START, 0..10));
        for wrong in 0..2 {
            read_one(&mut run, udp((START + 10 * SECOND).wrapping_add(off), client(1000 + wrong), SERVER));
        }
        assert_eq!((run.out.len(), run.table.len()), (0, 12), "off by {}", off.cast_signed());
        one_each_second(START + 10 * SECOND, 10..100).for_each(|p| read_one(&mut run, p));
        assert!((12..=20).contains(&run.table.len()), "{} under way", run.table.len());
        assert_eq!(idle(&run.out), run.out.len());
        let wrong = run.out.iter().filter(|f| f.first_ns.abs_diff(START) > 101 * SECOND).count();
        assert!(wrong == 2 || off == 20 * SECOND, "{wrong} of the wrong stamps, off by {}", off.cast_signed());
        assert_eq!(run.finish().len(), 102);
    }
}

#[test]
fn a_wrong_stamp_within_a_flow_is_in_a_record_of_its_own() {
    let config = FlowTableConfig { active_timeout_ns: None, ..FlowTableConfig::default() };
    for (table, off) in [(FlowTableConfig::default(), DAY), (config, DAY), (config, DAY.wrapping_neg())] {
        let mut run = Run::new(table);
        let times =
            (0..20).map(|s| START + s * SECOND).map(|t| if t == START + 9 * SECOND { t.wrapping_add(off) } else { t });
        times.for_each(|t| read_one(&mut run, udp(t, CLIENT, SERVER)));
        let flows = run.finish();
        assert_eq!(flows.iter().map(|f| f.forward.packets).collect::<Vec<_>>(), [9, 1, 10]);
        check_times(&flows);
    }
}

#[test]
fn wrong_stamps_among_others_change_nothing_for_these() {
    let wrong = |n: u64| match n % 10 {
        0 => Some(DAY + n * HOUR),
        5 => Some((n * 7919 % 50 * HOUR).wrapping_neg()),
        _ => None,
    };
    let packets = one_each_second(START, 0..300).zip(0..).flat_map(|(packet, n)| {
        let off = wrong(n).map(|off| udp(packet.time_ns.wrapping_add(off), client(10_000 + n), SERVER));
        std::iter::once(packet).chain(off)
    });
    let run = read(packets);
    assert!(run.table.len() <= 25, "{}", run.table.len());
    assert_eq!(idle(&run.out), run.out.len());
    assert_eq!(run.finish().len(), 360);
}

#[test]
fn a_suspended_machine_ends_what_was_idle_and_goes_on() {
    let run = read(one_each_second(START, 0..10).chain(one_each_second(START + HOUR, 10..13)));
    assert_eq!((idle(&run.out), run.table.len()), (10, 3), "the three that woke it are under way");
    let mut run = read(one_each_second(START, 0..10));
    run.table.expire(START + HOUR, &mut run.out);
    assert_eq!(idle(&run.out), 10, "no packet is needed: a clock says so");
}

#[test]
fn a_long_gap_at_the_end_of_a_file_is_believed() {
    let flows = read(one_each_second(START, 0..10).chain([udp(START + HOUR, client(10), SERVER)])).finish();
    assert_eq!((flows.len(), idle(&flows)), (11, 10));
}

/// A reader that was not scheduled for a while passes one or two packets before it reports the new time.
#[test]
fn a_connection_that_begins_after_a_gap_is_not_split() {
    for (idle_s, gap) in [(1, 1100 * MS), (15, 11 * SECOND), (15, HOUR), (5, 20 * SECOND)] {
        for before in 1..6 {
            let config = FlowTableConfig { idle_timeout_ns: Some(idle_s * SECOND), ..FlowTableConfig::default() };
            let mut run = Run::new(config);
            run.put(udp(START, client(1), SERVER));
            for s in 0..40 {
                run.table.expire(START + s * SECOND, &mut run.out);
            }
            assert_eq!(run.out.len(), 1);
            for (packet, n) in connection(START + 39 * SECOND + gap, 5).into_iter().zip(1..) {
                run.put(packet);
                run.table.expire(START + 39 * SECOND + if n > before { gap } else { 0 }, &mut run.out);
            }
            let told: Vec<_> = run.finish().iter().map(|f| (f.forward.packets, f.end_detail)).collect();
            let whole = (4, FlowEndDetail::Fin);
            assert_eq!(told, [(1, FlowEndDetail::None), whole], "idle {idle_s} s, gap {gap} ns, {before} before");
        }
    }
}

fn steady(idle_s: u64) -> FlowTableConfig {
    let idle_timeout_ns = Some(idle_s * SECOND);
    FlowTableConfig { idle_timeout_ns, packet_clock: PacketClock::Steady, ..FlowTableConfig::default() }
}

/// Of two interfaces, one is read in long intervals, so its packets arrive long after those of the other.
#[test]
fn by_a_steady_clock_packets_that_come_late_are_of_no_other_clock() {
    for interval in [3, 12, 70].map(|s| s * SECOND) {
        let mut run = Run::new(steady(80));
        for n in 0..3 {
            let begun = START + n * interval;
            let times = || (begun..begun + interval).step_by(50 * MS as usize);
            times().for_each(|now| run.put(udp(now, client(1), SERVER)));
            times().for_each(|now| run.put(request(now, ACK, 5)));
            connection(begun, 7 + n as u32).into_iter().for_each(|p| run.put(Packet { vlan_id: 9, ..p }));
            run.table.expire(begun + interval, &mut run.out);
        }
        let flows = run.finish();
        assert!(flows.iter().all(|f| f.end_detail != FlowEndDetail::ClockStep), "{interval} ns: {flows:?}");
        let whole = flows.iter().filter(|f| f.end_detail == FlowEndDetail::Fin && f.forward.packets == 4);
        assert_eq!(whole.count(), 3, "{interval} ns");
    }
}

#[test]
fn by_a_steady_clock_flows_end_when_they_are_idle() {
    let mut run = Run::new(steady(15));
    for s in 0..100 {
        run.put(udp(START + s * SECOND, client(s), SERVER));
        run.table.expire(START + s * SECOND, &mut run.out);
    }
    assert!((14..=17).contains(&run.table.len()), "{} under way", run.table.len());
    run.table.expire(START + HOUR, &mut run.out);
    assert_eq!(idle(&run.out), 100, "no packet is needed");
    run.put(udp(START + HOUR, CLIENT, SERVER));
    run.table.expire(START + HOUR + 14 * SECOND, &mut run.out);
    assert_eq!(run.table.len(), 1, "one that begins after a long silence");
}

#[test]
fn sparse_traffic_ends_flows_all_the_time() {
    let run = read((0..50).map(|n| udp(START + n * 120 * SECOND, client(n), SERVER)));
    assert!(run.table.len() <= 3);
    assert_eq!(run.finish().len(), 50);
}

/// A live host with packets, and a clock that is read every half second.
#[test]
fn a_quiet_host_whose_clock_is_set_ends_its_flows_in_time() {
    for offset in [HOUR.wrapping_neg(), (30 * SECOND).wrapping_neg(), HOUR, 0] {
        let mut run = read(one_each_second(START, 0..10));
        let set = (START + 10 * SECOND).wrapping_add(offset);
        for half in 0..50 {
            run.table.expire(set + half * SECOND / 2, &mut run.out);
            let ends = offset == HOUR || half >= 46;
            assert!(
                run.out.len() == 10 || !ends,
                "{} of 10 after {half} halves, {}",
                run.out.len(),
                offset.cast_signed()
            );
            assert!(run.out.is_empty() || half >= 10 || offset == HOUR, "too early");
        }
    }
}

#[test]
fn a_caller_that_lags_behind_ends_nothing_early() {
    let mut run = Run::new(FlowTableConfig::default());
    for s in 0..100 {
        run.put(udp(START + s * SECOND, client(s), SERVER));
        run.table.expire(START + (s * SECOND).saturating_sub(40 * SECOND), &mut run.out);
    }
    assert_eq!(run.out.len(), 45, "those that were idle when 59 seconds had been seen");
}

#[test]
fn packets_that_step_before_the_caller_does_end_nothing_early() {
    let mut run = Run::new(FlowTableConfig::default());
    for s in 0..60 {
        let set = if s < 30 { START } else { START - HOUR };
        run.put(udp(set + s * SECOND, client(s), SERVER));
        let callers = if s < 33 { START } else { START - HOUR };
        run.table.expire(callers + s * SECOND - 200 * MS, &mut run.out);
        assert!((15..=24).contains(&run.table.len()) || s < 23, "{} under way at {s}", run.table.len());
    }
}

#[test]
fn clocks_that_differ_a_little_are_one() {
    let packets = (0..200).map(|s| udp(START + s * SECOND - (s % 3) * 300 * MS, client(s / 10), SERVER));
    let flows = read(packets).finish();
    assert_eq!((flows.len(), flows.iter().all(|f| f.forward.packets == 10)), (20, true));
}

#[test]
fn closing_flows_are_not_held_back_either() {
    let mut run = read(connection(START + DAY, 5));
    connection(START, 7).into_iter().for_each(|p| read_one(&mut run, Packet { source_port: 1, ..p }));
    one_each_second(START, 10..40).for_each(|p| read_one(&mut run, p));
    let closed = run.out.iter().filter(|f| f.end_detail == FlowEndDetail::Fin).count();
    assert!(closed >= 1, "{:?}", run.out);
    assert!(run.table.len() <= 20);
}

#[test]
fn the_active_timeout_goes_on_after_a_step() {
    let packets = |start: u64| (0..200).map(move |s| udp(start + s * SECOND, CLIENT, SERVER));
    let flows = read(packets(START).chain(packets(START - HOUR))).finish();
    let active = flows.iter().filter(|f| f.end_detail == FlowEndDetail::None).count();
    assert_eq!((active, flows.len()), (6, 8));
    check_times(&flows);
}

#[test]
fn a_handshake_during_which_the_clock_was_set_has_no_time() {
    for (syn_ack, ack) in [(START - HOUR, START - HOUR + MS), (START + MS, START - HOUR), (START - 5 * SECOND, START)] {
        let flows = read([request(START, SYN, 5), answer(syn_ack, SYN | ACK, 9), request(ack, ACK, 6)]).finish();
        assert!(flows.iter().all(|f| f.handshake.is_none()), "{flows:?}");
        assert!(flows.iter().all(|f| f.source == CLIENT.0), "who began it is still known");
    }
    let flows = read([request(START, SYN, 5), answer(START - MS, SYN | ACK, 9), request(START, ACK, 6)]).finish();
    assert_eq!(flows[0].handshake.map(|h| h.server_us), Some(0), "two interfaces may be out of order");
}

#[test]
fn changes_of_owners_are_seen_after_a_step() {
    let mut run = Run::new(FlowTableConfig::default());
    (0..6).for_each(|n| run.table.endpoint_changed(Protocol::UDP, CLIENT.0, CLIENT.1, START + n * MS));
    (0..20).for_each(|n| read_one(&mut run, udp(START + n * SECOND, client(n), SERVER)));
    let after = START - HOUR;
    (0..20).for_each(|n| read_one(&mut run, udp(after + n * SECOND, CLIENT, SERVER)));
    run.table.endpoint_changed(Protocol::UDP, CLIENT.0, CLIENT.1, after + 20 * SECOND);
    run.put(udp(after + 21 * SECOND, CLIENT, SERVER));
    assert_eq!(run.table.counters().socket_changes, 1);
    (0..180).for_each(|n| read_one(&mut run, udp(after + (22 + n * 20) * SECOND / 2, CLIENT, SERVER)));
    assert_eq!(run.table.counters().socket_changes, 1, "those before the step do not come back an hour later");
}

#[test]
fn the_whole_capture_stays_one_record_whatever_its_times() {
    let mut run = Run::new(FlowTableConfig::whole_capture(10));
    for time in [START, START - DAY, START + DAY, START - HOUR] {
        read_one(&mut run, udp(time, CLIENT, SERVER));
    }
    let flows = run.finish();
    assert_eq!((flows.len(), flows[0].first_ns, flows[0].last_ns), (1, START - DAY, START + DAY));
}

/// Steps of the packets' clock, each with the number of packets that follow.
fn any_phases() -> impl Strategy<Value = Vec<(i64, usize)>> {
    let step = prop_oneof![-100 * DAY as i64..100 * DAY as i64, -100 * SECOND as i64..100 * SECOND as i64, Just(0)];
    prop::collection::vec((step, 1..60_usize), 1..6)
}

proptest! {
    /// For any steps of the clock, no packet is lost, no record mixes clocks, and after some time of traffic only flows
    /// of that time are active.
    #[test]
    fn every_flow_ends_whatever_the_clock_does(
        phases in any_phases(),
        outliers in prop::collection::vec((0..300_usize, any::<i32>()), 0..6),
        gap_ms in 1..3000_u64,
        idle_s in 1..40_u64,
        active in prop::option::of(1..90_u64),
    ) {
        let config = FlowTableConfig {
            idle_timeout_ns: Some(idle_s * SECOND),
            active_timeout_ns: active.map(|s| s * SECOND),
            ..FlowTableConfig::default()
        };
        let mut run = Run::new(config);
        let (mut now, mut put, mut at) = (1000 * DAY, 0, 0);
        let traffic = phases.into_iter().chain([(0, 1000 + 120_000 / gap_ms as usize)]);
        for (step, packets) in traffic {
            now = now.saturating_add_signed(step);
            for _ in 0..packets {
                now += gap_ms * MS;
                at += 1;
                let off = outliers.iter().find(|(n, _)| *n == at).map_or(0, |(_, off)| i64::from(*off) * SECOND as i64);
                let packet = udp(now.saturating_add_signed(off), client(at as u64 % 3000), SERVER);
                read_one(&mut run, packet);
                put += 1;
            }
        }
        // The idle timeout, the relisting interval, and the tolerated disorder.
        let longest_s = idle_s + idle_s / 8 + idle_s.clamp(1, 10) + 1;
        prop_assert!(run.table.len() as u64 <= longest_s * 1000 / gap_ms + 8, "{} under way", run.table.len());
        let flows = run.finish();
        prop_assert_eq!(totals(&flows).0, put);
        prop_assert!(flows.iter().all(|f| f.first_ns <= f.last_ns));
    }

    /// The same with only a clock and no further packets.
    #[test]
    fn a_clock_alone_ends_every_flow(steps in prop::collection::vec(-100 * DAY as i64..100 * DAY as i64, 0..4)) {
        let mut run = read(one_each_second(1000 * DAY, 0..20));
        let mut now = 1000 * DAY + 20 * SECOND;
        for step in steps.into_iter().chain([0]) {
            now = now.saturating_add_signed(step);
            for _ in 0..30 {
                now += SECOND;
                run.table.expire(now, &mut run.out);
            }
        }
        prop_assert_eq!(run.out.len(), 20);
    }
}
