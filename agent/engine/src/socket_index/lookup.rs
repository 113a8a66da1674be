//! Finding the process of one end of a flow.
//!
//! A guess is never made: where several processes fit equally well the answer says so.

use std::cmp::Reverse;
use std::net::IpAddr;

use pidflow_schema::{Attribution, Protocol};

use super::claim::Claim;
use super::{Role, SocketIndex, Tuple, unspecified};
use crate::fact::ProcessId;

/// The kernel side tells of a repeated use once in this time.
const REPEAT_NS: u64 = 1_000_000_000;
/// A send is told just before or just after its packet, a receive after it.
const BEFORE_NS: u64 = 5_000_000;
/// How far the kernel's clock and the packets' may be apart.
const CLOCK_NS: u64 = 200_000;
/// How long after the last packet a receive or close may still be told.
const AFTER_NS: u64 = 50_000_000;
/// How long after the last packet a first use may be told, where the sender was preempted in the call.
const LATEST_NS: u64 = 1_000_000_000;
/// How long the kernel may go on with a connection that its process closed: FIN_WAIT2, TIME_WAIT (60 s each).
const LINGER_NS: u64 = 120_000_000_000;
const TCP: u8 = Protocol::TCP;

/// One end of a flow, and its time.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// IP protocol number.
    pub protocol: u8,
    /// This end.
    pub local: IpAddr,
    /// This end's port.
    pub local_port: u16,
    /// The other end.
    pub remote: IpAddr,
    /// The other end's port; 0 for ICMP.
    pub remote_port: u16,
    /// First packet.
    pub first_ns: u64,
    /// Last packet.
    pub last_ns: u64,
}

impl End {
    pub(super) const fn tuple(&self) -> Tuple {
        Tuple {
            protocol: self.protocol,
            local: self.local,
            local_port: self.local_port,
            remote: self.remote,
            remote_port: self.remote_port,
        }
    }
}

/// What was found for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Who.
    pub process: ProcessId,
    /// How sure.
    pub attribution: Attribution,
    /// Which side, as the kernel said.
    pub role: Role,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Another process with a claim: who accepted, or the listener's owner.
    pub other: Option<ProcessId>,
}

/// How well a claim fits a flow's time, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It was closed before, and the kernel still ends the connection by itself.
    Lingers,
    /// It is held over the flow's time, by a snapshot or an earlier event.
    Covers,
    /// It was connected, accepted or closed within the flow's time.
    Touches,
    /// It was used within a second before: repetition is not told.
    JustUsed,
    /// It was used within the flow's time.
    Used,
}

impl SocketIndex {
    /// The process at `end`.
    ///
    /// # Errors
    /// Why there is none: [`Attribution::Ambiguous`] or [`Attribution::NoSocket`].
    pub fn find(&self, end: &End) -> Result<Found, Attribution> {
        let listener = self.listener(end);
        let mut found = self.connected_or_bound(end).unwrap_or(Err(Attribution::NoSocket));
        if found == Err(Attribution::NoSocket) {
            return listener.ok_or(Attribution::NoSocket);
        }
        if let (Ok(f), Some(l)) = (&mut found, listener) {
            f.other = Some(l.process).filter(|p| *p != f.process).or(f.other);
        }
        found
    }

    fn connected_or_bound(&self, end: &End) -> Option<Result<Found, Attribution>> {
        let (connected, bound) = (self.by_tuple(end), self.by_port(end));
        if bound.takes_over(&connected, end) {
            return bound.decide(&BY_PORT, end);
        }
        connected.decide(&BY_TUPLE, end).or_else(|| bound.decide(&BY_PORT, end))
    }

