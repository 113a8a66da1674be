//! The compose file for one machine.

use std::collections::BTreeSet;
use std::process::Command;

use pidflow_tests::skip;
use serde_json::Value;

use super::chart::ask;
use super::charts::{documented, texts};
use super::{read, root, run};

const FOLDER: &str = "deploy/compose";

/// The file as JSON; none, and a skip: nothing here reads YAML.
fn compose(test: &str) -> Option<Value> {
    let answer = ask(test, &[], &["deploy/compose/compose.yaml"])?;
    Some(answer["files"][0][0].clone())
}

#[test]
fn the_container_has_the_documented_capabilities_and_no_more() {
    let Some(compose) = compose("the_container_has_the_documented_capabilities_and_no_more") else { return };
    let pidflow = &compose["services"]["pidflow"];
    let mut expected = documented();
    expected.remove("SYS_ADMIN");
    assert_eq!(texts(&pidflow["cap_add"]), expected);
    assert_eq!(texts(&pidflow["cap_drop"]), BTreeSet::from(["ALL".to_owned()]));
    assert_eq!((&pidflow["read_only"], &pidflow["privileged"]), (&Value::Bool(true), &Value::Null));
    assert!(texts(&pidflow["security_opt"]).contains("no-new-privileges:true"));
}

#[test]
fn what_is_mounted_exists_and_only_this_machine_can_connect() {
    let Some(compose) = compose("what_is_mounted_exists_and_only_this_machine_can_connect") else { return };
    let services = compose["services"].as_object().unwrap();
    let mut mounted = 0;
    for volume in services.values().flat_map(|s| texts(&s["volumes"])) {
        let from = volume.split(':').next().unwrap();
        if from.starts_with('.') {
            assert!(root().join(FOLDER).join(from).exists(), "{from}");
            mounted += 1;
        } else {
            assert!(from.starts_with('/') || compose["volumes"].get(from).is_some(), "{from}");
        }
    }
    assert_eq!(mounted, 5);
    // In the machine's own network, so that each program must be told where to listen.
    assert!(services.values().all(|s| s["network_mode"] == "host" && s["ports"].is_null()));
    assert!(!texts(&services["pidflow"]["command"]).iter().any(|word| word.contains("listen")));
    assert!(texts(&services["prometheus"]["command"]).contains("--web.listen-address=127.0.0.1:9090"));
    assert_eq!(services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"], "127.0.0.1");
    let dashboards = read("dashboards/provisioning.yaml");
    let folder = dashboards.lines().find_map(|l| l.trim().strip_prefix("path: ")).unwrap();
    assert!(texts(&services["grafana"]["volumes"]).contains(&format!("../../dashboards:{folder}:ro")), "{folder}");
}

#[test]
fn prometheus_accepts_its_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let rules = root().join("deploy/chart/pidflow/files/alerts.yaml");
    let text = read("deploy/compose/prometheus.yml");
    assert!(text.contains("/etc/prometheus/alerts.yaml"));
    let file = dir.path().join("prometheus.yml");
    std::fs::write(&file, text.replace("/etc/prometheus/alerts.yaml", rules.to_str().unwrap())).unwrap();
    if Command::new("promtool").arg("--version").output().is_err() {
        return skip::skip("prometheus_accepts_its_configuration", "promtool is not installed");
    }
    let said = run(Command::new("promtool").args(["check", "config"]).arg(&file)).unwrap();
    assert!(said.contains("SUCCESS: 1 rule files found"), "{said}");
}
