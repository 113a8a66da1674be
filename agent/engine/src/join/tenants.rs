//! The Kubernetes pods, services and nodes at the ends of flows, by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Endpoint, Node, Process};

use crate::fact::TenantKind;
use crate::socket_index::FlowEnd;
use crate::tenancy::{MAX_TENANCY_BYTES, Tenancies, Tenancy};

/// The tenancies of pods, services and nodes.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    pods: Tenancies,
    services: Tenancies,
    nodes: Tenancies,
    endpoints: Tenancies,
    /// The nodes that have an address now, by name.
    by_name: HashMap<Arc<str>, Arc<Node>>,
}

impl Tenants {
    pub(super) fn set(&mut self, kind: TenantKind, told: &Tenancy) {
        let has_room = self.of_mut(kind).set(told);
        let Some(node) = told.endpoint.node.as_ref().filter(|_| kind == TenantKind::Node) else { return };
        if told.until_ns.is_some() {
            self.by_name.remove(&node.name);
        } else if has_room {
            self.by_name.insert(Arc::clone(&node.name), Arc::clone(node));
        }
    }

    pub(super) const fn of_mut(&mut self, kind: TenantKind) -> &mut Tenancies {
        match kind {
            TenantKind::Pod => &mut self.pods,
            TenantKind::Service => &mut self.services,
            TenantKind::Node => &mut self.nodes,
            TenantKind::ServiceEndpoint => &mut self.endpoints,
        }
    }

    /// Pods are many, and most of them are an endpoint of a service. Services and nodes are few.
    pub(super) const fn limit_bytes(&mut self, max_bytes: usize) {
        let sixteenth = if max_bytes < MAX_TENANCY_BYTES { max_bytes / 16 } else { MAX_TENANCY_BYTES / 16 };
        self.pods.limit_bytes(9 * sixteenth);
        self.endpoints.limit_bytes(4 * sixteenth);
        self.services.limit_bytes(2 * sixteenth);
        self.nodes.limit_bytes(sixteenth);
    }

    /// What is known of an end with that process. A pod has the address after translation at the answering end, and a service
    /// the one before it (`asked`). A process outside containers is in no pod, whatever its address.
    pub(super) fn endpoint(&self, end: &FlowEnd, asked: IpAddr, process: Option<&Process>) -> Option<Arc<Endpoint>> {
        let time = (end.first_ns, end.last_ns);
        let may_be_pod = process.is_none_or(|p| !p.placement.container_id.is_empty());
        let pod = self.pods.find(end.local, time).filter(|_| may_be_pod);
        let service = self.services.find(asked, time);
        let node = self.node(end, process, pod);
        let backs = self.backs(end);
        match (service, &node, backs.is_empty()) {
            (None, None, true) => pod.cloned(),
            _ => Some(Arc::new(Endpoint {
                pod: pod.and_then(|e| e.pod.clone()),
                service: service.and_then(|e| e.service.clone()),
                node,
                backs,
                name: Arc::default(),
            })),
        }
    }

    /// The node that runs the pod of an end, otherwise the one that has its address.
    fn node(&self, end: &FlowEnd, process: Option<&Process>, by_address: Option<&Arc<Endpoint>>) -> Option<Arc<Node>> {
        let of_process = process.and_then(|p| p.pod.as_ref());
        let pod = of_process.or_else(|| by_address?.pod.as_ref());
        match pod.and_then(|pod| pod.details.as_ref()) {
            Some(details) => self.by_name.get(&details.node).cloned(),
            None => self.nodes.find(end.local, (end.first_ns, end.last_ns))?.node.clone(),
        }
    }

    /// The services of which an end is an endpoint, joined by commas.
    fn backs(&self, end: &FlowEnd) -> Arc<str> {
        let at = (end.local, end.protocol, end.local_port);
        let mut all = self.endpoints.find_port(at, (end.first_ns, end.last_ns)).map(|endpoint| &endpoint.backs);
        let Some(first) = all.next() else { return Arc::default() };
        let mut names: Vec<&str> = all.map(|name| &**name).filter(|name| *name != &**first).collect();
        if names.is_empty() {
            return Arc::clone(first);
        }
        names.push(first);
        names.sort_unstable();
        names.dedup();
        names.join(",").into()
    }

    pub(super) fn expire(&mut self, before_ns: u64) {
        let all = [&mut self.pods, &mut self.services, &mut self.nodes, &mut self.endpoints];
        all.into_iter().for_each(|tenancies| tenancies.expire(before_ns));
    }

    pub(super) fn len(&self) -> usize {
        self.pods.len() + self.services.len() + self.nodes.len() + self.endpoints.len()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.pods.dropped() + self.services.dropped() + self.nodes.dropped() + self.endpoints.dropped()
    }
}
