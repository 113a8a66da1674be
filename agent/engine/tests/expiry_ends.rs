//! Inputs found by fuzzing for which expiry did not end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a failure is a panic")]

use std::net::{IpAddr, Ipv4Addr};

use pidflow_engine::flow_table::{FlowTable, FlowTableConfig};
use pidflow_engine::packet::{Fragment, Packet};
use pidflow_schema::record::{FlowEndDetail, FlowEndReason};

const MS: u64 = 1_000_000;

fn end(bits: u8) -> (IpAddr, u16) {
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, bits & 3)), u16::from(bits >> 2 & 3))
}

/// A clock that jumps ahead by 20 s with each packet, first fragments among them, and then by 38 s without any.
#[test]
fn a_record_that_began_after_the_last_packet_holds_nothing_up() {
    let seconds = Some(54_000 * MS);
    let config = FlowTableConfig {
        idle_timeout_ns: seconds,
        active_timeout_ns: seconds,
        max_flows: 6,
        ..FlowTableConfig::default()
    };
    let mut table = FlowTable::new(config);
    table.set_network_namespace(1, 7);
    let (mut now, mut put, mut out) = (0, 0, Vec::new());
    for step in [[182_u8, 182, 254, 182], [182, 182, 182, 182], [182, 182, 182, 255], [255, 255, 255, 0]] {
        now += u64::from(step[0] >> 4) * u64::from(step[3]) * 10 * MS;
        if step[0] & 15 == 15 {
            while table.expire(now, &mut out) {}
            continue;
        }
        let mut packet = Packet::new(now, 17, end(step[1]), end(step[1] >> 4)).with_octets(40, 60);
        packet.interface = 1;
        let is_first_fragment = step[2] == 254;
        table.update(&if is_first_fragment { packet.with_fragment(Fragment::First, 182) } else { packet }, &mut out);
        put += 1;
    }
    for _ in 0..20 {
        now += 20_000 * MS;
        while table.expire(now, &mut out) {}
        while table.expire(now.saturating_sub(40_000 * MS), &mut out) {}
    }
    table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut out);
    assert_eq!(out.iter().map(|f| f.forward.packets + f.reverse.packets).sum::<u64>(), put);
}
