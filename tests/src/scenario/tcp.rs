//! TCP connections whose owner is easily mistaken for another process.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::args::Args;
use super::wire::{self, Closer, LOOPBACKS, Plan, TCP};
use crate::sys;
use crate::truth::{Exchange, Expected, TrueEnd};

/// A listener whose forked workers accept; the owner is the worker.
pub(super) fn prefork(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let (workers, count) = (args.get("workers", 4_u32)?, args.get("count", 40_u32)?);
    for address in LOOPBACKS {
        let (_listener, target) = wire::fork_listener(address, |listener| {
            let pool: Result<Vec<_>> = (0..workers).map(|_| sys::fork(|| wire::accept_forever(&listener))).collect();
            pool?.into_iter().try_for_each(sys::Forked::join)
        })?;
        for _ in 0..count / 2 {
            wire::tcp_exchange(Plan::plain("prefork", target))?.append_to(&truth)?;
        }
    }
    Ok(())
}

/// One process accepts and passes the descriptor on; the owner is the process that uses it.
pub(super) fn fdpass(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for address in LOOPBACKS {
        let (give, take) = UnixStream::pair()?;
        let _worker = sys::fork(|| {
            while let Some(descriptor) = sys::receive_descriptor(&take)? {
                wire::serve_connection(TcpStream::from(descriptor))?;
            }
            Ok(())
        })?;
        let (_acceptor, target) = wire::fork_listener(address, |listener| pass_on(&listener, &give))?;
        for _ in 0..args.get("count", 10_u32)? / 2 {
            wire::tcp_exchange(Plan::plain("fdpass", target))?.append_to(&truth)?;
        }
    }
    Ok(())
}

fn pass_on(listener: &TcpListener, give: &UnixStream) -> Result<()> {
    // With a name of its own, a wrong attribution to this process is visible.
    sys::set_own_name("pf-acceptor")?;
    loop {
        let (stream, _) = listener.accept()?;
        sys::send_descriptor(give, stream.as_raw_fd())?;
    }
}

/// Connections made before `--go` appears (before the agent starts), used and closed afterwards.
pub(super) fn preexisting(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let mut older = Vec::new();
    for address in LOOPBACKS {
        let (server, target) = wire::fork_listener(address, |listener| wire::accept_forever(&listener))?;
        let mut stream = TcpStream::connect(target)?;
        wire::tcp_talk(&mut stream, Closer::Client.request())?;
        older.push((server, target, stream));
    }
    args.await_go()?;
    for (_server, target, mut stream) in older {
        let mut exchange = Exchange::begin("preexisting", TCP, stream.local_addr()?, target);
        for _ in 0..5 {
            let server = wire::tcp_talk(&mut stream, Closer::Client.request())?;
            exchange.destination_end = Expected::Process(server);
        }
        exchange.source_end = Expected::Process(TrueEnd::current()?);
        drop(stream);
        exchange.end_ns = sys::now_ns();
        exchange.append_to(&truth)?;
    }
    Ok(())
}

/// The process that connects replaces itself before it sends anything; the owner is the new program.
pub(super) fn exec_after_connect(args: &Args) -> Result<()> {
    let truth: String = args.need("truth")?;
    let dir = super::burst::executables()?;
    for address in LOOPBACKS {
        let (_server, target) = wire::fork_listener(address, |listener| wire::accept_forever(&listener))?;
        let client = sys::fork(|| {
            let start = sys::now_ns();
            let stream = TcpStream::connect(target)?;
            // SAFETY: duplicates an open descriptor; the copy is meant to survive the exec.
            let copy = sys::check(unsafe { libc::dup(stream.as_raw_fd()) })?;
            let error = Command::new(dir.path().join("pf-after"))
                .args(["exec-continue", "--truth", &truth, "--fd", &copy.to_string()])
                .args(["--start-ns", &start.to_string()])
                .exec();
            Err(error.into())
        })?;
        client.join()?;
    }
    Ok(())
}

/// What the new program of `exec-after-connect` does.
pub(super) fn exec_continue(args: &Args) -> Result<()> {
    // SAFETY: the descriptor was left open for this program, which is its only owner.
    let stream = unsafe { TcpStream::from_raw_fd(args.need("fd")?) };
    let target = stream.peer_addr()?;
    let mut exchange = Exchange::begin("exec-after-connect", TCP, stream.local_addr()?, target);
    exchange.start_ns = args.need("start-ns")?;
    wire::tcp_finish(exchange, stream, Plan::plain("exec-after-connect", target))?.append_to(&args.truth()?)
}

/// A port below the kernel's ephemeral ports that `burst` does not use.
const COMEBACK_PORT: u16 = 21_000;
/// On loopback the kernel reuses a port whose connection ended over a second ago (`tcp_tw_reuse`), by a clock of whole
/// seconds.
const COMEBACK: Duration = Duration::from_millis(2_100);
/// Longer than the agent keeps a connection that was reset.
const OUTLAST: Duration = Duration::from_millis(2_500);

