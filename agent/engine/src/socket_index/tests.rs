use std::net::IpAddr;

use pidflow_schema::Attribution;

use super::{FlowEnd, Found, MAX_CLAIM_BYTES, NotFound, Role, SocketIndex, User};
use crate::fact::{Lost, ProcessId, Socket, SocketUse, SocketsAlive};

const OWN: u32 = 7;
const MS: u64 = 1_000_000;

impl From<ProcessId> for User {
    fn from(process: ProcessId) -> Self {
        Self { process, start_ns: 0 }
    }
}

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn pid(pid: u32) -> ProcessId {
    ProcessId::from_ticks(pid, 1)
}

fn socket(id: u64, protocol: u8, local: (&str, u16), remote: (&str, u16)) -> Socket {
    Socket {
        id,
        file: 0,
        netns: OWN,
        protocol,
        local: ip(local.0),
        local_port: local.1,
        remote: ip(remote.0),
        remote_port: remote.1,
        dual_stack: local.0 == "::",
    }
}

fn end(protocol: u8, local: (&str, u16), remote: (&str, u16), (from, to): (u64, u64)) -> FlowEnd {
    FlowEnd {
        may_be_several: false,
        protocol,
        local: ip(local.0),
        local_port: local.1,
        remote: ip(remote.0),
        remote_port: remote.1,
        first_ns: from * MS,
        last_ns: to * MS,
        icmp_type: None,
        began_with_syn: false,
        opened: false,
        sent: true,
        received: true,
        netns: None,
    }
}

const A: (&str, u16) = ("127.0.0.1", 40000);
const B: (&str, u16) = ("127.0.0.1", 80);
const NONE: (&str, u16) = ("0.0.0.0", 0);

#[test]
fn the_tuple_that_comes_back_belongs_to_its_time() {
    let mut x = SocketIndex::new(OWN);
    for (p, t) in [(1, 1000), (2, 1300)] {
        x.used(t * MS, pid(p), SocketUse::Connect, &socket(9, 6, A, B));
        x.used((t + 1) * MS, pid(p), SocketUse::Send, &socket(9, 6, A, B));
        x.exited(pid(p), (t + 2) * MS);
    }
    assert_eq!(x.find(&end(6, A, B, (1000, 1002))).unwrap().process, pid(1));
    assert_eq!(x.find(&end(6, A, B, (1300, 1302))).unwrap().process, pid(2));
}

#[test]
fn the_using_process_is_first_and_the_listener_second() {
    let mut x = SocketIndex::new(OWN);
    x.used(10 * MS, pid(1), SocketUse::Listen, &socket(5, 6, ("0.0.0.0", 80), NONE));
    x.used(1000 * MS, pid(2), SocketUse::Accept, &socket(6, 6, B, A));
    x.used(1001 * MS, pid(3), SocketUse::Receive, &socket(6, 6, B, A));
    let found = x.find(&end(6, B, A, (1000, 1002))).unwrap();
    assert_eq!((found.process, found.other, found.role), (pid(3), Some(pid(1)), Role::Accepts));
}

#[test]
fn a_listener_whose_connection_nobody_accepted_is_reported_as_listener_only() {
    let mut x = SocketIndex::new(OWN);
    x.used(10 * MS, pid(1), SocketUse::Listen, &socket(5, 6, ("::", 80), ("::", 0)));
    x.unaccepted(1002 * MS, &socket(6, 6, B, A));
    let found = x.find(&end(6, B, A, (1000, 1002))).unwrap();
    assert_eq!((found.process, found.attribution), (pid(1), Attribution::ListenerOnly));
}

/// The kernel reuses the same `struct sock`, and the process that closed the first connection serves the second.
#[test]
fn a_socket_that_is_used_again_with_the_same_tuple_is_another_connection() {
    for closes in [true, false] {
        let mut x = SocketIndex::new(OWN);
        let served = |file| Socket { file, ..socket(6, 6, B, A) };
        for (t, file) in [(1000, 77), (5000, 78)] {
            x.used((t + 1) * MS, pid(1), SocketUse::Receive, &served(file));
            x.used((t + 2) * MS, pid(1), SocketUse::Send, &served(0));
            if closes {
                x.used((t + 3) * MS, pid(1), SocketUse::Close, &served(file));
            }
        }
        for t in [1000, 5000] {
            let found = x.find(&syn(6, B, A, (t, t + 3)));
            assert_eq!(found.map(|f| (f.process, f.attribution)), Ok((pid(1), Attribution::SocketEvent)), "at {t} ms");
        }
        assert_eq!(x.find(&syn(6, B, A, (3000, 3001))), Err(NotFound::NO_SOCKET), "in between");
    }
}

/// The socket is shut down for writing and still read.
#[test]
fn a_socket_that_is_used_after_the_begin_of_its_end_is_the_same() {
    let mut x = SocketIndex::new(OWN);
    let used = Socket { file: 77, ..socket(6, 6, B, A) };
    for (t, what) in [(1001, SocketUse::Send), (1002, SocketUse::Close), (1500, SocketUse::Receive)] {
        x.used(t * MS, pid(1), what, &used);
    }
    assert_eq!(x.find(&syn(6, B, A, (1000, 1500))).map(|f| f.process), Ok(pid(1)));
    assert_eq!(x.len(), 1);
}

#[test]
fn two_processes_on_one_udp_port_are_not_guessed_between() {
    let mut x = SocketIndex::new(OWN);
    for p in [1, 2] {
        x.used(1000 * MS, pid(p), SocketUse::Receive, &socket(u64::from(p), 17, ("0.0.0.0", 53), NONE));
    }
    let dns = ("127.0.0.1", 53);
    assert_eq!(x.find(&end(17, dns, A, (999, 1001))).map_err(|e| e.why), Err(Attribution::Ambiguous));
    x.used(1000 * MS, pid(2), SocketUse::Send, &socket(2, 17, ("0.0.0.0", 53), A));
    assert_eq!(x.find(&end(17, dns, A, (999, 1001))).unwrap().process, pid(2), "the peer tells them apart");
}

#[test]
fn a_udp_port_changes_hands() {
    let mut x = SocketIndex::new(OWN);
    let client = |id| socket(id, 17, ("0.0.0.0", 5000), NONE);
    x.used(1000 * MS, pid(1), SocketUse::Send, &client(1));
    x.exited(pid(1), 1002 * MS);
    x.used(1500 * MS, pid(2), SocketUse::Send, &client(1));
    let at = |t| x.find(&end(17, ("127.0.0.1", 5000), B, (t, t + 1))).unwrap().process;
    assert_eq!((at(1000), at(1500)), (pid(1), pid(2)));
    let changes: Vec<_> = x.take_changes().iter().map(|c| c.time_ns / MS).collect();
    assert_eq!(changes, [1002], "the end of the first is the change");
    x.used(1600 * MS, pid(3), SocketUse::Send, &client(2));
    assert_eq!(x.take_changes().len(), 1, "the end of the second was not told");
}

