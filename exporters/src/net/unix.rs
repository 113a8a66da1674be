//! A connection to a Unix socket with a time limit, because `connect` waits while the listener's backlog is full.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Connects within `limit`, which is then also the socket's limit for writing.
///
/// # Errors
/// Nobody listens there, or the limit has passed.
pub(super) fn connect(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let (address, length) = address(path)?;
    // SAFETY: no pointer is passed.
    let descriptor = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    // The limit for sending applies to connecting too (Linux `net/unix/af_unix.c`, `unix_stream_connect`).
    stream.set_write_timeout(Some(limit.max(Duration::from_millis(1))))?;
    // SAFETY: the address lives until the call has ended, and is as long as `length` says.
    match unsafe { libc::connect(stream.as_raw_fd(), (&raw const address).cast(), length) } {
        0 => Ok(stream),
        _ => Err(why(io::Error::last_os_error())),
    }
}

fn why(e: io::Error) -> io::Error {
    match e.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "the receiver accepts no connection"),
        _ => e,
    }
}

fn address(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    let octets = path.as_os_str().as_bytes();
    let mut address = libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
    if octets.len() >= address.sun_path.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket's path is longer than 107 bytes"));
    }
    for (to, from) in address.sun_path.iter_mut().zip(octets) {
        *to = from.cast_signed() as libc::c_char;
    }
    let length = offset_of!(libc::sockaddr_un, sun_path) + octets.len() + 1;
    Ok((address, length as libc::socklen_t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    #[test]
    fn a_full_backlog_does_not_hold_up_beyond_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        // SAFETY: no pointer is passed; a backlog may be made smaller.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let (start, limit) = (Instant::now(), Duration::from_millis(100));
        let full = (0..10).map(|_| connect(&path, limit)).collect::<Vec<_>>();
        assert!(full.iter().any(|c| c.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::TimedOut)), "{full:?}");
        assert!(start.elapsed() < Duration::from_secs(3));
    }
}
