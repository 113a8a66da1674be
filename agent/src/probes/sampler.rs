//! The thread that reads /proc: the first snapshot, descriptions of new processes, usage samples of processes that use
//! sockets, addresses, names of users and pods. Without eBPF, it takes the whole snapshot at each interval.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use pidflow_engine::fact::{Fact, ProcessId};
use procfs::process::Process;

use super::addresses::OwnAddresses;
use super::between::Between;
use super::descriptions::Descriptions;
use super::namespaces::Namespaces;
use super::pods::Pods;
use super::sampler_counts::SamplerCounts;
use super::users::Users;
use super::{procfs_read, snapshot, sockets};
use crate::clock::{engine_clock, engine_ns};
use crate::privacy::Privacy;
use crate::privileges::Role;
use crate::shedding::Shedding;
use crate::threads;

/// What the pipeline asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    /// Describe this process: executable, command line, container.
    Describe(ProcessId),
    /// This process uses sockets in this network namespace: sample it from now on.
    Watch(ProcessId, u32),
    /// This process used a socket, and the kernel side did not report its CPU time, because it has many threads.
    Sample(ProcessId),
    /// This process has ended.
    Forget(ProcessId),
    /// Events were lost: report the current sockets.
    Recount,
    /// An interface leads to another namespace: read the ids of namespaces.
    NamespaceIds,
}

/// The greatest number of processes sampled in one round. If there are more, they take turns.
const MAX_SAMPLES_PER_ROUND: usize = 500;
/// Number of rounds within which each sampled process is described again: its real user, its control group, and whether
/// its executable was deleted may change without an event.
const ROUNDS_PER_DESCRIPTION: usize = 16;
/// The greatest number of processes described again in one round.
const MAX_DESCRIBED_AGAIN: usize = 32;
/// Interval between two checks for changes of addresses, pods and users: shorter than the time that a flow waits for
/// its join.
const CHANGES_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) struct Sampler {
    pub(crate) interval: Duration,
    /// No eBPF: everything comes from snapshots.
    pub(crate) polls: bool,
    /// Process numbers of eBPF mean the same process in this /proc.
    pub(crate) looks_up: bool,
    /// The folder below which the host's files are.
    pub(crate) host_root: PathBuf,
    /// The kubelet's links to the logs of containers.
    pub(crate) pod_logs: PathBuf,
    /// What is kept of personal data.
    pub(crate) privacy: Arc<Privacy>,
    pub(crate) incoming: Receiver<Request>,
    pub(crate) out: Sender<Vec<Fact>>,
    pub(crate) counts: Arc<SamplerCounts>,
    /// Whether the usage of processes is left out.
    pub(crate) shedding: Arc<Shedding>,
}

impl Sampler {
    /// Sends the first snapshot, then works in its own thread until the pipeline has ended.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn spawn(self) -> Result<()> {
        let mut rounds = SamplerState::new(&self);
        let mut first = Vec::new();
        rounds.take_changes(&mut first);
        if self.looks_up {
            first.extend(snapshot::take(&self.privacy));
            rounds.namespaces.take_snapshot(&mut first);
        }
        first.push(Fact::SnapshotDone);
        // The channel is new and empty.
        let _ = self.out.send(first);
        // The state is kept when the work is restarted after a panic.
        let body = move || {
            rounds.run(&self);
            Ok(())
        };
        Ok(threads::spawn_as(Role::Sampler, "pidflow-sampler", body).map(drop)?)
    }
}

/// False: the pipeline is gone.
fn deliver(sampler: &Sampler, facts: &mut Vec<Fact>) -> bool {
    facts.is_empty() || sampler.out.send(std::mem::take(facts)).is_ok()
}

struct SamplerState {
    watched: Vec<ProcessId>,
    known: HashSet<ProcessId>,
    namespaces: Namespaces,
    own_addresses: OwnAddresses,
    pods: Pods,
    users: Users,
    privacy: Arc<Privacy>,
    descriptions: Descriptions,
    between: Between,
    turn: usize,
    /// Index of the next process to describe again.
    again: usize,
}