#[test]
fn a_udp_port_changes_hands_once_though_its_owner_before_ends_later() {
    let bound = |id| socket(id, 17, ("0.0.0.0", 5000), NONE);
    for exit_is_told_first in [false, true] {
        let mut x = SocketIndex::new(OWN);
        x.used(1000 * MS, pid(1), SocketUse::Send, &bound(1));
        if exit_is_told_first {
            x.exited(pid(1), 1600 * MS);
        }
        x.used(1500 * MS, pid(2), SocketUse::Send, &bound(2));
        if !exit_is_told_first {
            x.exited(pid(1), 1600 * MS);
        }
        let changes: Vec<_> = x.take_changes().iter().map(|c| c.time_ns / MS).collect();
        assert_eq!(changes.last(), Some(&1495), "just before it was used first");
        assert!(exit_is_told_first || changes.len() == 1, "{changes:?}");
    }
}

#[test]
fn a_port_that_goes_to_the_other_family_is_lost_to_the_one_before_when_it_ends() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Send, &socket(1, 17, ("::", 5000), ("::", 0)));
    x.used(1500 * MS, pid(2), SocketUse::Send, &socket(2, 17, ("127.0.0.1", 5000), B));
    x.exited(pid(1), 1600 * MS);
    let changed: Vec<_> = x.take_changes().iter().map(|c| (c.time_ns / MS, c.address.to_string())).collect();
    assert_eq!(changed, [(1495, "127.0.0.1".into()), (1600, "::".into())]);
}

/// The kernel reported the first use 300 ms after the packet, whichever side was preempted in the call.
#[test]
fn a_process_that_started_since_has_the_port_though_its_use_is_reported_late() {
    for remote in [NONE, B] {
        let mut x = SocketIndex::new(OWN);
        let sends = |id| socket(id, 17, ("127.0.0.1", 5000), remote);
        x.used(1000 * MS, pid(1), SocketUse::Send, &sends(1));
        x.used(2800 * MS, User { process: pid(2), start_ns: 2400 * MS }, SocketUse::Send, &sends(2));
        let changes: Vec<_> = x.take_changes().iter().map(|c| c.time_ns / MS).collect();
        assert_eq!(changes, [2400], "not before it lived, and not as late as it is told");
        let at = |t| x.find(&end(17, ("127.0.0.1", 5000), B, (t, t + 1))).unwrap().process;
        assert_eq!((at(1000), at(2300), at(2500)), (pid(1), pid(1), pid(2)), "{remote:?}");
    }
}

/// The previous owner may have used the port for a second after it was reported, and no close was reported.
#[test]
fn a_port_that_may_have_changed_hands_within_a_second_is_ambiguous() {
    for remote in [NONE, B] {
        let mut x = SocketIndex::new(OWN);
        let sends = |id| socket(id, 17, ("127.0.0.1", 5000), remote);
        x.used(1000 * MS, pid(1), SocketUse::Send, &sends(1));
        x.used(1800 * MS, User { process: pid(2), start_ns: 1400 * MS }, SocketUse::Send, &sends(2));
        let at = |t| x.find(&end(17, ("127.0.0.1", 5000), B, (t, t + 1))).map(|f| f.process);
        assert_eq!((at(1000), at(1300)), (Ok(pid(1)), Ok(pid(1))), "{remote:?}");
        assert_eq!(at(1500).map_err(|e| e.why), Err(Attribution::Ambiguous), "{remote:?}");
    }
}

#[test]
fn a_closed_udp_socket_answers_for_no_peer() {
    let mut x = SocketIndex::new(OWN);
    let (bound, sends) = (socket(1, 17, ("0.0.0.0", 5000), NONE), socket(1, 17, ("0.0.0.0", 5000), B));
    x.used(1000 * MS, pid(1), SocketUse::Send, &sends);
    x.used(1001 * MS, pid(1), SocketUse::Close, &bound);
    x.used(1900 * MS, pid(2), SocketUse::Send, &Socket { id: 2, ..bound });
    assert_eq!(x.find(&end(17, ("127.0.0.1", 5000), B, (1900, 1901))).unwrap().process, pid(2));
    assert_eq!(x.find(&end(17, ("127.0.0.1", 5000), B, (1000, 1001))).unwrap().process, pid(1));
}

#[test]
fn loopback_of_another_namespace_is_not_ours() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Send, &Socket { netns: 8, ..socket(1, 6, A, B) });
    assert_eq!(x.find(&end(6, A, B, (1000, 1001))), Err(NotFound::NO_SOCKET));
}

#[test]
fn a_snapshot_is_continued_by_events() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Held, &socket(4711, 6, A, B));
    let found = x.find(&end(6, A, B, (500, 600))).unwrap();
    assert_eq!(found.attribution, Attribution::SnapshotTuple);
    x.used(2000 * MS, pid(1), SocketUse::Send, &socket(0xffff, 6, A, B));
    assert_eq!(x.len(), 1);
    assert_eq!(x.find(&end(6, A, B, (2000, 2001))).unwrap().attribution, Attribution::SocketEvent);
}

#[test]
fn what_ended_is_forgotten() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Send, &socket(1, 6, A, B));
    x.used(1000 * MS, pid(1), SocketUse::Send, &socket(2, 17, A, B));
    x.exited(pid(1), 1001 * MS);
    x.expire(5000 * MS);
    assert!(x.is_empty() && x.places.is_empty());
}

/// All read in their first milliseconds, and it was not reported which of them got the flow's packet.
#[test]
fn workers_that_share_a_port_are_not_guessed_between() {
    for start_ns in [0, 1] {
        let mut x = SocketIndex::new(OWN);
        for (worker, at) in [(1, 1000), (2, 1010), (3, 1030)] {
            let user = User { process: pid(worker), start_ns };
            x.used(at * MS, user, SocketUse::Receive, &socket(u64::from(worker), 17, ("0.0.0.0", 53), NONE));
        }
        assert_eq!(x.take_changes(), [], "their answers begin no other flows");
        for at in [1000, 1010, 1030, 1035] {
            let received = FlowEnd { sent: false, ..end(17, ("127.0.0.1", 53), A, (at, at)) };
            assert_eq!(x.find(&received).map_err(|e| e.why), Err(Attribution::Ambiguous), "at {at} ms");
        }
    }
}

#[test]
fn twenty_owners_of_a_port_in_a_moment_are_distinguished() {
    let mut x = SocketIndex::new(OWN);
    let us = MS / 1000;
    for n in 0..20_u32 {
        let at = 1000 * MS + u64::from(n) * 300 * us;
        let user = User { process: pid(n), start_ns: 500 * MS };
        x.used(at, user, SocketUse::Send, &socket(u64::from(n), 17, ("127.0.0.1", 5000), NONE));
        x.exited(pid(n), at + 200 * us);
    }
    for n in 0..20_u32 {
        let at = 1000 * MS + u64::from(n) * 300 * us;
        let e =
            FlowEnd { first_ns: at - us, last_ns: at - us, received: false, ..end(17, ("127.0.0.1", 5000), B, (0, 0)) };
        assert_eq!(x.find(&e).map(|f| f.process), Ok(pid(n)));
    }
    assert_eq!(x.take_changes().len(), 20);
}

