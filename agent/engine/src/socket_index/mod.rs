//! Which process held or used which socket, and when.
//!
//! Three tables: connected sockets by their exact tuple, unconnected ones by protocol and local port,
//! listeners by port. Each holds *claims*: one process's use of one socket over a time.

mod claim;
mod lookup;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::fast::RandomState;
use pidflow_schema::Protocol;

use crate::fact::{ProcessId, Socket, SocketUse, Task};
pub use claim::{Claim, Role};
pub use lookup::{End, Found};

/// One end's view of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    pub(crate) protocol: u8,
    pub(crate) local: IpAddr,
    pub(crate) local_port: u16,
    pub(crate) remote: IpAddr,
    pub(crate) remote_port: u16,
}

/// Who does something with a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The process.
    pub process: ProcessId,
    /// When it started, before which it had no socket, nanoseconds since the epoch; 0: not known.
    pub start_ns: u64,
}

impl From<&Task> for User {
    fn from(task: &Task) -> Self {
        Self { process: task.id, start_ns: task.start_ns }
    }
}

/// A local port that got another socket or lost it at a time; in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointChange {
    /// When, nanoseconds since the epoch.
    pub time_ns: u64,
    /// IP protocol number.
    pub protocol: u8,
    /// Local address; unspecified: any.
    pub address: IpAddr,
    /// Local port.
    pub port: u16,
}

/// A failed connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// When connect was called.
    pub since_ns: u64,
    /// When it failed.
    pub time_ns: u64,
    /// Why, as errno.
    pub errno: u16,
}

/// Where a process's claims are, to close them when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Tuple(Tuple),
    Port(u8, u16),
    Listener(u16),
}

/// A connection of which nothing was heard for so long has lost its end (an event was lost): a day.
const IDLE_CONNECTION_NS: u64 = 86_400_000_000_000;

/// How far a connect may be told after its first packet.
const SLACK_NS: u64 = 1_000_000;

/// The index.
#[derive(Debug, Default)]
pub struct SocketIndex {
    pub(crate) tuples: HashMap<Tuple, Vec<Claim>, RandomState>,
    pub(crate) ports: HashMap<(u8, u16), Vec<Claim>, RandomState>,
    pub(crate) listeners: HashMap<u16, Vec<Claim>, RandomState>,
    /// Addresses of each namespace, with the time since which they are gone.
    pub(crate) addresses: HashMap<u32, HashMap<IpAddr, Option<u64>, RandomState>, RandomState>,
    pub(crate) own_netns: u32,
    failures: HashMap<Tuple, Vec<Failure>, RandomState>,
    places: HashMap<ProcessId, HashSet<Place, RandomState>, RandomState>,
    changes: Vec<EndpointChange>,
}

impl SocketIndex {
    /// An empty index; `own_netns`: inode number of the namespace in which packets are captured, 0: not known.
    #[must_use]
    pub fn new(own_netns: u32) -> Self {
        Self { own_netns, ..Self::default() }
    }

    /// Claims held.
    #[must_use]
    pub fn len(&self) -> usize {
        let lists = self.tuples.values().chain(self.ports.values()).chain(self.listeners.values());
        lists.map(Vec::len).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tuples.is_empty() && self.ports.is_empty() && self.listeners.is_empty()
    }

    /// Replaces the addresses of a network namespace. Those that it had before are forgotten by
    /// [`SocketIndex::expire`]: flows of theirs may still be joined.
    pub fn set_addresses(&mut self, time_ns: u64, netns: u32, addresses: &[IpAddr]) {
        let known = self.addresses.entry(netns).or_default();
        known.values_mut().for_each(|gone| *gone = gone.or(Some(time_ns)));
        known.extend(addresses.iter().map(|a| (*a, None)));
    }

