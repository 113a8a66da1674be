//! The objects of one kind that a server has, compared with what it had before: what changed becomes facts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use pidflow_engine::fact::{Fact, PodSource, TenantKind};
use pidflow_engine::tenancy::Tenancy;
use pidflow_schema::Pod;

use super::tenant::Tenant;

/// What is told to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// Which pods have the containers and the addresses.
    ContainersAndAddresses,
    /// Which pods have the containers.
    Containers,
    /// Which objects have the addresses.
    Addresses,
}

/// The current time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// By the engine's clock, nanoseconds.
    pub(super) engine_ns: u64,
    /// By the wall clock, nanoseconds since the epoch.
    pub(super) wall_ns: u64,
}

#[derive(Debug)]
struct Known {
    tenant: Tenant,
    /// Its addresses, and since when it may have them, by the engine's clock.
    since: Vec<(IpAddr, u64)>,
    /// The list in which it was seen last.
    list: u64,
}

/// All pods, services, nodes or endpoint slices.
#[derive(Debug)]
pub(super) struct Inventory {
    kind: TenantKind,
    tells: Tells,
    known: HashMap<Arc<str>, Known>,
    /// Number of the current list.
    list: u64,
    /// The latest time at which the server is known to have told everything, by the engine's clock; none: never.
    confirmed_ns: Option<u64>,
    is_lost: bool,
    containers_changed: bool,
    facts: Vec<Fact>,
    bytes: usize,
    max_bytes: usize,
    dropped: u64,
}

impl Inventory {
    pub(super) fn new(kind: TenantKind, tells: Tells, max_bytes: usize) -> Self {
        Self {
            kind,
            tells,
            known: HashMap::new(),
            list: 0,
            confirmed_ns: None,
            is_lost: false,
            containers_changed: false,
            facts: Vec::new(),
            bytes: 0,
            max_bytes,
            dropped: 0,
        }
    }

    /// The server will list everything that it has.
    pub(super) const fn begin_list(&mut self) {
        self.list += 1;
    }

    /// The server has listed everything. What was not in the list ended at some time since the last confirmation; what had its
    /// address in between is not known.
    pub(super) fn end_list(&mut self, now: Now) {
        let gone: Vec<_> =
            self.known.iter().filter(|(_, k)| k.list != self.list).map(|(uid, _)| Arc::clone(uid)).collect();
        let until_ns = self.confirmed_ns.unwrap_or(now.engine_ns);
        gone.iter().for_each(|uid| self.forget(uid, until_ns));
        self.confirm(now);
    }

    /// The server has told everything up to now.
    pub(super) fn confirm(&mut self, now: Now) {
        self.confirmed_ns = Some(now.engine_ns);
        if std::mem::take(&mut self.is_lost) && self.tells_addresses() {
            self.facts.push(Fact::TenanciesLost { kind: self.kind, since_ns: None });
        }
    }

    /// The server has stopped telling.
    pub(super) fn lose(&mut self) {
        let Some(since_ns) = self.confirmed_ns.filter(|_| !self.is_lost) else { return };
        self.is_lost = true;
        if self.tells_addresses() {
            self.facts.push(Fact::TenanciesLost { kind: self.kind, since_ns: Some(since_ns) });
        }
    }

    /// The server has told of a new or changed one.
    pub(super) fn set(&mut self, tenant: Tenant, now: Now) {
        if tenant.has_ended {
            return self.remove(&tenant.uid, now);
        }
        let known = self.known.get_mut(&tenant.uid);
        if let Some(known) = known.filter(|known| known.tenant == tenant) {
            known.list = self.list;
            return;
        }
        let before = self.known.get(&tenant.uid).map_or(0, |k| k.tenant.bytes());
        if before == 0 && self.bytes + tenant.bytes() > self.max_bytes {
            self.dropped += 1;
            return;
        }
        self.bytes = (self.bytes + tenant.bytes()).saturating_sub(before);
        let earlier = self.known.remove(&tenant.uid);
        let since = since(&tenant, earlier.as_ref(), now);
        self.tell_addresses(&tenant, &since, earlier.as_ref(), now);
        let had = earlier.map(|k| k.tenant.containers).unwrap_or_default();
        self.containers_changed |= had != tenant.containers;
        self.known.insert(Arc::clone(&tenant.uid), Known { tenant, since, list: self.list });
    }

