//! The agent asks a kubelet and an API server, which this test plays, for the pods of its node.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES`, as for `host_attribution`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::process::Guarded;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use serde_json::{Value, json};

const CONTAINER: &str = "0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ee";
const CLIENT: &str = "echo $$ > \"$0/cgroup.procs\"
exec bash -c 'read; exec 3<>/dev/tcp/127.0.0.1/$0; read -u 3' \"$1\"";
const WAIT_LIMIT: Duration = Duration::from_secs(20);

/// What the servers answer: by path without its query the status and the body; and all requests so far.
#[derive(Default)]
struct Answers {
    by_path: HashMap<String, (u16, String)>,
    token: String,
    asked: Vec<String>,
}

/// A server for the kubelet and the API server at once.
#[derive(Clone)]
struct Fake {
    url: String,
    answers: Arc<Mutex<Answers>>,
}

impl Fake {
    fn start(token: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let answers = Arc::new(Mutex::new(Answers { token: token.into(), ..Answers::default() }));
        let fake = Self { url, answers };
        let serving = fake.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        Ok(fake)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, path: &str, status: u16, body: &Value) {
        self.answers().by_path.insert(path.to_owned(), (status, body.to_string()));
    }

    fn asked(&self, path: &str) -> bool {
        self.answers().asked.iter().any(|asked| asked.contains(path))
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let target = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
        let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let (status, body) = self.answer(&target, &headers);
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
        write!(stream, "{head}connection: close\r\n\r\n{body}").ok()
    }

    fn answer(&self, target: &str, headers: &[String]) -> (u16, String) {
        let mut answers = self.answers();
        answers.asked.push(target.to_owned());
        let token = format!("Bearer {}", answers.token);
        if !headers.iter().any(|h| h.split_once(": ").is_some_and(|(_, value)| value == token)) {
            return (401, json!({"kind": "Status", "message": "Unauthorized", "code": 401}).to_string());
        }
        if target.contains("watch=true") {
            // A watch without changes, which the server ends after a while.
            drop(answers);
            thread::sleep(Duration::from_millis(500));
            return (200, String::new());
        }
        let path = target.split('?').next().unwrap_or_default();
        answers.by_path.get(path).cloned().unwrap_or_else(|| (404, json!({"kind": "Status"}).to_string()))
    }
}

