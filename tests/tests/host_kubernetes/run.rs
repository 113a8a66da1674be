//! An agent that asks the played servers, and the records of flows to addresses of pods.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;

use pidflow_tests::serving::{Serving, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::Fake;

/// The node of the agent.
pub(crate) const NODE: &str = "node-1";

/// A running agent with the folder of its service account.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) agent: Serving,
    pub(crate) account: TempDir,
    log: TempDir,
}

impl Run {
    /// Starts the agent, with that token, against a server that is both kubelet and API server.
    pub(crate) fn start(fake: &Fake, token: &str, more: &[&str]) -> Self {
        let account = tempfile::tempdir().unwrap();
        std::fs::write(account.path().join("token"), token).unwrap();
        Self::with_account(fake, account, more)
    }

    pub(crate) fn with_account(fake: &Fake, account: TempDir, more: &[&str]) -> Self {
        let log = tempfile::tempdir().unwrap();
        let arguments = [&servers(fake, account.path())[..], more].concat();
        let agent = Serving::start(log.path(), &arguments).unwrap();
        Self { agent, account, log }
    }

    /// What `/readyz` says.
    pub(crate) fn readyz(&self) -> String {
        self.agent.get("/readyz").unwrap().body
    }

    /// Waits until the log says so.
    pub(crate) fn wait_log(&self, text: &str) {
        let log = self.log.path().join("log");
        eventually(text, || Ok(std::fs::read_to_string(&log)?.contains(text))).unwrap();
    }

    pub(crate) fn wait_readyz(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let mut said = String::new();
        let waited = eventually(what, || {
            said = self.readyz();
            Ok(is_so(&said))
        });
        assert!(waited.is_ok(), "{waited:?}; /readyz said: {said}");
    }

    /// Sends a datagram to each address, where nobody listens, and returns what records name as the destination's pod.
    pub(crate) fn pods_of(&self, addresses: &[IpAddr]) -> Vec<Option<String>> {
        self.records_of(addresses).iter().map(|record| text(record, "DST_K8S_POD")).collect()
    }

    /// The records of one datagram to each address.
    pub(crate) fn records_of(&self, addresses: &[IpAddr]) -> Vec<Value> {
        let sockets: Vec<_> = addresses.iter().map(|address| Datagram::send(*address)).collect();
        sockets.iter().map(|sent| sent.record(&self.agent)).collect()
    }
}

/// The options that name the servers, the account and the node.
pub(crate) fn servers<'a>(fake: &'a Fake, account: &'a Path) -> [&'a str; 8] {
    let (url, account) = (&*fake.url, account.to_str().unwrap());
    ["--kubelet", url, "--kubernetes-api", url, "--kubernetes-credentials", account, "--node-name", NODE]
}

/// A flow of one datagram.
#[derive(Debug)]
pub(crate) struct Datagram {
    socket: UdpSocket,
    to: IpAddr,
}

impl Datagram {
    pub(crate) fn send(to: IpAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"hello", (to, 9)).unwrap();
        Self { socket, to }
    }

    pub(crate) fn record(&self, agent: &Serving) -> Value {
        let path = format!("/api/flows?port={}", self.socket.local_addr().unwrap().port());
        let (mut record, to) = (None, self.to.to_string());
        eventually("a record of the datagram", || {
            let page = agent.json(&path)?;
            let all = page["flows"].as_array().unwrap();
            record = all.iter().find(|flow| flow["IPV4_DST_ADDR"] == *to && flow["PROTOCOL"] == 17).cloned();
            Ok(record.is_some())
        })
        .unwrap();
        record.unwrap()
    }
}

pub(crate) fn text(record: &Value, key: &str) -> Option<String> {
    record.get(key)?.as_str().map(str::to_owned)
}

/// A running pod of a node, created by a ReplicaSet. Its name is also its UID.
pub(crate) fn pod(name: &str, node: &str, address: &str, start: &str) -> Value {
    let set = name.rsplit_once('-').map_or(name, |(set, _)| set);
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": name,
            "ownerReferences": [{"kind": "ReplicaSet", "name": set, "uid": format!("rs-{set}"), "controller": true}],
        },
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "startTime": start, "podIP": address},
    })
}

/// A ReplicaSet of a Deployment.
pub(crate) fn replica_set(name: &str, deployment: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("rs-{name}"),
            "ownerReferences": [{"kind": "Deployment", "name": deployment, "uid": "d", "controller": true}],
        },
    })
}

/// The current time as Kubernetes writes it.
pub(crate) fn now() -> String {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap().to_string()
}
