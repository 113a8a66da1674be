//! One process that answers on TCP and UDP, IPv4 and IPv6, with a single thread.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::wire::{self, Closer};
use crate::sys;

/// Where the server listens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) tcp4: u16,
    pub(super) tcp6: u16,
    pub(super) udp4: u16,
    pub(super) udp6: u16,
}

struct Server {
    listeners: [TcpListener; 2],
    sockets: [UdpSocket; 2],
    connections: Vec<TcpStream>,
}

/// Prints its addresses and serves until standard input ends.
pub(super) fn run() -> Result<()> {
    let mut server = Server::open()?;
    println!("{}", serde_json::to_string(&server.ports()?)?);
    while server.step()? {}
    Ok(())
}

impl Server {
    fn open() -> Result<Self> {
        let listeners = [TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?];
        for listener in &listeners {
            listener.set_nonblocking(true)?;
            // The standard library's queue of 128 overflows when the machine is busy for a moment.
            sys::listen(listener, 4096)?;
        }
        let sockets = [UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?, UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?];
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        Ok(Self { listeners, sockets, connections: Vec::new() })
    }

    fn ports(&self) -> Result<Ports> {
        let [tcp4, tcp6] = &self.listeners;
        let [udp4, udp6] = &self.sockets;
        let port = |address: io::Result<SocketAddr>| address.map(|address| address.port());
        Ok(Ports {
            tcp4: port(tcp4.local_addr())?,
            tcp6: port(tcp6.local_addr())?,
            udp4: port(udp4.local_addr())?,
            udp6: port(udp6.local_addr())?,
        })
    }

    /// Waits for something to do and does it; false when standard input has ended.
    fn step(&mut self) -> Result<bool> {
        let mut polled = self.descriptors();
        // SAFETY: the array outlives the call and its length is given.
        sys::check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, -1) }).context("poll")?;
        let ready = |fd: RawFd| polled.iter().any(|entry| entry.fd == fd && entry.revents != 0);
        if ready(libc::STDIN_FILENO) {
            return Ok(false);
        }
        self.connections.retain_mut(|stream| !ready(stream.as_raw_fd()) || still_open(stream));
        for listener in self.listeners.iter().filter(|listener| ready(listener.as_raw_fd())) {
            // A client may have given up meanwhile; other clients are not affected.
            self.connections.extend(listener.accept().map(|(stream, _)| stream));
        }
        for socket in self.sockets.iter().filter(|socket| ready(socket.as_raw_fd())) {
            answer_datagram(socket)?;
        }
        Ok(true)
    }

    fn descriptors(&self) -> Vec<libc::pollfd> {
        let fixed = [libc::STDIN_FILENO].into_iter();
        let listeners = self.listeners.iter().map(AsRawFd::as_raw_fd);
        let sockets = self.sockets.iter().map(AsRawFd::as_raw_fd);
        let connections = self.connections.iter().map(AsRawFd::as_raw_fd);
        let all = fixed.chain(listeners).chain(sockets).chain(connections);
        all.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect()
    }
}

/// Answers what has arrived; false when the connection is to be closed.
fn still_open(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 64];
    match stream.read(&mut buffer) {
        Ok(0) | Err(_) => false,
        Ok(_) => {
            let answered = wire::answer().is_ok_and(|line| stream.write_all(&line).is_ok());
            answered && !buffer.starts_with(Closer::Server.request())
        }
    }
}

fn answer_datagram(socket: &UdpSocket) -> Result<()> {
    let mut buffer = [0; 64];
    match socket.recv_from(&mut buffer) {
        // An error on this socket is about an earlier client that has gone (ICMP port unreachable).
        Ok((_, peer)) => drop(socket.send_to(&wire::answer()?, peer)),
        Err(error) => drop(error),
    }
    Ok(())
}
