//! Who a process was at a time, made once and shared until something changes.

use std::sync::Arc;

use pidflow_schema::Process;

use super::limits::{MAX_ANCESTORS_BYTES, cut};
use super::{Entry, ProcessTable, chain};
use crate::fact::ProcessId;

/// Maximum number of ancestors in a record; chains to PID 1 are shorter on usual hosts.
const MAX_ANCESTORS: usize = 32;
/// An odd number without pattern (2^64 over the golden ratio).
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;

impl ProcessTable {
    /// Who the process was at `time_ns`; none: not known. The same description is shared until it changes.
    #[must_use]
    pub fn describe(&mut self, id: ProcessId, time_ns: u64) -> Option<Arc<Process>> {
        let state = self.state_at(id, time_ns);
        let entry = self.entries.get(&id)?;
        if let Some((_, process)) = entry.described.as_ref().filter(|(of, _)| *of == state) {
            return Some(Arc::clone(process));
        }
        let process = Arc::new(self.described_anew(id, entry, time_ns));
        self.entries.get_mut(&id)?.described = Some((state, Arc::clone(&process)));
        Some(process)
    }

    /// A number for all that a description is made of: the versions and images of the process and its ancestors, and the
    /// names of users and pods.
    fn state_at(&self, id: ProcessId, time_ns: u64) -> u64 {
        let entries = std::iter::once(id).filter_map(|id| self.entries.get(&id)).chain(self.ancestors(id));
        entries.fold(self.names_version, |state, entry| {
            let image = entry.image_at(time_ns).map_or(0, |i| i.since_ns);
            (state.rotate_left(23) ^ entry.version.wrapping_mul(MIXER) ^ image).wrapping_mul(MIXER)
        })
    }

    /// The entries of the ancestors, nearest first.
    fn ancestors(&self, of: ProcessId) -> impl Iterator<Item = &Entry> {
        self.ancestor_ids(of).filter_map(|id| self.entries.get(&id))
    }

    fn ancestor_ids(&self, of: ProcessId) -> impl Iterator<Item = ProcessId> {
        let parent = |id: &ProcessId| self.entries.get(id)?.parent;
        std::iter::successors(parent(&of), parent).take(MAX_ANCESTORS)
    }

    fn described_anew(&self, id: ProcessId, entry: &Entry, time_ns: u64) -> Process {
        let image = entry.image_at(time_ns);
        let parent = self.ancestors(id).next().and_then(|p| p.image_at(time_ns));
        let uid = image.map_or(0, |i| i.uid);
        let text = |of: Option<&Arc<str>>| of.cloned().unwrap_or_default();
        Process {
            pid: id.pid,
            start_ns: entry.start_ns,
            name: text(image.map(|i| &i.name)),
            uid,
            user: self.user(uid),
            executable: text(image.map(|i| &i.executable)),
            command_line: text(image.map(|i| &i.command_line)),
            container_id: Arc::clone(&entry.container_id),
            pod: self.pods.get(&*entry.container_id).cloned(),
            parent_pid: entry.parent_pid,
            parent_name: text(parent.map(|p| &p.name)),
            parent_uid: parent.map(|p| p.uid),
            parent_user: parent.map(|p| self.user(p.uid)).unwrap_or_default(),
            ancestors: self.chain(id, time_ns),
        }
    }

    /// The name alone.
    #[must_use]
    pub fn name(&self, id: ProcessId, time_ns: u64) -> Option<Arc<str>> {
        self.entries.get(&id)?.image_at(time_ns).map(|i| Arc::clone(&i.name))
    }

    fn user(&self, uid: u32) -> Arc<str> {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string().into())
    }

    fn chain(&self, of: ProcessId, time_ns: u64) -> Arc<str> {
        let mut text = String::new();
        for id in self.ancestor_ids(of) {
            let Some(entry) = self.entries.get(&id) else { break };
            chain::add(&mut text, entry.image_at(time_ns).map_or("?", |i| &i.name), id.pid);
        }
        cut(&text, MAX_ANCESTORS_BYTES).into()
    }
}
