//! The metrics of the resource usage of nodes' processes.

use std::sync::Arc;

use pidflow_schema::Process;
use pidflow_schema::metric::{Attributes, Family, MetricKind, MetricSample, Point};

use super::columns::{Column, OTHER, Read, Subject, counter, families, names};
use super::view::{LazyFamily, View};
use crate::metrics::nodes::{NodeKey, NodeUsage};
use crate::metrics::sums::Used;
use crate::metrics::unit::short_id;

/// All of them.
pub(super) fn all(view: &View) -> Vec<LazyFamily> {
    let nodes = Subject { shown: |talk| &talk.nodes, attributes: labels };
    let instances = "Running processes of a node.";
    let memory = "Resident memory of the running processes of a node.";
    let peak = "Peak resident memory of the processes of a node together, or of one of them alone.";
    let described = "One process of each node; after its exit another one is chosen, at most once a minute.";
    let gauge = |name, unit, help| Family::gauge(name, unit, help, Vec::new());
    families(view, nodes, &USED)
        .chain([
            present(view, gauge("pidflow.process.instances", "{process}", instances), |l, p| of(l, p.processes)),
            present(view, gauge("process.memory.usage", "By", memory), |l, p| of(l, p.memory)),
            present(view, gauge("pidflow.process.memory.peak", "By", peak), |l, p| of(l, p.peak)),
            present(view, Family::info("pidflow.process.info", described, Vec::new()), |l, p| {
                of(description(&l, &p.described_by), 1)
            }),
        ])
        .collect()
}

fn of(labels: Attributes, value: u64) -> MetricSample {
    MetricSample::new(labels, Point::Whole(value))
}

/// The current resources of nodes.
fn present(view: &View, head: Family, sample: fn(Attributes, &NodeUsage) -> MetricSample) -> LazyFamily {
    let view = view.clone();
    let samples = (0..view.status.talk.present.len()).filter_map(move |i| {
        let talk = &view.status.talk;
        Some(sample(labels(Some(&talk.nodes.series.get(i)?.key), &view.host), talk.present.get(i)?))
    });
    LazyFamily::new(head, samples)
}

const fn seconds(ns: u64) -> Point {
    Point::Real(ns as f64 / 1e9)
}

/// Names of OpenTelemetry's conventions if there are any, although a node may be several processes.
static USED: [Column<Used>; 3] = [
    counter(
        ["process.cpu.time", "pidflow.process.retired.cpu.time"],
        "s",
        "CPU time, user and system, of the processes of a node, counted since the node has had a series.",
        |u| Some(seconds(u.cpu_ns)),
    ),
    counter(
        names!("pidflow.process", "iowait.time"),
        "s",
        "Time that processes of a node waited for block I/O; absent without delay accounting.",
        |u| u.iowait_ns.map(seconds),
    ),
    Column {
        names: ["process.paging.faults", "pidflow.process.retired.paging.faults"],
        unit: "{fault}",
        kind: MetricKind::Counter,
        help: "Page faults of the processes of a node, by type.",
        read: Read::Two("system.paging.fault.type", |u| [("minor", u.minor_faults), ("major", u.major_faults)]),
    },
];

/// The labels are not called `namespace` and `pod`, because Prometheus sets these to the agent's own pod when it
/// discovers targets by Kubernetes.
fn labels(key: Option<&NodeKey>, host: &str) -> Attributes {
    let Some((process, user, container, pod)) = key else { return other() };
    let (namespace, pod) = pod.as_ref().map(|(n, p)| (n.to_string(), p.to_string())).unwrap_or_default();
    Arc::new([
        ("id", format!("{host}/{process}")),
        ("host", host.to_owned()),
        ("process", process.to_string()),
        ("user", user.to_string()),
        ("container", short_id(container).to_owned()),
        ("k8s_namespace", namespace),
        ("k8s_pod", pod),
    ])
}

fn other() -> Attributes {
    Arc::new([
        ("id", OTHER.to_owned()),
        ("host", String::new()),
        ("process", String::new()),
        ("user", String::new()),
        ("container", String::new()),
        ("k8s_namespace", String::new()),
        ("k8s_pod", String::new()),
    ])
}

/// Without the command line, which may contain secrets.
fn description(labels: &Attributes, p: &Process) -> Attributes {
    let more = [
        ("pid", p.pid.to_string()),
        ("executable", p.executable.to_string()),
        ("parent_pid", p.parent_pid.to_string()),
        ("parent", p.parent_name.to_string()),
        ("parent_user", p.parent_user.to_string()),
        ("ancestors", p.ancestors.to_string()),
    ];
    labels.iter().cloned().chain(more).collect()
}
