//! The first byte chooses the parser's port and protocol; then segments of a connection or datagrams, each with its length, its
//! direction and a distance of its sequence number. Every packet that goes in must come out in exactly one record, and no
//! record may contain a control character.
#![no_main]

use etherparse::PacketBuilder;
use libfuzzer_sys::fuzz_target;
use pidflow_engine::decode::{DecodeRules, Decoder, Frame, LinkType, PayloadRule, TcpRule};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig, PacketRule};
use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason};

const PORTS: [u16; 4] = [53, 4500, 5353, 9999];

fn frame(kind: u8, from_server: bool, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let (client, server) = (([10, 0, 0, 1], 1234), ([10, 0, 0, 2], PORTS[usize::from(kind >> 1 & 3)]));
    let (source, destination) = if from_server { (server, client) } else { (client, server) };
    let builder = PacketBuilder::ipv4(source.0, destination.0, 64);
    let mut data = Vec::new();
    if kind & 1 == 0 {
        builder.tcp(source.1, destination.1, sequence, 1000).ack(1).write(&mut data, payload).unwrap();
    } else {
        builder.udp(source.1, destination.1).write(&mut data, payload).unwrap();
    }
    data
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, mut rest)) = input.split_first() else { return };
    let mut decoder =
        Decoder::new(DecodeRules { payloads: PayloadRule::Pick, tcp: TcpRule::Measure, ..DecodeRules::default() });
    let mut table = FlowTable::new(FlowTableConfig { packets: PacketRule::Measure, ..FlowTableConfig::default() });
    let (mut out, mut put, mut sequences) = (Vec::new(), 0, [1_u32, 1]);
    while let Some(([octets, more, from], after)) = rest.split_first_chunk::<3>() {
        let octets = usize::from(u16::from_be_bytes([*more & 15, *octets])).min(after.len());
        let (payload, after) = after.split_at(octets);
        rest = after;
        let sequence = &mut sequences[usize::from(from & 1)];
        *sequence = sequence.wrapping_add(u32::from(from >> 5)).wrapping_sub(u32::from(from >> 2 & 7));
        let data = frame(*kind, from & 1 != 0, *sequence, payload);
        *sequence = sequence.wrapping_add(octets as u32);
        put += 1;
        let frame =
            Frame { time_ns: 1_000_000_000 + put * 1000, wire_octets: data.len() as u32, interface: 0, data: &data };
        let packet = decoder.decode(LinkType::RawIp, &frame).unwrap();
        table.set_payloads(decoder.take_payloads());
        table.update_all(&[packet], &mut out);
        for answer in table.take_name_answers() {
            assert!(answer.name.bytes().all(|b| (b' '..=b'~').contains(&b)), "{:?}", answer.name);
        }
    }
    assert!(table.watched_bytes() < 1 << 20);
    table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut out);
    let packets = |flow: &Flow| flow.forward.packets + flow.reverse.packets;
    assert_eq!(out.iter().map(packets).sum::<u64>(), put);
    let measured = out.iter().filter_map(|flow| flow.tcp.as_deref()).flat_map(|tcp| [tcp.forward, tcp.reverse]);
    let troubles = measured.map(|d| u64::from(d.retransmitted_packets + d.out_of_order_packets)).sum::<u64>();
    assert!(troubles <= put, "{troubles} of {put}");
    let figures = out.iter().filter_map(|flow| flow.packet_figures.as_deref());
    let sized = figures.map(|figures| (0..6).map(|class| figures.packets_in_class(class)).sum::<u64>());
    assert_eq!(sized.sum::<u64>(), put);
    for application in out.iter().filter_map(|flow| flow.application.as_deref()) {
        let mut texts = Vec::new();
        texts.extend(application.tls.iter().flat_map(|tls| [&tls.server_name, &tls.alpn, &tls.fingerprint]));
        texts.extend(application.http.iter().flat_map(|http| [&http.method, &http.host, &http.path]));
        texts.extend(application.dns.iter().map(|dns| &dns.query));
        texts.push(&application.request);
        assert!(texts.iter().all(|text| text.bytes().all(|b| (b' '..=b'~').contains(&b))), "{application:?}");
        assert!(application.http.iter().all(|http| !http.path.contains(['?', '#'])), "{application:?}");
    }
});
