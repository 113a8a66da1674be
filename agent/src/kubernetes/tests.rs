use pidflow_engine::fact::{Fact, TenantKind};
use serde_json::json;

use super::access::Chosen;
use super::inventory::{Inventory, Now, Tells};
use super::object::{EndpointSlice, Node, Pod};
use super::tenant::{Ownership, Tenant};
use super::texts::Texts;

const SECOND: u64 = 1_000_000_000;
/// 2026-01-01T00:00:00Z.
const EPOCH_S: u64 = 1_767_225_600;

/// The engine's time is the wall clock's here.
fn at(second: u64) -> Now {
    let ns = (EPOCH_S + second) * SECOND;
    Now { engine_ns: ns, wall_ns: ns }
}

fn tenant(name: &str, address: &str, phase: &str, host_network: bool) -> Tenant {
    let pod = json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "labels": null},
        "spec": {"nodeName": "node-1", "hostNetwork": host_network},
        "status": {"phase": phase, "podIP": address, "podIPs": [{"ip": address}], "startTime": "2026-01-01T00:00:10Z",
            "containerStatuses": null},
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    Tenant::of_pod(&pod, Ownership::default(), &Chosen::default(), &mut Texts::default()).unwrap()
}

fn running(name: &str, address: &str) -> Tenant {
    tenant(name, address, "Running", false)
}

fn inventory(max_bytes: usize) -> Inventory {
    Inventory::new(TenantKind::Pod, Tells::ContainersAndAddresses, max_bytes)
}

/// As `POD ADDRESS FROM-UNTIL`, `lost SECOND` or `found`.
fn told(inventory: &mut Inventory) -> Vec<String> {
    let second = |ns: u64| (ns / SECOND - EPOCH_S).to_string();
    let text = |fact: Fact| match fact {
        Fact::Tenancy(_, t) => {
            let name = t.tenant.trim_start_matches("uid-").to_owned();
            let until = t.until_ns.map(second).unwrap_or_default();
            Some(format!("{name} {} {}-{until}", t.address, second(t.from_ns)))
        }
        Fact::TenanciesLost { since_ns, .. } => {
            Some(since_ns.map_or("found".into(), |ns| format!("lost {}", second(ns))))
        }
        _ => None,
    };
    inventory.take_facts().into_iter().filter_map(text).collect()
}

#[test]
fn a_pod_has_its_address_from_its_start_until_it_ends() {
    let mut pods = inventory(1 << 20);
    pods.begin_list();
    pods.set(running("a", "10.1.0.5"), at(20));
    pods.set(tenant("host", "192.168.0.1", "Running", true), at(20));
    pods.set(tenant("done", "10.1.0.6", "Succeeded", false), at(20));
    pods.end_list(at(21));
    assert_eq!(told(&mut pods), ["a 10.1.0.5 10-"], "neither hostNetwork nor what has ended");
    pods.set(running("a", "10.1.0.5"), at(22));
    assert_eq!(told(&mut pods), [""; 0], "nothing new");
    pods.set(running("a", "10.1.0.7"), at(25));
    assert_eq!(told(&mut pods), ["a 10.1.0.5 10-25", "a 10.1.0.7 25-"]);
    pods.set(tenant("a", "10.1.0.7", "Failed", false), at(30));
    assert_eq!(told(&mut pods), ["a 10.1.0.7 25-30"]);
    pods.remove("uid-a", at(31));
    pods.remove("nobody", at(31));
    assert_eq!(told(&mut pods), [""; 0]);
}

#[test]
fn after_a_loss_what_is_gone_ended_when_it_was_seen_last() {
    let mut pods = inventory(1 << 20);
    pods.lose();
    pods.begin_list();
    ["a", "b"]
        .iter()
        .zip(["10.1.0.5", "10.1.0.6"])
        .for_each(|(name, address)| pods.set(running(name, address), at(20)));
    pods.end_list(at(20));
    assert_eq!(told(&mut pods).len(), 2);
    pods.confirm(at(40));
    pods.lose();
    pods.lose();
    assert_eq!(told(&mut pods), ["lost 40"], "once");
    pods.begin_list();
    pods.set(running("b", "10.1.0.6"), at(300));
    pods.end_list(at(300));
    assert_eq!(told(&mut pods), ["a 10.1.0.5 10-40", "found"], "b was there all the time");
}

#[test]
fn what_ends_unseen_ended_when_the_server_was_heard_last() {
    let mut pods = inventory(1 << 20);
    pods.begin_list();
    pods.set(running("a", "10.1.0.5"), at(20));
    pods.set(running("b", "10.1.0.6"), at(20));
    pods.set(running("c", "10.1.0.7"), at(20));
    pods.end_list(at(20));
    // As between two readings of the kubelet's list.
    pods.lose();
    told(&mut pods);
    pods.begin_list();
    pods.set(running("a", "10.1.0.8"), at(25));
    pods.set(tenant("b", "10.1.0.6", "Succeeded", false), at(25));
    pods.remove("uid-c", at(25));
    pods.end_list(at(25));
    let said = told(&mut pods);
    assert_eq!(said, ["a 10.1.0.5 10-20", "a 10.1.0.8 25-", "b 10.1.0.6 10-20", "c 10.1.0.7 10-20", "found"]);
}

