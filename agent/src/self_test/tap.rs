//! Where the pipeline hands the facts of the test over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_engine::fact::Fact;

use super::expected::Seen;

/// Facts that are kept for one round; with more, nothing is judged.
const MAX_SEEN: usize = 65_536;
/// Interval at which the answer of the pipeline is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// What was heard in a round.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// Protocol and local port of the test's sockets.
    sockets: Vec<(u8, u16)>,
    pub(super) seen: Vec<Seen>,
    /// The source's count of lost events when the round began and as of the last facts.
    lost: Option<(u64, u64)>,
    is_overfull: bool,
}

impl Heard {
    /// Whether a fact may be missing for another reason than a silent hook.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_overfull || self.lost.is_some_and(|(first, last)| last > first)
    }
}

#[derive(Debug, Default)]
struct Shared {
    is_listening: AtomicBool,
    /// The number of the last request for all facts, and of the last one that was met.
    asked: AtomicU64,
    answered: AtomicU64,
    heard: Mutex<Heard>,
}

/// Both ends: the pipeline's and the test's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tap(Arc<Shared>);

impl Tap {
    /// The pipeline takes facts from `source` into `out`, and hands over those of a test; `lost` counts lost events.
    pub(crate) fn pass<S: ?Sized>(
        &self,
        out: &mut Vec<Fact>,
        source: &mut S,
        drain: impl FnOnce(&mut S, &mut Vec<Fact>),
        lost: impl Fn(&S) -> u64,
    ) {
        if !self.0.is_listening.load(SeqCst) {
            return drain(source, out);
        }
        // What is asked for from now on may come after what is taken now.
        let (asked, from) = (self.0.asked.load(SeqCst), out.len());
        drain(source, out);
        self.take(out.get(from..).unwrap_or_default(), lost(source));
        self.0.answered.store(asked, SeqCst);
    }

    fn take(&self, facts: &[Fact], lost: u64) {
        let mut heard = self.heard();
        let first = heard.lost.map_or(lost, |(first, _)| first);
        heard.lost = Some((first, lost));
        for seen in facts.iter().filter_map(Seen::of) {
            if seen.is_of_socket() && !heard.sockets.contains(&(seen.protocol, seen.local_port)) {
                continue;
            }
            if heard.seen.len() >= MAX_SEEN {
                heard.is_overfull = true;
                return;
            }
            heard.seen.push(seen);
        }
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on facts are handed over.
    pub(super) fn listen(&self) -> Listening<'_> {
        *self.heard() = Heard::default();
        self.0.is_listening.store(true, SeqCst);
        Listening(self)
    }
}

/// A round under way.
pub(super) struct Listening<'a>(&'a Tap);

impl Listening<'_> {
    /// Facts of the socket at this port belong to the test.
    pub(super) fn watch(&self, protocol: u8, port: u16) {
        self.0.heard().sockets.push((protocol, port));
    }

    /// All that was heard, once the pipeline has taken every fact that is there now; none: it did not do so within `limit`.
    pub(super) fn heard_within(&self, limit: Duration) -> Option<Heard> {
        let number = self.0.0.asked.fetch_add(1, SeqCst) + 1;
        let begun = Instant::now();
        while self.0.0.answered.load(SeqCst) < number {
            if begun.elapsed() > limit {
                return None;
            }
            thread::sleep(POLL_INTERVAL);
        }
        Some(self.0.heard().clone())
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.0.is_listening.store(false, SeqCst);
    }
}
