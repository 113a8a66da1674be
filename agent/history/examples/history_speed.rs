//! Measures a history: `cargo run --release -p pidflow-history --example history_speed -- FOLDER RECORDS`.
//!
//! Writes made records of one busy host, one million an hour, then asks the usual questions and prints their times.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a tool for developers"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_expression::{Expression, Selector};
use pidflow_history::{Limits, Reader, Retention, Selected, Writer};
use pidflow_schema::{
    Attribution, Counters, Flow, FlowRecord, Handshake, InitialSequences, Process, ProcessEnd, ProcessUsage, Protocol,
};

const PER_HOUR: u64 = 1_000_000;
const HOUR_NS: u64 = 3_600_000_000_000;
const START_NS: u64 = 1_796_000_400_000_000_000;
const BATCH: u64 = 1_000;

/// A generator of numbers that is the same in each run (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn processes(hour: u64) -> Vec<Arc<Process>> {
    let one = |n: u64| {
        let name = format!("service-{}", n % 60);
        Arc::new(Process {
            pid: u32::try_from(1000 + n).unwrap(),
            start_ns: START_NS + if n < 200 { 0 } else { hour * HOUR_NS },
            name: name.as_str().into(),
            uid: u32::try_from(n % 12).unwrap(),
            user: format!("user-{}", n % 12).into(),
            executable: format!("/usr/bin/{name}").into(),
            command_line: format!("/usr/bin/{name} --config /etc/{name}.toml --worker {n}").into(),
            parent_pid: 1,
            parent_name: "systemd".into(),
            ancestors: "systemd(1)".into(),
            ..Process::default()
        })
    };
    (0..3000).map(one).collect()
}

fn end(process: &Arc<Process>, numbers: &mut Numbers) -> ProcessEnd {
    let usage = ProcessUsage {
        memory_actual: Some((20 << 20) + numbers.below(1 << 24)),
        memory_peak: Some((30 << 20) + numbers.below(1 << 24)),
        cpu_load: Some(u32::try_from(numbers.below(5000)).unwrap()),
        cpu_time_ns: Some(numbers.below(50_000_000)),
        minor_faults: Some(numbers.below(300)),
        major_faults: Some(0),
        ..ProcessUsage::default()
    };
    ProcessEnd {
        process: Some(process.clone()),
        usage: Some(usage),
        network_namespace: Some(4_026_531_840),
        ..ProcessEnd::unknown(Attribution::SocketEvent)
    }
}

fn counters(numbers: &mut Numbers) -> Counters {
    let packets = 4 + numbers.below(40);
    let octets = packets * (60 + numbers.below(900));
    Counters { packets, octets, frame_octets: octets + 14 * packets, tcp_flags: 0x1b, ..Counters::default() }
}

fn record(n: u64, processes: &[Arc<Process>], numbers: &mut Numbers) -> FlowRecord {
    let last_ns = START_NS + n * (HOUR_NS / PER_HOUR) + numbers.below(1_000_000);
    let first_ns = last_ns - numbers.below(2_000_000_000);
    let skewed = |numbers: &mut Numbers, bound: u64| {
        let lower = numbers.below(bound) + 1;
        numbers.below(lower)
    };
    let remote = skewed(numbers, 4000);
    let source = ([10, 0, 0, 1].into(), u16::try_from(32_768 + numbers.below(28_000)).unwrap());
    let destination = ([10, 1, (remote >> 8) as u8, remote as u8].into(), [443, 5432, 6379, 80][(remote % 4) as usize]);
    let mut flow = Flow::new(Protocol::TCP, source, destination, (first_ns, last_ns));
    (flow.forward, flow.reverse) = (counters(numbers), counters(numbers));
    flow.interface = "eth0".into();
    flow.interface_index = 2;
    flow.macs = Some(([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]));
    let us = |numbers: &mut Numbers| u32::try_from(50 + numbers.below(2000)).unwrap();
    flow.handshake = Some(Handshake { client_us: us(numbers), server_us: us(numbers) });
    let sequence = |numbers: &mut Numbers| u32::try_from(numbers.below(1 << 32)).unwrap();
    flow.initial_sequences = Some(InitialSequences { source: sequence(numbers), destination: sequence(numbers) });
    let mut record = FlowRecord::without_processes(flow, Attribution::Remote);
    record.host = "host-a".into();
    record.source = end(&processes[skewed(numbers, processes.len() as u64) as usize], numbers);
    // Every fourth flow is between two processes of the host.
    if numbers.below(4) == 0 {
        record.destination = end(&processes[skewed(numbers, 200) as usize], numbers);
    }
    record
}

