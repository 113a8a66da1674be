//! The pod of a process of this node, by its container.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::process::Guarded;
use pidflow_tests::serving::eventually;
use pidflow_tests::skip::without_root;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::run::{NODE, Run, pod, replica_set, text};
use crate::world::{KUBELET, PODS, REPLICA_SETS};

const POD: &str = "web-7c5ddbdf54-x2k9p";
/// A program that enters the cgroup, executes another program, and connects on a signal.
const CLIENT: &str = "echo $$ > \"$0/cgroup.procs\"
exec bash -c 'read; exec 3<>/dev/tcp/127.0.0.1/$0; read -u 3' \"$1\"";
const WAIT_LIMIT: Duration = Duration::from_secs(20);
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

fn with_container(container: &str) -> Value {
    let mut pod = pod(POD, NODE, "127.0.0.9", "2026-01-01T00:00:00Z");
    pod["metadata"]["labels"] = json!({"app": "web", "secret": "x"});
    pod["status"]["containerStatuses"] = json!([{"name": "nginx", "containerID": format!("containerd://{container}")}]);
    pod
}

fn backend() -> String {
    std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned())
}

/// What the record of a connection of a process in that container says.
fn record_keys(run: &Run, container: &str) -> Vec<Option<String>> {
    let cgroup = Cgroup::new(&format!("cri-containerd-{container}.scope")).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let mut client = Command::new("bash");
    client.args(["-c", CLIENT]).arg(cgroup.path()).arg(port.to_string()).stdin(Stdio::piped());
    let mut client = Guarded::new(client.spawn().unwrap());
    let command_line = format!("/proc/{}/cmdline", client.pid());
    eventually("the client is in the group, and another program", || {
        Ok(std::fs::read(&command_line)?.starts_with(b"bash\0-c\0read;"))
    })
    .unwrap();
    client.child().stdin.take().unwrap().write_all(b"\n").unwrap();
    let (mut connection, _) = server.accept().unwrap();
    let mut record = Value::Null;
    // A connection with traffic has a record each second. The process lives until one of them names its container.
    eventually("a record with the container", || {
        connection.write_all(b".")?;
        let page = run.agent.json(&format!("/api/flows?port={port}&limit=1"))?;
        record = page["flows"][0].clone();
        Ok(record["SRC_PROC_CONTAINER_ID"] == *container)
    })
    .unwrap();
    drop(connection);
    client.wait(WAIT_LIMIT).unwrap();
    assert_eq!(record.get("DST_K8S_POD"), None, "this test is in no pod");
    KEYS.iter().map(|key| text(&record, &format!("SRC_K8S_{key}"))).collect()
}

fn expected(owner: &str, basis: &str) -> Vec<Option<String>> {
    ["shop", POD, "nginx", "Deployment", owner, basis, "web-7c5ddbdf54", NODE, POD, "app=web"]
        .map(|text| Some(text.to_owned()))
        .to_vec()
}

#[test]
fn the_kubelet_tells_the_pod_and_the_api_server_its_owner() {
    if without_root("the_kubelet_tells_the_pod_and_the_api_server_its_owner") {
        return;
    }
    let (fake, container) = (Fake::start("t-1"), "0b".repeat(32));
    fake.world(|world| {
        world.put(PODS, with_container(&container));
        world.put(REPLICA_SETS, replica_set("web-7c5ddbdf54", "shop-web"));
    });
    let run = Run::start(&fake, "t-1", &["--probes", &backend(), "--pod-labels", "app"]);
    run.wait_readyz("the pods are read", |_| !fake.world(|w| w.asked("/apis/apps/").is_empty()));
    assert_eq!(record_keys(&run, &container), expected("shop-web", "owner-reference"));
    fake.world(|world| {
        assert_eq!(world.asked(PODS), [], "the kubelet was enough");
        assert_eq!(world.breaches, [""; 0]);
    });
}

#[test]
fn where_the_kubelet_denies_the_api_server_tells_and_owners_are_guessed() {
    if without_root("where_the_kubelet_denies_the_api_server_tells_and_owners_are_guessed") {
        return;
    }
    let (fake, container) = (Fake::start("t-2"), "0c".repeat(32));
    fake.world(|world| {
        world.denied.extend([KUBELET, REPLICA_SETS]);
        world.put(PODS, with_container(&container));
        world.put(PODS, pod("other-7c5ddbdf54-x2k9p", "node-2", "127.0.0.10", "2026-01-01T00:00:00Z"));
    });
    // The token that the agent is started with has expired.
    let run = Run::start(&fake, "t-1", &["--probes", &backend(), "--pod-labels", "app"]);
    run.wait_log("HTTP 401 Unauthorized");
    std::fs::write(run.account.path().join("token"), "t-2").unwrap();
    run.wait_readyz("the API server is asked", |_| fake.open_watches() > 0);
    assert_eq!(record_keys(&run, &container), expected("web", "controller-name"));
    fake.world(|world| {
        let asked = world.asked(PODS);
        assert!(asked.iter().all(|(to, _)| to.contains("fieldSelector=spec%2EnodeName%3Dnode%2D1")), "{asked:?}");
        assert_eq!(world.breaches, [""; 0]);
    });
}
