//! When local endpoints got another owner: what a SYN is for TCP, for protocols that have none.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::packet::Family;

/// Packets of a flow that follow each other faster are taken for one owner's without a look, nanoseconds.
pub(super) const LEAST_GAP_NS: u64 = 50_000;
/// A packet to an endpoint that changed is a late answer to its owner before, unless it comes so much later: longer
/// than resolvers wait (5 s, resolv.conf(5)).
pub(super) const LATE_ANSWER_NS: u64 = 5_000_000_000;
/// Endpoints in each of the two generations.
const MOST_ENDPOINTS: usize = 32_768;
/// Times per endpoint: events run ahead of packets by the capture's read timeout, so several may be pending.
const TIMES: usize = 4;
/// Places of the coarse filter.
const COARSE: usize = 4096;

/// An address and port of this host; address 0 stands for all addresses of all families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    pub(super) address: u128,
    pub(super) port: u16,
    pub(super) protocol: u8,
    /// None with an unspecified address: a socket bound to `::` takes IPv4 packets too.
    pub(super) family: Option<Family>,
}

impl Endpoint {
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
    young: HashMap<Endpoint, [u64; TIMES], RandomState>,
    old: HashMap<Endpoint, [u64; TIMES], RandomState>,
    /// Latest change per hash of protocol and port: answers most questions with "no" from one line.
    coarse: Box<[u64]>,
    hasher: RandomState,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            coarse: vec![0; COARSE].into_boxed_slice(),
            hasher: RandomState::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    /// Notes a change.
    pub(super) fn note(&mut self, endpoint: Endpoint, time_ns: u64) {
        if self.young.len() >= MOST_ENDPOINTS && !self.young.contains_key(&endpoint) {
            self.old = std::mem::take(&mut self.young);
        }
        let before = self.old.get(&endpoint).copied().unwrap_or_default();
        let times = self.young.entry(endpoint).or_insert(before);
        if let Some(earliest) = times.iter_mut().min() {
            *earliest = time_ns.max(*earliest);
        }
        let place = self.place(endpoint);
        if let Some(latest) = self.coarse.get_mut(place) {
            *latest = time_ns.max(*latest);
        }
    }

    /// Whether the endpoint changed after `last_ns` and not after `now_ns`.
    pub(super) fn between(&self, endpoint: Endpoint, last_ns: u64, now_ns: u64) -> bool {
        if self.coarse.get(self.place(endpoint)).is_none_or(|latest| *latest <= last_ns) {
            return false;
        }
        let in_span = |time: &u64| *time > last_ns && *time <= now_ns;
        [endpoint, endpoint.any_address()].iter().any(|e| self.times(e).iter().any(in_span))
    }

    fn times(&self, endpoint: &Endpoint) -> [u64; TIMES] {
        self.young.get(endpoint).or_else(|| self.old.get(endpoint)).copied().unwrap_or_default()
    }

    fn place(&self, endpoint: Endpoint) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the place")]
        let hash = self.hasher.hash_one((endpoint.protocol, endpoint.port)) as usize;
        hash % COARSE
    }
}
