//! Short-lived client processes that use few ports again and again, and servers that tell them who they are.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::args::Args;
use super::wire::TCP;
use crate::sys;
use crate::truth::Meeting;

/// First port of the clients, below the kernel's ephemeral ports.
const FIRST_PORT: u32 = 20_000;
/// Maximum wait for an answer: a packet that is dropped is sent again, and that one may be dropped too.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The request, and what follows the server's number in the answer, bytes.
const FILLER: [u8; 400] = [b'q'; 400];

/// Serves at `--at` on `--servers` ports from `--port` on, over TCP and UDP, with a process for each port, until it is killed.
pub(super) fn serve(args: &Args) -> Result<()> {
    let (at, port, servers): (IpAddr, u16, u16) = (args.need("at")?, args.need("port")?, args.need("servers")?);
    let all: Result<Vec<_>> = (port..port + servers).map(|port| serve_port(SocketAddr::new(at, port))).collect();
    println!("ready");
    all?.into_iter().try_for_each(sys::Forked::join)
}

/// A process for TCP, which forks one for UDP.
fn serve_port(at: SocketAddr) -> Result<sys::Forked> {
    let (listener, socket) = (TcpListener::bind(at)?, UdpSocket::bind(at)?);
    sys::listen(&listener, 4096)?;
    sys::fork(move || {
        let _datagrams = sys::fork(move || answer_datagrams(&socket))?;
        loop {
            let stream = listener.accept()?.0;
            // A client that gets no answer reports that.
            thread::spawn(move || answer(stream).ok());
        }
    })
}

fn who() -> Vec<u8> {
    [format!("{}\n", std::process::id()).as_bytes(), &FILLER].concat()
}

/// The server closes first: it is the one whose port stays taken, so that the client's can be used again at once.
fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.read_exact(&mut [0; FILLER.len()])?;
    Ok(stream.write_all(&who())?)
}

fn answer_datagrams(socket: &UdpSocket) -> Result<()> {
    loop {
        let (_, peer) = socket.recv_from(&mut [0; FILLER.len()])?;
        socket.send_to(&who(), peer)?;
    }
}

/// Makes `--count` conversations over `--protocol` with the servers at `--to`, each by a process of its own, `--at-a-time` of them
/// at once. Client and server ports are taken in turn, `--ports` and `--servers` of them. Prints a line of truth for each.
pub(super) fn ask(args: &Args) -> Result<()> {
    let (count, at_a_time): (u32, usize) = (args.need("count")?, args.get("at-a-time", 200)?);
    let (ports, servers): (u32, u32) = (args.need("ports")?, args.need("servers")?);
    let (to, protocol): (SocketAddr, u8) = (args.need("to")?, args.need("protocol")?);
    let mut running = VecDeque::new();
    for n in 0..count {
        if running.len() >= at_a_time {
            running.pop_front().map_or(Ok(()), sys::Forked::join)?;
        }
        let port = u16::try_from(FIRST_PORT + n % ports)?;
        let to = SocketAddr::new(to.ip(), to.port() + u16::try_from(n / ports % servers)?);
        running.push_back(sys::fork(|| meet(protocol, port, to))?);
    }
    running.into_iter().try_for_each(sys::Forked::join)
}

fn meet(protocol: u8, port: u16, to: SocketAddr) -> Result<()> {
    let talk = if protocol == TCP { over_tcp(port, to) } else { over_udp(port, to) };
    let answer = talk.with_context(|| format!("protocol {protocol}, port {port} to {to}"))?;
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let server = std::str::from_utf8(line)?.parse()?;
    let truth = Meeting { protocol, ports: (port, to.port()), pids: (std::process::id(), server) };
    // One write, so that lines of several processes are not mixed.
    std::io::stdout().write_all(format!("{}\n", serde_json::to_string(&truth)?).as_bytes())?;
    Ok(())
}

fn over_tcp(port: u16, to: SocketAddr) -> Result<Vec<u8>> {
    let socket = sys::socket(to.ip(), libc::SOCK_STREAM, 0)?;
    sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    sys::bind(&socket, super::wire::unspecified(to.ip(), port))?;
    sys::connect(&socket, to)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&FILLER)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.len() > FILLER.len(), "a cut answer");
    Ok(answer)
}

fn over_udp(port: u16, to: SocketAddr) -> Result<Vec<u8>> {
    let socket = UdpSocket::bind(super::wire::unspecified(to.ip(), port))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(to)?;
    socket.send(&FILLER)?;
    let mut answer = vec![0; 2 * FILLER.len()];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}