#[test]
fn the_socket_bound_to_the_address_comes_before_the_one_bound_to_all() {
    let mut x = SocketIndex::new(OWN);
    for (p, local) in [(1, "0.0.0.0"), (2, "127.0.0.1")] {
        x.used(900 * MS, pid(p), SocketUse::Receive, &socket(u64::from(p), 17, (local, 53), NONE));
        x.used(900 * MS, pid(p), SocketUse::Listen, &socket(u64::from(p) + 9, 6, (local, 80), NONE));
    }
    assert_eq!(x.find(&end(17, ("127.0.0.1", 53), A, (1000, 1001))).unwrap().process, pid(2));
    assert_eq!(x.find(&end(17, ("127.0.0.2", 53), A, (1000, 1001))).unwrap().process, pid(1));
    x.unaccepted(1001 * MS, &socket(6, 6, B, A));
    assert_eq!(x.find(&end(6, B, A, (1000, 1001))).unwrap().process, pid(2));
    // Packets that were only sent may belong to either, because a socket bound to all addresses may send from any.
    let sent = FlowEnd { received: false, ..end(17, ("127.0.0.1", 53), A, (1000, 1001)) };
    assert_eq!(x.find(&sent).map_err(|e| e.why), Err(Attribution::Ambiguous));
    x.used(1002 * MS, pid(2), SocketUse::Close, &socket(2, 17, ("127.0.0.1", 53), NONE));
    assert_eq!(x.find(&end(17, ("127.0.0.1", 53), A, (1500, 1501))).unwrap().process, pid(1), "it is closed");
}

/// A resolver's socket is bound to its address by connect and receives no other packets.
#[test]
fn a_connected_socket_takes_nothing_from_the_one_bound_to_all() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Receive, &socket(1, 17, ("0.0.0.0", 53), NONE));
    x.used(999 * MS, pid(2), SocketUse::Send, &socket(2, 17, ("127.0.0.1", 53), B));
    let from_a = FlowEnd { sent: false, ..end(17, ("127.0.0.1", 53), A, (1000, 1000)) };
    assert_ne!(x.find(&from_a).map(|f| f.process), Ok(pid(2)));
}

fn icmp(protocol: u8, kind: u8, sent: bool, identifier: u16) -> FlowEnd {
    let (local, remote) = (("10.0.0.1", identifier), ("10.0.0.2", 0));
    FlowEnd { icmp_type: Some(kind), sent, received: !sent, ..end(protocol, local, remote, (1000, 1001)) }
}

#[test]
fn a_process_that_only_receives_on_a_raw_socket_sent_nothing() {
    let mut x = SocketIndex::new(OWN);
    for protocol in [1, 58, 17, 2] {
        x.used(990 * MS, pid(1), SocketUse::Receive, &socket(1, protocol, NONE, NONE));
        x.used(1000 * MS, pid(1), SocketUse::Receive, &socket(1, protocol, NONE, ("10.0.0.2", 0)));
    }
    let errors = [(1, 3), (1, 11), (1, 0), (1, 5), (58, 1), (58, 135), (58, 136), (58, 143), (58, 129)];
    for (protocol, kind) in errors.into_iter().chain([(1, 8), (58, 128), (58, 133)]) {
        for sent in [true, false] {
            assert_eq!(x.find(&icmp(protocol, kind, sent, 0)), Err(NotFound::NO_SOCKET), "type {kind}");
        }
    }
    let closed = end(17, ("10.0.0.1", 7200), ("10.0.0.2", 4000), (1000, 1001));
    assert_eq!(x.find(&FlowEnd { sent: false, ..closed }), Err(NotFound::NO_SOCKET), "a closed port");
    let report = end(2, ("10.0.0.1", 0), ("224.0.0.22", 0), (1000, 1001));
    assert_eq!(x.find(&FlowEnd { received: false, ..report }), Err(NotFound::NO_SOCKET), "the kernel's IGMP");
}

#[test]
fn a_sender_on_a_raw_socket_gets_its_queries_and_not_the_kernels_errors() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Send, &socket(1, 1, NONE, NONE));
    x.used(1000 * MS, pid(1), SocketUse::Send, &socket(1, 1, NONE, ("10.0.0.2", 0)));
    assert_eq!(x.find(&icmp(1, 8, true, 77)).unwrap().process, pid(1));
    assert_eq!(x.find(&icmp(1, 3, true, 0)), Err(NotFound::NO_SOCKET));
    x.used(1000 * MS, pid(2), SocketUse::Send, &socket(2, 1, NONE, ("10.0.0.2", 0)));
    assert_eq!(
        x.find(&icmp(1, 8, true, 77)).map_err(|e| e.why),
        Err(Attribution::Ambiguous),
        "two ask, and no socket has an identifier"
    );
}

#[test]
fn a_protocol_that_the_kernel_leaves_alone_is_its_readers() {
    let mut x = SocketIndex::new(OWN);
    x.used(500 * MS, pid(1), SocketUse::Receive, &socket(1, 89, NONE, NONE));
    let ospf = end(89, ("10.0.0.1", 0), ("10.0.0.2", 0), (1000, 1001));
    assert_eq!(x.find(&FlowEnd { sent: false, ..ospf }).unwrap().process, pid(1));
    assert_eq!(x.find(&FlowEnd { received: false, ..ospf }), Err(NotFound::NO_SOCKET), "it sent nothing");
    x.used(1000 * MS, pid(1), SocketUse::Send, &socket(1, 89, NONE, NONE));
    assert_eq!(x.find(&FlowEnd { received: false, ..ospf }).unwrap().process, pid(1));
}

fn in_namespace(netns: u32, s: Socket) -> Socket {
    Socket { netns, ..s }
}

