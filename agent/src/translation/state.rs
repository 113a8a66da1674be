//! Counters of the thread that receives address translations, and how far it has come.

use std::sync::atomic::{AtomicU64, Ordering};

/// The time up to which notices have arrived if there is no thread that receives any.
const NONE_EXPECTED: u64 = u64::MAX;

/// Counters since start, and the time up to which all notices have been sent on.
#[derive(Debug)]
pub(crate) struct State {
    overruns: AtomicU64,
    unparsed: AtomicU64,
    caught_up_ns: AtomicU64,
}

impl Default for State {
    fn default() -> Self {
        let caught_up_ns = AtomicU64::new(NONE_EXPECTED);
        Self { overruns: AtomicU64::default(), unparsed: AtomicU64::default(), caught_up_ns }
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TranslationCounts {
    /// How often notices were lost because the socket's buffer was full. All connections are listed again after that.
    pub(crate) overruns: u64,
    /// Messages that could not be parsed.
    pub(crate) unparsed: u64,
}

impl State {
    pub(super) fn overrun(&self) {
        self.overruns.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unparsed(&self) {
        self.unparsed.fetch_add(1, Ordering::Relaxed);
    }

    /// All notices up to that time have been sent on as facts.
    pub(crate) fn catch_up(&self, until_ns: u64) {
        self.caught_up_ns.store(until_ns, Ordering::Release);
    }

    /// Facts that are received after this call include the notices of all translations up to this time, nanoseconds of the
    /// engine's clock.
    pub(crate) fn caught_up_ns(&self) -> u64 {
        self.caught_up_ns.load(Ordering::Acquire)
    }

    /// The counters now.
    pub(crate) fn counts(&self) -> TranslationCounts {
        let [overruns, unparsed] = [&self.overruns, &self.unparsed].map(|n| n.load(Ordering::Relaxed));
        TranslationCounts { overruns, unparsed }
    }
}
