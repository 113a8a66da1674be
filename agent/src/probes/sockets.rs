//! The sockets of a network namespace from /proc/PID/net, without entering the namespace.

use std::io::Read;
use std::net::SocketAddr;

use pidflow_engine::fact::SocketsAlive;
use pidflow_schema::Protocol;
use procfs::net::{TcpNetEntries, TcpNetEntry, UdpNetEntries, UdpNetEntry};
use procfs::process::Process;
use procfs::{FromBufReadSI, current_system_info};

use super::procfs_read;
use crate::clock::engine_ns;
use crate::host_files;

/// TCP sockets; none: they cannot be read, because the process is gone.
pub(super) fn tcp(of: &Process) -> Option<Vec<TcpNetEntry>> {
    // Without IPv6 this file does not exist; for a process that is gone neither file does.
    let mut all = rows::<TcpNetEntries>(of, "tcp6").unwrap_or_default();
    all.extend(rows::<TcpNetEntries>(of, "tcp")?);
    Some(all.into_iter().flat_map(|entries| entries.0).collect())
}

/// UDP sockets; none: as [`tcp`].
pub(super) fn udp(of: &Process) -> Option<Vec<UdpNetEntry>> {
    let mut all = rows::<UdpNetEntries>(of, "udp6").unwrap_or_default();
    all.extend(rows::<UdpNetEntries>(of, "udp")?);
    Some(all.into_iter().flat_map(|entries| entries.0).collect())
}

/// Parses a table row by row, so that a row that cannot be parsed affects no other.
fn rows<T: FromBufReadSI>(of: &Process, table: &'static str) -> Option<Vec<T>> {
    let mut bytes = Vec::new();
    of.open_relative(format!("net/{table}")).ok()?.read_to_end(&mut bytes).ok()?;
    let text = host_files::lossy(bytes);
    let rows = text.split_once('\n').map_or("", |(_head, rows)| rows);
    Some(host_files::parse_lines("/proc/PID/net", rows, row).collect())
}

/// One row, as the only one of a table with an empty head.
fn row<T: FromBufReadSI>(line: &str) -> Option<T> {
    T::from_buf_read(b"\n".chain(line.as_bytes()), current_system_info()).ok()
}

/// All sockets that exist in the namespace `netns` now, read through a process in it; none: that process is gone, or in
/// another namespace now.
pub(super) fn alive(netns: u32, of: &Process) -> Option<SocketsAlive> {
    let is_in_it = || procfs_read::network_namespace(&of.pid().to_string()) == Some(netns);
    let taken_ns = engine_ns();
    let (tcp, udp) = is_in_it().then(|| Some((tcp(of)?, udp(of)?))).flatten().filter(|_| is_in_it())?;
    let ends = |e: &TcpNetEntry| (canonical(e.local_address), canonical(e.remote_address));
    Some(SocketsAlive {
        netns,
        taken_ns,
        // No file refers to sockets without an inode: they wait to be accepted, or for the last packets after their
        // close.
        tcp: tcp.iter().filter(|e| e.inode != 0).map(ends).collect(),
        protocols: vec![Protocol::UDP],
        inodes: udp.iter().map(|e| e.inode).collect(),
    })
}

/// IPv4-mapped addresses are IPv4 on the wire.
fn canonical(a: SocketAddr) -> SocketAddr {
    SocketAddr::new(a.ip().to_canonical(), a.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::probes::own_network_namespace;

    const ROW: &str = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 \
                       0000000000000000 100 0 0 10 0";

    #[test]
    fn a_malformed_row_affects_no_other() {
        let skipped = host_files::skipped();
        let text = [ROW, "   1: garbage", ROW, &ROW.replace(" 0A ", " 7F ")].join("\n");
        let read: Vec<TcpNetEntries> = host_files::parse_lines("a test's table", &text, row).collect();
        assert_eq!(read.iter().map(|entries| entries.0[0].inode).collect::<Vec<_>>(), [4242, 4242]);
        assert!(host_files::skipped() >= skipped + 2);
    }

    #[test]
    fn open_sockets_are_listed_and_closed_ones_are_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        let datagrams = UdpSocket::bind("[::1]:0").unwrap();
        let ends = (client.local_addr().unwrap(), at);
        let me = Process::myself().unwrap();
        let inode = |fd: i32| std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().to_string_lossy().into_owned();
        let number = inode(std::os::fd::AsRawFd::as_raw_fd(&datagrams));
        let now = alive(own_network_namespace(), &me).unwrap();
        assert!(now.tcp.contains(&ends) && now.tcp.contains(&(at, SocketAddr::from(([0, 0, 0, 0], 0)))));
        assert!(now.inodes.iter().any(|i| number == format!("socket:[{i}]")), "{number}");
        drop((client, listener, datagrams));
        let later = alive(own_network_namespace(), &me).unwrap();
        assert!(!later.tcp.contains(&(at, SocketAddr::from(([0, 0, 0, 0], 0)))));
        assert!(!later.tcp.contains(&ends), "also in TIME_WAIT");
        assert!(later.inodes.iter().all(|i| number != format!("socket:[{i}]")));
        assert!(alive(1, &me).is_none(), "it is not in that namespace");
    }
}
