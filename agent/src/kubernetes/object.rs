//! The parts that are read of Kubernetes' objects (`k8s.io/api/core/v1` if no other is named). All members may be missing, or null.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An object of any kind, with its metadata alone (`PartialObjectMetadata`).
#[derive(Debug, Deserialize)]
pub(super) struct Partial {
    pub(super) metadata: Metadata,
}

/// `ObjectMeta`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) creation_timestamp: Option<String>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    pub(super) owner_references: Option<Vec<OwnerReference>>,
}

/// `OwnerReference`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct OwnerReference {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: Option<String>,
    pub(super) controller: Option<bool>,
}

/// An object with its metadata.
pub(super) trait Identified {
    fn metadata(&self) -> &Metadata;
}

macro_rules! identified {
    ($($object:ident)*) => {
        $(impl Identified for $object {
            fn metadata(&self) -> &Metadata {
                &self.metadata
            }
        })*
    };
}

identified!(Service Node EndpointSlice);

impl Metadata {
    /// The one owner that manages the object.
    pub(super) fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
    }
}

/// `Pod`.
#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: Option<PodSpec>,
    pub(super) status: Option<PodStatus>,
}

/// `PodSpec`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) node_name: Option<String>,
    pub(super) host_network: Option<bool>,
}

/// `PodStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) phase: Option<String>,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pub(super) pod_ips: Option<Vec<PodIp>>,
    pub(super) start_time: Option<String>,
    pub(super) container_statuses: Option<Vec<ContainerStatus>>,
    pub(super) init_container_statuses: Option<Vec<ContainerStatus>>,
    pub(super) ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

/// `PodIP`.
#[derive(Debug, Deserialize)]
pub(super) struct PodIp {
    pub(super) ip: Option<String>,
}

/// `ContainerStatus`.
#[derive(Debug, Deserialize)]
pub(super) struct ContainerStatus {
    pub(super) name: Option<String>,
    /// `RUNTIME://ID`.
    #[serde(rename = "containerID")]
    pub(super) container_id: Option<String>,
}

/// `Service`.
#[derive(Debug, Deserialize)]
pub(super) struct Service {
    pub(super) metadata: Metadata,
    pub(super) spec: Option<ServiceSpec>,
}

/// `ServiceSpec`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    pub(super) cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    pub(super) cluster_ips: Option<Vec<String>>,
}

/// `Node`.
#[derive(Debug, Deserialize)]
pub(super) struct Node {
    pub(super) metadata: Metadata,
    pub(super) status: Option<NodeStatus>,
}

/// `NodeStatus`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct NodeStatus {
    pub(super) addresses: Option<Vec<NodeAddress>>,
}

/// `NodeAddress`: an IP address or a name.
#[derive(Debug, Deserialize)]
pub(super) struct NodeAddress {
    pub(super) address: Option<String>,
}

/// `EndpointSlice` (`k8s.io/api/discovery/v1`).
#[derive(Debug, Deserialize)]
pub(super) struct EndpointSlice {
    pub(super) metadata: Metadata,
    pub(super) endpoints: Option<Vec<SliceEndpoint>>,
    pub(super) ports: Option<Vec<EndpointPort>>,
}

/// `Endpoint` of a slice.
#[derive(Debug, Deserialize)]
pub(super) struct SliceEndpoint {
    pub(super) addresses: Option<Vec<String>>,
}

/// `EndpointPort`.
#[derive(Debug, Deserialize)]
pub(super) struct EndpointPort {
    /// None: all ports.
    pub(super) port: Option<u16>,
    /// None: TCP.
    pub(super) protocol: Option<String>,
}

/// A list of objects.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) metadata: Option<ListMetadata>,
    pub(super) items: Option<Vec<T>>,
}

/// `ListMeta`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMetadata {
    pub(super) resource_version: Option<String>,
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

/// `Status`.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) message: Option<String>,
    pub(super) code: Option<u16>,
}
