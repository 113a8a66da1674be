//! Ports, process ids and sockets that several processes use, one after the other or at the same time.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::args::Args;
use super::wire::{self, LOOPBACKS, UDP};
use crate::sys::{self, Forked};
use crate::truth::{Exchange, Expected, TrueEnd};

/// The process id that the kernel assigned last in this namespace; the file is writable.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";
/// Ports on which no process listens.
const CLOSED_PORTS: std::ops::Range<u16> = 7200..7205;

/// One process after the other binds the same UDP port and sends one datagram from it to the same server.
pub(super) fn handover(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let count = args.get("count", 20_u32)?;
    let (_server, target) = wire::fork_receiver(LOOPBACKS[0], |socket| {
        while socket.recv(&mut [0; 64]).is_ok() {}
        Ok(())
    })?;
    let port = wire::udp_socket(LOOPBACKS[0], 0)?.local_addr()?.port();
    for _ in 0..count {
        sys::fork(|| send_once("udp-handover", port, target)?.append_to(&truth))?.join()?;
    }
    Ok(())
}

/// Same as [`handover`], but every process keeps running after it has closed its socket, so that only the close shows that it
/// released the port.
pub(super) fn given_up(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let (_server, target) = wire::fork_receiver(LOOPBACKS[0], |socket| {
        while socket.recv(&mut [0; 64]).is_ok() {}
        Ok(())
    })?;
    let port = wire::udp_socket(LOOPBACKS[0], 0)?.local_addr()?.port();
    let mut living = Vec::new();
    for _ in 0..args.get("count", 20_u32)? {
        let (mut has_closed, mut closed) = io::pipe()?;
        living.push(sys::fork(|| {
            send_once("udp-given-up", port, target)?.append_to(&truth)?;
            closed.write_all(b"c")?;
            thread::sleep(Duration::from_secs(60));
            Ok(())
        })?);
        drop(closed);
        has_closed.read_exact(&mut [0]).context("the process did not send")?;
    }
    Ok(())
}

fn send_once(scenario: &str, port: u16, target: SocketAddr) -> Result<Exchange> {
    let source = SocketAddr::new(target.ip(), port);
    let mut exchange = Exchange::begin(scenario, UDP, source, target);
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    let socket = UdpSocket::bind(source).context("take the port")?;
    exchange.set_source(socket.local_addr()?);
    socket.send_to(b"x", target)?;
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}

/// Processes hold raw sockets of ICMP, ICMPv6, UDP and TCP and read from them, while the kernel answers datagrams to
/// closed ports: none of these processes is the owner of a flow.
pub(super) fn raw_holders(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let kinds = [(LOOPBACKS[0], 1), (LOOPBACKS[1], 58), (LOOPBACKS[0], 17), (LOOPBACKS[0], 6)];
    let holders: Result<Vec<Forked>> = kinds.into_iter().map(|(family, protocol)| hold_raw(family, protocol)).collect();
    let holders = holders?;
    for address in LOOPBACKS {
        for port in CLOSED_PORTS {
            let target = SocketAddr::new(address, port);
            let mut exchange = send_once("raw-holders", 0, target)?;
            exchange.destination_end = Expected::Nobody;
            exchange.append_to(&truth)?;
            unreachable(address, &exchange).append_to(&truth)?;
            // The kernel's answers to several datagrams are one flow.
            thread::sleep(Duration::from_millis(20));
        }
    }
    drop(holders);
    Ok(())
}

/// The ICMP error that the kernel sends back, from an address to itself.
fn unreachable(address: IpAddr, of: &Exchange) -> Exchange {
    let protocol = if address.is_ipv4() { 1 } else { 58 };
    let end = SocketAddr::new(address, 0);
    let nobody = || Expected::Nobody;
    Exchange {
        source_end: nobody(),
        destination_end: nobody(),
        start_ns: of.start_ns,
        ..Exchange::begin("raw-holders", protocol, end, end)
    }
}

fn hold_raw(family: IpAddr, protocol: i32) -> Result<Forked> {
    let (mut is_open, mut opened) = io::pipe()?;
    let holder = sys::fork(move || {
        let socket = UdpSocket::from(sys::socket(family, libc::SOCK_RAW, protocol).context("raw socket")?);
        opened.write_all(b".")?;
        loop {
            let _size = socket.recv(&mut [0; 2048])?;
        }
    })?;
    is_open.read_exact(&mut [0]).context("the holder did not open its socket")?;
    Ok(holder)
}

/// Two processes in turn with the same process id, the second started within the same hundredth of a second.
pub(super) fn pid_reuse(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let (_server, target) = wire::fork_receiver(LOOPBACKS[0], |socket| {
        while socket.recv(&mut [0; 64]).is_ok() {}
        Ok(())
    })?;
    let (wanted, begun) = (args.get("count", 20_u32)?, Instant::now());
    let mut got = 0;
    while got < wanted && begun.elapsed() < Duration::from_secs(20) {
        let first = sys::fork(|| send_as("reuse-one", target, &truth))?;
        let pid = first.pid();
        first.join()?;
        fs::write(LAST_PID, (pid - 1).to_string()).with_context(|| format!("write {LAST_PID}"))?;
        let second = sys::fork(|| send_as("reuse-two", target, &truth))?;
        got += u32::from(second.pid() == pid);
        second.join()?;
    }
    ensure!(got == wanted, "the kernel assigned an id again only {got} times");
    Ok(())
}

fn send_as(name: &str, target: SocketAddr, truth: &File) -> Result<()> {
    sys::set_own_name(name)?;
    send_once("pid-reuse", 0, target)?.append_to(truth)
}

/// A process of another network namespace whose connects are refused on its own loopback, which is not captured.
pub(super) fn refused_elsewhere(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    sys::fork(|| {
        sys::unshare(libc::CLONE_NEWNET).context("make a network namespace")?;
        super::netns::ip("link set lo up")?;
        for port in CLOSED_PORTS {
            let target = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            let failed = std::net::TcpStream::connect(target).err();
            ensure!(failed.is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused), "not refused");
        }
        Ok(())
    })?
    .join()?;
    // One exchange that the agent must report.
    let (_server, target) = wire::fork_receiver(LOOPBACKS[0], |socket| wire::answer_forever(&socket))?;
    wire::udp_exchange(wire::Plan::plain("refused-elsewhere", target), false)?.append_to(&truth)
}
