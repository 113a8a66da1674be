//! The join of facts and flows to records.
//!
//! A flow is joined late, when it is exported, by comparing its time with those of sockets. So a fact that arrives
//! milliseconds after the packet still counts.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use pidflow_schema::{
    Attribution, Candidate, Flow, FlowRecord, InitiatorBasis, Process, ProcessEnd, Protocol, Translation,
};

use crate::fact::{Fact, Lost, ProcessId, ProcessesAlive, Socket, SocketUse};
use crate::process_table::limits::MAX_PROCESS_BYTES;
use crate::process_table::{ProcessTable, Usage};
use crate::socket_index::{EndpointChange, FlowEnd, Found, MAX_CLAIM_BYTES, NotFound, Role, SocketIndex, User};

mod asked;
mod failures;
mod names;
mod tenants;
mod without_packets;

use failures::{FailedConnect, Failures, known_errno};
use names::{AskedNames, MAX_NAME_BYTES};
use tenants::Tenants;
pub use without_packets::CapturedPaths;

/// The greatest number of captured namespaces kept.
const MAX_CAPTURED_NAMESPACES: usize = 65_536;

/// How ends were attributed since start, by [`Attribution`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinCounters {
    /// Records made.
    pub records: u64,
    /// Ends by attribution, in the order of [`Attribution::ALL`].
    pub ends: [u64; Attribution::ALL.len()],
    /// Records whose source and destination were swapped because the kernel reported that the other side began.
    pub turned: u64,
    /// Records of connection attempts that sent no packet.
    pub without_packets: u64,
    /// How often processes and sockets were evicted early because there were too many.
    pub crowded: u64,
    /// Failed attempts without packets that were omitted because their network namespace or loopback is not captured.
    pub failed_elsewhere: u64,
    /// Failed attempts without packets that were omitted because the capture's filter does not select them.
    pub failed_filtered: u64,
    /// Claims on sockets that ended because the kernel no longer has the socket: their close was lost.
    pub closes_missed: u64,
    /// Processes that ended because they no longer exist: their exit was lost.
    pub exits_missed: u64,
    /// Processes, command lines, users and pods that there was no room for.
    pub processes_dropped: u64,
    /// Claims on sockets, and addresses, that there was no room for.
    pub claims_dropped: u64,
    /// Failed attempts without packets that there was no room for.
    pub failed_dropped: u64,
    /// Addresses of pods and services that there was no room for.
    pub tenancies_dropped: u64,
    /// Names that processes asked for and that there was no room for.
    pub names_dropped: u64,
    /// Responses of DNS whose process is unknown, so that the names in them are not used.
    pub names_without_process: u64,
}

/// Processes and sockets, and the join with flows.
#[derive(Debug, Default)]
pub struct Joiner {
    processes: ProcessTable,
    sockets: SocketIndex,
    failures: Failures,
    tenants: Tenants,
    names: AskedNames,
    counters: JoinCounters,
    own_netns: u32,
    /// Other namespaces to which captured interfaces lead.
    captured: HashSet<u32, RandomState>,
    paths: CapturedPaths,
    /// How long ended processes and sockets are kept, nanoseconds.
    retention_ns: u64,
}

impl Joiner {
    /// `retention_ns`: at least the longest time from a flow's first packet to its join (active timeout,
    /// or idle timeout, and the grace before the join). `own_netns`: inode number of the network namespace
    /// in which packets are captured, 0: not known.
    #[must_use]
    pub fn new(retention_ns: u64, own_netns: u32) -> Self {
        Self { retention_ns, own_netns, sockets: SocketIndex::new(own_netns), ..Self::default() }
    }

    /// Keeps no more than this of each command line, bytes; by default 4 KiB
    /// ([`limits`](crate::process_table::limits)).
    #[must_use]
    pub fn with_command_line_limit(mut self, max_bytes: usize) -> Self {
        self.processes.limit_command_lines(max_bytes);
        self
    }

