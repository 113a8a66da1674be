//! The traffic of the command's processes, summed up by destination, by listener, and within the tree.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use pidflow_engine::fact::Socket;
use pidflow_schema::{Flow, FlowEndReason, FlowRecord, Process, ProcessEnd, Protocol};

/// The greatest number of rows of each kind. What has no room is counted.
const MAX_ROWS: usize = 20_000;
/// The greatest number of addresses and of process numbers that a row names.
const MAX_NAMED: usize = 1_000;
/// The greatest number of times to connect from which a median is made.
const MAX_TIMES: usize = 20_000;
/// The greatest number of flows that have records already and go on.
const MAX_CONTINUING: usize = 100_000;

/// What identifies a row from one run to the next: no process number, and no port of a client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The name that was asked for, otherwise the address.
    pub(crate) host: Arc<str>,
    /// The server's port; 0: the protocol has none.
    pub(crate) port: u16,
    /// IP protocol number.
    pub(crate) protocol: u8,
    /// The name of the process.
    pub(crate) program: Arc<str>,
}

/// A row's figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sums {
    /// Connections, and flows of protocols without connections.
    pub(crate) connections: u64,
    /// Bytes that the client sent.
    pub(crate) sent: u64,
    /// Bytes that the client received.
    pub(crate) received: u64,
    /// Failed connects by errno.
    pub(crate) failures: BTreeMap<u16, u64>,
    /// TCP connections of which nothing came back, and whose connect has not failed yet.
    pub(crate) unanswered: u64,
    /// Times to connect, microseconds.
    pub(crate) connect_us: Vec<u32>,
    /// Addresses of the other end.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Process numbers of this end.
    pub(crate) pids: BTreeSet<u32>,
    /// Application protocols.
    pub(crate) applications: BTreeSet<&'static str>,
}

/// A connection within the tree: client and server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InnerKey {
    /// The client, and the server's end.
    pub(crate) client: Key,
    /// The server process's name.
    pub(crate) server: Arc<str>,
}

/// A port on which the command's processes listened or answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListenKey {
    /// The port; 0: the protocol has none.
    pub(crate) port: u16,
    /// IP protocol number.
    pub(crate) protocol: u8,
    /// The name of the process.
    pub(crate) program: Arc<str>,
}

/// What came in at such a port.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Listened {
    /// The local addresses on which it listened.
    pub(crate) on: BTreeSet<IpAddr>,
    /// The traffic of its clients, which are not of the tree; its addresses are theirs, its process numbers those of the servers.
    pub(crate) clients: Sums,
    /// Connections from within the tree.
    pub(crate) inner: u64,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// To others.
    pub(crate) destinations: BTreeMap<Key, Sums>,
    /// Within the tree.
    pub(crate) inner: BTreeMap<InnerKey, Sums>,
    /// From others, and ports on which nobody came.
    pub(crate) listened: BTreeMap<ListenKey, Listened>,
    /// Records that had no room.
    pub(crate) without_room: u64,
    continuing: HashSet<FlowKey>,
}

/// Which processes at the ends of a record are of the tree.
pub(crate) struct Ends<'a> {
    /// The client.
    pub(crate) source: Option<&'a Process>,
    /// The server.
    pub(crate) destination: Option<&'a Process>,
}

type FlowKey = (u8, IpAddr, u16, IpAddr, u16, Option<u32>);

impl Traffic {
    /// Counts a record.
    pub(crate) fn count(&mut self, record: &FlowRecord, ends: &Ends<'_>) {
        let is_new = self.is_new(&record.flow);
        let sums = match (ends.source, ends.destination) {
            (Some(client), Some(server)) => {
                if let Some(listened) = row(&mut self.listened, ListenKey::of(record, server)) {
                    listened.inner += u64::from(is_new);
                }
                let key = InnerKey { client: key(record, client), server: Arc::clone(&server.name) };
                row(&mut self.inner, key)
            }
            (Some(client), None) => row(&mut self.destinations, key(record, client)),
            (None, Some(server)) => {
                row(&mut self.listened, ListenKey::of(record, server)).map(|listened| &mut listened.clients)
            }
            (None, None) => return,
        };
        let Some(sums) = sums else {
            self.without_room += 1;
            return;
        };
        sums.add(record, is_new);
        let is_client = ends.source.is_some();
        name(&mut sums.addresses, if is_client { record.flow.destination } else { record.flow.source });
        if let Some(process) = ends.source.or(ends.destination) {
            name(&mut sums.pids, process.pid);
        }
    }

