//! Ten thousand process names and a hundred thousand peers: bounded, and every sum true.

use std::time::Instant;

use pidflow_schema::metric::{Family, Point};
use pidflow_schema::{Attribution, FlowRecord, Handshake, Process};

use super::{Talk, TalkShown};
use crate::allocated;
use crate::metrics::status::Status;
use crate::metrics::{families, openmetrics};

const LIMIT: usize = 100;
const PROCESSES: u32 = 10_000;
const PEERS: u32 = 100_000;
/// What the sums may take in memory for each series asked for (`--max-edges`), octets.
const MEMORY_PER_SERIES: usize = 16_384;
/// What `/metrics` may have for each series asked for, octets, with names of 15 characters on a host of 24.
const PAGE_PER_SERIES: usize = 10_240;

/// Mostly the same few processes and peers, and then all of them, in turn.
fn record(i: u32) -> FlowRecord {
    let rare = i.is_multiple_of(4);
    let (process, peer) = if rare { (i % PROCESSES, i % PEERS) } else { (i % 61, i % 67) };
    let mut r = crate::sample::record(0x0a00_0000 + peer, 443, u64::from(i % 1400) + 40);
    let known = Process {
        pid: process,
        name: format!("process-{process:07}").into(),
        user: format!("user{}", process % 500).into(),
        container_id: format!("{:064}", process % 3000).chars().rev().collect::<String>().into(),
        ..Process::default()
    };
    r.destination.process = Some(known.into());
    r.destination.attribution = Attribution::SocketEvent;
    r.connect_error = i.is_multiple_of(10).then_some(111);
    r.flow.handshake = i.is_multiple_of(3).then_some(Handshake { server_us: i % 5000, client_us: 10 });
    r
}

fn fed() -> (Talk, u64) {
    let mut talk = Talk::new(LIMIT);
    let mut octets = 0;
    for i in 0..4 * PEERS {
        let r = record(i);
        octets += r.flow.forward.octets;
        talk.count(&r, u64::from(i) / 400);
        if i.is_multiple_of(6000) {
            talk.settle(u64::from(i) / 400);
        }
    }
    (talk, octets)
}

fn page(shown: &TalkShown) -> Vec<Family> {
    let status = Status { talk: shown.clone(), ..Status::default() };
    families::families(&status, "a-host-of-24-characters.")
}

/// Sum of the families with this name, `.retired` or not, over the series that have this label.
fn sum(page: &[Family], subject: &str, what: &str, role: Option<&str>) -> u64 {
    let names = [format!("pidflow.{subject}.{what}"), format!("pidflow.{subject}.retired.{what}")];
    let of_role = |s: &&pidflow_schema::metric::Sample| {
        role.is_none_or(|role| s.attributes.iter().all(|(k, v)| *k != "role" || v == role))
    };
    let samples = page.iter().filter(|f| names.iter().any(|n| n == f.name)).flat_map(|f| &f.samples).filter(of_role);
    samples.map(|s| if let Point::Whole(n) = s.point { n } else { 0 }).sum()
}

#[test]
fn a_great_many_talkers_are_bounded_and_their_totals_true() {
    let before = allocated::octets();
    let (talk, octets) = fed();
    let memory = allocated::octets() - before;
    let families = page(&talk.shown());
    let text = openmetrics::encode(&families);
    println!("{LIMIT} series: {memory} octets of memory, {} octets of /metrics", text.len());
    assert!(memory < (LIMIT * MEMORY_PER_SERIES) as isize, "{memory}");
    assert!(text.len() < LIMIT * PAGE_PER_SERIES, "{}", text.len());
    let flows = u64::from(4 * PEERS);
    for subject in ["edge", "workload"] {
        assert_eq!(sum(&families, subject, "bytes", None), octets, "{subject}");
        assert_eq!(sum(&families, subject, "flows", None), flows, "{subject}");
    }
    assert_eq!(sum(&families, "edge", "failures", None), flows / 10);
    // Both ends of each record, in series of two roles and in those of the rest.
    for subject in ["service", "user", "address"] {
        assert_eq!(sum(&families, subject, "bytes", None), 2 * octets, "{subject}");
        assert_eq!(sum(&families, subject, "flows", None), 2 * flows, "{subject}");
    }
}

#[test]
fn the_same_names_and_labels_never_stand_twice() {
    let (talk, _) = fed();
    let families = page(&talk.shown());
    let mut seen = std::collections::HashSet::new();
    for f in &families {
        assert!(seen.insert(f.prometheus_name()), "{} stands twice", f.name);
        let mut series = std::collections::HashSet::new();
        for s in &f.samples {
            assert!(series.insert(&s.attributes), "{}: {:?} stands twice", f.name, s.attributes);
        }
    }
}

#[test]
fn counting_is_cheap() {
    let records: Vec<_> = (0..20_000).map(record).collect();
    let mut talk = Talk::new(LIMIT);
    let begun = Instant::now();
    records.iter().for_each(|r| talk.count(r, 1));
    println!("{} ns per record", begun.elapsed().as_nanos() / records.len() as u128);
    assert_eq!(talk.shown().edges.retired.traffic.flows, 0);
}
