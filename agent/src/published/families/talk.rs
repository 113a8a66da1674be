//! The metrics for graphs: edges, nodes, and sums by service, user, address, unit, workload and place.
//!
//! Keys without a series are summed up as `other`. The counts of withdrawn series are in the `retired` families; they
//! cannot be added to `other`, because a counter must not jump.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::metric::{Attributes, MetricKind, Point};

use super::columns::{Column, OTHER, Read, Subject, counter, families, names};
use super::view::{LazyFamily, View};
use crate::metrics::node::Node;
use crate::metrics::place::Place;
use crate::metrics::sums::{CONNECT_BOUNDS, EdgeSums, SERVED_BOUNDS, Traffic};
use crate::metrics::talk::{Ends, Role, Service};
use crate::metrics::unit::Unit;
use crate::metrics::workload::Workload;
use crate::select::protocol_name;

/// All families except those of nodes.
pub(super) fn all(view: &View) -> Vec<LazyFamily> {
    let edges = |attributes| Subject { shown: |talk| &talk.edges, attributes };
    let services = Subject { shown: |talk| &talk.services, attributes: service };
    let users = Subject { shown: |talk| &talk.users, attributes: user };
    let addresses = Subject { shown: |talk| &talk.addresses, attributes: address };
    let units = Subject { shown: |talk| &talk.units, attributes: unit };
    let workloads = Subject { shown: |talk| &talk.workloads, attributes: workload };
    let places = Subject { shown: |talk| &talk.places, attributes: place };
    families(view, edges(edge), &EDGES)
        .chain(families(view, edges(ends), &CONNECTS))
        .chain(families(view, edges(service_graph), &SERVICE_GRAPH))
        .chain(families(view, services, &SERVICES))
        .chain(families(view, users, &USERS))
        .chain(families(view, addresses, &ADDRESSES))
        .chain(families(view, units, &UNITS))
        .chain(families(view, workloads, &WORKLOADS))
        .chain(families(view, places, &PLACES))
        .collect()
}

#[expect(clippy::unnecessary_wraps, reason = "of the type of a column's `read`")]
const fn whole(n: u64) -> Option<Point> {
    Some(Point::Whole(n))
}

