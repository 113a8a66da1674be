//! The thread that reads /proc: the first snapshot, descriptions of new processes, samples of those that
//! own flows, addresses, names of users and pods; without eBPF the whole snapshot at each interval.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use pidflow_engine::fact::{Fact, ProcessId};
use procfs::process::Process;

use super::pods::Pods;
use super::{procfs_read, snapshot};
use crate::clock::{engine_clock, engine_ns};
use crate::privileges::Role;

/// What the pipeline asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    /// Look at this process once: executable, command line, container.
    Describe(ProcessId),
    /// This process uses sockets in this network namespace: sample it from now on.
    Watch(ProcessId, u32),
    /// This process has ended.
    Forget(ProcessId),
}

/// Processes sampled in one round at the most; with more, rounds take turns.
const SAMPLES_PER_ROUND: usize = 500;
/// Descriptions of one round at the most: a storm of short-lived processes inherits its parents'.
const DESCRIPTIONS_PER_ROUND: usize = 200;
/// Rounds between two looks at the addresses of other namespaces and at user names.
const ROUNDS_PER_REFRESH: u32 = 10;
/// Between two looks at this namespace's addresses and at the pods: shorter than the time that a flow waits for its
/// join.
const LOOK: Duration = Duration::from_millis(250);

pub(crate) struct Sampler {
    pub(crate) interval: Duration,
    /// No eBPF: everything comes from snapshots.
    pub(crate) polls: bool,
    /// The kubelet's links to the logs of containers.
    pub(crate) pod_logs: PathBuf,
    pub(crate) incoming: Receiver<Request>,
    pub(crate) out: Sender<Vec<Fact>>,
}

impl Sampler {
    /// Sends the first snapshot, then goes on in a thread of its own until the pipeline is gone.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn spawn(self) -> Result<()> {
        let mut pods = Pods::of(&self.pod_logs);
        let mut first = vec![Fact::Users(procfs_read::users())];
        first.extend(pods.look());
        first.extend(snapshot::take());
        first.push(Fact::SnapshotDone);
        // The channel is new and empty.
        let _ = self.out.send(first);
        let body = move || {
            Role::Sampler.enter_or_warn();
            Rounds { pods, ..Rounds::default() }.run(&self);
        };
        thread::Builder::new().name("pidflow-sampler".into()).spawn(body).context("cannot start the sampler thread")?;
        Ok(())
    }
}

/// False: the pipeline is gone.
fn deliver(sampler: &Sampler, facts: &mut Vec<Fact>) -> bool {
    facts.is_empty() || sampler.out.send(std::mem::take(facts)).is_ok()
}

#[derive(Default)]
struct Rounds {
    watched: Vec<ProcessId>,
    known: HashSet<ProcessId>,
    /// A process to look through into each network namespace.
    namespaces: HashMap<u32, u32>,
    own_addresses: Vec<IpAddr>,
    pods: Pods,
    described: usize,
    turn: usize,
    number: u32,
}

impl Rounds {
    fn run(mut self, sampler: &Sampler) {
        loop {
            let mut facts = Vec::new();
            if !self.serve(sampler, &mut facts) {
                return;
            }
            self.round(sampler, &mut facts);
            if !deliver(sampler, &mut facts) {
                return;
            }
        }
    }

    /// Serves requests until the next round is due; false: the pipeline is gone.
    fn serve(&mut self, sampler: &Sampler, facts: &mut Vec<Fact>) -> bool {
        let due = Instant::now() + sampler.interval;
        self.described = 0;
        while Instant::now() < due {
            self.look_at_own_addresses(facts);
            facts.extend(self.pods.look());
            if !self.serve_until(due.min(Instant::now() + LOOK), sampler, facts) {
                return false;
            }
        }
        true
    }

