//! Converts events of the ring buffer to facts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pidflow_engine::fact::{Executable, Fact, ProcessId, Sample, Socket, SocketUse, Task};
use pidflow_schema::{Protocol, abi};

use crate::clock::BootClock;
use crate::privacy::Privacy;

const SOCK_RAW: u32 = 3;

/// Parses one event; none: its kind or size is unknown.
pub(crate) fn event(bytes: &[u8], clock: BootClock, privacy: &Privacy) -> Option<Fact> {
    let kind = u32::from_ne_bytes(bytes.first_chunk::<4>().copied()?);
    match kind {
        k if k == abi::EventKind::Fork as u32 => read(bytes).map(|e| fork(&e, clock, privacy)),
        k if k == abi::EventKind::Exec as u32 => read(bytes).map(|e| exec(&e, clock, privacy)),
        k if k == abi::EventKind::Exit as u32 => read(bytes).map(|e| exit(&e, clock, privacy)),
        k if k == abi::EventKind::Socket as u32 => read(bytes).and_then(|e| socket(&e, clock, privacy)),
        k if k == abi::EventKind::Unaccepted as u32 => read(bytes).map(|e| unaccepted(&e, clock)),
        _ => None,
    }
}

/// Types of [`abi`] that are plain data: any bytes are a value.
trait Plain: Copy {}
impl Plain for abi::ForkEvent {}
impl Plain for abi::ExecEvent {}
impl Plain for abi::ExitEvent {}
impl Plain for abi::SocketEvent {}
impl Plain for abi::UnacceptedEvent {}

