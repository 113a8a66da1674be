//! A generated flow record for tests of code that only reads records.

use std::net::{IpAddr, Ipv4Addr};

use pidflow_schema::{Attribution, Counters, Flow, FlowRecord, InitiatorBasis, Protocol};

/// One packet with that many bytes from this address to a TCP port of 10.0.0.2.
pub(crate) fn record(source: u32, port: u16, octets: u64) -> FlowRecord {
    let ends = ((IpAddr::V4(Ipv4Addr::from_bits(source)), 40_000), (IpAddr::from([10, 0, 0, 2]), port));
    let flow = Flow {
        forward: Counters { packets: 1, octets, frame_octets: octets, tcp_flags: 0, ..Counters::default() },
        interface: "x".into(),
        initiator: InitiatorBasis::Syn,
        ..Flow::new(Protocol::TCP, ends.0, ends.1, (0, 0))
    };
    FlowRecord::without_processes(flow, Attribution::Remote)
}
