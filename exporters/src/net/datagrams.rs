//! A socket for datagrams to one receiver: UDP, or a Unix socket.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Address;

use super::resolver::resolve_within;

/// A receiver on a Unix socket that reads nothing for this long counts as dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Length of the headers of IP (without options) and UDP.
const HEADERS_V4: usize = 20 + 8;
const HEADERS_V6: usize = 40 + 8;

/// Where datagrams go.
#[derive(Debug, Clone)]
pub(crate) enum DatagramTarget {
    Udp(Address),
    Unix(PathBuf),
}

/// A connected socket.
pub(crate) enum Datagrams {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Datagrams {
    /// Connects to the first of a name's addresses that accepts. Looking up the name may take as long as `limit`.
    pub(crate) fn connect(target: &DatagramTarget, limit: Duration) -> io::Result<Self> {
        match target {
            DatagramTarget::Udp(address) => connect(address, limit).map(Self::Udp),
            DatagramTarget::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Ok(Self::Unix(socket))
            }
        }
    }

    /// Connects to a UDP receiver whose address is known.
    pub(crate) fn udp(address: SocketAddr) -> io::Result<Self> {
        udp(address).map(Self::Udp)
    }

    /// Address of the UDP receiver.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        let Self::Udp(socket) = self else { return None };
        socket.peer_addr().ok()
    }

    /// Sends one datagram. A receiver on a Unix socket that does not read may block it for `limit`, at most ten
    /// seconds.
    pub(crate) fn send(&self, octets: &[u8], limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(octets).map(drop),
            Self::Unix(socket) => {
                let limit = limit.map_or(WRITE_TIMEOUT, |l| l.clamp(Duration::from_millis(1), WRITE_TIMEOUT));
                socket.set_write_timeout(Some(limit))?;
                socket.send(octets).map(drop).map_err(plainly)
            }
        }
    }

    /// The error of an earlier datagram, if any.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Udp(socket) => socket.take_error(),
            Self::Unix(socket) => socket.take_error(),
        }
    }

    /// Whether the socket stays unusable when its receiver has closed: a Unix socket is bound to that receiver.
    pub(crate) const fn ends_with_receiver(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Forbids fragmentation (Linux `ip(7)`, `IP_MTU_DISCOVER`): sending a datagram larger than the path MTU is an
    /// error.
    pub(crate) fn forbid_fragments(&self) -> io::Result<()> {
        self.discover(libc::IP_PMTUDISC_DO, libc::IPV6_PMTUDISC_DO)
    }

    /// Sends this datagram in as many fragments as it needs.
    pub(crate) fn send_in_fragments(&self, octets: &[u8]) -> io::Result<()> {
        self.discover(libc::IP_PMTUDISC_WANT, libc::IPV6_PMTUDISC_WANT)?;
        let sent = self.send(octets, None);
        sent.and(self.forbid_fragments())
    }

    /// Maximum size of a datagram that is not fragmented on the path, as far as the kernel knows (`IP_MTU`).
    pub(crate) fn path_payload(&self) -> Option<usize> {
        let Self::Udp(socket) = self else { return None };
        let (level, name, headers) = match socket.local_addr().ok()? {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU, HEADERS_V4),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU, HEADERS_V6),
        };
        let mut mtu: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the descriptor is open for as long as `socket` lives; `mtu` has the length that is passed.
        let answer =
            unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut mtu).cast(), &raw mut length) };
        let known = (answer == 0).then_some(mtu)?;
        usize::try_from(known).ok()?.checked_sub(headers)
    }

    fn discover(&self, v4: libc::c_int, v6: libc::c_int) -> io::Result<()> {
        let Self::Udp(socket) = self else { return Ok(()) };
        let (level, name, value) = match socket.local_addr()? {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, v4),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, v6),
        };
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the descriptor is open for as long as `socket` lives; `value` has the length that is passed.
        let answer = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// A socket's own limit ends in `WouldBlock` (Linux `socket(7)`, `SO_SNDTIMEO`).
fn plainly(e: io::Error) -> io::Error {
    match e.kind() {
        ErrorKind::WouldBlock => io::Error::new(ErrorKind::TimedOut, "the receiver does not read"),
        _ => e,
    }
}

fn connect(target: &Address, limit: Duration) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in resolve_within(target, limit)? {
        match udp(address) {
            Ok(socket) => return Ok(socket),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    Ok(socket)
}
