//! What the pages are made from, between the pipeline and HTTP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pidflow_schema::metric::Family;

use super::counts::Counts;
use crate::metrics::families::families;
use crate::metrics::status::Status;
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
    status: Arc<Mutex<Status>>,
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
            status: Arc::new(Mutex::new(starting)),
        }
    }

    /// The latest status.
    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every metric, as of the latest status.
    pub(crate) fn families(&self) -> Vec<Family> {
        let mut families = families(&self.status(), &self.host);
        families.extend(self.counts.families());
        families
    }

    /// Replaces it.
    pub(crate) fn publish(&self, status: Status) {
        *self.status() = status;
    }
}