    fn by_tuple(&self, end: &End) -> Best<'_> {
        let exact = end.tuple();
        let any = Tuple { local: unspecified(end.local), ..exact };
        let raw = [exact, any].map(|t| Tuple { local_port: 0, ..t });
        // Only ICMP is sent through raw sockets and, with a port, through others as well.
        let raw = raw.into_iter().filter(|_| is_icmp(end.protocol));
        let claims = [exact, any].into_iter().chain(raw).filter_map(|t| self.tuples.get(&t)).flatten();
        // A socket bound to the address itself proves that its namespace has it.
        let seen = |c: &&Claim| self.may_see(c, end) || (c.local == end.local && !c.local.is_loopback());
        best(claims.filter(seen).filter(|c| !self.was_closed(c, end)), end)
    }

    /// Whether the socket of a claim on a datagram's peer was closed before: its close names no peer and is noted with
    /// the port alone.
    fn was_closed(&self, claim: &Claim, end: &End) -> bool {
        let bound = self.ports.get(&(end.protocol, end.local_port)).into_iter().flatten();
        let mut same = bound.filter(|b| b.process == claim.process && b.socket == claim.socket).peekable();
        same.peek().is_some() && same.all(|b| b.ended_ns.is_some_and(|t| t.saturating_add(CLOCK_NS) < end.first_ns))
    }

    fn by_port(&self, end: &End) -> Best<'_> {
        let of = |port| self.ports.get(&(end.protocol, port)).into_iter().flatten().filter(|c| self.serves(c, end));
        let bound = best(of(end.local_port), end);
        // Raw sockets have no port.
        if bound.claims.is_empty() { best(of(0), end) } else { bound }
    }

    fn listener(&self, end: &End) -> Option<Found> {
        let claims = self.listeners.get(&end.local_port).filter(|_| end.protocol == TCP)?;
        // Strictly: what came after the listener was closed was refused.
        let open = |c: &&Claim| fit(c, end).is_some() && c.ended_ns.is_none_or(|t| t >= end.first_ns);
        let mut serving = claims.iter().filter(|c| self.serves(c, end)).filter(open);
        let first = serving.next()?;
        // Workers that share a listener by fork hold the same socket; which one accepts is not known.
        let owner =
            serving.try_fold(first, |one, c| (one.process == c.process || one.socket == c.socket).then_some(one))?;
        Some(found(owner, Attribution::ListenerOnly, None))
    }

    /// Whether a socket bound so takes packets to this end.
    fn serves(&self, claim: &Claim, end: &End) -> bool {
        let family = claim.local.is_ipv4() == end.local.is_ipv4() || claim.dual_stack;
        let bound = claim.local == end.local || claim.local.is_unspecified() || is_group(end.local);
        family && bound && self.may_see(claim, end)
    }

    /// Whether packets with this local address reach the claim's network namespace at all.
    fn may_see(&self, claim: &Claim, end: &End) -> bool {
        if end.local.is_loopback() {
            // Loopback is captured in the agent's own namespace alone.
            return claim.netns == self.own_netns || self.own_netns == 0;
        }
        is_group(end.local) || self.addresses.get(&claim.netns).is_none_or(|set| set.contains_key(&end.local))
    }
}

const fn is_icmp(protocol: u8) -> bool {
    matches!(protocol, Protocol::ICMP | Protocol::ICMPV6)
}

fn is_group(a: IpAddr) -> bool {
    a.is_multicast() || matches!(a, IpAddr::V4(v4) if v4.is_broadcast())
}

/// A claim that fits.
struct Fitting<'a> {
    fit: Fit,
    /// How far outside the flow's time the moment is by which it fits, nanoseconds.
    distance: u64,
    time: u64,
    claim: &'a Claim,
}

/// The claims that fit, best first.
#[derive(Default)]
struct Best<'a> {
    claims: Vec<Fitting<'a>>,
}

fn best<'a>(claims: impl Iterator<Item = &'a Claim>, end: &End) -> Best<'a> {
    let fitting = |claim| {
        let (fit, time) = fit(claim, end)?;
        let distance = time.abs_diff(time.clamp(end.first_ns, end.last_ns));
        Some(Fitting { fit, distance, time, claim })
    };
    let mut claims: Vec<_> = claims.filter_map(fitting).collect();
    let late: Vec<&Claim> = claims.iter().map(|f| f.claim).filter(|c| is_born_for(c, end)).collect();
    claims.retain(|f| !late.iter().any(|new| new.socket != f.claim.socket && f.claim.seen_ns < new.from_ns));
    claims.sort_by_key(|f| (Reverse(f.fit), f.distance, Reverse(f.time)));
    Best { claims }
}

/// What a table's answer is called, and whether its claims name the other end.
struct Table {
    event: Attribution,
    snapshot: Attribution,
    exact: bool,
}

const BY_TUPLE: Table = Table { event: Attribution::SocketEvent, snapshot: Attribution::SnapshotTuple, exact: true };
const BY_PORT: Table = Table { event: Attribution::LocalPortEvent, snapshot: Attribution::SnapshotPort, exact: false };

