//! The processes of the command: itself and all its descendants, by the kernel's events. A process stays a member when
//! its parents have ended, and when another process has adopted it.

use std::collections::HashMap;
use std::sync::Arc;

use pidflow_engine::fact::{Fact, ProcessId, Sample, TICK_NS, Task};
use pidflow_schema::Process;

/// The greatest number of processes of which details are kept. Of more, only the membership is known.
const MAX_DETAILED: usize = 20_000;

/// Finds the description of a process at a time.
pub(crate) type Describe<'a> = &'a mut dyn FnMut(ProcessId, u64) -> Option<Arc<Process>>;

/// A process of the command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    /// Identity.
    pub(crate) id: ProcessId,
    /// Parent's process number when it was first seen; 0: unknown.
    pub(crate) parent_pid: u32,
    /// Start, nanoseconds since the epoch.
    pub(crate) start_ns: u64,
    /// End, nanoseconds since the epoch; none: it has not ended.
    pub(crate) ended_ns: Option<u64>,
    /// Resources used so far.
    pub(crate) used: Sample,
    /// Its latest description.
    pub(crate) process: Option<Arc<Process>>,
    /// Bytes sent and received.
    pub(crate) octets: (u64, u64),
}

/// A member's identity, and its place among those with details.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: ProcessId,
    start_ns: u64,
    is_running: bool,
    at: Option<usize>,
}

/// All processes of the command.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    root_pid: u32,
    has_root: bool,
    /// By process number. A number may be used again.
    known: HashMap<u32, Vec<Known>>,
    members: Vec<Member>,
    running: usize,
    without_details: u64,
}

impl Tree {
    /// The tree of the process with that number, as facts name it. It must exist until its end is waited for.
    pub(crate) fn new(root_pid: u32) -> Self {
        Self { root_pid, ..Self::default() }
    }

    /// Takes facts in their order, after they were applied to the process table.
    pub(crate) fn apply(&mut self, facts: &[Fact], describe: Describe<'_>) {
        for fact in facts {
            if let Some((at, time_ns)) = self.take(fact)
                && let Some(member) = self.members.get_mut(at)
                && let Some(process) = describe(member.id, time_ns)
            {
                member.process = Some(process);
            }
        }
    }

    /// Takes one fact. Returns the member whose description may have changed, and when.
    fn take(&mut self, fact: &Fact) -> Option<(usize, u64)> {
        match fact {
            Fact::Fork { time_ns, child, parent } => {
                let is_ours = self.find(parent).is_some() || child.id.pid == self.root_pid && !self.has_root;
                is_ours.then(|| self.add(child, parent.id.pid))?.map(|at| (at, *time_ns))
            }
            Fact::Exec { time_ns, task, parent_pid, .. } => Some((self.meet(task, *parent_pid)?, *time_ns)),
            Fact::Exit { task, parent_pid, sample } => {
                let at = self.meet(task, *parent_pid);
                self.ended(task);
                let member = self.members.get_mut(at?)?;
                member.ended_ns = Some(sample.time_ns);
                merge(&mut member.used, sample);
                Some((at?, sample.time_ns))
            }
            Fact::Socket { task, parent_pid, sample, .. } => {
                let at = self.meet(task, *parent_pid)?;
                let (member, sample) = (self.members.get_mut(at)?, sample.as_ref()?);
                merge(&mut member.used, sample);
                None
            }
            Fact::Sampled { id, sample } => {
                let at = self.known.get(&id.pid)?.iter().rev().find(|known| known.id.is_same_in_proc(*id))?.at?;
                merge(&mut self.members.get_mut(at)?.used, sample);
                None
            }
            Fact::Process(seen) => Some((self.meet(&seen.task, seen.parent_pid)?, seen.time_ns)),
            _ => None,
        }
    }

    /// The member that the task is. If its fork was lost, its parent tells that it is one.
    fn meet(&mut self, task: &Task, parent_pid: u32) -> Option<usize> {
        if let Some(known) = self.find(task) {
            return known.at;
        }
        let is_root = task.id.pid == self.root_pid && !self.has_root;
        let is_child = || self.running_with(parent_pid).is_some_and(|parent| parent.start_ns <= task.start_ns);
        (is_root || is_child()).then(|| self.add(task, parent_pid))?
    }

