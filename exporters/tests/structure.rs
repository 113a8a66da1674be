//! The crate's rooms look one way only, and every kind of exporter is complete.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pidflow_exporters::{ExportContext, ExporterConfig, check};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// All source files below, those that are tests as a whole excepted.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if !["tests", "damage", "accounting"].contains(&name.as_str()) {
            let text = fs::read_to_string(&path).unwrap();
            // Tests of a module may look anywhere.
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            let inside = path.strip_prefix(src()).unwrap().to_str().unwrap().to_owned();
            found.push((inside, code));
        }
    }
}

fn src() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

/// Names that stand behind `crate::` in code.
fn of_crate(code: &str) -> BTreeSet<String> {
    let code = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let behind = code.split("crate::").skip(1);
    behind.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

/// Which room takes something from which.
fn rooms() -> Graph {
    let (mut found, mut graph) = (Vec::new(), Graph::new());
    sources(src(), &mut found);
    for (path, code) in found {
        let room = path.split(['/', '.']).next().unwrap().to_owned();
        if room != "lib" {
            let others: Vec<_> = of_crate(&code).into_iter().filter(|other| *other != room).collect();
            graph.entry(room).or_default().extend(others);
        }
    }
    graph
}

/// A way from that room back to it.
fn circle(graph: &Graph, from: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in graph.get(way.last().unwrap()).into_iter().flatten() {
            let longer = way.iter().chain([next]).cloned().collect();
            if next == from {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push(longer);
            }
        }
    }
    None
}

#[test]
fn no_module_imports_from_a_module_that_imports_it() {
    let graph = rooms();
    assert!(graph.len() > 15 && graph["kinds"].contains("transport"), "{graph:?}");
    for (room, others) in &graph {
        for other in others {
            assert!(graph.contains_key(other), "{room} takes {other} from the crate's front, not from its room");
        }
        assert_eq!(circle(&graph, room), None);
    }
}

#[test]
fn a_circle_would_be_found() {
    let arrow = |from: &str, to: &str| (from.to_owned(), BTreeSet::from([to.to_owned()]));
    let graph = Graph::from([arrow("a", "b"), arrow("b", "c"), arrow("c", "a"), arrow("d", "a")]);
    assert_eq!(circle(&graph, "a").unwrap(), ["a", "b", "c", "a"]);
    assert_eq!(circle(&graph, "d"), None);
}

/// The example of each kind in the configuration file that is shipped.
fn examples() -> Vec<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/pidflow.toml");
    let text = fs::read_to_string(file).unwrap();
    let blocks = text.split("# [[exporter]]\n").skip(1);
    let keys = |block: &str| {
        let lines = block.lines().map_while(|l| l.strip_prefix("# ")).filter(|l| l.contains(" = "));
        lines.fold(String::new(), |all, line| all + line + "\n")
    };
    blocks.map(keys).collect()
}

/// The names of all kinds, as the message about one that does not exist lists them.
fn kinds() -> Vec<String> {
    let error = ExporterConfig::from_table("kind = \"none\"".parse().unwrap()).unwrap_err().to_string();
    let (_, names) = error.split_once("allowed are ").unwrap();
    names.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_kind_has_an_example_that_can_be_read_and_a_file_of_its_keys() {
    let examples: Vec<toml::Table> = examples().iter().map(|e| e.parse().unwrap_or_else(|_| panic!("{e}"))).collect();
    assert!(kinds().len() >= 12);
    for kind in kinds() {
        let own: Vec<_> = examples.iter().filter(|e| e["kind"].as_str() == Some(&kind)).collect();
        assert!(!own.is_empty(), "{kind} is not in deploy/pidflow.toml");
        let keys = if ["ipfix", "netflow9"].contains(&kind.as_str()) { "wire" } else { &kind };
        assert!(src().join(format!("config/{keys}.rs")).exists(), "config/{keys}.rs");
    }
}

/// What is said to be a kind can be opened, or says which feature it needs.
#[test]
fn every_kind_has_an_arm() {
    for kind in kinds() {
        let keys = match kind.as_str() {
            "json" => "file = \"-\"",
            "kafka" => "brokers = [\"127.0.0.1:9\"]",
            "influx" => "url = \"http://127.0.0.1:9\"\ndatabase = \"d\"",
            "parquet" => "folder = \"parquet\"",
            "ipfix" | "netflow9" => "url = \"udp://127.0.0.1:9\"",
            "redis" => "url = \"redis://127.0.0.1:9\"",
            "nats" => "url = \"nats://127.0.0.1:9\"",
            "zmq" => "url = \"tcp://127.0.0.1:9\"",
            _ => "url = \"http://127.0.0.1:9\"",
        };
        let config = ExporterConfig::from_table(format!("kind = \"{kind}\"\n{keys}").parse().unwrap()).unwrap();
        assert_eq!(config.output.kind(), kind);
        assert!(config.name().starts_with(&format!("{kind} ")));
        if let Err(e) = check(&[config], &ExportContext::default()) {
            assert!(e.to_string().contains(&format!("build it with the feature `{kind}`")), "{kind}: {e}");
        }
    }
}
