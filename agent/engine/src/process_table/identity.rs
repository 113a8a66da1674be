//! Resolves identities of processes.

use super::ProcessTable;
use crate::fact::ProcessId;

impl ProcessTable {
    /// The identity by which the table identifies the process, now or once it is added.
    ///
    /// An identity from /proc has no time within its tick: it means the latest process with that PID and tick. A
    /// process first known from /proc gets its time within the tick from its first event; an event with another time is
    /// of another process.
    pub fn resolve(&mut self, id: ProcessId) -> ProcessId {
        let Some(exact) = id.start_in_tick_ns() else {
            return self.latest(id).unwrap_or(id);
        };
        if self.contains(id) {
            return id;
        }
        let Some(latest) = self.latest(id) else { return id };
        if latest.start_in_tick_ns().is_some() {
            return id;
        }
        let Some(entry) = self.entries.get_mut(&latest) else { return id };
        if *entry.start_in_tick_ns.get_or_insert(exact) == exact { latest } else { id }
    }

    /// The latest process with the PID, if it started in the same tick.
    fn latest(&self, id: ProcessId) -> Option<ProcessId> {
        self.by_pid.get(&id.pid).copied().filter(|latest| latest.start == id.start)
    }
}
