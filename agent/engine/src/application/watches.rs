//! The flows whose payloads are read.

use std::mem;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use std::sync::Arc;

use pidflow_schema::record::{Application, ApplicationLatency};

use super::Payloads;
use super::dns::{NameAnswer, Resolved};
use super::piece::Piece;
use super::watch::Watch;

/// The greatest number of responses of DNS that wait to be taken. Further ones are counted and dropped.
const MAX_ANSWERS: usize = 65_536;

/// What the payloads of flows have shown, by the flow's place in the table.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// Those of the batch that is being counted.
    payloads: Payloads,
    watched: HashMap<u32, Watch, RandomState>,
    /// Memory of the messages and texts of the watched flows, bytes.
    kept_bytes: usize,
    /// Its limit. Beyond it, payloads are left out and counted.
    max_kept_bytes: usize,
    answers: Vec<NameAnswer>,
    left_out: u64,
    answers_dropped: u64,
}

impl Watches {
    /// Keeps no more than this of messages and texts, bytes.
    pub(crate) fn with_limit(max_kept_bytes: usize) -> Self {
        Self { max_kept_bytes, ..Self::default() }
    }

    /// Replaces the payloads of the batch.
    pub(crate) fn set_payloads(&mut self, payloads: Payloads) {
        self.left_out += payloads.left_out();
        self.payloads = payloads;
    }

    /// Reads the payload with this number. Returns what it resolves, if it is the response of DNS to a query that was seen.
    pub(crate) fn see(&mut self, slot: u32, number: u16, piece: Piece<'_>) -> Option<Resolved> {
        let bytes = self.payloads.get(number)?;
        if self.kept_bytes >= self.max_kept_bytes {
            self.left_out += 1;
            return None;
        }
        let watch = self.watched.entry(slot).or_default();
        let before = watch.kept_bytes();
        let found = watch.see(&Piece { bytes, ..piece });
        self.kept_bytes = self.kept_bytes - before.min(self.kept_bytes) + watch.kept_bytes();
        found?.resolved()
    }

    /// Keeps a response of DNS until it is taken.
    pub(crate) fn keep(&mut self, answer: NameAnswer) {
        if self.answers.len() < MAX_ANSWERS {
            self.answers.push(answer);
        } else {
            self.answers_dropped += 1;
        }
    }

    /// The responses since the last call.
    pub(crate) fn take_answers(&mut self) -> Vec<NameAnswer> {
        mem::take(&mut self.answers)
    }

    /// What is known of the flow's application.
    pub(crate) fn application(&self, slot: u32) -> Option<Arc<Application>> {
        self.watched.get(&slot)?.application().cloned()
    }

    /// The latencies of the flow's requests since the last call.
    pub(crate) fn take_latency(&mut self, slot: u32) -> Option<Box<ApplicationLatency>> {
        self.watched.get_mut(&slot)?.take_latency().map(Box::new)
    }

    /// The flow has ended.
    pub(crate) fn remove(&mut self, slot: u32) {
        let kept = self.watched.remove(&slot).map_or(0, |watch| watch.kept_bytes());
        self.kept_bytes = self.kept_bytes.saturating_sub(kept);
    }

    /// The flow has another place.
    pub(crate) fn relocate(&mut self, from: u32, to: u32) {
        if let Some(watch) = self.watched.remove(&from) {
            let replaced = self.watched.insert(to, watch).map_or(0, |watch| watch.kept_bytes());
            self.kept_bytes = self.kept_bytes.saturating_sub(replaced);
        }
    }

    /// Two flows become one: what was known of `from` counts for `to` if nothing is known of that.
    pub(crate) fn merge(&mut self, from: u32, to: u32) {
        if self.application(to).is_none() {
            self.relocate(from, to);
        }
    }

    /// Takes everything known of flows, and leaves nothing.
    pub(crate) fn take_watched(&mut self) -> Self {
        self.kept_bytes = 0;
        Self { watched: mem::take(&mut self.watched), ..Self::default() }
    }

    /// Returns unused memory.
    pub(crate) fn shrink(&mut self) {
        self.watched.shrink_to_fit();
        self.answers.shrink_to_fit();
    }

    /// Payloads that there was no room for, and responses of DNS that were not taken in time.
    pub(crate) const fn dropped(&self) -> (u64, u64) {
        (self.left_out, self.answers_dropped)
    }

    /// Memory, bytes.
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.kept_bytes + self.watched.allocation_size() + self.payloads.allocated_bytes()
    }
}
