//! The work of the thread of one TCP port: IPFIX over connections of exporters (RFC 7011 section 10.4), or lines of JSON. The first
//! octet of a connection says which.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pidflow_exporters::threads::Outcome;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::decoding::Decoding;

/// The largest message, and the size of a connection's buffer.
const MAX_MESSAGE: usize = 65_536;
/// The longest line of JSON, octets: [`MAX_CONNECTIONS`] of them must fit into the memory.
const MAX_LINE: usize = 1 << 17;
/// Octets of a message up to its length.
const HEADER: usize = 4;
/// Maximum number of connections; further ones wait in the kernel.
const MAX_CONNECTIONS: usize = 1024;
/// A connection without a message for this long is closed, so that it does not take the place of another.
const MAX_SILENCE: Duration = Duration::from_secs(3600);
/// How long the thread waits for octets before it looks whether it shall end.
const WAIT: Duration = Duration::from_millis(100);
/// Reads of one connection before the others have their turn.
const READS_PER_TURN: usize = 4;

/// The connection of an exporter.
struct Connection {
    stream: TcpStream,
    exporter: SocketAddr,
    /// What has arrived of the next messages.
    octets: Vec<u8>,
    heard: Instant,
}

/// A listening port and its connections.
pub(super) struct Streams {
    listener: TcpListener,
    address: SocketAddr,
}

impl Streams {
    /// Opens it.
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let open = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok::<_, std::io::Error>(Self { listener, address })
        };
        open().with_context(|| format!("cannot receive from exporters at {address}; choose another address"))
    }

    /// `tcp://ADDRESS:PORT`.
    pub(super) fn name(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Its number.
    pub(super) const fn number(&self) -> u16 {
        self.address.port()
    }
}

/// Receives the messages of one port.
pub(super) struct ReceivingStreams {
    port: Streams,
    connections: Vec<Connection>,
    decoding: Decoding,
    buffer: Box<[u8]>,
}

impl ReceivingStreams {
    pub(super) fn new(port: Streams, decoding: Decoding) -> Self {
        Self { port, connections: Vec::new(), decoding, buffer: vec![0; MAX_MESSAGE].into() }
    }

    /// Receives until it is asked to stop.
    pub(super) fn run(&mut self) -> Outcome {
        loop {
            let has_read = self.turn();
            self.decoding.look(0);
            if self.decoding.is_over() || (!has_read && self.decoding.is_asked_to_end()) {
                break;
            }
            if !has_read {
                self.decoding.pass_on();
                self.wait().map_err(|e| format!("cannot receive from exporters: {e}"))?;
            }
        }
        self.decoding.end(0);
        Ok(())
    }

    /// Accepts connections, and reads what has arrived. False: nothing has.
    fn turn(&mut self) -> bool {
        self.accept();
        let Self { connections, decoding, buffer, .. } = self;
        let mut has_read = false;
        connections.retain_mut(|connection| {
            let read = connection.read(buffer, decoding);
            has_read |= read == Some(true);
            let stays = read.is_some() && connection.heard.elapsed() < MAX_SILENCE;
            if !stays {
                decoding.forget(connection.exporter);
            }
            stays
        });
        has_read
    }

    fn accept(&mut self) {
        while self.connections.len() < MAX_CONNECTIONS {
            // A connection that failed before it was accepted, or no descriptor: the next turn tries again.
            let Ok((stream, exporter)) = self.port.listener.accept() else { return };
            if stream.set_nonblocking(true).is_ok() {
                self.connections.push(Connection { stream, exporter, octets: Vec::new(), heard: Instant::now() });
            }
        }
    }

    /// Waits until something arrives, but not longer than that.
    fn wait(&self) -> Result<(), Errno> {
        let is_full = self.connections.len() >= MAX_CONNECTIONS;
        let listener = (!is_full).then(|| PollFd::new(&self.port.listener, PollFlags::IN));
        let streams = self.connections.iter().map(|c| PollFd::new(&c.stream, PollFlags::IN));
        let mut waited: Vec<_> = listener.into_iter().chain(streams).collect();
        match poll(&mut waited, Timespec::try_from(WAIT).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

impl Connection {
    /// Reads and decodes. Whether there was anything; none: the connection has ended, or does not send messages.
    fn read(&mut self, buffer: &mut [u8], decoding: &mut Decoding) -> Option<bool> {
        let mut has_read = false;
        for _ in 0..READS_PER_TURN {
            match self.stream.read(buffer) {
                Ok(0) => return None,
                Ok(length) => self.octets.extend_from_slice(buffer.get(..length)?),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return None,
            }
            (has_read, self.heard) = (true, Instant::now());
            self.decode(decoding)?;
        }
        Some(has_read)
    }

    /// Decodes the whole messages; none: what follows is no message, so that the next one cannot be found.
    fn decode(&mut self, decoding: &mut Decoding) -> Option<()> {
        if self.octets.first() == Some(&b'{') {
            return self.decode_lines(decoding);
        }
        let mut rest = self.octets.as_slice();
        while let Some(&[version, ten, high, low]) = rest.first_chunk::<HEADER>() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            if [version, ten] != [0, 10] || length < HEADER {
                // The decoder counts it.
                decoding.message(rest.get(..HEADER)?, self.exporter);
                return None;
            }
            let Some((message, after)) = rest.split_at_checked(length) else { break };
            decoding.message(message, self.exporter);
            rest = after;
        }
        let left = rest.len();
        self.octets.drain(..self.octets.len() - left);
        Some(())
    }

    /// Decodes the whole lines of JSON; none: a line is too long, or what follows is none.
    fn decode_lines(&mut self, decoding: &mut Decoding) -> Option<()> {
        let whole = self.octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
        let (lines, rest) = self.octets.split_at_checked(whole)?;
        if !lines.is_empty() {
            decoding.message(lines, self.exporter);
        }
        if rest.len() > MAX_LINE || rest.first().is_some_and(|octet| *octet != b'{') {
            // The decoder counts it.
            decoding.message(rest.get(..HEADER.min(rest.len()))?, self.exporter);
            return None;
        }
        self.octets.drain(..whole);
        Some(())
    }
}
