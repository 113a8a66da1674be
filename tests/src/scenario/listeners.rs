//! Connections that do not belong to the owner of their listener, or may not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::args::Args;
use super::wire::{self, LOOPBACKS, Plan, TCP};
use crate::sys::{self, Forked};
use crate::truth::{Exchange, Expected, TrueEnd};

/// Time until a connection is in the listener's queue.
const ARRIVAL: Duration = Duration::from_millis(20);
/// Longer than the time after the last packet in which a close still counts for the flow.
const LATE_CLOSE: Duration = Duration::from_millis(150);

/// What a worker does with a connection of a listener that belongs to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    /// Accepts, reads nothing, and closes after the client.
    Holds,
    /// Accepts long after the client has reset the connection.
    IsLate,
}

/// Listeners at one address, and workers that take connections of another process's listener without reading from them.
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for _ in 0..args.get("count", 3_u32)? {
        for address in LOOPBACKS {
            sharing(SocketAddr::new(address, 0), &truth)?;
            inherited(address, Worker::Holds)?.append_to(&truth)?;
            inherited(address, Worker::IsLate)?.append_to(&truth)?;
        }
    }
    Ok(())
}

/// Two processes listen at one address (`SO_REUSEPORT`) and accept; then two that do not.
fn sharing(any_port: SocketAddr, truth: &File) -> Result<()> {
    let (target, servers) = two_listeners(any_port, wire::accept_forever)?;
    wire::tcp_exchange(Plan::plain("reuseport-accepted", target))?.append_to(truth)?;
    drop(servers);
    let (target, servers) = two_listeners(any_port, sleep_forever)?;
    let mut exchange = meet("reuseport-waiting", target, false)?;
    // The kernel chose one of the two, and does not report which.
    exchange.destination_end = Expected::Nobody;
    drop(servers);
    exchange.append_to(truth)
}

fn two_listeners(
    any_port: SocketAddr,
    work: impl Fn(&TcpListener) -> Result<()> + Copy,
) -> Result<(SocketAddr, [Forked; 2])> {
    let first = reserve(any_port)?;
    let target = first.local_addr()?;
    let second = reserve(target)?;
    Ok((target, [listening(&first, work)?, listening(&second, work)?]))
}

/// Binds without listening: the process that is to own the listener calls listen.
fn reserve(at: SocketAddr) -> Result<TcpListener> {
    let fd = sys::socket(at.ip(), libc::SOCK_STREAM, 0)?;
    sys::set_option(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    sys::bind(&fd, at)?;
    Ok(TcpListener::from(fd))
}

fn listening(listener: &TcpListener, work: impl Fn(&TcpListener) -> Result<()>) -> Result<Forked> {
    let (mut has_begun, mut begun) = io::pipe()?;
    let process = sys::fork(move || {
        sys::listen(listener, 16)?;
        begun.write_all(b".")?;
        work(listener)
    })?;
    has_begun.read_exact(&mut [0]).context("the process does not listen")?;
    Ok(process)
}

fn sleep_forever(_: &TcpListener) -> Result<()> {
    loop {
        thread::sleep(LATE_CLOSE);
    }
}

/// A connection to a listener whose owner has a worker.
fn inherited(address: IpAddr, worker: Worker) -> Result<Exchange> {
    let (reader, writer) = io::pipe()?;
    let (_owner, target) = wire::fork_listener(address, |listener| {
        sys::set_own_name("pf-owner")?;
        sys::fork(|| take(&listener, worker, &writer))?.join()
    })?;
    let mut exchange = meet("inherited", target, worker == Worker::IsLate)?;
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).context("who accepted")?;
    exchange.destination_end = Expected::Process(serde_json::from_str(&line)?);
    Ok(exchange)
}

fn take(listener: &TcpListener, worker: Worker, mut tell: &io::PipeWriter) -> Result<()> {
    sys::set_own_name("pf-worker")?;
    if worker == Worker::IsLate {
        thread::sleep(ARRIVAL + LATE_CLOSE);
    }
    let (stream, _) = listener.accept()?;
    if worker == Worker::Holds {
        thread::sleep(2 * ARRIVAL);
    }
    let line = wire::answer()?;
    drop(stream);
    tell.write_all(&line).context("tell")
}

/// A connection that ends from the client's side.
fn meet(scenario: &str, target: SocketAddr, resets: bool) -> Result<Exchange> {
    let mut exchange = Exchange::begin(scenario, TCP, wire::unspecified(target.ip(), 0), target);
    let stream = TcpStream::connect(target)?;
    exchange.set_source(stream.local_addr()?);
    thread::sleep(ARRIVAL);
    if resets {
        sys::reset_on_close(&stream)?;
    }
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    drop(stream);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}
