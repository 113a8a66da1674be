//! Processes: identity, parents, names over time, and resource usage.
//!
//! The key is (PID, start time). An ended process is kept while a flow can still refer to it and while it has children
//! in the table, so that chains of ancestors outlive them.

mod adoption;
mod chain;
mod containers;
mod describe;
mod entry;
mod expiry;
mod from_proc;
mod identity;
mod inheritance;
mod iowait;
pub mod limits;
mod names;
mod samples;
mod usage_report;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use pidflow_schema::{Pod, ProcessUsage};

use crate::fact::{Executable, Lost, ProcessId, Sample, Task};
use crate::losses::Losses;
use crate::texts::{Texts, cut};
use containers::Containers;
use entry::{Entry, Image};
use inheritance::Movers;
use limits::{DEFAULT_COMMAND_LINE_BYTES, MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_PROCESS_BYTES};
pub use usage_report::Usage;

/// Pods by the ids of their containers.
type PodsByContainer = HashMap<Box<str>, Arc<Pod>, RandomState>;

/// The table.
#[derive(Debug)]
pub struct ProcessTable {
    entries: HashMap<ProcessId, Entry, RandomState>,
    /// The process that has a PID now or had it last.
    by_pid: HashMap<u32, ProcessId, RandomState>,
    users: HashMap<u32, Arc<str>>,
    linked_pods: PodsByContainer,
    /// What is known of pods beyond their names comes later than the links, but counts more.
    described_pods: PodsByContainer,
    containers: Containers,
    texts: Texts,
    movers: Movers,
    max_command_line_bytes: usize,
    /// Maximum memory of the table.
    max_bytes: usize,
    /// Periods in which an exec may be unseen.
    losses: Losses,
    /// Changes whenever users, pods or losses change.
    names_version: u64,
    /// The last version given to an entry.
    last_version: u64,
    /// Memory of the entries without their texts, bytes.
    entry_bytes: usize,
    /// Whether samples were thinned since the latest expiry.
    has_thinned: bool,
    dropped: u64,
}

impl Default for ProcessTable {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
            by_pid: HashMap::default(),
            users: HashMap::default(),
            linked_pods: HashMap::default(),
            described_pods: HashMap::default(),
            containers: Containers::default(),
            texts: Texts::default(),
            movers: Movers::default(),
            losses: Losses::default(),
            max_command_line_bytes: DEFAULT_COMMAND_LINE_BYTES,
            max_bytes: MAX_PROCESS_BYTES,
            names_version: 0,
            last_version: 0,
            entry_bytes: 0,
            has_thinned: false,
            dropped: 0,
        }
    }
}

impl ProcessTable {
    /// Keeps no more than this of each command line, bytes.
    pub const fn limit_command_lines(&mut self, max_bytes: usize) {
        self.max_command_line_bytes = max_bytes;
    }

    /// Limits the memory of processes, their samples and their texts, bytes.
    pub const fn limit_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Number of processes in the table, including ended ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the table has no processes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the process is known.
    #[must_use]
    pub fn contains(&self, id: ProcessId) -> bool {
        self.entries.contains_key(&id)
    }

    /// Number of processes, command lines, users and pods that were dropped because there was no room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Notes that events of this period were lost.
    pub fn lost(&mut self, what: Lost, from_ns: u64, until_ns: u64) {
        if what == Lost::Anything {
            self.losses.note(from_ns, until_ns);
            self.names_version = self.names_version.wrapping_add(1);
        }
    }

    /// Applies a fork. Until its exec the child is a copy of its parent.
    pub fn forked(&mut self, time_ns: u64, child: &Task, parent: &Task) {
        let parent_id = self.seen(time_ns, parent, 0);
        let copied = self.entries.get(&parent_id).map(|p| (p.images.last().cloned(), self.inherited_from(p)));
        let child_id = self.seen(time_ns, child, parent.id.pid);
        self.set_parent(child_id, parent_id);
        let Some((Some(image), inherited)) = copied else { return };
        let new = self.successor(&image, (0, child.uid), &child.comm, time_ns);
        self.change(child_id, |entry| {
            entry.inherit(inherited);
            if let Some(own) = entry.images.last_mut() {
                *own = Image { since_ns: own.since_ns, ..new };
            }
        });
    }

    /// Applies an exec.
    pub fn execed(&mut self, time_ns: u64, task: &Task, parent_pid: u32, image: (&Executable, &str)) {
        let id = self.resolve(task.id);
        if !self.contains(id) {
            self.insert(id, time_ns, task, parent_pid);
        }
        self.is_child_of(id, parent_pid, time_ns);
        let real_uid = self.entries.get(&id).and_then(|e| e.images.last()?.real_uid_with(task.uid));
        let new = self.image((time_ns, task.uid), &task.comm, &image.0.path, image.1);
        let new = Image { real_uid, is_deleted: image.0.is_deleted, ..new };
        self.change(id, |entry| {
            entry.seen_ns = entry.seen_ns.max(time_ns);
            entry.become_image(new);
        });
    }

