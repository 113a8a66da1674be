//! The flow record: what the packets said, and the process at each end.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// IP protocol numbers that pidflow treats specially (IANA "Protocol Numbers").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol;

impl Protocol {
    /// Internet Control Message Protocol.
    pub const ICMP: u8 = 1;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// Stream Control Transmission Protocol.
    pub const SCTP: u8 = 132;
}

/// What one direction of a flow carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Octets from the IP header on, without link-layer padding (IANA octetDeltaCount).
    pub octets: u64,
    /// Octets of the whole frames as on the wire, without CRC (IANA layer2OctetDeltaCount).
    pub frame_octets: u64,
    /// Union of the TCP flags seen (RFC 9293 section 3.1, low 8 bits); 0 for other protocols.
    pub tcp_flags: u8,
}

impl Counters {
    /// Adds `other` to this.
    pub const fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.octets += other.octets;
        self.frame_octets += other.frame_octets;
        self.tcp_flags |= other.tcp_flags;
    }
}

/// IANA flowEndReason (136), RFC 5102 section 5.11.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum FlowEndReason {
    /// No packet for the idle timeout.
    IdleTimeout = 1,
    /// Went on longer than the active timeout; more records of it may follow.
    ActiveTimeout = 2,
    /// The end was seen: FIN or RST, or the socket was closed.
    EndOfFlow = 3,
    /// The agent was stopped, or the capture file ended.
    ForcedEnd = 4,
    /// Evicted because the table was full.
    LackOfResources = 5,
}

impl FlowEndReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::IdleTimeout, Self::ActiveTimeout, Self::EndOfFlow, Self::ForcedEnd, Self::LackOfResources];

    /// By its number in RFC 5102; none: there is no such reason.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == number)
    }
}

/// More precise than [`FlowEndReason`]: what ended the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum FlowEndDetail {
    /// Nothing to add to the reason.
    #[default]
    None = 0,
    /// Both ends sent FIN.
    Fin = 1,
    /// An end sent RST.
    Rst = 2,
    /// A SYN with another sequence number began a new connection with the same ports.
    NewConnection = 3,
    /// Another socket has the local port since.
    SocketChanged = 4,
    /// The connect failed, and none of its packets was seen.
    ConnectFailed = 5,
    /// The capture file ended.
    EndOfCapture = 6,
    /// The agent was stopped.
    Shutdown = 7,
    /// The clock was set back, or a packet was stamped with a wrong time; another record of the flow goes on.
    ClockStep = 8,
}

impl FlowEndDetail {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Fin,
        Self::Rst,
        Self::NewConnection,
        Self::SocketChanged,
        Self::ConnectFailed,
        Self::EndOfCapture,
        Self::Shutdown,
        Self::ClockStep,
    ];

    /// As exported; empty: nothing to add.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::NewConnection => "new-connection",
            Self::SocketChanged => "socket-changed",
            Self::ConnectFailed => "connect-failed",
            Self::EndOfCapture => "end-of-capture",
            Self::Shutdown => "shutdown",
            Self::ClockStep => "clock-step",
        }
    }
}

/// How it is known which end is the source (the client).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum InitiatorBasis {
    /// Only that it sent the first packet seen.
    FirstPacket = 1,
    /// It sent a SYN without ACK (or received a SYN with ACK).
    Syn = 2,
    /// The kernel said which side connected or accepted.
    Socket = 3,
}

impl InitiatorBasis {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::FirstPacket, Self::Syn, Self::Socket];

    /// As exported.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstPacket => "first-packet",
            Self::Syn => "syn",
            Self::Socket => "socket",
        }
    }
}

/// How long a TCP connection took to be established (RFC 9293 section 3.5), as seen where the packets were captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    /// From the client's first SYN to the server's SYN with ACK, microseconds.
    pub server_us: u32,
    /// From there to the client's ACK, microseconds.
    pub client_us: u32,
}

impl Handshake {
    /// From the first SYN to the end of the handshake, microseconds.
    #[must_use]
    pub const fn total_us(&self) -> u32 {
        self.server_us.saturating_add(self.client_us)
    }
}

