//! A claim is the use of one socket by one process over a time.

use std::net::IpAddr;

use pidflow_schema::Protocol;

use super::User;
use crate::fact::{ProcessId, Socket, SocketUse};

/// The side of a connection that the process is on, if the kernel reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The process called connect.
    Connects,
    /// The process accepted the connection.
    Accepts,
    /// The process only used or holds the socket.
    Unknown,
}

/// The other ends with which a socket was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    /// Only this one; the socket may be connected to it.
    One(IpAddr, u16),
    /// Several, or unknown.
    Any,
}

impl Peers {
    const fn of(socket: &Socket) -> Self {
        if socket.remote.is_unspecified() { Self::Any } else { Self::One(socket.remote, socket.remote_port) }
    }

    fn add(&mut self, socket: &Socket) {
        if *self != Self::of(socket) {
            *self = Self::Any;
        }
    }

    /// Whether packets from this remote end may be for the socket.
    pub(super) fn include(self, remote: IpAddr, port: u16) -> bool {
        self == Self::Any || self == Self::One(remote, port)
    }
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// The process.
    pub(super) process: ProcessId,
    /// Inode number of the socket's network namespace.
    pub(super) netns: u32,
    /// The socket's local address.
    pub(super) local: IpAddr,
    /// Its other ends.
    pub(super) peers: Peers,
    /// Whether it is a raw socket, which has no port and receives copies of packets that others or the kernel handle.
    pub(super) is_raw: bool,
    /// Its first report was a receive.
    pub(super) began_by_receive: bool,
    /// Its first report was a send.
    pub(super) began_by_send: bool,
    /// Whether the IPv6 socket also accepts IPv4.
    pub(super) dual_stack: bool,
    /// The socket's identity while it exists.
    pub(super) socket: u64,
    /// Inode number of its file; 0: not known yet.
    pub(super) file: u64,
    /// Side of the connection.
    pub(super) role: Role,
    /// When the process started, before which the claim cannot have begun; 0: unknown.
    pub(super) from_ns: u64,
    /// Time of the first report, nanoseconds.
    pub(super) first_ns: u64,
    /// Time of the last report, nanoseconds.
    pub(super) seen_ns: u64,
    /// The latest times at which it sent or received, in order; for a raw socket only those at which it sent.
    pub(super) uses: Vec<u64>,
    /// When the process closed the socket or exited.
    pub(super) ended_ns: Option<u64>,
    /// Whether it is known only from a snapshot.
    pub(super) snapshot: bool,
}

/// How long after its packet a first use may be reported if the sender was preempted by the receiver, nanoseconds.
const MAX_EVENT_DELAY_NS: u64 = 5_000_000;

/// The greatest number of times of use kept in one claim; repeated uses are reported once a second.
const MAX_USES: usize = 64;

impl Claim {
    fn new(time_ns: u64, user: User, used: SocketUse, socket: &Socket) -> Self {
        Self {
            process: user.process,
            netns: socket.netns,
            local: socket.local,
            peers: Peers::of(socket),
            is_raw: socket.protocol != Protocol::TCP && socket.local_port == 0,
            began_by_receive: used == SocketUse::Receive,
            began_by_send: used == SocketUse::Send,
            dual_stack: socket.dual_stack,
            socket: socket.id,
            file: socket.file,
            role: Role::Unknown,
            from_ns: user.start_ns,
            first_ns: if let SocketUse::ConnectFailed { since_ns, .. } = used { since_ns } else { time_ns },
            seen_ns: time_ns,
            uses: Vec::new(),
            ended_ns: None,
            snapshot: matches!(used, SocketUse::Held | SocketUse::HeldListening),
        }
    }

    fn note(&mut self, time_ns: u64, used: SocketUse, socket: &Socket) {
        self.peers.add(socket);
        self.file = if socket.file == 0 { self.file } else { socket.file };
        self.seen_ns = self.seen_ns.max(time_ns);
        match used {
            SocketUse::Connect => self.role = Role::Connects,
            SocketUse::Accept => self.role = Role::Accepts,
            SocketUse::Receive if self.is_raw => {}
            SocketUse::Send | SocketUse::Receive => self.use_at(time_ns),
            SocketUse::ConnectFailed { .. } => {
                self.role = Role::Connects;
                self.ended_ns = Some(time_ns);
            }
            SocketUse::Close => self.ended_ns = Some(time_ns),
            SocketUse::Listen | SocketUse::Held | SocketUse::HeldListening => {}
        }
        self.snapshot &= matches!(used, SocketUse::Held | SocketUse::HeldListening);
    }

    fn use_at(&mut self, time_ns: u64) {
        // It is used after its end began: that was a shutdown of one direction, not a close.
        if self.ended_ns.is_some_and(|t| t < time_ns) {
            self.ended_ns = None;
        }
        if self.uses.len() == MAX_USES {
            self.uses.remove(0);
        }
        self.uses.push(time_ns);
    }

    /// Whether a new socket with this local address and port, in use since `since_ns`, shows that this one was closed
    /// without a report.
    fn is_replaced_by(&self, new: &Socket, since_ns: u64) -> bool {
        let same_port = self.socket != new.id && self.netns == new.netns && do_collide(self.local, new.local);
        same_port && self.first_ns < since_ns && self.ended_ns.is_none_or(|t| t > since_ns)
    }

    /// Whether the sockets of both claims could only be bound at the same time if both allowed it.
    pub(super) fn is_in_the_way_of(&self, other: &Self) -> bool {
        self.netns == other.netns && do_collide(self.local, other.local)
    }

