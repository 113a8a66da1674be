//! Records of two agents that are put together per CPU second, beside what only the keys of the records cost.
//! `cargo run --release -p pidflow-glue --example glue_speed`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a program for developers")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use pidflow_glue::{Glue, Settings};
use pidflow_schema::record::{Counters, InitialSequences};
use pidflow_schema::{Attribution, Flow, FlowRecord, Process, ProcessEnd, kept_bytes};
use rustix::time::{ClockId, clock_gettime};

const FLOWS: u32 = 100_000;
const ROUNDS: usize = 9;
const SECOND_NS: u64 = 1_000_000_000;
/// So many flows are between the halves of one, as if one agent were that late.
const APART: usize = 20_000;

fn process(name: &str, pid: u32) -> ProcessEnd {
    let process = Process {
        pid,
        name: name.into(),
        user: "www-data".into(),
        executable: format!("/usr/sbin/{name}").into(),
        command_line: format!("/usr/sbin/{name} --config /etc/{name}.conf").into(),
        ..Process::default()
    };
    ProcessEnd { process: Some(Arc::new(process)), ..ProcessEnd::unknown(Attribution::SocketEvent) }
}

/// As a collector makes it: nothing is shared with other records.
fn half(n: u32, is_server: bool) -> FlowRecord {
    let client = (Ipv4Addr::from(0x0a00_0000 | (n & 0xffff)).into(), 1024 + (n >> 8) as u16);
    let mut flow = Flow::new(6, client, ([10, 1, 0, 1].into(), 443), (SECOND_NS, 2 * SECOND_NS));
    flow.initial_sequences = Some(InitialSequences { source: n, destination: n.wrapping_mul(2_654_435_761) });
    flow.end_reason = pidflow_schema::FlowEndReason::EndOfFlow;
    flow.forward = Counters { packets: 10, octets: 1000, frame_octets: 1140, tcp_flags: 2, ..Counters::default() };
    flow.interface = "eth0".into();
    let mut record = FlowRecord::without_processes(flow, Attribution::Remote);
    (record.host, record.observer) = match is_server {
        true => ("server".into(), "5f1c7d0e53c44d6a9b27e04f1a7c92d5".into()),
        false => ("client".into(), "6d1b8f0e53c44d6a9b27e04f1a7c92d5".into()),
    };
    match is_server {
        true => record.destination = process("nginx", 700 + n % 8),
        false => record.source = process("curl", 10_000 + n),
    }
    record
}

/// All halves, those of the server later.
fn halves() -> Vec<FlowRecord> {
    let mut all = Vec::new();
    for n in 0..FLOWS + APART as u32 {
        all.extend((n < FLOWS).then(|| half(n, false)));
        all.extend(n.checked_sub(APART as u32).map(|n| half(n, true)));
    }
    all
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() {
    let (mut speeds, mut floors, mut peak) = (Vec::new(), Vec::new(), 0);
    let total = f64::from(2 * FLOWS);
    println!("{} bytes each record", kept_bytes(&[half(1, false)]));
    for _ in 0..ROUNDS {
        let halves = halves();
        let began = cpu_seconds();
        for record in &halves {
            std::hint::black_box(record.flow.key());
        }
        floors.push(total / (cpu_seconds() - began));
        let (mut glue, mut out) =
            (Glue::new(Settings { window_ns: 30 * SECOND_NS, max_bytes: 1 << 30 }), Vec::with_capacity(FLOWS as usize));
        let began = cpu_seconds();
        for (n, record) in (0_u64..).zip(halves) {
            // 100,000 records a second.
            glue.add(record, n * 10_000, &mut out);
            if n % 1024 == 0 {
                peak = peak.max(glue.bytes());
                glue.expire(n * 10_000, &mut out);
            }
        }
        glue.expire(60 * SECOND_NS, &mut out);
        speeds.push(total / (cpu_seconds() - began));
        assert_eq!(glue.counters().glued, u64::from(FLOWS));
        assert_eq!(out.len(), FLOWS as usize);
    }
    for all in [&mut speeds, &mut floors] {
        all.sort_by(f64::total_cmp);
    }
    let (speed, floor) = (speeds[ROUNDS / 2], floors[ROUNDS / 2]);
    println!(
        "{:.2} M records/s put together; only their keys: {:.2} M/s ({:.2}); {} MB held at most",
        speed / 1e6,
        floor / 1e6,
        speed / floor,
        peak >> 20
    );
}
