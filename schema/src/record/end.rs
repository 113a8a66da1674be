//! One end of a flow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Attribution, Pod, Process, ProcessUsage};

/// A further process that may own an end (the listener's owner when another one accepted).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Candidate {
    /// Thread group id.
    pub pid: u32,
    /// Name.
    pub name: Arc<str>,
}

/// What an end of a flow is besides a process: known also of ends on other hosts. Shared by all records of the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Endpoint {
    /// The Kubernetes pod that has the address; none: none has, or it is not known.
    pub pod: Option<Arc<Pod>>,
    /// The name by which the flow's other end asked for this one; empty: not known.
    pub name: Arc<str>,
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessEnd {
    /// How sure, or why not.
    pub attribution: Attribution,
    /// The process; none: see `attribution`.
    pub process: Option<Arc<Process>>,
    /// Its usage; none: no sample of it.
    pub usage: Option<ProcessUsage>,
    /// Inode number of the network namespace of the socket; none: no socket was found.
    pub network_namespace: Option<u32>,
    /// Second candidate.
    pub candidate: Option<Candidate>,
    /// What else is known of this end; none: nothing.
    pub endpoint: Option<Arc<Endpoint>>,
}

impl ProcessEnd {
    /// The Kubernetes pod of this end: that of its process, else that which has its address.
    #[must_use]
    pub fn pod(&self) -> Option<&Pod> {
        let of_process = self.process.as_ref().and_then(|p| p.pod.as_deref());
        of_process.or_else(|| self.endpoint.as_ref()?.pod.as_deref())
    }

    /// An end without a process.
    #[must_use]
    pub const fn unknown(attribution: Attribution) -> Self {
        Self { attribution, process: None, usage: None, network_namespace: None, candidate: None, endpoint: None }
    }
}