impl SamplerState {
    fn new(sampler: &Sampler) -> Self {
        Self {
            watched: Vec::new(),
            known: HashSet::new(),
            namespaces: Namespaces::new(),
            own_addresses: OwnAddresses::new(),
            pods: Pods::of(&sampler.pod_logs),
            users: Users::below(&sampler.host_root),
            privacy: Arc::clone(&sampler.privacy),
            descriptions: Descriptions::default(),
            between: Between::default(),
            turn: 0,
            again: 0,
        }
    }

    /// Works until the pipeline has ended.
    fn run(&mut self, sampler: &Sampler) {
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
        self.descriptions.begin_round();
        self.between.begin_round();
        while Instant::now() < due {
            self.take_changes(facts);
            if !self.serve_until(due.min(Instant::now() + CHANGES_INTERVAL), sampler, facts) {
                return false;
            }
        }
        true
    }

    fn take_changes(&mut self, facts: &mut Vec<Fact>) {
        facts.extend(self.users.poll().map(|fact| match fact {
            Fact::Users(names) => Fact::Users(self.privacy.users(names)),
            other => other,
        }));
        facts.extend(self.pods.poll());
        let now = Instant::now();
        facts.extend(self.own_addresses.poll(now));
        self.namespaces.poll(now, facts);
    }

