//! Times at which local endpoints got another owner. For protocols without a SYN, such a change begins a new flow.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::packet::Family;

/// Packets of a flow that are closer together than this belong to one owner, so no change is looked up, nanoseconds.
pub(super) const SAME_OWNER_GAP_NS: u64 = 50_000;
/// A packet to an endpoint that changed is taken as a late answer to the previous owner, unless the gap before it is
/// longer than this, nanoseconds: the time that resolvers wait (resolv.conf(5)).
pub(super) const LATE_ANSWER_NS: u64 = 5_000_000_000;
/// The greatest number of changes in each of the two generations (about 80 bytes each if every endpoint changes once).
const MAX_CHANGES: usize = 65_536;
/// The greatest number of changes per endpoint. Changes up to a batch's last packet are reported before the batch is
/// counted, so many may be pending.
const MAX_CHANGES_PER_ENDPOINT: usize = 1024;
/// Number of places of the coarse filter.
const COARSE_PLACES: usize = 4096;

/// An address and port of this host. Address 0 means all addresses of all families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LocalEndpoint {
    pub(super) address: u128,
    pub(super) port: u16,
    pub(super) protocol: u8,
    /// None with an unspecified address, because a socket bound to `::` also receives IPv4 packets.
    pub(super) family: Option<Family>,
}

impl LocalEndpoint {
    pub(super) fn new(protocol: u8, family: Family, address: u128, port: u16) -> Self {
        Self { address, port, protocol, family: (address != 0).then_some(family) }
    }

    const fn any_address(self) -> Self {
        Self { address: 0, family: None, ..self }
    }
}

/// The latest times at which endpoints changed. Memory is bounded: the older of two generations is dropped.
#[derive(Debug)]
pub(super) struct Changes {
    /// The newer generation, times in ascending order.
    young: HashMap<LocalEndpoint, VecDeque<u64>, RandomState>,
    old: HashMap<LocalEndpoint, VecDeque<u64>, RandomState>,
    /// Number of times in the newer generation.
    count: usize,
    /// Latest change per hash of protocol and port. Most lookups without a result need only one cache line of it.
    coarse: Box<[u64]>,
    hasher: RandomState,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            count: 0,
            coarse: vec![0; COARSE_PLACES].into_boxed_slice(),
            hasher: RandomState::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    /// Notes a change.
    pub(super) fn note(&mut self, endpoint: LocalEndpoint, time_ns: u64) {
        if self.count >= MAX_CHANGES {
            self.old = std::mem::take(&mut self.young);
            self.count = 0;
        }
        let times = self.young.entry(endpoint).or_default();
        times.insert(times.partition_point(|t| *t <= time_ns), time_ns);
        self.count += 1;
        if times.len() > MAX_CHANGES_PER_ENDPOINT {
            times.pop_front();
            self.count -= 1;
        }
        let place = self.place(endpoint);
        if let Some(latest) = self.coarse.get_mut(place) {
            *latest = time_ns.max(*latest);
        }
    }

    /// Drops changes later than `now_ns`: the clock was set back since, and they would hide new ones.
    pub(super) fn forget_after(&mut self, now_ns: u64) {
        let forget = |time: &mut u64| *time = if *time > now_ns { 0 } else { *time };
        self.young.values_mut().chain(self.old.values_mut()).flatten().for_each(forget);
        self.coarse.iter_mut().for_each(|latest| *latest = (*latest).min(now_ns));
    }

    /// Whether the endpoint changed after `last_ns` and not after `now_ns`.
    pub(super) fn between(&self, endpoint: LocalEndpoint, last_ns: u64, now_ns: u64) -> bool {
        if self.coarse.get(self.place(endpoint)).is_none_or(|latest| *latest <= last_ns) {
            return false;
        }
        let any_in = |times: &VecDeque<u64>| {
            times.get(times.partition_point(|t| *t <= last_ns)).is_some_and(|next| *next <= now_ns)
        };
        let endpoints = [endpoint, endpoint.any_address()];
        endpoints.iter().any(|e| [&self.young, &self.old].iter().any(|g| g.get(e).is_some_and(any_in)))
    }

    fn place(&self, endpoint: LocalEndpoint) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the place")]
        let hash = self.hasher.hash_one((endpoint.protocol, endpoint.port)) as usize;
        hash % COARSE_PLACES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: u128, port: u16) -> LocalEndpoint {
        LocalEndpoint::new(17, Family::V4, address, port)
    }

    #[test]
    fn each_of_many_owners_within_a_batch_is_distinguished() {
        let mut changes = Changes::new();
        (1..=50).rev().for_each(|n| changes.note(endpoint(9, 5000), n * 1000));
        for n in 1..=50 {
            assert!(changes.between(endpoint(9, 5000), n * 1000 - 1, n * 1000), "change {n}");
            assert!(!changes.between(endpoint(9, 5000), n * 1000, n * 1000 + 999), "between {n} and the next");
        }
        changes.note(endpoint(0, 6000), 77);
        assert!(changes.between(endpoint(9, 6000), 76, 77), "all addresses");
    }

    #[test]
    fn neither_one_port_nor_many_take_more_than_their_share() {
        let mut changes = Changes::new();
        (0..10_000).for_each(|n| changes.note(endpoint(9, 5000), n));
        assert_eq!(changes.young.get(&endpoint(9, 5000)).map(VecDeque::len), Some(MAX_CHANGES_PER_ENDPOINT));
        (0..1_000_000).for_each(|n| changes.note(endpoint(n, 5000), 20_000));
        assert!(changes.young.len() + changes.old.len() <= 2 * MAX_CHANGES);
        assert!(changes.between(endpoint(999_999, 5000), 19_999, 20_000));
    }
}