const fn histogram<V>(names: [&'static str; 2], help: &'static str, read: fn(&V) -> Option<Point>) -> Column<V> {
    Column { names, unit: "s", kind: MetricKind::Histogram, help, read: Read::One(read) }
}

const BYTES_OF_EDGES: &str = "Bytes between two nodes, both directions, IP header included.";

static EDGES: [Column<EdgeSums>; 4] = [
    counter(names!("pidflow.edge", "bytes"), "By", BYTES_OF_EDGES, |s| whole(s.traffic.bytes)),
    counter(names!("pidflow.edge", "packets"), "{packet}", "Packets between two nodes, both directions.", |s| {
        whole(s.traffic.packets)
    }),
    counter(names!("pidflow.edge", "flows"), "{flow}", "Ended flows between two nodes.", |s| whole(s.traffic.flows)),
    counter(names!("pidflow.edge", "failures"), "{attempt}", "Failed connection attempts between two nodes.", |s| {
        whole(s.traffic.failures)
    }),
];

static CONNECTS: [Column<EdgeSums>; 1] = [histogram(
    names!("pidflow.edge", "connect"),
    "Time from the client's first SYN to the end of the TCP handshake.",
    |s| Some(Point::Histogram(s.connects.histogram(&CONNECT_BOUNDS))),
)];

/// Names and labels of Tempo's service graphs, which Grafana's Tempo data source reads; a request is a flow.
static SERVICE_GRAPH: [Column<EdgeSums>; 3] = [
    counter(
        names!("traces_service_graph", "_", "request"),
        "",
        "Ended flows between two nodes, for service graphs.",
        |s| whole(s.traffic.flows),
    ),
    counter(
        names!("traces_service_graph", "_", "request_failed"),
        "",
        "Failed connection attempts, for service graphs.",
        |s| whole(s.traffic.failures),
    ),
    histogram(names!("traces_service_graph", "_", "request_server"), "Duration of flows, for service graphs.", |s| {
        Some(Point::Histogram(s.served.histogram(&SERVED_BOUNDS)))
    }),
];

/// The columns of a subject.
macro_rules! traffic {
    ($subject:literal, $of:literal) => {
        [
            counter(names!($subject, "bytes"), "By", concat!("Bytes of both directions, ", $of, "."), |s| {
                whole(s.bytes)
            }),
            counter(names!($subject, "flows"), "{flow}", concat!("Ended flows, ", $of, "."), |s| whole(s.flows)),
            counter(
                names!($subject, "failures"),
                "{attempt}",
                concat!("Failed connection attempts, ", $of, "."),
                |s| whole(s.failures),
            ),
        ]
    };
}

static SERVICES: [Column<Traffic>; 3] =
    traffic!("pidflow.service", "by process, its role, protocol and the server's port");
static USERS: [Column<Traffic>; 3] =
    traffic!("pidflow.user", "by user of the process and its role; empty: no process known");
static ADDRESSES: [Column<Traffic>; 3] = traffic!("pidflow.address", "by address and its role");
static UNITS: [Column<Traffic>; 3] =
    traffic!("pidflow.unit", "by systemd unit, container or workload of the process, its kind and its role");
static WORKLOADS: [Column<Traffic>; 3] =
    traffic!("pidflow.workload", "between pods or containers, this host and addresses");

static PLACES: [Column<Traffic>; 3] =
    traffic!("pidflow.cluster", "between Kubernetes nodes and their zones, counted by the agent at the source");

fn ends(key: Option<&Ends>, host: &str) -> Attributes {
    let [id, source, target] = match key {
        Some((source, target)) => {
            let (source, target) = (source.label(host), target.label(host));
            [format!("{source}->{target}"), source, target]
        }
        None => [OTHER.to_owned(), OTHER.to_owned(), OTHER.to_owned()],
    };
    Arc::new([("id", id), ("source", source), ("target", target)])
}

fn edge(key: Option<&Ends>, host: &str) -> Attributes {
    let host_of = |n: &Node| n.host(host);
    let (source, target) = (key.map(|k| &k.0), key.map(|k| &k.1));
    let process = |n: Option<&Node>| n.map(Node::process).unwrap_or_default().to_owned();
    let more = [
        ("source_host", source.map(host_of).unwrap_or_default()),
        ("source_process", process(source)),
        ("target_host", target.map(host_of).unwrap_or_default()),
        ("target_process", process(target)),
    ];
    ends(key, host).iter().cloned().chain(more).collect()
}

fn service_graph(key: Option<&Ends>, host: &str) -> Attributes {
    let label = |n: Option<&Node>| n.map_or_else(|| OTHER.to_owned(), |n| n.label(host));
    let is_address = |n: &Node| matches!(n, Node::Address(_));
    // Tempo's name for an end without telemetry of its own.
    let virtual_node = key.is_some_and(|k| is_address(&k.0) || is_address(&k.1));
    Arc::new([
        ("client", label(key.map(|k| &k.0))),
        ("server", label(key.map(|k| &k.1))),
        ("connection_type", if virtual_node { "virtual_node".to_owned() } else { String::new() }),
    ])
}

fn service(key: Option<&Service>, host: &str) -> Attributes {
    let (id, process, role, protocol, port) = match key {
        Some((Node::Unknown, role, protocol, port)) => {
            (String::new(), String::new(), role.name(), protocol_name(*protocol), port.to_string())
        }
        Some((node, role, protocol, port)) => {
            (node.label(host), node.process().to_owned(), role.name(), protocol_name(*protocol), port.to_string())
        }
        None => (OTHER.to_owned(), String::new(), "", String::new(), String::new()),
    };
    Arc::new([("id", id), ("process", process), ("role", role.to_owned()), ("protocol", protocol), ("port", port)])
}

fn by_role(name: &'static str, key: Option<(String, Role)>) -> Attributes {
    let (value, role) = key.map_or_else(|| (OTHER.to_owned(), ""), |(value, role)| (value, role.name()));
    Arc::new([(name, value), ("role", role.to_owned())])
}

fn user(key: Option<&(Arc<str>, Role)>, _: &str) -> Attributes {
    by_role("user", key.map(|(user, role)| (user.to_string(), *role)))
}

fn address(key: Option<&(IpAddr, Role)>, _: &str) -> Attributes {
    by_role("address", key.map(|(address, role)| (address.to_string(), *role)))
}

fn unit(key: Option<&(Unit, Role)>, _: &str) -> Attributes {
    let of = |(unit, role): &(Unit, Role)| (unit.label(), unit.kind.name(), role.name());
    let (name, kind, role) = key.map_or_else(|| (OTHER.to_owned(), "", ""), of);
    Arc::new([("unit", name), ("kind", kind.to_owned()), ("role", role.to_owned())])
}

fn workload(key: Option<&(Workload, Workload)>, host: &str) -> Attributes {
    let label = |w: Option<&Workload>| w.map_or_else(|| OTHER.to_owned(), |w| w.label(host));
    let (source, target) = (label(key.map(|k| &k.0)), label(key.map(|k| &k.1)));
    let id = if key.is_some() { format!("{source}->{target}") } else { OTHER.to_owned() };
    Arc::new([("id", id), ("source", source), ("target", target)])
}

fn place(key: Option<&(Place, Place)>, _: &str) -> Attributes {
    let Some((source, target)) = key else {
        let names = ["id", "source_node", "source_zone", "target_node", "target_zone", "crosses"];
        return names
            .into_iter()
            .map(|name| (name, if name == "id" { OTHER.to_owned() } else { String::new() }))
            .collect();
    };
    Arc::new([
        ("id", format!("{}->{}", source.node, target.node)),
        ("source_node", source.node.to_string()),
        ("source_zone", source.zone.to_string()),
        ("target_node", target.node.to_string()),
        ("target_zone", target.zone.to_string()),
        ("crosses", Place::crossing(source, target).to_owned()),
    ])
}