/// A flow as built from packets alone. `source` is the initiator as far as the packets show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// IP protocol number.
    pub protocol: u8,
    /// Innermost 802.1Q/802.1ad VLAN id, 0 to 4095; none: no tag.
    pub vlan: Option<u16>,
    /// Source (initiator) address.
    pub source: IpAddr,
    /// Destination address; of the same family as `source`.
    pub destination: IpAddr,
    /// Source port, 0 where the protocol has none. ICMP echo: the identifier.
    pub source_port: u16,
    /// Destination port, 0 where the protocol has none. ICMP echo: the identifier.
    pub destination_port: u16,
    /// ICMP type and code of the first packet as `type * 256 + code`; none for other protocols.
    pub icmp_type_code: Option<u16>,
    /// Time of the first packet, nanoseconds since the epoch.
    pub first_ns: u64,
    /// Time of the last packet, nanoseconds since the epoch.
    pub last_ns: u64,
    /// From source to destination.
    pub forward: Counters,
    /// From destination to source.
    pub reverse: Counters,
    /// IP type of service / traffic class of the first packet of the source.
    pub ip_class_of_service: u8,
    /// MAC addresses of the first packet (source, destination); none where the link layer has none.
    pub macs: Option<([u8; 6], [u8; 6])>,
    /// Interface index of the first packet, 0: unknown (files).
    pub interface_index: u32,
    /// Interface name or capture file of the first packet.
    pub interface: Arc<str>,
    /// Why the record was made.
    pub end_reason: FlowEndReason,
    /// More precise than `end_reason`.
    pub end_detail: FlowEndDetail,
    /// How the initiator is known.
    pub initiator: InitiatorBasis,
    /// The handshake, in the record during which it ended; none: not seen, or not TCP.
    pub handshake: Option<Handshake>,
    /// Inode number of the network namespace to which the interfaces lead that saw the flow; none: not known.
    pub network_namespace: Option<u32>,
    /// What was spoken; none: not known.
    pub application: Option<Box<Application>>,
    /// What carried the flow; none: no tunnel, or it was not opened.
    pub tunnel: Option<Box<Tunnel>>,
}

/// What a flow's ends spoke with each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Application {
    /// The protocol's name, as nDPI has it (`TLS`, `DNS`, `Redis`).
    pub protocol: Arc<str>,
    /// The name that the client asked the server for (SNI, HTTP host, DNS query); empty: not known.
    pub server_name: Arc<str>,
}

/// The tunnel around a flow: packets of the flow were inside of packets between these addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// `vxlan`, `geneve`, `gre`, `gtp-u`, …
    pub kind: Arc<str>,
    /// VNI, key or TEID; none: the kind has none.
    pub id: Option<u32>,
    /// Address that the packets of the flow's source came from.
    pub source: IpAddr,
    /// Address that they went to.
    pub destination: IpAddr,
}

impl Flow {
    /// A flow of which no more than protocol, both ends (address and port) and times (first and last packet, nanoseconds
    /// since the epoch) are known: no packet, first seen from `source`, ended by the idle timeout.
    #[must_use]
    pub fn new(protocol: u8, source: (IpAddr, u16), destination: (IpAddr, u16), time: (u64, u64)) -> Self {
        Self {
            protocol,
            vlan: None,
            source: source.0,
            destination: destination.0,
            source_port: source.1,
            destination_port: destination.1,
            icmp_type_code: None,
            first_ns: time.0,
            last_ns: time.1,
            forward: Counters::default(),
            reverse: Counters::default(),
            ip_class_of_service: 0,
            macs: None,
            interface_index: 0,
            interface: Arc::default(),
            end_reason: FlowEndReason::IdleTimeout,
            end_detail: FlowEndDetail::None,
            initiator: InitiatorBasis::FirstPacket,
            handshake: None,
            network_namespace: None,
            application: None,
            tunnel: None,
        }
    }

    /// Swaps the ends: what was destination becomes source.
    pub fn turn_round(&mut self) {
        std::mem::swap(&mut self.source, &mut self.destination);
        std::mem::swap(&mut self.source_port, &mut self.destination_port);
        std::mem::swap(&mut self.forward, &mut self.reverse);
        self.macs = self.macs.map(|(s, d)| (d, s));
    }
}

