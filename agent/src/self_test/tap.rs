//! Passes facts from the pipeline to the self-test.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_engine::fact::Fact;

use super::expected::Seen;

/// Maximum number of facts kept for one round. If there are more, the round may be inconclusive.
const MAX_SEEN: usize = 65_536;
/// Interval at which the test checks for the pipeline's answer.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The facts of a round.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// Protocol and local port of the test's sockets.
    sockets: Vec<(u8, u16)>,
    pub(super) seen: Vec<Seen>,
    /// The source's counter of lost events at the first and at the last drain of the round.
    lost: Option<(u64, u64)>,
    is_overfull: bool,
}

impl Heard {
    /// Whether a fact may be missing although its hook reported it.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_overfull || self.lost.is_some_and(|(first, last)| last > first)
    }
}

#[derive(Debug, Default)]
struct Shared {
    is_listening: AtomicBool,
    /// Number of the last request to drain all facts.
    asked: AtomicU64,
    /// Number of the last request that the pipeline has answered.
    answered: AtomicU64,
    heard: Mutex<Heard>,
}

/// The pipeline and the test each have a clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tap(Arc<Shared>);

impl Tap {
    /// Drains facts of `source` into `out` for the pipeline, and passes those of a test on. `lost` reads the counter of lost events.
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
        // A request made after this line may concern facts that this drain misses, so it is not answered here.
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

    /// Starts passing facts to the test.
    pub(super) fn listen(&self) -> Listening<'_> {
        *self.heard() = Heard::default();
        self.0.is_listening.store(true, SeqCst);
        Listening(self)
    }
}

/// A round in progress. Dropping it ends the passing of facts.
pub(super) struct Listening<'a>(&'a Tap);

impl Listening<'_> {
    /// Marks a socket as the test's: facts about this local port are passed on.
    pub(super) fn watch(&self, protocol: u8, port: u16) {
        self.0.heard().sockets.push((protocol, port));
    }

    /// The facts of the round, after the pipeline has drained every fact that is available now; none: it took longer than `limit`.
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
