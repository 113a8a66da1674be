//! One process's use of one socket over a time.

use std::net::IpAddr;

use super::User;
use crate::fact::{ProcessId, Socket, SocketUse};

/// Which side of a connection the process was, as far as the kernel said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It called connect.
    Connects,
    /// It accepted.
    Accepts,
    /// It only used the socket, or holds it.
    Unknown,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub process: ProcessId,
    /// Inode number of the socket's network namespace.
    pub netns: u32,
    /// The socket's local address.
    pub local: IpAddr,
    /// It also takes IPv4.
    pub dual_stack: bool,
    /// The socket's identity while it lives.
    pub socket: u64,
    /// Side.
    pub role: Role,
    /// It cannot have begun before: when the process started; 0: not known.
    pub from_ns: u64,
    /// First heard of.
    pub first_ns: u64,
    /// Last heard of.
    pub seen_ns: u64,
    /// Times at which it sent or received, the latest few, in order.
    pub uses: Vec<u64>,
    /// When it closed the socket or ended.
    pub ended_ns: Option<u64>,
    /// Known from a snapshot alone.
    pub snapshot: bool,
}

/// A first use may be told so long after its packet, when the sender was preempted by the receiver.
const TOLD_LATE_NS: u64 = 5_000_000;

/// Times of use kept in one claim; repeated uses are told once a second.
const USES: usize = 64;

impl Claim {
    fn new(time_ns: u64, user: User, used: SocketUse, socket: &Socket) -> Self {
        Self {
            process: user.process,
            netns: socket.netns,
            local: socket.local,
            dual_stack: socket.dual_stack,
            socket: socket.id,
            role: Role::Unknown,
            from_ns: user.start_ns,
            first_ns: if let SocketUse::ConnectFailed { since_ns, .. } = used { since_ns } else { time_ns },
            seen_ns: time_ns,
            uses: Vec::new(),
            ended_ns: None,
            snapshot: matches!(used, SocketUse::Held | SocketUse::HeldListening),
        }
    }

    fn note(&mut self, time_ns: u64, used: SocketUse) {
        self.seen_ns = self.seen_ns.max(time_ns);
        match used {
            SocketUse::Connect => self.role = Role::Connects,
            SocketUse::Accept => self.role = Role::Accepts,
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
        if self.uses.len() == USES {
            self.uses.remove(0);
        }
        self.uses.push(time_ns);
    }

    /// Whether a new socket with this local address and port, in use since that time, means that this one's end was not
    /// told: neither its close nor, by then, its process's end.
    fn is_replaced_by(&self, new: &Socket, since_ns: u64) -> bool {
        let same_port = self.socket != new.id && self.netns == new.netns && overlap(self.local, new.local);
        same_port && self.first_ns < since_ns && self.ended_ns.is_none_or(|t| t > since_ns)
    }

    /// The same socket of the same process, still open as far as is known. A snapshot's identity is the inode
    /// number, an event's the address: a claim of a snapshot is taken over by the first event.
    fn is_of(&self, process: ProcessId, used: SocketUse, socket: &Socket) -> bool {
        let held = matches!(used, SocketUse::Held | SocketUse::HeldListening);
        let same = self.socket == socket.id || self.snapshot != held;
        self.process == process && self.netns == socket.netns && same
    }
}

/// Adds to the claim that it continues, or makes a new one; whether it is new and of a socket not known yet.
pub(super) fn note(list: &mut Vec<Claim>, time_ns: u64, user: User, used: SocketUse, socket: &Socket) -> bool {
    // A socket's address is used again after close; what was closed stays closed unless it is used on.
    let open = |c: &&mut Claim| c.is_of(user.process, used, socket) && (c.ended_ns.is_none() || !begins(used));
    if let Some(claim) = list.iter_mut().rev().find(open) {
        if claim.snapshot {
            claim.socket = socket.id;
        }
        claim.note(time_ns, used);
        return false;
    }
    let fresh = list.iter().all(|c| c.socket != socket.id || c.ended_ns.is_some());
    let mut claim = Claim::new(time_ns, user, used, socket);
    claim.note(time_ns, used);
    list.push(claim);
    fresh
}

/// When a new socket, first used by `user` as told at `time_ns`, took the port over from those before; none: there was
/// none, or its end was told: that was the change.
///
/// The use may be told after the packet: then it is known that the process's sockets are not older than itself, and that
/// what was used before it started was another one.
pub(super) fn taken_over(list: &[Claim], time_ns: u64, user: User, new: &Socket) -> Option<u64> {
    let replaced = |since_ns| list.iter().filter(move |c| c.is_replaced_by(new, since_ns));
    let born = Some(user.start_ns).filter(|start_ns| replaced(*start_ns).any(|c| c.seen_ns < *start_ns));
    born.or_else(|| replaced(time_ns).next().map(|_| time_ns.saturating_sub(TOLD_LATE_NS)))
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
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

/// Ends every claim of a process.
pub(super) fn end(list: Option<&mut Vec<Claim>>, process: ProcessId, time_ns: u64) {
    for claim in list.into_iter().flatten().filter(|c| c.process == process && c.ended_ns.is_none()) {
        claim.ended_ns = Some(time_ns);
    }
}
