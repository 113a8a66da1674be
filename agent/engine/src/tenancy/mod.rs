//! Which Kubernetes pod, service or node had an address at a time.
//!
//! Pods reuse the addresses of others. So an address has tenancies, each with a begin and an end, and a flow is compared with
//! those of its own time. Where more than one fits, none counts: unknown is better than wrong.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use pidflow_schema::Endpoint;

#[cfg(test)]
mod tests;

/// Memory for tenancies by default, bytes.
pub const MAX_TENANCY_BYTES: usize = 32 << 20;
/// What a tenancy takes beside the texts of its endpoint, bytes: its own members, its place in the list and the map, and the
/// shared structs that it refers to.
const TENANCY_BYTES: usize = 656;

/// An address belonged to a pod or service from one time to another. A later message about the same tenant and address
/// replaces the endpoint, and may tell the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenancy {
    /// The address.
    pub address: IpAddr,
    /// Identifies the pod or service: its UID.
    pub tenant: Arc<str>,
    /// What records say of this end.
    pub endpoint: Arc<Endpoint>,
    /// IP protocol and port: only these of the address are the tenant's, and other tenants may have others, or the same. Port 0: all
    /// of the protocol. Empty: the whole address, which nobody else has.
    pub ports: Arc<[(u8, u16)]>,
    /// The earliest time at which the tenant may have had the address, nanoseconds.
    pub from_ns: u64,
    /// The latest time at which it may have had it, nanoseconds; none: it has it now.
    pub until_ns: Option<u64>,
}

/// All tenancies of one source.
#[derive(Debug)]
pub struct Tenancies {
    by_address: HashMap<IpAddr, Vec<Tenancy>, RandomState>,
    /// Up to when the source knew all; none: it knows all now.
    lost_ns: Option<u64>,
    max_bytes: usize,
    bytes: usize,
    dropped: u64,
}

impl Default for Tenancies {
    fn default() -> Self {
        Self { by_address: HashMap::default(), lost_ns: None, max_bytes: MAX_TENANCY_BYTES, bytes: 0, dropped: 0 }
    }
}

impl Tenancies {
    /// Limits the memory, bytes.
    pub const fn limit_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Takes what the source says of one tenancy. False: there is no room for it.
    pub fn set(&mut self, told: &Tenancy) -> bool {
        let list = self.by_address.entry(told.address).or_default();
        if let Some(known) = list.iter_mut().find(|known| known.tenant == told.tenant) {
            self.bytes = self.bytes.saturating_sub(known.bytes()) + told.bytes();
            known.update(told);
            return true;
        }
        if self.bytes + told.bytes() > self.max_bytes {
            // What had the address before must not be taken for what has it now.
            list.iter_mut().for_each(|earlier| earlier.end(told.from_ns));
            self.dropped += 1;
            return false;
        }
        self.bytes += told.bytes();
        list.push(told.clone());
        true
    }

    /// The source lost its connection, and knew all tenancies up to `since_ns`; none: it knows all again.
    pub const fn set_lost(&mut self, since_ns: Option<u64>) {
        self.lost_ns = since_ns;
    }

    /// What had the address when a flow began. None: nothing is known to have had it, or it changed hands during the flow.
    #[must_use]
    pub fn find(&self, address: IpAddr, (first_ns, last_ns): (u64, u64)) -> Option<&Arc<Endpoint>> {
        let fits = |t: &&Tenancy| t.from_ns <= last_ns && t.until_ns.or(self.lost_ns).is_none_or(|end| end >= first_ns);
        let mut fitting = self.by_address.get(&address)?.iter().filter(fits);
        let found = fitting.next().filter(|found| found.from_ns <= first_ns)?;
        fitting.next().is_none().then_some(&found.endpoint)
    }

    /// All that had this port of the address when a flow began.
    pub fn find_port(
        &self,
        (address, protocol, port): (IpAddr, u8, u16),
        (first_ns, last_ns): (u64, u64),
    ) -> impl Iterator<Item = &Arc<Endpoint>> {
        let is_port = move |(of, number): &(u8, u16)| *of == protocol && (*number == port || *number == 0);
        let fits = move |t: &&Tenancy| {
            let is_known = t.until_ns.or(self.lost_ns).is_none_or(|end| end >= first_ns);
            is_known && t.from_ns <= first_ns.min(last_ns) && t.ports.iter().any(is_port)
        };
        self.by_address.get(&address).into_iter().flatten().filter(fits).map(|t| &t.endpoint)
    }

    /// Forgets tenancies that ended before a time.
    pub fn expire(&mut self, before_ns: u64) {
        let mut freed = 0;
        self.by_address.retain(|_, list| {
            list.retain(|tenancy| {
                let is_kept = tenancy.until_ns.is_none_or(|end| end >= before_ns);
                freed += if is_kept { 0 } else { tenancy.bytes() };
                is_kept
            });
            !list.is_empty()
        });
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// Memory, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many addresses have or had a tenant.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_address.len()
    }

    /// How many tenancies there was no room for.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Tenancy {
    fn update(&mut self, told: &Self) {
        // A tenant that returns to an address it had begins anew: in between, others may have had it.
        let from_ns = if self.until_ns.is_some_and(|end| told.from_ns > end) { told.from_ns } else { self.from_ns };
        *self = Self { from_ns, ..told.clone() };
    }

    fn end(&mut self, at_ns: u64) {
        self.until_ns = Some(self.until_ns.map_or(at_ns, |end| end.min(at_ns)));
    }

    /// An upper estimate: texts that tenancies share count for each.
    fn bytes(&self) -> usize {
        TENANCY_BYTES + self.tenant.len() + self.endpoint.text_bytes() + size_of_val(&*self.ports)
    }
}
