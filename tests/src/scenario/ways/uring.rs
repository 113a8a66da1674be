//! Accepts, connects, sends and receives through io_uring(7).

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use io_uring::{IoUring, opcode, squeue, types};

use crate::sys;

/// How the ring is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each request is submitted by a system call.
    Plain,
    /// One request accepts all connections.
    Multishot,
    /// A kernel thread takes the requests (`IORING_SETUP_SQPOLL`).
    KernelThread,
}

/// Why io_uring is not available; none: it is.
pub(super) fn missing() -> Option<String> {
    IoUring::new(2).err().map(|e| format!("no io_uring: {e}"))
}

fn ring(kind: Kind) -> io::Result<IoUring> {
    match kind {
        Kind::KernelThread => IoUring::builder().setup_sqpoll(50).build(2),
        Kind::Plain | Kind::Multishot => IoUring::new(2),
    }
}

/// Submits one request and waits for its first result.
fn call(kind: Kind, request: &squeue::Entry) -> Result<i32> {
    let mut ring = ring(kind).context("io_uring")?;
    // SAFETY: callers keep the memory that the request refers to until its result has arrived.
    unsafe { ring.submission().push(request)? };
    ring.submit_and_wait(1)?;
    let result = ring.completion().next().context("no result")?.result();
    if result < 0 { Err(io::Error::from_raw_os_error(-result).into()) } else { Ok(result) }
}

pub(super) fn accept(listener: &TcpListener, kind: Kind) -> Result<TcpStream> {
    let fd = types::Fd(listener.as_raw_fd());
    let request = match kind {
        Kind::Multishot => opcode::AcceptMulti::new(fd).build(),
        _ => opcode::Accept::new(fd, std::ptr::null_mut(), std::ptr::null_mut()).build(),
    };
    let accepted = call(kind, &request).context("accept")?;
    // SAFETY: the new descriptor has no other owner.
    Ok(TcpStream::from(unsafe { OwnedFd::from_raw_fd(accepted) }))
}

pub(super) fn connect(fd: &OwnedFd, target: SocketAddr, kind: Kind) -> Result<()> {
    sys::with_raw(target, |raw, size| {
        call(kind, &opcode::Connect::new(types::Fd(fd.as_raw_fd()), raw, size).build()).context("connect").map(drop)
    })
}

pub(super) fn send(socket: &TcpStream, bytes: &[u8], kind: Kind) -> Result<usize> {
    let size = u32::try_from(bytes.len())?;
    let request = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), size).build();
    Ok(usize::try_from(call(kind, &request).context("send")?)?)
}

pub(super) fn receive(socket: &TcpStream, buffer: &mut [u8], kind: Kind) -> Result<usize> {
    let size = u32::try_from(buffer.len())?;
    let request = opcode::Recv::new(types::Fd(socket.as_raw_fd()), buffer.as_mut_ptr(), size).build();
    Ok(usize::try_from(call(kind, &request).context("receive")?)?)
}
