//! A stream to a receiver: TCP, TLS over it, or a Unix socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use crate::config::Address;

use super::{TlsClient, dial};

/// A receiver that reads nothing for this long is taken for dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Whom to connect to.
pub(crate) enum StreamTarget {
    Tcp(Address),
    Tls(Address, TlsClient),
    Unix(PathBuf),
}

/// An open connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Unix(UnixStream),
}

impl Stream {
    /// Connects, and with TLS shakes hands, each within `limit`.
    pub(crate) fn open(target: &StreamTarget, limit: Duration) -> io::Result<Self> {
        match target {
            StreamTarget::Tcp(address) => tcp(address, limit).map(Self::Plain),
            StreamTarget::Tls(address, tls) => shake_hands(tls, tcp(address, limit)?, limit),
            StreamTarget::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                Ok(Self::Unix(stream))
            }
        }
    }

    /// Whether the receiver has closed its side: there is nothing to read but the end, and TLS's own messages.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self {
            Self::Plain(_) | Self::Unix(_) => has_ended(self.descriptor()),
            Self::Tls(session) => session.sock.set_nonblocking(true).is_err() || tls_is_closed(session),
        }
    }

    /// How long reading and writing may each take from now on.
    #[cfg(feature = "redis")]
    pub(crate) fn limit(&self, limit: Duration) -> io::Result<()> {
        let limit = Some(limit.max(Duration::from_millis(1)));
        match self {
            Self::Plain(stream) => stream.set_read_timeout(limit).and(stream.set_write_timeout(limit)),
            Self::Tls(session) => session.sock.set_read_timeout(limit).and(session.sock.set_write_timeout(limit)),
            Self::Unix(stream) => stream.set_read_timeout(limit).and(stream.set_write_timeout(limit)),
        }
    }

    /// Whether the connection was reset, as that of a receiver is that closes or dies before it has read everything. One that
    /// closes after it has read everything resets nothing.
    pub(crate) fn was_reset(&self) -> bool {
        matches!(peek(self.descriptor()), Err(e) if e.kind() != ErrorKind::WouldBlock)
    }

    /// Octets written that the other side's kernel has not acknowledged yet (Linux `tcp(7)`, `SIOCOUTQ`); those of a Unix
    /// socket count until they are read.
    pub(crate) fn unacknowledged(&self) -> io::Result<usize> {
        let mut octets: libc::c_int = 0;
        // SAFETY: the descriptor is open for as long as `self` lives, and TIOCOUTQ writes one int.
        let answer = unsafe { libc::ioctl(self.descriptor(), libc::TIOCOUTQ, &raw mut octets) };
        if answer == 0 { Ok(usize::try_from(octets).unwrap_or(0)) } else { Err(io::Error::last_os_error()) }
    }

    fn descriptor(&self) -> RawFd {
        match self {
            Self::Plain(stream) => stream.as_raw_fd(),
            Self::Tls(session) => session.sock.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

fn tcp(address: &Address, limit: Duration) -> io::Result<TcpStream> {
    let stream = dial(address, limit)?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    Ok(stream)
}

fn shake_hands(tls: &TlsClient, stream: TcpStream, limit: Duration) -> io::Result<Stream> {
    stream.set_read_timeout(Some(limit.max(Duration::from_millis(1))))?;
    let mut session = tls.session(stream)?;
    while session.conn.is_handshaking() {
        session.conn.complete_io(&mut session.sock)?;
    }
    Ok(Stream::Tls(Box::new(session)))
}

/// How much there is to read, an octet at most, without taking it or waiting for it; 0: the end.
fn peek(descriptor: RawFd) -> io::Result<usize> {
    let mut octet = 0_u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the caller's socket is open, and at most the one octet is written to.
    let there = unsafe { libc::recv(descriptor, (&raw mut octet).cast(), 1, flags) };
    usize::try_from(there).map_err(|_| io::Error::last_os_error())
}

fn has_ended(descriptor: RawFd) -> bool {
    match peek(descriptor) {
        Ok(there) => there == 0,
        Err(e) => e.kind() != ErrorKind::WouldBlock,
    }
}

fn tls_is_closed(session: &mut StreamOwned<ClientConnection, TcpStream>) -> bool {
    let read = session.read(&mut [0; 64]);
    let blocking = session.sock.set_nonblocking(false);
    let open = matches!(&read, Err(e) if e.kind() == ErrorKind::WouldBlock) || matches!(read, Ok(n) if n > 0);
    !open || blocking.is_err()
}

#[cfg(feature = "redis")]
impl Read for Stream {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(octets),
            Self::Tls(session) => session.read(octets),
            Self::Unix(stream) => stream.read(octets),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(octets),
            Self::Tls(session) => session.write(octets),
            Self::Unix(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(session) => session.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}
