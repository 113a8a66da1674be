//! Crates may depend on each other only as the table in the architecture says: an arrow the other way is a design error.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a surprise in cargo's own output may end the test"
)]

mod modules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate, the crates of this workspace that it may use, and the crates of others that it must not use.
const ARROWS: [(&str, &[&str], &[&str]); 10] = [
    ("pidflow-schema", &[], &["tokio", "aya", "pcap", "procfs", "anyhow", "libc"]),
    (
        "pidflow-engine",
        &["pidflow-schema"],
        &["tokio", "aya", "pcap", "pcap-file", "procfs", "anyhow", "libc", "crossbeam-channel"],
    ),
    ("pidflow-capture", &["pidflow-schema", "pidflow-engine"], &["tokio", "aya", "procfs", "anyhow"]),
    (
        "pidflow-collector",
        &["pidflow-schema", "pidflow-engine"],
        &["tokio", "aya", "pcap", "procfs", "anyhow", "libc", "socket2"],
    ),
    ("pidflow-glue", &["pidflow-schema"], &["tokio", "aya", "pcap", "procfs", "anyhow", "libc", "crossbeam-channel"]),
    ("pidflow-expression", &["pidflow-schema"], &["tokio", "aya", "pcap", "procfs", "anyhow"]),
    ("pidflow-exporters", &["pidflow-schema", "pidflow-expression"], &["aya", "pcap", "procfs", "anyhow"]),
    (
        "pidflow-history",
        &["pidflow-schema", "pidflow-expression"],
        &["tokio", "aya", "pcap", "procfs", "anyhow", "libc"],
    ),
    (
        "pidflow",
        &[
            "pidflow-schema",
            "pidflow-expression",
            "pidflow-engine",
            "pidflow-capture",
            "pidflow-collector",
            "pidflow-glue",
            "pidflow-exporters",
            "pidflow-history",
        ],
        &[],
    ),
    // Only tests depend on it.
    ("pidflow-skip", &[], &["anyhow", "libc"]),
];

/// Dependencies of every workspace member, without those of its tests.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path", manifest];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), normal_dependencies(package))).collect()
}

fn normal_dependencies(package: &Value) -> Vec<String> {
    let all = package["dependencies"].as_array().unwrap().iter();
    let normal = all.filter(|dependency| dependency["kind"] != "dev");
    normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn arrows_point_the_right_way() {
    let dependencies = dependencies();
    for (name, ours, never) in ARROWS {
        for dependency in &dependencies[name] {
            let of_ours = dependencies.contains_key(dependency);
            assert!(!of_ours || ours.contains(&dependency.as_str()), "{name} must not use {dependency}");
            assert!(!never.contains(&dependency.as_str()), "{name} must not use {dependency}");
        }
    }
}

#[test]
fn every_member_is_in_the_table() {
    for name in dependencies().keys().filter(|name| *name != "pidflow-tests") {
        assert!(ARROWS.iter().any(|(known, _, _)| known == name), "{name} has no line in ARROWS");
    }
}

fn sources(crate_folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(crate_folder).join("src")
}

#[test]
fn no_module_uses_one_that_uses_it() {
    for name in [
        "schema",
        "schema/expression",
        "agent/capture",
        "agent/collector",
        "agent/engine",
        "agent/glue",
        "agent/history",
        "exporters",
        "agent",
    ] {
        if let Some(way) = modules::circle(&modules::uses(&sources(name))) {
            panic!("{name}: modules use each other in a circle: {}", way.join(" -> "));
        }
    }
}

/// Files that may use each other, for a reason given in ARCHITECTURE.md.
const ALLOWED: [(&str, &str); 1] = [("http::index", "http::openapi")];

#[test]
fn no_file_uses_one_that_uses_it() {
    for name in ["schema", "agent/capture", "agent/collector", "agent/engine", "agent/glue", "exporters", "agent"] {
        let mut uses = modules::uses_of_files(&sources(name));
        for (from, to) in ALLOWED {
            let removed = uses.get_mut(from).map(|used| used.remove(to));
            assert_ne!(removed, Some(false), "{from} does not use {to} any more");
        }
        if let Some(way) = modules::circle(&uses) {
            panic!("{name}: files use each other in a circle: {}", way.join(" -> "));
        }
    }
}

/// The agent's modules, the lowest first: each may use those before it.
const AGENT: [&str; 45] = [
    "allocated",
    "sample",
    "allocator",
    "clock",
    "printable",
    "stderr",
    "failure",
    "figures",
    "notify",
    "pacing",
    "memory",
    "element_description",
    "host_files",
    "privacy",
    "privileges",
    "threads",
    "shedding",
    "capture",
    "pod_owner",
    "probes",
    "translation",
    "http_client",
    "containers",
    "kubernetes",
    "self_test",
    "host",
    "ledger",
    "config",
    "collect",
    "logging",
    "select",
    "history",
    "metrics",
    "published",
    "exposition",
    "live_view",
    "signals",
    "command_run",
    "pipeline",
    "output_folders",
    "observe",
    "http",
    "reload",
    "cli",
    "commands",
];

#[test]
fn no_module_of_the_agent_looks_upward() {
    let place = |module: &str| AGENT.iter().position(|known| *known == module);
    for (module, used) in modules::uses(&sources("agent")) {
        let own = place(&module).unwrap_or_else(|| panic!("{module} has no place in AGENT"));
        for other in used {
            assert!(place(&other).is_some_and(|at| at < own), "{module} uses {other}, which stands above it");
        }
    }
}