    /// Takes no more than this for processes, sockets and names together, bytes, where that is less than by default (64 MiB,
    /// 96 MiB and 8 MiB).
    #[must_use]
    pub fn with_memory_limit(mut self, max_bytes: usize) -> Self {
        self.processes.limit_bytes((max_bytes / 5 * 2).min(MAX_PROCESS_BYTES));
        self.sockets.limit_bytes((max_bytes / 20 * 11).min(MAX_CLAIM_BYTES));
        self.names.limit_bytes((max_bytes / 20).min(MAX_NAME_BYTES));
        self
    }

    /// Takes no more than this for the addresses of pods, services, their endpoints and nodes, bytes, where that is less than by default
    /// (32 MiB).
    #[must_use]
    pub const fn with_tenancy_limit(mut self, max_bytes: usize) -> Self {
        self.tenants.limit_bytes(max_bytes);
        self
    }

    /// Addresses that belong or belonged to a pod or service.
    #[must_use]
    pub fn tenancies(&self) -> usize {
        self.tenants.len()
    }

    /// An interface that is captured leads to this network namespace (inode number): its connects to others that fail
    /// without packets are reported. The agent's own is known, and so are those that flows name.
    pub fn captures(&mut self, netns: u32) {
        if self.captured.len() < MAX_CAPTURED_NAMESPACES {
            self.captured.insert(netns);
        }
    }

    /// Whether another network namespace has one of the addresses of this one too, so that equal tuples may be of both.
    #[must_use]
    pub fn shares_addresses(&self, netns: u32) -> bool {
        self.sockets.shares_addresses(netns)
    }

    /// Takes one fact.
    pub fn apply(&mut self, event: &Fact) {
        match event {
            Fact::Fork { time_ns, child, parent } => self.processes.forked(*time_ns, child, parent),
            Fact::Exec { time_ns, task, parent_pid, executable, command_line } => {
                self.processes.execed(*time_ns, task, *parent_pid, (executable, command_line));
            }
            Fact::Exit { task, parent_pid, sample } => {
                let id = self.processes.exited(task, *parent_pid, *sample);
                self.sockets.exited(id, sample.time_ns);
            }
            Fact::Socket { time_ns, task, parent_pid, used, socket, sample } => {
                let process = self.processes.seen(*time_ns, task, *parent_pid);
                if let Some(sample) = sample {
                    self.processes.add_sample(process, *sample);
                }
                self.used(*time_ns, User { process, start_ns: task.start_ns }, *used, socket);
            }
            Fact::Unaccepted { time_ns, socket } => self.sockets.unaccepted(*time_ns, socket),
            Fact::Sampled { id, sample } => self.processes.sampled(*id, *sample),
            Fact::Process(seen) => self.processes.described(seen),
            Fact::Addresses { time_ns, netns, addresses } => self.sockets.set_addresses(*time_ns, *netns, addresses),
            // These facts concern interfaces and packets. The pipeline gives them to the flow table.
            Fact::NamespaceIds { .. }
            | Fact::Translation { .. }
            | Fact::TranslationsLost { .. }
            | Fact::TranslationsListed { .. } => {}
            Fact::Pods(source, pods) => self.processes.set_pods(*source, pods),
            Fact::Containers(containers) => self.processes.set_containers(containers),
            Fact::Tenancy(kind, tenancy) => self.tenants.set(*kind, tenancy),
            Fact::TenanciesLost { kind, since_ns } => self.tenants.of_mut(*kind).set_lost(*since_ns),
            Fact::Users(users) => self.processes.set_users(users),
            Fact::SnapshotDone => self.processes.link_parents(),
            Fact::Polled { begun_ns } => {
                self.processes.link_parents();
                self.sockets.polled(*begun_ns);
                self.processes.polled(*begun_ns);
            }
            Fact::Names(answer) => self.names.wait(answer.clone()),
            Fact::Lost { what, from_ns, until_ns } => self.lost(*what, *from_ns, *until_ns),
            Fact::SocketsAlive(alive) => self.counters.closes_missed += self.sockets.reconcile(alive),
            Fact::ProcessesAlive(alive) => self.reconcile_processes(alive),
        }
    }

    /// Events of this period were lost.
    fn lost(&mut self, what: Lost, from_ns: u64, until_ns: u64) {
        self.sockets.lost(what, from_ns, until_ns);
        self.processes.lost(what, from_ns, until_ns);
    }

