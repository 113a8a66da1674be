//! The ends of traffic between the nodes of a Kubernetes cluster.

use std::sync::Arc;

use pidflow_schema::{Attribution, FlowRecord, ProcessEnd};

/// A node and its zone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The node's name; empty: not a node of the cluster, or unknown.
    pub(crate) node: Arc<str>,
    /// Its zone; empty: it has none, or unknown.
    pub(crate) zone: Arc<str>,
}

impl Place {
    fn of(end: &ProcessEnd) -> Self {
        Self { node: end.node_name().cloned().unwrap_or_default(), zone: end.zone().cloned().unwrap_or_default() }
    }

    /// Both ends; none: neither is on a known node, or the agent of the other node counts it. Two agents see a flow between two
    /// nodes: the one at the source counts it.
    pub(crate) fn pair(r: &FlowRecord) -> Option<(Self, Self)> {
        let (source, target) = (Self::of(&r.source), Self::of(&r.destination));
        let is_elsewhere = r.source.attribution == Attribution::Remote && !source.node.is_empty();
        let is_known = !(source.node.is_empty() && target.node.is_empty());
        (is_known && !is_elsewhere).then_some((source, target))
    }

    /// What lies between both ends: `zone` (they are in different ones), `node` (they are on different ones of a zone), `none`, or
    /// `unknown`.
    pub(crate) fn crossing(source: &Self, target: &Self) -> &'static str {
        let differ = |a: &Arc<str>, b: &Arc<str>| (!a.is_empty() && !b.is_empty()).then_some(a != b);
        match (differ(&source.zone, &target.zone), differ(&source.node, &target.node)) {
            (Some(true), _) => "zone",
            (_, Some(true)) => "node",
            (_, Some(false)) => "none",
            (_, None) => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use pidflow_schema::{Endpoint, Flow, Node};

    use super::*;

    fn record(nodes: [&str; 2], attribution: Attribution) -> FlowRecord {
        let address = std::net::IpAddr::from([10, 0, 0, 1]);
        let flow = Flow::new(6, (address, 1), (address, 2), (0, 0));
        let mut record = FlowRecord::without_processes(flow, attribution);
        let end = |name: &str| {
            let node = Node { name: name.into(), zone: name.get(..1).unwrap_or_default().into() };
            (!name.is_empty()).then(|| Arc::new(Endpoint { node: Some(Arc::new(node)), ..Endpoint::default() }))
        };
        record.source.endpoint = end(nodes[0]);
        record.destination.endpoint = end(nodes[1]);
        record
    }

    #[test]
    fn traffic_between_nodes_is_counted_by_the_agent_at_its_source() {
        let crossing = |nodes, attribution| {
            let (source, target) = Place::pair(&record(nodes, attribution))?;
            Some(Place::crossing(&source, &target))
        };
        let (here, remote) = (Attribution::NoSocket, Attribution::Remote);
        assert_eq!(crossing(["a1", "b1"], here), Some("zone"));
        assert_eq!(crossing(["a1", "a2"], here), Some("node"));
        assert_eq!(crossing(["a1", "a1"], here), Some("none"));
        assert_eq!(crossing(["a1", ""], here), Some("unknown"));
        assert_eq!(crossing(["", "a1"], remote), Some("unknown"), "a client outside the cluster has no agent");
        assert_eq!(crossing(["a1", "b1"], remote), None);
        assert_eq!(crossing(["", ""], here), None);
    }
}
