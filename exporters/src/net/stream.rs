//! A stream to a receiver: TCP, TLS over it, or a Unix socket.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, ProtocolVersion};

use crate::config::Address;

use super::socket::Socket;
use super::{TlsClient, dial, unix};

/// Maximum number of reads in a row, so that a receiver that sends without end does not block the exporter.
const MAX_READS_IN_A_ROW: usize = 64;

/// The receiver to connect to.
pub(crate) enum StreamTarget {
    Tcp(Address),
    Tls(Address, TlsClient),
    Unix(PathBuf),
}

/// An open connection.
pub(crate) struct Stream {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
}

/// Whether the receiver still reads, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerState {
    Open,
    /// It has closed its side in an orderly way.
    Closed,
}

impl Stream {
    /// Connects, including the TLS handshake, within `limit`. The limit also applies to what follows.
    pub(crate) fn open(target: &StreamTarget, limit: Duration) -> io::Result<Self> {
        let end = Instant::now() + limit;
        match target {
            StreamTarget::Tcp(address) => Ok(Self { socket: Socket::tcp(dial(address, limit)?, end), tls: None }),
            StreamTarget::Tls(address, tls) => shake_hands(tls, Socket::tcp(dial(address, limit)?, end)),
            StreamTarget::Unix(path) => Ok(Self { socket: Socket::unix(unix::connect(path, limit)?, end), tls: None }),
        }
    }

    /// Sets how long all reading and writing together may take from now on.
    ///
    /// # Errors
    /// The limit is zero.
    pub(crate) fn limit(&mut self, limit: Duration) -> io::Result<()> {
        self.socket.end = Instant::now() + limit;
        self.socket.left().map(drop)
    }

    /// Whether the connection is gone.
    #[cfg(feature = "redis")]
    pub(crate) fn is_closed(&mut self) -> bool {
        !matches!(self.hear(), Ok(PeerState::Open))
    }

    /// Reads what the receiver has sent, without waiting. Only TLS's own messages have a meaning.
    ///
    /// # Errors
    /// The connection was reset (a receiver closed or died before it had read everything), or a TLS alert was received.
    pub(crate) fn hear(&mut self) -> io::Result<PeerState> {
        let heard = match &mut self.tls {
            None => hear_plain(&self.socket)?,
            Some(tls) => hear_tls(tls, &mut self.socket)?,
        };
        // If a receiver closes and then resets, only the close is visible.
        self.socket.take_error()?.map_or(Ok(heard), Err)
    }

    /// Whether the receiver has accepted the session; none: the protocol does not tell. With TLS 1.3 the client's
    /// handshake ends before the server has verified the client's certificate (RFC 8446 section 2); the server sends
    /// its tickets after that (section 4.6.1).
    pub(crate) fn is_accepted(&self) -> Option<bool> {
        let tls = self.tls.as_ref()?;
        Some(tls.protocol_version() != Some(ProtocolVersion::TLSv1_3) || tls.tls13_tickets_received() > 0)
    }

    /// Bytes written that the other side's kernel has not acknowledged yet (Linux `tcp(7)`, `SIOCOUTQ`); those of a Unix
    /// socket count until they are read.
    pub(crate) fn unacknowledged(&self) -> io::Result<usize> {
        self.socket.unacknowledged()
    }
}

fn shake_hands(tls: &TlsClient, mut socket: Socket) -> io::Result<Stream> {
    let mut session = tls.session()?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(Stream { socket, tls: Some(Box::new(session)) })
}

/// Unread bytes would hide the end or a reset of the connection.
fn hear_plain(socket: &Socket) -> io::Result<PeerState> {
    let mut scratch = [0; 1024];
    for _ in 0..MAX_READS_IN_A_ROW {
        match socket.read_now(&mut scratch) {
            Ok(0) => return Ok(PeerState::Closed),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(e),
        }
    }
    Ok(PeerState::Open)
}

fn hear_tls(session: &mut ClientConnection, socket: &mut Socket) -> io::Result<PeerState> {
    for _ in 0..MAX_READS_IN_A_ROW {
        match session.read_tls(&mut socket.now()) {
            Ok(0) => return Ok(PeerState::Closed),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(e),
        }
        let state = session.process_new_packets().map_err(io::Error::other)?;
        let mut plain = session.reader().take(state.plaintext_bytes_to_read() as u64);
        io::copy(&mut plain, &mut io::sink())?;
        if state.peer_has_closed() {
            return Ok(PeerState::Closed);
        }
    }
    Ok(PeerState::Open)
}

#[cfg(feature = "redis")]
impl Read for Stream {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.read(octets),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).read(octets),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(octets),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => self.socket.flush(),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).flush(),
        }
    }
}
