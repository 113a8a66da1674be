//! Ten thousand process names and a hundred thousand peers: memory is bounded, the heaviest are shown, and every sum is
//! correct.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use pidflow_engine::process_table::Usage;
use pidflow_schema::metric::{Family, MetricKind, MetricSample, Point};
use pidflow_schema::{Attribution, Endpoint, FlowRecord, Handshake, Node, Placement, Pod, Process};

use super::families;
use super::view::{self, LazyFamily, View};
use crate::allocated;
use crate::exposition::Format;
use crate::metrics::talk::{ShownTraffic, TrafficSums};
use crate::published::status::Status;

const LIMIT: usize = 100;
const PROCESSES: u32 = 10_000;
const PEERS: u32 = 100_000;
/// Pairs that carry much more than any other.
const HEAVY: u32 = 50;
/// The greatest memory of the sums per configured series (`--max-edges`), bytes.
const MEMORY_PER_SERIES: usize = 18_432;
/// The greatest memory of a status per series, bytes.
const STATUS_PER_SERIES: usize = 2_048;
/// The greatest length of `/metrics` per series, bytes, with process names of 8 to 15 bytes in pods and a host name of
/// 24 bytes.
const PAGE_PER_SERIES: usize = 10_240;

/// A process in one of three thousand pods of Deployments.
fn process(n: u32) -> Arc<Process> {
    let program = ["node", "redis-", "postgres-", "kworker/u8-"][n as usize % 4];
    let pod = Pod {
        namespace: format!("team-{}", n % 30).into(),
        name: format!("service-{:04}-7c5ddbdf54-x2k9p", n % 3000).into(),
        container: "main".into(),
        details: None,
    };
    Arc::new(Process {
        pid: n,
        name: format!("{program}{n:04}").into(),
        user: format!("user{}", n % 500).into(),
        executable: format!("/usr/lib/{program}/bin/{program}{n:04}").into(),
        parent_name: "containerd-shim".into(),
        ancestors: "containerd-shim(812)<systemd(1)".into(),
        placement: Placement {
            container_id: format!("{:064}", n % 3000).chars().rev().collect::<String>().into(),
            ..Placement::default()
        },
        pod: Some(pod.into()),
        ..Process::default()
    })
}

/// Uses every process and every peer in turn, mixed with a few that talk often and fewer that transfer much.
fn record(processes: &[Arc<Process>], i: u32) -> FlowRecord {
    let (process, peer, octets) = match i % 4 {
        0 | 2 => (i / 2 % PROCESSES, i / 2 % PEERS, i % 1400 + 40),
        1 => (i / 4 % HEAVY, i / 4 % HEAVY, 500_000),
        _ => (i % 61, i % 67, i % 1400 + 40),
    };
    let mut r = crate::sample::record(0x0a00_0000 + peer, 443, octets.into());
    r.destination.process = Some(Arc::clone(&processes[process as usize]));
    r.destination.attribution = Attribution::SocketEvent;
    let node = Node { name: format!("node-{:04}", process % 3000).into(), zone: "zone-a".into() };
    r.destination.endpoint = Some(Arc::new(Endpoint { node: Some(node.into()), ..Endpoint::default() }));
    r.connect_error = i.is_multiple_of(10).then_some(111);
    r.flow.handshake = i.is_multiple_of(3).then_some(Handshake { server_us: i % 5000, client_us: 10 });
    r.flow.last_ns = u64::from(i % 900) * 1_000_000;
    r
}

fn usage(process: &Arc<Process>) -> Usage {
    Usage {
        process: Arc::clone(process),
        cpu_ns: 1_000_000,
        iowait_ns: Some(250_000),
        minor_faults: 3,
        major_faults: 1,
        memory: Some(10_000_000),
        memory_peak: Some(20_000_000),
        has_ended: false,
    }
}

/// The correct sums, counted independently of the tested code.
#[derive(Debug, Default)]
struct Truth {
    octets: u64,
    failures: u64,
    connects: u64,
    connects_us: u64,
    lasted_us: u64,
    usages: u64,
}

impl Truth {
    fn count(&mut self, r: &FlowRecord) {
        self.octets += r.flow.forward.octets;
        self.failures += u64::from(r.connect_error.is_some());
        self.connects += u64::from(r.flow.handshake.is_some());
        self.connects_us += r.flow.handshake.map_or(0, |h| u64::from(h.total_us()));
        self.lasted_us += r.flow.last_ns / 1000;
    }

