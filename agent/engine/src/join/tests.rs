use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{
    Attribution, Counters, Endpoint, Flow, FlowEndDetail, FlowEndReason, FlowRecord, InitiatorBasis, Node, Pod,
    PodDetails, Service, Translation,
};

use super::{CapturedPaths, Joiner};
use crate::application::NameAnswer;
use crate::fact::{Fact, Lost, ProcessId, ProcessesAlive, Sample, Socket, SocketUse, Task, TenantKind, UNKNOWN_ERRNO};
use crate::tenancy::Tenancy;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn task(pid: u32, comm: &str) -> Task {
    Task { id: ProcessId::from_ticks(pid, 1), start_ns: 10 * MS, uid: 0, comm: comm.into() }
}

fn flow(client: &str, port: u16, server: &str) -> Flow {
    let some = Counters { packets: 3, octets: 180, frame_octets: 222, tcp_flags: 2, ..Counters::default() };
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
        file: 0,
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
    assert!(j.take_failed_attempts(100 * SECOND, |_| true).is_empty());
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
    assert!(j.take_failed_attempts(SECOND, |_| true).is_empty(), "a flow may still come");
    let records = j.take_failed_attempts(30 * SECOND, |_| true);
    let r = records.first().unwrap();
    assert_eq!((r.connect_error, r.flow.forward.packets), (Some(113), 0));
}

/// Without a route the kernel chooses neither an address nor a port, and not every hook sees the error.
#[test]
fn an_attempt_that_failed_at_once_is_a_record_without_a_port() {
    let mut j = Joiner::new(60 * SECOND, 7);
    for (errno, remote) in [(101, "192.0.2.1"), (UNKNOWN_ERRNO, "192.0.2.2"), (0, "192.0.2.3")] {
        let used = SocketUse::ConnectFailed { errno, since_ns: SECOND };
        j.apply(&event(10, used, ("0.0.0.0", 0), (remote, 80)));
    }
    let records = j.take_failed_attempts(30 * SECOND, |_| true);
    let told: Vec<_> = records.iter().map(|r| (r.flow.destination.to_string(), r.connect_error)).collect();
    assert_eq!(told, [("192.0.2.1".to_owned(), Some(101)), ("192.0.2.2".to_owned(), None)]);
    assert!(records.iter().all(|r| r.source.process.as_ref().is_some_and(|p| p.pid == 10)));
    assert!(records.iter().all(|r| r.flow.end_detail == FlowEndDetail::ConnectFailed));
}

#[test]
fn a_failed_attempt_of_a_namespace_that_is_not_captured_is_left_out() {
    let failed = |netns, remote| {
        let used = SocketUse::ConnectFailed { errno: 111, since_ns: SECOND };
        let mut fact = event(10, used, ("10.0.0.1", 40000), (remote, 80));
        if let Fact::Socket { socket, .. } = &mut fact {
            socket.netns = netns;
        }
        fact
    };
    let mut j = Joiner::new(60 * SECOND, 7);
    for netns in [7, 8, 9] {
        ["10.0.0.1", "127.0.0.1", "10.0.0.9"].into_iter().for_each(|remote| j.apply(&failed(netns, remote)));
    }
    j.captures(9);
    let records = j.take_failed_attempts(30 * SECOND, |_| true);
    let told: Vec<_> =
        records.iter().map(|r| (r.flow.network_namespace.unwrap(), r.flow.destination.to_string())).collect();
    // A namespace reaches itself over its own loopback, which no interface that leads there sees.
    let own = ["10.0.0.1", "127.0.0.1", "10.0.0.9"].map(|remote| (7, remote.to_owned()));
    assert_eq!(told, [&own[..], &[(9, "10.0.0.9".to_owned())]].concat());
    assert_eq!((j.counters().failed_elsewhere, j.counters().without_packets), (5, 4));
    // Captures that see the namespace say so in their flows.
    let _ = j.join(Flow { network_namespace: Some(8), ..flow("127.0.0.1", 1, "127.0.0.1") });
    j.apply(&failed(8, "10.0.0.9"));
    assert_eq!(j.take_failed_attempts(30 * SECOND, |_| true).len(), 1);
}