    fn serve_until(&mut self, due: Instant, sampler: &Sampler, facts: &mut Vec<Fact>) -> bool {
        loop {
            // After a burst of requests, the results are sent before the round ends, because flows are joined soon.
            if sampler.incoming.is_empty() {
                self.describe(facts);
                if !deliver(sampler, facts) {
                    return false;
                }
            }
            match sampler.incoming.recv_deadline(due) {
                Ok(request) => self.answer(request, sampler, facts),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn answer(&mut self, request: Request, sampler: &Sampler, facts: &mut Vec<Fact>) {
        match request {
            Request::Describe(_) if !sampler.looks_up => {}
            Request::Describe(id) => sampler.counts.given_up(self.descriptions.ask(id)),
            Request::Watch(id, netns) => self.watch(id, netns, sampler.looks_up, facts),
            Request::Sample(_) if sampler.shedding.level().sheds_usage() => sampler.shedding.left_out_samples(1),
            Request::Sample(id) if self.between.is_due(id, Instant::now()) => {
                facts.extend(procfs_read::quick_sample(id).map(|sample| Fact::Sampled { id, sample }));
            }
            Request::Sample(_) => {}
            Request::Forget(id) => self.forget(id),
            Request::Recount => self.recount(facts),
            Request::NamespaceIds => self.namespaces.want_ids(),
        }
    }

    fn describe(&mut self, facts: &mut Vec<Fact>) {
        for id in self.descriptions.take() {
            let seen =
                Process::new(id.pid as i32).ok().and_then(|p| procfs_read::process(&p, engine_clock(), &self.privacy));
            if let Some(mut seen) = seen.filter(|s| s.task.id.is_same_in_proc(id)) {
                seen.task.id = id;
                facts.push(Fact::Process(Box::new(seen)));
            }
        }
    }

    /// A process is sampled from now on, and its network namespace, identified by its inode number, is read.
    fn watch(&mut self, id: ProcessId, netns: u32, looks_up: bool, facts: &mut Vec<Fact>) {
        self.descriptions.promote(id);
        if looks_up && self.known.insert(id) {
            self.watched.push(id);
        }
        self.namespaces.add(netns, id.pid, facts);
    }

    fn forget(&mut self, id: ProcessId) {
        self.descriptions.forget(id);
        self.between.forget(id);
        if self.known.remove(&id) {
            self.watched.retain(|w| *w != id);
        }
    }

    fn round(&mut self, sampler: &Sampler, facts: &mut Vec<Fact>) {
        if sampler.polls {
            let begun_ns = engine_ns();
            facts.extend(snapshot::take(&sampler.privacy));
            self.namespaces.take_snapshot(facts);
            facts.push(Fact::Polled { begun_ns });
            self.watch_polled(facts);
        } else {
            self.describe_again();
        }
        match sampler.shedding.level().sheds_usage() {
            true => sampler.shedding.left_out_samples(self.watched.len().min(MAX_SAMPLES_PER_ROUND)),
            false => self.sample(facts),
        }
    }

    /// Without eBPF nothing is requested: every process with a socket is sampled.
    fn watch_polled(&mut self, facts: &[Fact]) {
        let holders = facts.iter().filter_map(|f| match f {
            Fact::Socket { task, .. } => Some(task.id),
            _ => None,
        });
        self.known = holders.collect();
        self.watched = self.known.iter().copied().collect();
    }

    fn sample(&mut self, facts: &mut Vec<Fact>) {
        let count = self.watched.len().min(MAX_SAMPLES_PER_ROUND);
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

    fn describe_again(&mut self) {
        let count = self.watched.len().div_ceil(ROUNDS_PER_DESCRIPTION).min(MAX_DESCRIBED_AGAIN);
        let next = self.watched.iter().cycle().skip(self.again).take(count);
        next.for_each(|id| self.descriptions.ask_again(*id));
        self.again = (self.again + count) % self.watched.len().max(1);
    }

    /// Reports the existing sockets of every known namespace, and the existing processes: the sockets of one that was
    /// killed may be in a namespace that is gone too.
    fn recount(&self, facts: &mut Vec<Fact>) {
        let own = procfs_read::own_network_namespace();
        let others = self.namespaces.iter().filter(|(netns, _)| *netns != own);
        let others = others.filter_map(|(netns, pid)| Some((netns, Process::new(i32::try_from(pid).ok()?).ok()?)));
        let own = Process::myself().ok().map(|p| (own, p));
        let alive = own.into_iter().chain(others).filter_map(|(netns, p)| sockets::alive(netns, &p));
        facts.extend(alive.map(|sockets| Fact::SocketsAlive(Box::new(sockets))));
        facts.extend(procfs_read::processes_alive().map(Fact::ProcessesAlive));
    }
}

#[cfg(test)]
mod tests {
    use super::super::process_id;
    use super::*;

    fn state(watched: usize) -> SamplerState {
        let (_, incoming) = crossbeam_channel::bounded(1);
        let (out, _) = crossbeam_channel::bounded(1);
        let mut state = SamplerState::new(&Sampler {
            interval: Duration::from_secs(1),
            polls: false,
            looks_up: true,
            host_root: PathBuf::from("/nowhere"),
            pod_logs: PathBuf::from("/nowhere"),
            privacy: Arc::new(Privacy::new(None).unwrap()),
            incoming,
            out,
            counts: Arc::default(),
            shedding: Arc::default(),
        });
        state.watched = (1..=watched).map(|pid| process_id(pid as i32, 1)).collect();
        state
    }

    /// The processes described again in each round.
    fn rounds(state: &mut SamplerState, count: usize) -> Vec<HashSet<ProcessId>> {
        let mut round = || {
            state.descriptions.begin_round();
            state.describe_again();
            state.descriptions.take().into_iter().collect()
        };
        (0..count).map(|_| round()).collect()
    }

    #[test]
    fn every_process_is_described_again_in_its_turn() {
        let mut busy = state(100);
        let again = rounds(&mut busy, ROUNDS_PER_DESCRIPTION);
        assert!(again.iter().all(|round| round.len() == 7), "{again:?}");
        assert_eq!(again.iter().flatten().collect::<HashSet<_>>().len(), 100);
        assert_eq!(rounds(&mut state(0), 1), [HashSet::new()]);
        assert_eq!(rounds(&mut state(1), 2), [[process_id(1, 1)].into(), [process_id(1, 1)].into()]);
    }

    #[test]
    fn describing_again_is_bounded() {
        let mut crowded = state(10_000);
        let again = rounds(&mut crowded, 2);
        assert!(again.iter().all(|round| round.len() == MAX_DESCRIBED_AGAIN) && again[0].is_disjoint(&again[1]));
    }
}
