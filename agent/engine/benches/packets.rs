//! Nanoseconds per packet of the decoder and of the flow table: `cargo bench -p pidflow-engine`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may panic and is not read as documentation")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use pidflow_engine::decode::{Decoder, Frame, LinkType};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig, PacketRule};
use pidflow_engine::packet::Packet;

/// Packets per round; many times the processor's cache where there are many flows.
const PACKETS: usize = 1 << 20;

fn frames() -> [(&'static str, Vec<u8>); 4] {
    let build = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = Vec::new();
        write(&mut frame);
        frame
    };
    let ethernet = || PacketBuilder::ethernet2([1; 6], [2; 6]);
    let payload = [0; 100];
    [
        (
            "tcp4",
            build(&|f| ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 9).tcp(1, 2, 3, 4).write(f, &payload).unwrap()),
        ),
        ("udp6", build(&|f| ethernet().ipv6([1; 16], [2; 16], 9).udp(1, 2).write(f, &payload).unwrap())),
        (
            "qinq-udp4",
            build(&|f| {
                let vlan = |id| id_of(id);
                let tagged = ethernet().double_vlan(vlan(7), vlan(8));
                tagged.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 9).udp(1, 2).write(f, &payload).unwrap();
            }),
        ),
        ("arp", [&[0xff; 12][..], &[8, 6], &[0; 46]].concat()),
    ]
}

fn id_of(id: u16) -> etherparse::VlanId {
    etherparse::VlanId::try_new(id).unwrap()
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, data) in frames() {
        let frame = Frame { time_ns: 1, wire_octets: data.len() as u32, interface: 0, data: &data };
        let mut decoder = Decoder::default();
        group.bench_function(name, |bencher| bencher.iter(|| decoder.decode(LinkType::Ethernet, black_box(&frame))));
    }
    group.finish();
}

/// Packets of `flows` flows in an order without pattern, both directions.
fn packets(flows: u32) -> Vec<Packet> {
    let server = (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 1)), 443);
    let mut state = 1_u32;
    let packet = |at: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let client = (IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + (state >> 8) % flows)), 40_000);
        let (from, to) = if state & 0x80 == 0 { (client, server) } else { (server, client) };
        Packet::new(at as u64 * 1000, 17, from, to).with_octets(100, 114)
    };
    (0..PACKETS).map(packet).collect()
}

fn update(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow_table");
    group.throughput(Throughput::Elements(PACKETS as u64)).sample_size(10);
    for flows in [1000, 10_000, 250_000] {
        let packets = packets(flows);
        group.bench_function(BenchmarkId::new("one_by_one", flows), |bencher| {
            let (mut table, mut out) = (FlowTable::new(FlowTableConfig::default()), Vec::new());
            bencher.iter(|| packets.iter().for_each(|packet| table.update(packet, &mut out)));
        });
        group.bench_function(BenchmarkId::new("batches", flows), |bencher| {
            let (mut table, mut out) = (FlowTable::new(FlowTableConfig::default()), Vec::new());
            bencher.iter(|| packets.chunks(1024).for_each(|batch| table.update_all(batch, &mut out)));
        });
        group.bench_function(BenchmarkId::new("batches_measured", flows), |bencher| {
            let config = FlowTableConfig { packets: PacketRule::Measure, ..FlowTableConfig::default() };
            let (mut table, mut out) = (FlowTable::new(config), Vec::new());
            bencher.iter(|| packets.chunks(1024).for_each(|batch| table.update_all(batch, &mut out)));
        });
    }
    group.finish();
}

criterion_group!(benches, decode, update);
criterion_main!(benches);