    /// The server has told that it is deleted, or has ended.
    pub(super) fn remove(&mut self, uid: &str, now: Now) {
        self.forget(uid, self.latest_ns(now));
    }

    /// The latest time at which what ends now is known to have been as before.
    fn latest_ns(&self, now: Now) -> u64 {
        self.confirmed_ns.filter(|_| self.is_lost).unwrap_or(now.engine_ns)
    }

    fn forget(&mut self, uid: &str, until_ns: u64) {
        let Some(gone) = self.known.remove(uid) else { return };
        self.bytes = self.bytes.saturating_sub(gone.tenant.bytes());
        self.containers_changed |= !gone.tenant.containers.is_empty();
        for (address, from_ns) in &gone.since {
            self.tell(&gone.tenant, *address, (*from_ns, Some(until_ns)));
        }
    }

    fn tell_addresses(&mut self, tenant: &Tenant, since: &[(IpAddr, u64)], earlier: Option<&Known>, now: Now) {
        let until_ns = self.latest_ns(now);
        for (address, from_ns) in earlier.iter().flat_map(|k| &k.since).filter(|(a, _)| !tenant.addresses.contains(a)) {
            self.tell(tenant, *address, (*from_ns, Some(until_ns)));
        }
        let is_same = earlier.is_some_and(|k| {
            (&k.tenant.endpoint, &k.tenant.ports, &*k.since) == (&tenant.endpoint, &tenant.ports, since)
        });
        for (address, from_ns) in since.iter().filter(|_| !is_same) {
            self.tell(tenant, *address, (*from_ns, None));
        }
    }

    fn tell(&mut self, tenant: &Tenant, address: IpAddr, (from_ns, until_ns): (u64, Option<u64>)) {
        if self.tells_addresses() {
            let (endpoint, ports) = (Arc::clone(&tenant.endpoint), Arc::clone(&tenant.ports));
            let tenancy = Tenancy { address, tenant: Arc::clone(&tenant.uid), endpoint, ports, from_ns, until_ns };
            self.facts.push(Fact::Tenancy(self.kind, Box::new(tenancy)));
        }
    }

    fn tells_addresses(&self) -> bool {
        self.tells != Tells::Containers
    }

    /// The facts since the last call.
    pub(super) fn take_facts(&mut self) -> Vec<Fact> {
        if std::mem::take(&mut self.containers_changed) && self.tells != Tells::Addresses {
            let all = self.known.values().flat_map(|k| &k.tenant.containers);
            let containers: HashMap<Box<str>, Arc<Pod>> = all.cloned().collect();
            self.facts.push(Fact::Pods(PodSource::Kubernetes, containers));
        }
        std::mem::take(&mut self.facts)
    }

    /// How many are known, and how many there was no room for.
    pub(super) fn counts(&self) -> (usize, u64) {
        (self.known.len(), self.dropped)
    }
}

/// Since when a tenant may have each address. A new pod may have used its address before the server told of it, but not before
/// the pod started. Another address of a known pod is new.
fn since(tenant: &Tenant, earlier: Option<&Known>, now: Now) -> Vec<(IpAddr, u64)> {
    let age_ns = tenant.since_ns.map_or(0, |since_ns| now.wall_ns.saturating_sub(since_ns));
    let had: &[_] = earlier.map_or(&[], |known| &known.since);
    let began_ns = if had.is_empty() { now.engine_ns.saturating_sub(age_ns) } else { now.engine_ns };
    let since =
        |address: &IpAddr| had.iter().find(|(had, _)| had == address).map_or(began_ns, |(_, since_ns)| *since_ns);
    tenant.addresses.iter().map(|address| (*address, since(address))).collect()
}
