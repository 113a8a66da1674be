//! Sockets and processes that exist at one time, to end what is known of others.

use std::net::SocketAddr;

use super::ProcessId;

/// The sockets of a network namespace, as listed by the kernel (/proc/net).
///
/// It ends claims on sockets that were last reported earlier and are not in the list, because their close was lost. So
/// it must contain every TCP socket that a file refers to, and every socket of each of `protocols`, in any state, for
/// IPv4 and IPv6; the kernel's own sockets and those in TIME_WAIT may be omitted. A claim that was ended wrongly
/// becomes valid again with the next use of its socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SocketsAlive {
    /// Inode number of the namespace.
    pub netns: u32,
    /// When reading began, nanoseconds of the engine's clock. A socket that closes later may or may not be listed.
    pub taken_ns: u64,
    /// Local and remote end of each TCP socket; a listener's remote end is unspecified with port 0. IPv4-mapped addresses
    /// are IPv4, as in [`super::Socket`].
    pub tcp: Vec<(SocketAddr, SocketAddr)>,
    /// IP protocol numbers for which `inodes` is complete.
    pub protocols: Vec<u8>,
    /// Inode number of each socket of those protocols.
    pub inodes: Vec<u64>,
}

/// All processes that exist at one time, to end those whose exit was lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessesAlive {
    /// When reading began, nanoseconds of the engine's clock. A process that ends later may or may not be listed.
    pub taken_ns: u64,
    /// The processes, as /proc identifies them.
    pub processes: Vec<ProcessId>,
}
