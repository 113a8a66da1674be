//! How an end was attributed to a process.

use serde::{Deserialize, Serialize};

/// How one end of a flow was attributed to a process, or why it was not.
///
/// Ordered from most to least certain. Those after [`Attribution::Reported`] have no process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Attribution {
    /// A kernel event of a socket with exactly this tuple within the flow's time.
    SocketEvent = 1,
    /// A kernel event of a socket with this local address and port within the flow's time: unconnected, or connected to a
    /// destination that was translated.
    LocalPortEvent = 2,
    /// The exact tuple was in a snapshot of sockets (at the start or by polling).
    SnapshotTuple = 3,
    /// An unconnected socket bound to this local port was in a snapshot.
    SnapshotPort = 4,
    /// The connection waited at a listening socket of this process until its end began, and nobody accepted it.
    ListenerOnly = 5,
    /// The exporter of a collected record reported this process, but not how it knew.
    Reported = 6,
    /// None: the address belongs to no network namespace of this host.
    Remote = 16,
    /// None: several processes fit equally well and nothing tells them apart, or a process listens on the port and nothing
    /// proves that the connection came to it.
    Ambiguous = 17,
    /// None: the address is this host's, but no socket was seen.
    NoSocket = 18,
    /// None: a socket was seen, but its process is unknown (events were lost).
    NoProcess = 19,
    /// None: the flow was read from a file, where there are no kernel events.
    Offline = 20,
    /// None: the kernel itself handles the protocol (ICMP echo replies, IGMP, …).
    Kernel = 21,
    /// None: the exporter of a collected record reported no process.
    NotReported = 22,
}

impl Attribution {
    /// The exported name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SocketEvent => "socket-event",
            Self::LocalPortEvent => "local-port-event",
            Self::SnapshotTuple => "snapshot-tuple",
            Self::SnapshotPort => "snapshot-port",
            Self::ListenerOnly => "listener-only",
            Self::Reported => "reported",
            Self::Remote => "remote",
            Self::Ambiguous => "ambiguous",
            Self::NoSocket => "no-socket",
            Self::NoProcess => "no-process",
            Self::Offline => "offline",
            Self::Kernel => "kernel",
            Self::NotReported => "not-reported",
        }
    }

    /// Whether the end has a process.
    #[must_use]
    pub const fn has_process(self) -> bool {
        self as u8 <= Self::Reported as u8
    }

    /// All of them, in order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::SocketEvent,
        Self::LocalPortEvent,
        Self::SnapshotTuple,
        Self::SnapshotPort,
        Self::ListenerOnly,
        Self::Reported,
        Self::Remote,
        Self::Ambiguous,
        Self::NoSocket,
        Self::NoProcess,
        Self::Offline,
        Self::Kernel,
        Self::NotReported,
    ];
}