/// `-i` and `-f` select failed connects without packets like packets.
#[test]
fn a_failed_attempt_that_no_captured_interface_would_see_is_left_out() {
    let used = SocketUse::ConnectFailed { errno: 111, since_ns: SECOND };
    let told = |paths, port: u16| {
        let mut j = Joiner::new(60 * SECOND, 7).with_paths(paths);
        j.apply(&Fact::Addresses { time_ns: 0, netns: 7, addresses: vec!["10.0.0.1".parse().unwrap()] });
        for (local, remote) in [
            ("127.0.0.1", "127.0.0.9"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.9"),
            ("::1", "::1"),
            ("2001:db8::1", "2001:db8::9"),
        ] {
            j.apply(&event(10, used, (local, 40000), (remote, 80)));
        }
        let records = j.take_failed_attempts(30 * SECOND, |socket| socket.remote_port == port);
        let c = j.counters();
        let told: Vec<_> = records.iter().map(|r| r.flow.destination.to_string()).collect();
        (told, c.failed_elsewhere, c.failed_filtered)
    };
    let here = ["127.0.0.9", "10.0.0.1", "::1"].map(String::from).to_vec();
    let beyond = ["10.0.0.9", "2001:db8::9"].map(String::from).to_vec();
    assert_eq!(told(CapturedPaths::BeyondLoopback, 80), (beyond, 3, 0));
    assert_eq!(told(CapturedPaths::Loopback, 80), (here, 2, 0));
    assert_eq!(told(CapturedPaths::All, 80).0.len(), 5);
    assert_eq!(told(CapturedPaths::All, 443), (vec![], 0, 5));
}

#[test]
fn a_refused_connect_to_another_namespace_carries_its_error() {
    let mut j = Joiner::new(60 * SECOND, 7);
    for (netns, address) in [(7, "10.0.0.1"), (8, "10.0.0.9")] {
        j.apply(&Fact::Addresses { time_ns: 0, netns, addresses: vec![address.parse().unwrap()] });
    }
    let used = SocketUse::ConnectFailed { errno: 111, since_ns: SECOND };
    j.apply(&event(10, used, ("10.0.0.1", 40000), ("10.0.0.9", 80)));
    let r = j.join(Flow { network_namespace: Some(8), ..flow("10.0.0.1", 40000, "10.0.0.9") });
    assert_eq!((r.connect_error, r.source.process.map(|p| p.pid)), (Some(111), Some(10)));
}

#[test]
fn packets_of_the_kernel_itself_are_attributed_to_it() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&Fact::Addresses { time_ns: 0, netns: 7, addresses: vec!["10.0.0.1".parse().unwrap()] });
    let ends = (("10.0.0.1".parse().unwrap(), 0), ("10.0.0.9".parse().unwrap(), 0));
    let some = Counters { packets: 1, octets: 56, frame_octets: 70, tcp_flags: 0, ..Counters::default() };
    let icmp = Flow { icmp_type_code: Some(0x0303), forward: some, ..Flow::new(1, ends.0, ends.1, (SECOND, SECOND)) };
    let r = j.join(icmp);
    assert_eq!((r.source.attribution, r.destination.attribution), (Attribution::Kernel, Attribution::Remote));
    let vxlan = || Flow { forward: some, ..Flow::new(17, (ends.0.0, 50_123), (ends.1.0, 4789), (SECOND, SECOND)) };
    assert_eq!(j.join(vxlan()).source.attribution, Attribution::Kernel);
    let dns = Flow { forward: some, ..Flow::new(17, (ends.0.0, 50_123), (ends.1.0, 53), (SECOND, SECOND)) };
    assert_eq!(j.join(dns).source.attribution, Attribution::NoSocket);
    j.apply(&Fact::Lost { what: Lost::Anything, from_ns: SECOND - MS, until_ns: SECOND + MS });
    assert_eq!(
        j.join(vxlan()).source.attribution,
        Attribution::NoSocket,
        "a process's socket may be among what was lost"
    );
}

