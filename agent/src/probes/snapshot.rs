//! The existing processes and sockets of every network namespace.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use pidflow_engine::fact::{Fact, Socket, SocketUse, Task};
use pidflow_schema::Protocol;
use procfs::net::{TcpState, UdpState};
use procfs::process::{FDTarget, Process};

use super::addresses::addresses_fact;
use super::{procfs_read, sockets};
use crate::clock::{engine_clock, engine_ns};
use crate::privacy::Privacy;

/// Everything that /proc shows now: all processes, then the addresses and sockets of each network namespace.
pub(crate) fn take(privacy: &Privacy) -> Vec<Fact> {
    let mut events = Vec::new();
    let mut owners: HashMap<u64, Vec<Owner>> = HashMap::new();
    let mut namespaces: HashMap<u32, Process> = HashMap::new();
    let clock = engine_clock();
    for p in procfs::process::all_processes().into_iter().flatten().flatten() {
        let Some(seen) = procfs_read::process(&p, clock, privacy) else { continue };
        note_sockets(&p, &seen.task, seen.parent_pid, &mut owners);
        if let Some(netns) = procfs_read::network_namespace(&seen.task.id.pid.to_string()) {
            namespaces.entry(netns).or_insert(p);
        }
        events.push(Fact::Process(Box::new(seen)));
    }
    for (netns, p) in namespaces {
        events.extend(addresses_fact(netns, &p.pid().to_string()));
        sockets_of(&p, netns, &owners, &mut events);
    }
    events
}

struct Owner {
    task: Task,
    parent_pid: u32,
}

fn note_sockets(p: &Process, task: &Task, parent_pid: u32, owners: &mut HashMap<u64, Vec<Owner>>) {
    for fd in p.fd().into_iter().flatten().flatten() {
        if let FDTarget::Socket(inode) = fd.target {
            let list = owners.entry(inode).or_default();
            if list.iter().all(|o| o.task.id != task.id) {
                list.push(Owner { task: task.clone(), parent_pid });
            }
        }
    }
}

/// /proc/PID/net shows the tables of the process's namespace, which need not be entered.
fn sockets_of(p: &Process, netns: u32, owners: &HashMap<u64, Vec<Owner>>, out: &mut Vec<Fact>) {
    let tcp = sockets::tcp(p).unwrap_or_default();
    for e in tcp.into_iter().filter(|e| e.inode != 0) {
        let used = if e.state == TcpState::Listen { SocketUse::HeldListening } else { SocketUse::Held };
        held(owners, socket(e.inode, netns, Protocol::TCP, (e.local_address, e.remote_address)), used, out);
    }
    let udp = sockets::udp(p).unwrap_or_default();
    for e in udp.into_iter().filter(|e| e.inode != 0 && matches!(e.state, UdpState::Established | UdpState::Close)) {
        held(owners, socket(e.inode, netns, Protocol::UDP, (e.local_address, e.remote_address)), SocketUse::Held, out);
    }
}

fn held(owners: &HashMap<u64, Vec<Owner>>, socket: Socket, used: SocketUse, out: &mut Vec<Fact>) {
    let time_ns = engine_ns();
    for owner in owners.get(&socket.id).into_iter().flatten() {
        out.push(Fact::Socket {
            time_ns,
            task: owner.task.clone(),
            parent_pid: owner.parent_pid,
            used,
            socket,
            sample: None,
        });
    }
}

fn socket(inode: u64, netns: u32, protocol: u8, (local, remote): (SocketAddr, SocketAddr)) -> Socket {
    let dual_stack = local.is_ipv6() && local.ip().is_unspecified();
    Socket {
        id: inode,
        file: inode,
        netns,
        protocol,
        local: canonical(local.ip()),
        local_port: local.port(),
        remote: canonical(remote.ip()),
        remote_port: remote.port(),
        dual_stack,
    }
}

/// IPv4-mapped addresses are IPv4 on the wire.
fn canonical(a: IpAddr) -> IpAddr {
    a.to_canonical()
}
