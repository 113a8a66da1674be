//! Checks that every packet is in exactly one record, and where flows begin and end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pidflow_schema::record::InitiatorBasis;
use proptest::prelude::*;

mod clocks;
mod flood;
mod interfaces;
mod namespaces;
mod paths;
mod sampling;
mod time;
mod traffic;
mod translations;
mod tunnels;

use super::*;
use crate::packet::TcpFlags;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN | ACK;
const RST: u8 = TcpFlags::RST;

const CLIENT: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 40_000);
const SERVER: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

fn tcp(time_ns: u64, from: (IpAddr, u16), to: (IpAddr, u16), flags: u8, sequence: u32) -> Packet {
    Packet::new(time_ns, Protocol::TCP, from, to).with_octets(40, 54).with_tcp(flags, sequence)
}

fn request(time_ns: u64, flags: u8, sequence: u32) -> Packet {
    tcp(time_ns, CLIENT, SERVER, flags, sequence)
}

fn answer(time_ns: u64, flags: u8, sequence: u32) -> Packet {
    tcp(time_ns, SERVER, CLIENT, flags, sequence)
}

fn udp(time_ns: u64, from: (IpAddr, u16), to: (IpAddr, u16)) -> Packet {
    Packet::new(time_ns, Protocol::UDP, from, to).with_octets(60, 74)
}

/// A connection of six packets from `start_ns` on, closed by FIN.
fn connection(start_ns: u64, sequence: u32) -> [Packet; 6] {
    [
        request(start_ns, SYN, sequence),
        answer(start_ns + 1, SYN | ACK, !sequence),
        request(start_ns + 2, ACK, sequence + 1),
        request(start_ns + 3, FIN, sequence + 1),
        answer(start_ns + 4, FIN, (!sequence).wrapping_add(1)),
        request(start_ns + 5, ACK, sequence + 2),
    ]
}

struct Run {
    table: FlowTable,
    out: Vec<Flow>,
}

impl Run {
    fn new(config: FlowTableConfig) -> Self {
        Self { table: FlowTable::new(config), out: Vec::new() }
    }

    fn with(packets: impl IntoIterator<Item = Packet>) -> Self {
        let mut run = Self::new(FlowTableConfig::default());
        packets.into_iter().for_each(|p| run.put(p));
        run
    }

    fn put(&mut self, packet: Packet) {
        self.table.update(&packet, &mut self.out);
    }

    fn finish(mut self) -> Vec<Flow> {
        self.table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::EndOfCapture, &mut self.out);
        assert!(self.table.is_empty());
        self.out
    }
}

#[test]
fn both_directions_are_one_flow_from_the_syn() {
    let flows = Run::with(connection(0, 1000)).finish();
    let [flow] = flows.as_slice() else { panic!("{flows:?}") };
    assert_eq!((flow.source, flow.source_port, flow.destination_port), (CLIENT.0, 40_000, 80));
    assert_eq!((flow.forward.packets, flow.reverse.packets, flow.forward.octets), (4, 2, 160));
    assert_eq!((flow.end_reason, flow.end_detail), (FlowEndReason::EndOfFlow, FlowEndDetail::Fin));
    assert_eq!(flow.initiator, InitiatorBasis::Syn);
    assert_eq!((flow.first_ns, flow.last_ns), (0, 5));
}

#[test]
fn packets_longer_than_their_frames_are_counted_and_mark_their_direction_and_record() {
    let minute = 60 * SECOND;
    let packets = [0, 1, 2].map(|n| answer(n * 13 * SECOND, ACK, 1));
    let short = packets[1].with_length_beyond_frame();
    let later = (4..6).map(|n| answer(n * 13 * SECOND + 1, ACK, 1));
    let ours = request(1, SYN, 1);
    let all = [ours, packets[0], short, packets[2], request(3 * 13 * SECOND, ACK, 2)].into_iter().chain(later);
    let flows = Run::with(all).finish();
    let marked = |flow: &Flow| (flow.forward.is_beyond_frame, flow.reverse.is_beyond_frame);
    assert_eq!(flows.iter().map(|flow| flow.forward.packets + flow.reverse.packets).collect::<Vec<_>>(), [6, 1]);
    assert_eq!(flows.iter().map(marked).collect::<Vec<_>>(), [(false, true), (false, false)]);
    assert!(flows[1].first_ns > minute);
}

