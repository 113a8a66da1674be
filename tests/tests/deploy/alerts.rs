//! The alert rules.

use std::collections::BTreeSet;
use std::process::Command;

use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip;
use serde_json::{Value, json};

use super::chart::{ask, only};
use super::{root, run};

/// The rules, as Prometheus reads them.
const RULES: &str = "deploy/chart/pidflow/files/alerts.yaml";

#[test]
fn alerts_fire_when_they_should() {
    let test = root().join("tests/tests/deploy/alerts_test.yaml");
    for (what, file) in [("check", root().join(RULES)), ("test", test)] {
        let mut promtool = Command::new("promtool");
        if promtool.arg("--version").output().is_err() {
            return skip::skip("alerts_fire_when_they_should", "promtool is not installed");
        }
        run(Command::new("promtool").args([what, "rules"]).arg(file)).unwrap();
    }
}

fn rules(groups: &Value) -> Vec<Value> {
    groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn the_rule_of_the_operator_has_the_alerts() {
    let name = "the_rule_of_the_operator_has_the_alerts";
    let all = json!({"prometheusRule": {"enabled": true}});
    let fewer = json!({"prometheusRule": {"enabled": true, "without": ["PidflowLosses"]}});
    let Some(answer) = ask(name, &[all, fewer], &[RULES]) else { return };
    let of_file = rules(&answer["files"][0][0]["groups"]);
    let of_chart = |n: usize| {
        let objects = answer["charts"][n]["objects"].as_array().unwrap();
        rules(&only(objects, "PrometheusRule")["spec"]["groups"])
    };
    assert_eq!(of_chart(0), of_file);
    let left: Vec<_> = of_file.into_iter().filter(|rule| rule["alert"] != "PidflowLosses").collect();
    assert_eq!(of_chart(1), left);
}

fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The labels that an expression sums by.
fn labels(expression: &str) -> BTreeSet<&str> {
    let lists = expression.split("by (").skip(1).filter_map(|rest| rest.split_once(')'));
    lists.flat_map(|(list, _)| words(list)).collect()
}

#[test]
fn the_metrics_of_alerts_exist() {
    let name = "the_metrics_of_alerts_exist";
    if skip::without_root(name) {
        return;
    }
    let Some(answer) = ask(name, &[], &[RULES]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("flows.json");
    let agent = Serving::start(dir.path(), &["--json", output.to_str().unwrap()]).unwrap();
    let expressions: Vec<_> =
        rules(&answer["files"][0][0]["groups"]).iter().map(|r| r["expr"].as_str().unwrap().to_owned()).collect();
    let mut page = String::new();
    // Series with labels come with the first figures of the pipeline.
    let shown = eventually("every label exists", || {
        page = agent.get("/metrics")?.body;
        Ok(expressions.iter().all(|expression| unknown_labels(expression, &page).is_empty()))
    });
    shown.unwrap_or_else(|why| panic!("{why}: {page}"));
    let families: BTreeSet<_> = page.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for expression in &expressions {
        let metrics: Vec<_> = words(expression).filter(|w| w.starts_with("pidflow_")).collect();
        assert!(!metrics.is_empty(), "{expression}");
        assert!(metrics.iter().all(|metric| families.contains(metric)), "{expression}: {families:?}");
    }
    agent.stop().unwrap();
}

/// The labels that an expression sums by and that no series has; Prometheus adds `instance`.
fn unknown_labels<'a>(expression: &'a str, page: &str) -> Vec<&'a str> {
    let pairs = page.split(['{', ',']).filter_map(|pair| pair.split_once("=\""));
    let known: BTreeSet<_> = pairs.map(|(label, _)| label).collect();
    labels(expression).into_iter().filter(|label| *label != "instance" && !known.contains(label)).collect()
}