/// How one end of a flow was attributed to a process, or why it was not.
///
/// From most to least certain; those after [`Attribution::ListenerOnly`] have no process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Attribution {
    /// A kernel event of a socket with exactly this tuple within the flow's time.
    SocketEvent = 1,
    /// A kernel event of an unconnected socket bound to this local address and port within the flow's time.
    LocalPortEvent = 2,
    /// The exact tuple was in a snapshot of sockets (at start or by polling).
    SnapshotTuple = 3,
    /// An unconnected socket bound to this local port was in a snapshot.
    SnapshotPort = 4,
    /// Only the owner of a listening socket that covers the port is known, not who accepted.
    ListenerOnly = 5,
    /// None: the address belongs to no network namespace of this host.
    Remote = 16,
    /// None: several processes fit equally well and nothing distinguishes them.
    Ambiguous = 17,
    /// None: the address is this host's and no socket was seen.
    NoSocket = 18,
    /// None: a socket was seen, its process is gone and unknown (events lost).
    NoProcess = 19,
    /// None: the flow was read from a file, where there are no kernel events.
    Offline = 20,
    /// None: the protocol is handled by the kernel itself (ICMP echo replies, IGMP, …).
    Kernel = 21,
}

impl Attribution {
    /// As exported.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SocketEvent => "socket-event",
            Self::LocalPortEvent => "local-port-event",
            Self::SnapshotTuple => "snapshot-tuple",
            Self::SnapshotPort => "snapshot-port",
            Self::ListenerOnly => "listener-only",
            Self::Remote => "remote",
            Self::Ambiguous => "ambiguous",
            Self::NoSocket => "no-socket",
            Self::NoProcess => "no-process",
            Self::Offline => "offline",
            Self::Kernel => "kernel",
        }
    }

    /// All of them, in order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::SocketEvent,
        Self::LocalPortEvent,
        Self::SnapshotTuple,
        Self::SnapshotPort,
        Self::ListenerOnly,
        Self::Remote,
        Self::Ambiguous,
        Self::NoSocket,
        Self::NoProcess,
        Self::Offline,
        Self::Kernel,
    ];
}

/// The Kubernetes pod that a container belongs to, as the kubelet names the links to its logs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Pod {
    /// Namespace.
    pub namespace: Arc<str>,
    /// The pod's name.
    pub name: Arc<str>,
    /// The container's name within the pod.
    pub container: Arc<str>,
}

/// Who a process is. Shared by all records of the process; strings are UTF-8 (lossily converted).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Process {
    /// Thread group id in the host's (the initial) PID namespace.
    pub pid: u32,
    /// Start time, nanoseconds since the epoch. With `pid` the identity of the process.
    pub start_ns: u64,
    /// Name: the leader's comm, or the executable's base name where that is longer and comm is cut at 15 octets.
    pub name: Arc<str>,
    /// Effective user id, [`Self::UNKNOWN_UID`] where it is not kept.
    pub uid: u32,
    /// User name from the host's passwd file, else the number.
    pub user: Arc<str>,
    /// Executable path; empty: unknown.
    pub executable: Arc<str>,
    /// Command line, arguments joined by blanks; empty: unknown.
    pub command_line: Arc<str>,
    /// Container id (64 hexadecimal digits) from the cgroup path; empty: none.
    pub container_id: Arc<str>,
    /// The Kubernetes pod of that container; none: in no pod, or the kubelet has not named it yet.
    pub pod: Option<Arc<Pod>>,
    /// Parent's PID, 0: none or in another PID namespace.
    pub parent_pid: u32,
    /// Parent's name; empty: unknown.
    pub parent_name: Arc<str>,
    /// Parent's effective user id.
    pub parent_uid: Option<u32>,
    /// Parent's user name; empty: unknown.
    pub parent_user: Arc<str>,
    /// The chain of parents as `name(pid)` joined by `<`, nearest first, to PID 1; empty: unknown. In names, `<`, `(`, `)`
    /// and `\` follow a `\`; control and formatting characters are `\u{hexadecimal}`.
    pub ancestors: Arc<str>,
}

