//! Where the ends of container traffic are: a container, this host outside of any, or another address.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Attribution, FlowRecord, ProcessEnd};

/// Digits of a container id that are shown, as container tools do.
const SHORT: usize = 12;

/// A container id as far as it is shown.
pub(super) fn short_id(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// One end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// The container of this id.
    Container(Arc<str>),
    /// This host, outside of containers.
    Host,
    /// Not of this host, or not known whether: a pod elsewhere has the pod's address.
    Address(IpAddr),
}

impl Workload {
    /// Both ends; none: neither is in a container.
    pub(crate) fn pair(r: &FlowRecord) -> Option<(Self, Self)> {
        let pair = (Self::of(&r.source, r.flow.source), Self::of(&r.destination, r.flow.destination));
        let is_container = |w: &Self| matches!(w, Self::Container(_));
        (is_container(&pair.0) || is_container(&pair.1)).then_some(pair)
    }

    fn of(end: &ProcessEnd, address: IpAddr) -> Self {
        match (&end.process, end.attribution) {
            (Some(p), _) if !p.container_id.is_empty() => Self::Container(Arc::clone(&p.container_id)),
            (None, Attribution::Remote | Attribution::Offline) => Self::Address(address),
            _ => Self::Host,
        }
    }

    /// Short id, the host's name, or the address.
    pub(crate) fn label(&self, host: &str) -> String {
        match self {
            Self::Container(id) => short_id(id).to_owned(),
            Self::Host => host.to_owned(),
            Self::Address(a) => a.to_string(),
        }
    }
}