    /// Applies an exit. Returns the identity of the process in the table.
    pub fn exited(&mut self, task: &Task, parent_pid: u32, sample: Sample) -> ProcessId {
        let id = self.seen(sample.time_ns, task, parent_pid);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.exited_ns = Some(sample.time_ns);
        }
        self.add_sample(id, sample);
        id
    }

    /// Adds or updates a process seen in an event, with its name and user. Returns its identity in the table.
    pub fn seen(&mut self, time_ns: u64, task: &Task, parent_pid: u32) -> ProcessId {
        let id = self.resolve(task.id);
        let Some(entry) = self.entries.get(&id) else {
            self.insert(id, time_ns, task, parent_pid);
            return id;
        };
        let comm = cut(&task.comm, MAX_NAME_BYTES);
        let is_same = |i: &Image| (i.uid == task.uid && *i.comm == *comm) || i.since_ns > time_ns;
        let is_renamed = !entry.images.last().is_some_and(is_same);
        self.is_child_of(id, parent_pid, time_ns);
        if is_renamed {
            self.rename(id, task, time_ns);
        } else if let Some(entry) = self.entries.get_mut(&id) {
            entry.seen_ns = entry.seen_ns.max(time_ns);
        }
        id
    }

    /// Applies a change of name or user since the process was seen last (prctl, setuid).
    fn rename(&mut self, id: ProcessId, task: &Task, time_ns: u64) {
        let Some(entry) = self.entries.get(&id) else { return };
        let (since_ns, unchanged_ns) = (entry.renamed_since(time_ns), entry.seen_ns.max(entry.known_ns));
        let Some(before) = entry.images.last().cloned() else { return };
        let new = self.successor(&before, (since_ns, task.uid), &task.comm, unchanged_ns);
        self.change(id, |entry| {
            entry.seen_ns = entry.seen_ns.max(time_ns);
            entry.become_image(new);
        });
    }

    /// An image of the same program with another name or user. The program is known up to `known_ns`.
    fn successor(&mut self, of: &Image, (since_ns, uid): (u64, u32), comm: &str, known_ns: u64) -> Image {
        let new = self.image((since_ns, uid), comm, &of.executable, &of.command_line);
        let real_uid = if uid == of.uid { of.real_uid } else { None };
        let (is_deleted, service_name) = (of.is_deleted, Arc::clone(&of.service_name));
        Image { real_uid, is_deleted, service_name, copied_ns: Some(of.copied_ns.unwrap_or(known_ns)), ..new }
    }

    /// An image with bounded and shared texts. A full table has no room for another command line.
    fn image(&mut self, (since_ns, uid): (u64, u32), comm: &str, executable: &str, command_line: &str) -> Image {
        let is_dropped = self.is_full() && !command_line.is_empty();
        self.dropped += u64::from(is_dropped);
        let command_line = if is_dropped { "" } else { command_line };
        Image {
            since_ns,
            uid,
            real_uid: None,
            is_deleted: false,
            copied_ns: None,
            comm: self.texts.share(comm, MAX_NAME_BYTES),
            executable: self.texts.share(executable, MAX_PATH_BYTES),
            command_line: self.texts.share(command_line, self.max_command_line_bytes),
            service_name: Arc::default(),
            name: self.texts.share(Image::name_of(comm, executable), MAX_NAME_BYTES),
        }
    }

    /// Links processes to parents that became known later, because /proc is not in order of descent.
    pub fn link_parents(&mut self) {
        let orphans = self.entries.iter().filter(|(_, e)| e.parent.is_none() && e.parent_pid != 0);
        let links: Vec<_> = orphans.filter_map(|(&id, e)| Some((id, *self.by_pid.get(&e.parent_pid)?))).collect();
        for (child, parent) in links {
            self.set_parent(child, parent);
        }
    }

    fn insert(&mut self, id: ProcessId, time_ns: u64, task: &Task, parent_pid: u32) {
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        let image = self.image((task.start_ns.min(time_ns), task.uid), &task.comm, "", "");
        let entry = Entry::new(time_ns, task, parent_pid, image);
        self.entry_bytes += entry.bytes();
        self.entries.insert(id, entry);
        self.change(id, |_| ());
        self.by_pid.insert(id.pid, id);
        if let Some(&parent) = self.by_pid.get(&parent_pid) {
            self.set_parent(id, parent);
        }
    }

    /// Changes an entry in a way that records show.
    fn change(&mut self, id: ProcessId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(&id) {
            self.last_version += 1;
            entry.version = self.last_version;
            change(entry);
        }
    }

    fn set_parent(&mut self, child: ProcessId, parent: ProcessId) {
        let Some(entry) = self.entries.get(&child) else { return };
        // The parent of a process is older; a reused PID is not the parent.
        if child == parent || parent.start > child.start || entry.parent == Some(parent) {
            return;
        }
        let before = entry.parent;
        self.change(child, |entry| (entry.parent, entry.parent_pid) = (Some(parent), parent.pid));
        self.count_child(parent, 1);
        if let Some(before) = before {
            self.count_child(before, -1);
        }
        self.learn_from(child);
    }

    fn count_child(&mut self, parent: ProcessId, by: i32) {
        if let Some(entry) = self.entries.get_mut(&parent) {
            entry.children = entry.children.saturating_add_signed(by);
        }
    }

    /// Adds a sample of a process's usage.
    pub fn sampled(&mut self, id: ProcessId, sample: Sample) {
        let id = self.resolve(id);
        self.add_sample(id, sample);
    }

    /// Like [`ProcessTable::sampled`], with an identity already resolved.
    pub(crate) fn add_sample(&mut self, id: ProcessId, sample: Sample) {
        if let Some(entry) = self.entries.get_mut(&id) {
            let before = entry.samples.bytes();
            entry.samples.push(sample);
            self.entry_bytes += entry.samples.bytes().saturating_sub(before);
        }
    }

    /// Usage of the process between `first_ns` and `last_ns`; none: there is no sample.
    #[must_use]
    pub fn usage(&self, id: ProcessId, first_ns: u64, last_ns: u64) -> Option<ProcessUsage> {
        self.entries.get(&id)?.samples.usage(first_ns, last_ns)
    }
}

#[cfg(test)]
mod tests;
