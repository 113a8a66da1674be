//! Facts from any source: what the kernel reports on processes and sockets, and what is known of them otherwise.
//!
//! All times are nanoseconds in the engine's time, to which the source has converted the kernel's boot clock. A process
//! is identified by PID and start time: in nanoseconds from eBPF, in clock ticks from /proc.

mod alive;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Container, Login, Placement, Pod};

pub use alive::{ProcessesAlive, SocketsAlive};

use crate::application::NameAnswer;
use crate::tenancy::Tenancy;

/// Clock ticks of /proc (`USER_HZ` 100) since boot at which a process started.
pub type StartTicks = u64;

/// Nanoseconds of one clock tick.
pub const TICK_NS: u64 = 10_000_000;

/// Identity of a process.
///
/// A PID may be reused within one clock tick, so the ticks of /proc do not always distinguish two processes. The
/// process table maps an identity from /proc to the latest process with that PID and tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Thread group id in the initial PID namespace.
    pub pid: u32,
    /// Start time after the beginning of its tick, nanoseconds; [`ProcessId::UNKNOWN`]: from /proc.
    start_in_tick_ns: u32,
    /// Start time in clock ticks since boot.
    pub start: StartTicks,
}

impl ProcessId {
    /// No time within a tick.
    const UNKNOWN: u32 = u32::MAX;

    /// An identity from /proc, with the start in clock ticks since boot.
    #[must_use]
    pub const fn from_ticks(pid: u32, start: StartTicks) -> Self {
        Self { pid, start_in_tick_ns: Self::UNKNOWN, start }
    }

    /// An identity from the kernel, with the start in nanoseconds since boot.
    #[must_use]
    pub const fn from_boot_ns(pid: u32, start_ns: u64) -> Self {
        let start_in_tick_ns = (start_ns % TICK_NS) as u32;
        Self { pid, start_in_tick_ns, start: start_ns / TICK_NS }
    }

    /// Start time after the beginning of its tick, nanoseconds; none: not known.
    #[must_use]
    pub const fn start_in_tick_ns(self) -> Option<u32> {
        if self.start_in_tick_ns == Self::UNKNOWN { None } else { Some(self.start_in_tick_ns) }
    }

    /// Whether /proc shows both as the same process.
    #[must_use]
    pub const fn is_same_in_proc(self, other: Self) -> bool {
        self.pid == other.pid && self.start == other.start
    }
}

/// The process in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Identity of the process.
    pub id: ProcessId,
    /// Start time, nanoseconds of the engine's clock.
    pub start_ns: u64,
    /// Effective user id.
    pub uid: u32,
    /// The thread group leader's `comm`, at most 15 bytes.
    pub comm: Box<str>,
}

/// Resource usage of a process from its start to `time_ns`. Absent: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// Time, nanoseconds of the engine's clock.
    pub time_ns: u64,
    /// CPU time, user and system, all threads, nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Minor page faults.
    pub minor_faults: Option<u64>,
    /// Major page faults.
    pub major_faults: Option<u64>,
    /// Resident memory, bytes.
    pub rss: Option<u64>,
    /// Peak resident memory, bytes.
    pub peak_rss: Option<u64>,
    /// Waiting for block I/O, nanoseconds; absent without delay accounting.
    pub iowait_ns: Option<u64>,
    /// Number of threads; none: unknown.
    pub threads: Option<u32>,
}

/// The error of a connect that failed for an unknown reason. The kernel's own end at 4095 (`MAX_ERRNO`).
pub const UNKNOWN_ERRNO: u16 = u16::MAX;

/// The use that a process made of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketUse {
    /// The process called connect.
    Connect,
    /// The process accepted the connection.
    Accept,
    /// The process listens on the socket.
    Listen,
    /// The process sent data.
    Send,
    /// The process received data.
    Receive,
    /// The process closed the socket, or began to.
    Close,
    /// The process's connect failed.
    ConnectFailed {
        /// errno; 0: the process aborted the attempt; [`UNKNOWN_ERRNO`]: it failed, and why is not known.
        errno: u16,
        /// When connect was called, nanoseconds of the engine's clock.
        since_ns: u64,
    },
    /// The process held the socket when a snapshot of /proc was taken. When it opened the socket is unknown.
    Held,
    /// The process held the listening socket when a snapshot was taken.
    HeldListening,
}

