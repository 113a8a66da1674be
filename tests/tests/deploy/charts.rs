//! The chart: valid, equal to the plain manifests, and with no more rights than documented.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use pidflow_tests::process;
use serde_json::{Value, json};

use super::chart::{all_options, ask, configuration, container, kinds, only, pod, program, rendered};
use super::{SECRET, read, root, run};

/// The largest ConfigMap that Kubernetes stores, bytes.
const MAX_CONFIG_MAP: usize = 1 << 20;

/// Kinds of the Prometheus operator, which Kubernetes' schemas do not have.
const OPERATOR: &str = "monitoring.coreos.com/v1";

/// Values of which some remove what others add.
fn every_kind_of_values() -> Vec<Value> {
    vec![
        json!({}),
        all_options(),
        json!({"api": {"enabled": false}, "kubernetes": {"source": "off"}, "serviceAccount": {"create": false},
            "serviceMonitor": {"enabled": true}, "tolerations": [], "nodeSelector": null, "resources": null,
            "networkPolicy": {"enabled": true, "metricsFrom": [], "apiFrom": []}}),
        json!({"kubernetes": {"source": "kubelet"}, "api": {"token": {"key": "bearer"}}, "nameOverride": "agent"}),
    ]
}

#[test]
fn the_chart_validates_strictly() {
    let name = "the_chart_validates_strictly";
    let (Some(answer), Some(validate)) =
        (ask(name, &every_kind_of_values(), &[]), program(name, "kubernetes-validate"))
    else {
        return;
    };
    assert_eq!(answer["lint"], json!([]));
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (n, chart) in answer["charts"].as_array().unwrap().iter().enumerate() {
        let objects = chart["objects"].as_array().unwrap_or_else(|| panic!("{chart}"));
        for (k, object) in objects.iter().filter(|o| o["apiVersion"] != OPERATOR).enumerate() {
            let file = dir.path().join(format!("{n}-{k}.yaml"));
            // JSON is YAML.
            std::fs::write(&file, object.to_string()).unwrap();
            files.push(file);
        }
    }
    assert!(files.len() > 25, "{files:?}");
    for version in ["1.25", "1.29", "1.33", "1.36", "1.37"] {
        let said = run(Command::new(&validate).args(["--strict", "-k", version]).args(&files)).unwrap();
        assert_eq!(said.matches(" passed ").count(), files.len(), "{version}: {said}");
    }
}