    /// Whether two claims on one TCP tuple of one namespace are on different connections. Each connection is opened
    /// once. The kernel reuses the address of a socket, often at once, but not the number of its file.
    pub(super) fn is_of_another_connection(&self, other: &Self) -> bool {
        let is_known = !self.snapshot && !other.snapshot && self.netns == other.netns;
        let are_files_different = self.file != other.file && self.file != 0 && other.file != 0;
        let are_opened = self.role == other.role && self.role != Role::Unknown;
        is_known && (self.socket != other.socket || are_files_different || are_opened)
    }

    /// Whether two claims were held at the same time.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let ends_before = |x: &Self, y: &Self| x.ended_ns.is_some_and(|t| t <= y.first_ns);
        !ends_before(self, other) && !ends_before(other, self)
    }

    /// Whether two sockets with the same tuple were open at the same time: both are bound to an interface (link-local
    /// addresses, VRFs). Successive connections with one tuple are not.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let is_other_file = self.file != other.file || self.file == 0;
        if self.socket == other.socket || !is_other_file || self.snapshot != other.snapshot {
            return false;
        }
        let is_seen_after = |x: &Self, y: &Self| x.seen_ns > y.first_ns.saturating_add(MAX_EVENT_DELAY_NS);
        match self.snapshot {
            true => self.overlaps(other),
            false => is_seen_after(self, other) && is_seen_after(other, self),
        }
    }

    /// Whether a use is of the same socket and process. The identity in a snapshot is the inode number, in an event the
    /// address: the first event takes over the claim of a snapshot. The address is reused for later connections, often
    /// with the same tuple but another file.
    fn is_of(&self, process: ProcessId, used: SocketUse, socket: &Socket) -> bool {
        let held = matches!(used, SocketUse::Held | SocketUse::HeldListening);
        let same = self.socket == socket.id || self.snapshot != held;
        let may_be_same_file = self.file == socket.file || self.file == 0 || socket.file == 0;
        self.process == process && self.netns == socket.netns && same && may_be_same_file
    }
}

/// The result of noting a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// An existing claim continues.
    Continued,
    /// A new claim on a socket that has others.
    Shared,
    /// A new claim on a new socket.
    Fresh,
    /// A new claim would be needed, but there is no room.
    Refused,
}

/// Adds a use to the claim that it continues, or makes a new claim if there is room.
pub(super) fn note(
    list: &mut Vec<Claim>,
    (time_ns, user): (u64, User),
    used: SocketUse,
    socket: &Socket,
    has_room: bool,
) -> Noted {
    // A socket's address is reused after close. A closed claim stays closed unless it is used further.
    let open = |c: &&mut Claim| c.is_of(user.process, used, socket) && (c.ended_ns.is_none() || !begins(used));
    if let Some(claim) = list.iter_mut().rev().find(open) {
        if claim.snapshot {
            claim.socket = socket.id;
        }
        claim.note(time_ns, used, socket);
        return Noted::Continued;
    }
    if !has_room {
        return Noted::Refused;
    }
    let fresh = list.iter().all(|c| c.socket != socket.id || c.ended_ns.is_some());
    let mut claim = Claim::new(time_ns, user, used, socket);
    claim.note(time_ns, used, socket);
    // Most lists have one claim.
    list.reserve_exact(1);
    list.push(claim);
    if fresh { Noted::Fresh } else { Noted::Shared }
}

/// When a new socket, first used by `user` as reported at `time_ns`, took over the port from previous ones. None: there
/// was none, or its close was reported, which was the change.
///
/// The use may be reported after the packet. But a process's sockets are not older than the process, so the port was
/// taken over at its start if a previous socket was last reported before that.
pub(super) fn taken_over(list: &[Claim], time_ns: u64, user: User, new: &Socket) -> Option<u64> {
    let replaced = |since_ns| list.iter().filter(move |c| c.is_replaced_by(new, since_ns));
    let born = Some(user.start_ns).filter(|start_ns| replaced(*start_ns).any(|c| c.seen_ns < *start_ns));
    born.or_else(|| replaced(time_ns).next().map(|_| time_ns.saturating_sub(MAX_EVENT_DELAY_NS)))
}

/// Whether the event only occurs at the begin of a claim.
const fn begins(used: SocketUse) -> bool {
    matches!(used, SocketUse::Connect | SocketUse::Accept | SocketUse::Held | SocketUse::HeldListening)
}

/// The local address of a socket of a process that just exited. None: another process holds the same socket, or already
/// has another one at the port, which was the change.
pub(super) fn released(list: &[Claim], process: ProcessId, time_ns: u64) -> Option<IpAddr> {
    let gone = list.iter().find(|c| c.process == process && c.ended_ns == Some(time_ns))?;
    // The change was noted for the address of that socket, which must include this one's.
    let covers = |c: &Claim| c.netns == gone.netns && (c.local == gone.local || c.local.is_unspecified());
    let came_after = |c: &Claim| covers(c) && c.first_ns > gone.seen_ns;
    let held = list.iter().any(|c| c.ended_ns.is_none() && (c.socket == gone.socket || came_after(c)));
    (!held).then_some(gone.local)
}

/// Whether sockets bound to these addresses and the same port would conflict.
fn do_collide(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

/// Ends every claim of a process.
pub(super) fn end(list: Option<&mut Vec<Claim>>, process: ProcessId, time_ns: u64) {
    for claim in list.into_iter().flatten().filter(|c| c.process == process && c.ended_ns.is_none()) {
        claim.ended_ns = Some(time_ns);
    }
}