/// A socket's addresses at the time of an event. IPv4-mapped IPv6 addresses are IPv4 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Identity while it exists: for TCP the address of `struct sock`, or the inode number in a snapshot; for other
    /// protocols the inode number, or that address if there is no inode.
    pub id: u64,
    /// Inode number of its file, which is not reused soon; 0: none yet, or unknown.
    pub file: u64,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// Local address; unspecified: any address of the namespace.
    pub local: IpAddr,
    /// Local port; 0: none (raw sockets) or not yet chosen.
    pub local_port: u16,
    /// Remote address; unspecified: not connected.
    pub remote: IpAddr,
    /// Remote port; 0: not connected.
    pub remote_port: u16,
    /// An IPv6 socket that also takes IPv4 packets (its addresses are unspecified).
    pub dual_stack: bool,
}

/// The file that a process runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Executable {
    /// Path, without the kernel's mark of a deleted file; empty: not known.
    pub path: Box<str>,
    /// The file was seen to be deleted or replaced.
    pub is_deleted: bool,
}

/// A process as /proc shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSeen {
    /// When /proc was read, nanoseconds of the engine's clock.
    pub time_ns: u64,
    /// The process.
    pub task: Task,
    /// Parent's PID; 0: none.
    pub parent_pid: u32,
    /// Real user id; none: omitted for privacy.
    pub real_uid: Option<u32>,
    /// The user who logged in to start it; none: nobody, or unknown.
    pub login: Option<Login>,
    /// PID in the innermost PID namespace; none: not known.
    pub inner_pid: Option<u32>,
    /// Executable.
    pub executable: Executable,
    /// Command line; empty: none.
    pub command_line: Box<str>,
    /// Its container and units; none: its control groups could not be read.
    pub placement: Option<Placement>,
    /// The service that its environment names; empty: none, or the environment is not read.
    pub service_name: Box<str>,
}

/// Source and destination of packets: address, and port or identifier of an ICMP echo.
pub type PacketEnds = [(IpAddr, u16); 2];

/// An address translation (NAT) as a network namespace's connection tracking has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressTranslation {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Conntrack zone: the same ends may be translated differently in each.
    pub zone: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Ends of the packets that began it, before translation.
    pub before: PacketEnds,
    /// Ends of the same packets after translation.
    pub after: PacketEnds,
}

/// What is told of an address translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranslationChange {
    /// It began.
    Began,
    /// It is there; since when is not known.
    Found,
    /// It has ended.
    Ended,
}

/// Where the pods of containers are known from. Where both know a container, the later one in this list counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodSource {
    /// The kubelet's links to the logs of containers.
    Links,
    /// The kubelet or the API server.
    Kubernetes,
}

/// What may have an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantKind {
    /// A pod.
    Pod,
    /// A service (its cluster address).
    Service,
    /// A node.
    Node,
    /// An endpoint of a service.
    ServiceEndpoint,
}

