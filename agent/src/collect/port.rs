//! A UDP port on which exporters send.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};

/// The receive buffer asked for, bytes; the kernel allows at most net.core.rmem_max without a privilege.
const BUFFER: usize = 16 << 20;
/// Number of values of `SO_MEMINFO` (include/uapi/linux/sock_diag.h).
const MEMINFO_VALUES: usize = 9;
/// Place of the dropped datagrams in them .
const MEMINFO_DROPS: usize = libc::SK_MEMINFO_DROPS as usize;

/// An open port.
pub(super) struct Port {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Port {
    /// Opens it.
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let open = || {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
            if address.is_ipv6() {
                // So that 0.0.0.0 and [::] can be given together.
                socket.set_only_v6(true)?;
            }
            socket.set_recv_buffer_size(BUFFER)?;
            socket.bind(&address.into())?;
            let socket = UdpSocket::from(socket);
            let address = socket.local_addr()?;
            Ok::<_, std::io::Error>(Self { socket, address })
        };
        open().with_context(|| format!("cannot receive from exporters at {address}; choose another address"))
    }

    /// `udp://ADDRESS:PORT`.
    pub(super) fn name(&self) -> String {
        format!("udp://{}", self.address)
    }

    /// Its number.
    pub(super) const fn number(&self) -> u16 {
        self.address.port()
    }

    /// Receives one datagram into the buffer, if one has arrived.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<Option<(usize, SocketAddr)>, Errno> {
        match recvfrom(&self.socket, buffer, RecvFlags::DONTWAIT) {
            Ok((_, length, sender)) => {
                let sender = sender.and_then(|sender| SocketAddr::try_from(sender).ok());
                Ok(sender.map(|sender| (length, sender)))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits until a datagram arrives, but not longer than that.
    pub(super) fn wait(&self, timeout: Duration) -> Result<(), Errno> {
        let timeout = Timespec::try_from(timeout).ok();
        let mut waited = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Datagrams that the kernel dropped since the port was opened; none: the kernel does not tell (before Linux 4.12).
    pub(super) fn drops(&self) -> Option<u64> {
        let mut values = [0_u32; MEMINFO_VALUES];
        let mut length = size_of_val(&values) as libc::socklen_t;
        let descriptor = self.socket.as_raw_fd();
        // SAFETY: the kernel writes at most `length` octets to `values`, which is that long, and the new length to `length`.
        let done = unsafe {
            libc::getsockopt(
                descriptor,
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                values.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        values.get(MEMINFO_DROPS).filter(|_| done == 0).map(|drops| u64::from(*drops))
    }
}
