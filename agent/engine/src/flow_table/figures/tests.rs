use std::net::{IpAddr, Ipv4Addr};

use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason, PacketDirection, PacketGaps};

use super::super::{FlowTable, FlowTableConfig, PacketRule};
use crate::packet::Packet;

const CLIENT: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 4000);
const SERVER: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 53);
const SECOND: u64 = 1_000_000_000;

fn packet(time_us: u64, octets: u32, (tos, ttl): (u8, u8)) -> Packet {
    Packet::new(SECOND + time_us * 1000, 17, CLIENT, SERVER).with_octets(octets, octets + 14).with_ip(tos, ttl)
}

fn answer(time_us: u64) -> Packet {
    Packet::new(SECOND + time_us * 1000, 17, SERVER, CLIENT).with_octets(200, 214).with_ip(0, 60)
}

fn flows(config: FlowTableConfig, packets: &[Packet]) -> Vec<Flow> {
    let mut table = FlowTable::new(FlowTableConfig { packets: PacketRule::Measure, ..config });
    let mut out = Vec::new();
    table.update_all(packets, &mut out);
    table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut out);
    out
}

#[test]
fn a_direction_has_its_own_figures() {
    let sizes = [40, 128, 129, 256, 257, 512, 513, 1024, 1025, 1514, 1515, 70_000];
    let mut packets: Vec<Packet> = (0..).zip(sizes).map(|(n, octets)| packet(n * 10, octets, (0, 64))).collect();
    packets.push(answer(5));
    let flow = &flows(FlowTableConfig::default(), &packets)[0];
    let figures = flow.packet_figures.as_deref().unwrap();
    let forward = figures.forward.unwrap();
    assert_eq!(forward.sizes, [2; 6]);
    assert_eq!((forward.min_octets, forward.max_octets), (40, 70_000));
    assert_eq!(forward.gaps, Some(PacketGaps { min_us: 10, max_us: 10, mean_us: 10, deviation_us: 0 }));
    let expected = PacketDirection {
        sizes: [0, 1, 0, 0, 0, 0],
        min_octets: 200,
        max_octets: 200,
        gaps: None,
        min_ttl: 60,
        max_ttl: 60,
        class_of_service: 0,
        has_other_dscp: false,
        ecn_seen: 1,
    };
    assert_eq!(figures.reverse, Some(expected));
    assert_eq!(figures.packets_in_class(1), 3);
}

#[test]
fn times_marks_and_hop_limits_are_those_of_the_packets() {
    // Gaps of 10, 30, 0 (back in time) and 80 µs: mean 30, deviation sqrt((400 + 0 + 900 + 2500) / 4) = 30.8.
    let packets = [(0, 0xb8, 64), (10, 0xb9, 63), (40, 0xba, 64), (35, 0xbb, 1), (120, 0xb8, 255)]
        .map(|(t, tos, ttl)| packet(t, 100, (tos, ttl)));
    let flow = &flows(FlowTableConfig::default(), &packets)[0];
    let forward = flow.packet_figures.as_deref().unwrap().forward.unwrap();
    assert_eq!(forward.gaps, Some(PacketGaps { min_us: 0, max_us: 80, mean_us: 30, deviation_us: 30 }));
    assert_eq!((forward.min_ttl, forward.max_ttl), (1, 255));
    assert_eq!((forward.dscp(), forward.has_other_dscp, forward.ecn_seen), (46, false, 15));
    let changed = [packet(0, 100, (0xb8, 64)), packet(1, 100, (0, 64))];
    assert!(
        flows(FlowTableConfig::default(), &changed)[0]
            .packet_figures
            .as_deref()
            .unwrap()
            .forward
            .unwrap()
            .has_other_dscp
    );
}

#[test]
fn a_record_begins_with_no_packets_and_with_the_last_time() {
    let config = FlowTableConfig { active_timeout_ns: Some(SECOND), ..FlowTableConfig::default() };
    let second = packet(1_500_000, 300, (4, 9));
    let out = flows(config, &[packet(0, 100, (0, 64)), answer(10), second]);
    let figures = out[1].packet_figures.as_deref().unwrap();
    let forward = figures.forward.unwrap();
    assert_eq!((out.len(), figures.reverse), (2, None));
    assert_eq!((forward.sizes, forward.min_octets, forward.max_ttl), ([0, 0, 1, 0, 0, 0], 300, 9));
    assert_eq!(forward.gaps.map(|gaps| gaps.min_us), Some(1_500_000));
    assert!(forward.has_other_dscp, "the flow's first packet had another");
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut table = FlowTable::new(FlowTableConfig { packets: PacketRule::Measure, ..FlowTableConfig::default() });
    let (without, mut out) = (table.allocated_bytes(), Vec::new());
    for flow in 0..50_000_u32 {
        let client = (IpAddr::V4(Ipv4Addr::from_bits(flow + 1)), 1);
        table.update(&Packet::new(SECOND, 17, client, SERVER).with_octets(100, 114), &mut out);
    }
    let most = FlowTable::BYTES_PER_FLOW + FlowTable::BYTES_PER_FLOW_OF_MEASURED_PACKETS;
    assert!(table.allocated_bytes() <= without + 50_000 * most, "{} of {most}", table.allocated_bytes() / 50_000);
    const { assert!(FlowTable::BYTES_PER_FLOW_OF_MEASURED_PACKETS <= 192) };
    table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut out);
    assert!(out.iter().all(|flow| flow.packet_figures.is_some()));
    assert_eq!(table.figures.allocated_bytes(), 0);
}
