//! The protocol of exchanges: the client sends one line that says who closes first, and the server answers with a line
//! that describes its process.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::sys::{self, Forked};
use crate::truth::{Exchange, Expected, TrueEnd};

/// IP protocol numbers.
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// Both loopback addresses.
pub(super) const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Timeout of reads; no exchange takes longer unless something is broken.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Who closes a TCP connection first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closer {
    Client,
    Server,
}

impl Closer {
    pub(super) const fn request(self) -> &'static [u8] {
        match self {
            Self::Client => b"c\n",
            Self::Server => b"s\n",
        }
    }
}

/// How a client makes its exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) scenario: &'a str,
    pub(super) target: SocketAddr,
    /// Port to bind to; 0: the kernel chooses.
    pub(super) port: u16,
    pub(super) closer: Closer,
    /// How long the connection stays open after the answer.
    pub(super) hold: Duration,
}

impl<'a> Plan<'a> {
    /// A plain exchange in which the client closes at once.
    pub(super) const fn plain(scenario: &'a str, target: SocketAddr) -> Self {
        Self { scenario, target, port: 0, closer: Closer::Client, hold: Duration::ZERO }
    }
}

/// The unspecified address of the same family.
pub(super) const fn unspecified(like: IpAddr, port: u16) -> SocketAddr {
    let address = match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(address, port)
}

/// A TCP socket bound as the plan says.
fn tcp_socket(target: SocketAddr, port: u16) -> io::Result<OwnedFd> {
    let fd = sys::socket(target.ip(), libc::SOCK_STREAM, 0)?;
    if port != 0 {
        sys::set_option(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        sys::bind(&fd, unspecified(target.ip(), port))?;
    }
    Ok(fd)
}

/// Connects from the wanted port, or from one that the kernel chooses if an earlier exchange still has the wanted port.
fn tcp_connect(target: SocketAddr, port: u16) -> io::Result<TcpStream> {
    let attempt = |port| {
        let fd = tcp_socket(target, port)?;
        sys::connect(&fd, target)?;
        Ok(TcpStream::from(fd))
    };
    attempt(port).or_else(|error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable if port != 0 => attempt(0),
        _ => Err(error),
    })
}

/// A complete TCP exchange by the calling process.
pub(super) fn tcp_exchange(plan: Plan<'_>) -> Result<Exchange> {
    let mut exchange = Exchange::begin(plan.scenario, TCP, unspecified(plan.target.ip(), 0), plan.target);
    let stream = tcp_connect(plan.target, plan.port).with_context(|| format!("connect to {}", plan.target))?;
    exchange.set_source(stream.local_addr()?);
    tcp_finish(exchange, stream, plan)
}

/// The rest of an exchange whose connection is established.
pub(super) fn tcp_finish(mut exchange: Exchange, mut stream: TcpStream, plan: Plan<'_>) -> Result<Exchange> {
    let server = tcp_talk(&mut stream, plan.closer.request())?;
    exchange.destination_end = Expected::Process(server);
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    thread::sleep(plan.hold);
    if plan.closer == Closer::Server {
        stream.read_to_end(&mut Vec::new()).context("await the server's close")?;
    }
    drop(stream);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}

/// Sends a request and reads which process answered.
pub(super) fn tcp_talk(stream: &mut TcpStream, request: &[u8]) -> Result<TrueEnd> {
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.write_all(request).context("send request")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("read answer")?;
    serde_json::from_str(&line).with_context(|| format!("answer {line:?}"))
}

/// The calling process as an answer line.
pub(super) fn answer() -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&TrueEnd::current()?)?;
    line.push(b'\n');
    Ok(line)
}

/// Answers requests on an accepted connection until either side closes.
pub(super) fn serve_connection(mut stream: TcpStream) -> Result<()> {
    let mut buffer = [0; 64];
    loop {
        let size = stream.read(&mut buffer)?;
        if size == 0 {
            return Ok(());
        }
        stream.write_all(&answer()?)?;
        if buffer.starts_with(Closer::Server.request()) {
            return Ok(());
        }
    }
}

/// Forks a process that listens on a TCP port of its own at `address` and does `work` with it.
pub(super) fn fork_listener(
    address: IpAddr,
    work: impl FnOnce(TcpListener) -> Result<()>,
) -> Result<(Forked, SocketAddr)> {
    fork_bound(|| TcpListener::bind((address, 0)), TcpListener::local_addr, work)
}

/// Forks a process that binds a UDP socket at `address` and does `work` with it.
pub(super) fn fork_receiver(
    address: IpAddr,
    work: impl FnOnce(UdpSocket) -> Result<()>,
) -> Result<(Forked, SocketAddr)> {
    fork_bound(|| UdpSocket::bind((address, 0)), UdpSocket::local_addr, work)
}

/// Forks a process that opens a socket and does `work` with it.
pub(super) fn fork_bound<S>(
    open: impl FnOnce() -> io::Result<S>,
    address: impl FnOnce(&S) -> io::Result<SocketAddr>,
    work: impl FnOnce(S) -> Result<()>,
) -> Result<(Forked, SocketAddr)> {
    let (reader, mut writer) = io::pipe()?;
    let child = sys::fork(move || {
        let socket = open()?;
        writeln!(writer, "{}", address(&socket)?)?;
        drop(writer);
        work(socket)
    })?;
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line)?;
    Ok((child, line.trim().parse().context("address of the forked server")?))
}

/// Accepts and serves one connection after the other, until this process is killed.
pub(super) fn accept_forever(listener: &TcpListener) -> Result<()> {
    loop {
        serve_connection(listener.accept()?.0)?;
    }
}

/// Answers datagrams over an unconnected socket, until this process is killed.
pub(super) fn answer_forever(socket: &UdpSocket) -> Result<()> {
    loop {
        let (_, peer) = socket.recv_from(&mut [0; 64])?;
        socket.send_to(&answer()?, peer)?;
    }
}

/// A UDP socket for talking to `target`, bound to `port`, or to a port that the kernel chooses if `port` is 0 or taken. Reads have
/// a time limit.
pub(super) fn udp_socket(target: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let bound = UdpSocket::bind(unspecified(target, port)).or_else(|_| UdpSocket::bind(unspecified(target, 0)));
    let socket = bound?;
    socket.set_read_timeout(Some(READ_TIMEOUT))?;
    Ok(socket)
}

/// One UDP request and answer by the calling process, over a connected or an unconnected socket.
pub(super) fn udp_exchange(plan: Plan<'_>, connected: bool) -> Result<Exchange> {
    let mut exchange = Exchange::begin(plan.scenario, UDP, unspecified(plan.target.ip(), 0), plan.target);
    let socket = udp_socket(plan.target.ip(), plan.port)?;
    let mut buffer = [0; 1024];
    let size = if connected {
        socket.connect(plan.target)?;
        socket.send(plan.closer.request())?;
        socket.recv(&mut buffer)
    } else {
        socket.send_to(plan.closer.request(), plan.target)?;
        socket.recv_from(&mut buffer).map(|(size, _)| size)
    };
    let size = size.context("await the answer")?;
    let bound = socket.local_addr()?;
    // An unconnected socket has no local address. These are only used on loopback, where it is the target's.
    let address = if connected { bound.ip() } else { plan.target.ip() };
    exchange.set_source(SocketAddr::new(address, bound.port()));
    let answer = buffer.get(..size).unwrap_or_default();
    exchange.destination_end = Expected::Process(serde_json::from_slice(answer).context("UDP answer")?);
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    thread::sleep(plan.hold);
    drop(socket);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}
