use std::net::IpAddr;

use pidflow_schema::Attribution;

use super::{End, Role, SocketIndex, User};
use crate::fact::{ProcessId, Socket, SocketUse};

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
    ProcessId { pid, start: 1 }
}

fn socket(id: u64, protocol: u8, local: (&str, u16), remote: (&str, u16)) -> Socket {
    Socket {
        id,
        netns: OWN,
        protocol,
        local: ip(local.0),
        local_port: local.1,
        remote: ip(remote.0),
        remote_port: remote.1,
        dual_stack: local.0 == "::",
    }
}

fn end(protocol: u8, local: (&str, u16), remote: (&str, u16), (from, to): (u64, u64)) -> End {
    End {
        protocol,
        local: ip(local.0),
        local_port: local.1,
        remote: ip(remote.0),
        remote_port: remote.1,
        first_ns: from * MS,
        last_ns: to * MS,
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
fn whoever_uses_it_has_it_and_the_listener_is_second() {
    let mut x = SocketIndex::new(OWN);
    x.used(10 * MS, pid(1), SocketUse::Listen, &socket(5, 6, ("0.0.0.0", 80), NONE));
    x.used(1000 * MS, pid(2), SocketUse::Accept, &socket(6, 6, B, A));
    x.used(1001 * MS, pid(3), SocketUse::Receive, &socket(6, 6, B, A));
    let found = x.find(&end(6, B, A, (1000, 1002))).unwrap();
    assert_eq!((found.process, found.other, found.role), (pid(3), Some(pid(1)), Role::Accepts));
}

#[test]
fn a_listener_alone_is_said_to_be_one() {
    let mut x = SocketIndex::new(OWN);
    x.used(10 * MS, pid(1), SocketUse::Listen, &socket(5, 6, ("::", 80), ("::", 0)));
    let found = x.find(&end(6, B, A, (1000, 1002))).unwrap();
    assert_eq!((found.process, found.attribution), (pid(1), Attribution::ListenerOnly));
}

#[test]
fn two_processes_on_one_udp_port_are_not_guessed_between() {
    let mut x = SocketIndex::new(OWN);
    for p in [1, 2] {
        x.used(1000 * MS, pid(p), SocketUse::Receive, &socket(u64::from(p), 17, ("0.0.0.0", 53), NONE));
    }
    let dns = ("127.0.0.1", 53);
    assert_eq!(x.find(&end(17, dns, A, (999, 1001))), Err(Attribution::Ambiguous));
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

/// The kernel told of the first use 300 ms after the packet: whoever was preempted in the call.
#[test]
fn a_process_that_started_since_has_the_port_though_its_use_is_told_late() {
    for remote in [NONE, B] {
        let mut x = SocketIndex::new(OWN);
        let sends = |id| socket(id, 17, ("127.0.0.1", 5000), remote);
        x.used(1000 * MS, pid(1), SocketUse::Send, &sends(1));
        x.used(1800 * MS, User { process: pid(2), start_ns: 1400 * MS }, SocketUse::Send, &sends(2));
        let changes: Vec<_> = x.take_changes().iter().map(|c| c.time_ns / MS).collect();
        assert_eq!(changes, [1400], "not before it lived, and not as late as it is told");
        let at = |t| x.find(&end(17, ("127.0.0.1", 5000), B, (t, t + 1))).unwrap().process;
        assert_eq!((at(1000), at(1300), at(1500)), (pid(1), pid(1), pid(2)), "{remote:?}");
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
    assert_eq!(x.find(&end(6, A, B, (1000, 1001))), Err(Attribution::NoSocket));
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
