//! The addresses of network namespaces.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

/// The greatest number of pairs of address and namespace (about 130 bytes each).
const MAX_ADDRESSES: usize = 65_536;
/// The greatest number of pairs up to which one is learned from a socket. It is lower because any user may bind sockets
/// to any address (`IP_FREEBIND`).
const MAX_LEARNT_ADDRESSES: usize = MAX_ADDRESSES / 2;

/// A namespace that has an address.
#[derive(Debug, Clone, Copy)]
struct Holder {
    netns: u32,
    /// When the namespace lost the address.
    gone_ns: Option<u64>,
}

/// The addresses of all namespaces.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    by_address: HashMap<IpAddr, Vec<Holder>, RandomState>,
    by_namespace: HashMap<u32, HashSet<IpAddr, RandomState>, RandomState>,
    len: usize,
    dropped: u64,
}

impl Addresses {
    /// Replaces the addresses of a namespace. Previous ones are kept until they expire, because their flows may still
    /// be joined.
    pub(super) fn set(&mut self, time_ns: u64, netns: u32, addresses: &[IpAddr]) {
        for address in self.by_namespace.get(&netns).into_iter().flatten() {
            let holders = self.by_address.get_mut(address).into_iter().flatten();
            holders.filter(|h| h.netns == netns).for_each(|h| h.gone_ns = h.gone_ns.or(Some(time_ns)));
        }
        addresses.iter().for_each(|address| self.add(netns, *address, MAX_ADDRESSES));
    }

    /// Learns an address from a socket of the namespace that is bound to it.
    pub(super) fn learn(&mut self, netns: u32, address: IpAddr) {
        self.add(netns, address, MAX_LEARNT_ADDRESSES);
    }

    fn add(&mut self, netns: u32, address: IpAddr, max: usize) {
        let holders = self.by_address.get_mut(&address);
        if let Some(known) = holders.and_then(|list| list.iter_mut().find(|h| h.netns == netns)) {
            known.gone_ns = None;
        } else if self.len >= max {
            self.dropped += 1;
        } else {
            self.by_address.entry(address).or_default().push(Holder { netns, gone_ns: None });
            self.by_namespace.entry(netns).or_default().insert(address);
            self.len += 1;
        }
    }

    /// Whether any namespace has the address.
    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.by_address.contains_key(&address)
    }

    /// Whether the namespace is known to have the address.
    pub(super) fn has(&self, netns: u32, address: IpAddr) -> bool {
        self.by_address.get(&address).is_some_and(|list| list.iter().any(|h| h.netns == netns))
    }

    /// Whether the namespace may have the address. A namespace without known addresses may have any.
    pub(super) fn may_have(&self, netns: u32, address: IpAddr) -> bool {
        !self.by_namespace.contains_key(&netns) || self.has(netns, address)
    }

    /// Whether another namespace has one of the addresses of this one now, except loopback addresses, which are
    /// separate in each namespace.
    pub(super) fn are_shared(&self, netns: u32) -> bool {
        let own = self.by_namespace.get(&netns).into_iter().flatten().filter(|address| !address.is_loopback());
        own.filter_map(|address| self.by_address.get(address)).any(|holders| {
            let now = || holders.iter().filter(|h| h.gone_ns.is_none());
            now().any(|h| h.netns == netns) && now().any(|h| h.netns != netns)
        })
    }

    /// Removes addresses that were lost before `before_ns`.
    pub(super) fn expire(&mut self, before_ns: u64) {
        let Self { by_address, by_namespace, len, .. } = self;
        by_address.retain(|address, holders| {
            holders.retain(|holder| {
                let is_kept = holder.gone_ns.is_none_or(|t| t >= before_ns);
                if !is_kept && let Some(set) = by_namespace.get_mut(&holder.netns) {
                    set.remove(address);
                    *len -= 1;
                }
                is_kept
            });
            !holders.is_empty()
        });
        by_namespace.retain(|_, set| !set.is_empty());
    }

    /// Number of addresses not added because there were too many.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn a_removed_address_is_known_for_a_while() {
        let mut all = Addresses::default();
        all.set(10, 1, &[ip(1), ip(2)]);
        all.set(20, 2, &[ip(1)]);
        all.set(30, 1, &[ip(2)]);
        assert!(all.may_have(1, ip(1)) && all.may_have(9, ip(77)) && !all.may_have(2, ip(2)));
        all.expire(31);
        assert_eq!((all.may_have(1, ip(1)), all.is_local(ip(1)), all.len), (false, true, 2));
        all.set(40, 2, &[]);
        all.expire(50);
        assert_eq!((all.is_local(ip(1)), all.by_namespace.len(), all.len), (false, 1, 1));
    }

    #[test]
    fn addresses_of_two_namespaces_are_shared_as_long_as_both_have_them() {
        let mut all = Addresses::default();
        let loopback = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        all.set(10, 1, &[loopback, ip(1)]);
        all.set(10, 2, &[loopback, ip(2)]);
        assert!(!all.are_shared(1) && !all.are_shared(2) && !all.are_shared(9));
        all.learn(3, ip(1));
        assert!(all.are_shared(1) && all.are_shared(3) && !all.are_shared(2));
        all.set(20, 3, &[]);
        assert!(!all.are_shared(1) && !all.are_shared(3));
    }

    #[test]
    fn sockets_cannot_fill_the_table() {
        let mut all = Addresses::default();
        (0..100_000).for_each(|n| all.learn(1, ip(n)));
        assert_eq!((all.len, all.dropped() as usize), (MAX_LEARNT_ADDRESSES, 100_000 - MAX_LEARNT_ADDRESSES));
        all.set(1, 2, &[ip(200_000)]);
        assert!(all.is_local(ip(200_000)), "what the kernel lists has room");
    }
}
