//! What the pages are made from, between the pipeline and HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use pidflow_schema::metric::Family;

use super::counts::Counts;
use super::metrics::Scraper;
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
    status: Arc<Mutex<Arc<Status>>>,
    loops: Arc<Mutex<Loops>>,
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
            status: Arc::new(Mutex::new(Arc::new(starting))),
            loops: Arc::default(),
        }
    }

    /// The latest status.
    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// Replaces it.
    pub(crate) fn publish(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(status);
    }
}
