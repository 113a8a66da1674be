//! Sums of traffic, by pair of nodes, service, user, address, unit, workload and place.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_engine::process_table::Usage;
use pidflow_schema::{FlowRecord, ProcessEnd, Protocol};

use super::node::Node;
use super::nodes::{NodeKey, NodeUsage, Nodes};
use super::place::Place;
use super::sums::{EdgeSums, Traffic, Used};
use super::top::{Shown, Top};
use super::unit::Unit;
use super::workload::Workload;

/// Source and target of an edge.
pub(crate) type Ends = (Node, Node);

/// An end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    /// The source.
    Client,
    /// The destination.
    Server,
}

impl Role {
    /// The label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// The service that a node uses or provides: IP protocol and the server's port, 0 if the protocol has none.
pub(crate) type Service = (Node, Role, u8, u16);

/// All sums. In the sums by [`Role`], each record counts in one series for each role.
#[derive(Debug)]
pub(crate) struct TrafficSums {
    edges: Top<Ends, EdgeSums>,
    services: Top<Service, Traffic>,
    users: Top<(Arc<str>, Role), Traffic>,
    addresses: Top<(IpAddr, Role), Traffic>,
    units: Top<(Unit, Role), Traffic>,
    workloads: Top<(Workload, Workload), Traffic>,
    places: Top<(Place, Place), Traffic>,
    nodes: Nodes,
    /// Number of statuses published so far.
    told: u64,
}

/// The data for `/metrics` and `/api/graph`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShownTraffic {
    /// The status's number: 1, 2, …; 0: there is no status yet.
    pub(crate) number: u64,
    /// Between nodes.
    pub(crate) edges: Shown<Ends, EdgeSums>,
    /// By node, role, protocol and port.
    pub(crate) services: Shown<Service, Traffic>,
    /// By user; empty: no process was found, or the end is on another host.
    pub(crate) users: Shown<(Arc<str>, Role), Traffic>,
    /// By address.
    pub(crate) addresses: Shown<(IpAddr, Role), Traffic>,
    /// By unit or container of a process of this host.
    pub(crate) units: Shown<(Unit, Role), Traffic>,
    /// Between workloads.
    pub(crate) workloads: Shown<(Workload, Workload), Traffic>,
    /// Between nodes of a Kubernetes cluster.
    pub(crate) places: Shown<(Place, Place), Traffic>,
    /// Resource usage of the processes of nodes.
    pub(crate) nodes: Shown<NodeKey, Used>,
    /// Current resources of the nodes with a series, in the same order.
    pub(crate) present: Vec<NodeUsage>,
}

impl TrafficSums {
    /// At most `limit` series of each kind.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            edges: Top::new(limit),
            services: Top::new(limit),
            users: Top::new(limit),
            addresses: Top::new(limit),
            units: Top::new(limit),
            workloads: Top::new(limit),
            places: Top::new(limit),
            nodes: Nodes::new(limit),
            told: 0,
        }
    }

    /// Counts a record.
    pub(crate) fn count(&mut self, r: &FlowRecord, now_s: u64) {
        let traffic = Traffic::of(r);
        // Attempts without a packet have a weight too, so that they can get a series.
        let weight = traffic.bytes.max(1);
        let (source, target) = Node::pair(r);
        let ends = [
            (Role::Client, &r.source, r.flow.source, &source),
            (Role::Server, &r.destination, r.flow.destination, &target),
        ];
        for (role, end, address, node) in ends {
            // Remote clients and servers have sums by address; here they are one node.
            let node = if matches!(node, Node::Address(_)) { Node::Unknown } else { node.clone() };
            self.services.count((node, role, r.flow.protocol, port(r)), &traffic, weight, now_s);
            self.users.count((user(end), role), &traffic, weight, now_s);
            self.addresses.count((address, role), &traffic, weight, now_s);
            if let Some(unit) = Unit::of(end).filter(|_| r.collected.is_none()) {
                self.units.count((unit, role), &traffic, weight, now_s);
            }
            self.nodes.has_flow(end, weight, now_s);
        }
        if let Some(pair) = Workload::pair(r) {
            self.workloads.count(pair, &traffic, weight, now_s);
        }
        if let Some(pair) = Place::pair(r) {
            self.places.count(pair, &traffic, weight, now_s);
        }
        self.edges.count((source, target), &EdgeSums::of(r, traffic), weight, now_s);
    }

    /// Adds the usage of processes. `tell` calls its argument for each process.
    pub(crate) fn usage(&mut self, now_s: u64, tell: impl FnOnce(&mut dyn FnMut(&Usage))) {
        self.nodes.usage(now_s, tell);
    }

    /// Chooses again what is shown; to be called from time to time.
    pub(crate) fn settle(&mut self, now_s: u64) {
        self.edges.settle(now_s);
        self.services.settle(now_s);
        self.users.settle(now_s);
        self.addresses.settle(now_s);
        self.units.settle(now_s);
        self.workloads.settle(now_s);
        self.places.settle(now_s);
        self.nodes.settle(now_s);
    }

    /// Contents of the next status.
    pub(crate) fn shown(&mut self) -> ShownTraffic {
        self.told += 1;
        let number = self.told;
        let (nodes, present) = self.nodes.shown(number);
        ShownTraffic {
            number,
            edges: self.edges.shown(number),
            services: self.services.shown(number),
            users: self.users.shown(number),
            addresses: self.addresses.shown(number),
            units: self.units.shown(number),
            workloads: self.workloads.shown(number),
            places: self.places.shown(number),
            nodes,
            present,
        }
    }
}

fn user(end: &ProcessEnd) -> Arc<str> {
    end.process.as_ref().map_or_else(Arc::default, |p| Arc::clone(&p.user))
}

fn port(r: &FlowRecord) -> u16 {
    match r.flow.protocol {
        Protocol::TCP | Protocol::UDP | Protocol::SCTP => r.flow.destination_port,
        _ => 0,
    }
}
