//! The published state: the pipeline writes its status and records here; HTTP, the live view and exporters of metrics
//! read them. This module does not depend on its readers.

pub(crate) mod families;
pub(crate) mod loops;
pub(crate) mod losses;
mod pulse;
pub(crate) mod recent;
pub(crate) mod status;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pidflow_schema::metric::Family;

use crate::history::Questions;

use families::families;
use families::view::{LazyFamily, View, whole};
use loops::{Loops, Scraper};
use pulse::Pulse;
use recent::Recent;
use status::Status;

#[cfg(test)]
pub(crate) use pulse::MAX_SILENCE;

/// Metrics of a reader's own, such as HTTP's counters.
type FamilySource = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;

/// A handle to what is published; clones share it.
#[derive(Clone)]
pub(crate) struct Published {
    /// This host's name.
    pub(crate) host: Arc<str>,
    /// Private enterprise number of pidflow's own elements.
    pub(crate) own_pen: u32,
    /// The latest records.
    pub(crate) recent: Arc<Recent>,
    /// Where questions about the history are answered; none: there is no history.
    pub(crate) history: Option<Questions>,
    latest: Arc<Mutex<Latest>>,
    loops: Arc<Mutex<Loops>>,
    more_families: Arc<Mutex<Vec<FamilySource>>>,
}

/// The pipeline's latest status. The lock is held only to copy it, because the pipeline waits for it.
#[derive(Debug, Clone)]
struct Latest {
    status: Arc<Status>,
    pulse: Pulse,
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Published {
    /// Nothing is known yet.
    pub(crate) fn new(host: &str, own_pen: u32, recent: Recent) -> Self {
        let starting = Status { not_ready: vec!["starting".into()], ..Status::default() };
        Self {
            host: host.into(),
            own_pen,
            recent: Arc::new(recent),
            history: None,
            latest: Arc::new(Mutex::new(Latest { status: Arc::new(starting), pulse: Pulse::Starting })),
            loops: Arc::default(),
            more_families: Arc::default(),
        }
    }

    /// Also lets readers ask about the history.
    pub(crate) fn with_history(mut self, history: Option<Questions>) -> Self {
        self.history = history;
        self
    }

    /// Adds metrics that are read whenever all are.
    pub(crate) fn add_families(&self, source: impl Fn() -> Vec<Family> + Send + Sync + 'static) {
        lock(&self.more_families).push(Arc::new(source));
    }

    /// The latest status; if the pipeline has been silent since, the status says so and is not ready.
    pub(crate) fn status(&self) -> Arc<Status> {
        let Latest { mut status, pulse } = lock(&self.latest).clone();
        if let Some(silence) = pulse.silence(Instant::now()) {
            Arc::make_mut(&mut status).not_ready.push(silence);
        }
        status
    }

    /// For how long the pipeline has been silent, in one line; none: it works.
    pub(crate) fn silence(&self) -> Option<String> {
        let pulse = lock(&self.latest).pulse;
        pulse.silence(Instant::now())
    }

    /// Every metric, as of the latest status.
    pub(crate) fn families(&self) -> Vec<Family> {
        whole(self.families_for(None))
    }

    /// The same, made as they are read; a scrape loop sees zero first for what is new to it.
    pub(crate) fn families_for(&self, scraper: Option<&Scraper>) -> Vec<LazyFamily> {
        let status = self.status();
        let seen = scraper.map_or(View::ALL_SERIES, |s| lock(&self.loops).visit(s, &status));
        let mut families = families(&View { status, host: Arc::clone(&self.host), seen });
        let sources = lock(&self.more_families).clone();
        families.extend(sources.iter().flat_map(|source| source()).map(LazyFamily::from));
        families
    }

    /// Replaces the status.
    pub(crate) fn publish(&self, status: Status) {
        let mut latest = lock(&self.latest);
        latest.pulse.beat(Instant::now());
        let before = std::mem::replace(&mut latest.status, Arc::new(status));
        // Dropping a large status needs no lock.
        drop(latest);
        drop(before);
    }

    /// From now on the agent is not ready, for this reason, and silence is expected.
    pub(crate) fn stopping(&self, why: &str) {
        let mut latest = lock(&self.latest);
        latest.pulse = Pulse::Stopping;
        Arc::make_mut(&mut latest.status).not_ready = vec![why.to_owned()];
    }

    /// As if the last status had been published so long ago.
    #[cfg(test)]
    pub(crate) fn age(&self, by: std::time::Duration) {
        lock(&self.latest).pulse = Pulse::Beating(Instant::now().checked_sub(by).unwrap());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
