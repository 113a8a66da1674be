//! Pods and services at remote ends.

use std::net::{IpAddr, Ipv4Addr};

use pidflow_tests::serving::eventually;
use pidflow_tests::skip::without_root;
use serde_json::{Value, json};

use crate::fake::{End, Fake};
use crate::run::{Run, now, pod, replica_set, text};
use crate::world::{KUBELET, NODES, PODS, REPLICA_SETS, SERVICES, SLICES};

const LONG_AGO: &str = "2026-01-01T00:00:00Z";
const CLUSTER: [&str; 5] = ["--kubernetes-cluster", "--probes", "poll", "--memory-budget", "1GiB"];

#[test]
fn a_remote_end_has_pod_namespace_owner_and_node_or_its_service() {
    if without_root("a_remote_end_has_pod_namespace_owner_and_node_or_its_service") {
        return;
    }
    let fake = Fake::start("t");
    fake.world(|world| {
        world.denied.insert(KUBELET);
        world.put(REPLICA_SETS, replica_set("web", "shop-web"));
        world.put(PODS, pod("web-1", "node-2", "127.30.0.1", LONG_AGO));
        let mut host = pod("host-1", "node-2", "127.30.0.2", LONG_AGO);
        host["spec"]["hostNetwork"] = json!(true);
        world.put(PODS, host);
        let metadata = json!({"name": "cart", "namespace": "shop", "uid": "s", "creationTimestamp": LONG_AGO});
        world.put(SERVICES, json!({"metadata": metadata, "spec": {"clusterIP": "127.30.0.3"}}));
        let metadata = json!({"name": "headless", "namespace": "shop", "uid": "h", "creationTimestamp": LONG_AGO});
        world.put(SERVICES, json!({"metadata": metadata, "spec": {"clusterIP": "None"}}));
    });
    let run = Run::start(&fake, "t", &CLUSTER);
    wait_for_all_watches(&fake);
    let addresses = ["127.30.0.1", "127.30.0.2", "127.30.0.3", "127.30.0.4"].map(|a| a.parse().unwrap());
    let records = run.records_of(&addresses);
    let keys =
        ["K8S_NAMESPACE", "K8S_POD", "K8S_OWNER_KIND", "K8S_OWNER", "K8S_OWNER_BASIS", "K8S_NODE", "K8S_SERVICE"];
    let said: Vec<_> =
        records.iter().map(|r| keys.map(|key| text(r, &format!("DST_{key}")).unwrap_or_default())).collect();
    assert_eq!(said[0], ["shop", "web-1", "Deployment", "shop-web", "owner-reference", "node-2", ""]);
    assert_eq!(said[1], [""; 7], "a pod in the node's network has no address of its own");
    assert_eq!(said[2], ["shop", "", "", "", "", "", "cart"]);
    assert_eq!(said[3], [""; 7]);
    fake.world(|world| assert_eq!(world.breaches, [""; 0]));
}

/// Pods, services, endpoint slices and nodes of the cluster, and the node's own pods.
fn wait_for_all_watches(fake: &Fake) {
    eventually("everything is listed, and watched", || Ok(fake.open_watches() == 5)).unwrap();
}

/// A node with an address, in a zone.
fn node(name: &str, address: &str, zone: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": name, "creationTimestamp": LONG_AGO,
            "labels": {"topology.kubernetes.io/zone": zone, "kubernetes.io/os": "linux"}},
        "status": {"addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]},
    })
}