#[test]
fn the_receiver_of_syn_ack_is_the_initiator() {
    let flows = Run::with([answer(1, SYN | ACK, 7), request(2, ACK, 8)]).finish();
    assert_eq!((flows[0].source, flows[0].initiator), (CLIENT.0, InitiatorBasis::Syn));
}

#[test]
fn a_syn_that_was_overtaken_still_says_who_began() {
    let flows = Run::with([answer(1, ACK, 7), request(2, SYN, 6)]).finish();
    assert_eq!(flows.len(), 1);
    assert_eq!((flows[0].source, flows[0].initiator), (CLIENT.0, InitiatorBasis::Syn));
}

#[test]
fn without_syn_the_first_sender_is_the_source() {
    let flows = Run::with([answer(1, ACK, 7), request(2, ACK, 6)]).finish();
    assert_eq!((flows[0].source, flows[0].initiator), (SERVER.0, InitiatorBasis::FirstPacket));
}

#[test]
fn port_pairs_that_come_back_are_flows_of_their_own() {
    let packets = (0..50_u32).flat_map(|i| connection(u64::from(i) * 10 * MS, i * 1000));
    let flows = Run::with(packets).finish();
    assert_eq!(flows.len(), 50);
    assert!(
        flows.iter().all(|f| f.forward.packets == 4 && f.reverse.packets == 2 && f.end_detail == FlowEndDetail::Fin)
    );
}

#[test]
fn a_refused_connection_that_is_tried_again_is_another_flow() {
    let tries = |i: u32| [request(u64::from(i) * MS, SYN, i), answer(u64::from(i) * MS + 1, RST | ACK, 0)];
    let flows = Run::with((1..=3).flat_map(tries)).finish();
    assert_eq!(flows.len(), 3);
    assert!(flows.iter().all(|f| f.end_detail == FlowEndDetail::Rst && f.forward.packets == 1));
}

#[test]
fn a_repeated_syn_is_the_same_connection() {
    let flows = Run::with([request(0, SYN, 5), request(SECOND, SYN, 5), answer(2 * SECOND, RST, 0)]).finish();
    assert_eq!((flows.len(), flows[0].forward.packets), (1, 2));
    // Windows tries three times with the same sequence number after a reset.
    let flows =
        Run::with([request(0, SYN, 5), answer(1, RST, 0), request(MS, SYN, 5), answer(MS + 1, RST, 0)]).finish();
    assert_eq!(flows.len(), 1);
}

#[test]
fn both_ends_may_open_at_the_same_time() {
    let flows = Run::with([request(0, SYN, 5), answer(1, SYN, 9), request(2, SYN | ACK, 5), answer(3, SYN | ACK, 9)]);
    assert_eq!(flows.finish().len(), 1);
}

#[test]
fn a_new_connection_ends_one_whose_end_was_not_seen() {
    let flows = Run::with([request(0, SYN, 5), answer(1, SYN | ACK, 9), request(MS, SYN, 77)]).finish();
    assert_eq!(flows.len(), 2);
    assert_eq!(flows[0].end_detail, FlowEndDetail::NewConnection);
}