/// Through raw sockets with their own headers and packet sockets, processes send what has no socket of theirs.
#[test]
fn what_only_processes_send_is_not_the_kernels() {
    let mut j = Joiner::new(60 * SECOND, 7);
    let own: Vec<IpAddr> = ["10.0.0.1", "2001:db8::1"].map(|a| a.parse().unwrap()).to_vec();
    j.apply(&Fact::Addresses { time_ns: 0, netns: 7, addresses: own });
    let one = Counters { packets: 1, octets: 56, frame_octets: 70, tcp_flags: 0, ..Counters::default() };
    let mut sent = |protocol, (from, to): (&str, &str), icmp_type_code| {
        let ends = ((from.parse().unwrap(), 0), (to.parse().unwrap(), 0));
        let flow = Flow::new(protocol, ends.0, ends.1, (SECOND, SECOND));
        j.join(Flow { icmp_type_code, forward: one, reverse: one, ..flow })
    };
    let (four, six) = (("10.0.0.1", "10.0.0.9"), ("2001:db8::1", "2001:db8::9"));
    for (protocol, ends, icmp_type_code, attribution) in [
        // Echo requests, time stamp requests; OSPF, VRRP, DCCP, UDP-Lite.
        (1, four, Some(0x0800), Attribution::NoSocket),
        (1, four, Some(0x0D00), Attribution::NoSocket),
        (58, six, Some(0x8000), Attribution::NoSocket),
        (89, four, None, Attribution::NoSocket),
        (112, four, None, Attribution::NoSocket),
        (33, four, None, Attribution::NoSocket),
        (136, six, None, Attribution::NoSocket),
        // Unreachable, neighbour solicitation, IGMP, GRE.
        (1, four, Some(0x0303), Attribution::Kernel),
        (58, six, Some(0x8700), Attribution::Kernel),
        (2, four, None, Attribution::Kernel),
        (47, four, None, Attribution::Kernel),
    ] {
        assert_eq!(
            sent(protocol, ends, icmp_type_code).source.attribution,
            attribution,
            "{protocol} {icmp_type_code:?}"
        );
    }
    // The kernel answers queries.
    assert_eq!(sent(1, (four.1, four.0), Some(0x0800)).destination.attribution, Attribution::Kernel);
    assert_eq!(sent(58, (six.1, six.0), Some(0x8000)).destination.attribution, Attribution::Kernel);
}

#[test]
fn where_events_were_lost_the_listener_is_a_candidate() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&event(20, SocketUse::Listen, ("127.0.0.1", 80), ("0.0.0.0", 0)));
    let Fact::Socket { time_ns, socket, .. } = event(0, SocketUse::Held, ("127.0.0.1", 80), ("127.0.0.1", 40000))
    else {
        unreachable!()
    };
    j.apply(&Fact::Unaccepted { time_ns, socket });
    let told = j.join(flow("127.0.0.1", 40000, "127.0.0.1")).destination;
    assert_eq!((told.attribution, told.process.map(|p| p.pid)), (Attribution::ListenerOnly, Some(20)));
    j.apply(&Fact::Lost { what: Lost::Anything, from_ns: SECOND, until_ns: SECOND });
    let lost = j.join(flow("127.0.0.1", 40000, "127.0.0.1")).destination;
    assert_eq!((lost.attribution, lost.process.map(|p| p.pid)), (Attribution::NoProcess, None));
    assert_eq!(lost.candidate.map(|c| c.pid), Some(20));
}