    fn look_at_own_addresses(&mut self, facts: &mut Vec<Fact>) {
        let addresses = procfs_read::addresses(std::process::id());
        if addresses != self.own_addresses {
            self.own_addresses.clone_from(&addresses);
            facts.push(Fact::Addresses {
                time_ns: engine_ns(),
                netns: procfs_read::own_network_namespace(),
                addresses,
            });
        }
    }

    fn serve_until(&mut self, due: Instant, sampler: &Sampler, facts: &mut Vec<Fact>) -> bool {
        loop {
            // What a burst of requests found out is wanted before the round ends: flows are joined soon.
            if sampler.incoming.is_empty() && !deliver(sampler, facts) {
                return false;
            }
            match sampler.incoming.recv_deadline(due) {
                Ok(request) => self.answer(request, facts),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn answer(&mut self, request: Request, facts: &mut Vec<Fact>) {
        match request {
            Request::Describe(id) => self.describe(id, facts),
            Request::Watch(id, netns) => self.watch(id, netns, facts),
            Request::Forget(id) => self.forget(id),
        }
    }

    fn describe(&mut self, id: ProcessId, facts: &mut Vec<Fact>) {
        self.described += 1;
        if self.described > DESCRIPTIONS_PER_ROUND {
            return;
        }
        let seen = Process::new(id.pid as i32).ok().and_then(|p| procfs_read::process(&p, engine_clock()));
        if let Some(mut seen) = seen.filter(|s| s.task.id.is_same_in_proc(id)) {
            seen.task.id = id;
            facts.push(Fact::Process(Box::new(seen)));
        }
    }

    fn watch(&mut self, id: ProcessId, netns: u32, facts: &mut Vec<Fact>) {
        if self.known.insert(id) {
            self.watched.push(id);
        }
        if netns != 0 && !self.namespaces.contains_key(&netns) && procfs_read::network_namespace(id.pid) == Some(netns)
        {
            self.namespaces.insert(netns, id.pid);
            facts.extend(procfs_read::addresses_event(netns, id.pid));
        }
    }

    fn forget(&mut self, id: ProcessId) {
        if self.known.remove(&id) {
            self.watched.retain(|w| *w != id);
        }
    }

    fn round(&mut self, sampler: &Sampler, facts: &mut Vec<Fact>) {
        self.number = self.number.wrapping_add(1);
        if sampler.polls {
            let begun_ns = engine_ns();
            facts.extend(snapshot::take());
            facts.push(Fact::Polled { begun_ns });
            self.watch_polled(facts);
        }
        self.sample(facts);
        if self.number.is_multiple_of(ROUNDS_PER_REFRESH) {
            self.refresh(facts);
        }
    }

    /// Without eBPF nobody asks: whoever holds a socket is sampled.
    fn watch_polled(&mut self, facts: &[Fact]) {
        let holders = facts.iter().filter_map(|f| match f {
            Fact::Socket { task, .. } => Some(task.id),
            _ => None,
        });
        self.known = holders.collect();
        self.watched = self.known.iter().copied().collect();
    }

    fn sample(&mut self, facts: &mut Vec<Fact>) {
        let count = self.watched.len().min(SAMPLES_PER_ROUND);
        let turn = if self.watched.len() > count { self.turn } else { 0 };
        let now: Vec<_> = self.watched.iter().cycle().skip(turn).take(count).copied().collect();
        self.turn = (turn + count) % self.watched.len().max(1);
        for id in now {
            match procfs_read::sample(id) {
                Some(sample) => facts.push(Fact::Sampled { id, sample }),
                None => self.forget(id),
            }
        }
    }

    fn refresh(&mut self, facts: &mut Vec<Fact>) {
        facts.push(Fact::Users(procfs_read::users()));
        self.namespaces.retain(|&netns, &mut pid| procfs_read::network_namespace(pid) == Some(netns));
        for (&netns, &pid) in &self.namespaces {
            facts.extend(procfs_read::addresses_event(netns, pid));
        }
    }
}