/// A client connects again from the port of an earlier connection that the server has not closed: the server answers
/// the SYN for the earlier connection, the client resets it and sends the SYN again. The owner is the same, and the
/// second connection is one flow, however long it takes.
pub(super) fn comeback(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let (_server, target) = wire::fork_listener(LOOPBACKS[0], |listener| {
        let (mut kept, _) = listener.accept()?;
        let _ = kept.read(&mut [0; 64])?;
        kept.write_all(&wire::answer()?)?;
        wire::accept_forever(&listener)
    })?;
    let plan = Plan { port: COMEBACK_PORT, ..Plan::plain("comeback", target) };
    let first = wire::tcp_exchange(plan)?;
    thread::sleep(COMEBACK);
    let second = wire::tcp_exchange(Plan { hold: OUTLAST, ..plan })?;
    ensure!(first.source_port == second.source_port, "port {COMEBACK_PORT} could not be used again");
    first.append_to(&truth)?;
    second.append_to(&truth)
}

/// Connects to ports on which no process listens.
pub(super) fn refused(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for number in 0..args.get("count", 10_u32)? {
        let address = if number.is_multiple_of(2) { LOOPBACKS[0] } else { LOOPBACKS[1] };
        // This port was free a moment ago, and the kernel does not assign it again soon.
        let target = TcpListener::bind((address, 0))?.local_addr()?;
        Failing { scenario: "refused", source: address, target, error: libc::ECONNREFUSED }
            .connect()?
            .append_to(&truth)?;
    }
    Ok(())
}

/// TCP connects to multicast addresses, which the kernel refuses before it sends a packet or, where the socket is not
/// bound, chooses a port. With `--error unknown`, the agent need not know why.
pub(super) fn unroutable(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let is_known = args.get("error", "known".to_owned())? == "known";
    for (source, group) in LOOPBACKS.into_iter().zip(["239.192.0.1:7070", "[ff0e::1]:7070"]) {
        let failing = Failing { scenario: "unroutable", source, target: group.parse()?, error: libc::ENETUNREACH };
        for exchange in [failing.connect()?, failing.connect_unbound()?] {
            let error = exchange.error.filter(|_| is_known);
            Exchange { error, destination_end: Expected::Unchecked, ..exchange }.append_to(&truth)?;
        }
    }
    Ok(())
}

/// Connects to a listener whose queue is full: the kernel drops the SYNs (`sk_acceptq_is_full` in `tcp_conn_request`),
/// which needs no firewall and no second host. With `TCP_SYNCNT` 1 the kernel gives up after 3 seconds.
pub(super) fn timeout(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for address in LOOPBACKS {
        let listener = sys::socket(address, libc::SOCK_STREAM, 0)?;
        sys::bind(&listener, SocketAddr::new(address, 0))?;
        sys::listen(&listener, 0)?;
        let target = TcpListener::from(listener.try_clone()?).local_addr()?;
        // A queue of length 0 takes one connection, which is never accepted.
        let _filler = TcpStream::connect(target)?;
        Failing { scenario: "timeout", source: address, target, error: libc::ETIMEDOUT }
            .connect()?
            .append_to(&truth)?;
    }
    Ok(())
}

/// A connect that must fail with `error`.
pub(super) struct Failing<'a> {
    pub(super) scenario: &'a str,
    pub(super) source: IpAddr,
    pub(super) target: SocketAddr,
    pub(super) error: i32,
}

impl Failing<'_> {
    pub(super) fn connect(&self) -> Result<Exchange> {
        let fd = sys::socket(self.target.ip(), libc::SOCK_STREAM, 0)?;
        // Bound before the connect: after a failed connect the socket no longer has its port.
        sys::bind(&fd, SocketAddr::new(self.source, 0))?;
        self.connect_with(fd)
    }

    /// Connects without an address and a port.
    fn connect_unbound(&self) -> Result<Exchange> {
        self.connect_with(sys::socket(self.target.ip(), libc::SOCK_STREAM, 0)?)
    }

    fn connect_with(&self, fd: OwnedFd) -> Result<Exchange> {
        let (target, error) = (self.target, self.error);
        if error == libc::ETIMEDOUT {
            sys::set_option(&fd, libc::IPPROTO_TCP, libc::TCP_SYNCNT, 1)?;
        }
        let source = TcpListener::from(fd.try_clone()?).local_addr()?;
        let mut exchange = Exchange::begin(self.scenario, TCP, source, target);
        let Err(failure) = sys::connect(&fd, target) else { bail!("connect to {target} did not fail") };
        if failure.raw_os_error() != Some(error) {
            bail!("connect to {target} failed with {failure}, not with error {error}");
        }
        drop(fd);
        exchange.end_ns = sys::now_ns();
        exchange.source_end = Expected::Process(TrueEnd::current()?);
        // The agent may name the owner of a listener whose queue is full, or not.
        let silent = error == libc::ETIMEDOUT;
        exchange.destination_end = if silent { Expected::Unchecked } else { Expected::Nobody };
        exchange.error = Some(error);
        Ok(exchange)
    }
}

/// Threads with names of their own do all the work on both sides; the owner is the process with its leader's name.
pub(super) fn threads(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    for address in LOOPBACKS {
        let (_server, target) =
            wire::fork_listener(address, |listener| in_thread("pf-io-server", || wire::accept_forever(&listener)))?;
        let client = sys::fork(|| {
            in_thread("pf-io-client", || wire::tcp_exchange(Plan::plain("threads", target))?.append_to(&truth))
        })?;
        client.join()?;
    }
    Ok(())
}

fn in_thread(name: &str, work: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work)?;
        worker.join().unwrap_or_else(|_| bail!("thread {name} panicked"))
    })
}