    /// Whether the address is one of this host's, in any of its namespaces.
    #[must_use]
    pub fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.values().any(|set| set.contains_key(&address))
    }

    /// Local ports that changed hands since the last call.
    pub fn take_changes(&mut self) -> Vec<EndpointChange> {
        std::mem::take(&mut self.changes)
    }

    /// A process did something with a socket.
    pub fn used(&mut self, time_ns: u64, user: impl Into<User>, used: SocketUse, socket: &Socket) {
        let user = user.into();
        if !socket.local.is_unspecified() {
            // A socket is bound to it, so that it is an address of the namespace, however new.
            self.addresses.entry(socket.netns).or_default().insert(socket.local, None);
        }
        match used {
            SocketUse::Listen | SocketUse::HeldListening => self.listens(time_ns, user, used, socket),
            SocketUse::ConnectFailed { errno, since_ns } => {
                self.claim_tuple(time_ns, user, used, socket);
                self.failures.entry(tuple(socket)).or_default().push(Failure { since_ns, time_ns, errno });
            }
            _ => self.claims(time_ns, user, used, socket),
        }
    }

    fn listens(&mut self, time_ns: u64, user: User, used: SocketUse, socket: &Socket) {
        let list = self.listeners.entry(socket.local_port).or_default();
        claim::note(list, time_ns, user, used, socket);
        self.places.entry(user.process).or_default().insert(Place::Listener(socket.local_port));
    }

    fn listens_no_more(&mut self, time_ns: u64, process: ProcessId, socket: &Socket) {
        let list = self.listeners.get_mut(&socket.local_port).into_iter().flatten();
        let same = |c: &&mut Claim| c.netns == socket.netns && (c.process == process || c.socket == socket.id);
        for claim in list.filter(same).filter(|c| c.ended_ns.is_none()) {
            claim.ended_ns = Some(time_ns);
        }
    }

    fn claims(&mut self, time_ns: u64, user: User, used: SocketUse, socket: &Socket) {
        if socket.protocol == Protocol::TCP {
            // Without a port yet there is nothing to find it by.
            if socket.local_port != 0 && socket.remote_port != 0 {
                self.claim_tuple(time_ns, user, used, socket);
            } else if used == SocketUse::Close {
                self.listens_no_more(time_ns, user.process, socket);
            }
            return;
        }
        if !socket.remote.is_unspecified() {
            self.claim_tuple(time_ns, user, used, socket);
        }
        self.claim_port(time_ns, user, used, socket);
    }

    fn claim_tuple(&mut self, time_ns: u64, user: User, used: SocketUse, socket: &Socket) {
        let tuple = tuple(socket);
        claim::note(self.tuples.entry(tuple).or_default(), time_ns, user, used, socket);
        self.places.entry(user.process).or_default().insert(Place::Tuple(tuple));
    }

    fn claim_port(&mut self, time_ns: u64, user: User, used: SocketUse, socket: &Socket) {
        let (protocol, port) = (socket.protocol, socket.local_port);
        let list = self.ports.entry((protocol, port)).or_default();
        let fresh = claim::note(list, time_ns, user, used, socket);
        let change = if fresh { claim::taken_over(list, time_ns, user, socket) } else { None };
        let change = change.or((used == SocketUse::Close).then_some(time_ns)).filter(|_| port != 0);
        self.changes.extend(change.map(|time_ns| EndpointChange { protocol, address: socket.local, port, time_ns }));
        self.places.entry(user.process).or_default().insert(Place::Port(protocol, port));
    }

    /// A process ended: it holds nothing any more.
    pub fn exited(&mut self, process: ProcessId, time_ns: u64) {
        for place in self.places.remove(&process).unwrap_or_default() {
            match place {
                Place::Tuple(t) => claim::end(self.tuples.get_mut(&t), process, time_ns),
                Place::Listener(p) => claim::end(self.listeners.get_mut(&p), process, time_ns),
                Place::Port(protocol, port) => {
                    let Some(list) = self.ports.get_mut(&(protocol, port)) else { continue };
                    claim::end(Some(list), process, time_ns);
                    let released = claim::released(list, process, time_ns).filter(|_| port != 0);
                    self.changes.extend(released.map(|address| EndpointChange { protocol, address, port, time_ns }));
                }
            }
        }
    }

    /// The failure of the connect that made a flow: the flow began within the attempt.
    #[must_use]
    pub fn failure(&self, source: &End) -> Option<Failure> {
        let list = self.failures.get(&source.tuple())?;
        let began_in =
            |f: &&Failure| f.since_ns <= source.first_ns.saturating_add(SLACK_NS) && source.first_ns <= f.time_ns;
        list.iter().find(began_in).copied()
    }

    /// A complete poll that began at `begun_ns` is done: sockets that it did not show are closed.
    pub fn polled(&mut self, begun_ns: u64) {
        let all = self.tuples.values_mut().chain(self.ports.values_mut()).chain(self.listeners.values_mut());
        for claim in all.flatten().filter(|c| c.ended_ns.is_none() && c.seen_ns < begun_ns) {
            claim.ended_ns = Some(claim.seen_ns);
        }
    }

    /// Forgets claims that ended before `before_ns`. The next use of a socket is told again, so that those of
    /// other protocols than TCP go when nothing was heard of them since; a TCP connection may be idle for long
    /// and its end is told.
    pub fn expire(&mut self, before_ns: u64) {
        let ended = |c: &Claim| c.ended_ns.is_some_and(|t| t < before_ns);
        let idle = before_ns.saturating_sub(IDLE_CONNECTION_NS);
        self.addresses.values_mut().for_each(|set| set.retain(|_, gone| gone.is_none_or(|t| t >= before_ns)));
        self.addresses.retain(|_, set| !set.is_empty());
        keep(&mut self.tuples, |t, c| {
            !ended(c) && (c.seen_ns >= idle || c.snapshot) && heard(t.protocol, c, before_ns)
        });
        keep(&mut self.ports, |p, c| !ended(c) && heard(p.0, c, before_ns));
        keep(&mut self.listeners, |_, c| !ended(c));
        self.failures.retain(|_, l| l.iter().any(|f| f.time_ns >= before_ns));
        let (tuples, ports, listeners) = (&self.tuples, &self.ports, &self.listeners);
        self.places.retain(|_, places| {
            places.retain(|p| match p {
                Place::Tuple(t) => tuples.contains_key(t),
                Place::Port(protocol, port) => ports.contains_key(&(*protocol, *port)),
                Place::Listener(port) => listeners.contains_key(port),
            });
            !places.is_empty()
        });
    }
}

fn keep<K: Eq + std::hash::Hash>(table: &mut HashMap<K, Vec<Claim>, RandomState>, f: impl Fn(&K, &Claim) -> bool) {
    table.retain(|key, list| {
        list.retain(|c| f(key, c));
        !list.is_empty()
    });
}

const fn heard(protocol: u8, claim: &Claim, since_ns: u64) -> bool {
    protocol == Protocol::TCP || claim.snapshot || claim.seen_ns >= since_ns
}

/// ICMP has no remote port; unspecified addresses take the family of the other end.
fn tuple(socket: &Socket) -> Tuple {
    let icmp = matches!(socket.protocol, Protocol::ICMP | Protocol::ICMPV6);
    Tuple {
        protocol: socket.protocol,
        local: socket.local,
        local_port: socket.local_port,
        remote: socket.remote,
        remote_port: if icmp { 0 } else { socket.remote_port },
    }
}

/// The unspecified address of the same family.
pub(crate) fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

#[cfg(test)]
mod tests;
