//! One end of a flow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Attribution, Node, Place, Pod, Process, ProcessUsage, Service};

/// Another process that may own an end (for example the listener's owner if another process accepted).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Candidate {
    /// Thread group id.
    pub pid: u32,
    /// Name.
    pub name: Arc<str>,
}

/// Properties of an end other than its process, which may be known for ends on other hosts too. Shared by all records
/// of the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Endpoint {
    /// The Kubernetes pod with the address; none: no pod has it, or it is unknown.
    pub pod: Option<Arc<Pod>>,
    /// The Kubernetes service to whose address the flow goes; none: no service has it, or it is unknown.
    pub service: Option<Arc<Service>>,
    /// The Kubernetes node that runs the pod of this end, or has its address; none: unknown.
    pub node: Option<Arc<Node>>,
    /// The Kubernetes services of which this end's address and port are an endpoint, as `NAMESPACE/NAME` joined by commas; empty: none
    /// is known.
    pub backs: Arc<str>,
    /// The name that the flow's other end used for this one; empty: unknown.
    pub name: Arc<str>,
}

impl Endpoint {
    /// The length of all its texts, bytes.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let pod = self.pod.as_deref().map_or(0, Pod::text_bytes);
        let service = self.service.as_deref().map_or(0, |s| s.namespace.len() + s.name.len());
        let node = self.node.as_deref().map_or(0, |n| n.name.len() + n.zone.len());
        self.name.len() + self.backs.len() + pod + service + node
    }
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessEnd {
    /// How the end was attributed, or why not.
    pub attribution: Attribution,
    /// The process; none: see `attribution`.
    pub process: Option<Arc<Process>>,
    /// Its usage; none: there is no sample.
    pub usage: Option<ProcessUsage>,
    /// Inode number of the network namespace of the socket; none: no socket was found.
    pub network_namespace: Option<u32>,
    /// The candidate: another process that may own the end.
    pub candidate: Option<Candidate>,
    /// Other properties of this end; none: nothing is known.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Where its address is, shared by all ends with the address; none: unknown.
    pub place: Option<Arc<Place>>,
}

impl ProcessEnd {
    /// The Kubernetes pod of this end: that of its process, otherwise the one with its address.
    #[must_use]
    pub fn pod(&self) -> Option<&Pod> {
        let of_process = self.process.as_ref().and_then(|p| p.pod.as_deref());
        of_process.or_else(|| self.endpoint.as_ref()?.pod.as_deref())
    }

    /// The Kubernetes service of this end.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        self.endpoint.as_ref()?.service.as_deref()
    }

    /// The name of the Kubernetes node of this end: the one that runs its pod, otherwise the one that has its address.
    #[must_use]
    pub fn node_name(&self) -> Option<&Arc<str>> {
        let of_endpoint = self.endpoint.as_ref().and_then(|endpoint| Some(&endpoint.node.as_ref()?.name));
        let of_pod = || Some(&self.pod()?.details.as_ref()?.node);
        of_endpoint.filter(|name| !name.is_empty()).or_else(of_pod).filter(|name| !name.is_empty())
    }

    /// The zone of the Kubernetes node of this end.
    #[must_use]
    pub fn zone(&self) -> Option<&Arc<str>> {
        let zone = &self.endpoint.as_ref()?.node.as_ref()?.zone;
        (!zone.is_empty()).then_some(zone)
    }

    /// The Kubernetes services of which this end is an endpoint.
    #[must_use]
    pub fn backs(&self) -> Option<&Arc<str>> {
        let backs = &self.endpoint.as_ref()?.backs;
        (!backs.is_empty()).then_some(backs)
    }

    /// The Kubernetes namespace of the pod of this end, otherwise of its service.
    #[must_use]
    pub fn kubernetes_namespace(&self) -> Option<&Arc<str>> {
        self.pod().map(|pod| &pod.namespace).or_else(|| self.service().map(|service| &service.namespace))
    }

    /// An end without a process.
    #[must_use]
    pub const fn unknown(attribution: Attribution) -> Self {
        Self {
            attribution,
            process: None,
            usage: None,
            network_namespace: None,
            candidate: None,
            endpoint: None,
            place: None,
        }
    }
}
