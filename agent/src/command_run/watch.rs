//! What the pipeline tells of the command. The pipeline writes it, and the thread that waits for the command reads it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pidflow_engine::fact::{Fact, SocketUse};
use pidflow_schema::{FlowRecord, Process, ProcessEnd};

use super::traffic::{Ends, Traffic};
use super::tree::{Describe, Tree};

/// The command's processes and their traffic.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(super) tree: Tree,
    pub(super) traffic: Traffic,
}

/// Shared by its clones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Watched>>);

impl Watch {
    /// Watches the tree of a process that exists, by its number in facts.
    pub(crate) fn follow(&self, root_pid: u32) {
        self.lock().tree = Tree::new(root_pid);
    }

    /// Takes facts in their order, after they were applied to the process table.
    pub(crate) fn facts(&self, facts: &[Fact], describe: Describe<'_>) {
        let mut watched = self.lock();
        watched.tree.apply(facts, describe);
        for fact in facts {
            watched.note_listening(fact, describe);
        }
    }

    /// Takes records that leave the pipeline.
    pub(crate) fn records(&self, records: &[FlowRecord]) {
        let mut watched = self.lock();
        for record in records {
            watched.count(record);
        }
    }

    /// Number of processes of the command that have not ended.
    pub(crate) fn running(&self) -> usize {
        self.lock().tree.running()
    }

    /// Whether the end of the command's first process was reported.
    pub(crate) fn root_has_ended(&self) -> bool {
        self.lock().tree.root_has_ended()
    }

    /// All of it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn note_listening(&mut self, fact: &Fact, describe: Describe<'_>) {
        let Fact::Socket { time_ns, task, used: SocketUse::Listen, socket, .. } = fact else { return };
        if let Some(process) = describe(task.id, *time_ns).filter(|process| self.tree.has(process)) {
            self.traffic.listens(socket, &process.name, process.pid);
        }
    }

    fn count(&mut self, record: &FlowRecord) {
        let ends = Ends { source: self.member(&record.source), destination: self.member(&record.destination) };
        self.traffic.count(record, &ends);
        let (forward, reverse) = (record.flow.forward.octets, record.flow.reverse.octets);
        if let Some(process) = ends.source {
            self.tree.count(process, (forward, reverse));
        }
        if let Some(process) = ends.destination {
            self.tree.count(process, (reverse, forward));
        }
    }

    fn member<'a>(&self, end: &'a ProcessEnd) -> Option<&'a Process> {
        end.process.as_deref().filter(|process| self.tree.has(process))
    }
}