/// The other way round, as it is seen where the first packets were lost.
fn answer_only(client: &str, port: u16, server: &str) -> Flow {
    let mut flow = flow(client, port, server);
    (flow.forward.tcp_flags, flow.reverse.tcp_flags) = (0x10, 0x10);
    flow.turn_round();
    flow
}

#[test]
fn without_the_syn_the_end_that_listens_is_the_server() {
    let told = |facts: &[Fact], flow: Flow| {
        let mut j = Joiner::new(60 * SECOND, 7);
        facts.iter().for_each(|fact| j.apply(fact));
        let r = j.join(flow);
        (r.flow.source_port, r.flow.initiator, j.counters().turned)
    };
    let listens = |used, port| event(20, used, ("0.0.0.0", port), ("0.0.0.0", 0));
    let backwards = || answer_only("10.0.0.1", 40000, "10.0.0.2");
    let turned = (40000, InitiatorBasis::Socket, 1);
    let as_seen = (80, InitiatorBasis::FirstPacket, 0);
    assert_eq!(told(&[listens(SocketUse::Listen, 80)], backwards()), turned);
    assert_eq!(told(&[listens(SocketUse::HeldListening, 80)], backwards()), turned, "from a snapshot");
    let lost = Fact::Lost { what: Lost::Anything, from_ns: 0, until_ns: 2 * SECOND };
    assert_eq!(told(&[listens(SocketUse::Listen, 80), lost], backwards()), turned, "who accepted is not known");
    assert_eq!(told(&[], backwards()), as_seen);
    let both = [listens(SocketUse::Listen, 80), listens(SocketUse::Listen, 40000)];
    assert_eq!(told(&both, backwards()), as_seen, "ends of one kind");
    let elsewhere = event(20, SocketUse::Listen, ("10.0.0.9", 80), ("0.0.0.0", 0));
    assert_eq!(told(&[elsewhere], backwards()), as_seen, "at another address");
    let mut close = listens(SocketUse::Close, 80);
    if let Fact::Socket { time_ns, .. } = &mut close {
        *time_ns = SECOND + MS;
    }
    let mut later = backwards();
    (later.first_ns, later.last_ns) = (3 * SECOND, 4 * SECOND);
    assert_eq!(told(&[listens(SocketUse::Listen, 80), close], later), as_seen, "it had been closed");
    let syn = Flow { initiator: InitiatorBasis::Syn, ..backwards() };
    assert_eq!(told(&[listens(SocketUse::Listen, 80)], syn), (80, InitiatorBasis::Syn, 0), "packets say so");
}

