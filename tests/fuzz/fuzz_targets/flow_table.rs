//! Each step is four bytes: a packet between a few endpoints, a change of time (also backwards), a change of owner, or
//! an expiry. Every packet that goes in must come out in exactly one record.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig};
use pidflow_engine::packet::{Fragment, Packet};
use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason};

fn end(bits: u8) -> (IpAddr, u16) {
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, bits & 3)), u16::from(bits >> 2 & 3))
}

fn packet(now: u64, [kind, ends, flags, sequence]: [u8; 4]) -> Packet {
    let protocol = [6, 6, 17, 1][usize::from(kind & 3)];
    let mut packet = Packet::new(now, protocol, end(ends), end(ends >> 4)).with_octets(40, 60);
    packet.interface = u32::from(kind >> 2 & 3);
    let packet = match flags {
        0xfe => packet.with_fragment(Fragment::First, sequence.into()),
        0xff => {
            (packet.source_port, packet.destination_port) = (0, 0);
            packet.with_fragment(Fragment::Later, sequence.into())
        }
        _ => packet,
    };
    match protocol {
        6 => packet.with_tcp(flags, sequence.into()),
        1 => packet.with_icmp(flags & 15, 0),
        _ => packet,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some(([idle, active, most, _], steps)) = input.split_first_chunk::<4>() else { return };
    let seconds = |n: &u8| (*n != 0).then(|| u64::from(*n % 64) * 1_000_000_000);
    let mut table = FlowTable::new(FlowTableConfig {
        idle_timeout_ns: seconds(idle),
        active_timeout_ns: seconds(active),
        max_flows: usize::from(most % 16),
        ..FlowTableConfig::default()
    });
    table.set_network_namespace(1, 7);
    table.set_network_namespace(2, 8);
    let (mut now, mut put, mut out) = (0_u64, 0, Vec::new());
    for step in steps.as_chunks::<4>().0 {
        now = now.wrapping_add(u64::from(step[0] >> 4) * u64::from(step[3]) * 10_000_000);
        match step[0] & 15 {
            // The clock is set to an arbitrary time.
            13 => now = u64::from_be_bytes([step[1], step[2], step[3], 0, 0, 0, 0, 0]),
            12 => now = now.wrapping_sub(u64::from(step[1]) * 1_000_000_000),
            15 => while table.expire(now, &mut out) {},
            14 => table.endpoint_changed(
                17,
                end(step[1]).0,
                end(step[1]).1,
                now.wrapping_add(u64::from(step[2]) * 10_000),
            ),
            _ => {
                table.update(&packet(now, *step), &mut out);
                put += 1;
            }
        }
        assert!(table.len() <= usize::from(most % 16).max(1));
    }
    table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut out);
    let packets = |flow: &Flow| flow.forward.packets + flow.reverse.packets;
    assert_eq!(out.iter().map(packets).sum::<u64>(), put);
    assert!(out.iter().all(|flow| packets(flow) > 0 && flow.first_ns <= flow.last_ns));
});
