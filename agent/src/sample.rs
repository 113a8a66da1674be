//! A made-up flow record for the tests of those who only look at records.

use std::net::{IpAddr, Ipv4Addr};

use pidflow_schema::{Attribution, Counters, Flow, FlowEndReason, FlowRecord, InitiatorBasis, Protocol};

/// One packet of so many octets from this address to a TCP port of 10.0.0.2.
pub(crate) fn record(source: u32, port: u16, octets: u64) -> FlowRecord {
    let flow = Flow {
        protocol: Protocol::TCP,
        vlan: None,
        source: IpAddr::V4(Ipv4Addr::from_bits(source)),
        destination: [10, 0, 0, 2].into(),
        source_port: 40_000,
        destination_port: port,
        icmp_type_code: None,
        first_ns: 0,
        last_ns: 0,
        forward: Counters { packets: 1, octets, frame_octets: octets, tcp_flags: 0 },
        reverse: Counters::default(),
        ip_class_of_service: 0,
        macs: None,
        interface_index: 0,
        interface: "x".into(),
        end_reason: FlowEndReason::IdleTimeout,
        end_detail: "".into(),
        initiator: InitiatorBasis::Syn,
        handshake: None,
    };
    FlowRecord::without_processes(flow, Attribution::Remote)
}
