//! The table's entry of one process.

use std::sync::Arc;

use pidflow_schema::{Login, Placement, Process};

use super::samples::Samples;
use super::usage_report::UsageReported;
use crate::fact::{ProcessId, Task};

/// `TASK_COMM_LEN` - 1: the kernel may have cut a comm of this length.
const COMM_CUT: usize = 15;
/// The greatest number of images kept per process.
const MAX_IMAGES: usize = 8;
/// How long after its packet an event may be reported, nanoseconds.
const EVENT_DELAY_NS: u64 = 5_000_000;
/// Memory per entry of the maps that contain it, bytes.
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
    /// Whether the executable's file was seen to be deleted.
    pub(super) is_deleted: bool,
    pub(super) command_line: Arc<str>,
    /// The service that the environment names; empty: none, or not known.
    pub(super) service_name: Arc<str>,
    /// The program is copied from an image of before, because no exec was reported since that time; none: it was reported
    /// or read.
    pub(super) copied_ns: Option<u64>,
    /// The comm, or the executable's base name if the kernel cut the comm.
    pub(super) name: Arc<str>,
}

impl Image {
    /// The real user id after an exec with the effective user id `uid`. A process with different real and effective ids
    /// may have changed the real one without an event; with equal ids it cannot.
    pub(super) fn real_uid_with(&self, uid: u32) -> Option<u32> {
        self.real_uid.filter(|&real| real == self.uid && real == uid)
    }

    /// The name of an image with this comm and executable.
    pub(super) fn name_of<'a>(comm: &'a str, executable: &'a str) -> &'a str {
        let base = executable.rsplit('/').next().unwrap_or_default();
        let is_cut = comm.len() >= COMM_CUT && base.len() > comm.len() && base.starts_with(comm);
        if is_cut { base } else { comm }
    }
}

/// A change of parent, because the previous one exited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adoption {
    pub(super) since_ns: u64,
    pub(super) parent: ProcessId,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) start_ns: u64,
    /// For a process first known from /proc: its start time within the tick, from a later event.
    pub(super) start_in_tick_ns: Option<u32>,
    /// Its parent when it was first reported.
    pub(super) parent: Option<ProcessId>,
    pub(super) parent_pid: u32,
    /// Its parents after the first one exited, each with the time; mostly empty.
    pub(super) adopted: Vec<Adoption>,
    pub(super) placement: Placement,
    /// Whether the placement was read for this process, not inherited.
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
    /// Differs between any two states of any processes that records would show differently.
    pub(super) version: u64,
    /// The latest description, and the hash of its inputs.
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

    /// Adds an image that begins now.
    pub(super) fn become_image(&mut self, image: Image) {
        self.images.push(image);
        if self.images.len() > MAX_IMAGES {
            self.images.remove(0);
        }
    }

    /// When a change that was seen at `time_ns` probably began. It is after the last time that the process was seen
    /// without it, and the packets of the event that shows it may have arrived a little earlier.
    pub(super) fn changed_since(&self, time_ns: u64) -> u64 {
        let unseen_ns = time_ns.saturating_sub(self.seen_ns.max(self.known_ns));
        time_ns - (unseen_ns / 2).min(EVENT_DELAY_NS)
    }

    /// When a change of name or user that was seen at `time_ns` probably began. A process that nothing has shown since its
    /// fork usually changed right after it: it may have waited for long for what the event shows, such as a datagram.
    pub(super) fn renamed_since(&self, time_ns: u64) -> u64 {
        let is_forks_copy = |images: &[Image]| matches!(images, [only] if only.copied_ns.is_some());
        if self.seen_ns == self.known_ns && is_forks_copy(&self.images) {
            return self.known_ns;
        }
        self.changed_since(time_ns)
    }

    /// The latest image that began at or before the time; the oldest if all began later.
    pub(super) fn image_at(&self, time_ns: u64) -> Option<&Image> {
        let begun = self.images.iter().rev().find(|i| i.since_ns <= time_ns);
        begun.or_else(|| self.images.first())
    }

    /// Its parent at that time, and the parent's PID.
    pub(super) fn parent_at(&self, time_ns: u64) -> (Option<ProcessId>, u32) {
        let adoption = self.adopted.iter().rev().find(|a| a.since_ns <= time_ns);
        adoption.map_or((self.parent, self.parent_pid), |a| (Some(a.parent), a.parent.pid))
    }

    /// All processes of which it counts as a child.
    pub(super) fn parents(&self) -> impl Iterator<Item = ProcessId> {
        self.parent.into_iter().chain(self.adopted.iter().map(|a| a.parent))
    }

    pub(super) fn is_over(&self, before_ns: u64) -> bool {
        self.children == 0 && self.exited_ns.is_some_and(|t| t < before_ns)
    }

    /// Memory of the entry without its texts, which others may share, bytes.
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
