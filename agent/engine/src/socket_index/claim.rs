//! One process's use of one socket over a time.

use std::net::IpAddr;

use pidflow_schema::Protocol;

use super::User;
use crate::fact::{ProcessId, Socket, SocketUse};

/// Which side of a connection the process was, as far as the kernel reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It called connect.
    Connects,
    /// It accepted.
    Accepts,
    /// It only used the socket, or holds it.
    Unknown,
}

/// The other ends with which a socket was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    /// This one alone: the socket may be connected to it.
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

    /// Whether packets of that end may be for the socket.
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
    /// A raw socket: it has no port, and receives copies of what others, or the kernel, answer.
    pub(super) is_raw: bool,
    /// Its first report was a receive.
    pub(super) began_by_receive: bool,
    /// Its first report was a send.
    pub(super) began_by_send: bool,
    /// It also takes IPv4.
    pub(super) dual_stack: bool,
    /// The socket's identity while it lives.
    pub(super) socket: u64,
    /// Inode number of its file; 0: not known yet.
    pub(super) file: u64,
    /// Side of the connection.
    pub(super) role: Role,
    /// It cannot have begun before: when the process started; 0: not known.
    pub(super) from_ns: u64,
    /// Time of the first report, nanoseconds.
    pub(super) first_ns: u64,
    /// Time of the last report, nanoseconds.
    pub(super) seen_ns: u64,
    /// Times at which it sent or received, the latest few, in order; of a raw socket, at which it sent.
    pub(super) uses: Vec<u64>,
    /// When it closed the socket or ended.
    pub(super) ended_ns: Option<u64>,
    /// Known from a snapshot alone.
    pub(super) snapshot: bool,
}

/// How long after its packet a first use may be reported, when the sender was preempted by the receiver.
const MAX_EVENT_DELAY_NS: u64 = 5_000_000;

/// Times of use kept in one claim; repeated uses are reported once a second.
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
        // Used again after its end was begun: shutdown of one direction, not close.
        if self.ended_ns.is_some_and(|t| t < time_ns) {
            self.ended_ns = None;
        }
        if self.uses.len() == MAX_USES {
            self.uses.remove(0);
        }
        self.uses.push(time_ns);
    }

    /// Whether a new socket with this local address and port, in use since that time, means that this one's end was not
    /// reported: neither its close nor, by then, its process's end.
    fn is_replaced_by(&self, new: &Socket, since_ns: u64) -> bool {
        let same_port = self.socket != new.id && self.netns == new.netns && do_collide(self.local, new.local);
        same_port && self.first_ns < since_ns && self.ended_ns.is_none_or(|t| t > since_ns)
    }

    /// Whether a socket like the other claim's could not be bound beside this one's without both allowing it.
    pub(super) fn is_in_the_way_of(&self, other: &Self) -> bool {
        self.netns == other.netns && do_collide(self.local, other.local)
    }

    /// Whether two claims were held at the same time.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let ends_before = |x: &Self, y: &Self| x.ended_ns.is_some_and(|t| t <= y.first_ns);
        !ends_before(self, other) && !ends_before(other, self)
    }

    /// The same socket of the same process, still open as far as is known. A snapshot's identity is the inode
    /// number, an event's the address: a claim of a snapshot is taken over by the first event. The address is used again for
    /// the next connection, often for one with the same tuple, which has another file.
    fn is_of(&self, process: ProcessId, used: SocketUse, socket: &Socket) -> bool {
        let held = matches!(used, SocketUse::Held | SocketUse::HeldListening);
        let same = self.socket == socket.id || self.snapshot != held;
        let may_be_same_file = self.file == socket.file || self.file == 0 || socket.file == 0;
        self.process == process && self.netns == socket.netns && same && may_be_same_file
    }
}

/// How a use was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// A claim goes on.
    Continued,
    /// A new claim on a socket that has others.
    Shared,
    /// A new claim on a socket not known yet.
    Fresh,
    /// It would be a new claim, and there is no room.
    Refused,
}

/// Adds to the claim that it continues, or makes a new one if there is room.
pub(super) fn note(
    list: &mut Vec<Claim>,
    (time_ns, user): (u64, User),
    used: SocketUse,
    socket: &Socket,
    has_room: bool,
) -> Noted {
    // A socket's address is used again after close; what was closed stays closed unless it is used on.
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
    // Most lists hold one.
    list.reserve_exact(1);
    list.push(claim);
    if fresh { Noted::Fresh } else { Noted::Shared }
}

/// When a new socket, first used by `user` as reported at `time_ns`, took the port over from those before; none: there was
/// none, or its end was reported: that was the change.
///
/// The use may be reported after the packet: then it is known that the process's sockets are not older than itself, and that
/// what was used before it started was another one.
pub(super) fn taken_over(list: &[Claim], time_ns: u64, user: User, new: &Socket) -> Option<u64> {
    let replaced = |since_ns| list.iter().filter(move |c| c.is_replaced_by(new, since_ns));
    let born = Some(user.start_ns).filter(|start_ns| replaced(*start_ns).any(|c| c.seen_ns < *start_ns));
    born.or_else(|| replaced(time_ns).next().map(|_| time_ns.saturating_sub(MAX_EVENT_DELAY_NS)))
}

/// Events that only a new connection has.
const fn begins(used: SocketUse) -> bool {
    matches!(used, SocketUse::Connect | SocketUse::Accept | SocketUse::Held | SocketUse::HeldListening)
}

/// The local address of a socket that the process just ended had, unless another process holds the same one, or has
/// another one there already: that was the change.
pub(super) fn released(list: &[Claim], process: ProcessId, time_ns: u64) -> Option<IpAddr> {
    let gone = list.iter().find(|c| c.process == process && c.ended_ns == Some(time_ns))?;
    // Its change was noted for its own address, which must be this one's too.
    let covers = |c: &Claim| c.netns == gone.netns && (c.local == gone.local || c.local.is_unspecified());
    let came_after = |c: &Claim| covers(c) && c.first_ns > gone.seen_ns;
    let held = list.iter().any(|c| c.ended_ns.is_none() && (c.socket == gone.socket || came_after(c)));
    (!held).then_some(gone.local)
}

/// Whether sockets bound to these addresses would be in each other's way.
fn do_collide(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

/// Ends every claim of a process.
pub(super) fn end(list: Option<&mut Vec<Claim>>, process: ProcessId, time_ns: u64) {
    for claim in list.into_iter().flatten().filter(|c| c.process == process && c.ended_ns.is_none()) {
        claim.ended_ns = Some(time_ns);
    }
}