#[test]
fn one_tuple_in_two_namespaces_is_ambiguous_unless_the_flow_says_where() {
    let (here, there) = (("10.0.0.2", 40000), ("10.0.0.1", 80));
    for protocol in [6, 17] {
        let mut x = SocketIndex::new(OWN);
        x.set_addresses(0, 10, &[ip(here.0)]);
        for (p, netns) in [(1, 8), (2, 9)] {
            let s = in_namespace(netns, socket(u64::from(p), protocol, here, there));
            x.used((1000 + u64::from(p)) * MS, pid(p), SocketUse::Connect, &s);
            x.used((1001 + u64::from(p)) * MS, pid(p), SocketUse::Send, &s);
        }
        let flow = end(protocol, here, there, (1000, 1100));
        assert_eq!(x.find(&flow).map_err(|e| e.why), Err(Attribution::Ambiguous));
        let found = |netns| x.find(&FlowEnd { netns: Some(netns), ..flow }).map(|f| f.process);
        assert_eq!((found(8), found(9), found(10)), (Ok(pid(1)), Ok(pid(2)), Err(NotFound::NO_SOCKET)));
        // One was closed long before, so that the flow is the other's.
        let later = end(protocol, here, there, (5000, 5001));
        x.used(1200 * MS, pid(1), SocketUse::Close, &in_namespace(8, socket(1, protocol, here, there)));
        x.used(5000 * MS, pid(2), SocketUse::Send, &in_namespace(9, socket(2, protocol, here, there)));
        assert_eq!(x.find(&later).map(|f| f.process), Ok(pid(2)));
    }
}

/// The ends of the host and of another pod in flows seen on the interface of one pod.
#[test]
fn the_other_end_is_in_another_namespace_than_the_one_the_interface_leads_to() {
    let (pod, host, other) = (("10.0.0.2", 40000), ("10.0.0.1", 80), ("10.0.0.3", 80));
    let mut x = SocketIndex::new(OWN);
    for (netns, address) in [(8, pod.0), (OWN, host.0), (9, other.0), (11, pod.0)] {
        x.set_addresses(0, netns, &[ip(address)]);
    }
    for (p, netns, local, remote) in [(1, 8, pod, host), (2, OWN, host, pod), (3, 9, other, pod), (4, 11, pod, host)] {
        x.used(1000 * MS, pid(p), SocketUse::Send, &in_namespace(netns, socket(u64::from(p), 6, local, remote)));
    }
    let at =
        |local, remote| x.find(&FlowEnd { netns: Some(8), ..end(6, local, remote, (999, 1001)) }).map(|f| f.process);
    assert_eq!((at(pod, host), at(host, pod), at(other, pod)), (Ok(pid(1)), Ok(pid(2)), Ok(pid(3))));
}

#[test]
fn bound_and_listening_sockets_of_two_namespaces_are_ambiguous() {
    let mut x = SocketIndex::new(OWN);
    for (p, netns) in [(1, 8), (2, 9)] {
        x.set_addresses(0, netns, &[ip("10.0.0.1")]);
        x.used(1000 * MS, pid(p), SocketUse::Receive, &in_namespace(netns, socket(5, 17, ("0.0.0.0", 53), NONE)));
        x.used(900 * MS, pid(p), SocketUse::Listen, &in_namespace(netns, socket(5, 6, ("0.0.0.0", 80), NONE)));
        x.unaccepted(1001 * MS, &in_namespace(netns, socket(6, 6, ("10.0.0.1", 80), A)));
    }
    for (protocol, port) in [(17, 53), (6, 80)] {
        let flow = end(protocol, ("10.0.0.1", port), A, (1000, 1001));
        assert_eq!(x.find(&flow).map_err(|e| e.why), Err(Attribution::Ambiguous));
        assert_eq!(x.find(&FlowEnd { netns: Some(9), ..flow }).map(|f| f.process), Ok(pid(2)));
    }
}

#[test]
fn loopback_of_another_namespace_is_its_own_where_it_is_captured() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Send, &in_namespace(8, socket(1, 6, A, B)));
    x.used(1000 * MS, pid(2), SocketUse::Send, &socket(2, 6, A, B));
    let flow = end(6, A, B, (1000, 1001));
    assert_eq!(x.find(&flow).map(|f| f.process), Ok(pid(2)));
    assert_eq!(x.find(&FlowEnd { netns: Some(8), ..flow }).map(|f| f.process), Ok(pid(1)));
}

fn syn(protocol: u8, local: (&str, u16), remote: (&str, u16), time: (u64, u64)) -> FlowEnd {
    FlowEnd { began_with_syn: true, ..end(protocol, local, remote, time) }
}

#[test]
fn a_flow_with_a_syn_is_not_the_previous_connection() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, B));
    x.used(1001 * MS, pid(1), SocketUse::Send, &socket(1, 6, A, B));
    // Its close is lost, and so are all events of the next connection.
    x.used(1000 * MS, pid(3), SocketUse::Accept, &socket(3, 6, B, A));
    x.exited(pid(3), 1002 * MS);
    for (local, remote) in [(A, B), (B, A)] {
        assert_eq!(x.find(&syn(6, local, remote, (1500, 1502))), Err(NotFound::NO_SOCKET));
    }
    assert_eq!(x.find(&syn(6, A, B, (1000, 1400))).map(|f| f.process), Ok(pid(1)));
    assert_eq!(x.find(&end(6, B, A, (1500, 1502))).map(|f| f.process), Ok(pid(3)), "the kernel ends it by itself");
    x.lost(Lost::Anything, 1100 * MS, 1300 * MS);
    assert_eq!(x.find(&end(6, B, A, (1500, 1502))), Err(NotFound::lost(pid(3))), "or another one has the tuple");
    assert_eq!(x.find(&end(6, A, B, (1500, 1502))), Err(NotFound::lost(pid(1))), "or was closed and opened again");
    assert_eq!(x.find(&end(6, A, B, (9500, 9502))), Err(NotFound::lost(pid(1))));
}

#[test]
fn a_syn_that_is_repeated_or_leaves_late_is_its_connects() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, B));
    assert_eq!(x.find(&syn(6, A, B, (1200, 1202))).map(|f| f.process), Ok(pid(1)), "preempted");
    assert_eq!(x.find(&syn(6, A, B, (64_000, 127_000))).map(|f| f.process), Ok(pid(1)), "repeated");
    x.lost(Lost::Anything, 1100 * MS, 1150 * MS);
    assert_eq!(
        x.find(&syn(6, A, B, (1200, 1202))),
        Err(NotFound::NO_SOCKET),
        "or of another one, of which nothing is known"
    );
}

#[test]
fn a_listener_is_only_a_candidate_where_an_accept_may_be_lost() {
    let mut x = SocketIndex::new(OWN);
    x.used(10 * MS, pid(1), SocketUse::Listen, &socket(5, 6, ("0.0.0.0", 80), NONE));
    x.lost(Lost::Anything, 1990 * MS, 2000 * MS);
    for t in [1002, 1992] {
        x.unaccepted(t * MS, &socket(6, 6, B, A));
    }
    assert_eq!(x.find(&syn(6, B, A, (1000, 1002))).map(|f| f.process), Ok(pid(1)));
    assert_eq!(x.find(&syn(6, B, A, (1980, 1992))), Err(NotFound::lost(pid(1))));
    x.used(1985 * MS, pid(2), SocketUse::Accept, &socket(6, 6, B, A));
    let found = x.find(&syn(6, B, A, (1980, 1992))).unwrap();
    assert_eq!((found.process, found.other), (pid(2), Some(pid(1))), "the accept was not lost");
}