/// The endpoints of a service at UDP port 9.
fn slice(service: &str, addresses: &[&str]) -> Value {
    json!({
        "metadata": {"name": format!("{service}-x"), "namespace": "shop", "uid": format!("slice-{service}"),
            "creationTimestamp": LONG_AGO, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": addresses.iter().map(|a| json!({"addresses": [a], "conditions": {"ready": true}})).collect::<Vec<_>>(),
        "ports": [{"name": "discard", "protocol": "UDP", "port": 9}, {"name": "web", "port": 80}],
    })
}

/// What the records of one datagram to UDP port 9 of each address say of where it went.
fn places(run: &Run, addresses: &[&str]) -> Vec<[String; 3]> {
    let addresses: Vec<_> = addresses.iter().map(|a| a.parse().unwrap()).collect();
    let keys = ["K8S_NODE", "K8S_ZONE", "K8S_ENDPOINT_OF"].map(|key| format!("DST_{key}"));
    let said = |record| keys.each_ref().map(|key| text(record, key).unwrap_or_default());
    run.records_of(&addresses).iter().map(said).collect()
}

#[test]
fn a_remote_end_has_its_node_and_zone_and_the_services_of_which_it_is_an_endpoint() {
    if without_root("a_remote_end_has_its_node_and_zone_and_the_services_of_which_it_is_an_endpoint") {
        return;
    }
    let fake = Fake::start("t");
    fake.world(|world| {
        world.denied.extend([KUBELET, REPLICA_SETS]);
        world.put(PODS, pod("web-1", "node-2", "127.31.0.1", LONG_AGO));
        world.put(PODS, pod("web-2", "node-3", "127.31.0.2", LONG_AGO));
        world.put(NODES, node("node-2", "127.31.1.2", "zone-b"));
        world.put(NODES, node("node-3", "127.31.1.3", "zone-c"));
        world.put(SLICES, slice("web", &["127.31.0.1", "127.31.0.2"]));
        world.put(SLICES, slice("canary", &["127.31.0.2"]));
        world.put(SLICES, slice("database", &["127.31.2.1"]));
        // Not of a service.
        let mut other = slice("other", &["127.31.0.1"]);
        other["metadata"]["labels"] = Value::Null;
        world.put(SLICES, other);
    });
    let run = Run::start(&fake, "t", &CLUSTER);
    wait_for_all_watches(&fake);
    let all = ["127.31.0.1", "127.31.0.2", "127.31.1.3", "127.31.2.1", "127.31.3.1"];
    let expected = [
        ["node-2", "zone-b", "shop/web"],
        ["node-3", "zone-c", "shop/canary,shop/web"],
        ["node-3", "zone-c", ""],
        ["", "", "shop/database"],
        ["", "", ""],
    ];
    assert_eq!(places(&run, &all), expected);

    // A node moves to another zone, one goes, and the pod leaves its service.
    let marked = fake.world(|world| {
        world.put(NODES, node("node-2", "127.31.1.2", "zone-a"));
        world.delete(NODES, "node-3");
        world.put(SLICES, slice("web", &["127.31.0.1"]));
        world.bookmark(NODES);
        world.bookmark(SLICES)
    });
    fake.end_watches(End::Regular);
    let begins = format!("resourceVersion={marked}");
    let is_read = |path| fake.world(|w| w.asked(path).iter().any(|(to, _)| to.contains(&begins)));
    eventually("the changes are read", || Ok(is_read(NODES) && is_read(SLICES))).unwrap();
    let expected = [
        ["node-2", "zone-a", "shop/web"],
        ["node-3", "", "shop/canary"],
        ["", "", ""],
        ["", "", "shop/database"],
        ["", "", ""],
    ];
    assert_eq!(places(&run, &all), expected);

    // A permission is missing: the rest is told, and so is what is missing.
    fake.world(|world| world.denied.insert(NODES));
    fake.end_watches(End::Regular);
    run.wait_readyz("nodes are denied", |said| said.starts_with("ok") && said.contains("Kubernetes addresses"));
    run.wait_log("/api/v1/nodes is forbidden");
    assert_eq!(places(&run, &["127.31.0.1"]), [["node-2", "zone-a", "shop/web"]]);
    fake.world(|world| assert_eq!(world.breaches, [""; 0]));
}

/// Pods of the cluster.
const COUNT: u32 = 10_000;

/// The pod with a number, the address of which it is the `round`th user.
fn numbered(n: u32, round: u32, start: &str) -> (String, Value) {
    let name = format!("p{n}-{round}");
    let node = format!("node-{}", 2 + n % 100);
    (name.clone(), pod(&name, &node, &address(n).to_string(), start))
}

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from(0x7f40_0000 + n).into()
}

fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn ten_thousand_pods_that_come_and_go_are_told_apart_in_bounded_memory() {
    if without_root("ten_thousand_pods_that_come_and_go_are_told_apart_in_bounded_memory") {
        return;
    }
    let fake = Fake::start("t");
    fake.world(|world| {
        world.denied.extend([KUBELET, REPLICA_SETS]);
        (0..COUNT).for_each(|n| world.put(PODS, numbered(n, 0, LONG_AGO).1));
    });
    let run = Run::start(&fake, "t", &CLUSTER);
    let before = memory_kib(run.agent.pid());
    wait_for_all_watches(&fake);
    let sample = [0, 1, 249, 250, 4_999, 9_999];
    let pods = |round: u32| sample.map(|n| Some(numbered(n, round, "").0));
    let addresses = sample.map(address);
    assert_eq!(run.pods_of(&addresses), pods(0));

    // Twice, each pod is replaced by another one with its address.
    for round in 1..=2 {
        let start = now();
        for first in (0..COUNT).step_by(500) {
            fake.world(|world| {
                for n in first..first + 500 {
                    world.delete(PODS, &numbered(n, round - 1, "").0);
                    world.put(PODS, numbered(n, round, &start).1);
                }
            });
        }
        // The agent has read all changes when it has read the bookmark after them: the next watch begins there.
        let marked = fake.world(|world| world.bookmark(PODS));
        fake.end_watches(End::Regular);
        let begins = format!("resourceVersion={marked}");
        let is_read = || {
            Ok(fake
                .world(|w| w.asked(PODS).iter().any(|(to, _)| to.contains(&begins) && !to.contains("fieldSelector"))))
        };
        eventually("the changes are read", is_read).unwrap();
        let found = run.pods_of(&addresses);
        // Asked last: the metric may be older than the changes, but not than the records.
        let dropped = run.agent.metric("pidflow_join_total{outcome=\"tenancies-dropped\"}").unwrap();
        let is_right =
            |(found, right): (&Option<String>, &Option<String>)| found == right || (found.is_none() && dropped > 0);
        assert!(found.iter().zip(&pods(round)).all(is_right), "round {round}: {found:?}, {dropped} dropped");
    }
    let after = memory_kib(run.agent.pid());
    assert!(after < before + 120 * 1024, "{before} KiB before, {after} KiB after");
    fake.world(|world| assert_eq!(world.breaches, [""; 0]));
    eprintln!("{COUNT} pods, replaced twice: {} KiB", after - before);
}
