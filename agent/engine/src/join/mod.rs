//! The join: kernel facts on one side, flows on the other, records out.
//!
//! Late on purpose: a flow is joined when it is exported, its time against the times of the sockets, so
//! that a fact that arrives milliseconds after the packet still counts.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{
    Attribution, Candidate, Flow, FlowEndDetail, FlowEndReason, FlowRecord, InitiatorBasis, ProcessEnd, Protocol,
};

use crate::fact::{Fact, Socket, SocketUse, Task};
use crate::process_table::{ProcessTable, Usage};
use crate::socket_index::{End, EndpointChange, Found, Role, SocketIndex};

mod failures;

use failures::{FailedConnect, Failures};

/// Socket claims (about 300 octets each) held before ended ones are forgotten early.
const MOST_CLAIMS: usize = 400_000;
/// Processes (about 1 KiB each) held before ended ones are forgotten early.
const MOST_PROCESSES: usize = 100_000;

/// How ends were attributed since start, by [`Attribution`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinCounters {
    /// Records made.
    pub records: u64,
    /// Ends by attribution, in the order of [`Attribution::ALL`].
    pub ends: [u64; Attribution::ALL.len()],
    /// Records turned round because the kernel said that the other side connected.
    pub turned: u64,
    /// Records of connection attempts that sent no packet.
    pub without_packets: u64,
    /// Times that processes and sockets were forgotten early because there were too many.
    pub crowded: u64,
}

/// Processes and sockets, and the join with flows.
#[derive(Debug, Default)]
pub struct Joiner {
    processes: ProcessTable,
    sockets: SocketIndex,
    failures: Failures,
    counters: JoinCounters,
    /// How long ended processes and sockets are kept, nanoseconds.
    retention_ns: u64,
    /// Of every record.
    host: Arc<str>,
}

impl Joiner {
    /// `retention_ns`: at least the longest time from a flow's first packet to its join (active timeout,
    /// or idle timeout, and the grace before the join). `own_netns`: inode number of the network namespace
    /// in which packets are captured, 0: not known.
    #[must_use]
    pub fn new(retention_ns: u64, own_netns: u32) -> Self {
        Self { retention_ns, sockets: SocketIndex::new(own_netns), ..Self::default() }
    }

    /// With the name of this host in every record.
    #[must_use]
    pub fn on_host(self, name: &str) -> Self {
        Self { host: name.into(), ..self }
    }

    /// Takes one fact.
    pub fn apply(&mut self, event: &Fact) {
        match event {
            Fact::Fork { time_ns, child, parent } => self.processes.forked(*time_ns, child, parent),
            Fact::Exec { time_ns, task, parent_pid, path, command_line } => {
                self.processes.execed(*time_ns, task, *parent_pid, (path, command_line));
            }
            Fact::Exit { task, parent_pid, sample } => {
                self.processes.exited(task, *parent_pid, *sample);
                self.sockets.exited(task.id, sample.time_ns);
            }
            Fact::Socket { time_ns, task, parent_pid, used, socket, sample } => {
                self.processes.seen(*time_ns, task, *parent_pid);
                if let Some(sample) = sample {
                    self.processes.sampled(task.id, *sample);
                }
                self.used(*time_ns, task, *used, socket);
            }
            Fact::Sampled { id, sample } => self.processes.sampled(*id, *sample),
            Fact::Process(seen) => self.processes.described(seen),
            Fact::Addresses { time_ns, netns, addresses } => self.sockets.set_addresses(*time_ns, *netns, addresses),
            Fact::Pods(pods) => self.processes.set_pods(pods),
            Fact::Users(users) => self.processes.set_users(users.clone()),
            Fact::SnapshotDone => self.processes.link_parents(),
            Fact::Polled { begun_ns } => {
                self.processes.link_parents();
                self.sockets.polled(*begun_ns);
                self.processes.polled(*begun_ns);
            }
        }
    }

    fn used(&mut self, time_ns: u64, task: &Task, used: SocketUse, socket: &Socket) {
        self.sockets.used(time_ns, task, used, socket);
        if let SocketUse::ConnectFailed { errno, since_ns } = used {
            self.failures.add(FailedConnect { since_ns, time_ns, errno, socket: *socket, process: task.id });
        }
    }

    /// Local ports that changed hands since the last call, for the flow table.
    pub fn take_endpoint_changes(&mut self) -> Vec<EndpointChange> {
        self.sockets.take_changes()
    }

    /// Puts the processes to a flow's ends.
    #[must_use]
    pub fn join(&mut self, mut flow: Flow) -> FlowRecord {
        let mut source = self.sockets.find(&end(&flow, true));
        let mut destination = self.answering(&flow);
        if let Some(source_connects) = side(&source, &destination) {
            if !source_connects {
                flow.turn_round();
                std::mem::swap(&mut source, &mut destination);
                self.counters.turned += 1;
            }
            flow.initiator = InitiatorBasis::Socket;
        }
        let connect_error = self.connect_error(&flow);
        let source = self.end(source, flow.source, &flow);
        let destination = self.end(destination, flow.destination, &flow);
        self.count(&source, &destination);
        FlowRecord { host: Arc::clone(&self.host), host_usage: None, flow, source, destination, connect_error }
    }

    /// ICMP is answered by the kernel: the socket with the echo's identifier is the asking one's.
    fn answering(&self, flow: &Flow) -> Result<Found, Attribution> {
        match flow.protocol {
            Protocol::ICMP | Protocol::ICMPV6 => Err(Attribution::NoSocket),
            _ => self.sockets.find(&end(flow, false)),
        }
    }

    fn connect_error(&mut self, flow: &Flow) -> Option<u16> {
        let failure = self.sockets.failure(&end(flow, true))?;
        self.failures.explained(failure.time_ns);
        (failure.errno != 0).then_some(failure.errno)
    }

