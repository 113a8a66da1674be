//! Packets that several interfaces see.

use super::*;

const PORT: u32 = 0;
const BRIDGE: u32 = 1;
const NIC: u32 = 2;

fn once() -> FlowTableConfig {
    FlowTableConfig { counts_once: true, ..FlowTableConfig::default() }
}

fn on(interface: u32, packet: Packet) -> Packet {
    Packet { interface, ..packet }
}

fn table(config: FlowTableConfig) -> Run {
    let mut run = Run::new(config);
    for (number, name) in [(PORT, "v0"), (BRIDGE, "br0"), (NIC, "eth0")] {
        run.table.set_interface(number, number + 10, &name.into());
    }
    run
}

/// Packets in both directions, and packets that were not counted.
fn counted(run: Run) -> ((u64, u64), u64) {
    let elsewhere = run.table.counters().seen_elsewhere.packets;
    let by_interface: u64 = run.table.seen_elsewhere_by_interface().map(|(_, n)| n.packets).sum();
    assert_eq!(elsewhere, by_interface);
    let flows = run.finish();
    assert_eq!(flows.len(), 1, "{flows:?}");
    ((flows[0].forward.packets, flows[0].reverse.packets), elsewhere)
}

/// A connection whose requests pass the interfaces in this order and whose answers pass them in reverse order.
fn passing(interfaces: &[u32]) -> Vec<Packet> {
    let passed = |packet: &Packet, order: Vec<u32>| -> Vec<Packet> {
        (0..).zip(order).map(|(n, i)| on(i, Packet { time_ns: packet.time_ns + n * 1000, ..*packet })).collect()
    };
    let (there, back) = (interfaces.to_vec(), interfaces.iter().rev().copied().collect::<Vec<_>>());
    let pairs = (0..20).flat_map(|n| {
        let (to, from) = (request(n * MS, ACK, n as u32), answer(n * MS + 500_000, ACK, n as u32));
        [passed(&to, there.clone()), passed(&from, back.clone())].concat()
    });
    pairs.collect()
}

#[test]
fn a_packet_that_passes_three_interfaces_is_counted_once() {
    for interfaces in [&[PORT, BRIDGE][..], &[PORT, BRIDGE, NIC], &[NIC]] {
        let mut run = table(once());
        run.table.update_all(&passing(interfaces), &mut run.out);
        assert_eq!(counted(run), ((20, 20), 40 * (interfaces.len() as u64 - 1)), "{interfaces:?}");
    }
    let mut run = table(FlowTableConfig::default());
    run.table.update_all(&passing(&[PORT, BRIDGE]), &mut run.out);
    assert_eq!(counted(run), ((40, 40), 0), "files are counted as they are");
}

#[test]
fn threads_that_read_by_turns_change_nothing() {
    let packets = passing(&[PORT, BRIDGE, NIC]);
    for size in [1, 3, 20] {
        let mut run = table(once());
        let mut left: Vec<Vec<Packet>> =
            [BRIDGE, PORT, NIC].map(|i| packets.iter().filter(|p| p.interface == i).copied().collect()).to_vec();
        while left.iter().any(|packets| !packets.is_empty()) {
            for packets in &mut left {
                let batch: Vec<Packet> = packets.drain(..size.min(packets.len())).collect();
                run.table.update_all(&batch, &mut run.out);
            }
        }
        assert_eq!(counted(run), ((20, 20), 80), "{size}");
    }
}

#[test]
fn requests_and_answers_may_take_different_ways() {
    let mut run = table(once());
    for n in 0..10 {
        run.put(on(NIC, request(n * MS, ACK, 0)));
        run.put(on(PORT, answer(n * MS + 1, ACK, 0)));
    }
    assert_eq!(counted(run), ((10, 10), 0));
}

#[test]
fn a_flow_whose_route_changes_goes_on_at_the_other_interface() {
    let mut run = table(once());
    (0..40).for_each(|n| run.put(on(NIC, udp(n * 100 * MS, CLIENT, SERVER))));
    // The last packet came at 3.9 s: packets within a second after it may be those that the first interface saw.
    (40..80).for_each(|n| run.put(on(PORT, udp(n * 100 * MS, CLIENT, SERVER))));
    assert_eq!(counted(run), ((70, 0), 10));
}

#[test]
fn an_interface_that_is_read_seconds_late_costs_nothing() {
    let packets =
        |interface, from: u64, until: u64| (from..until).map(move |n| on(interface, udp(n * 100 * MS, CLIENT, SERVER)));
    let mut run = table(once());
    packets(PORT, 0, 10).for_each(|p| run.put(p));
    packets(BRIDGE, 0, 50).for_each(|p| run.put(p));
    packets(PORT, 10, 50).for_each(|p| run.put(p));
    packets(BRIDGE, 50, 60).for_each(|p| run.put(p));
    packets(PORT, 50, 60).for_each(|p| run.put(p));
    assert_eq!(counted(run), ((60, 0), 60));
}

