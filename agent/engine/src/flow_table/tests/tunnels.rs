//! The same addresses and ports in several tunnels.

use pidflow_schema::record::{Tunnel, TunnelKind};

use super::*;
use crate::tunnel::PacketTunnel;

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

fn tunnel_between(from: IpAddr, to: IpAddr, kind: TunnelKind, id: u32) -> PacketTunnel {
    PacketTunnel::around(&Packet::new(0, 17, (from, 0), (to, 0)), kind, Some(id))
}

fn there(id: u32) -> PacketTunnel {
    tunnel_between(NEAR, FAR, TunnelKind::Geneve, id)
}

fn back(id: u32) -> PacketTunnel {
    tunnel_between(FAR, NEAR, TunnelKind::Geneve, id)
}

/// Adds packets with their tunnels one by one and all at once, which must give the same flows.
fn flows(packets: &[(Packet, Option<PacketTunnel>)]) -> Vec<Flow> {
    let mut one_by_one = Run::new(FlowTableConfig::default());
    for (packet, tunnel) in packets {
        let tunnels = tunnel.map(|tunnel| vec![tunnel]).unwrap_or_default();
        one_by_one.table.set_tunnels(&tunnels);
        one_by_one.put(packet.with_tunnel(tunnels.len() as u32));
    }
    let mut at_once = Run::new(FlowTableConfig::default());
    let mut tunnels = Vec::new();
    let number = |(packet, tunnel): &(Packet, Option<PacketTunnel>)| {
        tunnels.extend(*tunnel);
        packet.with_tunnel(tunnel.map_or(0, |_| tunnels.len() as u32))
    };
    let numbered: Vec<Packet> = packets.iter().map(number).collect();
    at_once.table.set_tunnels(&tunnels);
    at_once.table.update_all(&numbered, &mut at_once.out);
    let sorted = |run: Run| {
        let mut flows = run.finish();
        flows.sort_by_key(|f| f.first_ns);
        flows
    };
    let flows = sorted(at_once);
    assert_eq!(flows, sorted(one_by_one));
    flows
}

/// Packets of both directions, ids of both directions, and the tunnel's source.
type Told = (u64, u64, Option<u32>, Option<u32>, IpAddr);

fn told(flows: &[Flow]) -> Vec<Told> {
    let tell = |f: &Flow| {
        let Tunnel { id, reverse_id, source, .. } = f.tunnel.as_deref().cloned().unwrap_or_default();
        (f.forward.packets, f.reverse.packets, id, reverse_id, source)
    };
    flows.iter().map(tell).collect()
}

/// A connection in tunnels with these ids, one for each direction.
fn in_tunnels(start_ns: u64, id: u32, reverse_id: u32) -> Vec<(Packet, Option<PacketTunnel>)> {
    let tunnel = |p: &Packet| if p.source() == CLIENT.0 { there(id) } else { back(reverse_id) };
    connection(start_ns, 7 * id).into_iter().map(|p| (p, Some(tunnel(&p)))).collect()
}

#[test]
fn equal_ends_in_two_tunnels_are_two_flows() {
    let mut packets = in_tunnels(SECOND, 1, 1);
    packets.extend(in_tunnels(SECOND + 10, 2, 2));
    packets.extend(connection(SECOND + 20, 99).map(|p| (p, None)));
    assert_eq!(
        told(&flows(&packets)),
        [
            (4, 2, Some(1), Some(1), NEAR),
            (4, 2, Some(2), Some(2), NEAR),
            (4, 2, None, None, Ipv4Addr::UNSPECIFIED.into())
        ]
    );
}

#[test]
fn interleaved_packets_of_two_tunnels_are_two_flows() {
    let (one, two) = (in_tunnels(SECOND, 1, 1), in_tunnels(SECOND + 10, 2, 2));
    let mixed: Vec<_> = one.into_iter().zip(two).flat_map(|(a, b)| [a, b]).collect();
    assert_eq!(told(&flows(&mixed)), [(4, 2, Some(1), Some(1), NEAR), (4, 2, Some(2), Some(2), NEAR)]);
}

#[test]
fn other_addresses_or_another_kind_are_another_tunnel() {
    let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3));
    let kinds = [
        there(5),
        tunnel_between(NEAR, other, TunnelKind::Geneve, 5),
        tunnel_between(NEAR, FAR, TunnelKind::Vxlan, 5),
        back(5),
    ];
    let packets: Vec<_> = (0..).zip(kinds).map(|(n, tunnel)| (udp(SECOND + n, CLIENT, SERVER), Some(tunnel))).collect();
    let flows = flows(&packets);
    assert_eq!(told(&flows).iter().map(|f| f.0).collect::<Vec<_>>(), [2, 1, 1], "both ways of a tunnel are one");
    assert_eq!(flows[0].tunnel.as_ref().map(|t| (t.source, t.destination)), Some((NEAR, FAR)));
}

#[test]
fn each_direction_may_have_an_id_of_its_own() {
    let packets = in_tunnels(SECOND, 10, 11);
    assert_eq!(told(&flows(&packets)), [(4, 2, Some(10), Some(11), NEAR)]);
    // The answer came first; the SYN shows who began.
    let mut late = packets;
    late.swap(0, 1);
    assert_eq!(told(&flows(&late)), [(4, 2, Some(10), Some(11), NEAR)]);
    let (mut mixed, other) = (in_tunnels(SECOND, 10, 11), in_tunnels(SECOND + 10, 20, 21));
    mixed.extend(other);
    assert_eq!(told(&flows(&mixed)), [(4, 2, Some(10), Some(11), NEAR), (4, 2, Some(20), Some(21), NEAR)]);
}