#[test]
fn an_answer_whose_question_was_not_captured_does_not_begin_the_flow() {
    let (client, server) = (("10.0.0.1", 40000), ("10.0.0.2", 80));
    let at = |at_ns: u64, pid, used, local, remote| {
        let mut fact = event(pid, used, local, remote);
        if let Fact::Socket { time_ns, socket, .. } = &mut fact {
            *time_ns = at_ns;
            socket.protocol = 17;
        }
        fact
    };
    let told = |facts: &[Fact]| {
        let mut j = Joiner::new(60 * SECOND, 7);
        facts.iter().for_each(|fact| j.apply(fact));
        let r = j.join(Flow { protocol: 17, ..answer_only("10.0.0.1", 40000, "10.0.0.2") });
        (r.flow.source_port, r.flow.initiator)
    };
    let (turned, as_seen) = ((40000, InitiatorBasis::Socket), (80, InitiatorBasis::FirstPacket));
    let asks = |time_ns| at(time_ns, 10, SocketUse::Send, client, server);
    assert_eq!(told(&[asks(SECOND - MS)]), turned, "the server may be another host");
    let server_port = at(SECOND - 100, 20, SocketUse::Receive, server, ("0.0.0.0", 0));
    assert_eq!(told(&[asks(SECOND - MS), server_port]), turned);
    let answers = |time_ns| at(time_ns, 20, SocketUse::Send, server, client);
    let bound = at(SECOND - 2 * MS, 20, SocketUse::Held, server, ("0.0.0.0", 0));
    assert_eq!(told(&[bound, asks(SECOND - MS), answers(SECOND)]), turned, "both are connected");
    let before = at(SECOND - 3 * MS, 21, SocketUse::Receive, server, client);
    let closed = at(SECOND - 2 * MS, 21, SocketUse::Close, server, client);
    let another = [before, asks(SECOND - 3 * MS), closed, answers(SECOND - 100)];
    assert_eq!(told(&another), as_seen, "it sent to a process that had the port before");
    assert_eq!(told(&[asks(SECOND - MS), answers(SECOND)]), as_seen, "the other one may have the port since then only");
    assert_eq!(told(&[asks(SECOND - MS), answers(SECOND - 2 * MS)]), as_seen, "the other one had sent before");
    assert_eq!(told(&[asks(SECOND + MS)]), as_seen, "it sent after the first packet");
    let heard = at(SECOND - 2 * MS, 10, SocketUse::Receive, client, server);
    assert_eq!(told(&[heard, asks(SECOND - MS)]), as_seen, "it had received before");
    let many = at(SECOND - MS, 10, SocketUse::Send, client, ("0.0.0.0", 0));
    assert_eq!(told(&[many]), as_seen, "to whom it sent is not known");
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&asks(SECOND));
    let mut late = Flow { protocol: 17, ..answer_only("10.0.0.1", 40000, "10.0.0.2") };
    (late.first_ns, late.last_ns) = (7 * SECOND, 8 * SECOND);
    assert_eq!(j.join(late).flow.source_port, 80, "a conversation of its own");
}

#[test]
fn a_refused_connect_to_a_translated_destination_carries_its_error_once() {
    let mut j = Joiner::new(60 * SECOND, 7);
    let used = SocketUse::ConnectFailed { errno: 111, since_ns: SECOND };
    j.apply(&event(10, used, ("127.0.0.1", 40000), ("10.96.0.1", 443)));
    let seen = Flow { initiator: InitiatorBasis::Syn, ..flow("127.0.0.1", 40000, "127.0.0.1") };
    let r = j.join(seen);
    assert_eq!((r.connect_error, r.source.process.map(|p| p.pid)), (Some(111), Some(10)));
    assert!(j.take_failed_attempts(100 * SECOND, |_| true).is_empty());
}

#[test]
fn two_processes_with_one_pid_within_a_tick_have_a_flow_each() {
    let mut j = Joiner::new(60 * SECOND, 7);
    for (boot_ns, port, comm) in [(10_000_100, 40000, "one"), (10_900_000, 40001, "two")] {
        let Fact::Socket { time_ns, parent_pid, used, socket, sample, .. } =
            event(10, SocketUse::Connect, ("127.0.0.1", port), ("127.0.0.1", 80))
        else {
            unreachable!()
        };
        let task = Task { id: ProcessId::from_boot_ns(10, boot_ns), start_ns: boot_ns, uid: 0, comm: comm.into() };
        let ended = Sample { time_ns: SECOND + 2 * MS, ..Sample::default() };
        j.apply(&Fact::Socket { time_ns, task: task.clone(), parent_pid, used, socket, sample });
        j.apply(&Fact::Exit { task, parent_pid, sample: ended });
    }
    let mut name = |port| j.join(flow("127.0.0.1", port, "127.0.0.1")).source.process.unwrap().name.to_string();
    assert_eq!((name(40000), name(40001)), ("one".into(), "two".into()));
}