/// What lost events may have reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Only that a process that was known to have a socket still used it, or closed it.
    Continuation,
    /// Anything, such as a process that nothing is known of.
    Anything,
}

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A process was forked. It is a copy of its parent until it execs.
    Fork {
        /// Time, nanoseconds of the engine's clock.
        time_ns: u64,
        /// The new process.
        child: Task,
        /// Its parent.
        parent: Task,
    },
    /// A process executed another program.
    Exec {
        /// Time, nanoseconds of the engine's clock.
        time_ns: u64,
        /// The process, with its new name.
        task: Task,
        /// Parent's PID.
        parent_pid: u32,
        /// Executable.
        executable: Executable,
        /// Arguments joined by blanks.
        command_line: Box<str>,
    },
    /// A process ended.
    Exit {
        /// The process.
        task: Task,
        /// Parent's PID.
        parent_pid: u32,
        /// Final usage, at the time of the exit.
        sample: Sample,
    },
    /// A process used a socket.
    Socket {
        /// Time, nanoseconds of the engine's clock.
        time_ns: u64,
        /// The process.
        task: Task,
        /// Parent's PID.
        parent_pid: u32,
        /// What it did.
        used: SocketUse,
        /// The socket.
        socket: Socket,
        /// Usage at that time; none: not known.
        sample: Option<Sample>,
    },
    /// An incoming connection began to close before any process accepted it. The identity of its socket and the process
    /// are unknown.
    Unaccepted {
        /// Time, nanoseconds of the engine's clock.
        time_ns: u64,
        /// The connection's socket; its remote end is the client.
        socket: Socket,
    },
    /// Usage sampled from /proc.
    Sampled {
        /// The process.
        id: ProcessId,
        /// Its usage up to that time.
        sample: Sample,
    },
    /// A process seen in /proc.
    Process(Box<ProcessSeen>),
    /// The addresses of a network namespace. Replaces those known.
    Addresses {
        /// When they were read.
        time_ns: u64,
        /// Inode number of the namespace.
        netns: u32,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// Ids of other network namespaces (`RTM_GETNSID`), by which the kernel's messages about interfaces in the agent's
    /// network namespace identify them.
    NamespaceIds {
        /// When they were read.
        time_ns: u64,
        /// Id, and inode number of the namespace.
        ids: Vec<(i32, u32)>,
    },
    /// The host's user names; replaces those known.
    Users(HashMap<u32, Arc<str>>),
    /// The pods of the host's containers by container id; replaces what this source said before. Those of deleted containers
    /// stay known as long as one of their processes.
    Pods(PodSource, HashMap<Box<str>, Arc<Pod>>),
    /// What a container engine knows of containers, by id. Stays known; the oldest give way.
    Containers(Vec<(Box<str>, Arc<Container>)>),
    /// A pod or service had or has an address.
    Tenancy(TenantKind, Box<Tenancy>),
    /// The source of tenancies lost its connection: it knew all up to `since_ns`; none: it knows all again.
    TenanciesLost {
        /// Which ones.
        kind: TenantKind,
        /// Up to when all were known, nanoseconds.
        since_ns: Option<u64>,
    },
    /// The snapshot of processes and sockets taken at start is complete.
    SnapshotDone,
    /// A complete poll of processes and sockets was reported. Processes and sockets that it did not contain have ended.
    Polled {
        /// When it began, nanoseconds of the engine's clock.
        begun_ns: u64,
    },
    /// Events of this period were lost.
    Lost {
        /// What the events may have reported.
        what: Lost,
        /// The latest time up to which nothing was lost.
        from_ns: u64,
        /// When the loss was found.
        until_ns: u64,
    },
    /// An address translation.
    Translation {
        /// When the report was received, nanoseconds of the engine's clock: it did not happen later.
        time_ns: u64,
        /// When all earlier reports had been received: it did not happen earlier.
        since_ns: u64,
        /// What happened to it.
        change: TranslationChange,
        /// The translation.
        translation: Box<AddressTranslation>,
    },
    /// Reports on address translations of a namespace may be missing from `from_ns` on, until [`Fact::TranslationsListed`].
    TranslationsLost {
        /// Inode number of the namespace.
        netns: u32,
        /// When all earlier reports had been received, nanoseconds of the engine's clock.
        from_ns: u64,
    },
    /// All address translations of a namespace were listed since `begun_ns`. Those that were not in the list have ended.
    TranslationsListed {
        /// Inode number of the namespace.
        netns: u32,
        /// When listing began.
        begun_ns: u64,
    },
    /// All sockets of a namespace at one time. Others have been closed.
    SocketsAlive(Box<SocketsAlive>),
    /// All processes at one time. Others have ended.
    ProcessesAlive(ProcessesAlive),
    /// A response of DNS to a query that was seen on the wire.
    Names(NameAnswer),
}
