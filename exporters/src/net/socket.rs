//! A connected socket with one time limit for all reading and writing together.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The socket, and its deadline.
pub(super) struct Socket {
    kind: SocketKind,
    pub(super) end: Instant,
}

enum SocketKind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Reads without waiting.
pub(super) struct Now<'a>(&'a Socket);

impl Socket {
    pub(super) const fn tcp(stream: TcpStream, end: Instant) -> Self {
        Self { kind: SocketKind::Tcp(stream), end }
    }

    pub(super) const fn unix(stream: UnixStream, end: Instant) -> Self {
        Self { kind: SocketKind::Unix(stream), end }
    }

    /// The remaining time for system calls; never zero, because zero would mean no limit.
    pub(super) fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(timed_out()) } else { Ok(Some(left)) }
    }

    /// For callers that need a [`Read`].
    pub(super) const fn now(&self) -> Now<'_> {
        Now(self)
    }

    /// Reads available bytes; `WouldBlock` when there are none.
    pub(super) fn read_now(&self, octets: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the socket is open for as long as `self` lives, and at most the slice's bytes are written to.
        let read =
            unsafe { libc::recv(self.descriptor(), octets.as_mut_ptr().cast(), octets.len(), libc::MSG_DONTWAIT) };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }

    /// The connection's pending error.
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.kind {
            SocketKind::Tcp(stream) => stream.take_error(),
            SocketKind::Unix(stream) => stream.take_error(),
        }
    }

    /// See [`super::Stream::unacknowledged`].
    pub(super) fn unacknowledged(&self) -> io::Result<usize> {
        let mut octets: libc::c_int = 0;
        // SAFETY: the descriptor is open for as long as `self` lives, and TIOCOUTQ writes one int.
        let answer = unsafe { libc::ioctl(self.descriptor(), libc::TIOCOUTQ, &raw mut octets) };
        if answer == 0 { Ok(usize::try_from(octets).unwrap_or(0)) } else { Err(io::Error::last_os_error()) }
    }

    fn descriptor(&self) -> RawFd {
        match &self.kind {
            SocketKind::Tcp(stream) => stream.as_raw_fd(),
            SocketKind::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

fn timed_out() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the receiver does not read")
}

/// A socket's own limit ends in `WouldBlock` (Linux `socket(7)`, `SO_RCVTIMEO`).
fn plainly(e: io::Error) -> io::Error {
    if e.kind() == ErrorKind::WouldBlock { timed_out() } else { e }
}

impl Read for Now<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.0.read_now(octets)
    }
}

impl Read for Socket {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let left = self.left()?;
        let read = match &mut self.kind {
            SocketKind::Tcp(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(octets)),
            SocketKind::Unix(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(octets)),
        };
        read.map_err(plainly)
    }
}

impl Write for Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let left = self.left()?;
        let written = match &mut self.kind {
            SocketKind::Tcp(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(octets)),
            SocketKind::Unix(stream) => stream.set_write_timeout(left).and_then(|()| stream.write(octets)),
        };
        written.map_err(plainly)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
