//! Who ran, as whose child, under which names, and what it used.
//!
//! Keyed by (PID, start time). An ended process stays while a flow can still refer to it and while it has
//! children in the table: a parent chain survives the parents.

mod iowait;
mod samples;
mod told;

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use foldhash::fast::RandomState;
use pidflow_schema::{Pod, Process, ProcessUsage};

use crate::fact::{ProcessId, ProcessSeen, Sample, Task};
use samples::Samples;
use told::Told;
pub use told::Usage;

/// `TASK_COMM_LEN` - 1: a comm of this length may have been cut.
const COMM_CUT: usize = 15;
/// Programs that a process became which are remembered.
const IMAGES: usize = 4;
/// Parents in a chain at the most; PID 1 is nearer on any sane host.
const CHAIN: usize = 32;

/// The program that a process was from some time on.
#[derive(Debug, Clone)]
struct Image {
    since_ns: u64,
    comm: Box<str>,
    executable: Box<str>,
    command_line: Box<str>,
}

#[derive(Debug)]
struct Entry {
    start_ns: u64,
    uid: u32,
    parent: Option<ProcessId>,
    parent_pid: u32,
    container_id: Arc<str>,
    images: Vec<Image>,
    samples: Samples,
    told: Told,
    /// When it was first heard of.
    known_ns: u64,
    exited_ns: Option<u64>,
    seen_ns: u64,
    children: u32,
}

/// The table.
#[derive(Debug, Default)]
pub struct ProcessTable {
    entries: HashMap<ProcessId, Entry, RandomState>,
    /// The process that has a PID now, or had it last.
    by_pid: HashMap<u32, ProcessId, RandomState>,
    users: HashMap<u32, Arc<str>>,
    /// By container id.
    pods: HashMap<Box<str>, Arc<Pod>, RandomState>,
}

impl ProcessTable {
    /// Processes held, ended ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the process is known.
    #[must_use]
    pub fn contains(&self, id: ProcessId) -> bool {
        self.entries.contains_key(&id)
    }

    /// Replaces the user names.
    pub fn set_users(&mut self, users: HashMap<u32, Arc<str>>) {
        self.users = users;
    }

    /// Replaces the pods, but for those of containers of which a process is known: a flow may still refer to it.
    pub fn set_pods(&mut self, pods: &HashMap<Box<str>, Arc<Pod>>) {
        let held: HashSet<&str> = self.entries.values().map(|e| &*e.container_id).collect();
        self.pods.retain(|id, _| held.contains(&**id));
        self.pods.extend(pods.iter().map(|(id, pod)| (id.clone(), Arc::clone(pod))));
    }

    /// A process was forked: until it execs it is its parent's copy.
    pub fn forked(&mut self, time_ns: u64, child: &Task, parent: &Task) {
        self.seen(time_ns, parent, 0);
        let copied = self.entries.get(&parent.id).map(|p| (p.images.last().cloned(), p.container_id.clone()));
        self.seen(time_ns, child, parent.id.pid);
        self.set_parent(child.id, parent.id);
        let (Some((image, container)), Some(entry)) = (copied, self.entries.get_mut(&child.id)) else { return };
        entry.container_id = container;
        if let (Some(image), Some(own)) = (image, entry.images.last_mut()) {
            own.executable = image.executable;
            own.command_line = image.command_line;
        }
    }

    /// A process became another program.
    pub fn execed(&mut self, time_ns: u64, task: &Task, parent_pid: u32, image: (&str, &str)) {
        if !self.contains(task.id) {
            self.insert(time_ns, task, parent_pid);
        }
        let Some(entry) = self.entries.get_mut(&task.id) else { return };
        (entry.uid, entry.seen_ns) = (task.uid, time_ns);
        entry.images.push(Image {
            since_ns: time_ns,
            comm: task.comm.clone(),
            executable: image.0.into(),
            command_line: image.1.into(),
        });
        if entry.images.len() > IMAGES {
            entry.images.remove(0);
        }
    }

