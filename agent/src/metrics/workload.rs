//! The ends of container traffic: a workload's pods, a container, this host outside containers, or another address.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Attribution, FlowRecord, ProcessEnd};

use super::unit::Unit;

/// One end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// The pods of this workload, by namespace and name.
    Pods(Arc<str>, Arc<str>),
    /// A container whose pod is unknown.
    Container(Unit),
    /// This host, outside containers.
    Host,
    /// Not on this host, or unknown. A pod on another host has its address, unless the pod is known.
    Address(IpAddr),
}

impl Workload {
    /// Both ends; none: neither is in a container.
    pub(crate) fn pair(r: &FlowRecord) -> Option<(Self, Self)> {
        let of = |end, address| match Self::of(end, address) {
            // Not of this host.
            Self::Host if r.collected.is_some() => Self::Address(address),
            workload => workload,
        };
        let pair = (of(&r.source, r.flow.source), of(&r.destination, r.flow.destination));
        let is_container = |w: &Self| matches!(w, Self::Pods(..) | Self::Container(_));
        (is_container(&pair.0) || is_container(&pair.1)).then_some(pair)
    }

    fn of(end: &ProcessEnd, address: IpAddr) -> Self {
        if let Some(pod) = end.pod() {
            let owner = pod.owner().map_or(&pod.name, |owner| &owner.name);
            return Self::Pods(Arc::clone(&pod.namespace), Arc::clone(owner));
        }
        match (&end.process, end.attribution) {
            (Some(p), _) if !p.placement.container_id.is_empty() => Self::Container(Unit::of_container(p)),
            (None, Attribution::Remote | Attribution::Offline) => Self::Address(address),
            _ => Self::Host,
        }
    }

    /// `NAMESPACE/WORKLOAD`, the container, the host's name, or the address.
    pub(crate) fn label(&self, host: &str) -> String {
        match self {
            Self::Pods(namespace, name) => format!("{namespace}/{name}"),
            Self::Container(unit) => unit.label(),
            Self::Host => host.to_owned(),
            Self::Address(a) => a.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pidflow_schema::{Endpoint, Owner, OwnerBasis, Pod, PodDetails};

    use super::*;

    #[test]
    fn ends_with_a_pod_are_their_owners() {
        let address = IpAddr::from([10, 1, 0, 5]);
        let owner = Owner { kind: "Deployment".into(), name: "web".into() };
        let details =
            PodDetails { owner: Some(owner), owner_basis: OwnerBasis::OwnerReference, ..PodDetails::default() };
        let pod = |details| Pod { namespace: "shop".into(), name: "web-1".into(), details, ..Pod::default() };
        let end = |pod: Option<Pod>| {
            let endpoint = Arc::new(Endpoint { pod: pod.map(Arc::new), ..Endpoint::default() });
            ProcessEnd { endpoint: Some(endpoint), ..ProcessEnd::unknown(Attribution::Remote) }
        };
        let label = |pod| Workload::of(&end(pod), address).label("host");
        assert_eq!(label(Some(pod(Some(Arc::new(details))))), "shop/web");
        assert_eq!(label(Some(pod(None))), "shop/web-1");
        assert_eq!(label(None), "10.1.0.5");
    }
}
