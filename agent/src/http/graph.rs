//! `/api/graph`: nodes and edges with the field names of Grafana's node graph panel, as its
//! Infinity data source takes them.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;

use super::Shared;
use crate::metrics::edges::EdgesShown;
use crate::metrics::node::Node;

#[derive(Debug, Serialize)]
struct Graph {
    nodes: Vec<GraphNode>,
    edges: Vec<GraphEdge>,
}

#[derive(Debug, Serialize)]
struct GraphNode {
    id: String,
    title: String,
    subtitle: String,
    /// Octets of all its edges.
    mainstat: u64,
}

#[derive(Debug, Serialize)]
struct GraphEdge {
    id: String,
    source: String,
    target: String,
    /// Octets of both directions.
    mainstat: u64,
    /// Flows that ended.
    secondarystat: u64,
    #[serde(rename = "detail__packets")]
    packets: u64,
    #[serde(rename = "detail__failures")]
    failures: u64,
}

/// The graph as JSON.
pub(super) async fn page(State(shared): State<Shared>) -> impl IntoResponse {
    let graph = graph(&shared.status().edges, &shared.host);
    ([(CONTENT_TYPE, "application/json")], serde_json::to_string(&graph).unwrap_or_default())
}

fn graph(shown: &EdgesShown, host: &str) -> Graph {
    let mut octets: BTreeMap<&Node, u64> = BTreeMap::new();
    for ((source, target), sums) in &shown.edges {
        *octets.entry(source).or_default() += sums.bytes;
        if source != target {
            *octets.entry(target).or_default() += sums.bytes;
        }
    }
    Graph { nodes: octets.into_iter().map(|(n, b)| node(n, b, host)).collect(), edges: edges(shown, host) }
}

fn node(node: &Node, mainstat: u64, host: &str) -> GraphNode {
    let (title, subtitle) = match node {
        Node::Address(a) => (a.to_string(), String::new()),
        _ => (node.process().to_owned(), host.to_owned()),
    };
    GraphNode { id: node.label(host), title, subtitle, mainstat }
}

fn edges(shown: &EdgesShown, host: &str) -> Vec<GraphEdge> {
    let edge = |((source, target), sums): &_| {
        let (source, target) = (Node::label(source, host), Node::label(target, host));
        let sums: &crate::metrics::edges::Sums = sums;
        GraphEdge {
            id: format!("{source}->{target}"),
            source,
            target,
            mainstat: sums.bytes,
            secondarystat: sums.flows,
            packets: sums.packets,
            failures: sums.failures,
        }
    };
    shown.edges.iter().map(edge).collect()
}
