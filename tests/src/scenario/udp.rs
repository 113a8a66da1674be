//! UDP sockets: receiving only, connected, unconnected.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};

use super::args::Args;
use super::wire::{self, LOOPBACKS, Plan, UDP};
use crate::sys;
use crate::truth::{Exchange, Expected, TrueEnd};

/// A server that never sends.
pub(super) fn receive_only(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for number in 0..args.get("count", 10_u32)? {
        let address = if number.is_multiple_of(2) { LOOPBACKS[0] } else { LOOPBACKS[1] };
        send_three(address, number.is_multiple_of(4))?.append_to(&truth)?;
    }
    Ok(())
}

/// Sends three datagrams to a forked process that reports over a pipe when it has them.
fn send_three(address: IpAddr, connected: bool) -> Result<Exchange> {
    let (mut told, mut tell) = io::pipe()?;
    let (receiver, target) = wire::fork_receiver(address, |socket| {
        let mut buffer = [0; 64];
        for _ in 0..3 {
            socket.recv(&mut buffer)?;
        }
        tell.write_all(b".").context("tell")
    })?;
    let receiving_end = TrueEnd::of(receiver.pid())?;
    let mut exchange = Exchange::begin("udp-recv-only", UDP, wire::unspecified(address, 0), target);
    let socket = wire::udp_socket(address, 0)?;
    if connected {
        socket.connect(target)?;
    }
    for _ in 0..3 {
        let _sent = if connected { socket.send(b"x")? } else { socket.send_to(b"x", target)? };
    }
    told.read_exact(&mut [0]).context("the receiver did not get all")?;
    receiver.join()?;
    exchange.set_source(SocketAddr::new(address, socket.local_addr()?.port()));
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    exchange.destination_end = Expected::Process(receiving_end);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}

/// Both sides connect their sockets and use plain `read` and `write`.
pub(super) fn connected(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for number in 0..args.get("count", 10_u32)? {
        let address = if number.is_multiple_of(2) { LOOPBACKS[0] } else { LOOPBACKS[1] };
        let (server, target) = wire::fork_receiver(address, |socket| {
            let (_, peer) = socket.peek_from(&mut [0; 64])?;
            socket.connect(peer)?;
            let mut file = as_file(socket);
            let _size = file.read(&mut [0; 64])?;
            file.write_all(&wire::answer()?).context("answer")
        })?;
        read_and_write(target)?.append_to(&truth)?;
        server.join()?;
    }
    Ok(())
}

fn read_and_write(target: SocketAddr) -> Result<Exchange> {
    let mut exchange = Exchange::begin("udp-connected", UDP, wire::unspecified(target.ip(), 0), target);
    let socket = wire::udp_socket(target.ip(), 0)?;
    socket.connect(target)?;
    exchange.set_source(socket.local_addr()?);
    let mut file = as_file(socket);
    file.write_all(b"c\n")?;
    let mut buffer = [0; 1024];
    let size = file.read(&mut buffer).context("await the answer")?;
    let answer = buffer.get(..size).unwrap_or_default();
    exchange.destination_end = Expected::Process(serde_json::from_slice(answer)?);
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    drop(file);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}

fn as_file(socket: UdpSocket) -> File {
    File::from(OwnedFd::from(socket))
}

/// Neither side connects its socket.
pub(super) fn unconnected(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for address in LOOPBACKS {
        let (_server, target) = wire::fork_receiver(address, |socket| wire::answer_forever(&socket))?;
        for _ in 0..args.get("count", 10_u32)? / 2 {
            wire::udp_exchange(Plan::plain("udp-unconnected", target), false)?.append_to(&truth)?;
        }
    }
    Ok(())
}
