//! What the pages are made from, between the pipeline and HTTP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pidflow_schema::metric::Family;

use super::counts::Counts;
use super::metrics::Scraper;
use super::pulse::Pulse;
use crate::metrics::families::families;
use crate::metrics::loops::Loops;
use crate::metrics::status::Status;
use crate::metrics::view::{LazyFamily, View, whole};
use crate::recent::Recent;

/// What the pages are made from.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// This host's name.
    pub(crate) host: Arc<str>,
    /// Private enterprise number of pidflow's own elements.
    pub(crate) own_pen: u32,
    /// The latest records.
    pub(crate) recent: Arc<Recent>,
    pub(super) counts: Arc<Counts>,
    latest: Arc<Mutex<Latest>>,
    loops: Arc<Mutex<Loops>>,
}

/// What the pipeline said last. The lock is held for the copying of it alone, because the pipeline waits for it.
#[derive(Debug, Clone)]
struct Latest {
    status: Arc<Status>,
    pulse: Pulse,
}

impl Shared {
    /// Nothing known yet.
    pub(crate) fn new(host: &str, own_pen: u32, recent: Recent) -> Self {
        let starting = Status { not_ready: vec!["starting".into()], ..Status::default() };
        Self {
            host: host.into(),
            own_pen,
            recent: Arc::new(recent),
            counts: Arc::default(),
            latest: Arc::new(Mutex::new(Latest { status: Arc::new(starting), pulse: Pulse::Starting })),
            loops: Arc::default(),
        }
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest status; that of a pipeline that is silent since is not ready.
    pub(crate) fn status(&self) -> Arc<Status> {
        let Latest { mut status, pulse } = self.latest().clone();
        if let Some(silence) = pulse.silence(Instant::now()) {
            Arc::make_mut(&mut status).not_ready.push(silence);
        }
        status
    }

    /// For how long the pipeline has been silent, in one line; none: it works.
    pub(super) fn silence(&self) -> Option<String> {
        let pulse = self.latest().pulse;
        pulse.silence(Instant::now())
    }

    /// Every metric, as of the latest status.
    pub(crate) fn families(&self) -> Vec<Family> {
        whole(self.families_for(None))
    }

    /// The same, made as they are read; what is new to a scrape loop is told to it as zero.
    pub(super) fn families_for(&self, scraper: Option<&Scraper>) -> Vec<LazyFamily> {
        let status = self.status();
        let seen = scraper.map_or(View::EVERYTHING, |s| self.seen_by(s, &status));
        let mut families = families(&View { status, host: Arc::clone(&self.host), seen });
        families.extend(self.counts.families().map(LazyFamily::from));
        families
    }

    fn seen_by(&self, scraper: &Scraper, status: &Status) -> u64 {
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.visit(scraper.peer, &scraper.user_agent, status)
    }

    /// Replaces the status.
    pub(crate) fn publish(&self, status: Status) {
        let mut latest = self.latest();
        latest.pulse.beat(Instant::now());
        let before = std::mem::replace(&mut latest.status, Arc::new(status));
        // Taking a large one apart needs no lock.
        drop(latest);
        drop(before);
    }

    /// From now on the agent is not ready, with this reason, and its silence is none.
    pub(crate) fn stopping(&self, why: &str) {
        let mut latest = self.latest();
        latest.pulse = Pulse::Stopping;
        Arc::make_mut(&mut latest.status).not_ready = vec![why.to_owned()];
    }

    /// As if the last thing that was published were so old.
    #[cfg(test)]
    pub(super) fn age(&self, by: std::time::Duration) {
        self.latest().pulse = Pulse::Beating(Instant::now().checked_sub(by).unwrap());
    }
}
