//! Every metric that `/metrics` has, as a walk over the status.

use super::edges::{Ends, Sums};
use super::openmetrics::{Family, Kind, Sample, by, plain};
use super::status::{Exporter, Status};

/// All families; `host` is the name in node labels.
pub(crate) fn families(s: &Status, host: &str) -> Vec<Family> {
    let mut all = vec![build()];
    all.extend(packets(s));
    all.extend(flows(s));
    all.extend(events(s));
    all.extend(exporters(&s.exporters));
    all.push(Family::gauge("pidflow_queue_depth", "Things that wait, by queue.", labelled("queue", &s.queues)));
    all.push(Family::gauge("pidflow_table_entries", "Entries of tables, by table.", labelled("table", &s.tables)));
    all.push(Family::gauge(
        "pidflow_ready",
        "1 when everything is attached and running.",
        plain(u64::from(s.not_ready.is_empty())),
    ));
    all.extend(edges(s, host));
    all
}

fn build() -> Family {
    let version = vec![(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)];
    Family { name: "pidflow_build", kind: Kind::Info, help: "Version of the agent.", samples: version }
}

fn labelled(label: &'static str, values: &[(String, u64)]) -> Vec<Sample> {
    by(label, values.iter().map(|(l, n)| (l, *n)))
}

fn packets(s: &Status) -> [Family; 4] {
    [
        Family::counter("pidflow_packets", "Packets that became part of a flow.", plain(s.packets)),
        Family::counter("pidflow_octets", "Octets of all packets seen, whole frames.", plain(s.octets)),
        Family::counter(
            "pidflow_packets_discarded",
            "Packets that are in no flow, by reason.",
            labelled("reason", &s.discards),
        ),
        Family::counter(
            "pidflow_packets_dropped_by_kernel",
            "Packets lost before the agent saw them, by interface.",
            labelled("interface", &s.kernel_drops),
        ),
    ]
}

fn flows(s: &Status) -> [Family; 3] {
    let ends = s.records.attributions().filter(|(_, _, n)| *n > 0);
    let ends = ends.map(|(end, a, n)| (vec![("end", end.to_owned()), ("attribution", a.name().to_owned())], n as f64));
    [
        Family::gauge("pidflow_flows_active", "Flows in the table.", plain(s.active)),
        Family::counter(
            "pidflow_records",
            "Flow records made, by the reason for the end.",
            by("reason", s.records.reasons()),
        ),
        Family::counter(
            "pidflow_record_ends",
            "Ends of records, by how they were attributed to a process or why not.",
            ends.collect(),
        ),
    ]
}

fn events(s: &Status) -> [Family; 4] {
    let hooks = s.hooks.iter().map(|h| (vec![("hook", h.hook.clone()), ("way", h.way.clone())], 1.0));
    [
        Family::counter("pidflow_probe_events", "What the probes did, by outcome.", labelled("outcome", &s.probes)),
        Family::counter(
            "pidflow_probe_events_lost",
            "Kernel events that were lost, by reason.",
            labelled("reason", &s.events_lost),
        ),
        Family::counter(
            "pidflow_join",
            "What the join of flows and processes did, by outcome.",
            labelled("outcome", &s.join),
        ),
        Family {
            name: "pidflow_hook",
            kind: Kind::Info,
            help: "The way that each hook into the kernel took.",
            samples: hooks.collect(),
        },
    ]
}

fn exporters(all: &[Exporter]) -> [Family; 3] {
    let lost = all.iter().flat_map(|e| {
        e.lost.iter().map(|(why, n)| (vec![("exporter", e.name.clone()), ("reason", why.clone())], *n as f64))
    });
    [
        Family::counter(
            "pidflow_exported_records",
            "Records handed on, by exporter.",
            by("exporter", all.iter().map(|e| (&e.name, e.records))),
        ),
        Family::counter(
            "pidflow_export_lost_records",
            "Records lost on the way out, by exporter and reason.",
            lost.collect(),
        ),
        Family::gauge(
            "pidflow_export_queue_depth",
            "Batches that wait, by exporter.",
            by("exporter", all.iter().map(|e| (&e.name, e.queue))),
        ),
    ]
}

/// The sum that a family shows.
type Pick = fn(&Sums) -> u64;

const EDGES: [(&str, &str, Pick); 4] = [
    ("pidflow_edge_bytes", "Octets between two nodes, both directions, IP header included.", |s| s.bytes),
    ("pidflow_edge_packets", "Packets between two nodes, both directions.", |s| s.packets),
    ("pidflow_edge_flows", "Flows between two nodes that ended.", |s| s.flows),
    ("pidflow_edge_failures", "Connection attempts between two nodes that failed.", |s| s.failures),
];

const RETIRED: [(&str, &str, Pick); 2] = [
    ("pidflow_edge_retired_bytes", "What the withdrawn series of pidflow_edge_bytes had counted.", |s| s.bytes),
    ("pidflow_edge_retired_flows", "What the withdrawn series of pidflow_edge_flows had counted.", |s| s.flows),
];

fn edges(s: &Status, host: &str) -> Vec<Family> {
    let shown: Vec<_> = s.edges.edges.iter().map(|(ends, sums)| (edge_labels(ends, host), sums)).collect();
    let series = |pick: Pick| shown.iter().map(move |(l, s)| (l.clone(), pick(s) as f64));
    let all = |pick: Pick| series(pick).chain([(other_labels(), pick(&s.edges.other) as f64)]).collect();
    let retired = RETIRED.map(|(name, help, pick)| Family::counter(name, help, plain(pick(&s.edges.retired))));
    EDGES.map(|(name, help, pick)| Family::counter(name, help, all(pick))).into_iter().chain(retired).collect()
}

fn edge_labels((source, target): &Ends, host: &str) -> Vec<(&'static str, String)> {
    let (from, to) = (source.label(host), target.label(host));
    vec![
        ("id", format!("{from}->{to}")),
        ("source", from),
        ("target", to),
        ("source_host", source.host(host)),
        ("source_process", source.process().to_owned()),
        ("target_host", target.host(host)),
        ("target_process", target.process().to_owned()),
    ]
}

fn other_labels() -> Vec<(&'static str, String)> {
    let other = || "other".to_owned();
    let none = String::new;
    vec![
        ("id", other()),
        ("source", other()),
        ("target", other()),
        ("source_host", none()),
        ("source_process", none()),
        ("target_host", none()),
        ("target_process", none()),
    ]
}
