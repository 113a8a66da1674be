//! Counters of the thread that receives address translations.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since start.
#[derive(Debug, Default)]
pub(crate) struct State {
    overruns: AtomicU64,
    unparsed: AtomicU64,
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

    /// The counters now.
    pub(crate) fn counts(&self) -> TranslationCounts {
        let [overruns, unparsed] = [&self.overruns, &self.unparsed].map(|n| n.load(Ordering::Relaxed));
        TranslationCounts { overruns, unparsed }
    }
}