    /// A process ended.
    pub fn exited(&mut self, task: &Task, parent_pid: u32, sample: Sample) {
        self.seen(sample.time_ns, task, parent_pid);
        if let Some(entry) = self.entries.get_mut(&task.id) {
            entry.exited_ns = Some(sample.time_ns);
            entry.samples.push(sample);
        }
    }

    /// /proc described a process.
    pub fn described(&mut self, seen: &ProcessSeen) {
        self.seen(seen.time_ns, &seen.task, seen.parent_pid);
        let Some(entry) = self.entries.get_mut(&seen.task.id) else { return };
        entry.uid = seen.task.uid;
        entry.container_id = (*seen.container_id).into();
        let Some(image) = entry.images.last_mut() else { return };
        image.comm = seen.task.comm.clone();
        // A process that began to exec is seen with its old image or none: an event knows better then.
        if !seen.executable.is_empty() {
            image.executable = seen.executable.clone();
        }
        if !seen.command_line.is_empty() {
            image.command_line = seen.command_line.clone();
        }
    }

    /// A process did something: makes it known, and its name and user current.
    pub fn seen(&mut self, time_ns: u64, task: &Task, parent_pid: u32) {
        if let Some(entry) = self.entries.get_mut(&task.id) {
            entry.uid = task.uid;
            entry.seen_ns = entry.seen_ns.max(time_ns);
            if let Some(image) = entry.images.last_mut().filter(|i| i.comm != task.comm) {
                image.comm = task.comm.clone();
            }
        } else {
            self.insert(time_ns, task, parent_pid);
        }
    }

    /// Links processes to parents that became known after them: /proc is not in order of descent.
    pub fn link_parents(&mut self) {
        let orphans = self.entries.iter().filter(|(_, e)| e.parent.is_none() && e.parent_pid != 0);
        let links: Vec<_> = orphans.filter_map(|(&id, e)| Some((id, *self.by_pid.get(&e.parent_pid)?))).collect();
        for (child, parent) in links {
            self.set_parent(child, parent);
        }
    }

    fn insert(&mut self, time_ns: u64, task: &Task, parent_pid: u32) {
        let image = Image {
            since_ns: task.start_ns.min(time_ns),
            comm: task.comm.clone(),
            executable: "".into(),
            command_line: "".into(),
        };
        let entry = Entry {
            start_ns: task.start_ns,
            uid: task.uid,
            parent: None,
            parent_pid,
            container_id: "".into(),
            images: vec![image],
            samples: Samples::since(task.start_ns),
            told: Told::default(),
            known_ns: time_ns,
            exited_ns: None,
            seen_ns: time_ns,
            children: 0,
        };
        self.entries.insert(task.id, entry);
        self.by_pid.insert(task.id.pid, task.id);
        if let Some(&parent) = self.by_pid.get(&parent_pid) {
            self.set_parent(task.id, parent);
        }
    }

    fn set_parent(&mut self, child: ProcessId, parent: ProcessId) {
        let Some(entry) = self.entries.get_mut(&child) else { return };
        // The parent of a process is older; a PID that came back is not it.
        if child == parent || parent.start > child.start || entry.parent == Some(parent) {
            return;
        }
        let before = entry.parent.replace(parent);
        entry.parent_pid = parent.pid;
        self.count_child(parent, 1);
        if let Some(before) = before {
            self.count_child(before, -1);
        }
    }

    fn count_child(&mut self, parent: ProcessId, by: i32) {
        if let Some(entry) = self.entries.get_mut(&parent) {
            entry.children = entry.children.saturating_add_signed(by);
        }
    }

