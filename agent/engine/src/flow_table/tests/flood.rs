//! Floods of unanswered packets that fill the table.

use super::*;

const MAX_FLOWS: usize = 1000;
const HONEST: u16 = 100;

fn attacker(n: u32) -> (IpAddr, u16) {
    (IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + n)), 1234)
}

/// Adds `packets` packets of as many senders, one each microsecond.
fn flood(run: &mut Run, now: &mut u64, packets: u32, make: impl Fn(u64, u32) -> Packet) {
    for _ in 0..packets {
        *now += 1000;
        run.put(make(*now, (*now / 1000) as u32));
    }
}

fn syns(now: u64, n: u32) -> Packet {
    tcp(now, attacker(n), SERVER, SYN, n)
}

/// Each sender repeats its SYN immediately.
fn repeated_syns(now: u64, n: u32) -> Packet {
    tcp(now, attacker(n / 2), SERVER, SYN, n / 2)
}

fn datagrams(now: u64, n: u32) -> Packet {
    udp(now, attacker(n), SERVER)
}

fn run() -> Run {
    Run::new(FlowTableConfig { max_flows: MAX_FLOWS, ..FlowTableConfig::default() })
}

fn client(n: u16) -> (IpAddr, u16) {
    (CLIENT.0, 1000 + n)
}

/// The records of honest clients.
fn honest(flows: Vec<Flow>) -> Vec<Flow> {
    flows.into_iter().filter(|f| [f.source, f.destination].contains(&CLIENT.0)).collect()
}

#[test]
fn a_flood_does_not_push_out_flows_that_were_answered() {
    for make in [syns, repeated_syns, datagrams] {
        let (mut run, mut now) = (run(), SECOND);
        for n in 0..HONEST {
            run.put(tcp(now, client(n), SERVER, SYN, 1));
            run.put(tcp(now, SERVER, client(n), SYN | ACK, 2));
            run.put(udp(now, client(n), SERVER));
            run.put(udp(now, SERVER, client(n)));
            // Unanswered, but more than an attempt: a log, a stream.
            (0..2).for_each(|_| run.put(udp(now, client(n), attacker(7))));
        }
        flood(&mut run, &mut now, 100_000, make);
        for n in 0..HONEST {
            run.put(tcp(now, client(n), SERVER, ACK, 2));
            run.put(udp(now, client(n), SERVER));
            run.put(udp(now, client(n), attacker(7)));
        }
        assert_eq!((run.table.len(), run.table.counters().peak_flows), (MAX_FLOWS, MAX_FLOWS as u64));
        let told = honest(run.finish());
        assert_eq!(told.len(), 3 * usize::from(HONEST));
        assert!(told.iter().all(|f| f.forward.packets + f.reverse.packets == 3));
    }
}

#[test]
fn connections_that_begin_and_end_during_a_flood_are_whole() {
    let (mut run, mut now) = (run(), SECOND);
    for n in 0..HONEST {
        for packet in connection(0, u32::from(n)) {
            flood(&mut run, &mut now, 100, syns);
            run.put(Packet { time_ns: now, ..packet });
        }
    }
    let told = honest(run.finish());
    assert_eq!(told.len(), usize::from(HONEST));
    assert!(told.iter().all(|f| f.forward.packets == 4 && f.end_detail == FlowEndDetail::Fin));
}

/// A table full of active flows still accepts others.
#[test]
fn a_table_full_of_answered_flows_lets_others_begin() {
    let (mut run, mut now) = (run(), SECOND);
    for n in 0..MAX_FLOWS as u16 {
        run.put(udp(now, client(n), SERVER));
        run.put(udp(now, SERVER, client(n)));
    }
    let new = |n: u32| (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10)), 1000 + n as u16);
    for n in 0..50 {
        run.put(udp(now, new(n), SERVER));
        flood(&mut run, &mut now, 100, syns);
        run.put(udp(now, SERVER, new(n)));
    }
    let told: Vec<_> = run.finish().into_iter().filter(|f| f.source == new(0).0).collect();
    assert_eq!(told.len(), 50);
    assert!(told.iter().all(|f| (f.forward.packets, f.reverse.packets) == (1, 1)));
}

#[test]
fn what_a_flood_left_ends_as_idle() {
    let (mut run, mut now) = (run(), SECOND);
    flood(&mut run, &mut now, 5000, syns);
    let evicted = run.out.len();
    assert!(run.out.iter().all(|f| f.end_reason == FlowEndReason::LackOfResources));
    run.table.expire(now + 20 * SECOND, &mut run.out);
    assert_eq!((run.table.len(), evicted, run.out.len()), (0, 4000, 5000));
    assert!(run.out[evicted..].iter().all(|f| f.end_reason == FlowEndReason::IdleTimeout));
}
