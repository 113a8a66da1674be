use std::net::IpAddr;

use pidflow_schema::{Attribution, Counters, Flow, FlowEndDetail, FlowEndReason, InitiatorBasis};

use super::Joiner;
use crate::fact::{Fact, ProcessId, Sample, Socket, SocketUse, Task};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn task(pid: u32, comm: &str) -> Task {
    Task { id: ProcessId { pid, start: 1 }, start_ns: 10 * MS, uid: 0, comm: comm.into() }
}

fn flow(client: &str, port: u16, server: &str) -> Flow {
    let some = Counters { packets: 3, octets: 180, frame_octets: 222, tcp_flags: 2 };
    let ends = ((client.parse().unwrap(), port), (server.parse().unwrap(), 80));
    Flow {
        forward: some,
        reverse: Counters { packets: 2, ..some },
        interface_index: 1,
        interface: "lo".into(),
        end_reason: FlowEndReason::EndOfFlow,
        end_detail: FlowEndDetail::Fin,
        ..Flow::new(6, ends.0, ends.1, (SECOND, SECOND + MS))
    }
}

fn event(pid: u32, used: SocketUse, local: (&str, u16), remote: (&str, u16)) -> Fact {
    let ip = |s: &str| -> IpAddr { s.parse().unwrap() };
    let socket = Socket {
        id: u64::from(pid),
        netns: 7,
        protocol: 6,
        local: ip(local.0),
        local_port: local.1,
        remote: ip(remote.0),
        remote_port: remote.1,
        dual_stack: false,
    };
    let sample = Sample { time_ns: SECOND, cpu_ns: Some(99 * MS), rss: Some(4096), ..Sample::default() };
    Fact::Socket { time_ns: SECOND, task: task(pid, "p"), parent_pid: 1, used, socket, sample: Some(sample) }
}

#[test]
fn the_kernel_says_who_connected() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&event(10, SocketUse::Connect, ("127.0.0.1", 40000), ("127.0.0.1", 80)));
    j.apply(&event(20, SocketUse::Accept, ("127.0.0.1", 80), ("127.0.0.1", 40000)));
    let mut backwards = flow("127.0.0.1", 40000, "127.0.0.1");
    backwards.turn_round();
    let r = j.join(backwards);
    assert_eq!((r.flow.source_port, r.flow.forward.packets, r.flow.initiator), (40000, 3, InitiatorBasis::Socket));
    assert_eq!(r.source.process.unwrap().pid, 10);
    assert_eq!(r.destination.process.unwrap().pid, 20);
    assert_eq!(r.source.usage.unwrap().cpu_load, Some(1000));
}

#[test]
fn an_end_without_process_says_why() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&Fact::Addresses { time_ns: 0, netns: 7, addresses: vec!["10.0.0.1".parse().unwrap()] });
    let r = j.join(flow("10.0.0.1", 40000, "192.0.2.9"));
    assert_eq!((r.source.attribution, r.destination.attribution), (Attribution::NoSocket, Attribution::Remote));
}

#[test]
fn a_refused_connect_carries_its_error_once() {
    let mut j = Joiner::new(60 * SECOND, 7);
    let refused =
        event(10, SocketUse::ConnectFailed { errno: 111, since_ns: SECOND }, ("127.0.0.1", 40000), ("127.0.0.1", 80));
    j.apply(&refused);
    let r = j.join(flow("127.0.0.1", 40000, "127.0.0.1"));
    assert_eq!((r.connect_error, r.source.process.unwrap().pid), (Some(111), 10));
    assert!(j.take_failed_attempts(100 * SECOND).is_empty());
}

#[test]
fn an_attempt_without_packets_is_a_record_too() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&event(
        10,
        SocketUse::ConnectFailed { errno: 113, since_ns: SECOND },
        ("10.0.0.1", 40000),
        ("10.0.0.9", 80),
    ));
    assert!(j.take_failed_attempts(SECOND).is_empty(), "a flow may still come");
    let records = j.take_failed_attempts(30 * SECOND);
    let r = records.first().unwrap();
    assert_eq!((r.connect_error, r.flow.forward.packets), (Some(113), 0));
}