    /// The expected sum of a family's series; for a histogram the number of observations and their sum.
    fn of(&self, family: &str) -> [f64; 2] {
        let flows = u64::from(2 * PEERS) as f64;
        let usages = self.usages as f64;
        // These families count both ends of each record, in series of two roles.
        let ends = if ["service.", "user.", "address."].iter().any(|s| family.contains(s)) { 2.0 } else { 1.0 };
        match family {
            "traces_service_graph_request" => [flows, 0.0],
            "traces_service_graph_request_failed" => [self.failures as f64, 0.0],
            "traces_service_graph_request_server" => [flows, self.lasted_us as f64 / 1e6],
            "pidflow.edge.connect" => [self.connects as f64, self.connects_us as f64 / 1e6],
            "pidflow.edge.packets" => [flows, 0.0],
            "process.cpu.time" => [usages * 0.001, 0.0],
            "pidflow.process.iowait.time" => [usages * 0.000_25, 0.0],
            "process.paging.faults" => [usages * 4.0, 0.0],
            name if name.ends_with(".bytes") => [ends * self.octets as f64, 0.0],
            name if name.ends_with(".flows") => [ends * flows, 0.0],
            name if name.ends_with(".failures") => [ends * self.failures as f64, 0.0],
            name => panic!("{name} is new: add its expected sum here"),
        }
    }
}

struct Fed {
    shown: ShownTraffic,
    truth: Truth,
    /// Bytes.
    sums: isize,
    /// Bytes.
    status: isize,
}

/// The sums after half an hour of this traffic.
static FED: LazyLock<Fed> = LazyLock::new(|| {
    let before = allocated::octets();
    let processes: Vec<_> = (0..PROCESSES).map(process).collect();
    let (mut talk, mut truth) = (TrafficSums::new(LIMIT), Truth::default());
    for i in 0..2 * PEERS {
        let (r, now_s) = (record(&processes, i), u64::from(i) / 100);
        truth.count(&r);
        talk.count(&r, now_s);
        if i.is_multiple_of(1500) {
            talk.settle(now_s);
        }
        if i % 20_000 == 19_999 {
            talk.usage(now_s, |tell| processes.iter().for_each(|p| tell(&usage(p))));
            truth.usages += u64::from(PROCESSES);
        }
    }
    drop(processes);
    let sums = allocated::octets() - before;
    let shown = talk.shown();
    Fed { truth, sums, status: allocated::octets() - before - sums, shown }
});

fn page(talk: &ShownTraffic, seen: u64) -> Vec<Family> {
    let status = Status { talk: talk.clone(), ..Status::default() };
    view::whole(families(&View { status: status.into(), host: "a-host-of-24-characters.".into(), seen }))
}

/// Whether the family has series by key, and is not about the agent itself.
fn is_by_key(f: &Family) -> bool {
    let subjects = ["edge", "service", "user", "address", "unit", "workload", "cluster", "process"];
    let subject = f.name.strip_prefix("pidflow.").unwrap_or(f.name).split('.').next();
    f.name.starts_with("traces_") || subject.is_some_and(|s| subjects.contains(&s))
}

fn grows(f: &Family) -> bool {
    matches!(f.kind, MetricKind::Counter | MetricKind::Histogram)
}

fn sum(samples: &[MetricSample]) -> [f64; 2] {
    let of = |s: &MetricSample| match &s.point {
        Point::Whole(n) => [*n as f64, 0.0],
        Point::Real(x) => [*x, 0.0],
        Point::Histogram(h) => [h.count() as f64, h.sum],
    };
    samples.iter().map(of).fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
}

#[test]
fn a_great_many_talkers_are_bounded() {
    let families = page(&FED.shown, View::ALL_SERIES).into_iter().map(LazyFamily::from);
    let page = Format::OpenMetrics.pieces(families.collect()).map(|p| p.len()).sum::<usize>();
    println!("{LIMIT} series: {} octets of memory, {} of a status, {page} of /metrics", FED.sums, FED.status);
    assert!(FED.sums < (LIMIT * MEMORY_PER_SERIES).cast_signed(), "{}", FED.sums);
    assert!(FED.status < (LIMIT * STATUS_PER_SERIES).cast_signed(), "{}", FED.status);
    assert!(page < LIMIT * PAGE_PER_SERIES, "{page}");
    assert_eq!((FED.shown.nodes.series.len(), FED.shown.workloads.series.len()), (LIMIT, LIMIT));
}

#[test]
fn the_heaviest_pairs_are_shown() {
    let shown: HashSet<_> = FED.shown.edges.series.iter().map(|s| (s.key.0.label("h"), s.key.1.label("h"))).collect();
    for n in 0..HEAVY {
        let peer = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
        assert!(shown.contains(&(peer, format!("h/{}", process(n).name))), "pair {n} is not among {shown:?}");
    }
}