/// The packets' destination may have been translated, another process may have accepted, or the connection was not
/// answered.
#[test]
fn a_listener_is_only_a_candidate_without_proof() {
    let mut x = SocketIndex::new(OWN);
    x.used(10 * MS, pid(1), SocketUse::Listen, &socket(5, 6, ("0.0.0.0", 80), NONE));
    let candidate = Err(NotFound::ambiguous(Some(pid(1))));
    assert_eq!(x.find(&syn(6, B, A, (1000, 1002))), candidate, "nothing");
    x.unaccepted(900 * MS, &socket(6, 6, B, A));
    x.unaccepted(1100 * MS, &socket(6, 6, B, A));
    assert_eq!(x.find(&syn(6, B, A, (1000, 1002))), candidate, "other connections with this tuple");
    x.unaccepted(1002 * MS, &in_namespace(8, socket(6, 6, B, A)));
    assert_eq!(x.find(&syn(6, B, A, (1000, 1002))), candidate, "of another namespace's loopback");
    x.unaccepted(1002 * MS, &socket(6, 6, ("127.0.0.1", 8080), A));
    assert_eq!(x.find(&syn(6, B, A, (1000, 1002))), candidate, "of another port");
    assert_eq!(
        x.find(&FlowEnd { opened: true, ..syn(6, B, A, (1000, 1002)) }),
        Err(NotFound::NO_SOCKET),
        "it connects"
    );
    x.unaccepted(1002 * MS, &socket(6, 6, B, A));
    assert_eq!(x.find(&syn(6, B, A, (1000, 1002))).map(|f| f.process), Ok(pid(1)));
    x.used(1200 * MS, pid(2), SocketUse::Close, &socket(6, 6, B, A));
    assert_eq!(
        x.find(&syn(6, B, A, (1000, 1002))),
        Err(NotFound::ambiguous(Some(pid(2)))),
        "a worker took it from the queue when the client was gone"
    );
}

/// The same address in two namespaces, a listener on one port in each.
#[test]
fn the_namespace_of_the_connection_tells_listeners_apart() {
    let (server, client) = (("10.0.0.1", 80), ("10.0.0.9", 40000));
    let mut x = SocketIndex::new(OWN);
    for (p, netns) in [(1, OWN), (2, 8), (3, 9)] {
        x.used(10 * MS, pid(p), SocketUse::Listen, &in_namespace(netns, socket(5, 6, ("0.0.0.0", 80), NONE)));
    }
    let flow = syn(6, server, client, (1000, 1002));
    assert_eq!(x.find(&flow), Err(NotFound::NO_SOCKET), "nobody is known to have the address");
    x.unaccepted(1002 * MS, &in_namespace(8, socket(6, 6, server, client)));
    assert_eq!(x.find(&flow).map(|f| f.process), Ok(pid(2)));
    x.unaccepted(1002 * MS, &in_namespace(9, socket(7, 6, server, client)));
    assert_eq!(x.find(&flow).map_err(|e| e.why), Err(Attribution::Ambiguous), "two at once");
    assert_eq!(x.find(&FlowEnd { netns: Some(9), ..flow }).map(|f| f.process), Ok(pid(3)));
    let elsewhere = syn(6, server, client, (2000, 2002));
    x.unaccepted(2002 * MS, &in_namespace(10, socket(8, 6, server, client)));
    assert_eq!(x.find(&elsewhere), Err(NotFound::NO_SOCKET), "the listener of that namespace is not known");
}

const SERVICE: (&str, u16) = ("10.96.0.1", 443);

fn opened(local: (&str, u16), remote: (&str, u16), time: (u64, u64)) -> FlowEnd {
    FlowEnd { opened: true, ..syn(6, local, remote, time) }
}

#[test]
fn who_connects_to_a_translated_destination_has_the_flow() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, SERVICE));
    x.used(1001 * MS, pid(1), SocketUse::Send, &socket(1, 6, A, SERVICE));
    let found = x.find(&opened(A, B, (1000, 1050))).unwrap();
    assert_eq!((found.process, found.attribution), (pid(1), Attribution::LocalPortEvent));
    assert_eq!(found.translated_from, Some((ip(SERVICE.0), SERVICE.1)));
    // Not found: another address with the same port, the answering end, and flows at other times.
    assert_eq!(x.find(&opened(("127.0.0.2", A.1), B, (1000, 1050))), Err(NotFound::NO_SOCKET));
    assert_eq!(x.find(&syn(6, A, B, (1000, 1050))), Err(NotFound::NO_SOCKET));
    for t in [800, 1500] {
        assert_eq!(x.find(&opened(A, B, (t, t + 50))), Err(NotFound::NO_SOCKET), "at {t} ms");
    }
    x.lost(Lost::Anything, 1000 * MS, 1002 * MS);
    assert_eq!(x.find(&opened(A, B, (1000, 1050))), Err(NotFound::lost(pid(1))), "another one's connect may be lost");
}

#[test]
fn of_two_that_connect_from_one_port_at_once_neither_is_guessed() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, SERVICE));
    x.used(1000 * MS, pid(2), SocketUse::Connect, &socket(2, 6, A, ("10.96.0.2", 443)));
    assert_eq!(x.find(&opened(A, B, (1000, 1050))).map_err(|e| e.why), Err(Attribution::Ambiguous));
    assert_eq!(x.find(&opened(A, SERVICE, (1000, 1050))).map(|f| f.process), Ok(pid(1)), "this one's is its own");
    // One connection is old, and one begins with the flow.
    let mut x = SocketIndex::new(OWN);
    x.used(100 * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, SERVICE));
    x.used(101 * MS, pid(1), SocketUse::Send, &socket(1, 6, A, SERVICE));
    x.used(1000 * MS, pid(2), SocketUse::Connect, &socket(2, 6, A, ("10.96.0.2", 443)));
    assert_eq!(x.find(&opened(A, B, (1000, 1050))).map(|f| f.process), Ok(pid(2)));
    // In another namespace.
    x.used(2000 * MS, pid(3), SocketUse::Connect, &in_namespace(8, socket(3, 6, A, SERVICE)));
    assert_eq!(x.find(&opened(A, B, (2000, 2050))), Err(NotFound::NO_SOCKET));
}

#[test]
fn connects_are_forgotten_with_their_claims() {
    let mut x = SocketIndex::new(OWN);
    for port in 1..1000 {
        x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(1, 6, ("127.0.0.1", port), SERVICE));
    }
    assert!(x.connects.bytes() > 0);
    x.exited(pid(1), 1001 * MS);
    x.expire(5000 * MS);
    assert_eq!((x.len(), x.bytes()), (0, 0));
}

#[test]
fn several_listeners_are_ambiguous() {
    let mut x = SocketIndex::new(OWN);
    for p in [1, 2] {
        x.used(10 * MS, pid(p), SocketUse::Listen, &socket(u64::from(p), 6, ("0.0.0.0", 80), NONE));
    }
    assert_eq!(x.find(&syn(6, B, A, (1000, 1002))).map_err(|e| e.why), Err(Attribution::Ambiguous));
}

