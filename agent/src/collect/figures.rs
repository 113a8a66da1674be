//! Figures of the threads that receive from exporters.

use std::sync::{Mutex, PoisonError};

use pidflow_collector::{Counters, Event, Protocol};

use crate::figures;

/// Counters and sizes at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct CollectFigures {
    /// What was received and discarded.
    pub(crate) counters: Counters,
    /// Datagrams that the kernel dropped because a socket's buffer was full.
    pub(crate) kernel_drops: u64,
    /// Sessions (exporters and their observation domains) that are known.
    pub(crate) sessions: u64,
    /// Their templates.
    pub(crate) templates: u64,
    /// Memory of both, bytes.
    pub(crate) kept_bytes: u64,
}

impl CollectFigures {
    /// What was received, as a part of a sentence.
    pub(crate) fn received(&self) -> String {
        let of = |count: fn(&Counters, Protocol) -> u64| Protocol::ALL.iter().map(|p| count(&self.counters, *p)).sum();
        let (datagrams, octets) = (of(Counters::datagrams), of(Counters::octets));
        format!("{} datagrams of exporters, {}", figures::grouped(datagrams), figures::bytes(octets))
    }

    /// What exporters sent, or should have sent, that did not become records: what was lost, why, and how many.
    pub(crate) fn losses(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let of = |event: &Event| Some((event.lost()?, event.name(), self.counters.events(*event)));
        Event::ALL.iter().filter_map(of).chain([("datagrams of exporters lost", "kernel-buffer", self.kernel_drops)])
    }

    /// The sum of both.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.counters.add(&other.counters);
        self.kernel_drops += other.kernel_drops;
        self.sessions += other.sessions;
        self.templates += other.templates;
        self.kept_bytes += other.kept_bytes;
        self
    }
}

/// The figures of one thread, which the pipeline reads.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<CollectFigures>);

impl Shared {
    pub(super) fn set(&self, figures: CollectFigures) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    pub(super) fn now(&self) -> CollectFigures {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
