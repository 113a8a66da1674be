//! The work of the thread of one TCP port, or of one publisher.

use std::time::Duration;

use pidflow_collector::Event;
use pidflow_exporters::threads::Outcome;
use rustix::event::{Timespec, poll};
use rustix::io::Errno;

use super::connection::{Connection, Kind};
use super::decoding::Decoding;
use super::entrance::Entrance;
use super::tls::CurrentTls;
use super::wire::Wire;

/// The largest message, and the size of the buffer.
const MAX_MESSAGE: usize = 65_536;
/// Maximum number of connections; further ones wait in the kernel.
const MAX_CONNECTIONS: usize = 1024;
/// Maximum number of connections of peers that have not identified themselves; beyond it, the oldest one is closed.
const MAX_HANDSHAKES: usize = 128;
/// How long the thread waits for octets before it looks whether it shall end.
const WAIT: Duration = Duration::from_millis(100);

/// Where connections come from, and what they are.
pub(super) struct Streams {
    pub(super) entrance: Entrance,
    pub(super) kind: Kind,
    /// None: without TLS.
    pub(super) tls: Option<CurrentTls>,
}

impl Streams {
    /// `tcp://ADDRESS:PORT`.
    pub(super) fn name(&self) -> String {
        let scheme = match self.kind {
            Kind::Zmq => "zmq",
            Kind::Messages if self.tls.is_some() => "tls",
            Kind::Messages => "tcp",
        };
        format!("{scheme}://{}", self.entrance.address())
    }

    /// The number of its port, for the thread's name.
    pub(super) fn number(&self) -> String {
        self.entrance.address().rsplit(':').next().unwrap_or_default().to_owned()
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
        if !self.decoding.is_asked_to_end() {
            self.accept();
        }
        let Self { port, connections, decoding, buffer } = self;
        let mut has_read = false;
        connections.retain_mut(|connection| {
            let read = connection.turn(buffer, decoding);
            has_read |= read == Some(true);
            // The numbers of a publisher's messages go on in the next connection, so that what was lost between is known.
            if read.is_none() && !port.entrance.is_dialer() {
                decoding.forget(connection.exporter);
            }
            read.is_some()
        });
        has_read
    }

    fn accept(&mut self) {
        while self.connections.len() < MAX_CONNECTIONS {
            let Some((stream, exporter)) = self.port.entrance.next(self.connections.len()) else { return };
            let tls = self.port.tls.as_ref().map(|current| current.get());
            match Wire::new(stream, tls) {
                Ok(wire) => self.connections.push(Connection::new(wire, exporter, self.port.kind)),
                Err(e) => self.decoding.refuse(Event::TlsRefused, exporter, &e),
            }
            self.limit_handshakes();
        }
    }

    fn limit_handshakes(&mut self) {
        let handshakes = || self.connections.iter().enumerate().filter(|(_, c)| c.is_handshaking()).map(|(n, _)| n);
        if handshakes().count() > MAX_HANDSHAKES
            && let Some(oldest) = handshakes().next()
        {
            self.connections.remove(oldest).refuse(&"too many handshakes at once", &mut self.decoding);
        }
    }

    /// Waits until something arrives, but not longer than that.
    fn wait(&self) -> Result<(), Errno> {
        let is_full = self.connections.len() >= MAX_CONNECTIONS;
        let entrance = self.port.entrance.waited().filter(|_| !is_full);
        let mut waited: Vec<_> = entrance.into_iter().chain(self.connections.iter().map(Connection::waited)).collect();
        match poll(&mut waited, Timespec::try_from(WAIT).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e),
        }
    }
}
