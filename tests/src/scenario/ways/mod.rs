//! Every way to move bytes into and out of a socket, and to get a socket. In each, the process that uses the socket is the owner.

mod holders;
mod mover;
mod packets;
mod uring;

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};

use super::args::Args;
use super::setting::Setting;
use super::wire::{self, LOOPBACKS, TCP, UDP};
use crate::sys;
use crate::truth::{Exchange, Expected, TrueEnd};
use mover::Mover;

/// IP protocol numbers.
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;
const MPTCP: i32 = 262;

/// All ways, each an option `--way` of the scenario.
pub const ALL: [&str; 25] = [
    "tcp-mmsg",
    "tcp-sendfile",
    "tcp-splice",
    "tcp-zerocopy",
    "tcp-uring",
    "tcp-uring-multishot",
    "tcp-uring-sqpoll",
    "tcp-ktls",
    "tcp-fastopen",
    "mptcp",
    "mptcp-to-tcp",
    "sctp-one-to-one",
    "sctp-one-to-many",
    "udp-mmsg",
    "udp-zerocopy",
    "udp-uring",
    "udp-lite",
    "udp-passed",
    "raw",
    "packet-socket",
    "activated-tcp",
    "activated-udp",
    "stolen",
    "fork-client",
    "fork-server",
];

/// Why this kernel does not support a way; none: it does.
#[must_use]
pub fn missing(way: &str) -> Option<String> {
    let opens = |kind, protocol| sys::socket(LOOPBACKS[0], kind, protocol).err().map(|e| e.to_string());
    match way {
        "sctp-one-to-one" => opens(libc::SOCK_STREAM, i32::from(SCTP)).map(|e| format!("no SCTP: {e}")),
        "sctp-one-to-many" => opens(libc::SOCK_SEQPACKET, i32::from(SCTP)).map(|e| format!("no SCTP: {e}")),
        "udp-lite" => opens(libc::SOCK_DGRAM, i32::from(UDP_LITE)).map(|e| format!("no UDP-Lite: {e}")),
        "mptcp" | "mptcp-to-tcp" => opens(libc::SOCK_STREAM, MPTCP).map(|e| format!("no MPTCP: {e}")),
        "tcp-ktls" => no_ktls(),
        _ if way.contains("uring") => uring::missing(),
        _ => None,
    }
}

/// Why there is no kernel TLS, which the kernel lists as an upper layer protocol of TCP (`CONFIG_TLS`); none: it is there.
fn no_ktls() -> Option<String> {
    let offered = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp").unwrap_or_default();
    (!offered.split_whitespace().any(|name| name == "tls")).then(|| format!("no kTLS, only {:?}", offered.trim()))
}

/// Makes `--count` exchanges in the way `--way`.
pub(super) fn run(args: &Args) -> Result<()> {
    let (truth, way) = (args.truth()?, args.need::<String>("way")?);
    let _fastopen = match way.as_str() {
        "tcp-fastopen" => Some(Setting::change("/proc/sys/net/ipv4/tcp_fastopen", "3")?),
        _ => None,
    };
    for number in 0..args.get("count", 4_u8)? {
        let [four, six] = LOOPBACKS;
        let target = if number.is_multiple_of(2) { four } else { six };
        let exchange = match way.as_str() {
            "tcp-ktls" | "sctp-one-to-many" => bail!("{way}: {}", missing(&way).unwrap_or_default()),
            "mptcp" => streams(&way, target, (MPTCP, MPTCP), Mover::Plain)?,
            "mptcp-to-tcp" => streams(&way, target, (0, MPTCP), Mover::Plain)?,
            "sctp-one-to-one" => streams(&way, target, (SCTP.into(), SCTP.into()), Mover::Plain)?,
            "tcp-fastopen" => streams(&way, target, (0, 0), Mover::FastOpen)?,
            "raw" => packets::raw(&way, number)?,
            "packet-socket" => packets::framed(&way, number)?,
            "udp-passed" => holders::passed_datagrams(&way, target)?,
            "activated-tcp" => holders::activated(&way, target)?,
            "activated-udp" => holders::activated_datagrams(&way, target)?,
            "stolen" => holders::stolen(&way, target)?,
            "fork-client" => holders::forked_client(&way, target)?,
            "fork-server" => holders::forked_server(&way, target)?,
            "udp-lite" => datagrams(&way, (target, UDP_LITE), Mover::Plain)?,
            _ => match way.split_once('-') {
                Some(("tcp", by)) => streams(&way, target, (0, 0), Mover::named(by)?)?,
                Some(("udp", by)) => datagrams(&way, (target, UDP), Mover::named(by)?)?,
                _ => bail!("unknown way {way:?}"),
            },
        };
        exchange.append_to(&truth)?;
    }
    Ok(())
}

