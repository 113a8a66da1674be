//! The metrics of what the processes of nodes use.

use std::sync::Arc;

use pidflow_schema::Pod;
use pidflow_schema::metric::{Attributes, Family, Kind, Point, Sample};

use super::columns::{Column, counter, families};
use super::nodes::{NodeShown, Present};
use super::sums::Used;
use super::talk::TalkShown;
use super::talk_families::OTHER;
use super::workload::short_id;

/// All of them; `host` is the name in labels.
pub(super) fn all(talk: &TalkShown, host: &str) -> Vec<Family> {
    let (other, retired) = &talk.nodes_rest;
    let nodes: Vec<_> = talk.nodes.iter().map(|n| (labels(n, host), n)).collect();
    let used = nodes.iter().map(|(labels, n)| (Attributes::clone(labels), &n.used));
    let used: Vec<_> = used.chain([(other_labels(), other)]).collect();
    let present: Vec<_> = nodes.iter().map(|(labels, n)| (Attributes::clone(labels), &n.present)).collect();
    let waits = nodes.iter().filter(|(_, n)| n.present.has_iowait);
    let waits: Vec<_> = waits.map(|(labels, n)| (Attributes::clone(labels), &n.used)).collect();
    let descriptions = talk.nodes.iter().map(|n| Sample::new(description(n, host), Point::Whole(1)));
    [
        families(&[CPU], &used),
        families(&[CPU_RETIRED], &[(Attributes::from([]), retired)]),
        families(&[IOWAIT], &waits),
        vec![faults(&used)],
        families(&PRESENT, &present),
        vec![Family::info("pidflow.process.info", DESCRIPTION, descriptions.collect())],
    ]
    .concat()
}

const DESCRIPTION: &str = "One process of each node; when it has ended another one is chosen, at most once a minute.";

const fn seconds(ns: u64) -> Point {
    Point::Real(ns as f64 / 1e9)
}

const CPU: Column<Used> = counter(
    "pidflow.process.cpu.time",
    "s",
    "CPU time, user and system, of the processes of a node since it has a series.",
    |u| Some(seconds(u.cpu_ns)),
);

const CPU_RETIRED: Column<Used> =
    counter("pidflow.process.retired.cpu.time", "s", "What the withdrawn series of CPU time had counted.", |u| {
        Some(seconds(u.cpu_ns))
    });

const IOWAIT: Column<Used> = counter(
    "pidflow.process.iowait.time",
    "s",
    "Time that processes of a node waited for block I/O; absent without delay accounting.",
    |u| Some(seconds(u.iowait_ns)),
);

const fn gauge(name: &'static str, unit: &'static str, help: &'static str, point: Read) -> Column<Present> {
    Column { name, unit, kind: Kind::Gauge, help, point }
}

type Read = fn(&Present) -> Option<Point>;

const PRESENT: [Column<Present>; 3] = [
    gauge("pidflow.process.count", "{process}", "Processes of a node that live.", |p| Some(Point::Whole(p.processes))),
    gauge("pidflow.process.memory.usage", "By", "Resident memory of the processes of a node that live.", |p| {
        Some(Point::Whole(p.memory))
    }),
    gauge(
        "pidflow.process.memory.peak",
        "By",
        "The most resident memory that processes of a node had together, or one of them alone.",
        |p| Some(Point::Whole(p.peak)),
    ),
];

fn faults(used: &[(Attributes, &Used)]) -> Family {
    let samples = used.iter().flat_map(|(labels, u)| {
        [("minor", u.minor_faults), ("major", u.major_faults)].map(|(kind, n)| {
            let labels: Attributes = labels.iter().cloned().chain([("type", kind.to_owned())]).collect();
            Sample::new(labels, Point::Whole(n))
        })
    });
    let help = "Page faults of the processes of a node, by type.";
    Family::counter("pidflow.process.paging.faults", "{fault}", help, samples.collect())
}

/// `namespace` and `pod` would be those of the agent's own pod where Prometheus finds it by Kubernetes.
fn labels(n: &NodeShown, host: &str) -> Attributes {
    let (process, user, container, pod) = &n.key;
    let of_pod = |name: fn(&Pod) -> &Arc<str>| pod.as_ref().map(|pod| name(pod).to_string()).unwrap_or_default();
    Arc::new([
        ("id", format!("{host}/{process}")),
        ("host", host.to_owned()),
        ("process", process.to_string()),
        ("user", user.to_string()),
        ("container", short_id(container).to_owned()),
        ("k8s_namespace", of_pod(|p| &p.namespace)),
        ("k8s_pod", of_pod(|p| &p.name)),
    ])
}

fn other_labels() -> Attributes {
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

/// No command line, which may hold secrets.
fn description(n: &NodeShown, host: &str) -> Attributes {
    let p = &n.present.described_by;
    let more = [
        ("pid", p.pid.to_string()),
        ("executable", p.executable.to_string()),
        ("parent_pid", p.parent_pid.to_string()),
        ("parent", p.parent_name.to_string()),
        ("parent_user", p.parent_user.to_string()),
        ("ancestors", p.ancestors.to_string()),
    ];
    labels(n, host).iter().cloned().chain(more).collect()
}
