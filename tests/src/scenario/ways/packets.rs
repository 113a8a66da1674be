//! Packets whose headers processes make themselves.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};

use super::limit;
use crate::scenario::wire::{LOOPBACKS, UDP};
use crate::sys;
use crate::truth::{Exchange, Expected, TrueEnd};

/// IP protocol number for experiments and tests (RFC 3692).
const EXPERIMENT: u8 = 253;
/// First of the ports that no socket has, below the kernel's ephemeral ports.
const NOBODYS_PORT: u16 = 23_456;

/// Two processes with raw sockets, each bound to an address of its own. Each `number` gives other addresses, so another flow.
pub(super) fn raw(way: &str, number: u8) -> Result<Exchange> {
    let [sender, receiver_at] = [2, 3].map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, number + 1, last)));
    let open = |address| {
        let fd = sys::socket(address, libc::SOCK_RAW, EXPERIMENT.into()).context("raw socket")?;
        sys::bind(&fd, SocketAddr::new(address, 0))?;
        limit(&fd)?;
        Ok::<_, anyhow::Error>(UdpSocket::from(fd))
    };
    let (mut told, mut tell) = io::pipe()?;
    let receiver = sys::fork(move || {
        let socket = open(receiver_at)?;
        tell.write_all(b"r")?;
        socket.recv(&mut [0; 128]).context("receive raw")?;
        tell.write_all(b".").context("tell")
    })?;
    told.read_exact(&mut [0])?;
    let end = TrueEnd::of(receiver.pid())?;
    let (from, to) = (SocketAddr::new(sender, 0), SocketAddr::new(receiver_at, 0));
    let mut exchange = Exchange::begin(way, EXPERIMENT, from, to);
    let socket = open(sender)?;
    sys::send_to(&OwnedFd::from(socket.try_clone()?), b"raw", to, 0)?;
    told.read_exact(&mut [0]).context("the receiver did not get it")?;
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    exchange.destination_end = Expected::Process(end);
    receiver.join()?;
    drop(socket);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}

/// A whole frame over a packet socket, between ports that no socket has: no process is at either end.
pub(super) fn framed(way: &str, number: u8) -> Result<Exchange> {
    let end = |port| SocketAddr::new(LOOPBACKS[0], port);
    let (from, to) = (end(NOBODYS_PORT), end(NOBODYS_PORT + 1 + u16::from(number)));
    let mut exchange = Exchange::begin(way, UDP, from, to);
    sys::send_frame(&sys::packet_socket("lo")?, &frame(from.port(), to.port()))?;
    exchange.source_end = Expected::Nobody;
    exchange.destination_end = Expected::Nobody;
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}

/// An Ethernet frame with IPv4, UDP without checksum, and one byte of payload.
fn frame(from: u16, to: u16) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00]);
    let mut ip = [0x45, 0, 0, 29, 0, 0, 0, 0, 64, UDP, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
    let sum: u32 = ip.as_chunks::<2>().0.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    [ip[10], ip[11]] = checksum.to_be_bytes();
    frame.extend(ip);
    frame.extend([from.to_be_bytes(), to.to_be_bytes(), 9_u16.to_be_bytes(), [0, 0]].concat());
    frame.push(b'x');
    frame
}
