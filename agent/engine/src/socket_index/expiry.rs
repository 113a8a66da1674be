//! Expiry of the index, and the order of eviction when memory is short.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;
use pidflow_schema::Protocol;

use super::claim::Claim;
use super::{Place, SocketIndex};

/// A connection without reports for this long has ended unnoticed, because an event was lost: a day.
const IDLE_CONNECTION_NS: u64 = 86_400_000_000_000;
/// Memory of a claim without its uses, bytes: itself, its key, its list, its place in the list of its process.
pub(super) const CLAIM_BYTES: usize = size_of::<Claim>() + 240;

impl SocketIndex {
    /// A complete poll that began at `begun_ns` is done: sockets that it did not contain are closed.
    pub fn polled(&mut self, begun_ns: u64) {
        for claim in self.all_mut().filter(|c| c.ended_ns.is_none() && c.seen_ns < begun_ns) {
            claim.ended_ns = Some(claim.seen_ns);
        }
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        self.tuples.values_mut().chain(self.ports.values_mut()).chain(self.listeners.values_mut()).flatten()
    }

    fn all(&self) -> impl Iterator<Item = &Claim> {
        self.tuples.values().chain(self.ports.values()).chain(self.listeners.values()).flatten()
    }

    /// Whether three quarters of the memory are in use: old entries are evicted early.
    #[must_use]
    pub const fn is_crowded(&self) -> bool {
        self.bytes > self.limit.0 / 4 * 3
    }

    /// Removes claims that ended before `before_ns`, and claims of protocols other than TCP that were not reported
    /// since, because their next use is reported again. A TCP connection may be idle for long, and its end is reported.
    /// If memory is still short, it evicts ended claims and the least recently reported ones.
    pub fn expire(&mut self, before_ns: u64) {
        let ended = |c: &Claim| c.ended_ns.is_some_and(|t| t < before_ns);
        let idle = before_ns.saturating_sub(IDLE_CONNECTION_NS);
        self.addresses.expire(before_ns);
        self.unseen.expire(before_ns);
        self.unaccepted.expire(before_ns);
        keep(&mut self.tuples, |t, c| {
            !ended(c) && (c.seen_ns >= idle || c.snapshot) && was_heard(t.protocol, c, before_ns)
        });
        keep(&mut self.ports, |p, c| !ended(c) && was_heard(p.0, c, before_ns));
        keep(&mut self.listeners, |_, c| !ended(c));
        self.connects.keep(|tuple| self.tuples.contains_key(tuple));
        self.measure();
        if self.is_crowded() {
            self.drop_quarter();
        }
        self.forget_places();
    }

    fn measure(&mut self) {
        let claims: usize = self.all().map(|c| CLAIM_BYTES + c.uses.capacity() * size_of::<u64>()).sum();
        self.bytes = claims + self.connects.bytes();
    }

    /// Evicts the least valuable quarter of all claims: ended ones first, then the least recently reported.
    fn drop_quarter(&mut self) {
        let rank = |c: &Claim| (c.ended_ns.is_none(), c.seen_ns, c.socket);
        let mut ranks: Vec<_> = self.all().map(rank).collect();
        let (count, quarter) = (ranks.len(), ranks.len() / 4);
        let cutoff = *ranks.select_nth_unstable(quarter).1;
        keep(&mut self.tuples, |_, c| rank(c) > cutoff);
        keep(&mut self.ports, |_, c| rank(c) > cutoff);
        keep(&mut self.listeners, |_, c| rank(c) > cutoff);
        self.dropped += (count - self.len()) as u64;
        self.connects.keep(|tuple| self.tuples.contains_key(tuple));
        self.measure();
    }

    fn forget_places(&mut self) {
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

fn keep<K: Eq + Hash>(table: &mut HashMap<K, Vec<Claim>, RandomState>, is_kept: impl Fn(&K, &Claim) -> bool) {
    table.retain(|key, list| {
        list.retain(|c| is_kept(key, c));
        !list.is_empty()
    });
}

const fn was_heard(protocol: u8, claim: &Claim, since_ns: u64) -> bool {
    protocol == Protocol::TCP || claim.snapshot || claim.seen_ns >= since_ns
}
