//! Tracks which process held or used which socket, and when.
//!
//! It has three tables: connected sockets by their exact tuple, unconnected ones by protocol and local port, listeners
//! by port. Each contains *claims*: the use of one socket by one process over a time.

mod addresses;
mod alive;
mod claim;
mod expiry;
mod fit;
mod flow_end;
mod initiator;
mod kernel;
mod listener;
mod lookup;
mod ranking;
mod translated;
mod unaccepted;
mod unseen;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::fast::RandomState;
use pidflow_schema::Protocol;

use crate::fact::{Lost, ProcessId, Socket, SocketUse, Task};
use addresses::Addresses;
pub use claim::Role;
use claim::{Claim, Noted};
pub use flow_end::{FlowEnd, Found, NotFound};
use translated::Connects;
use unaccepted::Unaccepted;
use unseen::Unseen;

/// One end's view of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    pub(crate) protocol: u8,
    pub(crate) local: IpAddr,
    pub(crate) local_port: u16,
    pub(crate) remote: IpAddr,
    pub(crate) remote_port: u16,
}

/// The process that uses a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The process.
    pub process: ProcessId,
    /// When it started, before which it had no socket, nanoseconds of the engine's clock; 0: unknown.
    pub start_ns: u64,
}

impl From<&Task> for User {
    fn from(task: &Task) -> Self {
        Self { process: task.id, start_ns: task.start_ns }
    }
}

/// A local port whose socket changed or was closed; ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointChange {
    /// When, nanoseconds of the engine's clock.
    pub time_ns: u64,
    /// IP protocol number.
    pub protocol: u8,
    /// Local address; unspecified: all.
    pub address: IpAddr,
    /// Local port.
    pub port: u16,
}

/// The place of a claim in the tables, to end it when its process exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Tuple(Tuple),
    Port(u8, u16),
    Listener(u16),
}

/// Default memory limit of claims, bytes. From three quarters of it on, old ones are evicted early; at the limit no new
/// ones are added.
pub const MAX_CLAIM_BYTES: usize = 96 << 20;

/// Memory limit of claims, bytes.
#[derive(Debug, Clone, Copy)]
struct ByteLimit(usize);

impl Default for ByteLimit {
    fn default() -> Self {
        Self(MAX_CLAIM_BYTES)
    }
}

/// The index.
#[derive(Debug, Default)]
pub struct SocketIndex {
    tuples: HashMap<Tuple, Vec<Claim>, RandomState>,
    ports: HashMap<(u8, u16), Vec<Claim>, RandomState>,
    listeners: HashMap<u16, Vec<Claim>, RandomState>,
    connects: Connects,
    unaccepted: Unaccepted,
    addresses: Addresses,
    unseen: Unseen,
    own_netns: u32,
    /// Memory of the claims, bytes. Times of use are included only as of the latest expiry.
    bytes: usize,
    limit: ByteLimit,
    dropped: u64,
    places: HashMap<ProcessId, HashSet<Place, RandomState>, RandomState>,
    changes: Vec<EndpointChange>,
}

impl SocketIndex {
    /// An empty index; `own_netns`: inode number of the namespace in which packets are captured, 0: not known.
    #[must_use]
    pub fn new(own_netns: u32) -> Self {
        Self { own_netns, ..Self::default() }
    }

    /// Limits the memory of claims, bytes.
    pub const fn limit_bytes(&mut self, max_bytes: usize) {
        self.limit = ByteLimit(max_bytes);
    }

    /// Number of claims.
    #[must_use]
    pub fn len(&self) -> usize {
        let lists = self.tuples.values().chain(self.ports.values()).chain(self.listeners.values());
        lists.map(Vec::len).sum()
    }

