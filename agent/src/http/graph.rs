//! `/api/graph`: nodes and edges with the field names of Grafana's node graph panel, for its Infinity data source.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::AnyRefusal;
use super::processes::percent;
use super::query::{Limit, Name, QueryParameters};
use crate::metrics::node::Node;
use crate::metrics::sums::Traffic;
use crate::metrics::talk::Ends;
use crate::published::Published;
use crate::published::recent::Known;

/// Query parameters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Only the edges of processes with this name, and the nodes at their other ends.
    #[param(inline)]
    process: Option<Name>,
    /// Maximum number of edges; those with the most bytes are kept. Default: 100.
    #[param(inline)]
    limit: Option<Limit>,
}

/// Processes talking to processes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Graph {
    nodes: Vec<GraphNode>,
    edges: Vec<GraphEdge>,
}

/// Processes of one name, or a remote address.
#[derive(Debug, Serialize, ToSchema)]
struct GraphNode {
    id: String,
    title: String,
    /// The host; empty for an address.
    subtitle: String,
    /// Bytes of all its edges.
    mainstat: u64,
    #[serde(flatten)]
    details: Details,
}

/// The node's process, the last seen if there are several; unknown values are absent.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Details {
    /// Number of known processes with the name.
    #[serde(rename = "detail__processes", skip_serializing_if = "Option::is_none")]
    processes: Option<usize>,
    #[serde(rename = "detail__pid", skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(rename = "detail__user", skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Its parents as `name(pid)` joined by `<`, nearest first.
    #[serde(rename = "detail__ancestors", skip_serializing_if = "Option::is_none")]
    ancestors: Option<String>,
    /// Resident memory, bytes.
    #[serde(rename = "detail__memory_actual", skip_serializing_if = "Option::is_none")]
    memory_actual: Option<u64>,
    /// Its peak, bytes.
    #[serde(rename = "detail__memory_peak", skip_serializing_if = "Option::is_none")]
    memory_peak: Option<u64>,
    /// Percent of one core during its latest flow.
    #[serde(rename = "detail__cpu_percent", skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    /// Percent of its latest flow's time.
    #[serde(rename = "detail__iowait_percent", skip_serializing_if = "Option::is_none")]
    iowait_percent: Option<f64>,
    /// Page faults during its latest flow.
    #[serde(rename = "detail__page_faults", skip_serializing_if = "Option::is_none")]
    page_faults: Option<u64>,
}

/// The edges: which nodes communicated.
#[derive(Debug, Serialize, ToSchema)]
struct GraphEdge {
    id: String,
    source: String,
    target: String,
    /// Bytes of both directions.
    mainstat: u64,
    /// Flows that ended.
    secondarystat: u64,
    /// Packets of both directions.
    #[serde(rename = "detail__packets")]
    packets: u64,
    /// Connection attempts that failed.
    #[serde(rename = "detail__failures")]
    failures: u64,
}

/// Nodes and edges for Grafana's node graph panel (Infinity data source)
#[utoipa::path(
    get,
    path = "/api/graph",
    operation_id = "graph",
    params(Query),
    responses((status = 200, description = "The graph of the edges that have metrics of their own.", body = Graph), AnyRefusal)
)]
pub(super) async fn page(
    State(published): State<Published>,
    QueryParameters(query): QueryParameters<Query>,
) -> Json<Graph> {
    let limit = Limit::or_usual(query.limit);
    let status = published.status();
    let is_asked = |(source, target): &Ends| {
        query.process.as_ref().is_none_or(|name| source.process() == name.0 || target.process() == name.0)
    };
    let shown = status.talk.edges.series.iter().filter(|s| is_asked(&s.key));
    let mut shown: Vec<_> = shown.map(|s| (s.key.clone(), s.sums.traffic)).collect();
    shown.sort_by_key(|(_, traffic)| std::cmp::Reverse(traffic.bytes));
    shown.truncate(limit);
    let names = shown.iter().flat_map(|((source, target), _)| [source.process(), target.process()]).collect();
    Json(graph(&shown, &published.host, &published.recent.named(&names)))
}

fn graph(shown: &[(Ends, Traffic)], host: &str, names: &HashMap<&str, (usize, Arc<Known>)>) -> Graph {
    let mut octets: BTreeMap<&Node, u64> = BTreeMap::new();
    for ((source, target), sums) in shown {
        *octets.entry(source).or_default() += sums.bytes;
        if source != target {
            *octets.entry(target).or_default() += sums.bytes;
        }
    }
    let nodes = octets.into_iter().map(|(n, b)| GraphNode { mainstat: b, ..GraphNode::new(n, host, names) });
    Graph { nodes: nodes.collect(), edges: shown.iter().map(|(ends, sums)| GraphEdge::new(ends, sums, host)).collect() }
}

impl GraphNode {
    fn new(node: &Node, host: &str, names: &HashMap<&str, (usize, Arc<Known>)>) -> Self {
        let (title, subtitle) = match node {
            Node::Address(a) => (a.to_string(), String::new()),
            _ => (node.process().to_owned(), node.host(host)),
        };
        let details = match node {
            Node::Process(name) => names.get(&**name).map(|(count, latest)| Details::new(*count, latest)),
            _ => None,
        };
        let details = details.unwrap_or_default();
        Self { id: node.label(host), title, subtitle, mainstat: 0, details }
    }
}

impl Details {
    fn new(processes: usize, latest: &Known) -> Self {
        let (process, usage) = (&latest.process, latest.usage.unwrap_or_default());
        Self {
            processes: Some(processes),
            pid: Some(process.pid),
            user: Some(process.user.to_string()),
            ancestors: Some(process.ancestors.to_string()),
            memory_actual: usage.memory_actual,
            memory_peak: usage.memory_peak,
            cpu_percent: usage.cpu_load.map(percent),
            iowait_percent: usage.iowait.map(percent),
            page_faults: usage.page_faults(),
        }
    }
}

impl GraphEdge {
    fn new((source, target): &Ends, sums: &Traffic, host: &str) -> Self {
        let (source, target) = (source.label(host), target.label(host));
        Self {
            id: format!("{source}->{target}"),
            source,
            target,
            mainstat: sums.bytes,
            secondarystat: sums.flows,
            packets: sums.packets,
            failures: sums.failures,
        }
    }
}