/// Flags, times and octets alone do not show that the packets between two connections were lost.
#[test]
fn sequence_numbers_show_whether_packets_of_two_connections_are_one_flow() {
    let gapless = |packets: &[Packet]| {
        let flows = Run::with(packets.iter().copied()).finish();
        assert_eq!(flows.len(), 1);
        flows[0].is_gapless
    };
    let [one, other] = [connection(0, u32::MAX - 2), connection(SECOND, 15_000_000)];
    let data = request(3, ACK, 0).with_octets(1040, 1054);
    // After 1,000 bytes; the sequence number wraps around.
    let end = request(4, FIN, 998);
    assert!(gapless(&one));
    assert!(gapless(&[one[0], one[1], request(2, RST, u32::MAX - 1)]));
    assert!(gapless(&[one[0], one[1], one[2], data, end]));
    assert!(gapless(&[one[0], one[1], one[2], data, data, end]), "sent twice");
    assert!(!gapless(&[one[0], one[1], one[2], end]), "data that was lost");
    assert!(!gapless(&one[..3]), "no end");
    assert!(!gapless(&one[2..]), "no begin");
    assert!(!gapless(&[&one[..3], &other[2..]].concat()), "two connections");
    assert!(!gapless(&[&one[..5], &other[4..5]].concat()), "the end of another one, after its end");
    assert!(!gapless(&[&one[..3], &other[4..5]].concat()), "only the server's end");
}

#[test]
fn the_last_acknowledgement_makes_no_flow_of_its_own() {
    let mut run = Run::with(connection(0, 1));
    run.put(request(SECOND, ACK, 3));
    run.put(answer(SECOND + MS, RST, 0));
    assert_eq!(run.table.len(), 1);
    run.table.expire(FlowTableConfig::LINGER_NS + 6, &mut run.out);
    assert_eq!((run.table.len(), run.out.len(), run.out[0].forward.packets), (0, 1, 5));
}

#[test]
fn echo_and_reply_are_one_flow_even_to_oneself() {
    let ping = |t, kind, from: (IpAddr, u16), to| {
        Packet::new(t, Protocol::ICMP, from, to).with_octets(84, 98).with_icmp(kind, 0)
    };
    let (here, there) = ((CLIENT.0, 7), (SERVER.0, 7));
    for other in [here, there] {
        let flows = Run::with([ping(0, 8, here, other), ping(1, 0, other, here)]).finish();
        assert_eq!(flows.len(), 1);
        assert_eq!((flows[0].forward.packets, flows[0].reverse.packets), (1, 1));
        assert_eq!(flows[0].icmp_type_code, Some(0x0800));
    }
}

#[test]
fn vlans_and_families_keep_flows_apart() {
    let mapped = |v4: IpAddr| match v4 {
        IpAddr::V4(v4) => IpAddr::V6(Ipv6Addr::from_bits(v4.to_bits().into())),
        v6 @ IpAddr::V6(_) => v6,
    };
    let plain = udp(0, CLIENT, SERVER);
    let six = udp(0, (mapped(CLIENT.0), CLIENT.1), (mapped(SERVER.0), SERVER.1));
    let flows = Run::with([plain, plain.with_vlan(7), plain.with_vlan(8), plain.with_vlan(0), six]).finish();
    assert_eq!(flows.len(), 4);
    assert_eq!(flows.iter().filter_map(|f| f.vlan).collect::<Vec<_>>(), [7, 8]);
}

#[test]
fn idle_and_active_timeouts() {
    let mut run = Run::new(FlowTableConfig::default());
    (0..130).for_each(|s| run.put(udp(s * SECOND, CLIENT, SERVER)));
    assert_eq!(run.out.len(), 2);
    assert!(run.out.iter().all(|f| f.end_reason == FlowEndReason::ActiveTimeout && f.forward.packets == 60));
    run.put(udp(145 * SECOND, CLIENT, SERVER));
    assert_eq!((run.out.len(), run.out[2].end_reason, run.out[2].forward.packets), (3, FlowEndReason::IdleTimeout, 10));
    run.table.expire(160 * SECOND, &mut run.out);
    assert_eq!((run.out.len(), run.table.len()), (4, 0));
}

