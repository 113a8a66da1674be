//! Renders the chart.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use pidflow_tests::{process, skip};
use serde_json::{Value, json};

use super::{root, run};

/// The folder of the tests' Python programs, which are installed at first use.
fn programs() -> &'static Result<PathBuf, String> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let venv = process::cache().join("venv");
        let usable = |python: &PathBuf| {
            run(Command::new(python).args(["-c", "import helm_python, kubernetes_validate, yaml"])).is_ok()
        };
        if !usable(&venv.join("bin/python")) {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            let packages = ["helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0", "pyyaml"];
            run(Command::new(venv.join("bin/pip")).args(["install", "-q"]).args(packages))?;
        }
        Ok(venv.join("bin"))
    })
}

/// One of the Python programs; reports a skip without it.
pub(crate) fn program(test: &str, name: &str) -> Option<PathBuf> {
    match programs() {
        Ok(folder) => Some(folder.join(name)),
        Err(why) => {
            skip::skip(test, &format!("no {name}: {why}"));
            None
        }
    }
}

/// The answer of `render.py`; none, and a skip: Helm's library cannot be installed.
pub(crate) fn ask(test: &str, values: &[Value], files: &[&str]) -> Option<Value> {
    let files: Vec<_> = files.iter().map(|file| root().join(file)).collect();
    let request = json!({"values": values, "files": files}).to_string();
    let mut command = Command::new(program(test, "python")?);
    command.arg(root().join("tests/tests/deploy/render.py")).arg(root().join("deploy/chart/pidflow"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python");
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The objects that the chart makes of each of the values.
pub(crate) fn rendered(test: &str, values: &[Value]) -> Option<Vec<Vec<Value>>> {
    let answer = ask(test, values, &[])?;
    let objects = |chart: &Value| chart["objects"].as_array().unwrap_or_else(|| panic!("{chart}")).clone();
    Some(answer["charts"].as_array().unwrap().iter().map(objects).collect())
}

/// The only object of this kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<_> = objects.iter().filter(|o| o["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}: {objects:#?}");
    found[0]
}

pub(crate) fn kinds(objects: &[Value]) -> BTreeSet<&str> {
    objects.iter().map(|o| o["kind"].as_str().unwrap()).collect()
}

/// The configuration in the objects.
pub(crate) fn configuration(objects: &[Value]) -> String {
    let found = objects.iter().find_map(|o| o["data"]["pidflow.toml"].as_str());
    found.unwrap().to_owned()
}

/// The pods of the DaemonSet.
pub(crate) fn pod(objects: &[Value]) -> &Value {
    &only(objects, "DaemonSet")["spec"]["template"]
}

pub(crate) fn container(objects: &[Value]) -> &Value {
    &pod(objects)["spec"]["containers"][0]
}

/// Every value set to something else than its default.
pub(crate) fn all_options() -> Value {
    json!({
        "image": {"repository": "registry.example/pidflow", "digest": format!("sha256:{}", "0".repeat(64)), "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "commonLabels": {"team": "network"},
        "config": "[capture]\ninterfaces = [\"any\"]\n\n[flows]\nactive-timeout = \"30s\"\n",
        "api": {"listen": "[::]", "port": 19435, "extraConfig": "recent-flows = 20000",
            "token": {"value": "a-token-of-the-values"}, "tls": {"existingSecret": "pidflow-tls"}},
        "metrics": {"listen": "[::]", "port": 19436, "scrapeAnnotations": false},
        "kubernetes": {"source": "auto", "cluster": true, "podLabels": ["app", "app.kubernetes.io/version"],
            "podAnnotations": ["example.com/team"]},
        "serviceAccount": {"name": "agents", "annotations": {"owner": "network"}},
        "capabilities": ["BPF", "PERFMON", "NET_RAW", "SYS_PTRACE", "DAC_READ_SEARCH", "SYS_ADMIN"],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "nodeSelector": {"pidflow": "yes"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
            [{"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "arm64"]}]}]}}},
        "priorityClassName": "system-node-critical",
        "updateStrategy": {"type": "OnDelete"},
        "terminationGracePeriodSeconds": 40,
        "dnsPolicy": "Default",
        "podAnnotations": {"note": "flows"},
        "podLabels": {"tier": "node"},
        "extraArgs": ["--log-level", "debug"],
        "extraEnv": [{"name": "CLICKHOUSE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "clickhouse", "key": "password"}}}],
        "extraEnvFrom": [{"secretRef": {"name": "exporters"}}],
        "extraVolumes": [{"name": "spool", "hostPath": {"path": "/var/lib/pidflow", "type": "DirectoryOrCreate"}}],
        "extraVolumeMounts": [{"name": "spool", "mountPath": "/var/lib/pidflow"}],
        "service": {"enabled": true, "annotations": {"note": "metrics"}},
        "podMonitor": {"enabled": true, "interval": "30s", "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": true, "labels": {"release": "prometheus"}},
        "dashboards": {"enabled": true, "namespace": "grafana", "annotations": {"grafana_folder": "pidflow"}, "clickhouse": true},
        "networkPolicy": {"enabled": true, "metricsFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "apiFrom": []},
    })
}