#[test]
fn claims_end_when_the_kernel_has_their_sockets_no_more() {
    let mut x = SocketIndex::new(OWN);
    let listener = socket(5, 6, ("0.0.0.0", 80), NONE);
    x.used(1000 * MS, pid(1), SocketUse::Listen, &listener);
    for port in [40000, 40001] {
        x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(u64::from(port), 6, ("127.0.0.1", port), B));
    }
    for inode in [11, 12] {
        x.used(1000 * MS, pid(1), SocketUse::Send, &socket(inode, 17, ("0.0.0.0", inode as u16), A));
    }
    x.used(1000 * MS, pid(1), SocketUse::Send, &in_namespace(8, socket(77, 17, ("0.0.0.0", 77), NONE)));
    let alive = SocketsAlive {
        netns: OWN,
        taken_ns: 5000 * MS,
        tcp: vec![("127.0.0.1:40000".parse().unwrap(), "127.0.0.1:80".parse().unwrap())],
        protocols: vec![17],
        inodes: vec![11],
    };
    // Each datagram socket has two claims: one on the port, one on the peer.
    assert_eq!(x.reconcile(&alive), 1 + 1 + 2);
    assert_eq!(x.reconcile(&alive), 0, "each once");
    let at = |port, t| x.find(&end(6, ("127.0.0.1", port), B, (t, t))).map(|f| f.process);
    assert_eq!((at(40000, 9000), at(40001, 1900)), (Ok(pid(1)), Ok(pid(1))));
    let bound = |port| x.find(&end(17, ("127.0.0.1", port), B, (9000, 9000))).map(|f| f.process);
    assert_eq!((bound(11), bound(12)), (Ok(pid(1)), Err(NotFound::NO_SOCKET)));
    assert_eq!(x.find(&syn(6, B, A, (9000, 9001))), Err(NotFound::NO_SOCKET), "nobody listens");
    x.used(9500 * MS, pid(1), SocketUse::Send, &socket(12, 17, ("0.0.0.0", 12), A));
    let again = x.find(&end(17, ("127.0.0.1", 12), A, (9500, 9500)));
    assert_eq!(again.map(|f| f.process), Ok(pid(1)), "it lives after all");
}

#[test]
fn claims_are_bounded_in_bytes_and_the_open_ones_stay_longest() {
    let mut x = SocketIndex::new(OWN);
    let connect = |x: &mut SocketIndex, n: u32, t: u64| {
        let s = Socket { local: std::net::Ipv4Addr::from(n).into(), ..socket(u64::from(n), 6, A, B) };
        x.used(t * MS, pid(n % 1000), SocketUse::Connect, &s);
        s
    };
    let first = connect(&mut x, 1, 1000);
    for n in 2..400_000 {
        let s = connect(&mut x, n, 1000 + u64::from(n) / 100);
        x.used(5000 * MS, pid(n % 1000), SocketUse::Close, &s);
    }
    assert!(x.bytes() <= MAX_CLAIM_BYTES + 1024 && x.dropped() > 0, "{} bytes", x.bytes());
    x.expire(2000 * MS);
    assert!(!x.is_crowded() && x.len() > 50_000, "{} bytes", x.bytes());
    let of_first = end(6, ("0.0.0.1", 40000), B, (9000, 9001));
    assert_eq!((first.local, x.find(&of_first).map(|f| f.process)), (of_first.local, Ok(pid(1))));
}

/// Processes that share a port or a listener are ambiguous, and one of them is the candidate.
#[test]
fn what_is_ambiguous_has_a_candidate() {
    let is_candidate = |found: Result<Found, NotFound>, of: &[u32]| {
        let Err(NotFound { why: Attribution::Ambiguous, candidate }) = found else { panic!("{found:?}") };
        assert!(of.iter().any(|p| candidate == Some(pid(*p))), "{candidate:?}");
    };
    let mut listeners = SocketIndex::new(OWN);
    for p in [1, 2] {
        listeners.used(10 * MS, pid(p), SocketUse::Listen, &socket(u64::from(p), 6, ("0.0.0.0", 80), NONE));
    }
    is_candidate(listeners.find(&syn(6, B, A, (1000, 1002))), &[1, 2]);
    let mut sharing = SocketIndex::new(OWN);
    for p in [3, 4] {
        sharing.used(1000 * MS, pid(p), SocketUse::Receive, &socket(u64::from(p), 17, ("127.0.0.1", 80), NONE));
    }
    is_candidate(sharing.find(&end(17, B, A, (999, 1001))), &[3, 4]);
    let mut handed_on = SocketIndex::new(OWN);
    handed_on.used(1000 * MS, pid(5), SocketUse::Send, &socket(5, 17, B, A));
    handed_on.used(1800 * MS, User { process: pid(6), start_ns: 1400 * MS }, SocketUse::Send, &socket(6, 17, B, A));
    is_candidate(handed_on.find(&end(17, B, A, (1500, 1501))), &[5, 6]);
}

/// Link-local addresses on two links, or one address in two VRFs: each socket is bound to its interface.
#[test]
fn one_tuple_of_two_sockets_in_one_namespace_is_ambiguous() {
    for (local, remote) in [
        (("fe80::1", 40000), ("fe80::2", 80)),
        (("10.0.0.1", 40000), ("10.0.0.2", 80)),
        (("fe80::1", 22), ("fe80::2", 5)),
    ] {
        let mut x = SocketIndex::new(OWN);
        for (p, begun) in [(1, 1000), (2, 1200)] {
            let s = Socket { file: 100 + u64::from(p), ..socket(u64::from(p), 6, local, remote) };
            x.used(begun * MS, pid(p), SocketUse::Connect, &s);
            x.used((begun + 500) * MS, pid(p), SocketUse::Send, &s);
        }
        let found = x.find(&end(6, local, remote, (1000, 2000)));
        assert_eq!(found.map_err(|e| e.why), Err(Attribution::Ambiguous), "{local:?}");
    }
}

#[test]
fn successive_connections_with_one_tuple_and_shared_sockets_are_not_ambiguous() {
    let mut x = SocketIndex::new(OWN);
    for (p, begun) in [(1, 1000), (2, 1200)] {
        let s = Socket { file: 100 + u64::from(p), ..socket(u64::from(p), 6, A, B) };
        x.used(begun * MS, pid(p), SocketUse::Connect, &s);
        x.used((begun + 100) * MS, pid(p), SocketUse::Send, &s);
        x.used((begun + 150) * MS, pid(p), SocketUse::Close, &s);
    }
    assert_eq!(x.find(&syn(6, A, B, (1200, 1350))).map(|f| f.process), Ok(pid(2)));
    let mut y = SocketIndex::new(OWN);
    let shared = Socket { file: 9, ..socket(9, 6, A, B) };
    y.used(1000 * MS, pid(1), SocketUse::Accept, &shared);
    y.used(1100 * MS, pid(2), SocketUse::Send, &shared);
    y.used(1200 * MS, pid(1), SocketUse::Send, &shared);
    assert!(y.find(&end(6, A, B, (1000, 1300))).is_ok(), "one socket, two users");
}