#[test]
fn an_interface_that_gets_another_number_is_the_same_one() {
    let mut run = table(once());
    run.put(on(NIC, udp(0, CLIENT, SERVER)));
    run.table.set_interface(7, 12, &"lan0".into());
    run.put(on(7, udp(MS, CLIENT, SERVER)));
    assert_eq!(counted(run), ((2, 0), 0));
}

#[test]
fn a_bond_is_counted_and_not_its_members() {
    for order in [[BRIDGE, PORT], [PORT, BRIDGE]] {
        let mut run = table(once());
        // Packets go alternately through two members, and each is also seen at the bond.
        [PORT, NIC].into_iter().for_each(|line| run.table.set_observation(line, Observation::ByAnother));
        for n in 0..10 {
            let line = if n % 2 == 0 { PORT } else { NIC };
            let places = order.map(|place| if place == PORT { line } else { BRIDGE });
            places.into_iter().for_each(|i| run.put(on(i, udp(n * MS, CLIENT, SERVER))));
        }
        assert_eq!(counted(run), ((10, 0), 10), "{order:?}");
    }
}

#[test]
fn members_of_a_bond_that_is_not_captured_are_counted_together() {
    let mut run = table(once());
    [PORT, NIC].into_iter().for_each(|line| run.table.set_observation(line, Observation::TogetherAs(99)));
    for n in 0..10 {
        let line = if n % 2 == 0 { PORT } else { NIC };
        [line, BRIDGE].into_iter().for_each(|i| run.put(on(i, udp(n * MS, CLIENT, SERVER))));
    }
    assert_eq!(counted(run), ((10, 0), 10));
}

#[test]
fn hosts_without_an_address_are_not_taken_for_one() {
    let asks = ((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 68), (IpAddr::V4(Ipv4Addr::BROADCAST), 67));
    let mut run = table(once());
    [PORT, NIC].into_iter().for_each(|i| run.put(on(i, udp(MS, asks.0, asks.1))));
    assert_eq!(counted(run), ((2, 0), 0));
}

#[test]
fn a_clock_that_is_set_back_stops_no_interface() {
    let mut run = table(once());
    for start in [7200 * SECOND, 3600 * SECOND] {
        for n in 0..3 {
            let at = start + n * SECOND;
            run.put(on(PORT, udp(at, CLIENT, SERVER)));
            run.put(on(BRIDGE, udp(at + 1000, CLIENT, SERVER)));
        }
    }
    assert_eq!(run.table.counters().seen_elsewhere.packets, 6);
    let flows = run.finish();
    assert_eq!(totals(&flows).0, 6, "{flows:?}");
}

#[test]
fn paths_move_with_their_flows_and_are_dropped_with_them() {
    let mut run = table(once());
    let client = |n: u64| (IpAddr::from(Ipv4Addr::from_bits(n as u32)), 1);
    let flows = 40_000_u64;
    for n in 1..=flows {
        // The second half comes ten seconds later, and stays when the first ends.
        let at = n / (flows / 2 + 1) * 10 * SECOND + n;
        [PORT, BRIDGE].into_iter().for_each(|i| run.put(on(i, udp(at, client(n), SERVER))));
    }
    run.table.expire(20 * SECOND, &mut run.out);
    let last: Vec<u64> = (flows - 100..=flows).collect();
    for n in flows / 2..flows - 100 {
        run.put(on(PORT, udp(11 * SECOND, client(n), SERVER)));
    }
    while run.table.expire(26 * SECOND, &mut run.out) {}
    for n in last {
        [PORT, BRIDGE].into_iter().for_each(|i| run.put(on(i, udp(24 * SECOND + n, client(n), SERVER))));
    }
    let (table, elsewhere) = (run.table.counters(), run.table.counters().seen_elsewhere.packets);
    assert_eq!(elsewhere, flows + 101);
    assert_eq!(totals(&run.finish()).0, table.packets);
}

proptest! {
    /// For any packets at any interfaces, each packet is either counted or reported as seen elsewhere.
    #[test]
    fn every_packet_is_counted_or_seen_elsewhere(
        steps in prop::collection::vec((0_u32..4, 0_u64..3000, any::<bool>(), 0_u16..3), 1..300),
        max_flows in 1_usize..6,
    ) {
        let mut run = table(FlowTableConfig { max_flows, ..once() });
        run.table.set_interface(3, 13, &"x".into());
        let (mut at, mut put) = (0, 0);
        for (interface, later, is_request, port) in steps {
            at += later * MS;
            let client = (CLIENT.0, port);
            let (from, to) = if is_request { (client, SERVER) } else { (SERVER, client) };
            run.put(on(interface, udp(at, from, to)));
            put += 1;
        }
        let elsewhere = run.table.counters().seen_elsewhere.packets;
        let counted = run.table.counters().packets;
        prop_assert_eq!(counted + elsewhere, put);
        prop_assert_eq!(totals(&run.finish()).0, counted);
    }
}
