//! The netlink socket on which the kernel reports tracked connections (ctnetlink).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::ConntrackMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::filter;
use super::message::{self, Notice};

/// `NFNLGRP_CONNTRACK_NEW` and `NFNLGRP_CONNTRACK_DESTROY` of linux/netfilter/nfnetlink_compat.h. Updates are not needed: the
/// translation of a connection does not change.
const GROUPS: [u32; 2] = [1, 3];
/// The kernel's buffer for notices, bytes. A notice takes about 1 KiB.
const BUFFER: usize = 16 << 20;
/// How long the kernel may take to answer the first request.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(2);
/// Maximum length of a datagram, bytes. The parts of a list are the longest.
const MAX_MESSAGE: usize = 64 * 1024;

/// This file exists if the kernel tracks connections in this network namespace.
const TRACKING: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// Why the kernel reports no connections.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    /// The kernel denies access.
    #[error("listening to conntrack is not permitted: {0}")]
    NotPermitted(io::Error),
    /// The kernel does not support it.
    #[error("this kernel has no conntrack over netlink: {0}")]
    Missing(io::Error),
    /// The kernel does not answer.
    #[error("conntrack does not answer")]
    Silent,
}

impl Unavailable {
    /// Whether translations may be missed: a kernel that tracks no connections translates no addresses.
    pub(super) fn loses(&self) -> bool {
        !matches!(self, Self::Missing(_)) || Path::new(TRACKING).exists()
    }

    /// What to do about it.
    pub(super) const fn remedy(&self) -> &'static str {
        match self {
            Self::NotPermitted(_) => "run as root or with CAP_NET_ADMIN",
            Self::Missing(_) => "load nf_conntrack_netlink, if this host translates addresses",
            Self::Silent => "look for errors of nf_conntrack in the kernel's log",
        }
    }
}

impl From<io::Error> for Unavailable {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted(e),
            _ => Self::Missing(e),
        }
    }
}

/// The socket. It receives notices from the time it is opened.
#[derive(Debug)]
pub(super) struct Conntrack {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Conntrack {
    /// Opens the socket, requests the list of all connections, and waits until the kernel begins to answer.
    pub(super) fn open() -> Result<Self, Unavailable> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        // With CAP_NET_ADMIN the buffer may exceed net.core.rmem_max; otherwise the kernel limits it to that.
        let forced = rustix::net::sockopt::set_socket_recv_buffer_size_force(borrow(&socket), BUFFER);
        forced
            .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(borrow(&socket), BUFFER))
            .map_err(io::Error::from)?;
        if let Err(e) = filter::attach(borrow(&socket)) {
            tracing::debug!("conntrack: the kernel takes no filter, so untranslated connections are received too: {e}");
        }
        GROUPS.iter().try_for_each(|group| socket.add_membership(*group))?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let mut this = Self { socket, buffer: Vec::with_capacity(MAX_MESSAGE) };
        this.ask_for_all()?;
        if !this.wait(MAX_ANSWER_TIME)? {
            return Err(Unavailable::Silent);
        }
        this.peek_refusal()?;
        Ok(this)
    }

    /// Changes the size of the buffer for notices, bytes.
    #[cfg(test)]
    pub(super) fn with_buffer(self, bytes: usize) -> Self {
        self.socket.set_rx_buf_sz(i32::try_from(bytes).unwrap()).unwrap();
        self
    }

    /// Requests the list of all connections. [`Conntrack::receive`] returns the answer among other notices.
    pub(super) fn ask_for_all(&self) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let request = NetfilterMessage::new(
            NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0),
            ConntrackMessage::Get(Vec::new()),
        );
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(drop)
    }

    /// Returns an error if the first answer is a refusal. The answer stays in the buffer.
    fn peek_refusal(&mut self) -> io::Result<()> {
        self.buffer.clear();
        self.socket.recv(&mut self.buffer, libc::MSG_PEEK)?;
        message::refusal(&self.buffer).map_or(Ok(()), Err)
    }

    /// Waits until there is a datagram to receive. False: none arrived in this time, or a signal interrupted the wait.
    pub(super) fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(at_most).map_err(io::Error::other)?;
        match poll(&mut [PollFd::from_borrowed_fd(borrow(&self.socket), PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Receives one datagram and appends its notices; false: there is none.
    ///
    /// # Errors
    /// `ENOBUFS`: notices were lost. Other errors: the socket cannot be used any more.
    pub(super) fn receive(&mut self, notices: &mut Vec<Notice>) -> io::Result<bool> {
        self.buffer.clear();
        match self.socket.recv(&mut self.buffer, 0) {
            Ok(_) => message::parse(&self.buffer, notices),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(true)
    }
}

fn borrow(socket: &Socket) -> BorrowedFd<'_> {
    // SAFETY: the borrow of the socket keeps it open.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}