/// A connection between a client and a server process, both of which use `mover`.
fn streams(
    way: &str,
    address: std::net::IpAddr,
    (connecting, listening): (i32, i32),
    mover: Mover,
) -> Result<Exchange> {
    let open = || {
        let fd = sys::socket(address, libc::SOCK_STREAM, listening)?;
        sys::bind(&fd, SocketAddr::new(address, 0))?;
        mover.prepare_listener(&fd)?;
        sys::listen(&fd, 16)?;
        Ok(TcpListener::from(fd))
    };
    let serve = |listener: TcpListener| {
        let mut served = mover.accept(&listener)?;
        mover.receive(&mut served)?;
        mover.send(&mut served, &wire::answer()?)?;
        // The client closes first.
        served.read_to_end(&mut Vec::new()).context("await the client's close").map(drop)
    };
    let (server, target) = wire::fork_bound(open, TcpListener::local_addr, serve)?;
    let protocol = if listening == i32::from(SCTP) { SCTP } else { TCP };
    let mut exchange = Exchange::begin(way, protocol, wire::unspecified(address, 0), target);
    let fd = sys::socket(address, libc::SOCK_STREAM, connecting)?;
    let mut stream: TcpStream = mover.connect(fd, target)?;
    if mover != Mover::FastOpen {
        mover.send(&mut stream, b"c\n")?;
    }
    exchange.set_source(stream.local_addr()?);
    let answer = mover.receive(&mut stream)?;
    finish(&mut exchange, &answer)?;
    drop(stream);
    exchange.end_ns = sys::now_ns();
    server.join()?;
    Ok(exchange)
}

/// A request and an answer between two connected sockets.
fn datagrams(way: &str, (address, protocol): (std::net::IpAddr, u8), mover: Mover) -> Result<Exchange> {
    let open = || {
        let fd = sys::socket(address, libc::SOCK_DGRAM, protocol.into())?;
        sys::bind(&fd, SocketAddr::new(address, 0))?;
        Ok(UdpSocket::from(fd))
    };
    let serve = |socket: UdpSocket| {
        let (_, peer) = socket.peek_from(&mut [0; 64])?;
        socket.connect(peer)?;
        let mut served = TcpStream::from(OwnedFd::from(socket));
        mover.receive(&mut served)?;
        mover.send(&mut served, &wire::answer()?)
    };
    let (server, target) = wire::fork_bound(open, UdpSocket::local_addr, serve)?;
    let mut exchange = Exchange::begin(way, protocol, wire::unspecified(address, 0), target);
    // The handle is only read and written, which works the same for both kinds of sockets.
    let mut socket = mover.connect(sys::socket(address, libc::SOCK_DGRAM, protocol.into())?, target)?;
    exchange.set_source(socket.local_addr()?);
    mover.send(&mut socket, b"c\n")?;
    let answer = mover.receive(&mut socket)?;
    finish(&mut exchange, &answer)?;
    server.join()?;
    drop(socket);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}

/// Fills in both ends: this process, and the one that sent the answer.
fn finish(exchange: &mut Exchange, answer: &[u8]) -> Result<()> {
    let server = serde_json::from_slice(answer);
    exchange.destination_end = Expected::Process(server.context("answer of the server")?);
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    Ok(())
}

/// Sets a time limit for reads and writes.
fn limit(fd: &impl std::os::fd::AsRawFd) -> io::Result<()> {
    let limit = libc::timeval { tv_sec: 10, tv_usec: 0 };
    let size = size_of_val(&limit) as libc::socklen_t;
    // SAFETY: `limit` outlives the call and `size` is its size.
    let set =
        |option| unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const limit).cast(), size) };
    sys::check(set(libc::SO_RCVTIMEO))?;
    sys::check(set(libc::SO_SNDTIMEO)).map(drop)
}
