//! The input of metric families, and families whose samples are generated while they are read.

use std::sync::Arc;

use pidflow_schema::metric::{Family, MetricSample};

use crate::published::status::Status;

/// One status, for one reader.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// The status.
    pub(crate) status: Arc<Status>,
    /// The name of this host in labels.
    pub(crate) host: Arc<str>,
    /// Number of the last status that the reader has seen: newer counters by key are reported as zero.
    pub(crate) seen: u64,
}

impl View {
    /// The value of [`View::seen`] for a reader that gets the current values of all series.
    pub(crate) const ALL_SERIES: u64 = u64::MAX;

    /// Whether the reader has not yet seen the series that appeared first in the status with this number.
    pub(super) const fn is_new(&self, since: u64) -> bool {
        since > self.seen
    }
}

/// A family whose samples are generated one by one, so that a slow reader keeps few in memory.
pub(crate) struct LazyFamily {
    /// The family without samples.
    pub(crate) head: Family,
    /// The samples.
    pub(crate) samples: Box<dyn Iterator<Item = MetricSample> + Send>,
}

impl LazyFamily {
    /// With these samples.
    pub(crate) fn new(head: Family, samples: impl Iterator<Item = MetricSample> + Send + 'static) -> Self {
        Self { head, samples: Box::new(samples) }
    }

    fn whole(self) -> Family {
        Family { samples: self.samples.collect(), ..self.head }
    }
}

impl From<Family> for LazyFamily {
    fn from(mut family: Family) -> Self {
        let samples = std::mem::take(&mut family.samples);
        Self::new(family, samples.into_iter())
    }
}

/// All of them at once; families of one subject share their attributes.
pub(crate) fn whole(families: Vec<LazyFamily>) -> Vec<Family> {
    let mut all: Vec<Family> = Vec::with_capacity(families.len());
    for lazy in families {
        let mut family = lazy.whole();
        if let Some(before) = all.last() {
            share(&before.samples, &mut family.samples);
        }
        all.push(family);
    }
    all
}

fn share(before: &[MetricSample], samples: &mut [MetricSample]) {
    for (before, sample) in before.iter().zip(samples).filter(|(b, s)| b.attributes == s.attributes) {
        sample.attributes = Arc::clone(&before.attributes);
    }
}
