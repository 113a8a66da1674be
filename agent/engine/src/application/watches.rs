//! The flows whose payloads are read.

use std::mem;

use std::sync::Arc;

use pidflow_schema::record::{Application, ApplicationLatency};

use super::Payloads;
use super::dns::{NameAnswer, Resolved};
use super::piece::Piece;
use super::watch::Watch;
use crate::places::Places;
use crate::texts::Texts;

/// The greatest number of responses of DNS that wait to be taken. Further ones are counted and dropped.
const MAX_ANSWERS: usize = 65_536;
/// The least memory of texts of which unused ones are dropped, bytes.
const MIN_SWEPT_BYTES: usize = 1 << 16;

/// What the payloads of flows have shown, by the flow's place in the table.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// Those of the batch that is being counted.
    payloads: Payloads,
    watched: Places<Watch>,
    /// Memory of the watched flows without their texts, bytes.
    kept_bytes: usize,
    /// The texts of all of them.
    texts: Texts,
    /// Unused texts are dropped when all together have this size, bytes.
    sweep_at: usize,
    /// Flows that ended since unused texts were dropped.
    ended: usize,
    /// Its limit. Beyond it, payloads are left out and counted.
    max_kept_bytes: usize,
    answers: Vec<NameAnswer>,
    left_out: u64,
    answers_dropped: u64,
}

impl Watches {
    /// Keeps no more than this of messages and texts, bytes.
    pub(crate) fn with_limit(max_kept_bytes: usize) -> Self {
        Self { max_kept_bytes, sweep_at: MIN_SWEPT_BYTES, ..Self::default() }
    }

    /// Replaces the payloads of the batch.
    pub(crate) fn set_payloads(&mut self, payloads: Payloads) {
        self.left_out += payloads.left_out();
        self.payloads = payloads;
    }

    /// Whether the payload with this number was picked.
    pub(crate) fn has_payload(&self, number: u16) -> bool {
        self.payloads.get(number).is_some()
    }

    /// Reads the payload with this number. Returns what it resolves, if it is the response of DNS to a query that was seen.
    pub(crate) fn see(&mut self, slot: u32, number: u16, piece: Piece<'_>) -> Option<Resolved> {
        if !self.has_room() {
            self.left_out += 1;
            return None;
        }
        let bytes = self.payloads.get(number)?;
        let watch = self.watched.get_or_default(slot)?;
        let before = watch.kept_bytes();
        let found = watch.see(&Piece { bytes, ..piece });
        watch.share_texts(&mut self.texts);
        self.kept_bytes = self.kept_bytes - before.min(self.kept_bytes) + watch.kept_bytes();
        if self.texts.bytes() > self.sweep_at {
            self.sweep_texts();
        }
        found?.resolved()
    }

    /// Whether more may be kept. If not, texts are dropped if so many flows have ended that it pays.
    fn has_room(&mut self) -> bool {
        if self.kept_bytes + self.texts.bytes() >= self.max_kept_bytes && self.ended > self.texts.len() / 4 {
            self.sweep_texts();
        }
        self.kept_bytes + self.texts.bytes() < self.max_kept_bytes
    }

    /// Drops texts that no flow has any more. It is done again when there are twice as many as now.
    #[cold]
    fn sweep_texts(&mut self) {
        self.texts.forget_unused();
        self.ended = 0;
        self.sweep_at = 2 * self.texts.bytes() + MIN_SWEPT_BYTES;
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
        self.watched.get(slot)?.application().cloned()
    }

    /// The latencies of the flow's requests since the last call.
    pub(crate) fn take_latency(&mut self, slot: u32) -> Option<Box<ApplicationLatency>> {
        self.watched.get_mut(slot)?.take_latency().map(Box::new)
    }

    /// The flow has ended.
    pub(crate) fn remove(&mut self, slot: u32) {
        let kept = self.watched.remove(slot).map_or(0, |watch| watch.kept_bytes());
        self.ended += 1;
        self.kept_bytes = self.kept_bytes.saturating_sub(kept);
    }

    /// The flow has another place.
    pub(crate) fn relocate(&mut self, from: u32, to: u32) {
        let replaced = self.watched.relocate(from, to).map_or(0, |watch| watch.kept_bytes());
        self.kept_bytes = self.kept_bytes.saturating_sub(replaced);
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

    /// Returns unused memory. No flow is in place `used` or a later one.
    pub(crate) fn shrink(&mut self, used: usize) {
        self.watched.shrink(used);
        self.answers.shrink_to_fit();
        self.sweep_texts();
    }

    /// Payloads that there was no room for, and responses of DNS that were not taken in time.
    pub(crate) const fn dropped(&self) -> (u64, u64) {
        (self.left_out, self.answers_dropped)
    }

    /// Memory, bytes.
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.kept_bytes + self.texts.bytes() + self.watched.allocated_bytes() + self.payloads.allocated_bytes()
    }
}
