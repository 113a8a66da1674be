//! Ends of flows: processes with all that is known of them.

use std::sync::Arc;

use pidflow_schema::{
    Attribution, Candidate, Container, Endpoint, Login, Node, Owner, OwnerBasis, Place, Placement, Pod, PodDetails,
    Process, ProcessEnd, ProcessUsage, Service,
};

use super::{MILLISECOND_NS, START_NS};

const NAMES: [&str; 6] =
    ["curl", "nginx: worker", "postgres", "prüfdienst", "python3.11", "a-very-long-process-name-beyond-comm"];

pub(super) fn end(n: u64, with_usage: bool) -> ProcessEnd {
    ProcessEnd {
        attribution: Attribution::SocketEvent,
        process: Some(Arc::new(process(n))),
        usage: with_usage.then(|| usage(n)),
        network_namespace: Some(0xf000_0000 + (n % 3) as u32),
        candidate: (n % 6 == 5).then(|| Candidate { pid: 77, name: Arc::from("listener \"main\"") }),
        endpoint: None,
        place: None,
    }
}

/// An end whose socket was seen but whose process is unknown.
pub(super) const fn namespace_only(n: u64) -> ProcessEnd {
    let mut end = ProcessEnd::unknown(Attribution::NoProcess);
    end.network_namespace = Some(0xf000_0000 + (n % 3) as u32);
    end
}

fn process(n: u64) -> Process {
    let name = NAMES.get((n % 6) as usize).copied().unwrap_or_default();
    let container = if n % 3 == 1 { format!("{n:064x}") } else { String::new() };
    let has_login = n % 4 == 1;
    let pid = 1000 + (n % 30_000) as u32;
    Process {
        pid,
        start_ns: START_NS - 3_600_000 * MILLISECOND_NS + n * MILLISECOND_NS,
        name: Arc::from(name),
        uid: 1000,
        user: Arc::from("alice"),
        real_uid: (n % 5 != 4).then_some(1001),
        real_user: Arc::from(if n % 5 == 4 { "" } else { "bob" }),
        login: has_login.then_some(Login { uid: 1001, session: 3 + (n % 40) as u32 }),
        login_user: Arc::from(if has_login { "bob" } else { "" }),
        inner_pid: (n % 7 != 6).then_some(if container.is_empty() { pid } else { 1 + (n % 40) as u32 }),
        is_deleted: n % 6 == 3,
        executable: Arc::from(format!("/usr/bin/{name}")),
        command_line: Arc::from(format!("{name} --tab '\t' --quote \"\\\" {}", "x".repeat((n % 200) as usize))),
        pod: (!container.is_empty()).then(|| Arc::new(pod(n))),
        container: (!container.is_empty()).then(|| Arc::new(engine_container(n))),
        service_name: Arc::from(if container.is_empty() { "" } else { "cart" }),
        placement: placement(n, &container),
        parent_pid: if n % 9 == 8 { 0 } else { 900 },
        parent_name: Arc::from("bash"),
        parent_uid: Some(0),
        parent_user: Arc::from("root"),
        ancestors: Arc::from("bash(900)<sshd(700)<systemd(1)"),
    }
}

fn engine_container(n: u64) -> Container {
    Container {
        name: format!("w-{}", n % 100).into(),
        image: "web:1".into(),
        compose_project: "shop".into(),
        compose_service: "web".into(),
    }
}

fn placement(n: u64, container: &str) -> Placement {
    let (runtime, unit) = match container {
        "" => ("", format!("app@{}\\x2d1.service", n % 3)),
        id => ("containerd", format!("cri-containerd-{id}.scope")),
    };
    Placement {
        container_id: container.into(),
        container_runtime: runtime.into(),
        unit: unit.into(),
        user_unit: if n % 8 == 5 { Arc::default() } else { "browser.service".into() },
        slice: "system-app.slice".into(),
    }
}

fn pod(n: u64) -> Pod {
    Pod {
        namespace: "shop".into(),
        name: format!("web-7c5ddbdf54-x{:04}", n % 10_000).into(),
        container: "nginx".into(),
        details: (n % 2 == 1).then(|| Arc::new(pod_details(n))),
    }
}

fn pod_details(n: u64) -> PodDetails {
    let owner = |(kind, name): (&str, &str)| Some(Owner { kind: kind.into(), name: name.into() });
    let (controller, topmost) = match n / 2 % 4 {
        0 => (("ReplicaSet", "web-7c5ddbdf54"), ("Deployment", "web")),
        1 => (("StatefulSet", "db"), ("StatefulSet", "db")),
        2 => (("DaemonSet", "log"), ("DaemonSet", "log")),
        _ => (("Job", "save-28"), ("CronJob", "save")),
    };
    PodDetails {
        uid: format!("0b5e55ed-0000-4000-8000-{:012x}", n % 10_000).into(),
        node: "node-1".into(),
        labels: "app=web,version=2".into(),
        annotations: "example.com/team=checkout".into(),
        controller: owner(controller),
        owner: owner(topmost),
        owner_basis: OwnerBasis::OwnerReference,
    }
}

/// An end on another host: every other one has the name that was asked for, and every third one is in Kubernetes.
pub(super) fn remote(n: u64) -> ProcessEnd {
    let is_known = n.is_multiple_of(2) || n.is_multiple_of(3);
    ProcessEnd {
        endpoint: is_known.then(|| Arc::new(endpoint(n))),
        place: n.is_multiple_of(5).then(|| Arc::new(place(n))),
        ..ProcessEnd::unknown(Attribution::Remote)
    }
}

/// With and without a city and an organisation.
fn place(n: u64) -> Place {
    let is_whole = n.is_multiple_of(2);
    Place {
        country: "NL".into(),
        city: if is_whole { "Amsterdam" } else { "" }.into(),
        system: 64_500 + (n % 10) as u32,
        organisation: if is_whole { "Example Networks" } else { "" }.into(),
    }
}

/// What is known of an end on another host.
fn endpoint(n: u64) -> Endpoint {
    let service = Service { namespace: "shop".into(), name: "web".into() };
    let is_pod = n.is_multiple_of(3);
    Endpoint {
        pod: is_pod.then(|| Arc::new(Pod { container: Arc::default(), ..pod(n) })),
        service: n.is_multiple_of(6).then(|| Arc::new(service)),
        node: n.is_multiple_of(3).then(|| Arc::new(Node { name: "node-1".into(), zone: "zone-a".into() })),
        backs: if n.is_multiple_of(6) { "shop/web,shop/web-canary".into() } else { Arc::default() },
        name: if n.is_multiple_of(2) { format!("name-{n}.example").into() } else { Arc::default() },
    }
}

fn usage(n: u64) -> ProcessUsage {
    let big = if n % 10 == 9 { 5 << 30 } else { 13_000_001 };
    let iowait = n % 4 < 2;
    ProcessUsage {
        memory_actual: Some(big),
        memory_peak: Some(big + 4096),
        cpu_load: Some(1234),
        iowait: iowait.then_some(56),
        cpu_time_ns: Some(n * 1000),
        minor_faults: Some(70),
        major_faults: Some(n % 8),
        iowait_ns: iowait.then_some(5 * MILLISECOND_NS),
    }
}