fn pod() -> Value {
    json!({
        "metadata": {
            "name": "web-7c5ddbdf54-x2k9p", "namespace": "shop", "uid": "u-1", "labels": {"app": "web", "secret": "x"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7c5ddbdf54", "uid": "rs-1", "controller": true}],
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running", "startTime": "2026-01-01T00:00:00Z", "podIP": "127.0.0.9",
            "containerStatuses": [{"name": "nginx", "containerID": format!("containerd://{CONTAINER}")}],
        },
    })
}

fn pods() -> Value {
    json!({"kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": [pod()]})
}

/// What a record says of the pod of its source: the elements `SRC_K8S_…` with these ends.
const KEYS: [&str; 10] = [
    "NAMESPACE",
    "POD",
    "CONTAINER",
    "OWNER_KIND",
    "OWNER",
    "OWNER_BASIS",
    "REPLICASET",
    "NODE",
    "POD_UID",
    "POD_LABELS",
];

/// The record of a connection of a process in the pod's container, for an agent with these servers.
fn record_keys(fake: &Fake, token: &str, is_ready: impl Fn() -> bool) -> Result<[Option<String>; 10]> {
    let backend = std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned());
    let (dir, account) = (tempfile::tempdir()?, tempfile::tempdir()?);
    std::fs::write(account.path().join("token"), token)?;
    let folder = account.path().to_str().context("folder")?;
    let servers = ["--kubelet", &fake.url, "--kubernetes-api", &fake.url, "--kubernetes-credentials", folder];
    let others = ["--probes", &backend, "--node-name", "node-1", "--pod-labels", "app"];
    let agent = Serving::start(dir.path(), &[&others[..], &servers].concat())?;
    let current = fake.answers().token.clone();
    if token != current {
        eventually("the old token is refused", || Ok(fake.asked("/api/v1/pods")))?;
        std::fs::write(account.path().join("token"), current)?;
    }
    eventually("the pods are read", || Ok(is_ready()))?;

    let cgroup = Cgroup::new(&format!("cri-containerd-{CONTAINER}.scope"))?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let port = server.local_addr()?.port();
    let mut client = Command::new("bash");
    client.args(["-c", CLIENT]).arg(cgroup.path()).arg(port.to_string()).stdin(Stdio::piped());
    let mut client = Guarded::new(client.spawn()?);
    let command_line = format!("/proc/{}/cmdline", client.pid());
    eventually("the client is in the group, and another program", || {
        Ok(std::fs::read(&command_line)?.starts_with(b"bash\0-c\0read;"))
    })?;
    client.child().stdin.take().context("standard input")?.write_all(b"\n")?;
    let (mut connection, _) = server.accept()?;
    let mut record = Value::Null;
    // A connection with traffic has a record each second. The process lives until one of them names its container.
    eventually("a record with the container", || {
        connection.write_all(b".")?;
        let page = agent.json(&format!("/api/flows?port={port}&limit=1"))?;
        record = page.pointer("/flows/0").cloned().unwrap_or_default();
        Ok(record.get("SRC_PROC_CONTAINER_ID").is_some_and(|id| id == CONTAINER))
    })?;
    drop(connection);
    client.wait(WAIT_LIMIT)?;
    ensure!(record.get("DST_K8S_POD").is_none(), "this test is in no pod: {record}");
    Ok(KEYS.map(|key| Some(record.get(format!("SRC_K8S_{key}"))?.as_str()?.to_owned())))
}

fn expected(owner: &str, basis: &str) -> [Option<String>; 10] {
    let pod = "web-7c5ddbdf54-x2k9p";
    ["shop", pod, "nginx", "Deployment", owner, basis, "web-7c5ddbdf54", "node-1", "u-1", "app=web"]
        .map(|text| Some(text.to_owned()))
}

#[test]
fn the_kubelet_tells_the_pod_and_the_api_server_its_owner() -> Result<()> {
    if without_root("the_kubelet_tells_the_pod_and_the_api_server_its_owner") {
        return Ok(());
    }
    let fake = Fake::start("t-1")?;
    fake.set("/pods", 200, &pods());
    let owner = json!([{"kind": "Deployment", "name": "shop-web", "uid": "d-1", "controller": true}]);
    let set = json!({"metadata": {"name": "web-7c5ddbdf54", "uid": "rs-1", "ownerReferences": owner}});
    fake.set("/apis/apps/v1/namespaces/shop/replicasets/web-7c5ddbdf54", 200, &set);
    let found = record_keys(&fake, "t-1", || fake.asked("/replicasets/"))?;
    ensure!(found == expected("shop-web", "owner-reference"), "{found:?}");
    ensure!(!fake.asked("/api/v1/pods"), "the kubelet was enough");
    Ok(())
}

#[test]
fn where_the_kubelet_denies_the_api_server_tells_and_owners_are_guessed() -> Result<()> {
    if without_root("where_the_kubelet_denies_the_api_server_tells_and_owners_are_guessed") {
        return Ok(());
    }
    let fake = Fake::start("t-2")?;
    let denied = json!({"kind": "Status", "message": "forbidden", "code": 403});
    fake.set("/pods", 403, &denied);
    fake.set("/api/v1/pods", 200, &pods());
    fake.set("/apis/apps/v1/namespaces/shop/replicasets/web-7c5ddbdf54", 403, &denied);
    // The token that the agent is started with has expired.
    let found = record_keys(&fake, "t-1", || fake.asked("watch=true"))?;
    ensure!(found == expected("web", "controller-name"), "{found:?}");
    ensure!(fake.asked("fieldSelector=spec%2EnodeName%3Dnode%2D1"), "only the pods of this node");
    Ok(())
}