#[test]
fn ten_thousand_pods_with_churn_stay_within_the_memory() {
    let mut pods = inventory(1 << 20);
    pods.begin_list();
    for n in 0..10_000_u32 {
        pods.set(running(&format!("p{n}"), &std::net::Ipv4Addr::from(0x0a01_0000 + n).to_string()), at(20));
    }
    pods.end_list(at(20));
    let (known, dropped) = pods.counts();
    assert!(known > 500 && known < 2000 && known as u64 + dropped == 10_000, "{known} {dropped}");
    (0..10_000_u32).for_each(|n| pods.remove(&format!("uid-p{n}"), at(30)));
    pods.set(running("last", "10.9.0.1"), at(40));
    assert_eq!((pods.counts().0, told(&mut pods).last().map(String::as_str)), (1, Some("last 10.9.0.1 10-")));
}

#[test]
fn a_node_has_its_addresses_and_zone() {
    let read = |node| Tenant::of_node(&serde_json::from_value::<Node>(node).unwrap(), &mut Texts::default());
    let addresses = json!([{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "192.168.0.1"},
        {"type": "InternalIP", "address": "fd00::1"}, {"type": "ExternalIP", "address": null}]);
    let labels = json!({"topology.kubernetes.io/zone": "eu-1a"});
    let metadata = json!({"name": "n1", "uid": "u", "labels": labels, "creationTimestamp": "2026-01-01T00:00:10Z"});
    let node = read(json!({"metadata": metadata, "status": {"addresses": addresses}})).unwrap();
    assert_eq!(node.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.168.0.1", "fd00::1"]);
    let named = node.endpoint.node.clone().unwrap();
    assert_eq!((&*named.name, &*named.zone, node.since_ns), ("n1", "eu-1a", Some((EPOCH_S + 10) * SECOND)));
    let bare = read(json!({"metadata": {"name": "n2", "uid": "v"}, "status": null})).unwrap();
    assert_eq!((bare.addresses.len(), &*bare.endpoint.node.clone().unwrap().zone), (0, ""));
    assert!(read(json!({"metadata": {"name": "n3"}})).is_none());
}

#[test]
fn an_endpoint_slice_has_addresses_and_ports_of_a_service() {
    let read =
        |slice| Tenant::of_slice(&serde_json::from_value::<EndpointSlice>(slice).unwrap(), &mut Texts::default());
    let metadata = json!({"namespace": "shop", "uid": "u", "labels": {"kubernetes.io/service-name": "web"}});
    let endpoints =
        json!([{"addresses": ["10.1.0.5"], "zone": "a"}, {"addresses": ["10.1.0.6", "10.1.0.5"]}, {"addresses": null}]);
    let ports = json!([{"port": 80}, {"port": 53, "protocol": "UDP"}, {"port": null, "protocol": "SCTP"}, {"port": 1, "protocol": "X"}]);
    let slice = read(json!({"metadata": metadata, "endpoints": endpoints, "ports": ports})).unwrap();
    assert_eq!((&*slice.endpoint.backs, &*slice.ports), ("shop/web", &[(6, 80), (17, 53), (132, 0)][..]));
    assert_eq!(slice.addresses.len(), 2);
    // A name is no address, and no ports are none.
    let names = json!([{"addresses": ["db.example"]}]);
    let slice = read(json!({"metadata": metadata, "endpoints": names, "ports": null})).unwrap();
    assert_eq!((slice.addresses.len(), slice.ports.len()), (0, 0));
    assert!(read(json!({"metadata": {"namespace": "shop", "uid": "u"}, "endpoints": endpoints})).is_none());
}

#[test]
fn chosen_labels_and_annotations_are_kept_in_the_operators_order() {
    let metadata = json!({
        "name": "a", "namespace": "shop", "uid": "u", "labels": {"app": "web", "tier": "front"},
        "annotations": {"example.com/team": "checkout", "secret": "hunter2", "example.com/note": "x".repeat(2000)},
    });
    let pod = serde_json::from_value(json!({"metadata": metadata})).unwrap();
    let chosen = |labels: &[&str], annotations: &[&str]| {
        let [labels, annotations] = [labels, annotations].map(|names| names.iter().map(ToString::to_string).collect());
        let chosen = Chosen { labels, annotations };
        let tenant = Tenant::of_pod(&pod, Ownership::default(), &chosen, &mut Texts::default()).unwrap();
        let details = tenant.endpoint.pod.as_ref().unwrap().details.clone().unwrap();
        (details.labels.to_string(), details.annotations.to_string())
    };
    assert_eq!(chosen(&[], &[]), (String::new(), String::new()));
    let (labels, annotations) = chosen(&["tier", "app", "none"], &["example.com/team", "app"]);
    assert_eq!((&*labels, &*annotations), ("tier=front,app=web", "example.com/team=checkout"));
    let (_, annotations) = chosen(&[], &["example.com/team", "example.com/note"]);
    assert!(annotations.len() == 1024 && annotations.starts_with("example.com/team=checkout,example.com/note=xx"));
}