    /// Ends the processes that are not in the list, and their claims, also those in network namespaces that are gone.
    fn reconcile_processes(&mut self, alive: &ProcessesAlive) {
        for process in self.processes.reconcile(alive) {
            self.counters.exits_missed += 1;
            self.counters.closes_missed += self.sockets.vanished(process, alive.taken_ns);
        }
    }

    fn used(&mut self, time_ns: u64, user: User, used: SocketUse, socket: &Socket) {
        self.sockets.used(time_ns, user, used, socket);
        if let SocketUse::ConnectFailed { errno, since_ns } = used {
            self.failures.add(FailedConnect { since_ns, time_ns, errno, socket: *socket, process: user.process });
        }
    }

    /// Local ports that changed hands since the last call, for the flow table.
    pub fn take_endpoint_changes(&mut self) -> Vec<EndpointChange> {
        self.sockets.take_changes()
    }

    /// Makes the record of a flow with the processes at its ends.
    #[must_use]
    pub fn join(&mut self, mut flow: Flow) -> FlowRecord {
        if let Some(netns) = flow.network_namespace {
            self.captures(netns);
        }
        self.attribute_names(flow.first_ns);
        let mut source = self.sockets.find(&FlowEnd::source(&flow));
        let mut destination = self.answering(&flow);
        let asked = source.as_ref().ok().and_then(|found| found.translated_from);
        if let Some(asked) = asked.filter(|_| flow.translation.is_none()) {
            translated_from(&mut flow, asked);
        }
        if let Some(source_began) = side(&source, &destination).or_else(|| self.source_began(&flow)) {
            if !source_began {
                flow.turn_round();
                std::mem::swap(&mut source, &mut destination);
                self.counters.turned += 1;
            }
            flow.initiator = InitiatorBasis::Socket;
        }
        let asking = [&source, &destination].map(|found| found.as_ref().ok().map(|found| found.process));
        let ends = (FlowEnd::source(&flow), FlowEnd::destination(&flow));
        let connect_error = self.connect_error(&ends.0, source.as_ref().ok());
        let mut source = self.end(source, &ends.0);
        let mut destination = self.end(destination, &ends.1);
        source.endpoint = self.tenants.endpoint(&ends.0, flow.source, source.process.as_deref());
        destination.endpoint = self.tenants.endpoint(&ends.1, flow.destination, destination.process.as_deref());
        self.name_ends(&flow, asking, [&mut source, &mut destination]);
        self.count(&source, &destination);
        FlowRecord { source, destination, connect_error, ..FlowRecord::without_processes(flow, Attribution::NoSocket) }
    }

    /// Whether the source began a flow whose packets do not show it; none: unknown.
    fn source_began(&self, flow: &Flow) -> Option<bool> {
        let is_open = flow.initiator == InitiatorBasis::FirstPacket;
        is_open.then(|| self.sockets.source_began(&FlowEnd::source(flow), &FlowEnd::destination(flow))).flatten()
    }

    /// The errno of the connect that made the flow, if it failed.
    fn connect_error(&mut self, end: &FlowEnd, source: Option<&Found>) -> Option<u16> {
        let netns = source.map(|found| found.netns).filter(|netns| *netns != 0);
        known_errno(self.failures.explain(end, netns)?)
    }

    /// ICMP is answered by the kernel: the socket with the echo's identifier is the asking one's.
    fn answering(&self, flow: &Flow) -> Result<Found, NotFound> {
        match flow.protocol {
            Protocol::ICMP | Protocol::ICMPV6 => Err(NotFound { why: Attribution::NoSocket, candidate: None }),
            _ => self.sockets.find(&FlowEnd::destination(flow)),
        }
    }

    fn end(&mut self, found: Result<Found, NotFound>, end: &FlowEnd) -> ProcessEnd {
        match found {
            Ok(found) => self.known(&found, (end.first_ns, end.last_ns)),
            Err(NotFound { why: Attribution::NoSocket, .. }) => ProcessEnd::unknown(self.why(end)),
            Err(NotFound { why, candidate }) => {
                let candidate = candidate.and_then(|other| self.candidate(other, end.last_ns));
                ProcessEnd { candidate, ..ProcessEnd::unknown(why) }
            }
        }
    }