/// A process was killed while events were lost: neither its exit nor its closes were reported, and its namespace may be
/// gone, so that no list of sockets names it.
#[test]
fn a_process_whose_exit_was_lost_ends_with_its_claims_in_any_namespace() {
    let mut j = Joiner::new(60 * SECOND, 7);
    let connect = |pid, netns, port| {
        let mut fact = event(pid, SocketUse::Connect, ("10.0.0.1", port), ("10.0.0.9", 80));
        if let Fact::Socket { socket, .. } = &mut fact {
            socket.netns = netns;
        }
        fact
    };
    for (pid, netns) in [(10, 7), (11, 8), (12, 9)] {
        (0..3).for_each(|n| j.apply(&connect(pid, netns, 40_000 + (pid * 10 + n) as u16)));
    }
    j.apply(&event(12, SocketUse::Listen, ("10.0.0.1", 80), ("0.0.0.0", 0)));
    let listed = |processes: &[u32], s: u64| {
        let processes = processes.iter().map(|pid| task(*pid, "").id).collect();
        Fact::ProcessesAlive(ProcessesAlive { taken_ns: s * SECOND, processes })
    };
    j.apply(&listed(&[10], 0));
    assert_eq!(j.counters().exits_missed, 0, "they were reported since");
    j.apply(&listed(&[10], 20));
    assert_eq!((j.counters().exits_missed, j.counters().closes_missed), (2, 7));
    j.apply(&listed(&[10], 30));
    assert_eq!((j.counters().exits_missed, j.counters().closes_missed), (2, 7), "each once");
    j.expire(300 * SECOND);
    assert_eq!(j.sizes(), (1, 3), "process 10 and its connections");
}

#[test]
fn a_close_that_was_lost_is_found_by_the_kernels_own_list() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&event(10, SocketUse::Connect, ("127.0.0.1", 40000), ("127.0.0.1", 80)));
    let alive = crate::fact::SocketsAlive { netns: 7, taken_ns: 5 * SECOND, ..Default::default() };
    j.apply(&Fact::SocketsAlive(Box::new(alive)));
    assert_eq!(j.counters().closes_missed, 1);
    j.expire(100 * SECOND);
    assert_eq!(j.sizes().1, 0, "it does not stay for a day");
}

/// A client that asked for a service, and the server as it sees the client: its address is the node's after translation.
#[test]
fn each_end_of_a_translated_flow_is_found_by_the_addresses_of_its_own_socket() {
    let after = ("10.1.0.1", 23456);
    for is_turned in [false, true] {
        let mut j = Joiner::new(60 * SECOND, 7);
        j.apply(&event(10, SocketUse::Connect, ("10.1.0.11", 40000), ("10.96.0.1", 80)));
        j.apply(&event(20, SocketUse::Accept, ("10.1.0.12", 8080), after));
        j.apply(&event(21, SocketUse::Accept, ("10.96.0.1", 80), ("10.1.0.11", 40000)));
        let mut seen = flow("10.1.0.11", 40000, "10.96.0.1");
        seen.translation = Some(Box::new(Translation {
            source: after.0.parse().unwrap(),
            source_port: after.1,
            destination: "10.1.0.12".parse().unwrap(),
            destination_port: 8080,
            begun_by_source: true,
        }));
        if is_turned {
            seen.turn_round();
        }
        let r = j.join(seen);
        let translation = r.flow.translation.unwrap();
        assert_eq!(
            (r.flow.source_port, translation.destination_port, translation.begun_by_source),
            (40000, 8080, true)
        );
        let pid = |end: &pidflow_schema::ProcessEnd| end.process.as_ref().map(|p| p.pid);
        assert_eq!((pid(&r.source), pid(&r.destination)), (Some(10), Some(20)), "{is_turned}");
    }
}

