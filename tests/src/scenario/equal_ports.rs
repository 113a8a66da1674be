//! UDP sockets with one port that are open at the same time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result};

use super::args::Args;
use super::netns::LineChannel;
use super::wire::{self, LOOPBACKS, Plan, UDP};
use crate::sys::{self, Forked};
use crate::truth::{Exchange, Expected, TrueEnd};

/// Servers that share a UDP port from their start (`SO_REUSEPORT`); each client is answered by one of them.
pub(super) fn reuseport(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let (workers, target) = workers(|socket| wire::answer_forever(&socket))?;
    for _ in 0..args.get("count", 50_u32)? {
        wire::udp_exchange(Plan::plain("udp-reuseport", target), false)?.append_to(&truth)?;
    }
    drop(workers);
    Ok(())
}

/// Same as [`reuseport`], but the servers neither answer nor request the sender's address.
pub(super) fn reuseport_silent(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let (told, tell) = io::pipe()?;
    let (workers, target) = workers(|socket| receive_forever(&socket, &tell))?;
    let mut told = BufReader::new(told);
    for _ in 0..args.get("count", 50_u32)? {
        let mut exchange = Exchange::begin("udp-reuseport-silent", UDP, wire::unspecified(target.ip(), 0), target);
        let socket = wire::udp_socket(target.ip(), 0)?;
        socket.send_to(b"x", target)?;
        exchange.set_source(SocketAddr::new(target.ip(), socket.local_addr()?.port()));
        exchange.source_end = Expected::Process(TrueEnd::current()?);
        let mut line = String::new();
        told.read_line(&mut line).context("who received")?;
        exchange.destination_end = Expected::Process(serde_json::from_str(&line)?);
        exchange.end_ns = sys::now_ns();
        exchange.append_to(&truth)?;
    }
    drop(workers);
    Ok(())
}

fn receive_forever(socket: &UdpSocket, mut tell: &io::PipeWriter) -> Result<()> {
    loop {
        socket.recv(&mut [0; 64])?;
        tell.write_all(&wire::answer()?)?;
    }
}

fn workers(work: impl Fn(UdpSocket) -> Result<()>) -> Result<(Vec<Forked>, SocketAddr)> {
    let (first, target) = shared_socket(SocketAddr::new(LOOPBACKS[0], 0))?;
    let start = |number| {
        let socket = if number == 0 { first.try_clone()? } else { shared_socket(target)?.0 };
        sys::fork(|| work(socket))
    };
    Ok(((0..4).map(start).collect::<Result<_>>()?, target))
}

fn shared_socket(address: SocketAddr) -> Result<(UdpSocket, SocketAddr)> {
    reusable_socket(address, libc::SO_REUSEPORT)
}

fn reusable_socket(address: SocketAddr, option: i32) -> Result<(UdpSocket, SocketAddr)> {
    let fd = sys::socket(address.ip(), libc::SOCK_DGRAM, 0)?;
    sys::set_option(&fd, libc::SOL_SOCKET, option, 1)?;
    sys::bind(&fd, address)?;
    let socket = UdpSocket::from(fd);
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// A server at all addresses, one at an address of its own, and one in another network namespace, all with the same port.
pub(super) fn several_addresses(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let (of_all, at) = reusable_socket(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), libc::SO_REUSEADDR)?;
    let _elsewhere = elsewhere(at.port())?;
    let of_one = reusable_socket(SocketAddr::new(LOOPBACKS[0], at.port()), libc::SO_REUSEADDR)?.0;
    let _servers = [named("pf-all", &of_all)?, named("pf-one", &of_one)?];
    drop((of_all, of_one));
    for _ in 0..args.get("count", 6_u32)? {
        exchange_with_both(at.port(), &truth)?;
    }
    Ok(())
}

/// A server that has its name before the first request.
fn named(name: &str, socket: &UdpSocket) -> Result<Forked> {
    let (mut ours, mut theirs) = LineChannel::pair()?;
    let process = sys::fork(|| {
        sys::set_own_name(name)?;
        theirs.tell(&true)?;
        wire::answer_forever(socket)
    })?;
    let _named: bool = ours.hear()?;
    Ok(process)
}

fn exchange_with_both(port: u16, truth: &File) -> Result<()> {
    let of_one = SocketAddr::new(LOOPBACKS[0], port);
    wire::udp_exchange(Plan::plain("udp-equal-ports", of_one), false)?.append_to(truth)?;
    exchange_with_all(port, truth)
}

/// A datagram to another address is answered by the server that is bound to all addresses. The kernel gives its answer
/// the first address, so that it looks as if the server bound to that address had sent it.
fn exchange_with_all(port: u16, truth: &File) -> Result<()> {
    let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), port);
    let socket = wire::udp_socket(LOOPBACKS[0], 0)?;
    let client = SocketAddr::new(LOOPBACKS[0], socket.local_addr()?.port());
    let mut request = Exchange::begin("udp-equal-ports", UDP, client, to);
    socket.send_to(b"c\n", to)?;
    let mut buffer = [0; 1024];
    let (size, from) = socket.recv_from(&mut buffer).context("await the answer")?;
    let server: TrueEnd = serde_json::from_slice(buffer.get(..size).unwrap_or_default())?;
    request.end_ns = sys::now_ns();
    request.source_end = Expected::Process(TrueEnd::current()?);
    request.destination_end = Expected::Process(server);
    request.append_to(truth)?;
    let answer = Exchange { source: from.ip(), source_port: from.port(), ..request.clone() };
    let (destination, destination_port) = (client.ip(), client.port());
    let (source_end, destination_end) = (request.destination_end, request.source_end);
    Exchange { destination, destination_port, source_end, destination_end, ..answer }.append_to(truth)
}

/// A server of another namespace that has traffic on its own loopback.
fn elsewhere(port: u16) -> Result<Forked> {
    let (mut ours, mut theirs) = LineChannel::pair()?;
    let process = sys::fork(|| {
        sys::unshare(libc::CLONE_NEWNET).context("make a network namespace")?;
        super::netns::ip("link set lo up")?;
        let at = SocketAddr::new(LOOPBACKS[0], port);
        let (server, client) = (UdpSocket::bind(at)?, wire::udp_socket(LOOPBACKS[0], 0)?);
        theirs.tell(&true)?;
        loop {
            client.send_to(b"x", at)?;
            server.recv_from(&mut [0; 8])?;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    })?;
    let _begun: bool = ours.hear()?;
    Ok(process)
}