    fn known(&mut self, found: &Found, (first_ns, last_ns): (u64, u64)) -> ProcessEnd {
        let Some(process) = self.processes.describe(found.process, first_ns, last_ns) else {
            return ProcessEnd::unknown(Attribution::NoProcess);
        };
        self.processes.has_flow(found.process, &process);
        ProcessEnd {
            attribution: found.attribution,
            process: Some(process),
            usage: self.processes.usage(found.process, first_ns, last_ns),
            network_namespace: (found.netns != 0).then_some(found.netns),
            candidate: found.other.and_then(|other| self.candidate(other, last_ns)),
            endpoint: None,
            place: None,
        }
    }

    fn candidate(&self, process: ProcessId, time_ns: u64) -> Option<Candidate> {
        Some(Candidate { pid: process.pid, name: self.processes.name(process, time_ns)? })
    }

    /// Why an end without a socket has no process.
    fn why(&self, end: &FlowEnd) -> Attribution {
        match (self.sockets.is_local(end.local), self.sockets.is_kernels(end)) {
            (false, _) => Attribution::Remote,
            (true, true) => Attribution::Kernel,
            (true, false) => Attribution::NoSocket,
        }
    }

    /// The process at a time, as records of that time describe it; none: it is unknown.
    pub fn process(&mut self, id: ProcessId, time_ns: u64) -> Option<Arc<Process>> {
        self.processes.describe_known(id, time_ns)
    }

    /// Reports what the processes of flows used since the last call; see [`ProcessTable::report_usage`].
    pub fn report_usage(&mut self, tell: impl FnMut(&Usage)) {
        self.processes.report_usage(tell);
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

    /// Forgets processes and sockets to which no flow that ends after `now_ns` can refer. If there are too many, ended
    /// ones are kept for a third of the time, which is longer than most flows wait for their join; this is counted.
    pub fn expire(&mut self, now_ns: u64) {
        self.attribute_names(now_ns);
        let crowded = self.sockets.is_crowded() || self.processes.is_crowded();
        self.counters.crowded += u64::from(crowded);
        let kept_ns = if crowded { self.retention_ns / 3 } else { self.retention_ns };
        let before = now_ns.saturating_sub(kept_ns);
        self.processes.expire(before);
        self.sockets.expire(before);
        self.failures.expire(before);
        self.tenants.expire(before);
        self.names.expire(before);
    }

    /// Memory of processes and socket claims, bytes.
    #[must_use]
    pub const fn bytes(&self) -> (usize, usize) {
        (self.processes.bytes(), self.sockets.bytes())
    }

    /// Attribution so far.
    #[must_use]
    pub const fn counters(&self) -> JoinCounters {
        let (processes_dropped, claims_dropped) = (self.processes.dropped(), self.sockets.dropped());
        JoinCounters {
            processes_dropped,
            claims_dropped,
            failed_dropped: self.failures.dropped(),
            tenancies_dropped: self.tenants.dropped(),
            names_dropped: self.names.dropped(),
            ..self.counters
        }
    }

    /// Processes and socket claims held.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.processes.len(), self.sockets.len())
    }
}

/// The process at the source connected to another destination than its packets have: they were translated before they were seen.
fn translated_from(flow: &mut Flow, asked: (IpAddr, u16)) {
    flow.is_translation_unknown = false;
    flow.translation = Some(Box::new(Translation {
        source: flow.source,
        source_port: flow.source_port,
        destination: flow.destination,
        destination_port: flow.destination_port,
        begun_by_source: true,
    }));
    (flow.destination, flow.destination_port) = asked;
}

/// Whether the kernel reported that the source connected; none: it reported neither side.
fn side(source: &Result<Found, NotFound>, destination: &Result<Found, NotFound>) -> Option<bool> {
    let role = |f: &Result<Found, NotFound>| f.as_ref().map_or(Role::Unknown, |f| f.role);
    match (role(source), role(destination)) {
        (Role::Connects, Role::Connects) => None,
        (Role::Connects, _) | (_, Role::Accepts) => Some(true),
        (_, Role::Connects) | (Role::Accepts, _) => Some(false),
        (Role::Unknown, Role::Unknown) => None,
    }
}

#[cfg(test)]
mod tests;
