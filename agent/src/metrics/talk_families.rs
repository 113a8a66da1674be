//! The metrics for graphs: edges, nodes, and sums by service, user, address and workload.
//!
//! What has no series of its own is `other`. What withdrawn series had counted is in the `retired` families: a counter
//! may not jump, so it cannot be added to `other`.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::Protocol;
use pidflow_schema::metric::{Attributes, Family, Kind, Point};

use super::columns::{Column, counter, families, retired, rows};
use super::node::Node;
use super::sums::{CONNECT_BOUNDS, EdgeSums, SERVED_BOUNDS, Traffic};
use super::talk::{Ends, Role, Service, TalkShown};
use super::workload::Workload;

pub(super) const OTHER: &str = "other";

/// All but the nodes; `host` is the name in labels.
pub(super) fn all(talk: &TalkShown, host: &str) -> Vec<Family> {
    [
        families(&EDGES, &rows(&talk.edges, |e| edge(e, host))),
        families(&EDGES_RETIRED, &retired(&talk.edges)),
        families(&[CONNECTS], &rows(&talk.edges, |e| ends(e, host))),
        families(&SERVICE_GRAPH, &rows(&talk.edges, |e| service_graph(e, host))),
        families(&SERVICES, &rows(&talk.services, |s| service(s, host))),
        families(&SERVICES_RETIRED, &retired(&talk.services)),
        families(&USERS, &rows(&talk.users, user)),
        families(&USERS_RETIRED, &retired(&talk.users)),
        families(&ADDRESSES, &rows(&talk.addresses, address)),
        families(&ADDRESSES_RETIRED, &retired(&talk.addresses)),
        families(&WORKLOADS, &rows(&talk.workloads, |w| workload(w, host))),
        families(&WORKLOADS_RETIRED, &retired(&talk.workloads)),
    ]
    .concat()
}

#[expect(clippy::unnecessary_wraps, reason = "of the type of a column's `point`")]
const fn whole(n: u64) -> Option<Point> {
    Some(Point::Whole(n))
}

const EDGES: [Column<EdgeSums>; 4] = [
    counter("pidflow.edge.bytes", "By", "Octets between two nodes, both directions, IP header included.", |s| {
        whole(s.traffic.bytes)
    }),
    counter("pidflow.edge.packets", "{packet}", "Packets between two nodes, both directions.", |s| {
        whole(s.traffic.packets)
    }),
    counter("pidflow.edge.flows", "{flow}", "Flows between two nodes that ended.", |s| whole(s.traffic.flows)),
    counter("pidflow.edge.failures", "{attempt}", "Connection attempts between two nodes that failed.", |s| {
        whole(s.traffic.failures)
    }),
];

const EDGES_RETIRED: [Column<EdgeSums>; 4] = [
    counter("pidflow.edge.retired.bytes", "By", "What withdrawn series of edge bytes had counted.", |s| {
        whole(s.traffic.bytes)
    }),
    counter("pidflow.edge.retired.packets", "{packet}", "What withdrawn series of edge packets had counted.", |s| {
        whole(s.traffic.packets)
    }),
    counter("pidflow.edge.retired.flows", "{flow}", "What withdrawn series of edge flows had counted.", |s| {
        whole(s.traffic.flows)
    }),
    counter("pidflow.edge.retired.failures", "{attempt}", "What withdrawn series of edge failures had counted.", |s| {
        whole(s.traffic.failures)
    }),
];

const CONNECTS: Column<EdgeSums> = Column {
    name: "pidflow.edge.connect",
    unit: "s",
    kind: Kind::Histogram,
    help: "Time from the client's first SYN to the end of the TCP handshake.",
    point: |s| Some(Point::Histogram(s.connects.histogram(&CONNECT_BOUNDS))),
};

/// Names and labels of Tempo's service graphs, which Grafana's Tempo data source reads; a request is a flow.
const SERVICE_GRAPH: [Column<EdgeSums>; 3] = [
    counter("traces_service_graph_request", "", "Flows between two nodes that ended, for service graphs.", |s| {
        whole(s.traffic.flows)
    }),
    counter("traces_service_graph_request_failed", "", "Connection attempts that failed, for service graphs.", |s| {
        whole(s.traffic.failures)
    }),
    Column {
        name: "traces_service_graph_request_server",
        unit: "s",
        kind: Kind::Histogram,
        help: "How long flows lasted, for service graphs.",
        point: |s| Some(Point::Histogram(s.served.histogram(&SERVED_BOUNDS))),
    },
];

/// Bytes and flows of a subject and of its withdrawn series.
macro_rules! traffic {
    ($shown:ident, $retired:ident, $name:literal, $of:literal) => {
        const $shown: [Column<Traffic>; 3] = [
            counter(
                concat!("pidflow.", $name, ".bytes"),
                "By",
                concat!("Octets of both directions, ", $of, "."),
                |s| whole(s.bytes),
            ),
            counter(concat!("pidflow.", $name, ".flows"), "{flow}", concat!("Flows that ended, ", $of, "."), |s| {
                whole(s.flows)
            }),
            counter(
                concat!("pidflow.", $name, ".failures"),
                "{attempt}",
                concat!("Connection attempts that failed, ", $of, "."),
                |s| whole(s.failures),
            ),
        ];
        const $retired: [Column<Traffic>; 2] = [
            counter(
                concat!("pidflow.", $name, ".retired.bytes"),
                "By",
                concat!("What withdrawn series of octets had counted, ", $of, "."),
                |s| whole(s.bytes),
            ),
            counter(
                concat!("pidflow.", $name, ".retired.flows"),
                "{flow}",
                concat!("What withdrawn series of flows had counted, ", $of, "."),
                |s| whole(s.flows),
            ),
        ];
    };
}

traffic!(SERVICES, SERVICES_RETIRED, "service", "by process, its role, protocol and the server's port");
traffic!(USERS, USERS_RETIRED, "user", "by user of the process and its role; empty: no process known");
traffic!(ADDRESSES, ADDRESSES_RETIRED, "address", "by address and its role");
traffic!(WORKLOADS, WORKLOADS_RETIRED, "workload", "between pods or containers, this host and addresses");

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
    // Tempo's word for an end that tells nothing of itself.
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

fn protocol_name(number: u8) -> String {
    match number {
        Protocol::TCP => "tcp".to_owned(),
        Protocol::UDP => "udp".to_owned(),
        Protocol::SCTP => "sctp".to_owned(),
        Protocol::ICMP => "icmp".to_owned(),
        Protocol::ICMPV6 => "icmpv6".to_owned(),
        other => other.to_string(),
    }
}

fn by_role(name: &'static str, key: Option<(String, Role)>) -> Attributes {
    let (value, role) = key.map_or_else(|| (OTHER.to_owned(), ""), |(value, role)| (value, role.name()));
    Arc::new([(name, value), ("role", role.to_owned())])
}

fn user(key: Option<&(Arc<str>, Role)>) -> Attributes {
    by_role("user", key.map(|(user, role)| (user.to_string(), *role)))
}

fn address(key: Option<&(IpAddr, Role)>) -> Attributes {
    by_role("address", key.map(|(address, role)| (address.to_string(), *role)))
}

fn workload(key: Option<&(Workload, Workload)>, host: &str) -> Attributes {
    let label = |w: Option<&Workload>| w.map_or_else(|| OTHER.to_owned(), |w| w.label(host));
    let (source, target) = (label(key.map(|k| &k.0)), label(key.map(|k| &k.1)));
    let id = if key.is_some() { format!("{source}->{target}") } else { OTHER.to_owned() };
    Arc::new([("id", id), ("source", source), ("target", target)])
}