    fn end(&mut self, found: Result<Found, Attribution>, address: IpAddr, flow: &Flow) -> ProcessEnd {
        match found {
            Ok(found) => self.known(&found, flow),
            Err(Attribution::NoSocket) => ProcessEnd::unknown(self.why(address, flow)),
            Err(why) => ProcessEnd::unknown(why),
        }
    }

    fn known(&mut self, found: &Found, flow: &Flow) -> ProcessEnd {
        let Some(process) = self.processes.describe(found.process, flow.last_ns) else {
            return ProcessEnd::unknown(Attribution::NoProcess);
        };
        self.processes.has_flow(found.process, &process);
        let candidate = found
            .other
            .and_then(|other| Some(Candidate { pid: other.pid, name: self.processes.name(other, flow.last_ns)? }));
        ProcessEnd {
            attribution: found.attribution,
            process: Some(process),
            usage: self.processes.usage(found.process, flow.first_ns, flow.last_ns),
            network_namespace: (found.netns != 0).then_some(found.netns),
            candidate,
            endpoint: None,
        }
    }

    /// Why no process stands at an end for which no socket was found.
    fn why(&self, address: IpAddr, flow: &Flow) -> Attribution {
        let has_sockets = matches!(flow.protocol, Protocol::TCP | Protocol::UDP | Protocol::SCTP);
        match (self.sockets.is_local(address), has_sockets) {
            (false, _) => Attribution::Remote,
            (true, true) => Attribution::NoSocket,
            (true, false) => Attribution::Kernel,
        }
    }

    /// Tells what the processes of flows used since the last time; see [`ProcessTable::tell_usage`].
    pub fn tell_usage(&mut self, tell: impl FnMut(&Usage)) {
        self.processes.tell_usage(tell);
    }

    /// Records of connection attempts that failed before `before_ns` and of which no packet was seen.
    pub fn take_failed_attempts(&mut self, before_ns: u64) -> Vec<FlowRecord> {
        let due = self.failures.take_due(before_ns);
        due.iter().map(|f| self.without_packets(f)).collect()
    }

    fn without_packets(&mut self, failed: &FailedConnect) -> FlowRecord {
        let flow = failed.flow();
        let process = Found {
            process: failed.process,
            attribution: Attribution::SocketEvent,
            role: Role::Connects,
            netns: failed.socket.netns,
            other: None,
        };
        let source = self.known(&process, &flow);
        let destination = ProcessEnd::unknown(self.why(flow.destination, &flow));
        self.counters.without_packets += 1;
        self.count(&source, &destination);
        let connect_error = (failed.errno != 0).then_some(failed.errno);
        FlowRecord { host: Arc::clone(&self.host), host_usage: None, flow, source, destination, connect_error }
    }

    fn count(&mut self, source: &ProcessEnd, destination: &ProcessEnd) {
        self.counters.records += 1;
        for end in [source, destination] {
            let at = Attribution::ALL.iter().position(|a| *a == end.attribution);
            if let Some(n) = at.and_then(|at| self.counters.ends.get_mut(at)) {
                *n += 1;
            }
        }
    }

    /// Forgets what no flow that ends after `now_ns` can refer to any more. Where there are too many, what ended is kept
    /// for a third of the time, which is longer than most flows wait for their join; counted.
    pub fn expire(&mut self, now_ns: u64) {
        let crowded = self.sockets.len() > MOST_CLAIMS || self.processes.len() > MOST_PROCESSES;
        self.counters.crowded += u64::from(crowded);
        let kept_ns = if crowded { self.retention_ns / 3 } else { self.retention_ns };
        let before = now_ns.saturating_sub(kept_ns);
        self.processes.expire(before);
        self.sockets.expire(before);
    }

    /// Attribution so far.
    #[must_use]
    pub const fn counters(&self) -> JoinCounters {
        self.counters
    }

    /// Processes and socket claims held.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.processes.len(), self.sockets.len())
    }
}

/// One end of a flow as the index looks it up.
fn end(flow: &Flow, source: bool) -> End {
    let a = (flow.source, flow.source_port);
    let b = (flow.destination, flow.destination_port);
    let (local, remote) = if source { (a, b) } else { (b, a) };
    let icmp = matches!(flow.protocol, Protocol::ICMP | Protocol::ICMPV6);
    End {
        protocol: flow.protocol,
        local: local.0,
        local_port: local.1,
        remote: remote.0,
        remote_port: if icmp { 0 } else { remote.1 },
        first_ns: flow.first_ns,
        last_ns: flow.last_ns,
    }
}

/// Whether the kernel said that the source connected; none: it said nothing.
fn side(source: &Result<Found, Attribution>, destination: &Result<Found, Attribution>) -> Option<bool> {
    let role = |f: &Result<Found, Attribution>| f.as_ref().map_or(Role::Unknown, |f| f.role);
    match (role(source), role(destination)) {
        (Role::Connects, Role::Connects) => None,
        (Role::Connects, _) | (_, Role::Accepts) => Some(true),
        (_, Role::Connects) | (Role::Accepts, _) => Some(false),
        (Role::Unknown, Role::Unknown) => None,
    }
}

impl FailedConnect {
    fn flow(&self) -> Flow {
        let socket = &self.socket;
        let (source, destination) = ((socket.local, socket.local_port), (socket.remote, socket.remote_port));
        Flow {
            end_reason: FlowEndReason::EndOfFlow,
            end_detail: FlowEndDetail::ConnectFailed,
            initiator: InitiatorBasis::Socket,
            ..Flow::new(socket.protocol, source, destination, (self.since_ns, self.time_ns))
        }
    }
}

#[cfg(test)]
mod tests;