    /// Notes that a process of the tree listens.
    pub(crate) fn listens(&mut self, socket: &Socket, program: &Arc<str>, pid: u32) {
        let key = ListenKey { port: socket.local_port, protocol: socket.protocol, program: Arc::clone(program) };
        let Some(listened) = row(&mut self.listened, key) else {
            self.without_room += 1;
            return;
        };
        name(&mut listened.on, socket.local);
        name(&mut listened.clients.pids, pid);
    }

    /// Whether it is the first record of its flow. A flow has further records after each active timeout.
    fn is_new(&mut self, flow: &Flow) -> bool {
        let ends = (flow.source, flow.source_port, flow.destination, flow.destination_port);
        let key = (flow.protocol, ends.0, ends.1, ends.2, ends.3, flow.network_namespace);
        let goes_on = flow.end_reason == FlowEndReason::ActiveTimeout && self.continuing.len() < MAX_CONTINUING;
        let had = if goes_on { !self.continuing.insert(key) } else { self.continuing.remove(&key) };
        !had
    }
}

impl ListenKey {
    fn of(record: &FlowRecord, server: &Process) -> Self {
        let flow = &record.flow;
        Self { port: server_port(flow), protocol: flow.protocol, program: Arc::clone(&server.name) }
    }
}

impl Sums {
    fn add(&mut self, record: &FlowRecord, is_new: bool) {
        let flow = &record.flow;
        self.connections += u64::from(is_new);
        self.sent += flow.forward.octets;
        self.received += flow.reverse.octets;
        match record.connect_error {
            Some(errno) => *self.failures.entry(errno).or_default() += 1,
            None if is_new && is_unanswered(flow) => self.unanswered += 1,
            None => {}
        }
        if let Some(handshake) = flow.handshake.filter(|_| self.connect_us.len() < MAX_TIMES) {
            self.connect_us.push(handshake.total_us());
        }
        self.applications.extend(flow.application.as_ref().map(|application| application.protocol.lower_name()));
    }
}

fn is_unanswered(flow: &Flow) -> bool {
    flow.protocol == Protocol::TCP && flow.forward.packets > 0 && flow.reverse.packets == 0
}

/// The row with that key; none: it is a new one, and there is no room.
fn row<K: Ord, V: Default>(rows: &mut BTreeMap<K, V>, key: K) -> Option<&mut V> {
    if rows.len() >= MAX_ROWS && !rows.contains_key(&key) {
        return None;
    }
    Some(rows.entry(key).or_default())
}

fn name<T: Ord>(names: &mut BTreeSet<T>, one: T) {
    if names.len() < MAX_NAMED {
        names.insert(one);
    }
}

fn key(record: &FlowRecord, client: &Process) -> Key {
    let flow = &record.flow;
    let host = host(&record.destination, flow.destination);
    Key { host, port: server_port(flow), protocol: flow.protocol, program: Arc::clone(&client.name) }
}

/// The name that was asked for, otherwise the address.
fn host(end: &ProcessEnd, address: IpAddr) -> Arc<str> {
    let asked = end.endpoint.as_ref().map(|endpoint| &endpoint.name).filter(|name| !name.is_empty());
    asked.cloned().unwrap_or_else(|| address.to_string().into())
}

/// An echo's identifier is no port.
const fn server_port(flow: &Flow) -> u16 {
    match flow.protocol {
        Protocol::ICMP | Protocol::ICMPV6 => 0,
        _ => flow.destination_port,
    }
}