/// Without connection tracking the client's socket says where it connected to.
#[test]
fn what_a_socket_asked_for_is_in_the_record_with_where_its_packets_went() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&event(10, SocketUse::Connect, ("10.0.0.1", 40000), ("10.96.0.1", 443)));
    let r = j.join(Flow { initiator: InitiatorBasis::Syn, ..flow("10.0.0.1", 40000, "10.0.0.9") });
    let translation = r.flow.translation.unwrap();
    assert_eq!((r.flow.destination.to_string(), r.flow.destination_port), ("10.96.0.1".into(), 443));
    assert_eq!((translation.destination.to_string(), translation.destination_port), ("10.0.0.9".into(), 80));
    assert_eq!((translation.source, translation.source_port), (r.flow.source, 40000));
    assert_eq!(r.source.process.map(|p| p.pid), Some(10));
}

fn tenancy(kind: TenantKind, address: &str, name: &str) -> Fact {
    let namespace: Arc<str> = "shop".into();
    let endpoint = match kind {
        TenantKind::Pod => {
            let pod = Pod { namespace, name: name.into(), ..Pod::default() };
            Endpoint { pod: Some(Arc::new(pod)), ..Endpoint::default() }
        }
        TenantKind::Service => {
            Endpoint { service: Some(Arc::new(Service { namespace, name: name.into() })), ..Endpoint::default() }
        }
        TenantKind::Node => {
            let zone = format!("zone-of-{name}").into();
            Endpoint { node: Some(Arc::new(Node { name: name.into(), zone })), ..Endpoint::default() }
        }
        TenantKind::ServiceEndpoint => Endpoint { backs: format!("shop/{name}").into(), ..Endpoint::default() },
    };
    let (address, ports) = (address.parse().unwrap(), [(6, 80)].into());
    let (tenant, endpoint) = (name.into(), endpoint.into());
    let tenancy = Tenancy { address, tenant, endpoint, ports, from_ns: 0, until_ns: None };
    Fact::Tenancy(kind, Box::new(tenancy))
}

#[test]
fn ends_have_the_pods_of_their_own_addresses_and_the_service_that_was_asked_for() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&tenancy(TenantKind::Pod, "10.1.0.5", "client"));
    j.apply(&tenancy(TenantKind::Pod, "10.1.0.6", "server"));
    j.apply(&tenancy(TenantKind::Service, "10.96.0.1", "web"));
    let direct = j.join(flow("10.1.0.5", 40000, "10.1.0.6"));
    let pod = |end: &pidflow_schema::ProcessEnd| end.pod().map(|p| p.name.to_string());
    assert_eq!((pod(&direct.source), pod(&direct.destination)), (Some("client".into()), Some("server".into())));
    assert_eq!((direct.source.process, direct.destination.service()), (None, None));
    let mut asked = flow("10.1.0.5", 40000, "10.96.0.1");
    let service_only = j.join(asked.clone());
    let named = |end: &pidflow_schema::ProcessEnd| end.service().map(|s| s.name.to_string());
    assert_eq!((pod(&service_only.destination), named(&service_only.destination)), (None, Some("web".into())));
    assert_eq!(service_only.destination.kubernetes_namespace().map(|n| &**n), Some("shop"));
    let (source, destination) = ("192.168.0.1".parse().unwrap(), "10.1.0.6".parse().unwrap());
    let translation =
        Translation { source, source_port: 40000, destination, destination_port: 8080, begun_by_source: true };
    asked.translation = Some(Box::new(translation));
    let translated = j.join(asked);
    assert_eq!((pod(&translated.source), pod(&translated.destination)), (Some("client".into()), Some("server".into())));
    assert_eq!((named(&translated.source), named(&translated.destination)), (None, Some("web".into())));
}