#[test]
fn a_quiet_flow_still_gives_its_record_at_the_active_timeout_and_no_empty_one_later() {
    let config = FlowTableConfig { idle_timeout_ns: Some(100 * SECOND), ..FlowTableConfig::default() };
    let mut run = Run::new(config);
    run.put(answer(0, ACK, 1));
    run.table.expire(60 * SECOND, &mut run.out);
    assert_eq!((run.out.len(), run.out[0].end_reason, run.table.len()), (1, FlowEndReason::ActiveTimeout, 1));
    run.put(request(61 * SECOND, ACK, 1));
    run.table.expire(121 * SECOND, &mut run.out);
    run.table.expire(300 * SECOND, &mut run.out);
    assert_eq!((run.out.len(), run.table.len()), (2, 0));
    assert_eq!((run.out[1].source, run.out[1].reverse.packets, run.out[1].first_ns), (SERVER.0, 1, 61 * SECOND));
}

#[test]
fn the_whole_capture_is_one_record_per_flow() {
    let mut run = Run::new(FlowTableConfig::whole_capture(10));
    (0..5_u32).flat_map(|i| connection(u64::from(i) * 1000 * SECOND, i * 1000)).for_each(|p| run.put(p));
    run.table.expire(u64::MAX, &mut run.out);
    let flows = run.finish();
    assert_eq!((flows.len(), flows[0].forward.packets), (1, 20));
    assert_eq!((flows[0].end_reason, flows[0].end_detail), (FlowEndReason::ForcedEnd, FlowEndDetail::EndOfCapture));
}

#[test]
fn timeouts_of_zero_are_none() {
    let none = Some(0);
    let config = FlowTableConfig { idle_timeout_ns: none, active_timeout_ns: none, ..FlowTableConfig::default() };
    let mut run = Run::new(config);
    (0..3).for_each(|s| run.put(udp(s * SECOND, CLIENT, SERVER)));
    assert!(!run.table.expire(9 * SECOND, &mut run.out));
    assert_eq!(run.finish().len(), 1);
}

#[test]
fn a_full_table_gives_up_closed_and_then_idle_flows() {
    let mut run = Run::new(FlowTableConfig { max_flows: 3, ..FlowTableConfig::default() });
    let port = |port: u16| (CLIENT.0, port);
    run.put(udp(0, port(1), SERVER));
    connection(1, 5).into_iter().for_each(|p| run.put(p));
    run.put(udp(SECOND, port(2), SERVER));
    run.put(udp(2 * SECOND, port(1), SERVER));
    run.put(udp(2 * SECOND, port(3), SERVER));
    assert_eq!((run.out[0].end_detail, run.table.counters().evicted), (FlowEndDetail::Fin, 0));
    run.put(udp(2 * SECOND, port(4), SERVER));
    assert_eq!((run.out[1].source_port, run.out[1].end_reason), (2, FlowEndReason::LackOfResources));
    assert_eq!((run.table.counters().evicted, run.table.len()), (1, 3));
}

#[test]
fn another_owner_of_a_udp_port_is_another_flow() {
    for (address, port) in [(CLIENT.0, CLIENT.1), (IpAddr::V4(Ipv4Addr::UNSPECIFIED), CLIENT.1), (SERVER.0, SERVER.1)] {
        let mut run = Run::with([udp(0, CLIENT, SERVER)]);
        run.table.endpoint_changed(Protocol::UDP, address, port, 900 * MS);
        run.put(udp(6 * SECOND, CLIENT, SERVER));
        run.put(udp(7 * SECOND, CLIENT, SERVER));
        let flows = run.finish();
        assert_eq!((flows.len(), flows[0].end_detail), (2, FlowEndDetail::SocketChanged), "{address} {port}");
    }
}

#[test]
fn changes_elsewhere_or_at_other_times_split_nothing() {
    let mut run = Run::with([udp(SECOND, CLIENT, SERVER)]);
    run.table.endpoint_changed(Protocol::UDP, CLIENT.0, CLIENT.1 + 1, 2 * SECOND);
    run.table.endpoint_changed(Protocol::ICMP, CLIENT.0, CLIENT.1, 2 * SECOND);
    run.table.endpoint_changed(Protocol::UDP, IpAddr::V4(Ipv4Addr::LOCALHOST), CLIENT.1, 2 * SECOND);
    run.table.endpoint_changed(Protocol::UDP, CLIENT.0, CLIENT.1, 4 * SECOND);
    run.put(udp(3 * SECOND, CLIENT, SERVER));
    assert_eq!(run.finish().len(), 1);
}

