//! Connections that a worker accepts and closes without having read or sent anything.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::args::Args;
use super::wire::{self, LOOPBACKS, TCP};
use crate::sys;
use crate::truth::{Exchange, Expected, TrueEnd};

/// Time until data of the client has arrived.
const ARRIVAL: Duration = Duration::from_millis(5);

/// How a worker ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    AtOnce,
    /// The kernel answers with a reset.
    Unread,
    /// `SO_LINGER` 0: a reset as well.
    Reset,
    /// The client closed first, with data that no process reads.
    AfterClient,
}

const ENDINGS: [Ending; 4] = [Ending::AtOnce, Ending::Unread, Ending::Reset, Ending::AfterClient];

/// Workers share a listener whose owner is another process; each closes its connections in one of the ways of
/// [`Ending`].
pub(super) fn run(args: &Args) -> Result<()> {
    let truth = args.truth()?;
    let count = args.get("count", 6_u32)?;
    for address in LOOPBACKS {
        for ending in ENDINGS {
            let (reader, writer) = io::pipe()?;
            let (_listener, target) = wire::fork_listener(address, |listener| {
                sys::set_own_name("pf-owner")?;
                let work = || sys::fork(|| close_all(&listener, ending, &writer));
                let pool: Result<Vec<_>> = (0..2).map(|_| work()).collect();
                pool?.into_iter().try_for_each(sys::Forked::join)
            })?;
            let mut told = BufReader::new(reader);
            for _ in 0..count {
                let mut exchange = meet(target, ending)?;
                let mut line = String::new();
                told.read_line(&mut line).context("who accepted")?;
                exchange.destination_end = Expected::Process(serde_json::from_str(&line)?);
                exchange.append_to(&truth)?;
            }
        }
    }
    Ok(())
}

fn close_all(listener: &TcpListener, ending: Ending, mut tell: &io::PipeWriter) -> Result<()> {
    sys::set_own_name("pf-closer")?;
    let mut line = serde_json::to_vec(&TrueEnd::current()?)?;
    line.push(b'\n');
    loop {
        let (stream, _) = listener.accept()?;
        if ending != Ending::AtOnce {
            thread::sleep(ARRIVAL);
        }
        if ending == Ending::Reset {
            sys::reset_on_close(&stream)?;
        }
        drop(stream);
        tell.write_all(&line)?;
    }
}

fn meet(target: SocketAddr, ending: Ending) -> Result<Exchange> {
    let mut exchange = Exchange::begin("accept-close", TCP, wire::unspecified(target.ip(), 0), target);
    let mut stream = TcpStream::connect(target)?;
    exchange.set_source(stream.local_addr()?);
    if matches!(ending, Ending::Unread | Ending::AfterClient) {
        stream.write_all(b"nobody reads this")?;
    }
    if ending != Ending::AfterClient {
        // The end of the stream or a reset.
        let _ = stream.read(&mut [0; 8]);
    }
    exchange.source_end = Expected::Process(TrueEnd::current()?);
    drop(stream);
    exchange.end_ns = sys::now_ns();
    Ok(exchange)
}