/// What only Helm needs: its labels, the release's name in selectors, and the checksum.
fn without_helms(mut object: Value) -> Value {
    match &mut object {
        Value::Object(map) => {
            let ours = ["app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"];
            map.retain(|key, _| !ours.contains(&key.as_str()) && key != "helm.sh/chart" && key != "checksum/config");
            for value in map.values_mut() {
                *value = without_helms(value.take());
            }
            let only_a_name = |labels: &Value| *labels == json!({"app.kubernetes.io/name": "pidflow"});
            // The plain manifests label the DaemonSet only.
            if map.contains_key("name") && map.get("labels").is_some_and(only_a_name) {
                map.remove("labels");
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = without_helms(value.take())),
        _ => {}
    }
    object
}

fn by_kind(objects: &Value) -> Vec<Value> {
    let mut all: Vec<_> = objects.as_array().unwrap().iter().map(|o| without_helms(o.clone())).collect();
    all.retain(|o| o["kind"] != "Namespace");
    all.sort_by_key(|o| o["kind"].to_string());
    all
}

/// Applies a patch as `kubectl patch` does with these fields: maps and lists of named items are merged.
fn patch(target: &mut Value, change: &Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (key, value) in change {
                patch(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(target), Value::Array(change)) => {
            for item in change {
                match target.iter_mut().find(|t| t["name"] == item["name"]) {
                    Some(found) => patch(found, item),
                    None => target.push(item.clone()),
                }
            }
        }
        (target, change) => *target = change.clone(),
    }
}

#[test]
fn the_plain_manifests_are_the_charts() {
    let name = "the_plain_manifests_are_the_charts";
    let files = [
        "deploy/kubernetes/pidflow.yaml",
        "deploy/kubernetes/pods-from-kubernetes.yaml",
        "deploy/kubernetes/pods-from-kubernetes-patch.yaml",
    ];
    let policy = json!({"networkPolicy": {"enabled": true}});
    let asking = json!({"networkPolicy": {"enabled": true}, "kubernetes": {"source": "auto"}});
    let Some(answer) = ask(name, &[json!({}), policy, asking], &files) else { return };
    let of_chart = |n: usize| by_kind(&answer["charts"][n]["objects"]);
    let mut plain = by_kind(&answer["files"][0]);
    let mut without_policy = plain.clone();
    without_policy.retain(|o| o["kind"] != "NetworkPolicy");
    assert_eq!(of_chart(0), without_policy);
    assert_eq!(of_chart(1), plain);
    let daemon_set = plain.iter_mut().find(|o| o["kind"] == "DaemonSet").unwrap();
    patch(daemon_set, &answer["files"][2][0]);
    plain.extend(by_kind(&answer["files"][1]));
    plain.sort_by_key(|o| o["kind"].to_string());
    assert_eq!(of_chart(2), plain);
}

/// The capabilities in the table of SECURITY.md that a service needs, not only `pidflow read` or the run of a command.
pub(crate) fn documented() -> BTreeSet<String> {
    let page = read("SECURITY.md");
    let rows = page.lines().filter(|l| l.starts_with("| `CAP_") && !l.contains("| only `pidflow "));
    rows.map(|l| l.trim_start_matches("| `CAP_").split('`').next().unwrap().to_owned()).collect()
}

pub(crate) fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap_or_else(|| panic!("{list}")).iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_capabilities_are_those_of_the_documents() {
    let Some(charts) = rendered("the_capabilities_are_those_of_the_documents", &every_kind_of_values()) else { return };
    let mut documented = documented();
    let schema: Value = serde_json::from_str(&read("deploy/chart/pidflow/values.schema.json")).unwrap();
    assert_eq!(texts(&schema["properties"]["capabilities"]["items"]["enum"]), documented);
    // Only for kernels without fentry, and for an option that is off.
    assert!(documented.remove("SYS_ADMIN"));
    for (n, objects) in charts.iter().enumerate() {
        let context = &container(objects)["securityContext"];
        assert_eq!(texts(&context["capabilities"]["drop"]), BTreeSet::from(["ALL".to_owned()]));
        for (key, value) in
            [("privileged", false), ("allowPrivilegeEscalation", false), ("readOnlyRootFilesystem", true)]
        {
            assert_eq!(context[key], value, "{n}: {key}");
        }
        let expected = if n == 1 { texts(&all_options()["capabilities"]) } else { documented.clone() };
        assert_eq!(texts(&context["capabilities"]["add"]), expected, "{n}");
    }
}

#[test]
fn wrong_values_are_refused() {
    let wrong = [
        (json!({"capabilites": ["BPF"]}), "capabilites"),
        (json!({"capabilities": ["BPF", "NET_RAW", "SYS_MODULE"]}), "/capabilities/2"),
        (json!({"capabilities": ["BPF"]}), "/capabilities"),
        (json!({"kubernetes": {"source": "proxy"}}), "/kubernetes/source"),
        (json!({"kubernetes": {"cluster": true}}), "/kubernetes/source"),
        (json!({"api": {"port": 70000}}), "/api/port"),
        (json!({"api": {"port": "9435"}}), "/api/port"),
        (json!({"api": {"listen": "0.0.0.0\"\ntoken-file = \"x"}}), "/api/listen"),
        (json!({"api": {"token": {"existingSecret": ""}}}), "/api/token"),
        (json!({"metrics": {"listen": "127.0.0.1"}}), "/metrics/listen"),
        (json!({"image": {"digest": "sha256:12"}}), "/image/digest"),
        (json!({"image": {"repository": ""}}), "/image/repository"),
        (json!({"updateStrategy": {"type": "Recreate"}}), "/updateStrategy/type"),
        (json!({"podMonitor": {"enabled": true}, "serviceMonitor": {"enabled": true}}), "not"),
        (json!({"podMonitor": {"interval": "soon"}}), "/podMonitor/interval"),
        (json!({"extraEnv": [{"value": "x"}]}), "/extraEnv/0"),
        (json!({"config": "[capture]\n[http]\nlisten = \"off\"\n"}), "api.extraConfig"),
        (json!({"priorityClassName": "High Priority"}), "/priorityClassName"),
    ];
    let values: Vec<_> = wrong.iter().map(|(values, _)| values.clone()).collect();
    let Some(answer) = ask("wrong_values_are_refused", &values, &[]) else { return };
    for ((values, named), chart) in wrong.iter().zip(answer["charts"].as_array().unwrap()) {
        let error = chart["error"].as_str().unwrap_or_else(|| panic!("{values} is accepted"));
        assert!(error.contains(named), "{values}: {error}");
    }
}

/// `verb resource` of each permission in the objects.
fn permissions(objects: &[Value]) -> Vec<String> {
    let rules = objects.iter().filter(|o| o["kind"] == "ClusterRole").flat_map(|o| o["rules"].as_array().unwrap());
    let pairs = |rule: &Value| {
        let verbs = texts(&rule["verbs"]);
        texts(&rule["resources"]).iter().flat_map(|r| verbs.iter().map(move |v| format!("{v} {r}"))).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = rules.flat_map(pairs).collect();
    all.sort();
    all
}

#[test]
fn permissions_are_those_that_the_source_of_pods_needs() {
    let owners = ["get jobs", "get replicasets"];
    let watch = ["list pods", "watch pods"];
    let cluster = ["list jobs", "list replicasets", "list services", "watch services", "list nodes", "watch nodes"];
    let cluster = [&cluster[..], &["list endpointslices", "watch endpointslices"]].concat();
    let expected: [(Value, Vec<&str>); 6] = [
        (json!({"source": "logs"}), vec![]),
        (json!({"source": "off"}), vec![]),
        (json!({"source": "kubelet"}), [&owners[..], &["get nodes/pods"]].concat()),
        (json!({"source": "api"}), [&owners[..], &watch].concat()),
        (json!({"source": "auto"}), [&owners[..], &watch, &["get nodes/pods"]].concat()),
        (json!({"source": "kubelet", "cluster": true}), [&owners[..], &watch, &cluster, &["get nodes/pods"]].concat()),
    ];
    let values: Vec<_> = expected.iter().map(|(kubernetes, _)| json!({"kubernetes": kubernetes})).collect();
    let Some(charts) = rendered("permissions_are_those_that_the_source_of_pods_needs", &values) else { return };
    for ((kubernetes, mut expected), objects) in expected.into_iter().zip(&charts) {
        expected.sort_unstable();
        assert_eq!(permissions(objects), expected, "{kubernetes}");
        let asks = !expected.is_empty();
        assert_eq!(pod(objects)["spec"]["automountServiceAccountToken"], asks, "{kubernetes}");
        assert_eq!(kinds(objects).contains("ClusterRoleBinding"), asks, "{kubernetes}");
        let env: Vec<_> = container(objects)["env"].as_array().unwrap().iter().map(|e| &e["name"]).collect();
        assert_eq!(env.contains(&&json!("PIDFLOW_NODE_NAME")), asks, "{kubernetes}: {env:?}");
    }
}

#[test]
fn the_charts_configuration_is_fine_and_its_checksum_follows_it() {
    let name = "the_charts_configuration_is_fine_and_its_checksum_follows_it";
    let mut values = every_kind_of_values();
    values.extend([json!({"podLabels": {"a": "b"}}), json!({"metrics": {"port": 9999}})]);
    let Some(charts) = rendered(name, &values) else { return };
    let sum = |n: usize| pod(&charts[n])["metadata"]["annotations"]["checksum/config"].as_str().unwrap();
    assert_eq!(sum(0).len(), 64);
    assert_eq!(sum(0), sum(4), "the configuration is the same");
    assert_ne!(sum(0), sum(5), "another port is another configuration");
    let dir = tempfile::tempdir().unwrap();
    for objects in &charts {
        let text = configuration(objects);
        for port in container(objects)["ports"].as_array().unwrap() {
            assert!(text.contains(&format!(":{}\"", port["containerPort"])), "{port}: {text}");
        }
        check(dir.path(), &text);
    }
}

/// `pidflow check`, with files in place of those that the pod mounts.
fn check(dir: &Path, text: &str) {
    let [config, token, cert, key] = ["pidflow.toml", "token", "tls.crt", "tls.key"].map(|f| dir.join(f));
    std::fs::write(&token, "a-token-of-the-secret").unwrap();
    let pair = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
    std::fs::write(&cert, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let text = text.replace(SECRET, token.to_str().unwrap()).replace("/etc/pidflow-tls", dir.to_str().unwrap());
    std::fs::write(&config, text).unwrap();
    run(Command::new(process::binary("pidflow").unwrap()).arg("check").arg("--config").arg(&config)).unwrap();
}

#[test]
fn a_token_of_the_values_is_in_the_secret_alone() {
    let Some(charts) = rendered("a_token_of_the_values_is_in_the_secret_alone", &[json!({}), all_options()]) else {
        return;
    };
    assert!(!kinds(&charts[0]).contains("Secret"));
    let secret = only(&charts[1], "Secret");
    assert_eq!(secret["data"]["token"], "YS10b2tlbi1vZi10aGUtdmFsdWVz");
    let volumes = pod(&charts[1])["spec"]["volumes"].as_array().unwrap();
    let mounted = volumes.iter().find(|v| v["name"] == "token").unwrap();
    assert_eq!(mounted["secret"]["secretName"], secret["metadata"]["name"]);
    for object in charts[1].iter().filter(|o| o["kind"] != "Secret") {
        assert!(!object.to_string().contains("a-token-of-the-values"), "{object}");
    }
}

#[test]
fn what_is_off_by_default_is_not_there_and_can_be_had() {
    let name = "what_is_off_by_default_is_not_there_and_can_be_had";
    let service = json!({"serviceMonitor": {"enabled": true}});
    let Some(charts) = rendered(name, &[json!({}), all_options(), service]) else { return };
    assert_eq!(kinds(&charts[0]), BTreeSet::from(["ConfigMap", "DaemonSet", "ServiceAccount"]));
    let expected = [
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "DaemonSet",
        "NetworkPolicy",
        "PodMonitor",
        "PrometheusRule",
        "Secret",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(kinds(&charts[1]), BTreeSet::from(expected));
    let service = only(&charts[2], "Service");
    let metrics = service["spec"]["ports"].as_array().unwrap().iter().find(|p| p["name"] == "metrics").unwrap();
    let ports = container(&charts[2])["ports"].as_array().unwrap();
    assert!(ports.iter().any(|p| p["name"] == metrics["targetPort"]), "{ports:?}");
    for (monitor, endpoints) in
        [(only(&charts[1], "PodMonitor"), "podMetricsEndpoints"), (only(&charts[2], "ServiceMonitor"), "endpoints")]
    {
        assert_eq!(monitor["apiVersion"], OPERATOR);
        assert_eq!(monitor["spec"][endpoints][0]["port"], "metrics", "{monitor}");
        let labels = pod(&charts[1])["metadata"]["labels"].as_object().unwrap();
        let selected = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
        assert!(!selected.is_empty() && selected.iter().all(|(k, v)| labels.get(k) == Some(v)), "{monitor}");
    }
}

#[test]
fn every_dashboard_is_in_a_config_map() {
    let only_prometheus = json!({"dashboards": {"enabled": true}});
    let Some(charts) = rendered("every_dashboard_is_in_a_config_map", &[only_prometheus, all_options()]) else {
        return;
    };
    let folders: [&[&str]; 2] = [&["dashboards"], &["dashboards", "dashboards/clickhouse"]];
    for (objects, folders) in charts.iter().zip(folders) {
        let maps: Vec<_> = objects.iter().filter(|o| o["metadata"]["labels"]["grafana_dashboard"] == "1").collect();
        let names: BTreeSet<_> = maps.iter().map(|m| m["metadata"]["name"].as_str().unwrap()).collect();
        let files: Vec<_> = folders.iter().flat_map(|f| root().join(f).read_dir().unwrap()).collect();
        let files: Vec<_> = files.into_iter().map(|f| f.unwrap().path()).collect();
        let files: Vec<_> = files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")).collect();
        assert_eq!((names.len(), maps.len()), (files.len(), files.len()), "{names:?}");
        for file in files {
            let key = format!("pidflow-{}", file.file_name().unwrap().to_str().unwrap());
            let map = maps.iter().find(|m| m["data"][&key].is_string()).unwrap_or_else(|| panic!("no {key}"));
            assert_eq!(map["data"][&key].as_str().unwrap(), std::fs::read_to_string(file).unwrap(), "{key}");
            assert!(map.to_string().len() < MAX_CONFIG_MAP, "{key}");
        }
    }
}

/// The value at a path such as `api.port`.
fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(values, |value, key| value.get(key))
}

#[test]
fn every_value_is_in_the_schema_and_the_documented_ones_exist() {
    let name = "every_value_is_in_the_schema_and_the_documented_ones_exist";
    let Some(answer) = ask(name, &[], &["deploy/chart/pidflow/values.yaml"]) else { return };
    let values = &answer["files"][0][0];
    let schema: Value = serde_json::from_str(&read("deploy/chart/pidflow/values.schema.json")).unwrap();
    let keys = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let mut known = keys(&schema["properties"]);
    assert!(known.remove("global"), "Helm gives every chart the value global");
    assert_eq!(known, keys(values));
    let page = read("docs/kubernetes.md");
    let (_, section) = page.split_once("## Values of the chart").unwrap();
    let rows = section.lines().take_while(|l| !l.starts_with("## ")).filter_map(|l| l.strip_prefix("| `"));
    let cells: Vec<_> = rows.filter_map(|row| row.split_once(" |")).map(|(cell, _)| cell).collect();
    let named: Vec<_> =
        cells.iter().flat_map(|cell| cell.split(['`', ',', ' '])).filter(|w| !w.is_empty() && *w != "or").collect();
    assert!(named.len() > 20, "{named:?}");
    let unknown: Vec<_> = named.into_iter().filter(|path| at(values, path).is_none()).collect();
    assert!(unknown.is_empty(), "there are no values {unknown:?}");
}