impl Process {
    /// `(uid_t) -1`, which no user can have (Linux `uid_valid`): the user is not known or not kept.
    pub const UNKNOWN_UID: u32 = u32::MAX;
}

/// What a process used, for the time of one flow. Absent: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessUsage {
    /// Resident memory at the sample nearest to the flow's end, octets.
    pub memory_actual: Option<u64>,
    /// Peak resident memory of the process up to then, octets.
    pub memory_peak: Option<u64>,
    /// CPU time over elapsed time between the samples that enclose the flow, percent of one core × 100.
    pub cpu_load: Option<u32>,
    /// Time waiting for block I/O over elapsed time, percent × 100; absent without delay accounting.
    pub iowait: Option<u32>,
    /// User and system CPU time used between the samples that enclose the flow, nanoseconds.
    pub cpu_time_ns: Option<u64>,
    /// Minor page faults between those samples.
    pub minor_faults: Option<u64>,
    /// Major page faults between those samples.
    pub major_faults: Option<u64>,
    /// Time waiting for block I/O between those samples, nanoseconds; absent without delay accounting.
    pub iowait_ns: Option<u64>,
}

impl ProcessUsage {
    /// Minor and major faults together.
    #[must_use]
    pub fn page_faults(&self) -> Option<u64> {
        Some(self.minor_faults? + self.major_faults?)
    }
}

/// How busy the host was during one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostUsage {
    /// Time in which processors were busy, of the time of all processors, percent × 100.
    pub cpu_load: u32,
    /// Time in which processors had nothing to do while block I/O was under way, of the time of all, percent × 100.
    pub iowait: u32,
}

/// A further process that may own an end (the listener's owner when another one accepted).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Candidate {
    /// Thread group id.
    pub pid: u32,
    /// Name.
    pub name: Arc<str>,
}

/// What an end of a flow is besides a process: known also of ends on other hosts. Shared by all records of the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Endpoint {
    /// The Kubernetes pod that has the address; none: none has, or it is not known.
    pub pod: Option<Arc<Pod>>,
    /// The name by which the flow's other end asked for this one; empty: not known.
    pub name: Arc<str>,
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessEnd {
    /// How sure, or why not.
    pub attribution: Attribution,
    /// The process; none: see `attribution`.
    pub process: Option<Arc<Process>>,
    /// Its usage; none: no sample of it.
    pub usage: Option<ProcessUsage>,
    /// Inode number of the network namespace of the socket; none: no socket was found.
    pub network_namespace: Option<u32>,
    /// Second candidate.
    pub candidate: Option<Candidate>,
    /// What else is known of this end; none: nothing.
    pub endpoint: Option<Arc<Endpoint>>,
}

impl ProcessEnd {
    /// The Kubernetes pod of this end: that of its process, else that which has its address.
    #[must_use]
    pub fn pod(&self) -> Option<&Pod> {
        let of_process = self.process.as_ref().and_then(|p| p.pod.as_deref());
        of_process.or_else(|| self.endpoint.as_ref()?.pod.as_deref())
    }

    /// An end without a process.
    #[must_use]
    pub const fn unknown(attribution: Attribution) -> Self {
        Self { attribution, process: None, usage: None, network_namespace: None, candidate: None, endpoint: None }
    }
}

/// What goes out: the flow and the process at both ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowRecord {
    /// Name of the host on which it was observed; empty: from a capture file.
    pub host: Arc<str>,
    /// How busy that host was meanwhile; none: not known.
    pub host_usage: Option<HostUsage>,
    /// What the packets said.
    pub flow: Flow,
    /// The source (client) end.
    pub source: ProcessEnd,
    /// The destination (server) end.
    pub destination: ProcessEnd,
    /// The error of a failed connect as errno (`ECONNREFUSED` 111, `ETIMEDOUT` 110, …); none: no failure seen.
    pub connect_error: Option<u16>,
}

impl FlowRecord {
    /// A record of a flow whose ends are not known.
    #[must_use]
    pub fn without_processes(flow: Flow, why: Attribution) -> Self {
        let (source, destination) = (ProcessEnd::unknown(why), ProcessEnd::unknown(why));
        Self { host: Arc::default(), host_usage: None, flow, source, destination, connect_error: None }
    }
}
