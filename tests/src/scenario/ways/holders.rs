//! Ways to get a socket that another process opened.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};

use crate::scenario::wire::{self, Plan};
use crate::sys;
use crate::truth::Exchange;

/// A process listens and starts another process, which accepts (systemd's socket activation).
pub(super) fn activated(way: &str, address: IpAddr) -> Result<Exchange> {
    let (_activator, target) = wire::fork_listener(address, |listener| {
        sys::set_own_name("pf-activator")?;
        let service = sys::fork(|| {
            sys::set_own_name("pf-service")?;
            wire::accept_forever(&listener)
        })?;
        service.join()
    })?;
    wire::tcp_exchange(Plan::plain(way, target))
}

/// Socket activation with a UDP socket.
pub(super) fn activated_datagrams(way: &str, address: IpAddr) -> Result<Exchange> {
    let (_activator, target) = wire::fork_receiver(address, |socket| {
        sys::set_own_name("pf-activator")?;
        let service = sys::fork(|| {
            sys::set_own_name("pf-service")?;
            wire::answer_forever(&socket)
        })?;
        service.join()
    })?;
    wire::udp_exchange(Plan::plain(way, target), false)
}

/// A UDP socket that is passed to another process (`SCM_RIGHTS`) before it is used.
pub(super) fn passed_datagrams(way: &str, address: IpAddr) -> Result<Exchange> {
    let (give, take) = UnixStream::pair()?;
    let _user = sys::fork(|| {
        let socket = sys::receive_descriptor(&take)?.context("no descriptor")?;
        wire::answer_forever(&UdpSocket::from(socket))
    })?;
    let (_opener, target) = wire::fork_receiver(address, |socket| {
        sys::set_own_name("pf-opener")?;
        sys::send_descriptor(&give, socket.as_raw_fd())?;
        wait()
    })?;
    wire::udp_exchange(Plan::plain(way, target), true)
}

/// Keeps its descriptors open until it is killed.
fn wait() -> Result<()> {
    loop {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

/// A connection that another process takes from the process that accepted it (pidfd_getfd(2)).
pub(super) fn stolen(way: &str, address: IpAddr) -> Result<Exchange> {
    let (mut told, mut tell) = io::pipe()?;
    let (holder, target) = wire::fork_listener(address, |listener| {
        sys::set_own_name("pf-holder")?;
        let (stream, _) = listener.accept()?;
        tell.write_all(&stream.as_raw_fd().to_ne_bytes())?;
        wait()
    })?;
    let _thief = sys::fork(|| {
        sys::set_own_name("pf-thief")?;
        let mut number = [0; 4];
        told.read_exact(&mut number)?;
        let stolen = take_from(holder.pid(), i32::from_ne_bytes(number)).context("pidfd_getfd")?;
        wire::serve_connection(TcpStream::from(stolen))
    })?;
    wire::tcp_exchange(Plan::plain(way, target))
}

fn take_from(pid: u32, descriptor: i32) -> io::Result<OwnedFd> {
    let open = |result: libc::c_long| {
        let fd = sys::check(i32::try_from(result).unwrap_or(-1))?;
        // SAFETY: the new descriptor has no other owner.
        io::Result::Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    // SAFETY: no pointers are involved.
    let process = open(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: as above.
    open(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), descriptor, 0) })
}

/// A process connects, and its child, which inherits the connection, uses it.
pub(super) fn forked_client(way: &str, address: IpAddr) -> Result<Exchange> {
    let (_server, target) = wire::fork_listener(address, |listener| wire::accept_forever(&listener))?;
    let mut exchange = Exchange::begin(way, wire::TCP, wire::unspecified(address, 0), target);
    let stream = TcpStream::connect(target)?;
    exchange.set_source(stream.local_addr()?);
    let (mut reader, mut writer) = io::pipe()?;
    let begun = exchange.clone();
    let mut mine = Some(stream);
    let child = sys::fork(|| {
        let stream = mine.take().context("no connection")?;
        sys::set_own_name("pf-heir")?;
        let done = wire::tcp_finish(begun, stream, Plan::plain(way, target))?;
        writer.write_all(&serde_json::to_vec(&done)?).context("tell")
    })?;
    drop((mine, writer));
    let mut said = Vec::new();
    reader.read_to_end(&mut said)?;
    child.join()?;
    serde_json::from_slice(&said).context("what the child did")
}

/// A server that forks for each connection: the child uses it, the parent closes its copy.
pub(super) fn forked_server(way: &str, address: IpAddr) -> Result<Exchange> {
    let (_server, target) = wire::fork_listener(address, |listener: TcpListener| {
        sys::set_own_name("pf-forker")?;
        let (stream, _) = listener.accept()?;
        let mut mine = Some(stream);
        let child = sys::fork(|| wire::serve_connection(mine.take().context("no connection")?))?;
        drop(mine);
        child.join()
    })?;
    wire::tcp_exchange(Plan::plain(way, target))
}
