//! Tests the dashboards with a real Prometheus that scrapes a real agent under traffic, and with Grafana's own
//! transformations; tests the agent's page with Prometheus.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

mod cluster;
mod grafana;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::process::{self, Guarded};
use pidflow_tests::skip;
use serde_json::Value;

/// Emulated machines and first scrapes take their time.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(90);
const HOST: &str = "testhost";
/// The program of server and client.
const PROGRAM: &str = "python3";
/// The workload of the web server: the pod `web-7d4b9c6f54-x2kq8` of the Deployment `web`, and its container's id.
const WORKLOAD: &str = "shop/web";
const CONTAINER: &str = "5eb0da4a5eb0da4a5eb0da4a5eb0da4a5eb0da4a5eb0da4a5eb0da4a5eb0da4a";
/// A container of Docker, in no pod.
const OUTSIDE: &str = "0ad0ca5e0ad0ca5e0ad0ca5e0ad0ca5e0ad0ca5e0ad0ca5e0ad0ca5e0ad0ca5e";
/// A client that requests a page from one port repeatedly, and connects to another port on which nobody listens.
const CLIENT: &str = "import sys, time, urllib.request
while True:
    for port in sys.argv[1:]:
        try: urllib.request.urlopen('http://127.0.0.1:' + port).read()
        except OSError: pass
    time.sleep(0.05)";
/// A program that sends datagrams to an address, where nobody listens.
const SENDER: &str = "import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    sender.sendto(b'x' * 500, (sys.argv[1], 9))
    time.sleep(0.05)";
/// A program that connects to itself once, sends [`SENT_BYTES`], and ends.
const ONCE: &str = "import socket
listener = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.sendall(b'x' * 4096)
server.recv(4096, socket.MSG_WAITALL)";
/// Bytes that [`ONCE`] sends.
const SENT_BYTES: f64 = 4096.0;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn dashboards() -> Vec<(PathBuf, Value)> {
    let files = std::fs::read_dir(root().join("dashboards")).unwrap().map(|f| f.unwrap().path());
    let files = files.filter(|p| p.extension().is_some_and(|e| e == "json"));
    files.map(|p| (p.clone(), serde_json::from_str(&std::fs::read_to_string(p).unwrap()).unwrap())).collect()
}

/// Title of the panel, refId and expression, with the variables that Grafana would fill in.
fn queries(dashboard: &Value) -> Vec<(String, String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let of = |p: &Value| {
        let title = p["title"].as_str().unwrap().to_owned();
        let targets = p["targets"].as_array().cloned().unwrap_or_default();
        targets
            .into_iter()
            .map(move |t| (title.clone(), word(&t, "refId"), filled(&word(&t, "expr"))))
            .collect::<Vec<_>>()
    };
    panels.iter().flat_map(of).collect()
}

fn word(v: &Value, key: &str) -> String {
    v[key].as_str().unwrap().to_owned()
}

fn filled(expr: &str) -> String {
    let process = format!("{HOST}/{PROGRAM}");
    let times = expr.replace("$__rate_interval", "10s").replace("$__range", "30s").replace("$window", "10s");
    times.replace("$instance", ".*").replace("$process", &process)
}

fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The answer as of `time`, seconds since the epoch.
fn query(prometheus: u16, expr: &str, time: f64) -> Option<Value> {
    let encoded: String = expr.bytes().map(|b| format!("%{b:02x}")).collect();
    let (status, body) = get(prometheus, &format!("/api/v1/query?query={encoded}&time={time}"))?;
    assert!(matches!(status, 200 | 503), "{expr}: {body}");
    serde_json::from_str(&body).ok()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn results(answer: &Value) -> &[Value] {
    answer["data"]["result"].as_array().map_or(&[], Vec::as_slice)
}

#[track_caller]
fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + SCRAPE_TIMEOUT;
    while Instant::now() < until {
        if let Some(found) = found() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{what}: not within {SCRAPE_TIMEOUT:?}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(command: &mut Command) -> Guarded {
    Guarded::new(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
}

/// The folder in which the kubelet makes its links, created if it is absent.
fn pod_logs(dir: &Path) -> PathBuf {
    let links = dir.join("containers");
    std::fs::create_dir_all(&links).unwrap();
    links
}

fn agent(dir: &Path, port: u16) -> Guarded {
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["run", "-i", "lo", "-t", "1s", "-d", "1s", "--view", "plain", "--host", HOST, "--listen", &listen];
    let mut command = Command::new(process::binary("pidflow").unwrap());
    // Other traffic of this machine must not use up the series.
    command.args(arguments).args(["--max-edges", "10000", "--tcp-health", "on"]);
    command.args(["--delay-accounting", "on", "--json"]).arg(dir.join("flows.jsonl"));
    command.arg("--pod-logs").arg(pod_logs(dir));
    command.args(["--kubernetes", "api", "--kubernetes-cluster", "--node-name", "node-1", "--kubernetes-api"]);
    command.arg(cluster::start()).arg("--kubernetes-credentials").arg(cluster::account(dir));
    let agent = spawn(&mut command);
    eventually("the agent is ready", || get(port, "/readyz").filter(|(status, _)| *status == 200));
    agent
}

fn prometheus(dir: &Path, agent: u16, port: u16) -> Guarded {
    let config = dir.join("prometheus.yml");
    let target = format!(
        "scrape_configs: [{{job_name: pidflow, scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{agent}']}}]}}]\n"
    );
    std::fs::write(&config, target).unwrap();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    spawn(command.stderr(Stdio::null()))
}

/// A web server in a container's cgroup, and two clients that send it requests, in a container outside pods and in a systemd unit; some
/// attempts go to a closed port. Another program sends to another node.
struct Traffic {
    _server: Guarded,
    _clients: [Guarded; 2],
    _sender: Guarded,
    _cgroups: [Cgroup; 3],
}

/// Runs a command of `sh` in the cgroup; the cgroup's folder is its `$1`.
fn spawn_in(cgroup: &Cgroup, script: &str, arguments: &[&str], dir: &Path) -> Guarded {
    let script = format!("echo $$ > \"$1/cgroup.procs\"; exec {script}");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(cgroup.path()).args(arguments).current_dir(dir).stderr(Stdio::null());
    spawn(&mut command)
}

impl Traffic {
    fn start(dir: &Path) -> Self {
        let (port, closed) = (free_port().to_string(), free_port().to_string());
        let cgroup = Cgroup::new(CONTAINER).unwrap();
        let log = pod_logs(dir).join(format!("web-7d4b9c6f54-x2kq8_shop_python-{CONTAINER}.log"));
        std::os::unix::fs::symlink("/nowhere", log).unwrap();
        let server = spawn_in(&cgroup, "python3 -m http.server --bind 127.0.0.1 \"$2\"", &[&port], dir);
        eventually("the web server is there", || get(port.parse().unwrap(), "/"));
        let names = [format!("pidflowtest.slice/docker-{OUTSIDE}.scope"), "pidflowtest.slice/demo.service".to_owned()];
        let [outside, unit] = names.map(|name| Cgroup::of_systemd(&name).unwrap());
        let client = |group| spawn_in(group, "python3 -c \"$2\" \"$3\" \"$4\"", &[CLIENT, &port, &closed], dir);
        let clients = [client(&outside), client(&unit)];
        let sender = spawn(Command::new("python3").args(["-c", SENDER, cluster::OTHER_NODE]));
        Self { _server: server, _clients: clients, _sender: sender, _cgroups: [cgroup, outside, unit] }
    }
}

fn missing() -> Option<String> {
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let programs = ["prometheus", "node", "python3", "chromium"]
        .into_iter()
        .find(|p| !runs(p))
        .map(|p| format!("{p} is not installed"));
    programs.or_else(|| grafana::packages().err().map(|e| format!("no Grafana packages: {e}")))
}

#[test]
fn every_query_has_an_answer_and_the_graph_is_as_grafana_wants_it() {
    let name = "every_query_has_an_answer_and_the_graph_is_as_grafana_wants_it";
    if skip::without_root(name) {
        return;
    }
    if let Some(why) = missing() {
        return skip::skip(name, &why);
    }
    let dir = tempfile::tempdir().unwrap();
    let (agent_port, prometheus_port) = (free_port(), free_port());
    let _agent = agent(dir.path(), agent_port);
    let _traffic = Traffic::start(dir.path());
    let _prometheus = prometheus(dir.path(), agent_port, prometheus_port);
    for (file, dashboard) in dashboards() {
        for (title, _, expr) in queries(&dashboard) {
            eventually(&format!("{}: {title}: {expr}", file.display()), || {
                query(prometheus_port, &expr, now()).filter(|a| !results(a).is_empty())
            });
        }
        for title in graphs(&dashboard) {
            check_graph(prometheus_port, (&file, &dashboard), &title, dir.path());
        }
    }
    names_exist(agent_port);
    history_answers(dir.path());
    every_panel_shows_data(prometheus_port);
}

/// Every panel shows data, and links of processes lead to the dashboard of that process.
fn every_panel_shows_data(prometheus: u16) {
    let process = format!("{HOST}/{PROGRAM}");
    let panels = grafana::drawn(prometheus, &process, &root().join("target/pictures"));
    for panel in &panels {
        let empty = panel.shown.get("empty").or(panel.shown.get("error"));
        assert!(empty.is_none(), "{}: {empty:?}", panel.name);
    }
    let panel = |name: &str| panels.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("no panel {name}"));
    // Grafana 13 decodes a link before it opens it, whatever the dashboard encoded.
    let leads = format!("/d/pidflow-process/process?var-datasource=prometheus&var-process={process}&from=");
    for name in [
        "process-flows: Process flows",
        "process-flows: Pairs in the time range",
        "process: Peers",
        "users: Processes of users",
    ] {
        let links = panel(name).links();
        assert!(links.iter().any(|l| l.starts_with(&leads)), "{name}: {links:?}");
    }
    let edges = panel("process-flows: Process flows").shown["graph"]["edges"].as_array().unwrap();
    let edge = edges.iter().find(|e| e["source"] == process.as_str() && e["target"] == process.as_str());
    assert!(edge.is_some_and(|e| e["mainstat"].as_f64().unwrap() > 100.0), "{edges:?}");
}

fn graphs(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.filter(|p| p["type"] == "nodeGraph").map(|p| word(p, "title")).collect()
}

/// Applies Grafana's own transformations to the panel's nodes and edges of one moment.
fn check_graph(prometheus: u16, (file, dashboard): (&Path, &Value), title: &str, dir: &Path) {
    let server = if title == "Workloads" { WORKLOAD.to_owned() } else { format!("{HOST}/{PROGRAM}") };
    let expr = |wanted| queries(dashboard).into_iter().find(|(t, r, _)| t == title && r == wanted).unwrap().2;
    let (nodes, edges) = eventually(&format!("{title}: an edge to {server}"), || {
        let at = now();
        let (nodes, edges) = (query(prometheus, &expr("nodes"), at)?, query(prometheus, &expr("edges"), at)?);
        let found = results(&edges).iter().any(|r| r["metric"]["target"] == server.as_str());
        found.then_some((nodes, edges))
    });
    let mut command = Command::new("node");
    command.env("NODE_PATH", grafana::packages().unwrap());
    command.arg(root().join("dashboards/nodegraph_check.cjs")).args([file.as_os_str(), title.as_ref()]);
    for (name, answer) in [("nodes", nodes), ("edges", edges)] {
        let file = dir.join(name);
        std::fs::write(&file, answer.to_string()).unwrap();
        command.arg(format!("{name}={}", file.display()));
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(&format!("-> {server}  ")),
        "{title}: {said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs the queries of the ClickHouse dashboards on the records that the agent wrote.
fn history_answers(dir: &Path) {
    let python = process::cache().join("venv/bin/python");
    let imported = Command::new(&python).args(["-c", "import chdb"]).output();
    if !imported.is_ok_and(|o| o.status.success()) {
        return skip::skip("the ClickHouse dashboards' queries", "chdb is not installed");
    }
    // The agent is still writing: the file may end in the middle of a line.
    let written = std::fs::read_to_string(dir.join("flows.jsonl")).unwrap();
    let whole = dir.join("whole.jsonl");
    std::fs::write(&whole, &written[..=written.rfind('\n').unwrap()]).unwrap();
    let script = root().join("dashboards/check_clickhouse.py");
    let (frames, process) = (dir.join("frames.json"), format!("{HOST}/{PROGRAM}"));
    let output = Command::new(python).arg(script).arg(whole).arg(&process).arg(&frames).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for panel in grafana::drawn_from(&frames, &process, &root().join("target/pictures/clickhouse")) {
        assert!(panel.shown["error"].is_null() && panel.shown["empty"].is_null(), "{}: {}", panel.name, panel.shown);
    }
}

#[test]
fn the_dashboards_are_those_that_build_py_writes() {
    let dir = tempfile::tempdir().unwrap();
    let written = Command::new("python3").arg(root().join("dashboards/build.py")).arg(dir.path()).status();
    assert!(written.unwrap().success());
    for folder in ["", "clickhouse"] {
        for file in std::fs::read_dir(dir.path().join(folder)).unwrap().map(|f| f.unwrap().path()) {
            if file.extension().is_some_and(|e| e == "json") {
                let committed = root().join("dashboards").join(folder).join(file.file_name().unwrap());
                let (new, old) =
                    (std::fs::read_to_string(&file).unwrap(), std::fs::read_to_string(&committed).unwrap());
                assert!(new == old, "{} is stale: run python3 dashboards/build.py", committed.display());
            }
        }
    }
}

/// Prefixes of the agent's metrics.
const OURS: [&str; 3] = ["pidflow_", "process_", "traces_"];

/// Asserts that every metric and label in the queries exists.
fn names_exist(agent: u16) {
    let (_, page) = get(agent, "/metrics").unwrap();
    let metrics: Vec<String> = page.lines().filter_map(|l| l.strip_prefix("# TYPE ")).flat_map(sample_names).collect();
    let labels: Vec<_> = page.split(['{', ',']).filter_map(|p| p.split_once("=\"")).map(|(label, _)| label).collect();
    for (file, dashboard) in dashboards() {
        for (title, _, expr) in queries(&dashboard) {
            let at = format!("{}: {title}: {expr}", file.display());
            for metric in words(&expr).filter(|w| OURS.iter().any(|p| w.starts_with(p))) {
                assert!(metrics.iter().any(|k| k == metric), "{at}: no metric {metric}");
            }
            for label in labels_of(&expr) {
                assert!(labels.contains(&label.as_str()) || label == "instance", "{at}: no label {label}");
            }
        }
    }
}

fn words(expr: &str) -> impl Iterator<Item = &str> {
    expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// The labels that an expression sums by or matches.
fn labels_of(expr: &str) -> Vec<String> {
    let sums = expr.split("by (").skip(1).filter_map(|rest| rest.split_once(')')).flat_map(|(list, _)| words(list));
    let selectors = expr.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let matched = selectors.flat_map(|(list, _)| list.split("\",")).filter_map(|m| words(m).next());
    sums.chain(matched).map(str::to_owned).collect()
}

fn sample_names(family: &str) -> Vec<String> {
    let (name, kind) = family.split_once(' ').unwrap();
    let suffixes: &[&str] = match kind {
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    suffixes.iter().map(|s| format!("{name}{s}")).collect()
}

#[test]
fn metrics_pass_the_lint_and_the_health_pages_answer() {
    let name = "metrics_pass_the_lint_and_the_health_pages_answer";
    if skip::without_root(name) {
        return;
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let _agent = agent(dir.path(), port);
    let _traffic = Traffic::start(dir.path());
    let graph = eventually("an edge to the web server", || {
        let graph: Value = serde_json::from_str(&get(port, "/api/graph")?.1).unwrap();
        let target = format!("{HOST}/{PROGRAM}");
        let found = graph["edges"].as_array()?.iter().any(|e| e["target"] == target.as_str());
        found.then_some(graph)
    });
    let nodes: Vec<_> = graph["nodes"].as_array().unwrap().iter().map(|n| n["id"].as_str().unwrap()).collect();
    for edge in graph["edges"].as_array().unwrap() {
        assert!(["source", "target"].iter().all(|end| nodes.contains(&edge[*end].as_str().unwrap())), "{edge}");
    }
    assert_eq!(get(port, "/livez").unwrap().0, 200);
    let (_, page) = get(port, "/metrics").unwrap();
    assert!(
        !page.contains("# EOF")
            && page.contains("# TYPE pidflow_edge_bytes_total counter\npidflow_edge_bytes_total{id="),
        "{page}"
    );
    assert!(!page.contains("NaN"), "{page}");
    // The series that Grafana's Tempo data source queries.
    for series in
        ["request_total", "request_failed_total", "request_server_seconds_sum", "request_server_seconds_bucket"]
    {
        assert!(page.contains(&format!("\ntraces_service_graph_{series}{{client=\"")), "{series}: {page}");
    }
    assert_eq!(get(port, "/no/such/page").unwrap().0, 404);
    lint(&page);
}

/// Checks the page with Prometheus' lint, as a client gets it that requests no format.
fn lint(page: &str) {
    let Ok(mut promtool) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
    else {
        return skip::skip("promtool check metrics", "promtool is not installed");
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_single_event_is_seen_by_prometheus() {
    let name = "a_single_event_is_seen_by_prometheus";
    if skip::without_root(name) {
        return;
    }
    if Command::new("prometheus").arg("--version").output().is_err() {
        return skip::skip(name, "prometheus is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let (agent_port, port) = (free_port(), free_port());
    let _agent = agent(dir.path(), agent_port);
    let _prometheus = prometheus(dir.path(), agent_port, port);
    let value = |expr: &str| {
        let answer = query(port, expr, now())?;
        results(&answer).first()?["value"][1].as_str()?.parse::<f64>().ok()
    };
    eventually("the agent is scraped", || value("pidflow_packets_total").filter(|n| *n > 0.0));
    // The name is unique, because other programs may run on this machine.
    let program = format!("once-{}", std::process::id());
    std::os::unix::fs::symlink("/usr/bin/python3", dir.path().join(&program)).unwrap();
    assert!(Command::new(dir.path().join(&program)).args(["-c", ONCE]).status().unwrap().success());
    let node = format!("{HOST}/{program}");
    for (series, at_least) in [
        (format!("pidflow_edge_bytes_total{{id=\"{node}->{node}\"}}"), SENT_BYTES),
        (format!("pidflow_edge_connect_seconds_count{{id=\"{node}->{node}\"}}"), 1.0),
        (format!("traces_service_graph_request_total{{client=\"{node}\",server=\"{node}\"}}"), 1.0),
        (format!("pidflow_service_bytes_total{{id=\"{node}\",role=\"server\"}}"), SENT_BYTES),
        (format!("process_cpu_time_seconds_total{{id=\"{node}\"}}"), 0.001),
    ] {
        let expr = format!("increase({series}[1m])");
        let increase = eventually(&expr, || value(&expr).filter(|n| *n > 0.0));
        assert!(increase >= at_least, "{expr}: {increase}");
    }
}
