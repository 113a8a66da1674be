//! Processes whose parent ends become another one's children: init's, or a subreaper's (prctl(2)).

use super::entry::Adoption;
use super::{Entry, ProcessTable};
use crate::fact::ProcessId;

/// Adoptions of one process that are remembered: after that many its parents do not change any more.
const MAX_ADOPTIONS: usize = 4;

impl ProcessTable {
    /// At `time_ns` the process was a child of the one with this number; 0: not known.
    pub(super) fn is_child_of(&mut self, child: ProcessId, parent_pid: u32, time_ns: u64) {
        let Some(entry) = self.entries.get(&child) else { return };
        let (parent, known_pid) = entry.parent_at(u64::MAX);
        if parent_pid == 0 || parent_pid == known_pid || entry.adopted.len() >= MAX_ADOPTIONS {
            return;
        }
        let Some(&new) = self.by_pid.get(&parent_pid) else { return };
        // What is told late, as a failed connect is, may name the parent that has ended meanwhile.
        let ended_ns = |id: ProcessId| self.entries.get(&id).and_then(|e| e.exited_ns);
        if ended_ns(new).is_some_and(|t| t <= time_ns) || new.start > child.start || new == child {
            return;
        }
        let since_ns = parent.and_then(ended_ns).filter(|t| *t <= time_ns).unwrap_or(entry.changed_since(time_ns));
        self.change(child, |entry: &mut Entry| entry.adopted.push(Adoption { since_ns, parent: new }));
        self.count_child(new, 1);
    }
}
