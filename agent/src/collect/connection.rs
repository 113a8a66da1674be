//! One connection of an exporter.

use std::fmt::Display;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pidflow_collector::{Event, Subscriber};
use rustix::event::{PollFd, PollFlags};

use super::decoding::Decoding;
use super::wire::Wire;

/// The longest line of JSON, octets: all connections together must fit into the memory.
const MAX_LINE: usize = 1 << 17;
/// Octets of a message up to its length.
const HEADER: usize = 4;
/// A connection without a message for this long is closed, so that it does not take the place of another.
const MAX_SILENCE: Duration = Duration::from_secs(3600);
/// How long a handshake of TLS, or the greeting of a publisher, may take.
const MAX_HANDSHAKE: Duration = Duration::from_secs(10);
/// Reads of one connection before the others have their turn.
const READS_PER_TURN: usize = 4;

/// What the octets of connections are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Messages of IPFIX (RFC 7011 section 10.4), or lines of JSON. The first octet says which.
    Messages,
    /// ZeroMQ of a publisher.
    Zmq,
}

/// What has arrived of the next message.
enum Incoming {
    Octets(Vec<u8>),
    Frames(Box<Subscriber>),
}

/// The connection.
pub(super) struct Connection {
    wire: Wire,
    pub(super) exporter: SocketAddr,
    incoming: Incoming,
    began: Instant,
    heard: Instant,
}

/// Why a connection is closed.
enum Closed {
    /// Its time was over, or the exporter has closed it.
    Ended,
    /// The exporter sent what cannot be read; the decoder has counted it.
    Unreadable,
    /// It is no client that may send.
    Refused(std::io::Error),
}

impl Connection {
    pub(super) fn new(wire: Wire, exporter: SocketAddr, kind: Kind) -> Self {
        let incoming = match kind {
            Kind::Messages => Incoming::Octets(Vec::new()),
            Kind::Zmq => Incoming::Frames(Box::default()),
        };
        Self { wire, exporter, incoming, began: Instant::now(), heard: Instant::now() }
    }

    /// What to wait on for its octets.
    pub(super) fn waited(&self) -> PollFd<'_> {
        PollFd::new(self.wire.stream(), PollFlags::IN)
    }

    /// Whether the peer has not identified itself yet.
    pub(super) fn is_handshaking(&self) -> bool {
        let is_unknown = matches!(&self.incoming, Incoming::Frames(subscriber) if !subscriber.is_ready());
        is_unknown || self.wire.is_handshaking()
    }

    /// Closed because it took too long, or others need the place.
    pub(super) fn refuse(&self, why: &dyn Display, decoding: &mut Decoding) {
        let event = if self.wire.is_handshaking() { Event::TlsRefused } else { Event::BadPeer };
        decoding.refuse(event, self.exporter, why);
    }

    /// Reads and decodes. Whether there was anything; none: it is to be closed.
    pub(super) fn turn(&mut self, buffer: &mut [u8], decoding: &mut Decoding) -> Option<bool> {
        match self.read(buffer, decoding) {
            Ok(has_read) => Some(has_read),
            Err(Closed::Refused(why)) => {
                self.refuse(&why, decoding);
                None
            }
            Err(Closed::Unreadable | Closed::Ended) => None,
        }
    }

    fn read(&mut self, buffer: &mut [u8], decoding: &mut Decoding) -> Result<bool, Closed> {
        let mut has_read = false;
        self.answer()?;
        for _ in 0..READS_PER_TURN {
            let was_handshaking = self.wire.is_handshaking();
            let octets = match self.wire.read(buffer) {
                Ok(0) if was_handshaking => return Err(Closed::Refused(ErrorKind::UnexpectedEof.into())),
                Ok(0) => return Err(Closed::Ended),
                Ok(length) => buffer.get(..length).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if was_handshaking => return Err(Closed::Refused(e)),
                Err(_) => return Err(Closed::Ended),
            };
            (has_read, self.heard) = (true, Instant::now());
            match &mut self.incoming {
                Incoming::Octets(waiting) => {
                    waiting.extend_from_slice(octets);
                    decode(waiting, self.exporter, decoding).ok_or(Closed::Unreadable)?;
                }
                Incoming::Frames(subscriber) => {
                    let exporter = self.exporter;
                    let taken = subscriber.take(octets, |frames| decoding.zmq(frames, exporter));
                    taken.map_err(|why| {
                        decoding.refuse(Event::BadPeer, exporter, &why);
                        Closed::Unreadable
                    })?;
                    self.answer()?;
                }
            }
        }
        self.check_time().map(|()| has_read)
    }

    /// Sends what a publisher waits for.
    fn answer(&mut self) -> Result<(), Closed> {
        match &mut self.incoming {
            Incoming::Octets(_) => Ok(()),
            Incoming::Frames(subscriber) => self.wire.send(subscriber.answer()).map_err(|_| Closed::Ended),
        }
    }

    fn check_time(&self) -> Result<(), Closed> {
        if self.is_handshaking() && self.began.elapsed() > MAX_HANDSHAKE {
            return Err(Closed::Refused(ErrorKind::TimedOut.into()));
        }
        if self.heard.elapsed() > MAX_SILENCE { Err(Closed::Ended) } else { Ok(()) }
    }
}

/// Decodes the whole messages; none: what follows is no message, so that the next one cannot be found.
fn decode(octets: &mut Vec<u8>, exporter: SocketAddr, decoding: &mut Decoding) -> Option<()> {
    if octets.first() == Some(&b'{') {
        return decode_lines(octets, exporter, decoding);
    }
    let mut rest = octets.as_slice();
    while let Some(&[version, ten, high, low]) = rest.first_chunk::<HEADER>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if [version, ten] != [0, 10] || length < HEADER {
            // The decoder counts it.
            decoding.message(rest.get(..HEADER)?, exporter);
            return None;
        }
        let Some((message, after)) = rest.split_at_checked(length) else { break };
        decoding.message(message, exporter);
        rest = after;
    }
    let left = rest.len();
    octets.drain(..octets.len() - left);
    Some(())
}

/// Decodes the whole lines of JSON; none: a line is too long, or what follows is none.
fn decode_lines(octets: &mut Vec<u8>, exporter: SocketAddr, decoding: &mut Decoding) -> Option<()> {
    let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
    let (lines, rest) = octets.split_at_checked(whole)?;
    if !lines.is_empty() {
        decoding.message(lines, exporter);
    }
    if rest.len() > MAX_LINE || rest.first().is_some_and(|octet| *octet != b'{') {
        // The decoder counts it.
        decoding.message(rest.get(..HEADER.min(rest.len()))?, exporter);
        return None;
    }
    octets.drain(..whole);
    Some(())
}