    /// Whether there are no claims.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tuples.is_empty() && self.ports.is_empty() && self.listeners.is_empty()
    }

    /// Memory of the claims, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of claims, addresses and unaccepted connections dropped or evicted early because there was no room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped + self.addresses.dropped() + self.unaccepted.dropped()
    }

    /// Replaces the addresses of a network namespace. Previous ones are removed later by [`SocketIndex::expire`],
    /// because their flows may still be joined.
    pub fn set_addresses(&mut self, time_ns: u64, netns: u32, addresses: &[IpAddr]) {
        self.addresses.set(time_ns, netns, addresses);
    }

    /// Whether another network namespace has one of its addresses too.
    pub(crate) fn shares_addresses(&self, netns: u32) -> bool {
        self.addresses.are_shared(netns)
    }

    /// Whether the address is one of this host's, in any of its namespaces.
    #[must_use]
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.addresses.is_local(address)
    }

    /// Notes that events of this period were lost.
    pub fn lost(&mut self, what: Lost, from_ns: u64, until_ns: u64) {
        self.unseen.note(what, (from_ns, until_ns));
    }

    /// Takes the changes of owners of local ports since the last call.
    pub fn take_changes(&mut self) -> Vec<EndpointChange> {
        std::mem::take(&mut self.changes)
    }

    /// Applies the use of a socket by a process.
    pub fn used(&mut self, time_ns: u64, user: impl Into<User>, used: SocketUse, socket: &Socket) {
        let user = user.into();
        if !socket.local.is_unspecified() {
            self.addresses.learn(socket.netns, socket.local);
        }
        match used {
            SocketUse::Listen | SocketUse::HeldListening => self.listens(time_ns, user, used, socket),
            SocketUse::ConnectFailed { .. } => self.claim_tuple(time_ns, user, used, socket),
            _ => self.claims(time_ns, user, used, socket),
        }
    }

    fn listens(&mut self, time_ns: u64, user: User, used: SocketUse, socket: &Socket) {
        let has_room = self.has_room();
        let list = self.listeners.entry(socket.local_port).or_default();
        let noted = claim::note(list, (time_ns, user), used, socket, has_room);
        self.place(user.process, Place::Listener(socket.local_port), noted);
    }

    fn has_room(&self) -> bool {
        self.bytes <= self.limit.0
    }

    /// Remembers the place of a new claim.
    fn place(&mut self, process: ProcessId, place: Place, noted: Noted) {
        match noted {
            Noted::Continued => {}
            Noted::Refused => self.dropped += 1,
            Noted::Shared | Noted::Fresh => {
                self.bytes += expiry::CLAIM_BYTES;
                self.places.entry(process).or_default().insert(place);
            }
        }
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
            // Without a port, it cannot be found yet.
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
        let (tuple, has_room) = (Tuple::of(socket), self.has_room());
        let list = self.tuples.entry(tuple).or_default();
        let noted = claim::note(list, (time_ns, user), used, socket, has_room);
        if noted != Noted::Refused {
            self.bytes += self.connects.note(used, tuple);
        }
        self.place(user.process, Place::Tuple(tuple), noted);
    }

    fn claim_port(&mut self, time_ns: u64, user: User, used: SocketUse, socket: &Socket) {
        let (protocol, port) = (socket.protocol, socket.local_port);
        let has_room = self.has_room();
        let list = self.ports.entry((protocol, port)).or_default();
        let noted = claim::note(list, (time_ns, user), used, socket, has_room);
        // A socket that receives first may belong to a server that shares the port (SO_REUSEPORT), whose answer is no
        // new flow.
        let may_take_over = noted == Noted::Fresh && used != SocketUse::Receive;
        let change = if may_take_over { claim::taken_over(list, time_ns, user, socket) } else { None };
        let change = change.or((used == SocketUse::Close).then_some(time_ns)).filter(|_| port != 0);
        self.changes.extend(change.map(|time_ns| EndpointChange { protocol, address: socket.local, port, time_ns }));
        self.place(user.process, Place::Port(protocol, port), noted);
    }

    /// Ends all claims of a process that exited.
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
}

impl Tuple {
    /// ICMP has no remote port.
    pub(crate) fn of(socket: &Socket) -> Self {
        Self {
            protocol: socket.protocol,
            local: socket.local,
            local_port: socket.local_port,
            remote: socket.remote,
            remote_port: if kernel::is_icmp(socket.protocol) { 0 } else { socket.remote_port },
        }
    }
}

/// The unspecified address of the same family.
pub(crate) fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

#[cfg(test)]
mod tests;
