//! The table's entry of one process.

use std::sync::Arc;

use pidflow_schema::{Login, Placement, Process};

use super::samples::Samples;
use super::usage_report::UsageReported;
use crate::fact::{ProcessId, Task};

/// `TASK_COMM_LEN` - 1: a comm of this length may have been cut.
const COMM_CUT: usize = 15;
/// States of a process that are remembered.
const MAX_IMAGES: usize = 8;
/// How long after its packet an event may be reported.
const EVENT_DELAY_NS: u64 = 5_000_000;
/// Share of the maps that hold an entry.
const MAP_BYTES: usize = 80;

/// The program, name and user that a process had from some time on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Image {
    pub(super) since_ns: u64,
    /// Effective user id.
    pub(super) uid: u32,
    /// Real user id; none: not known.
    pub(super) real_uid: Option<u32>,
    pub(super) comm: Arc<str>,
    pub(super) executable: Arc<str>,
    /// The executable's file was seen to be deleted.
    pub(super) is_deleted: bool,
    pub(super) command_line: Arc<str>,
    /// The comm, or the executable's base name where the kernel cut it short.
    pub(super) name: Arc<str>,
}

impl Image {
    /// The real user id of the program that follows, whose effective one is `uid`. A process that has two users may have
    /// changed the real one without an event; a process of one user has no other to change to.
    pub(super) fn real_uid_with(&self, uid: u32) -> Option<u32> {
        self.real_uid.filter(|&real| real == self.uid && real == uid)
    }

    /// The name that an image with this comm and executable has.
    pub(super) fn name_of<'a>(comm: &'a str, executable: &'a str) -> &'a str {
        let base = executable.rsplit('/').next().unwrap_or_default();
        let is_cut = comm.len() >= COMM_CUT && base.len() > comm.len() && base.starts_with(comm);
        if is_cut { base } else { comm }
    }
}

/// A process became another one's child: its parent ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adoption {
    pub(super) since_ns: u64,
    pub(super) parent: ProcessId,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) start_ns: u64,
    /// Of a process known from /proc first: what an event said since.
    pub(super) start_in_tick_ns: Option<u32>,
    /// Whose child it was when it was heard of first.
    pub(super) parent: Option<ProcessId>,
    pub(super) parent_pid: u32,
    /// Whose child it is since its parent ended, each with the time; mostly empty.
    pub(super) adopted: Vec<Adoption>,
    pub(super) placement: Placement,
    /// Whether the placement was read of this process itself.
    pub(super) is_placed: bool,
    pub(super) login: Option<Login>,
    /// PID in the innermost PID namespace; none: not known.
    pub(super) inner_pid: Option<u32>,
    pub(super) images: Vec<Image>,
    pub(super) samples: Samples,
    pub(super) told: UsageReported,
    /// When it was first reported.
    pub(super) known_ns: u64,
    pub(super) exited_ns: Option<u64>,
    pub(super) seen_ns: u64,
    pub(super) children: u32,
    /// Differs between any two states of any processes, as far as records show them.
    pub(super) version: u64,
    /// The latest description, and what it was made of.
    pub(super) described: Option<(u64, Arc<Process>)>,
}

impl Entry {
    pub(super) fn new(time_ns: u64, task: &Task, parent_pid: u32, image: Image) -> Self {
        Self {
            start_ns: task.start_ns,
            start_in_tick_ns: None,
            parent: None,
            parent_pid,
            adopted: Vec::new(),
            placement: Placement::default(),
            is_placed: false,
            login: None,
            inner_pid: None,
            images: vec![image],
            samples: Samples::since(task.start_ns),
            told: UsageReported::default(),
            known_ns: time_ns,
            exited_ns: None,
            seen_ns: time_ns,
            children: 0,
            version: 0,
            described: None,
        }
    }

    /// From now on it is this program.
    pub(super) fn become_image(&mut self, image: Image) {
        self.images.push(image);
        if self.images.len() > MAX_IMAGES {
            self.images.remove(0);
        }
    }

    /// When a change began that was seen at `time_ns`: the process was seen without it before, and the packets of the event
    /// that shows it may have arrived a little earlier.
    pub(super) fn changed_since(&self, time_ns: u64) -> u64 {
        let unseen_ns = time_ns.saturating_sub(self.seen_ns.max(self.known_ns));
        time_ns - (unseen_ns / 2).min(EVENT_DELAY_NS)
    }

    /// The latest image that began by then; the oldest when all began later.
    pub(super) fn image_at(&self, time_ns: u64) -> Option<&Image> {
        let begun = self.images.iter().rev().find(|i| i.since_ns <= time_ns);
        begun.or_else(|| self.images.first())
    }

    /// Its parent at that time, and that one's number.
    pub(super) fn parent_at(&self, time_ns: u64) -> (Option<ProcessId>, u32) {
        let adoption = self.adopted.iter().rev().find(|a| a.since_ns <= time_ns);
        adoption.map_or((self.parent, self.parent_pid), |a| (Some(a.parent), a.parent.pid))
    }

    /// All that it counts as a child of.
    pub(super) fn parents(&self) -> impl Iterator<Item = ProcessId> {
        self.parent.into_iter().chain(self.adopted.iter().map(|a| a.parent))
    }

    pub(super) fn is_over(&self, before_ns: u64) -> bool {
        self.children == 0 && self.exited_ns.is_some_and(|t| t < before_ns)
    }

    /// Memory that it takes without its texts, which others may share.
    pub(super) fn bytes(&self) -> usize {
        let described = self.described.as_ref().map_or(0, |(_, p)| size_of::<Process>() + p.ancestors.len());
        size_of::<Self>()
            + MAP_BYTES
            + self.images.capacity() * size_of::<Image>()
            + self.adopted.capacity() * size_of::<Adoption>()
            + self.samples.bytes()
            + described
    }
}