#[test]
fn datagrams_of_three_namespaces_with_one_tuple_are_ambiguous_unless_the_flow_says_where() {
    let (local, remote) = (("2001:db8::1", 5000), ("2001:db8::2", 6000));
    let mut x = SocketIndex::new(OWN);
    for (p, netns) in [(1, 21), (2, 22), (3, 23)] {
        x.set_addresses(0, netns, &[ip(local.0)]);
        let s = in_namespace(netns, socket(u64::from(p), 17, local, remote));
        x.used((1000 + u64::from(p)) * MS, pid(p), SocketUse::Send, &s);
    }
    let at = |x: &SocketIndex, netns, times| {
        let found = x.find(&FlowEnd { netns, ..end(17, local, remote, times) });
        found.map(|f| f.process).map_err(|e| e.why)
    };
    assert_eq!(at(&x, None, (1000, 1010)), Err(Attribution::Ambiguous));
    for (p, netns) in [(1, 21), (2, 22), (3, 23)] {
        assert_eq!(at(&x, Some(netns), (1000, 1010)), Ok(pid(p)));
    }
    // The second takes the place of the first: its namespace is made anew with the address of the other.
    x.exited(pid(2), 1100 * MS);
    x.exited(pid(3), 1100 * MS);
    assert_eq!(at(&x, None, (2500, 2600)), Ok(pid(1)), "the others are gone");
}

/// `SO_REUSEPORT` or successive owners: more than any list of a few would hold.
#[test]
fn five_owners_of_an_ipv6_port_in_one_batch_have_their_own_datagrams() {
    let mut x = SocketIndex::new(OWN);
    let at = |p: u32| 1000 + 20 * u64::from(p);
    for p in 1..=5 {
        let s = socket(u64::from(p), 17, ("::", 5353), ("::", 0));
        let user = User { process: pid(p), start_ns: (at(p) - 5) * MS };
        x.used(at(p) * MS, user, SocketUse::Send, &s);
        x.used((at(p) + 10) * MS, user, SocketUse::Close, &s);
    }
    for p in 1..=5 {
        let found = x.find(&end(17, ("2001:db8::1", 5353), ("2001:db8::2", 53), (at(p), at(p) + 1)));
        let told = found.map(|f| f.process);
        assert!(told == Ok(pid(p)) || told.is_err_and(|e| e.why == Attribution::Ambiguous), "{p}: {told:?}");
    }
    let changes = x.take_changes();
    assert!((1..=5).all(|p| changes.iter().any(|c| c.time_ns.abs_diff(at(p) * MS) <= 10 * MS)), "{changes:?}");
}

/// A loss has begun when the flow begins, and lasts. Each claim would be taken if nothing had been lost.
#[test]
fn where_anything_may_be_lost_only_uses_within_the_flow_prove_its_process() {
    let found = |used_ms: u64, used, what, flow: (u64, u64)| {
        let mut x = SocketIndex::new(OWN);
        x.used(used_ms * MS, pid(1), used, &socket(1, 17, A, B));
        x.lost(what, 1000 * MS, 3000 * MS);
        x.find(&end(17, A, B, flow))
    };
    let [send, held] = [SocketUse::Send, SocketUse::Held];
    for (time, used, what) in [
        (1098, send, "within the clocks of its packet, and closed and opened by another one before it"),
        (500, send, "its report was repeated once a second"),
        (100, held, "read from /proc"),
        (1130, send, "the next owner of the port, soon after the flow"),
    ] {
        let is_known = |loss| found(time, used, loss, (1100, 1110)).map(|f| f.process);
        assert_eq!(is_known(Lost::Continuation), Ok(pid(1)), "nobody else opened it: {what}");
        assert_eq!(is_known(Lost::Anything), Err(NotFound::lost(pid(1))), "{what}");
    }
    for time in [1100, 1105, 1110] {
        assert_eq!(found(time, send, Lost::Anything, (1100, 1110)).map(|f| f.process), Ok(pid(1)), "at {time} ms");
    }
}

#[test]
fn a_tuple_that_is_used_again_within_milliseconds_is_not_the_neighbours() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, B));
    x.lost(Lost::Anything, 1001 * MS, 1012 * MS);
    x.used(1020 * MS, pid(3), SocketUse::Connect, &socket(3, 6, A, B));
    let process = |time| x.find(&syn(6, A, B, time)).map(|f| f.process).map_err(|e| e.why);
    assert_eq!(process((1000, 1001)), Ok(pid(1)));
    assert_eq!(process((1003, 1010)), Err(Attribution::NoProcess), "of a connect that was lost");
    assert_eq!(process((1020, 1021)), Ok(pid(3)));
}

#[test]
fn the_end_of_a_process_or_a_list_of_sockets_does_not_show_that_it_still_had_the_socket() {
    let lookup = |ends: fn(&mut SocketIndex)| {
        let mut x = SocketIndex::new(OWN);
        x.used(1000 * MS, pid(1), SocketUse::Send, &socket(1, 17, A, B));
        x.lost(Lost::Anything, 1001 * MS, 1200 * MS);
        ends(&mut x);
        x.find(&end(17, A, B, (1100, 1110)))
    };
    let exit: fn(&mut SocketIndex) = |x| x.exited(pid(1), 1150 * MS);
    let list: fn(&mut SocketIndex) = |x| {
        let alive = SocketsAlive { taken_ns: 4000 * MS, netns: OWN, protocols: vec![17], ..SocketsAlive::default() };
        assert!(x.reconcile(&alive) > 0);
    };
    let close: fn(&mut SocketIndex) = |x| x.used(1150 * MS, pid(1), SocketUse::Close, &socket(1, 17, A, B));
    assert_eq!(lookup(exit), Err(NotFound::lost(pid(1))));
    assert_eq!(lookup(list), Err(NotFound::lost(pid(1))));
    assert_eq!(lookup(close).map(|f| f.process), Ok(pid(1)), "a close shows it");
}

/// Where two processes share a socket, a lost report of a repeated use may have been of either.
#[test]
fn of_two_that_share_a_socket_a_use_before_the_flow_proves_nothing_after_a_loss() {
    let mut x = SocketIndex::new(OWN);
    x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, B));
    x.used(5000 * MS, pid(3), SocketUse::Send, &socket(1, 6, A, B));
    assert_eq!(x.find(&end(6, A, B, (5500, 5600))).map(|f| f.process), Ok(pid(3)));
    x.lost(Lost::Continuation, 5200 * MS, 5700 * MS);
    assert_eq!(x.find(&end(6, A, B, (5500, 5600))).map_err(|e| e.why), Err(Attribution::NoProcess));
    assert_eq!(x.find(&end(6, A, B, (5000, 5100))).map(|f| f.process), Ok(pid(3)), "it used it then");
}