#[test]
fn an_answer_that_may_be_to_either_is_a_flow_of_its_own() {
    let asked = |n: u64, id| (udp(SECOND + n, CLIENT, SERVER), Some(there(id)));
    let answered = |n: u64, id| (udp(SECOND + n, SERVER, CLIENT), Some(back(id)));
    let packets = [asked(0, 1), asked(1, 2), answered(2, 3), answered(3, 2), answered(4, 3)];
    assert_eq!(
        told(&flows(&packets)),
        [(1, 0, Some(1), None, NEAR), (1, 1, Some(2), Some(2), NEAR), (2, 0, Some(3), None, FAR)]
    );
}

#[test]
fn a_syn_answers_nothing() {
    let packets = [(request(SECOND, SYN, 7), Some(there(1))), (answer(SECOND + 1, SYN, 8), Some(back(2)))];
    assert_eq!(told(&flows(&packets)), [(1, 0, Some(1), None, NEAR), (1, 0, Some(2), None, FAR)]);
}

/// More ids than are compared one by one: each still has its own flow, in both directions, and looking them up stays cheap.
#[test]
fn thousands_of_ids_are_as_many_flows() {
    let asked = |n: u32| (udp(SECOND + u64::from(n), CLIENT, SERVER), Some(there(n)));
    let answered = |n: u32| (udp(2 * SECOND + u64::from(n), SERVER, CLIENT), Some(back(n)));
    let packets: Vec<_> = (1..5000).map(asked).chain((1..5000).map(answered)).collect();
    let flows = flows(&packets);
    assert_eq!(flows.len(), 4999);
    for (flow, n) in told(&flows).into_iter().zip(1..) {
        assert_eq!(flow, (1, 1, Some(n), Some(n), NEAR));
    }
}

/// The number of tunnels is limited. Packets of further tunnels are still counted, and numbers are reused.
#[test]
fn numbers_of_ended_flows_are_used_again() {
    let mut run = Run::new(FlowTableConfig { idle_timeout_ns: Some(SECOND), ..FlowTableConfig::default() });
    for round in 0..3 {
        let start = (10 * round + 1) * SECOND;
        for n in 0..70_000 {
            run.table.set_tunnels(&[there(n)]);
            let client = (CLIENT.0, (n % 60_000) as u16);
            run.put(udp(start + u64::from(n), client, SERVER).with_tunnel(1));
        }
        run.table.set_tunnels(&[]);
        while run.table.expire(start + 5 * SECOND, &mut run.out) {}
        assert!(run.table.is_empty());
        let named = run.out.iter().filter(|f| f.tunnel.as_ref().is_some_and(|t| t.id.is_some())).count();
        let packets: u64 = run.out.drain(..).map(|f| f.forward.packets).sum();
        assert_eq!((named, packets), (65_533, 70_000), "round {round}");
        assert!(run.table.counters().unnamed_tunnels >= 70_000 - 65_533);
    }
}

#[test]
fn a_number_that_was_not_said_is_no_tunnel() {
    let packet = udp(SECOND, CLIENT, SERVER);
    let flows = Run::with([packet.with_tunnel(1), packet.with_tunnel(u32::MAX), packet]).finish();
    assert_eq!(told(&flows), [(3, 0, None, None, Ipv4Addr::UNSPECIFIED.into())]);
}

/// Later fragments that arrive before the first one of their datagram, from two tunnels and across batches.
#[test]
fn held_fragments_stay_in_their_tunnel() {
    let mut run = Run::new(FlowTableConfig::default());
    let later = |time_ns| udp(time_ns, (CLIENT.0, 0), (SERVER.0, 0)).with_fragment(Fragment::Later, 9);
    run.table.set_tunnels(&[there(1), there(2)]);
    run.put(later(SECOND).with_tunnel(1));
    run.put(later(SECOND + 1).with_tunnel(2));
    run.table.set_tunnels(&[there(3), there(2)]);
    run.put(udp(SECOND + 2, CLIENT, SERVER).with_fragment(Fragment::First, 9).with_tunnel(2));
    run.table.set_tunnels(&[there(4)]);
    let mut flows = run.finish();
    flows.sort_by_key(|f| f.tunnel.as_ref().and_then(|t| t.id));
    assert_eq!(told(&flows), [(1, 0, Some(1), None, NEAR), (2, 0, Some(2), None, NEAR)]);
    assert_eq!((flows[0].source_port, flows[1].source_port), (0, CLIENT.1));
}

proptest! {
    /// For any packets, every packet is in one record, and no tunnel is left when its flows have ended.
    #[test]
    fn every_packet_is_in_one_record(steps in prop::collection::vec((0_u32..6, 0_u16..3, any::<bool>(), 0_u8..4), 0..200)) {
        let mut run = Run::new(FlowTableConfig { max_flows: 7, ..FlowTableConfig::default() });
        for (n, (id, port, is_back, flags)) in (0..).zip(&steps) {
            let (from, to) = ((CLIENT.0, 1000 + *port), SERVER);
            let packet = if *is_back { tcp(n * MS, to, from, *flags, 1) } else { tcp(n * MS, from, to, *flags, 1) };
            let tunnel = if *is_back { back(*id) } else { there(*id) };
            run.table.set_tunnels(&[tunnel]);
            run.put(packet.with_tunnel(u32::from(*id != 0)));
        }
        run.table.set_tunnels(&[]);
        while run.table.expire(100_000 * SECOND, &mut run.out) {}
        prop_assert!(run.table.tunnels.is_unused());
        let packets: u64 = run.finish().iter().map(|f| f.forward.packets + f.reverse.packets).sum();
        prop_assert_eq!(packets, steps.len() as u64);
    }
}