    fn find(&self, task: &Task) -> Option<Known> {
        self.known.get(&task.id.pid)?.iter().rev().find(|known| known.id.is_same_in_proc(task.id)).copied()
    }

    fn running_with(&self, pid: u32) -> Option<Known> {
        self.known.get(&pid)?.iter().rev().find(|known| known.is_running).copied()
    }

    fn add(&mut self, task: &Task, parent_pid: u32) -> Option<usize> {
        self.has_root |= task.id.pid == self.root_pid;
        let at = (self.members.len() < MAX_DETAILED).then_some(self.members.len());
        let known = Known { id: task.id, start_ns: task.start_ns, is_running: true, at };
        self.known.entry(task.id.pid).or_default().push(known);
        self.running += 1;
        match at {
            Some(_) => self.members.push(Member {
                id: task.id,
                parent_pid,
                start_ns: task.start_ns,
                ended_ns: None,
                used: Sample::default(),
                process: None,
                octets: (0, 0),
            }),
            None => self.without_details += 1,
        }
        at
    }

    fn ended(&mut self, task: &Task) {
        let all = self.known.get_mut(&task.id.pid);
        let known = all.and_then(|all| all.iter_mut().rev().find(|known| known.id.is_same_in_proc(task.id)));
        if let Some(known) = known.filter(|known| known.is_running) {
            known.is_running = false;
            self.running = self.running.saturating_sub(1);
        }
    }

    /// Whether a process that a record names is a member.
    pub(crate) fn has(&self, process: &Process) -> bool {
        self.known_as(process).is_some()
    }

    /// Adds what a member sent and received, bytes.
    pub(crate) fn count(&mut self, process: &Process, (sent, received): (u64, u64)) {
        let at = self.known_as(process).and_then(|known| known.at);
        if let Some(member) = at.and_then(|at| self.members.get_mut(at)) {
            member.octets = (member.octets.0 + sent, member.octets.1 + received);
        }
    }

    fn known_as(&self, process: &Process) -> Option<Known> {
        let is_same = |known: &&Known| known.start_ns.abs_diff(process.start_ns) <= TICK_NS;
        self.known.get(&process.pid)?.iter().rev().find(is_same).copied()
    }

    /// Number of members that have not ended.
    pub(crate) const fn running(&self) -> usize {
        self.running
    }

    /// Whether the command's own end was reported.
    pub(crate) fn root_has_ended(&self) -> bool {
        self.has_root && self.running_with(self.root_pid).is_none()
    }

    /// The members with details, in the order in which they were seen.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The command's own process.
    pub(crate) fn root(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.id.pid == self.root_pid)
    }

    /// Number of members without details.
    pub(crate) const fn without_details(&self) -> u64 {
        self.without_details
    }
}

