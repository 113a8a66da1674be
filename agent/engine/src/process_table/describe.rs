//! Describes a process at a time. A description is made once and shared until something changes.

use std::sync::Arc;

use pidflow_schema::Process;

use super::entry::Image;
use super::limits::MAX_ANCESTORS_BYTES;
use super::{Entry, ProcessTable, chain};
use crate::fact::ProcessId;
use crate::texts::cut;

/// Maximum number of ancestors in a record; chains to PID 1 are shorter on usual hosts.
const MAX_ANCESTORS: usize = 32;
/// An odd number without pattern (2^64 divided by the golden ratio), for mixing hashes.
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;

impl ProcessTable {
    /// The process as it was at the end of a flow, with its parents at the beginning, because a process often closes
    /// its connections after its parent has exited. None: the process is unknown. The same description is shared until
    /// it changes.
    #[must_use]
    pub fn describe(&mut self, id: ProcessId, first_ns: u64, last_ns: u64) -> Option<Arc<Process>> {
        let time = (first_ns, last_ns);
        let state = self.state_at(id, time);
        let entry = self.entries.get(&id)?;
        if let Some((_, process)) = entry.described.as_ref().filter(|(of, _)| *of == state) {
            return Some(Arc::clone(process));
        }
        let process = Arc::new(self.described_anew(id, entry, time));
        self.entries.get_mut(&id)?.described = Some((state, Arc::clone(&process)));
        Some(process)
    }

    /// Like [`Self::describe`] at one time, with an identity from any source.
    #[must_use]
    pub fn describe_known(&mut self, id: ProcessId, time_ns: u64) -> Option<Arc<Process>> {
        let id = self.resolve(id);
        self.describe(id, time_ns, time_ns)
    }

    /// A hash of everything in a description: the versions and images of the process and its ancestors, and the names
    /// of users and pods, and losses.
    fn state_at(&self, id: ProcessId, (first_ns, last_ns): (u64, u64)) -> u64 {
        let entries = std::iter::once(id).filter_map(|id| self.entries.get(&id)).chain(self.ancestors(id, first_ns));
        entries.fold(self.names_version, |state, entry| {
            let image = entry.image_at(last_ns).map_or(0, |i| i.since_ns);
            let parent = u64::from(entry.parent_at(first_ns).1);
            (state.rotate_left(23) ^ entry.version.wrapping_mul(MIXER) ^ image ^ (parent << 32)).wrapping_mul(MIXER)
        })
    }

    /// The entries of the ancestors, nearest first.
    fn ancestors(&self, of: ProcessId, time_ns: u64) -> impl Iterator<Item = &Entry> {
        self.ancestor_ids(of, time_ns).filter_map(|id| self.entries.get(&id))
    }

    fn ancestor_ids(&self, of: ProcessId, time_ns: u64) -> impl Iterator<Item = ProcessId> {
        let parent = move |id: &ProcessId| self.entries.get(id)?.parent_at(time_ns).0;
        std::iter::successors(parent(&of), parent).take(MAX_ANCESTORS)
    }

    fn described_anew(&self, id: ProcessId, entry: &Entry, (first_ns, last_ns): (u64, u64)) -> Process {
        let image = entry.image_at(last_ns);
        let program = image.filter(|i| !self.may_have_executed(i, last_ns));
        let parent = self.ancestors(id, first_ns).next().and_then(|p| p.image_at(last_ns));
        let uid = image.map_or(0, |i| i.uid);
        let text = |of: Option<&Arc<str>>| of.cloned().unwrap_or_default();
        let user = |uid: Option<u32>| uid.map(|uid| self.user(uid)).unwrap_or_default();
        let real_uid = image.and_then(|i| i.real_uid);
        Process {
            pid: id.pid,
            start_ns: entry.start_ns,
            name: text(image.map(|i| &i.name)),
            uid,
            user: self.user(uid),
            real_uid,
            real_user: user(real_uid),
            login: entry.login,
            login_user: user(entry.login.map(|l| l.uid)),
            inner_pid: entry.inner_pid,
            executable: text(program.map(|i| &i.executable)),
            is_deleted: program.is_some_and(|i| i.is_deleted),
            command_line: text(program.map(|i| &i.command_line)),
            placement: entry.placement.clone(),
            pod: self.pod(&entry.placement.container_id),
            container: self.containers.get(&entry.placement.container_id),
            service_name: text(program.map(|i| &i.service_name)),
            parent_pid: entry.parent_at(first_ns).1,
            parent_name: text(parent.map(|p| &p.name)),
            parent_uid: parent.map(|p| p.uid),
            parent_user: user(parent.map(|p| p.uid)),
            ancestors: self.chain(id, (first_ns, last_ns)),
        }
    }

    /// Whether the process may have executed another program by then, the event of which was lost.
    fn may_have_executed(&self, image: &Image, time_ns: u64) -> bool {
        image.copied_ns.is_some_and(|known_ns| self.losses.between(known_ns, time_ns))
    }

    /// The name of the process at a time.
    #[must_use]
    pub fn name(&self, id: ProcessId, time_ns: u64) -> Option<Arc<str>> {
        self.entries.get(&id)?.image_at(time_ns).map(|i| Arc::clone(&i.name))
    }

    fn user(&self, uid: u32) -> Arc<str> {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string().into())
    }

    fn chain(&self, of: ProcessId, (first_ns, last_ns): (u64, u64)) -> Arc<str> {
        let mut text = String::new();
        for id in self.ancestor_ids(of, first_ns) {
            let Some(entry) = self.entries.get(&id) else { break };
            chain::add(&mut text, entry.image_at(last_ns).map_or("?", |i| &i.name), id.pid);
        }
        cut(&text, MAX_ANCESTORS_BYTES).into()
    }
}