#[test]
fn shown_other_and_retired_add_up_to_all() {
    let page = page(&FED.shown, View::ALL_SERIES);
    let is_retired = |f: &&Family| f.name.contains("retired");
    let shown: Vec<_> = page.iter().filter(|f| grows(f) && is_by_key(f) && !is_retired(f)).collect();
    let retired: Vec<_> = page.iter().filter(is_retired).collect();
    assert_eq!((shown.len(), retired.len()), (29, 29));
    for f in shown {
        let name = if let Some(rest) = f.name.strip_prefix("traces_service_graph_") {
            format!("traces_service_graph_retired_{rest}")
        } else {
            let (subject, what) = f.name.strip_prefix("pidflow.").unwrap_or(f.name).split_once('.').unwrap();
            format!("pidflow.{subject}.retired.{what}")
        };
        let retired = retired.iter().find(|r| r.name == name).unwrap_or_else(|| panic!("no {name}"));
        // The busiest of the five hundred users never change.
        assert!(sum(&retired.samples)[0] > 0.0 || f.name.contains(".user."), "{name}: nothing was withdrawn");
        let (shown, retired, all) = (sum(&f.samples), sum(&retired.samples), FED.truth.of(f.name));
        for i in 0..2 {
            let found = shown[i] + retired[i];
            assert!((found - all[i]).abs() <= all[i] * 1e-9, "{}: {found} of {}", f.name, all[i]);
        }
    }
}

#[test]
fn the_same_names_and_labels_never_stand_twice() {
    let mut seen = HashSet::new();
    for f in page(&FED.shown, View::ALL_SERIES) {
        assert!(seen.insert(f.prometheus_name()), "{} stands twice", f.name);
        let mut series = HashSet::new();
        for s in &f.samples {
            assert!(series.insert(&s.attributes), "{}: {:?} stands twice", f.name, s.attributes);
        }
    }
}

/// Names of families, and of their series that differ.
fn differing(a: &[Family], b: &[Family]) -> BTreeSet<(&'static str, String)> {
    let series = |f: &(&Family, &Family)| {
        let name = f.0.name;
        let pairs = f.0.samples.iter().zip(f.1.samples.clone()).filter(|(a, b)| **a != *b);
        pairs.map(|(a, _)| (name, a.attributes[0].1.clone())).collect::<Vec<_>>()
    };
    a.iter().zip(b).flat_map(|pair| series(&pair)).collect()
}

#[test]
fn new_series_are_reported_to_a_reader_as_zero() {
    let processes: Vec<_> = (0..PROCESSES).map(process).collect();
    let mut talk = TrafficSums::new(LIMIT);
    let mut tell = |i: u32, octets_from| {
        let mut r = record(&processes, i);
        r.flow.forward.octets = octets_from;
        talk.count(&r, 1);
        talk.usage(1, |tell| tell(&usage(r.destination.process.as_ref().unwrap())));
        talk.shown()
    };
    let (first, second) = (tell(30, 100), tell(60, 200));
    assert_eq!((first.number, second.number), (1, 2));
    let truth = page(&second, View::ALL_SERIES);
    assert_eq!(page(&second, 2), truth, "seen already");

    let told = page(&second, 1);
    let families: BTreeSet<_> = differing(&told, &truth).into_iter().map(|(name, _)| name).collect();
    let expected = truth.iter().filter(|f| grows(f) && is_by_key(f) && !f.name.contains("retired")).map(|f| f.name);
    assert_eq!(families, expected.collect(), "every counter by key, and nothing else");
    assert!(differing(&told, &truth).iter().all(|(_, label)| !label.contains("kworker")), "the first one is known");
    for f in page(&second, 0).iter().filter(|f| grows(f) && is_by_key(f)) {
        assert_eq!(sum(&f.samples), [0.0; 2], "{}", f.name);
    }
}

#[test]
fn counting_is_cheap() {
    let processes: Vec<_> = (0..PROCESSES).map(process).collect();
    let records: Vec<_> = (0..20_000).map(|i| record(&processes, i)).collect();
    let mut talk = TrafficSums::new(LIMIT);
    let begun = Instant::now();
    records.iter().for_each(|r| talk.count(r, 1));
    println!("{} ns per record", begun.elapsed().as_nanos() / records.len() as u128);
    assert_eq!(talk.shown().edges.retired.traffic.flows, 0);
}
