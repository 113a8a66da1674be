//! A Kubernetes pod, its owners, and the service in front of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A container of a Kubernetes pod, or the pod itself where the container is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Pod {
    /// Namespace.
    pub namespace: Arc<str>,
    /// The pod's name.
    pub name: Arc<str>,
    /// The container's name within the pod; empty: unknown, because the pod was found by its address.
    pub container: Arc<str>,
    /// What else is known of the pod, shared by its containers; none: nothing.
    pub details: Option<Arc<PodDetails>>,
}

/// What Kubernetes knows of a pod beyond its name. Empty texts: unknown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct PodDetails {
    /// UID of the pod: no other pod ever has it.
    pub uid: Arc<str>,
    /// Name of the node on which it runs.
    pub node: Arc<str>,
    /// The labels that the operator chose, as `NAME=VALUE` joined by commas, in the operator's order.
    pub labels: Arc<str>,
    /// The annotations that the operator chose, in the same form.
    pub annotations: Arc<str>,
    /// What created the pod, such as a ReplicaSet or Job; none: nothing did, or unknown.
    pub controller: Option<Owner>,
    /// The topmost owner, such as the Deployment that owns the ReplicaSet; none: unknown.
    pub owner: Option<Owner>,
    /// How `owner` is known.
    pub owner_basis: OwnerBasis,
}

/// A Kubernetes object that owns a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Owner {
    /// Its kind as Kubernetes spells it, such as `Deployment`; empty: unknown.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// How the topmost owner of a pod is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum OwnerBasis {
    /// It is not known.
    #[default]
    Unknown,
    /// Guessed from the pod's name.
    PodName,
    /// Guessed from the name of the ReplicaSet or Job that created the pod, because the API server was not asked or did not
    /// tell what owns that.
    ControllerName,
    /// Kubernetes says so (`ownerReferences`).
    OwnerReference,
}

impl OwnerBasis {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::PodName, Self::ControllerName, Self::OwnerReference];

    /// The exported name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::PodName => "pod-name",
            Self::ControllerName => "controller-name",
            Self::OwnerReference => "owner-reference",
        }
    }
}

/// A Kubernetes service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Service {
    /// Namespace, which is also that of its pods.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

/// A Kubernetes node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Node {
    /// Name.
    pub name: Arc<str>,
    /// The zone that its label `topology.kubernetes.io/zone` names; empty: it has none, or unknown.
    pub zone: Arc<str>,
}

impl Pod {
    /// The length of all its texts, bytes.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let own = self.namespace.len() + self.name.len() + self.container.len();
        own + self.details.as_deref().map_or(0, PodDetails::text_bytes)
    }

    /// The topmost owner; none: unknown.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        self.details.as_ref()?.owner.as_ref()
    }

    /// The name of the controller or topmost owner of that kind; none: neither is of that kind.
    #[must_use]
    pub fn owner_of_kind(&self, kind: &str) -> Option<&Arc<str>> {
        let details = self.details.as_deref()?;
        let mut owners = [&details.owner, &details.controller].into_iter().flatten();
        owners.find(|owner| *owner.kind == *kind).map(|owner| &owner.name)
    }
}

impl PodDetails {
    fn text_bytes(&self) -> usize {
        let owners = [&self.controller, &self.owner].into_iter().flatten().map(|o| o.kind.len() + o.name.len());
        self.uid.len() + self.node.len() + self.labels.len() + self.annotations.len() + owners.sum::<usize>()
    }
}
