//! Finding the process of one end of a flow.
//!
//! It never guesses: if several processes fit equally well, the result is ambiguous.

use std::net::IpAddr;

use super::claim::Claim;
use super::fit::CLOCK_ERROR_NS;
use super::flow_end::{Found, NotFound};
use super::ranking::{BY_PORT, BY_TUPLE, ClosureCertainty, Ranking};
use super::{FlowEnd, SocketIndex, Tuple, kernel, unspecified};
use crate::fact::Socket;

impl SocketIndex {
    /// The process at `end`.
    ///
    /// # Errors
    /// Why there is none, and a candidate.
    pub fn find(&self, end: &FlowEnd) -> Result<Found, NotFound> {
        if kernel::makes(end) {
            return Err(NotFound::NO_SOCKET);
        }
        let listener = self.listener(end);
        match self.connected_or_bound(end) {
            Some(Ok(found)) => {
                let owner = listener.and_then(|l| l.map_or_else(|none| none.candidate, |l| Some(l.process)));
                Ok(Found { other: owner.filter(|p| *p != found.process).or(found.other), ..found })
            }
            Some(not_found) => not_found,
            None => self.translated(end).or(listener).unwrap_or(Err(NotFound::NO_SOCKET)),
        }
    }

    /// Whether the packets of an end without a socket may be the kernel's own: their protocol is one that the kernel sends
    /// without a call of a process, or they are the outer packets of a tunnel device. The latter not if events were lost,
    /// because a process's socket may then be unknown. What only processes send may come from a raw socket with its own
    /// headers (`IP_HDRINCL`) or a packet socket.
    #[must_use]
    pub fn is_kernels(&self, end: &FlowEnd) -> bool {
        if kernel::may_send(end) {
            return true;
        }
        let is_tunnel = kernel::is_tunnel(end.protocol, [end.local_port, end.remote_port]);
        is_tunnel && !self.unseen.between(end.first_ns, end.last_ns)
    }

    fn connected_or_bound(&self, end: &FlowEnd) -> Option<Result<Found, NotFound>> {
        let (connected, bound) = (self.by_tuple(end), self.by_port(end));
        match bound.succeeds(&connected, end) {
            Some(ClosureCertainty::Certain) => bound.decide(&BY_PORT, end),
            Some(ClosureCertainty::Possible) => Some(Err(NotFound::ambiguous(bound.best()))),
            None => connected.decide(&BY_TUPLE, end).or_else(|| bound.decide(&BY_PORT, end)),
        }
    }

    fn by_tuple(&self, end: &FlowEnd) -> Ranking<'_> {
        let exact = end.tuple();
        let any = Tuple { local: unspecified(end.local), ..exact };
        let raw = [exact, any].map(|t| Tuple { local_port: 0, ..t });
        // Only ICMP is sent both through raw sockets and through sockets with a port (identifier).
        let raw = raw.into_iter().filter(|_| kernel::is_icmp(end.protocol) && end.local_port != 0);
        let claims = [exact, any].into_iter().chain(raw).filter_map(|t| self.tuples.get(&t)).flatten();
        // A socket bound to the address proves that its namespace has it.
        let is_bound = |c: &Claim| c.local == end.local && self.namespace_of(end).is_none();
        let seen = |c: &&Claim| self.may_see(c, end) || is_bound(c);
        Ranking::of(claims.filter(seen).filter(|c| !self.was_closed(c, end)), end, &self.unseen)
    }

    /// Whether the socket of a claim on a datagram's peer was closed before the flow. Its close has no peer and is only
    /// noted for the port.
    fn was_closed(&self, claim: &Claim, end: &FlowEnd) -> bool {
        let bound = self.ports.get(&(end.protocol, end.local_port)).into_iter().flatten();
        let mut same = bound.filter(|b| b.process == claim.process && b.socket == claim.socket).peekable();
        let is_before = |t: u64| t.saturating_add(CLOCK_ERROR_NS) < end.first_ns;
        same.peek().is_some() && same.all(|b| b.ended_ns.is_some_and(is_before))
    }

    fn by_port(&self, end: &FlowEnd) -> Ranking<'_> {
        let of = |port| self.ports.get(&(end.protocol, port)).map_or(&[][..], Vec::as_slice);
        let bound = of(end.local_port);
        let has_it = |c: &&Claim| self.serves(c, end) && !(end.received && self.is_shadowed(c, bound, end));
        let ranking = Ranking::of(bound.iter().filter(has_it), end, &self.unseen);
        if !ranking.is_empty() || end.local_port == 0 {
            return ranking;
        }
        // Raw sockets have no port.
        Ranking::of(of(0).iter().filter(|c| self.serves(c, end)), end, &self.unseen)
    }

    /// Whether the kernel prefers another of these sockets for packets to this end: one that is bound to the address
    /// itself (`compute_score` in net/ipv4/udp.c and inet_hashtables.c).
    pub(super) fn is_shadowed(&self, claim: &Claim, among: &[Claim], end: &FlowEnd) -> bool {
        let takes_before = |other: &Claim| {
            let was_there = other.snapshot || other.first_ns <= end.first_ns.saturating_add(CLOCK_ERROR_NS);
            let is_there = was_there && other.ended_ns.is_none_or(|t| t >= end.last_ns);
            is_there && other.netns == claim.netns && other.peers.include(end.remote, end.remote_port)
        };
        let is_preferred = |other: &&Claim| other.local == end.local && self.serves(other, end) && takes_before(other);
        claim.local != end.local && among.iter().any(|other| is_preferred(&other))
    }

    /// Whether the claim's socket receives packets to this end.
    pub(super) fn serves(&self, claim: &Claim, end: &FlowEnd) -> bool {
        let family = claim.local.is_ipv4() == end.local.is_ipv4() || claim.dual_stack;
        let bound = claim.local == end.local || claim.local.is_unspecified() || is_group(end.local);
        family && bound && self.may_see(claim, end)
    }

    /// Whether packets with this local address reach the claim's network namespace at all.
    pub(super) fn may_see(&self, claim: &Claim, end: &FlowEnd) -> bool {
        if let Some(netns) = self.namespace_of(end) {
            return netns == claim.netns || claim.netns == 0;
        }
        is_group(end.local) || self.addresses.may_have(claim.netns, end.local)
    }

    /// The namespace in which this end must be; none: unknown. Loopback is captured only in the agent's namespace,
    /// unless the flow has another. If the flow's interface leads to a namespace, the end whose address that namespace
    /// has is there.
    pub(super) fn namespace_of(&self, end: &FlowEnd) -> Option<u32> {
        if end.local.is_loopback() {
            return end.netns.or((self.own_netns != 0).then_some(self.own_netns));
        }
        end.netns.filter(|netns| self.addresses.has(*netns, end.local))
    }

    /// Whether a connect from this namespace sends packets through an interface. It reaches its own addresses over its
    /// loopback.
    #[must_use]
    pub fn leaves_namespace(&self, socket: &Socket) -> bool {
        !socket.remote.is_loopback() && !self.addresses.has(socket.netns, socket.remote)
    }
}

fn is_group(a: IpAddr) -> bool {
    a.is_multicast() || matches!(a, IpAddr::V4(v4) if v4.is_broadcast())
}