#[test]
fn an_answer_to_an_owner_that_exited_is_still_its_flow() {
    let mut run = Run::with([udp(0, CLIENT, SERVER)]);
    run.table.endpoint_changed(Protocol::UDP, CLIENT.0, CLIENT.1, MS);
    run.put(udp(2 * MS, SERVER, CLIENT));
    run.put(udp(3 * MS, CLIENT, SERVER));
    let flows = run.finish();
    let answered: Vec<_> = flows.iter().map(|f| (f.forward.packets, f.reverse.packets)).collect();
    assert_eq!(answered, [(1, 1), (1, 0)], "the answer is the old flow's, what the new owner sends is not");
}

#[test]
fn a_handshake_is_timed_from_the_first_syn_and_reported_once() {
    let packets = [
        request(0, SYN, 5),
        request(SECOND, SYN, 5),
        answer(SECOND + 3 * MS, SYN | ACK, 9),
        answer(SECOND + 4 * MS, SYN | ACK, 9),
        request(SECOND + 5 * MS, ACK, 6),
        request(40 * SECOND, ACK, 7),
        answer(80 * SECOND, ACK, 10),
    ];
    let config = FlowTableConfig { active_timeout_ns: Some(60 * SECOND), idle_timeout_ns: None, ..Default::default() };
    let mut run = Run::new(config);
    packets.into_iter().for_each(|p| run.put(p));
    let told: Vec<_> = run.finish().iter().map(|f| f.handshake.map(|h| (h.server_us, h.client_us))).collect();
    assert_eq!(told, [Some((1_003_000, 2_000)), None]);
}

#[test]
fn a_handshake_of_which_a_part_is_missing_has_no_time() {
    let whole = [request(0, SYN, 5), answer(MS, SYN | ACK, 9), request(2 * MS, ACK, 6)];
    for missing in 0..3 {
        let seen = whole.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, p)| *p);
        let mut run = Run::new(FlowTableConfig::default());
        seen.for_each(|p| run.put(p));
        assert_eq!(run.finish()[0].handshake, None, "without packet {missing}");
    }
}

#[test]
fn an_entry_is_small() {
    // The index takes 11 to 22 bytes in addition.
    assert_eq!((size_of::<Entry>(), align_of::<Entry>()), (192, 64));
}

#[test]
fn interfaces_are_named_by_number() {
    let mut run = Run::new(FlowTableConfig::default());
    run.table.set_interface(1, 7, &Arc::from("eth7"));
    let mut packet = udp(0, CLIENT, SERVER);
    packet.interface = 1;
    run.put(packet);
    let flows = run.finish();
    assert_eq!((flows[0].interface_index, &*flows[0].interface), (7, "eth7"));
}

/// Few endpoints and many repetitions, so that every rule is exercised.
fn any_packet() -> impl Strategy<Value = (u64, Packet)> {
    let end = || (0..3_u8, 1..4_u16).prop_map(|(a, p)| (IpAddr::V4(Ipv4Addr::new(10, 0, 0, a)), p));
    let flags = prop::sample::select(vec![SYN, SYN | ACK, ACK, ACK, ACK, FIN, RST]);
    let protocol = prop::sample::select(vec![Protocol::TCP, Protocol::UDP, Protocol::ICMP, 47]);
    let gap = prop_oneof![4 => 0..3 * MS, 1 => 0..40 * SECOND];
    (gap, protocol, end(), end(), flags, 0..3_u32, 40..1500_u32).prop_map(
        |(gap, protocol, from, to, flags, seq, octets)| {
            let packet = Packet::new(0, protocol, from, to).with_octets(octets, octets + 14);
            let packet = match protocol {
                Protocol::TCP => packet.with_tcp(flags, seq),
                Protocol::ICMP => packet.with_icmp(8 * (flags & 1), 0),
                _ => packet,
            };
            (gap, packet)
        },
    )
}

