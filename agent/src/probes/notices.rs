//! Notices of rtnetlink(7). They only show that something has changed; their contents are ignored.

use std::io;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;

/// `RTNLGRP_IPV4_IFADDR`, `RTNLGRP_IPV6_IFADDR`: addresses of interfaces.
pub(super) const ADDRESSES: &[u32] = &[5, 9];
/// `RTNLGRP_NSID`: numbers of other network namespaces.
pub(super) const NAMESPACE_IDS: &[u32] = &[28];

/// A subscription to some multicast groups.
#[derive(Debug)]
pub(super) struct Notices(Socket);

impl Notices {
    /// Subscribes to these groups.
    ///
    /// # Errors
    /// The kernel has no netlink, or refuses the subscription.
    pub(super) fn listen(groups: &[u32]) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        groups.iter().try_for_each(|group| socket.add_membership(*group))?;
        socket.set_non_blocking(true)?;
        Ok(Self(socket))
    }

    /// Whether something has changed since the last call. Lost notices count as a change.
    pub(super) fn take(&self) -> bool {
        let mut has_changed = false;
        loop {
            match self.0.recv(&mut &mut [0; 64][..], libc::MSG_TRUNC) {
                Ok(_) => has_changed = true,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return has_changed,
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => has_changed = true,
                Err(_) => return true,
            }
        }
    }
}
