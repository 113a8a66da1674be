//! Facts and flows of a host with one server and many clients.

use std::net::IpAddr;

use pidflow_engine::fact::{Executable, Fact, ProcessId, ProcessSeen, Sample, Socket, SocketUse, Task};
use pidflow_engine::join::Joiner;
use pidflow_schema::{Counters, Flow, Placement, Protocol};

const MS: u64 = 1_000_000;
const NETNS: u32 = 7;
const SERVER: (&str, u16) = ("192.0.2.1", 443);
/// Parents between a process and PID 1.
const DEPTH: u32 = 4;

pub(crate) struct Host {
    facts: Vec<Fact>,
    flows: Vec<Flow>,
}

impl Host {
    pub(crate) fn new(records: u32, flows_each: u32) -> Self {
        let mut host = Self { facts: Vec::new(), flows: Vec::new() };
        for pid in 1..=DEPTH {
            host.facts.push(described(&task(pid), pid - 1));
        }
        host.facts.push(described(&task(100), DEPTH));
        host.facts.push(Fact::Users([(0, "root".into()), (1000, "www-data".into())].into()));
        host.facts.push(Fact::SnapshotDone);
        (0..records).for_each(|number| host.connection(number, flows_each));
        host
    }

    fn connection(&mut self, number: u32, flows_each: u32) {
        let (time_ns, client) = (1000 * MS + u64::from(number) * MS, task(1000 + number / flows_each));
        if number.is_multiple_of(flows_each) {
            self.facts.push(described(&client, DEPTH));
        }
        let here = (IpAddr::from([10, 1, (number >> 8) as u8, number as u8]), 40_000);
        let there = (SERVER.0.parse().unwrap(), SERVER.1);
        for (owner, used, local, remote, at_ns) in [
            (&client, SocketUse::Connect, here, there, time_ns),
            (&task(100), SocketUse::Accept, there, here, time_ns + MS / 10),
            (&client, SocketUse::Send, here, there, time_ns + MS / 5),
            (&task(100), SocketUse::Receive, there, here, time_ns + MS / 4),
        ] {
            self.facts.push(event(owner, used, (local, remote), at_ns));
        }
        let some = Counters { packets: 5, octets: 900, frame_octets: 970, tcp_flags: 0x1b, ..Counters::default() };
        let times = (time_ns, time_ns + MS / 2);
        self.flows.push(Flow { forward: some, reverse: some, ..Flow::new(Protocol::TCP, here, there, times) });
    }

    pub(crate) fn joiner(&self) -> Joiner {
        let mut joiner = Joiner::new(3_600_000 * MS, NETNS);
        self.facts.iter().for_each(|fact| joiner.apply(fact));
        joiner
    }

    pub(crate) fn flows(&self) -> Vec<Flow> {
        self.flows.clone()
    }
}

fn task(pid: u32) -> Task {
    let id = ProcessId::from_ticks(pid, 1);
    Task { id, start_ns: 10 * MS, uid: 1000, comm: format!("program-{}", pid % 50).into() }
}

fn described(task: &Task, parent_pid: u32) -> Fact {
    Fact::Process(Box::new(ProcessSeen {
        time_ns: 100 * MS,
        task: task.clone(),
        parent_pid,
        real_uid: Some(task.uid),
        login: None,
        inner_pid: Some(task.id.pid),
        executable: Executable { path: format!("/usr/lib/package/bin/{}", task.comm).into(), is_deleted: false },
        command_line: format!("/usr/lib/package/bin/{} --config /etc/package/main.conf --verbose", task.comm).into(),
        placement: Some(Placement { unit: "package.service".into(), ..Placement::default() }),
        service_name: "".into(),
    }))
}

fn event(task: &Task, used: SocketUse, (local, remote): ((IpAddr, u16), (IpAddr, u16)), time_ns: u64) -> Fact {
    let socket = Socket {
        id: u64::from(task.id.pid) << 32 | u64::from(local.1),
        file: 0,
        netns: NETNS,
        protocol: Protocol::TCP,
        local: local.0,
        local_port: local.1,
        remote: remote.0,
        remote_port: remote.1,
        dual_stack: false,
    };
    let sample = Sample { time_ns, cpu_ns: Some(time_ns / 10), rss: Some(1 << 22), ..Sample::default() };
    Fact::Socket { time_ns, task: task.clone(), parent_pid: DEPTH, used, socket, sample: Some(sample) }
}
