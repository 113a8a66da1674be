//! Ten thousand processes and a hundred thousand peers that come and go: what each table holds, minute by minute.
//!
//! `cargo run --release -p pidflow-engine --example churn [MINUTES, 10]`. A process lives for a minute, ten thousand at a time. A thousand
//! connections begin each second, in turn to a hundred thousand peers, which are pods: each address has another pod every three
//! minutes. These are more pods than there is room for by default (about 25,000 at 1 GiB). It ends with an error if a table exceeds its
//! bound, if a process or socket was dropped, or if a record has a wrong process or pod.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "an example, and its numbers are small"
)]

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use pidflow_engine::fact::{Executable, Fact, ProcessId, ProcessSeen, Sample, Socket, SocketUse, Task, TenantKind};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig, PacketClock};
use pidflow_engine::join::Joiner;
use pidflow_engine::packet::Packet;
use pidflow_engine::tenancy::{MAX_TENANCY_BYTES, Tenancy};
use pidflow_schema::{Endpoint, Flow, Placement, Pod, Protocol};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const NETNS: u32 = 7;
const PROCESSES: u64 = 10_000;
const PEERS: u64 = 100_000;
const CONNECTIONS_PER_S: u64 = 1000;
const MAX_FLOWS: usize = 262_144;
const LIFE_S: u64 = 60;
const POD_LIFE_S: u64 = 180;
/// As the agent has it: the active timeout, and what it waits before a join.
const RETENTION: u64 = 62 * SECOND;
/// A memory limit of 1 GiB: 18 % for processes, sockets and names, 4 % for addresses.
const LIMITS: (usize, usize) = ((1 << 30) / 100 * 18, (1 << 30) / 100 * 4);

/// The least that an address takes, bytes.
const ADDRESS_BYTES: usize = 656;

struct Churn {
    table: FlowTable,
    joiner: Joiner,
    out: Vec<Flow>,
    /// The process and the pod of each connection whose flow has not ended.
    truth: HashMap<(IpAddr, u16), (u32, String)>,
    records: u64,
    /// Records whose peer has no pod, because there was no room for it.
    without_pod: u64,
    wrong: u64,
}

fn task(pid: u64, start_ns: u64) -> Task {
    let id = ProcessId::from_ticks(pid as u32, start_ns / (10 * MS));
    Task { id, start_ns, uid: 1000, comm: format!("program-{}", pid % 500).into() }
}

/// The process with a number: the slot of one before it, whose PID it has too.
fn process(slot: u64, second: u64) -> Task {
    let generation = (second + LIFE_S - slot % LIFE_S) / LIFE_S;
    let start_s = (generation * LIFE_S + slot % LIFE_S).saturating_sub(LIFE_S);
    task(1000 + slot, (1 + start_s) * SECOND)
}

fn peer(number: u64) -> IpAddr {
    let [.., a, b, c] = (number as u32).to_be_bytes();
    IpAddr::from([10, a, b, c])
}

fn pod(number: u64, second: u64) -> (String, u64) {
    let generation = (second + number % POD_LIFE_S) / POD_LIFE_S;
    let from_s = (generation * POD_LIFE_S).saturating_sub(number % POD_LIFE_S);
    (format!("pod-{number}-{generation}"), from_s)
}

impl Churn {
    fn new() -> Self {
        let config =
            FlowTableConfig { max_flows: MAX_FLOWS, packet_clock: PacketClock::Steady, ..FlowTableConfig::default() };
        let joiner = Joiner::new(RETENTION, NETNS).with_memory_limit(LIMITS.0).with_tenancy_limit(LIMITS.1);
        Self {
            table: FlowTable::new(config),
            joiner,
            out: Vec::new(),
            truth: HashMap::new(),
            records: 0,
            without_pod: 0,
            wrong: 0,
        }
    }

    fn start_process(&mut self, slot: u64, second: u64) {
        let task = process(slot, second);
        if let Some(before) = second.checked_sub(1).map(|s| process(slot, s)).filter(|before| before.id != task.id) {
            let sample =
                Sample { time_ns: task.start_ns - MS, cpu_ns: Some(50 * MS), rss: Some(1 << 22), ..Sample::default() };
            self.joiner.apply(&Fact::Exit { task: before, parent_pid: 1, sample });
        }
        self.joiner.apply(&Fact::Process(Box::new(ProcessSeen {
            time_ns: task.start_ns + MS,
            parent_pid: 1,
            real_uid: Some(1000),
            login: None,
            inner_pid: None,
            executable: Executable { path: format!("/usr/lib/package/bin/{}", task.comm).into(), is_deleted: false },
            command_line: format!("/usr/lib/package/bin/{} --config /etc/package/main.conf", task.comm).into(),
            placement: Some(Placement {
                unit: format!("service-{}.service", slot % 300).into(),
                ..Placement::default()
            }),
            service_name: "".into(),
            task,
        })));
    }

    fn move_pod(&mut self, number: u64, second: u64) {
        let (name, from_s) = pod(number, second);
        let tell = |name: &str, from_s: u64, until_s: Option<u64>| {
            let named = Pod { namespace: "shop".into(), name: name.into(), ..Pod::default() };
            let endpoint = Arc::new(Endpoint { pod: Some(Arc::new(named)), ..Endpoint::default() });
            let (from_ns, until_ns) = ((1 + from_s) * SECOND, until_s.map(|s| (1 + s) * SECOND - MS));
            let told = Tenancy {
                address: peer(number),
                tenant: name.into(),
                endpoint,
                ports: Arc::default(),
                from_ns,
                until_ns,
            };
            Fact::Tenancy(TenantKind::Pod, Box::new(told))
        };
        if from_s > 0 {
            let (before, began_s) = pod(number, from_s - 1);
            self.joiner.apply(&tell(&before, began_s, Some(from_s)));
        }
        self.joiner.apply(&tell(&name, from_s, None));
    }

