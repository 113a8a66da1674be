//! Several clocks at once, and clocks that are wrong at first.

use super::*;

const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;
const START: u64 = 1_700_000_000 * SECOND;

fn client(n: u64) -> (IpAddr, u16) {
    (IpAddr::V4(Ipv4Addr::new(10, 2, (n / 250) as u8, (n % 250) as u8)), 2000 + (n % 60_000) as u16)
}

/// Puts packets into a table as `pidflow read` does: expiry by the packets' own times.
fn read(packets: impl IntoIterator<Item = Packet>) -> Run {
    let mut run = Run::new(FlowTableConfig::default());
    for packet in packets {
        run.put(packet);
        while run.table.expire(packet.time_ns, &mut run.out) {}
    }
    run
}

fn idle(flows: &[Flow]) -> usize {
    flows.iter().filter(|f| f.end_reason == FlowEndReason::IdleTimeout).count()
}

/// Flows of a file with captures of several hosts. `order` has the clock of each packet in turn, `off` the error of each clock.
fn interleaved(order: &[usize], off: &[u64]) -> (usize, Vec<Flow>) {
    let packets = (0..600_u64).map(|n| {
        let clock = order[n as usize % order.len()];
        let time = START + n * 500 * MS + n * 7919 % 400 * MS;
        // Each clock has a new flow every five seconds, and one that lasts.
        let number = clock as u64 * 10_000 + if n % 5 == 0 { 0 } else { 1 + n / 10 };
        udp(time.wrapping_add(off[clock]), client(number), SERVER)
    });
    let run = read(packets);
    (run.table.len(), run.finish())
}

#[test]
fn interleaved_clocks_do_not_split_flows() {
    let minus = u64::wrapping_neg;
    for off in [
        [0, HOUR, minus(HOUR), 3 * DAY],
        [0, minus(HOUR), minus(40 * DAY), HOUR],
        [0, 40 * DAY, 30 * SECOND, minus(30 * SECOND)],
        [0, minus(30 * SECOND), DAY, minus(DAY)],
    ] {
        for order in [
            &[0, 1][..],
            &[0, 0, 1],
            &[1, 1, 0, 0, 0],
            &[1, 1, 1, 1, 0],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 1, 2],
            &[0, 1, 2, 3],
            &[2, 0, 1, 1],
        ] {
            let ((usually_under_way, usual), (under_way, flows)) =
                (interleaved(order, &[0; 4]), interleaved(order, &off));
            let stepped = flows.iter().filter(|f| f.end_detail == FlowEndDetail::ClockStep).count();
            let told = format!("{off:?} {order:?}: {under_way} under way, {} records, {stepped} by steps", flows.len());
            assert!(flows.len() <= usual.len() + 4 && stepped <= 4, "{told}, {} by one clock", usual.len());
            assert!(under_way <= usually_under_way + 4, "{told}");
            assert_eq!(flows.iter().map(|f| f.forward.packets).sum::<u64>(), 600, "{told}");
            assert!(flows.iter().all(|f| f.first_ns <= f.last_ns && f.last_ns - f.first_ns <= 61 * SECOND), "{told}");
        }
    }
}

/// The clock may be ahead or behind until it is set for the first time.
#[test]
fn a_capture_may_begin_at_any_time() {
    for off in [HOUR, DAY, 3 * DAY, 400 * DAY, 40 * SECOND].into_iter().flat_map(|off| [off, off.wrapping_neg()]) {
        for wrong in [1, 2, 3, 7, 8, 9, 40] {
            let first = (0..wrong).map(|n| udp((START + n * SECOND).wrapping_add(off), client(5000 + n), SERVER));
            let then = (0..200).map(|n| udp(START + (wrong + n) * SECOND, client(n), SERVER));
            let run = read(first.chain(then));
            assert!(run.table.len() <= 26, "{} under way, {wrong} by {}", run.table.len(), off.cast_signed());
            let flows = run.finish();
            assert_eq!(flows.len() as u64, 200 + wrong, "{wrong} by {}", off.cast_signed());
            assert!(idle(&flows) as u64 >= 174 + wrong, "{} idle, {wrong} by {}", idle(&flows), off.cast_signed());
        }
    }
}

/// Up to seven wrong timestamps in a row, each far from the others, repeatedly.
#[test]
fn several_outliers_in_a_row_hold_nothing_back() {
    let mut sent = 0;
    let packets = (0..300_u64).flat_map(|s| {
        let right = udp(START + s * SECOND, client(s), SERVER);
        let outliers = if s % 20 == 10 { 1 + s / 20 % 7 } else { 0 };
        let wrong = (0..outliers).map(move |n| {
            let off = [DAY, HOUR.wrapping_neg(), 300 * DAY, DAY.wrapping_neg()][(n % 4) as usize].wrapping_mul(n + 1);
            udp((START + s * SECOND).wrapping_add(off), client(20_000 + s * 10 + n), SERVER)
        });
        std::iter::once(right).chain(wrong).collect::<Vec<_>>()
    });
    let packets: Vec<_> = packets.inspect(|_| sent += 1).collect();
    let run = read(packets);
    assert!(run.table.len() <= 30, "{} under way", run.table.len());
    assert_eq!(idle(&run.out), run.out.len());
    assert_eq!(run.finish().len(), sent);
}

/// Timestamps that deviate by up to 0.9 ms from packet to packet.
#[test]
fn jitter_of_microseconds_changes_nothing() {
    let jitter = |n: u64| (n * 7919 % 900) * 1000;
    let packets = (0..20_000_u64).map(|n| udp(START + n * 10 * MS - jitter(n), client(n / 500), SERVER));
    let run = read(packets);
    assert!(run.table.len() <= 6, "{} under way", run.table.len());
    let flows = run.finish();
    assert_eq!((flows.len(), flows.iter().all(|f| f.forward.packets == 500)), (40, true));
    assert!(flows.iter().all(|f| f.end_detail != FlowEndDetail::ClockStep && f.first_ns <= f.last_ns));
}
