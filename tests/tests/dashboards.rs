//! The dashboards on a real Prometheus that scrapes a real agent under traffic, and Grafana's own transformations.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pidflow_tests::process::{self, Guarded};
use pidflow_tests::skip;
use serde_json::Value;

/// Emulated machines and first scrapes take their time.
const PATIENCE: Duration = Duration::from_secs(90);
const HOST: &str = "testhost";

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
    expr.replace("$__rate_interval", "10s").replace("$__range", "30s").replace("$instance", ".*")
}

fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn query(prometheus: u16, expr: &str) -> Option<Value> {
    let encoded: String = expr.bytes().map(|b| format!("%{b:02x}")).collect();
    let (status, body) = get(prometheus, &format!("/api/v1/query?query={encoded}"))?;
    assert!(matches!(status, 200 | 503), "{expr}: {body}");
    serde_json::from_str(&body).ok()
}

fn results(answer: &Value) -> &[Value] {
    answer["data"]["result"].as_array().map_or(&[], Vec::as_slice)
}

#[track_caller]
fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(found) = found() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{what}: not within {PATIENCE:?}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(command: &mut Command) -> Guarded {
    Guarded::new(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
}

fn agent(port: u16) -> Guarded {
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["run", "-i", "lo", "-t", "1s", "-d", "1s", "--no-view", "--host", HOST, "--listen", &listen];
    let agent = spawn(Command::new(process::binary("pidflow").unwrap()).args(arguments));
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

/// A web server of its own process that this process asks again and again; some attempts go to a closed port.
struct Traffic {
    stop: Arc<AtomicBool>,
    _server: Guarded,
}

impl Traffic {
    fn start(dir: &Path) -> Self {
        let (port, closed) = (free_port(), free_port());
        let mut command = Command::new("python3");
        command.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
        let server = spawn(command.current_dir(dir).stderr(Stdio::null()));
        eventually("the web server is there", || get(port, "/"));
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !theirs.load(Ordering::Relaxed) {
                let _ = (get(port, "/"), get(closed, "/"));
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self { stop, _server: server }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The folder of Grafana's packages, installed at first use.
fn grafana_packages() -> Result<PathBuf, String> {
    let default = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/pidflow");
    let dir = std::env::var_os("PIDFLOW_CACHE").map_or_else(default, PathBuf::from).join("npm");
    let modules = dir.join("node_modules");
    if !modules.join("@grafana/data").exists() {
        std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        let packages = ["@grafana/data@13.2.3", "react@18", "react-dom@18", "rxjs@7", "jsdom"];
        let installed =
            Command::new("npm").args(["i", "--silent", "--legacy-peer-deps"]).args(packages).current_dir(&dir).status();
        if !installed.map_err(|e| e.to_string())?.success() {
            return Err("npm could not install them".into());
        }
    }
    Ok(modules)
}

fn missing() -> Option<String> {
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let programs =
        ["prometheus", "node", "python3"].into_iter().find(|p| !runs(p)).map(|p| format!("{p} is not installed"));
    programs.or_else(|| grafana_packages().err().map(|e| format!("no Grafana packages: {e}")))
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
    let _agent = agent(agent_port);
    let _traffic = Traffic::start(dir.path());
    let _prometheus = prometheus(dir.path(), agent_port, prometheus_port);
    metrics_exist(agent_port);
    for (file, dashboard) in dashboards() {
        for (title, reference, expr) in queries(&dashboard) {
            let answer = eventually(&format!("{title}: {expr}"), || {
                query(prometheus_port, &expr).filter(|a| !results(a).is_empty())
            });
            if reference == "edges" {
                check_graph(&file, &title, &expected(prometheus_port, &expr, answer), dir.path());
            }
        }
    }
}

/// An answer that has the edge to the web server.
fn expected(prometheus: u16, expr: &str, first: Value) -> Value {
    let target = format!("{HOST}/python3");
    let has = |a: &Value| results(a).iter().any(|r| r["metric"]["target"] == target.as_str());
    if has(&first) {
        return first;
    }
    eventually("the edge to the web server", || query(prometheus, expr).filter(&has))
}

fn check_graph(dashboard: &Path, title: &str, answer: &Value, dir: &Path) {
    let file = dir.join("edges.json");
    std::fs::write(&file, answer.to_string()).unwrap();
    let output = Command::new("node")
        .env("NODE_PATH", grafana_packages().unwrap())
        .arg(root().join("dashboards/nodegraph_check.cjs"))
        .args([dashboard.as_os_str(), title.as_ref()])
        .arg(format!("edges={}", file.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(&format!("-> {HOST}/python3  ")),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn metrics_exist(agent: u16) {
    let (_, page) = get(agent, "/metrics").unwrap();
    let known: Vec<String> = page.lines().filter_map(|l| l.strip_prefix("# TYPE ")).map(sample_name).collect();
    for (file, dashboard) in dashboards() {
        for (title, _, expr) in queries(&dashboard) {
            for metric in
                expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.starts_with("pidflow_"))
            {
                assert!(known.iter().any(|k| k == metric), "{}: {title}: no metric {metric}", file.display());
            }
        }
    }
}

fn sample_name(family: &str) -> String {
    match family.split_once(' ') {
        Some((name, "counter")) => format!("{name}_total"),
        Some((name, "info")) => format!("{name}_info"),
        Some((name, _)) => name.to_owned(),
        None => family.to_owned(),
    }
}

#[test]
fn the_page_is_openmetrics_and_the_health_pages_answer() {
    let name = "the_page_is_openmetrics_and_the_health_pages_answer";
    if skip::without_root(name) {
        return;
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let _agent = agent(port);
    let _traffic = Traffic::start(dir.path());
    let graph = eventually("an edge to the web server", || {
        let graph: Value = serde_json::from_str(&get(port, "/api/graph")?.1).unwrap();
        let target = format!("{HOST}/python3");
        let found = graph["edges"].as_array()?.iter().any(|e| e["target"] == target.as_str());
        found.then_some(graph)
    });
    let nodes: Vec<_> = graph["nodes"].as_array().unwrap().iter().map(|n| n["id"].as_str().unwrap()).collect();
    for edge in graph["edges"].as_array().unwrap() {
        assert!(["source", "target"].iter().all(|end| nodes.contains(&edge[*end].as_str().unwrap())), "{edge}");
    }
    assert_eq!(get(port, "/livez").unwrap().0, 200);
    let (_, page) = get(port, "/metrics").unwrap();
    assert!(page.ends_with("# EOF\n") && page.contains("pidflow_edge_bytes_total{id="), "{page}");
    assert!(!page.contains("NaN"), "{page}");
    assert_eq!(get(port, "/no/such/page").unwrap().0, 404);
}