#[test]
fn ends_have_the_nodes_of_their_pods_or_addresses_and_the_services_behind_which_they_are() {
    let mut j = Joiner::new(60 * SECOND, 7);
    let mut pod = tenancy(TenantKind::Pod, "10.1.0.6", "server");
    let Fact::Tenancy(_, told) = &mut pod else { unreachable!() };
    let details = PodDetails { node: "n2".into(), ..PodDetails::default() };
    let mut named = Pod::clone(told.endpoint.pod.as_ref().unwrap());
    named.details = Some(Arc::new(details));
    told.endpoint = Arc::new(Endpoint { pod: Some(Arc::new(named)), ..Endpoint::default() });
    j.apply(&pod);
    j.apply(&tenancy(TenantKind::Node, "192.168.0.1", "n1"));
    j.apply(&tenancy(TenantKind::Node, "192.168.0.2", "n2"));
    for name in ["web", "canary", "web"] {
        j.apply(&tenancy(TenantKind::ServiceEndpoint, "10.1.0.6", name));
    }
    j.apply(&tenancy(TenantKind::ServiceEndpoint, "203.0.113.5", "database"));
    let said = |end: &pidflow_schema::ProcessEnd| {
        [end.node_name(), end.zone(), end.backs()].map(|text| text.map(|t| t.to_string()).unwrap_or_default())
    };
    let record = j.join(flow("192.168.0.1", 40000, "10.1.0.6"));
    assert_eq!(said(&record.source), ["n1", "zone-of-n1", ""]);
    assert_eq!(said(&record.destination), ["n2", "zone-of-n2", "shop/canary,shop/web"]);
    // Its other port is not the service's, and an endpoint need not be a pod.
    let record = j.join(flow("10.1.0.6", 40000, "203.0.113.5"));
    assert_eq!(said(&record.source), ["n2", "zone-of-n2", ""]);
    assert_eq!(said(&record.destination), ["", "", "shop/database"]);
    // The node is gone, and what its pods were said to run on remains.
    let mut gone = tenancy(TenantKind::Node, "192.168.0.2", "n2");
    let Fact::Tenancy(_, told) = &mut gone else { unreachable!() };
    told.until_ns = Some(SECOND / 2);
    j.apply(&gone);
    let record = j.join(flow("10.1.0.6", 40000, "192.168.0.2"));
    assert_eq!([said(&record.source), said(&record.destination)], [["n2", "", ""], ["", "", ""]]);
}

#[test]
fn an_end_has_both_its_pod_and_the_name_that_was_asked_for() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&tenancy(TenantKind::Pod, "10.1.0.6", "server"));
    j.apply(&event(10, SocketUse::Connect, ("10.1.0.5", 40000), ("10.1.0.6", 80)));
    let answer = NameAnswer {
        time_ns: SECOND / 2,
        protocol: 17,
        client: ("10.1.0.5".parse().unwrap(), 5353),
        server: ("10.96.0.10".parse().unwrap(), 53),
        network_namespace: None,
        name: "web.shop".into(),
        addresses: vec![("10.1.0.6".parse().unwrap(), 30)],
    };
    j.names.add(ProcessId::from_ticks(10, 1), &answer);
    let ends = |record: FlowRecord| {
        record.destination.endpoint.map(|e| (e.pod.clone().unwrap().name.to_string(), e.name.to_string()))
    };
    assert_eq!(ends(j.join(flow("10.1.0.5", 40000, "10.1.0.6"))), Some(("server".into(), "web.shop".into())));
    // Another process did not ask for it: the shared pod has no name.
    assert_eq!(ends(j.join(flow("10.1.0.7", 40000, "10.1.0.6"))), Some(("server".into(), String::new())));
}

#[test]
fn a_process_outside_containers_is_in_no_pod() {
    let mut j = Joiner::new(60 * SECOND, 7);
    j.apply(&tenancy(TenantKind::Pod, "127.0.0.1", "client"));
    j.apply(&event(10, SocketUse::Connect, ("127.0.0.1", 40000), ("127.0.0.1", 80)));
    let record = j.join(flow("127.0.0.1", 40000, "127.0.0.1"));
    assert!(record.source.process.is_some() && record.source.pod().is_none(), "{record:?}");
    assert!(record.destination.pod().is_some(), "without a process, the address counts");
}