/// CPU time of this process.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn write(folder: &std::path::Path, count: u64) {
    let mut writer = Writer::new(folder, Retention { max_age: None, max_bytes: u64::MAX }).unwrap();
    let mut numbers = Numbers(1);
    let (mut used, mut safe) = (Duration::ZERO, 0);
    let mut known = (u64::MAX, Vec::new());
    for batch in 0..count / BATCH {
        let hour = batch * BATCH / PER_HOUR;
        if known.0 != hour {
            known = (hour, processes(hour));
        }
        let records: Vec<FlowRecord> = (0..BATCH).map(|i| record(batch * BATCH + i, &known.1, &mut numbers)).collect();
        let now_ns = START_NS + batch * BATCH * (HOUR_NS / PER_HOUR);
        let began = cpu();
        writer.add(&records, now_ns);
        let committed = writer.commit(now_ns);
        used += cpu() - began;
        assert!(committed.error.is_none(), "{committed:?}");
        safe += committed.records;
    }
    let began = cpu();
    drop(writer);
    used += cpu() - began;
    let bytes: u64 = folder.read_dir().unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    println!("written:     {safe} records, {:.0} per CPU second", safe as f64 / used.as_secs_f64());
    println!("size:        {:.1} bytes per record ({bytes} bytes)", bytes as f64 / safe as f64);
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().expect("FOLDER"));
    let count: u64 = arguments.next().and_then(|n| n.to_str()?.parse().ok()).expect("RECORDS");
    write(&folder, count);
    let reader = Reader::new(&folder).unwrap();
    let hours = count.div_ceil(PER_HOUR);
    let last_hour = Some(START_NS + (hours - 1) * HOUR_NS);
    let limits = |entries| Limits { deadline: Instant::now() + Duration::from_secs(600), entries };
    let selected = |filter: &str, since_ns| {
        let filter = (!filter.is_empty()).then(|| Arc::new(Expression::parse(filter).unwrap()));
        Selected { filter, since_ns, until_ns: None }
    };
    let by = |names: &[&str]| names.iter().map(|name| Selector::parse(name).unwrap()).collect::<Vec<_>>();
    let time = |what: &str, ask: &dyn Fn() -> usize| {
        let best = (0..3).map(|_| {
            let began = Instant::now();
            (ask(), began.elapsed())
        });
        let (entries, elapsed) = best.min_by_key(|(_, elapsed)| *elapsed).unwrap();
        println!("{what:<58} {:>8.0} ms {entries:>6} entries", elapsed.as_secs_f64() * 1000.0);
    };
    for (when, since) in [("last hour", last_hour), ("all", None)] {
        let ask_groups = |filter: &str, names: &[&str]| {
            reader.groups(&selected(filter, since), &by(names), limits(20)).unwrap().entries.len()
        };
        time(&format!("{when}: by process"), &|| ask_groups("", &["process"]));
        time(&format!("{when}: flows of one process"), &|| {
            let one = selected("process == \"service-59\"", since);
            reader.records(&one, None, limits(1000)).unwrap().entries.len()
        });
        time(&format!("{when}: sums of one process by destination"), &|| {
            ask_groups("process == \"service-59\"", &["dst.address"])
        });
        time(&format!("{when}: top destinations of a user"), &|| {
            ask_groups("src.user == \"user-3\"", &["dst.address", "dst.port"])
        });
        time(&format!("{when}: all flows of an address pair"), &|| {
            let pair = selected("src.address == \"10.0.0.1\" && dst.address == \"10.1.9.9\"", since);
            reader.records(&pair, None, limits(usize::MAX)).unwrap().entries.len()
        });
        time(&format!("{when}: series per minute for one edge"), &|| {
            let edge = selected("src.process == \"service-1\" && dst.process == \"service-2\"", since);
            reader.series(&edge, 60_000_000_000, limits(100_000)).unwrap().entries.len()
        });
        if when == "last hour" {
            time("last hour: a condition that needs whole records", &|| {
                ask_groups("SRC_FLOW_CPU_TIME > 49000000", &["process"])
            });
        }
    }
}
