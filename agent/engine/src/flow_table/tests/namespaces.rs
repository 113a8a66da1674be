//! The same addresses and ports in several network namespaces.

use super::*;

const NIC: u32 = 0;
const BRIDGE: u32 = 1;
const VETH_OF_ONE: u32 = 2;
const VETH_OF_TWO: u32 = 3;

/// Packets with the same five-tuple, each seen on one of these interfaces.
fn seen_on(interfaces: &[u32], known: bool) -> Vec<Flow> {
    let mut run = Run::new(FlowTableConfig::default());
    if known {
        run.table.set_network_namespace(VETH_OF_ONE, 4026532001);
        run.table.set_network_namespace(VETH_OF_TWO, 4026532002);
    }
    let ends = [(CLIENT, SERVER), (SERVER, CLIENT)].into_iter().cycle();
    let packets = interfaces.iter().zip(ends).zip(0..).map(|((interface, (from, to)), n)| {
        let packet = udp(SECOND + n * MS, from, to);
        Packet { interface: *interface, ..packet }
    });
    let packets: Vec<_> = packets.collect();
    run.table.update_all(&packets, &mut run.out);
    run.finish()
}

fn told(flows: &[Flow]) -> Vec<(Option<u32>, u64)> {
    flows.iter().map(|f| (f.network_namespace, f.forward.packets + f.reverse.packets)).collect()
}

#[test]
fn equal_tuples_of_two_namespaces_are_two_flows() {
    let flows = seen_on(&[VETH_OF_ONE, VETH_OF_TWO, VETH_OF_ONE, VETH_OF_TWO, VETH_OF_TWO], true);
    assert_eq!(told(&flows), [(Some(4026532001), 2), (Some(4026532002), 3)]);
}

#[test]
fn without_known_namespaces_flows_are_not_split() {
    let on = [VETH_OF_ONE, VETH_OF_TWO, BRIDGE, NIC, VETH_OF_ONE];
    assert_eq!(told(&seen_on(&on, false)), [(None, 5)]);
}

#[test]
fn a_packet_on_its_way_through_bridge_and_nic_stays_in_one_flow() {
    let orders = [[VETH_OF_ONE, BRIDGE, NIC], [NIC, BRIDGE, VETH_OF_ONE], [BRIDGE, VETH_OF_ONE, NIC]];
    for order in orders {
        assert_eq!(told(&seen_on(&order.repeat(3), true)), [(Some(4026532001), 9)], "{order:?}");
    }
}

#[test]
fn packets_of_a_shared_interface_belong_to_no_namespace() {
    let flows = seen_on(&[VETH_OF_ONE, VETH_OF_TWO, BRIDGE, BRIDGE, VETH_OF_ONE, VETH_OF_TWO], true);
    assert_eq!(told(&flows), [(Some(4026532001), 2), (Some(4026532002), 2), (None, 2)]);
}

#[test]
fn a_namespace_that_becomes_known_or_unknown_again_loses_nothing() {
    let mut run = Run::with([udp(0, CLIENT, SERVER)]);
    run.table.set_network_namespace(7, 0);
    run.table.set_network_namespace(7, 5);
    run.put(Packet { interface: 7, ..udp(MS, CLIENT, SERVER) });
    run.table.set_network_namespace(7, 0);
    run.put(Packet { interface: 7, ..udp(2 * MS, CLIENT, SERVER) });
    run.put(Packet { interface: 100, ..udp(3 * MS, SERVER, CLIENT) });
    assert_eq!(told(&run.finish()), [(Some(5), 4)]);
}

#[test]
fn flows_of_many_namespaces_survive_moving_and_eviction() {
    let config = FlowTableConfig { max_flows: 200, ..FlowTableConfig::default() };
    let mut run = Run::new(config);
    (0..300).for_each(|n| run.table.set_network_namespace(n, n + 1));
    for n in 0..900_u32 {
        run.put(Packet { interface: n % 300, ..udp(u64::from(n) * MS, CLIENT, SERVER) });
    }
    let flows = run.finish();
    assert!(flows.iter().all(|f| f.network_namespace == Some(f.first_ns as u32 / 1_000_000 % 300 + 1)));
    assert_eq!(totals(&flows).0, 900);
}
