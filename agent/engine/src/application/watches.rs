//! The flows whose payloads are read.

use std::mem;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use std::sync::Arc;

use pidflow_schema::record::Application;

use super::Payloads;
use super::dns::{NameAnswer, Resolved};
use super::watch::{Piece, Watch};

/// The greatest number of responses of DNS that wait to be taken. Further ones are counted and dropped.
const MAX_ANSWERS: usize = 65_536;

/// What the payloads of flows have shown, by the flow's place in the table.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// Those of the batch that is being counted.
    payloads: Payloads,
    watched: HashMap<u32, Watch, RandomState>,
    answers: Vec<NameAnswer>,
    left_out: u64,
    answers_dropped: u64,
}

impl Watches {
    /// Replaces the payloads of the batch.
    pub(crate) fn set_payloads(&mut self, payloads: Payloads) {
        self.left_out += payloads.left_out();
        self.payloads = payloads;
    }

    /// Reads the payload with this number. Returns what it resolves, if it is the response of DNS to a query that was seen.
    pub(crate) fn see(&mut self, slot: u32, number: u16, piece: Piece<'_>) -> Option<Resolved> {
        let bytes = self.payloads.get(number)?;
        self.watched.entry(slot).or_default().see(&Piece { bytes, ..piece })?.resolved()
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

    /// The flow has ended.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.watched.remove(&slot);
    }

    /// The flow has another place.
    pub(crate) fn relocate(&mut self, from: u32, to: u32) {
        if let Some(watch) = self.watched.remove(&from) {
            self.watched.insert(to, watch);
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

    /// Memory, bytes. That of texts is not counted, because records share it.
    pub(crate) fn allocated_bytes(&self) -> usize {
        let kept: usize = self.watched.values().map(Watch::kept_bytes).sum();
        kept + self.watched.allocation_size() + self.payloads.allocated_bytes()
    }
}
