//! What is known from the kernel's side, whatever backend said it.
//!
//! All times are nanoseconds since the epoch: the source has turned the kernel's clock into wall
//! time. Process identity is (PID, start time in clock ticks), which eBPF and /proc both know.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::Pod;

/// Clock ticks of /proc (`USER_HZ` 100) since boot at which a process started.
pub type StartTicks = u64;

/// Nanoseconds of one clock tick.
pub const TICK_NS: u64 = 10_000_000;

/// Identity of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Thread group id in the initial PID namespace.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub start: StartTicks,
}

/// A process as an event names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Identity.
    pub id: ProcessId,
    /// Start time, nanoseconds since the epoch.
    pub start_ns: u64,
    /// Effective user id.
    pub uid: u32,
    /// The leader's comm.
    pub comm: Box<str>,
}

/// Resource usage of a process from its start to `time_ns`. Absent: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// When.
    pub time_ns: u64,
    /// CPU time, user and system, all threads, nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Minor page faults.
    pub minor_faults: Option<u64>,
    /// Major page faults.
    pub major_faults: Option<u64>,
    /// Resident memory, octets.
    pub rss: Option<u64>,
    /// Peak resident memory, octets.
    pub peak_rss: Option<u64>,
    /// Waiting for block I/O, nanoseconds; absent without delay accounting.
    pub iowait_ns: Option<u64>,
    /// Threads that it is the sum of, where they may be more than 24.
    pub threads: Option<u32>,
}

/// What a process did with a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketUse {
    /// Called connect.
    Connect,
    /// Accepted the connection.
    Accept,
    /// Listens.
    Listen,
    /// Sent.
    Send,
    /// Received.
    Receive,
    /// Closed it, or began to.
    Close,
    /// Its connect failed.
    ConnectFailed {
        /// Why; 0: the process gave the attempt up.
        errno: u16,
        /// When connect was called.
        since_ns: u64,
    },
    /// Held it when a snapshot of /proc was taken; nothing says since when.
    Held,
    /// Held it listening when a snapshot was taken.
    HeldListening,
}

/// A socket's addresses at the time of an event. IPv4-mapped IPv6 addresses are IPv4 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Identity while it lives: for TCP the address of `struct sock`, or the inode number in a snapshot; for other
    /// protocols the inode number.
    pub id: u64,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// Local address; unspecified: any of the namespace's.
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

/// A process as /proc shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSeen {
    /// When it was looked at.
    pub time_ns: u64,
    /// Who.
    pub task: Task,
    /// Parent's PID; 0: none.
    pub parent_pid: u32,
    /// Executable path; empty: not readable.
    pub executable: Box<str>,
    /// Command line; empty: none.
    pub command_line: Box<str>,
    /// Container id; empty: none.
    pub container_id: Box<str>,
}

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A process was forked; it is its parent's copy until it execs.
    Fork {
        /// When.
        time_ns: u64,
        /// The new process.
        child: Task,
        /// Its parent.
        parent: Task,
    },
    /// A process became another program.
    Exec {
        /// When.
        time_ns: u64,
        /// Who, with the new name.
        task: Task,
        /// Parent's PID.
        parent_pid: u32,
        /// Executable path.
        path: Box<str>,
        /// Arguments joined by blanks.
        command_line: Box<str>,
    },
    /// A process ended.
    Exit {
        /// Who.
        task: Task,
        /// Parent's PID.
        parent_pid: u32,
        /// Final usage, at the time of the end.
        sample: Sample,
    },
    /// A process did something with a socket.
    Socket {
        /// When.
        time_ns: u64,
        /// Who.
        task: Task,
        /// Parent's PID.
        parent_pid: u32,
        /// What.
        used: SocketUse,
        /// With which.
        socket: Socket,
        /// Usage at that time; none: not known.
        sample: Option<Sample>,
    },
    /// Usage sampled from /proc.
    Sampled {
        /// Who.
        id: ProcessId,
        /// Usage.
        sample: Sample,
    },
    /// A process seen in /proc.
    Process(Box<ProcessSeen>),
    /// The addresses of a network namespace; replaces what was known of it.
    Addresses {
        /// When they were read.
        time_ns: u64,
        /// Inode number of the namespace.
        netns: u32,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// The host's user names; replaces those known.
    Users(HashMap<u32, Arc<str>>),
    /// The pods of the host's containers by container id; those of containers that are gone are known as long as a
    /// process of theirs is.
    Pods(HashMap<Box<str>, Arc<Pod>>),
    /// The snapshot of processes and sockets taken at start has been told.
    SnapshotDone,
    /// A complete poll of processes and sockets began at `begun_ns` and is told now: what it did not show
    /// has ended.
    Polled {
        /// When it began.
        begun_ns: u64,
    },
}