    fn connection(&mut self, number: u64, time_ns: u64, second: u64) {
        let (client, to) = (process(number % PROCESSES, second), number % PEERS);
        let here = (IpAddr::from([192, 0, 2, 1]), 1024 + (number % 60_000) as u16);
        let there = (peer(to), 443);
        for (used, at_ns) in [(SocketUse::Connect, time_ns), (SocketUse::Close, time_ns + 5 * MS)] {
            let socket = Socket {
                id: number,
                file: 0,
                netns: NETNS,
                protocol: Protocol::TCP,
                local: here.0,
                local_port: here.1,
                remote: there.0,
                remote_port: there.1,
                dual_stack: false,
            };
            self.joiner.apply(&Fact::Socket {
                time_ns: at_ns,
                task: client.clone(),
                parent_pid: 1,
                used,
                socket,
                sample: None,
            });
        }
        let packets = [
            (here, there, 2, 0),
            (there, here, 0x12, 1),
            (here, there, 0x18, 2),
            (here, there, 0x11, 4),
            (there, here, 0x11, 5),
        ];
        for (from, to, flags, after_ms) in packets {
            let packet =
                Packet::new(time_ns + after_ms * MS, Protocol::TCP, from, to).with_tcp(flags, 1).with_octets(60, 74);
            self.table.update(&packet, &mut self.out);
        }
        self.truth.insert((there.0, here.1), (client.id.pid, pod(to, second).0));
    }

    fn join(&mut self) {
        for flow in std::mem::take(&mut self.out) {
            let (pid, pod) = self.truth.remove(&(flow.destination, flow.source_port)).unwrap();
            let record = self.joiner.join(flow);
            self.records += 1;
            let found = record.destination.pod().map(|found| &*found.name);
            self.without_pod += u64::from(found.is_none());
            let is_right =
                record.source.process.as_ref().is_some_and(|p| p.pid == pid) && found.is_none_or(|name| *name == *pod);
            self.wrong += u64::from(!is_right);
        }
    }

    fn second(&mut self, second: u64) {
        let new = |slot: &u64| second == 0 || slot % LIFE_S == second % LIFE_S;
        (0..PROCESSES).filter(new).for_each(|slot| self.start_process(slot, second));
        let moved = |number: &u64| second == 0 || (second + number % POD_LIFE_S).is_multiple_of(POD_LIFE_S);
        (0..PEERS).filter(moved).for_each(|number| self.move_pod(number, second));
        for n in 0..CONNECTIONS_PER_S {
            // In the middle of the second, when its processes and pods are there.
            let time_ns = (1 + second) * SECOND + 100 * MS + n * 700_000;
            self.connection(second * CONNECTIONS_PER_S + n, time_ns, second);
        }
        let now_ns = (2 + second) * SECOND;
        while self.table.expire(now_ns, &mut self.out) {}
        self.join();
        if second % 5 == 4 {
            self.joiner.expire(now_ns);
        }
    }

    /// Prints what each table holds; an error: one exceeds its bound, or dropped something.
    fn check(&self, second: u64) -> Result<(), String> {
        let ((processes, claims), (process_bytes, claim_bytes)) = (self.joiner.sizes(), self.joiner.bytes());
        let (flow_bytes, addresses) = (self.table.allocated_bytes(), self.joiner.tenancies());
        let counters = self.joiner.counters();
        let mb = |bytes: usize| bytes as f64 / 1e6;
        println!(
            "{:3} min: {:6} flows {:5.1} MB  {processes:6} processes {:5.1} MB  {claims:6} claims {:5.1} MB  {addresses:6} addresses  \
             resident {:5.1} MB  {} records, {} wrong, {} without pod; {} addresses had no room",
            (second + 1) / 60,
            self.table.len(),
            mb(flow_bytes),
            mb(process_bytes),
            mb(claim_bytes),
            mb(resident()),
            self.records,
            self.wrong,
            self.without_pod,
            counters.tenancies_dropped,
        );
        let bounds = [
            ("flows", flow_bytes, MAX_FLOWS * FlowTable::BYTES_PER_FLOW),
            ("processes", process_bytes, LIMITS.0 / 5 * 2),
            ("claims", claim_bytes, LIMITS.0 / 20 * 11),
            ("addresses", addresses * ADDRESS_BYTES, MAX_TENANCY_BYTES),
        ];
        if let Some((what, bytes, most)) = bounds.iter().find(|(_, bytes, most)| bytes > most) {
            return Err(format!("{what}: {bytes} bytes of {most}"));
        }
        let dropped = counters.processes_dropped + counters.claims_dropped;
        if self.wrong + dropped > 0 { Err(format!("{} wrong, {dropped} dropped", self.wrong)) } else { Ok(()) }
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or_default() * 1024
}

fn main() -> Result<(), String> {
    let minutes = std::env::args().nth(1).map_or(Ok(10), |n| n.parse::<u64>()).map_err(|e| format!("MINUTES: {e}"))?;
    let mut churn = Churn::new();
    for second in 0..minutes * 60 {
        churn.second(second);
        if second % 60 == 59 {
            churn.check(second)?;
        }
    }
    Ok(())
}