    /// Adds a sample of a process's usage.
    pub fn sampled(&mut self, id: ProcessId, sample: Sample) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.samples.push(sample);
        }
    }

    /// Who the process was at `time_ns`; none: not known.
    #[must_use]
    pub fn describe(&self, id: ProcessId, time_ns: u64) -> Option<Arc<Process>> {
        let entry = self.entries.get(&id)?;
        let image = image_at(entry, time_ns);
        let parent = entry.parent.and_then(|p| Some((p, self.entries.get(&p)?)));
        Some(Arc::new(Process {
            pid: id.pid,
            start_ns: entry.start_ns,
            name: image.map_or_else(|| "".into(), name),
            uid: entry.uid,
            user: self.user(entry.uid),
            executable: image.map_or_else(|| "".into(), |i| Arc::from(&*i.executable)),
            command_line: image.map_or_else(|| "".into(), |i| Arc::from(&*i.command_line)),
            container_id: entry.container_id.clone(),
            pod: self.pods.get(&*entry.container_id).cloned(),
            parent_pid: entry.parent_pid,
            parent_name: parent.and_then(|(_, p)| image_at(p, time_ns)).map_or_else(|| "".into(), name),
            parent_uid: parent.map(|(_, p)| p.uid),
            parent_user: parent.map_or_else(|| "".into(), |(_, p)| self.user(p.uid)),
            ancestors: self.ancestors(entry.parent, time_ns),
        }))
    }

    /// The name alone.
    #[must_use]
    pub fn name(&self, id: ProcessId, time_ns: u64) -> Option<Arc<str>> {
        self.entries.get(&id).and_then(|e| image_at(e, time_ns)).map(name)
    }

    /// What the process used between `first_ns` and `last_ns`; none: no sample of it.
    #[must_use]
    pub fn usage(&self, id: ProcessId, first_ns: u64, last_ns: u64) -> Option<ProcessUsage> {
        self.entries.get(&id)?.samples.usage(first_ns, last_ns)
    }

    fn user(&self, uid: u32) -> Arc<str> {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string().into())
    }

    fn ancestors(&self, from: Option<ProcessId>, time_ns: u64) -> Arc<str> {
        let mut chain = String::new();
        let mut next = from;
        for _ in 0..CHAIN {
            let Some((id, entry)) = next.and_then(|id| Some((id, self.entries.get(&id)?))) else { break };
            let separator = if chain.is_empty() { "" } else { "<" };
            let name = image_at(entry, time_ns).map_or_else(|| "?".into(), name);
            // Writing to a String does not fail.
            let _ = write!(chain, "{separator}{name}({})", id.pid);
            next = entry.parent;
        }
        chain.into()
    }

    /// A complete poll that began at `begun_ns` is done: processes that it did not show have ended.
    pub fn polled(&mut self, begun_ns: u64) {
        for entry in self.entries.values_mut().filter(|e| e.exited_ns.is_none() && e.seen_ns < begun_ns) {
            entry.exited_ns = Some(entry.seen_ns);
        }
    }

    /// Forgets processes that ended before `before_ns` and have no children left in the table.
    pub fn expire(&mut self, before_ns: u64) {
        loop {
            let gone: Vec<_> =
                self.entries.iter().filter(|(_, e)| is_over(e, before_ns)).map(|(&id, e)| (id, e.parent)).collect();
            if gone.is_empty() {
                return;
            }
            for (id, parent) in gone {
                self.remove(id, parent);
            }
        }
    }

    fn remove(&mut self, id: ProcessId, parent: Option<ProcessId>) {
        self.entries.remove(&id);
        if self.by_pid.get(&id.pid) == Some(&id) {
            self.by_pid.remove(&id.pid);
        }
        if let Some(parent) = parent {
            self.count_child(parent, -1);
        }
    }
}

fn is_over(entry: &Entry, before_ns: u64) -> bool {
    entry.children == 0 && entry.exited_ns.is_some_and(|t| t < before_ns)
}

/// The latest image that began by then; the oldest when all began later.
fn image_at(entry: &Entry, time_ns: u64) -> Option<&Image> {
    let begun = entry.images.iter().rev().find(|i| i.since_ns <= time_ns);
    begun.or_else(|| entry.images.first())
}

/// The comm, or the executable's base name where the kernel cut it short.
fn name(image: &Image) -> Arc<str> {
    let base = image.executable.rsplit('/').next().unwrap_or_default();
    let cut = image.comm.len() >= COMM_CUT && base.len() > image.comm.len() && base.starts_with(&*image.comm);
    if cut { base.into() } else { (*image.comm).into() }
}

#[cfg(test)]
mod tests;