/// Takes the values of a later sample, as far as it has them.
fn merge(used: &mut Sample, later: &Sample) {
    let newest = |old: Option<u64>, new: Option<u64>| old.max(new);
    used.time_ns = used.time_ns.max(later.time_ns);
    used.cpu_ns = newest(used.cpu_ns, later.cpu_ns);
    used.minor_faults = newest(used.minor_faults, later.minor_faults);
    used.major_faults = newest(used.major_faults, later.major_faults);
    used.peak_rss = newest(used.peak_rss, later.peak_rss);
    used.iowait_ns = newest(used.iowait_ns, later.iowait_ns);
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const ROOT: u32 = 100;

    fn task(pid: u32, start_s: u64) -> Task {
        let start_ns = start_s * S;
        Task { id: ProcessId::from_boot_ns(pid, start_ns), start_ns, uid: 0, comm: "x".into() }
    }

    fn fork(parent: &Task, child: &Task) -> Fact {
        Fact::Fork { time_ns: child.start_ns, child: child.clone(), parent: parent.clone() }
    }

    fn exec(task: &Task, parent_pid: u32) -> Fact {
        let (time_ns, task) = (task.start_ns, task.clone());
        Fact::Exec { time_ns, task, parent_pid, executable: Default::default(), command_line: "".into() }
    }

    fn exit(task: &Task, parent_pid: u32, at_s: u64) -> Fact {
        let sample = Sample { time_ns: at_s * S, cpu_ns: Some(7), ..Sample::default() };
        Fact::Exit { task: task.clone(), parent_pid, sample }
    }

    fn process(pid: u32, start_s: u64) -> Process {
        Process { pid, start_ns: start_s * S, ..Process::default() }
    }

    fn tree_of(facts: &[Fact]) -> Tree {
        let mut tree = Tree::new(ROOT);
        tree.apply(facts, &mut |_, _| None);
        tree
    }

    #[test]
    fn descendants_stay_members_without_their_parents() {
        let (root, child, grandchild) = (task(ROOT, 1), task(101, 2), task(102, 3));
        let adopted = exec(&grandchild, 1);
        let tree = tree_of(&[
            exec(&root, 50),
            fork(&root, &child),
            fork(&child, &grandchild),
            exit(&child, ROOT, 4),
            adopted,
            fork(&grandchild, &task(103, 5)),
        ]);
        assert!([(100, 1), (101, 2), (102, 3), (103, 5)].iter().all(|(pid, s)| tree.has(&process(*pid, *s))));
        assert_eq!((tree.members().len(), tree.running()), (4, 3));
        assert_eq!(tree.members().iter().map(|m| m.parent_pid).collect::<Vec<_>>(), [50, 100, 101, 102]);
    }

    #[test]
    fn strangers_are_no_members() {
        let (root, stranger) = (task(ROOT, 2), task(200, 1));
        let tree = tree_of(&[
            exec(&root, 50),
            exec(&stranger, 50),
            fork(&stranger, &task(201, 3)),
            // The agent itself is the parent of the command, and of others.
            fork(&task(50, 0), &task(202, 4)),
            // A parent that is younger than its child only has the number of the real one.
            exec(&task(203, 1), ROOT),
        ]);
        assert_eq!(tree.members().len(), 1);
        assert!(!tree.has(&process(ROOT, 9)), "the number was used again");
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let (root, child, later) = (task(ROOT, 1), task(101, 2), task(101, 9));
        let tree = tree_of(&[exec(&root, 50), fork(&root, &child), exit(&child, ROOT, 3), exec(&later, 1)]);
        assert!(tree.has(&process(101, 2)) && !tree.has(&process(101, 9)));
        let ended = tree_of(&[exec(&root, 50), exit(&root, 50, 2), fork(&task(ROOT, 5), &task(300, 6))]);
        assert!(ended.root_has_ended() && !ended.has(&process(300, 6)));
    }

    #[test]
    fn a_lost_fork_is_recovered_from_the_parent() {
        let (root, child) = (task(ROOT, 1), task(101, 2));
        let tree = tree_of(&[exec(&root, 50), exec(&child, ROOT)]);
        assert!(tree.has(&process(101, 2)));
        let only_exit = tree_of(&[exec(&root, 50), exit(&child, ROOT, 3)]);
        assert_eq!((only_exit.members().len(), only_exit.running()), (2, 1));
    }

    #[test]
    fn usage_is_the_latest_and_the_end_is_counted_once() {
        let root = task(ROOT, 1);
        let late = Sample { time_ns: S, cpu_ns: Some(3), peak_rss: Some(9), ..Sample::default() };
        let sampled = Fact::Sampled { id: ProcessId::from_ticks(ROOT, root.id.start), sample: late };
        let tree = tree_of(&[exec(&root, 50), sampled.clone(), exit(&root, 50, 4), exit(&root, 50, 4), sampled]);
        let used = tree.root().map(|root| (root.used.cpu_ns, root.used.peak_rss, root.ended_ns));
        assert_eq!(used, Some((Some(7), Some(9), Some(4 * S))));
        assert_eq!(tree.running(), 0);
    }

    #[test]
    fn more_processes_than_have_room_are_members_too() {
        let root = task(ROOT, 1);
        let children: Vec<_> = (0..MAX_DETAILED as u32 + 10).map(|n| fork(&root, &task(1000 + n, 2))).collect();
        let facts: Vec<_> = std::iter::once(exec(&root, 50)).chain(children).collect();
        let tree = tree_of(&facts);
        assert_eq!((tree.members().len(), tree.without_details()), (MAX_DETAILED, 11));
        assert!(tree.has(&process(1000 + MAX_DETAILED as u32 + 9, 2)));
    }
}
