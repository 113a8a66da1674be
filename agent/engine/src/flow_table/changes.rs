//! When local endpoints got another owner: what a SYN is for TCP, for protocols that have none.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::packet::Family;

/// Packets of a flow that follow each other faster than this belong to one owner; no change is looked up, nanoseconds.
pub(super) const SAME_OWNER_GAP_NS: u64 = 50_000;
/// A packet to an endpoint that changed is a late answer to its owner before, unless it comes so much later: longer
/// than resolvers wait (5 s, resolv.conf(5)).
pub(super) const LATE_ANSWER_NS: u64 = 5_000_000_000;
/// A change becomes known at most so long after a later one of the same endpoint, nanoseconds. One that seems to come
/// later than this was noted before the clock was set back.
const MAX_DELAY_NS: u64 = 60_000_000_000;
/// Endpoints in each of the two generations.
const MAX_ENDPOINTS_PER_GENERATION: usize = 32_768;
/// Times per endpoint: events run ahead of packets by the capture's read timeout, so several may be pending.
const TIMES_PER_ENDPOINT: usize = 4;
/// Places of the coarse filter.
const COARSE_FILTER_PLACES: usize = 4096;

/// An address and port of this host; address 0 stands for all addresses of all families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LocalEndpoint {
    pub(super) address: u128,
    pub(super) port: u16,
    pub(super) protocol: u8,
    /// None with an unspecified address: a socket bound to `::` takes IPv4 packets too.
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

/// The last few times at which endpoints changed. Bounded: the older of two generations is forgotten.
#[derive(Debug)]
pub(super) struct Changes {
    young: HashMap<LocalEndpoint, [u64; TIMES_PER_ENDPOINT], RandomState>,
    old: HashMap<LocalEndpoint, [u64; TIMES_PER_ENDPOINT], RandomState>,
    /// Latest change per hash of protocol and port: answers most questions with "no" from one line.
    coarse: Box<[u64]>,
    hasher: RandomState,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            coarse: vec![0; COARSE_FILTER_PLACES].into_boxed_slice(),
            hasher: RandomState::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    /// Notes a change.
    pub(super) fn note(&mut self, endpoint: LocalEndpoint, time_ns: u64) {
        if self.young.len() >= MAX_ENDPOINTS_PER_GENERATION && !self.young.contains_key(&endpoint) {
            self.old = std::mem::take(&mut self.young);
        }
        let before = self.old.get(&endpoint).copied().unwrap_or_default();
        let times = self.young.entry(endpoint).or_insert(before);
        let is_of_other_clock = |time: u64| time > time_ns.saturating_add(MAX_DELAY_NS);
        times.iter_mut().filter(|time| is_of_other_clock(**time)).for_each(|time| *time = 0);
        if let Some(earliest) = times.iter_mut().min() {
            *earliest = time_ns.max(*earliest);
        }
        let place = self.place(endpoint);
        if let Some(latest) = self.coarse.get_mut(place) {
            *latest = time_ns.max(*latest);
        }
    }

    /// Forgets changes at later times than `now_ns`: the clock was set back since, and they would hide those to come.
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
        let in_span = |time: &u64| *time > last_ns && *time <= now_ns;
        [endpoint, endpoint.any_address()].iter().any(|e| self.times(e).iter().any(in_span))
    }

    fn times(&self, endpoint: &LocalEndpoint) -> [u64; TIMES_PER_ENDPOINT] {
        self.young.get(endpoint).or_else(|| self.old.get(endpoint)).copied().unwrap_or_default()
    }

    fn place(&self, endpoint: LocalEndpoint) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the place")]
        let hash = self.hasher.hash_one((endpoint.protocol, endpoint.port)) as usize;
        hash % COARSE_FILTER_PLACES
    }
}