fn any_config() -> impl Strategy<Value = FlowTableConfig> {
    let timeout = || prop::option::of(1..50_u64).prop_map(|s| s.map(|s| s * SECOND));
    (timeout(), timeout(), 1..20_usize).prop_map(|(idle_timeout_ns, active_timeout_ns, max_flows)| FlowTableConfig {
        counts_once: false,
        idle_timeout_ns,
        active_timeout_ns,
        max_flows,
        ..FlowTableConfig::default()
    })
}

fn totals(flows: &[Flow]) -> (u64, u64, u64) {
    flows.iter().flat_map(|f| [f.forward, f.reverse]).fold((0, 0, 0), |(packets, octets, frames), c| {
        (packets + c.packets, octets + c.octets, frames + c.frame_octets)
    })
}

proptest! {
    /// For any packets, socket changes and calls of `expire`, every packet is in exactly one record.
    #[test]
    fn every_packet_is_in_exactly_one_record(
        packets in prop::collection::vec(any_packet(), 1..300),
        config in any_config(),
        batch in 1..40_usize,
    ) {
        let mut run = Run::new(config);
        let mut now = 0;
        let mut expected = (0, 0, 0);
        for group in packets.chunks(batch) {
            let group: Vec<Packet> = group.iter().map(|(gap, packet)| {
                now += gap;
                Packet { time_ns: now, ..*packet }
            }).collect();
            for p in &group {
                expected = (expected.0 + 1, expected.1 + u64::from(p.octets), expected.2 + u64::from(p.frame_octets));
            }
            run.table.endpoint_changed(Protocol::UDP, CLIENT.0, 1 + (now % 3) as u16, now);
            run.table.update_all(&group, &mut run.out);
            prop_assert!(run.table.len() <= config.max_flows);
            if now % 2 == 0 {
                run.table.expire(now, &mut run.out);
            }
        }
        let flows = run.finish();
        prop_assert_eq!(totals(&flows), expected);
        for flow in &flows {
            prop_assert!(flow.first_ns <= flow.last_ns && flow.last_ns <= now);
            prop_assert!(flow.forward.packets + flow.reverse.packets > 0);
        }
    }

    /// No record is longer than the active timeout, and no two packets in it further apart than the idle timeout.
    #[test]
    fn timeouts_bound_the_records(packets in prop::collection::vec(any_packet(), 1..200)) {
        let config = FlowTableConfig::default();
        let mut run = Run::new(config);
        let mut now = 0;
        for (gap, packet) in packets {
            now += gap;
            run.put(Packet { time_ns: now, ..packet });
        }
        for flow in run.finish() {
            prop_assert!(flow.last_ns - flow.first_ns < config.active_timeout_ns.unwrap());
            let two = flow.forward.packets + flow.reverse.packets == 2;
            prop_assert!(!two || flow.last_ns - flow.first_ns < config.idle_timeout_ns.unwrap());
        }
    }

    /// Batches give the same flows as single packets.
    #[test]
    fn batches_change_nothing(packets in prop::collection::vec(any_packet(), 1..200)) {
        let mut now = 0;
        let packets: Vec<Packet> = packets.into_iter().map(|(gap, p)| {
            now += gap;
            Packet { time_ns: now, ..p }
        }).collect();
        let mut batched = Run::new(FlowTableConfig::default());
        batched.table.update_all(&packets, &mut batched.out);
        prop_assert_eq!(batched.finish(), Run::with(packets).finish());
    }

    /// Swapping source and destination gives the same key and the other side.
    #[test]
    fn keys_are_symmetric((_, packet) in any_packet()) {
        let back = Packet {
            source_bits: packet.destination_bits,
            destination_bits: packet.source_bits,
            source_port: packet.destination_port,
            destination_port: packet.source_port,
            ..packet
        };
        let ((key, from), (back_key, back_from)) = (FlowKey::of(&packet), FlowKey::of(&back));
        prop_assert_eq!(key, back_key);
        let same_ends = (packet.source_bits, packet.source_port) == (packet.destination_bits, packet.destination_port);
        prop_assert!(same_ends || from == back_from.other());
    }

    /// A change of owner between two packets splits them exactly when it is after the first and not after the second.
    #[test]
    fn changes_split_by_time(first in 0..10 * SECOND, gap in 0..10 * SECOND, change in 0..25 * SECOND) {
        let mut run = Run::with([udp(first, CLIENT, SERVER)]);
        run.table.endpoint_changed(Protocol::UDP, CLIENT.0, CLIENT.1, change);
        let second = first + gap;
        run.put(udp(second, CLIENT, SERVER));
        let between = change > first && change <= second && gap > SAME_OWNER_GAP_NS;
        prop_assert_eq!(run.finish().len(), 1 + usize::from(between));
    }
}

