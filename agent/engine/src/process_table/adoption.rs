//! Processes whose parent exits become children of another process: init or a subreaper (prctl(2)).

use super::entry::Adoption;
use super::{Entry, ProcessTable};
use crate::fact::ProcessId;

/// The greatest number of adoptions kept per process; further ones are ignored.
const MAX_ADOPTIONS: usize = 4;

impl ProcessTable {
    /// Notes that at `time_ns` the process was a child of the process with this PID; 0: unknown.
    pub(super) fn is_child_of(&mut self, child: ProcessId, parent_pid: u32, time_ns: u64) {
        let Some(entry) = self.entries.get(&child) else { return };
        let (parent, known_pid) = entry.parent_at(u64::MAX);
        if parent_pid == 0 || parent_pid == known_pid || entry.adopted.len() >= MAX_ADOPTIONS {
            return;
        }
        let Some(&new) = self.by_pid.get(&parent_pid) else { return };
        // An event reported late, such as a failed connect, may contain a parent that has exited since.
        let ended_ns = |id: ProcessId| self.entries.get(&id).and_then(|e| e.exited_ns);
        if ended_ns(new).is_some_and(|t| t <= time_ns) || new.start > child.start || new == child {
            return;
        }
        let since_ns = parent.and_then(ended_ns).filter(|t| *t <= time_ns).unwrap_or(entry.changed_since(time_ns));
        self.change(child, |entry: &mut Entry| entry.adopted.push(Adoption { since_ns, parent: new }));
        self.count_child(new, 1);
    }
}
