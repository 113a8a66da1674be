//! More connections than a slow agent can follow, each with its truth. The clients use the same addresses and ports in
//! turn, so that a record can name the process of an earlier connection.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::args::Args;
use super::wire::{self, LOOPBACKS, TCP};
use crate::sys::{self, Forked};
use crate::truth::{Exchange, Expected, TrueEnd};

/// Number of client processes at a time.
const CLIENTS: usize = 4;
/// Ports of the clients, below the kernel's ephemeral ports. Each is used again after that many connections.
const PORTS: Range<u16> = 20_000..28_000;
/// Every so many connections, one is made by a process of its own.
const CONNECTIONS_PER_CHILD: usize = 32;
/// The client will reset the connection; otherwise the server closes it first.
const RESET: &str = "r\n";
/// How long a client waits for a port that an earlier connection still has.
const PORT_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes `--count` connections to a server, as fast as the clients can. With `--workers`, so many processes accept on a
/// listener that they inherited; with 0 its owner does. The ports are used again only when all have been used, so that it
/// is certain which record is of which connection.
pub(super) fn run(args: &Args) -> Result<()> {
    let (count, workers) = (args.get("count", 20_000)?, args.get("workers", 0)?);
    let truth = args.truth()?;
    let (_server, target) = wire::fork_listener(LOOPBACKS[0], move |listener| {
        sys::listen(&listener, 4096)?;
        serve(&listener, workers)
    })?;
    args.await_go()?;
    for first in (0..count).step_by(PORTS.len()) {
        let round = first..count.min(first + PORTS.len());
        let client =
            |number| sys::fork(|| Client { number, target, servers: HashMap::new() }.run(round.clone(), &truth));
        let clients = (0..CLIENTS).map(client).collect::<Result<Vec<_>>>()?;
        clients.into_iter().try_for_each(Forked::join)?;
    }
    Ok(())
}

fn serve(listener: &TcpListener, workers: usize) -> Result<()> {
    if workers == 0 {
        return accept(listener);
    }
    let workers = (0..workers).map(|_| sys::fork(|| accept(listener))).collect::<Result<Vec<_>>>()?;
    workers.into_iter().try_for_each(Forked::join)
}

/// Answers every connection with a line about this process.
fn accept(listener: &TcpListener) -> Result<()> {
    let line = wire::answer()?;
    loop {
        let (stream, _) = listener.accept()?;
        // A client that is killed resets its connection.
        let _ = answer(stream, &line);
    }
}

fn answer(stream: TcpStream, line: &[u8]) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request)?;
    stream.get_mut().write_all(line)?;
    if request == RESET {
        // Until the client resets the connection.
        let _ = stream.read_line(&mut request);
    }
    Ok(())
}

/// One of the client processes.
struct Client {
    number: usize,
    target: SocketAddr,
    /// Server processes by the line with which they answer.
    servers: HashMap<String, TrueEnd>,
}

impl Client {
    /// Makes this client's part of a round and then writes the truth of it.
    fn run(mut self, round: Range<usize>, truth: &File) -> Result<()> {
        let own = TrueEnd::current()?;
        let mut made = Vec::new();
        let number = self.number;
        for turn in round.filter(|turn| client_of(*turn) == number) {
            if (turn / CLIENTS).is_multiple_of(CONNECTIONS_PER_CHILD) {
                sys::fork(|| self.connect(turn, &TrueEnd::current()?)?.append_to(truth))?.join()?;
            } else {
                made.push(self.connect(turn, &own)?);
            }
        }
        made.iter().try_for_each(|exchange| exchange.append_to(truth))
    }

    fn connect(&mut self, turn: usize, own: &TrueEnd) -> Result<Exchange> {
        let port = PORTS.start + u16::try_from(turn % PORTS.len())?;
        let source = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut exchange = Exchange::begin("overload", TCP, source, self.target);
        let stream = connect_from(source, self.target)?;
        let resets = turn.is_multiple_of(2);
        if resets {
            sys::reset_on_close(&stream)?;
        }
        let server = self.ask(stream, if resets { RESET } else { "\n" })?;
        exchange.end_ns = sys::now_ns();
        exchange.source_end = Expected::Process(own.clone());
        exchange.destination_end = Expected::Process(server);
        Ok(exchange)
    }

    fn ask(&mut self, stream: TcpStream, request: &str) -> Result<TrueEnd> {
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        stream.read_line(&mut line).context("no answer")?;
        if request != RESET {
            stream.read_line(&mut String::new()).context("await the server's close")?;
        }
        if let Some(known) = self.servers.get(&line) {
            return Ok(known.clone());
        }
        let server: TrueEnd = serde_json::from_str(&line).context("answer")?;
        self.servers.insert(line, server.clone());
        Ok(server)
    }
}

/// The client that makes a connection: another one each time that a port is used.
fn client_of(turn: usize) -> usize {
    (turn + turn / PORTS.len()) % CLIENTS
}

/// Connects from that address and port, as soon as no other connection has them.
fn connect_from(source: SocketAddr, target: SocketAddr) -> Result<TcpStream> {
    let begun = Instant::now();
    loop {
        match attempt(source, target) {
            Err(e) if begun.elapsed() < PORT_TIMEOUT && is_in_use(&e) => std::thread::yield_now(),
            outcome => return outcome.with_context(|| format!("connect from {source}")),
        }
    }
}

fn attempt(source: SocketAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let fd = sys::socket(IpAddr::V4(Ipv4Addr::LOCALHOST), libc::SOCK_STREAM, 0)?;
    sys::set_option(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    sys::bind(&fd, source)?;
    sys::connect(&fd, target)?;
    Ok(TcpStream::from(fd))
}

fn is_in_use(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}
