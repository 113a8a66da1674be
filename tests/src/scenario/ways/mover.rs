//! Ways to connect, accept, send and receive.

use std::io::{self, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail, ensure};

use super::{limit, uring};
use crate::sys;

/// How one process moves bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mover {
    /// read(2) and write(2).
    Plain,
    /// sendmmsg(2) and recvmmsg(2).
    Messages,
    /// sendfile(2) from a file.
    SendFile,
    /// splice(2) over a pipe, both ways.
    Splice,
    /// send(2) with `MSG_ZEROCOPY`.
    ZeroCopy,
    /// The first bytes are sent with the SYN (`MSG_FASTOPEN`).
    FastOpen,
    /// io_uring(7): connect, accept, send and receive.
    Uring(uring::Kind),
}

impl Mover {
    pub(super) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "mmsg" => Self::Messages,
            "sendfile" => Self::SendFile,
            "splice" => Self::Splice,
            "zerocopy" => Self::ZeroCopy,
            "uring" => Self::Uring(uring::Kind::Plain),
            "uring-multishot" => Self::Uring(uring::Kind::Multishot),
            "uring-sqpoll" => Self::Uring(uring::Kind::KernelThread),
            other => bail!("unknown way {other:?}"),
        })
    }

    pub(super) fn prepare_listener(self, fd: &OwnedFd) -> io::Result<()> {
        if self == Self::FastOpen {
            sys::set_option(fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 16)?;
            // Without the cookie, so that the first connection already has data in its SYN.
            sys::set_option(fd, libc::IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)?;
        }
        Ok(())
    }

    pub(super) fn accept(self, listener: &TcpListener) -> Result<TcpStream> {
        let stream = match self {
            Self::Uring(kind) => uring::accept(listener, kind)?,
            _ => listener.accept()?.0,
        };
        limit(&stream)?;
        Ok(stream)
    }

    pub(super) fn connect(self, fd: OwnedFd, target: SocketAddr) -> Result<TcpStream> {
        limit(&fd)?;
        match self {
            Self::FastOpen => {
                sys::set_option(&fd, libc::IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)?;
                sys::send_to(&fd, b"c\n", target, libc::MSG_FASTOPEN).context("MSG_FASTOPEN")?;
            }
            Self::Uring(kind) => uring::connect(&fd, target, kind)?,
            _ => sys::connect(&fd, target)?,
        }
        Ok(TcpStream::from(fd))
    }

    pub(super) fn send(self, socket: &mut TcpStream, bytes: &[u8]) -> Result<()> {
        let sent = match self {
            Self::Plain | Self::FastOpen => socket.write(bytes)?,
            Self::Messages => messages(bytes.to_vec().as_mut_slice(), |message| {
                // SAFETY: the one message lives until the call returns.
                unsafe { libc::sendmmsg(socket.as_raw_fd(), message, 1, 0) }
            })?,
            Self::SendFile => send_file(socket, bytes)?,
            Self::Splice => {
                let (reader, mut writer) = io::pipe()?;
                writer.write_all(bytes)?;
                splice(&reader, socket, bytes.len())?
            }
            Self::ZeroCopy => zero_copy(socket, bytes)?,
            Self::Uring(kind) => uring::send(socket, bytes, kind)?,
        };
        ensure!(sent == bytes.len(), "{sent} of {} bytes sent", bytes.len());
        Ok(())
    }

    /// Receives once, which is enough for the short requests and answers.
    pub(super) fn receive(self, socket: &mut TcpStream) -> Result<Vec<u8>> {
        let mut buffer = vec![0; 1024];
        let size = match self {
            Self::Messages => messages(&mut buffer, |message| {
                // SAFETY: the one message lives until the call returns; no time limit is passed.
                unsafe { libc::recvmmsg(socket.as_raw_fd(), message, 1, 0, std::ptr::null_mut()) }
            })?,
            Self::Splice => {
                let (mut reader, writer) = io::pipe()?;
                let size = splice(socket, &writer, buffer.len())?;
                drop(writer);
                reader.read(&mut buffer)?.min(size)
            }
            Self::Uring(kind) => uring::receive(socket, &mut buffer, kind)?,
            _ => socket.read(&mut buffer)?,
        };
        ensure!(size > 0, "nothing received");
        buffer.truncate(size);
        Ok(buffer)
    }
}

/// `include/uapi/linux/tcp.h`.
const TCP_FASTOPEN_NO_COOKIE: i32 = 34;

fn messages(bytes: &mut [u8], call: impl FnOnce(*mut libc::mmsghdr) -> i32) -> Result<usize> {
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: an all-zero mmsghdr is an empty message.
    let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
    message.msg_hdr.msg_iov = &raw mut part;
    message.msg_hdr.msg_iovlen = 1;
    ensure!(sys::check(call(&raw mut message))? == 1, "no message moved");
    Ok(message.msg_len as usize)
}

fn send_file(socket: &TcpStream, bytes: &[u8]) -> Result<usize> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    let mut from = 0;
    // SAFETY: `from` outlives the call.
    let sent = unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &raw mut from, bytes.len()) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error()).context("sendfile")
}

fn splice(from: &impl AsRawFd, to: &impl AsRawFd, size: usize) -> Result<usize> {
    let none = std::ptr::null_mut();
    // SAFETY: both offsets are null.
    let moved = unsafe { libc::splice(from.as_raw_fd(), none, to.as_raw_fd(), none, size, 0) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error()).context("splice")
}

fn zero_copy(socket: &TcpStream, bytes: &[u8]) -> Result<usize> {
    sys::set_option(socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1).context("SO_ZEROCOPY")?;
    // The kernel may read the bytes until the connection ends.
    let bytes: &'static [u8] = Box::leak(bytes.to_vec().into_boxed_slice());
    // SAFETY: the bytes live as long as the process.
    let sent = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_ZEROCOPY) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error()).context("MSG_ZEROCOPY")
}