#[test]
fn ports_that_come_back_on_loopback_are_flows_of_their_own() {
    let one: IpAddr = "::1".parse().unwrap();
    let any: IpAddr = "::".parse().unwrap();
    let (client, server) = ((one, 20006), (one, 40060));
    let base = 1_795_376_595_421_007_920;
    let mut run = Run::with([udp(base, client, server), udp(base + 64 * MS, server, client)]);
    run.table.endpoint_changed(Protocol::UDP, any, 20006, base + 219 * MS);
    run.table.endpoint_changed(Protocol::UDP, IpAddr::V4(Ipv4Addr::UNSPECIFIED), 20006, base + 1399 * MS);
    run.put(udp(base + 3039 * MS, client, server));
    run.put(udp(base + 3088 * MS, server, client));
    assert_eq!(run.finish().len(), 2);
}

#[test]
fn a_syn_repeated_after_a_reset_of_time_wait_is_one_flow() {
    let mut run = Run::with([request(0, SYN, 100), answer(MS, ACK, 7), request(2 * MS, RST, 8)]);
    run.put(request(SECOND, SYN, 100));
    run.put(answer(SECOND + MS, SYN | ACK, 500));
    run.put(request(SECOND + 2 * MS, ACK, 101));
    assert_eq!(run.finish().len(), 1);
}

/// The server still has the previous connection: it answers the new SYN for that one, is reset, and gets the SYN again.
#[test]
fn a_connection_that_reset_its_predecessor_is_one_flow_however_long_it_takes() {
    let mut run = Run::with([request(0, SYN, 100), answer(MS, ACK, 7), request(2 * MS, RST, 8)]);
    run.put(request(10 * MS, SYN, 100));
    run.put(answer(11 * MS, SYN | ACK, 500));
    run.put(request(12 * MS, ACK, 101));
    run.table.expire(5 * SECOND, &mut run.out);
    run.put(request(6 * SECOND, FIN, 102));
    run.put(answer(7 * SECOND, FIN, 501));
    run.put(request(7 * SECOND + MS, ACK, 103));
    let flows = run.finish();
    assert_eq!(flows.len(), 1);
    assert_eq!((flows[0].end_detail, flows[0].forward.packets, flows[0].reverse.packets), (FlowEndDetail::Fin, 6, 3));
}

#[test]
fn a_fin_of_the_connection_before_does_not_end_the_next() {
    let mut run = Run::with([request(0, SYN, 100), answer(MS, FIN, 7), request(2 * MS, RST, 8)]);
    run.put(request(10 * MS, SYN, 100));
    run.put(answer(11 * MS, SYN | ACK, 500));
    run.put(request(12 * MS, FIN, 101));
    run.table.expire(5 * SECOND, &mut run.out);
    run.put(answer(6 * SECOND, ACK, 501));
    assert_eq!(run.finish().len(), 1);
}
