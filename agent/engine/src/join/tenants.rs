//! The Kubernetes pods and services at the ends of flows, by address.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Endpoint, Process};

use crate::fact::TenantKind;
use crate::socket_index::FlowEnd;
use crate::tenancy::{MAX_TENANCY_BYTES, Tenancies};

/// The tenancies of pods and services.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    pods: Tenancies,
    services: Tenancies,
}

impl Tenants {
    pub(super) const fn of_mut(&mut self, kind: TenantKind) -> &mut Tenancies {
        match kind {
            TenantKind::Pod => &mut self.pods,
            TenantKind::Service => &mut self.services,
        }
    }

    /// Services are few: a quarter is for them.
    pub(super) const fn limit_bytes(&mut self, max_bytes: usize) {
        let max_bytes = if max_bytes < MAX_TENANCY_BYTES { max_bytes } else { MAX_TENANCY_BYTES };
        self.services.limit_bytes(max_bytes / 4);
        self.pods.limit_bytes(max_bytes / 4 * 3);
    }

    /// What is known of an end with that process. A pod has the address after translation at the answering end, and a service
    /// the one before it (`asked`). A process outside containers is in no pod, whatever its address.
    pub(super) fn endpoint(&self, end: &FlowEnd, asked: IpAddr, process: Option<&Process>) -> Option<Arc<Endpoint>> {
        let time = (end.first_ns, end.last_ns);
        let may_be_pod = process.is_none_or(|p| !p.placement.container_id.is_empty());
        let pod = self.pods.find(end.local, time).filter(|_| may_be_pod);
        match (pod, self.services.find(asked, time)) {
            (Some(pod), Some(service)) => {
                Some(Arc::new(Endpoint { service: service.service.clone(), ..Endpoint::clone(pod) }))
            }
            (pod, service) => pod.or(service).cloned(),
        }
    }

    pub(super) fn expire(&mut self, before_ns: u64) {
        self.pods.expire(before_ns);
        self.services.expire(before_ns);
    }

    pub(super) fn len(&self) -> usize {
        self.pods.len() + self.services.len()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.pods.dropped() + self.services.dropped()
    }
}