/// What a process sends within a second of its connect is not reported.
#[test]
fn a_connect_is_a_use() {
    let mut x = SocketIndex::new(OWN);
    x.used(100 * MS, pid(3), SocketUse::Send, &socket(1, 6, A, B));
    x.used(1000 * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, B));
    x.used(1001 * MS, pid(3), SocketUse::Receive, &socket(1, 6, A, B));
    assert_eq!(x.find(&end(6, A, B, (1500, 1600))).map(|f| f.process), Ok(pid(3)), "the latest user");
    x.used(3000 * MS, pid(1), SocketUse::Send, &socket(1, 6, A, B));
    assert_eq!(x.find(&end(6, A, B, (3500, 3600))).map(|f| f.process), Ok(pid(1)));
}

/// A flow that began with a SYN, of which packets were lost.
fn torn(local: (&str, u16), remote: (&str, u16), time: (u64, u64)) -> FlowEnd {
    FlowEnd { may_be_several: true, ..syn(6, local, remote, time) }
}

/// The packets between two connections of one tuple were lost, so that one flow contains both.
#[test]
fn two_connections_in_one_flow_are_ambiguous() {
    for (used, is_reused) in [(SocketUse::Connect, true), (SocketUse::Connect, false), (SocketUse::Accept, true)] {
        let mut x = SocketIndex::new(OWN);
        x.used(1000 * MS, pid(1), used, &socket(1, 6, A, B));
        x.used(2000 * MS, pid(3), used, &socket(if is_reused { 1 } else { 3 }, 6, A, B));
        let told = |end| x.find(&end).map(|f| f.process).map_err(|e| (e.why, e.candidate.is_some()));
        assert_eq!(told(torn(A, B, (1000, 2001))), Err((Attribution::Ambiguous, true)));
        assert_eq!(
            told(FlowEnd { began_with_syn: false, ..torn(A, B, (1400, 2001)) }),
            Err((Attribution::Ambiguous, true))
        );
        assert_eq!(told(torn(A, B, (1000, 1001))), Ok(pid(1)), "packets were lost within the first");
        assert_eq!(told(torn(A, B, (2000, 2001))), Ok(pid(3)), "or within the second");
    }
    let mut x = SocketIndex::new(OWN);
    let with_file = |file| Socket { file, ..socket(1, 6, A, B) };
    x.used(1000 * MS, pid(1), SocketUse::Accept, &socket(1, 6, A, B));
    x.used(1050 * MS, pid(2), SocketUse::Receive, &with_file(70));
    assert_eq!(x.find(&torn(A, B, (1000, 2001))).map(|f| f.process), Ok(pid(2)), "a worker of one that accepts");
    x.used(2000 * MS, pid(3), SocketUse::Receive, &with_file(80));
    assert_eq!(x.find(&torn(A, B, (1000, 2001))).map_err(|e| e.why), Err(Attribution::Ambiguous), "another file");
    assert_eq!(
        x.find(&syn(6, A, B, (1000, 2001))).map(|f| f.process),
        Ok(pid(3)),
        "one connection, whatever was reported"
    );
}

/// Packets and events of one of two connections in a flow were lost.
#[test]
fn a_torn_flow_in_a_time_of_lost_events_may_be_of_another_connection_too() {
    let told = |used_ms: u64, lost: (Lost, u64, u64), end: FlowEnd| {
        let mut x = SocketIndex::new(OWN);
        x.used(used_ms * MS, pid(1), SocketUse::Connect, &socket(1, 6, A, B));
        x.lost(lost.0, lost.1 * MS, lost.2 * MS);
        x.find(&end).map(|f| f.process)
    };
    let [anything, continuation] = [Lost::Anything, Lost::Continuation];
    let unknown = Err(NotFound::lost(pid(1)));
    assert_eq!(told(1000, (anything, 1500, 2500), torn(A, B, (1000, 2000))), unknown, "the later one is unseen");
    assert_eq!(told(2000, (anything, 900, 1500), torn(A, B, (1000, 2001))), unknown, "the earlier one is unseen");
    assert_eq!(told(1000, (continuation, 1500, 2500), torn(A, B, (1000, 2000))), Ok(pid(1)), "connects were not lost");
    assert_eq!(told(1000, (anything, 2100, 2500), torn(A, B, (1000, 2000))), Ok(pid(1)), "nothing was lost then");
    assert_eq!(told(1000, (anything, 900, 2500), torn(A, B, (1000, 1040))), Ok(pid(1)), "it was heard just before");
    assert_eq!(told(1000, (anything, 1500, 2500), syn(6, A, B, (1000, 2000))), Ok(pid(1)), "no packet was lost");
}

/// A close is not reported when the ring buffer is half full.
#[test]
fn a_connection_ends_the_one_before_of_the_same_tuple() {
    for (used, file) in [(SocketUse::Connect, 0), (SocketUse::Connect, 8), (SocketUse::Accept, 0)] {
        let mut x = SocketIndex::new(OWN);
        x.used(1000 * MS, pid(1), used, &Socket { file: file / 2, ..socket(1, 6, A, B) });
        x.lost(Lost::Continuation, 900 * MS, 2500 * MS);
        x.used(1500 * MS, pid(3), used, &Socket { file, ..socket(1, 6, A, B) });
        for flow in [syn(6, A, B, (1500, 1501)), end(6, A, B, (1501, 1502)), torn(A, B, (1500, 1501))] {
            assert_eq!(x.find(&flow).map(|f| f.process), Ok(pid(3)), "{used:?} {flow:?}");
        }
        assert_eq!(x.find(&syn(6, A, B, (1000, 1001))).map(|f| f.process), Ok(pid(1)), "{used:?}");
    }
}

/// Of each of these, only one process's receive was reported.
#[test]
fn of_servers_that_share_a_port_none_is_named_because_uses_of_the_others_were_lost() {
    for (what, from, until) in
        [(Lost::Continuation, 900, 1600), (Lost::Anything, 900, 1600), (Lost::Anything, 1300, 1400)]
    {
        let mut x = SocketIndex::new(OWN);
        for server in 1..=4 {
            x.used(1000 * MS, pid(server), SocketUse::Receive, &socket(u64::from(server), 17, B, NONE));
        }
        x.lost(what, from * MS, until * MS);
        x.used(1500 * MS, pid(2), SocketUse::Receive, &socket(2, 17, B, NONE));
        let found = x.find(&FlowEnd { sent: false, ..end(17, B, A, (1500, 1500)) });
        assert_eq!(found.map_err(|e| e.why), Err(Attribution::Ambiguous), "{what:?} from {from} ms");
    }
}
