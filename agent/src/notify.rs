//! Notifies systemd of start and stop (`sd_notify`(3)), if systemd requests it.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The state to send once everything is attached.
pub(crate) const READY: &str = "READY=1";
/// The state to send when the agent begins to stop.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// Sends a state to systemd's notification socket, if there is one.
pub(crate) fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(e) = send(&path, state) {
        tracing::warn!("cannot notify systemd of {state}: {e}");
    }
}

fn send(path: &std::ffi::OsStr, state: &str) -> std::io::Result<()> {
    let name = path.as_encoded_bytes();
    // A leading @ means an abstract socket address (sd_notify(3)).
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A reader that does not read must not block the signal thread.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}