fn read<T: Plain>(bytes: &[u8]) -> Option<T> {
    // SAFETY: long enough, and `Plain` types take any bytes; the read needs no alignment.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

fn fork(e: &abi::ForkEvent, clock: BootClock, privacy: &Privacy) -> Fact {
    Fact::Fork {
        time_ns: clock.at(e.time_ns),
        child: task(&e.child, clock, privacy),
        parent: task(&e.parent, clock, privacy),
    }
}

fn exec(e: &abi::ExecEvent, clock: BootClock, privacy: &Privacy) -> Fact {
    let path = e.path.get(..e.path_len as usize).unwrap_or_default();
    let path = if e.path_is_chain == 0 { String::from_utf8_lossy(path) } else { path_of_chain(path).into() };
    let is_deleted = e.path_is_chain != 0 && is_in_memory(&path);
    let args = e.args.get(..e.args_len as usize).unwrap_or_default();
    Fact::Exec {
        time_ns: clock.at(e.time_ns),
        task: task(&e.task, clock, privacy),
        parent_pid: e.parent_tgid,
        executable: Executable { path: privacy.executable(&path), is_deleted },
        command_line: privacy.command_line(args, args.len() == abi::ARGS_LEN),
    }
}

/// The path from a chain of its names, the last one first.
fn path_of_chain(chain: &[u8]) -> String {
    let names: Vec<_> = chain.split(|b| *b == 0).filter(|name| !name.is_empty()).map(String::from_utf8_lossy).collect();
    names.iter().rev().flat_map(|name| ["/", name]).collect()
}

/// Whether the path is that of a memfd (memfd_create(2)), which is in no folder and which /proc reports as deleted.
fn is_in_memory(path: &str) -> bool {
    path.strip_prefix("/memfd:").is_some_and(|name| !name.contains('/'))
}

fn exit(e: &abi::ExitEvent, clock: BootClock, privacy: &Privacy) -> Fact {
    Fact::Exit {
        task: task(&e.task, clock, privacy),
        parent_pid: e.parent_tgid,
        sample: sample(&e.usage, clock.at(e.time_ns)),
    }
}

fn socket(e: &abi::SocketEvent, clock: BootClock, privacy: &Privacy) -> Option<Fact> {
    let time_ns = clock.at(e.time_ns);
    let used = socket_use(e, clock)?;
    // A datagram leaves within the call, and its sender may be preempted before the end of it.
    let is_told_late = used == SocketUse::Send && e.since_ns != 0;
    Some(Fact::Socket {
        time_ns: if is_told_late { clock.at(e.since_ns) } else { time_ns },
        task: task(&e.task, clock, privacy),
        parent_pid: e.parent_tgid,
        used,
        socket: socket_ref(&e.socket),
        sample: (e.usage.flags & abi::USAGE_READ != 0).then(|| sample(&e.usage, time_ns)),
    })
}

fn unaccepted(e: &abi::UnacceptedEvent, clock: BootClock) -> Fact {
    Fact::Unaccepted { time_ns: clock.at(e.time_ns), socket: socket_ref(&e.socket) }
}

fn socket_use(e: &abi::SocketEvent, clock: BootClock) -> Option<SocketUse> {
    Some(match e.op {
        1 => SocketUse::Connect,
        2 => SocketUse::Accept,
        3 => SocketUse::Listen,
        4 => SocketUse::Send,
        5 => SocketUse::Receive,
        6 => SocketUse::Close,
        7 => SocketUse::ConnectFailed { errno: u16::try_from(e.error).unwrap_or(0), since_ns: clock.at(e.since_ns) },
        _ => return None,
    })
}

fn task(t: &abi::TaskRef, clock: BootClock, privacy: &Privacy) -> Task {
    Task {
        id: ProcessId::from_boot_ns(t.tgid, t.start_ns),
        start_ns: clock.at(t.start_ns),
        uid: privacy.uid(t.uid),
        comm: text(&t.comm),
    }
}

fn text(bytes: &[u8]) -> Box<str> {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into()
}

fn sample(u: &abi::Usage, time_ns: u64) -> Sample {
    let has = |flag| u.flags & flag != 0;
    let whole = has(abi::USAGE_WHOLE);
    Sample {
        time_ns,
        cpu_ns: whole.then_some(u.cpu_ns),
        minor_faults: whole.then_some(u.minor_faults),
        major_faults: whole.then_some(u.major_faults),
        rss: has(abi::USAGE_RSS).then_some(u.rss),
        peak_rss: has(abi::USAGE_PEAK).then_some(u.peak_rss),
        iowait_ns: (whole && has(abi::USAGE_DELAY)).then_some(u.blkio_delay_ns),
        threads: Some(u.threads),
    }
}

fn socket_ref(s: &abi::SocketRef) -> Socket {
    let v6 = s.family == 10;
    let address = |octets: [u8; 16]| if v6 { mapped(Ipv6Addr::from(octets)) } else { v4(octets) };
    let (local, remote) = (address(s.local), address(s.remote));
    Socket {
        // A datagram socket's `struct sock` is used again at once, and in tracepoint mode its close is not reported; its inode
        // is not used again, but a connection has none before accept.
        id: if s.protocol == u16::from(Protocol::TCP) || s.inode == 0 { s.sk } else { s.inode },
        file: s.inode,
        netns: s.netns,
        protocol: s.protocol as u8,
        local: same_family(local, remote),
        // A raw socket's number is its protocol, not a port.
        local_port: if s.socket_type == SOCK_RAW { 0 } else { s.local_port },
        remote: same_family(remote, local),
        remote_port: s.remote_port,
        dual_stack: v6 && local.is_unspecified(),
    }
}

fn v4(octets: [u8; 16]) -> IpAddr {
    let [a, b, c, d, ..] = octets;
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// IPv4-mapped addresses are IPv4 on the wire.
pub(crate) fn mapped(a: Ipv6Addr) -> IpAddr {
    a.to_ipv4_mapped().map_or(IpAddr::V6(a), IpAddr::V4)
}

/// An unspecified address takes the family of the other end.
fn same_family(a: IpAddr, other: IpAddr) -> IpAddr {
    match (a.is_unspecified(), other) {
        (true, IpAddr::V4(_)) if !other.is_unspecified() => Ipv4Addr::UNSPECIFIED.into(),
        (true, IpAddr::V6(_)) if !other.is_unspecified() => Ipv6Addr::UNSPECIFIED.into(),
        _ => a,
    }
}

#[cfg(test)]
mod tests {
    use pidflow_engine::fact::Fact;
    use pidflow_schema::abi::{SocketEvent, SocketOp, USAGE_READ, USAGE_WHOLE, Usage};

    use super::{is_in_memory, path_of_chain, read, socket};
    use crate::clock::BootClock;
    use crate::privacy::Privacy;

    #[test]
    fn usage_that_was_not_read_is_not_zero() {
        let cpu = |flags| {
            let mut event: SocketEvent = read(&[0; size_of::<SocketEvent>()]).unwrap();
            event.op = SocketOp::Close as u32;
            event.usage = Usage { cpu_ns: 7, flags, ..Usage::default() };
            match socket(&event, BootClock::measured(), &Privacy::new(None).unwrap()) {
                Some(Fact::Socket { sample, .. }) => sample.map(|s| s.cpu_ns),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([USAGE_READ | USAGE_WHOLE, USAGE_READ, 0].map(cpu), [Some(Some(7)), Some(None), None]);
    }

    #[test]
    fn a_chain_of_names_is_a_path() {
        assert_eq!(path_of_chain(b"prog\0bin\0usr\0"), "/usr/bin/prog");
        assert_eq!(path_of_chain(b"init\0"), "/init");
        assert_eq!(path_of_chain(b"memfd:x\0"), "/memfd:x");
        assert_eq!(path_of_chain(b"memfd:x\0tmp\0"), "/tmp/memfd:x", "a file of that name");
        assert_eq!(path_of_chain(b"\xff\0d\0"), "/d/\u{fffd}");
        assert_eq!(path_of_chain(b""), "");
    }

    #[test]
    fn a_file_in_memory_has_no_folder() {
        assert!(is_in_memory("/memfd:x") && is_in_memory("/memfd:"));
        assert!(!is_in_memory("/tmp/memfd:x") && !is_in_memory("/memfd:d/x") && !is_in_memory("/bin/sh"));
    }
}