impl Best<'_> {
    /// Whether the bound socket came to the port with this flow, after the last that was heard of the connected one,
    /// of which the close was not told.
    fn takes_over(&self, connected: &Best<'_>, end: &End) -> bool {
        let (Some(new), Some(old)) = (self.claims.first(), connected.claims.first()) else { return false };
        new.claim.process != old.claim.process && new.fit == Fit::Used && gave_way(old.claim, new.claim, end)
    }

    /// With the exact tuple the latest user of the socket has it; with a local port alone two users at
    /// the same time cannot be told apart, but one after the other they can.
    fn decide(&self, table: &Table, end: &End) -> Option<Result<Found, Attribution>> {
        let best = self.claims.first()?;
        let first = best.claim;
        let others = || self.claims.iter().filter(|f| f.claim.process != first.process);
        if !table.exact && others().any(|f| is_rival(best, f, end)) {
            return Some(Err(Attribution::Ambiguous));
        }
        let other = others().map(|f| f.claim).find(|c| overlap(first, c)).map(|c| c.process);
        let mut found = found(first, if first.snapshot { table.snapshot } else { table.event }, other);
        if found.role == Role::Unknown {
            found.role = self.role_of_socket(first);
        }
        Some(Ok(found))
    }

    /// Whoever has the socket now, the one who got it from connect or accept tells the side.
    fn role_of_socket(&self, of: &Claim) -> Role {
        let same = self.claims.iter().map(|f| f.claim).filter(|c| c.socket == of.socket && overlap(of, c));
        same.map(|c| c.role).find(|r| *r != Role::Unknown).unwrap_or(Role::Unknown)
    }
}

/// Whether another process's claim on the same port is as good. A use within the last second is as good as one
/// within the flow: it may have gone on untold.
fn is_rival(best: &Fitting, other: &Fitting, end: &End) -> bool {
    let as_good = other.fit >= Fit::JustUsed || other.fit == best.fit;
    let came_after = !other.claim.snapshot && other.claim.first_ns > end.last_ns.saturating_add(CLOCK_NS);
    as_good && !came_after && !gave_way(other.claim, best.claim, end)
}

/// Whether the new claim came to the port with this flow, after the last that was heard of the old one, whose close
/// was not told.
fn gave_way(old: &Claim, new: &Claim, end: &End) -> bool {
    new.first_ns.abs_diff(end.first_ns) <= AFTER_NS && old.seen_ns < new.first_ns
}

/// Whether the claim's process was there when the flow began, and is told to use the socket within a second of the flow:
/// whoever was last heard of before it started does not hold the port any more.
fn is_born_for(claim: &Claim, end: &End) -> bool {
    let told = claim.first_ns <= end.last_ns.saturating_add(LATEST_NS) && claim.first_ns >= end.first_ns;
    end.protocol != TCP && !claim.snapshot && claim.from_ns != 0 && claim.from_ns <= end.first_ns && told
}

/// Whether two claims were held at the same time.
fn overlap(a: &Claim, b: &Claim) -> bool {
    let ends_before = |x: &Claim, y: &Claim| x.ended_ns.is_some_and(|t| t <= y.first_ns);
    !ends_before(a, b) && !ends_before(b, a)
}

const fn found(claim: &Claim, attribution: Attribution, other: Option<ProcessId>) -> Found {
    Found { process: claim.process, attribution, role: claim.role, netns: claim.netns, other }
}

/// How a claim fits the time of a flow, and since when; none: it is of another time.
fn fit(claim: &Claim, end: &End) -> Option<(Fit, u64)> {
    let (from, to) = (end.first_ns.saturating_sub(BEFORE_NS), end.last_ns.saturating_add(AFTER_NS));
    if let Some(ended) = claim.ended_ns.filter(|t| t.saturating_add(CLOCK_NS) < end.first_ns) {
        let lingers = end.protocol == TCP && ended.saturating_add(LINGER_NS) >= from;
        return lingers.then_some((Fit::Lingers, ended));
    }
    let within = |t: &&u64| **t >= from && **t <= to;
    let outside = |t: &u64| t.abs_diff((*t).clamp(end.first_ns, end.last_ns));
    if let Some(&t) = claim.uses.iter().rev().filter(within).min_by_key(|t| outside(t)) {
        return Some((Fit::Used, t));
    }
    let before = claim.uses.iter().rev().find(|t| **t < from).copied();
    if let Some(t) = before.filter(|t| t.saturating_add(REPEAT_NS + BEFORE_NS) >= from) {
        return Some((Fit::JustUsed, t));
    }
    if within(&&claim.first_ns) || claim.ended_ns.is_some_and(|t| t <= to) {
        return Some((Fit::Touches, claim.first_ns));
    }
    // A snapshot was taken at some time of the socket's life, maybe after the flow began.
    let began = claim.first_ns <= to || claim.snapshot || is_born_for(claim, end);
    began.then_some((Fit::Covers, claim.first_ns))
}
