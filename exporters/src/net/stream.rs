//! A stream to a receiver: TCP, or TLS over it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use crate::config::Address;

use super::{TlsClient, dial};

/// A receiver that reads nothing for this long is taken for dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// An open connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects, and with TLS shakes hands, each within `limit`.
    pub(crate) fn open(target: &Address, tls: Option<&TlsClient>, limit: Duration) -> io::Result<Self> {
        let stream = dial(target, limit)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let Some(tls) = tls else { return Ok(Self::Plain(stream)) };
        stream.set_read_timeout(Some(limit.max(Duration::from_millis(1))))?;
        let mut session = tls.session(stream)?;
        while session.conn.is_handshaking() {
            session.conn.complete_io(&mut session.sock)?;
        }
        Ok(Self::Tls(Box::new(session)))
    }

    /// Whether the receiver has closed its side: there is nothing to read but the end, and TLS's own messages.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self {
            Self::Plain(stream) => is_closed(stream),
            Self::Tls(session) => session.sock.set_nonblocking(true).is_err() || tls_is_closed(session),
        }
    }

    /// How long reading and writing may each take from now on.
    #[cfg(feature = "redis")]
    pub(crate) fn limit(&self, limit: Duration) -> io::Result<()> {
        let limit = Some(limit.max(Duration::from_millis(1)));
        self.tcp().set_read_timeout(limit)?;
        self.tcp().set_write_timeout(limit)
    }

    /// Whether the connection was reset, as that of a receiver is that closes or dies before it has read everything. One that
    /// closes after it has read everything resets nothing.
    pub(crate) fn was_reset(&self) -> bool {
        let peeked = self.tcp().set_nonblocking(true).and_then(|()| self.tcp().peek(&mut [0]));
        let blocking = self.tcp().set_nonblocking(false);
        blocking.is_err() || matches!(&peeked, Err(e) if e.kind() != ErrorKind::WouldBlock)
    }

    const fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(session) => &session.sock,
        }
    }

    /// Octets written that the other side's kernel has not acknowledged yet (Linux `tcp(7)`, `SIOCOUTQ`).
    pub(crate) fn unacknowledged(&self) -> io::Result<usize> {
        use std::os::fd::AsRawFd;
        let mut octets: libc::c_int = 0;
        // SAFETY: the descriptor is open for as long as `self` lives, and TIOCOUTQ writes one int.
        let answer = unsafe { libc::ioctl(self.tcp().as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) };
        if answer == 0 { Ok(usize::try_from(octets).unwrap_or(0)) } else { Err(io::Error::last_os_error()) }
    }
}

fn is_closed(stream: &TcpStream) -> bool {
    let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let blocking = stream.set_nonblocking(false);
    let open = matches!(&peeked, Err(e) if e.kind() == ErrorKind::WouldBlock) || matches!(peeked, Ok(n) if n > 0);
    !open || blocking.is_err()
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
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(octets),
            Self::Tls(session) => session.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(session) => session.flush(),
        }
    }
}
