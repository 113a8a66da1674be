//! Where addresses are: countries, cities and autonomous systems from databases, and the border of the local networks.
//!
//! A thread reads the databases again when they are replaced, and the networks of interfaces when they change. Records are described
//! where they leave the pipeline, from a cache.

mod database;
mod networks;
mod record;
#[cfg(test)]
mod tests;
mod watch;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use lru::LruCache;
use pidflow_schema::{FlowRecord, Place, ProcessEnd, TrafficDirection};

pub(crate) use networks::Network;
use watch::{Current, Known};

/// Addresses of which the place is kept: about 10 MB.
const MAX_CACHED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(65_535);

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Database of countries and cities, and that of autonomous systems.
    pub(crate) databases: [Option<PathBuf>; 2],
    /// Local networks.
    pub(crate) networks: Vec<Network>,
}

/// Describes records.
#[derive(Debug)]
pub(crate) struct Places {
    current: Current,
    known: Arc<Known>,
    cache: LruCache<IpAddr, Option<Arc<Place>>>,
}

/// Reads the databases, and starts the thread that reads them again; none: nothing is wanted.
///
/// # Errors
/// A database cannot be read; the text names the file.
pub(crate) fn start(settings: Settings) -> Result<Option<Places>> {
    let Some(current) = Current::read(settings)? else { return Ok(None) };
    current.watch()?;
    Ok(Some(Places::new(current)))
}

/// Checks whether the databases can be read.
///
/// # Errors
/// One cannot; the text names the file.
pub(crate) fn check(settings: Settings) -> Result<()> {
    Current::read(settings).map(|_| ())
}

impl Places {
    fn new(current: Current) -> Self {
        let known = current.get();
        Self { current, known, cache: LruCache::new(MAX_CACHED) }
    }

    /// Adds the places of both ends, and the direction.
    pub(crate) fn describe(&mut self, record: &mut FlowRecord) {
        let now = self.current.get();
        if !Arc::ptr_eq(&now, &self.known) {
            self.cache.clear();
            self.known = now;
        }
        let (source, destination) = (record.flow.source, record.flow.destination);
        self.place(&mut record.source, source);
        self.place(&mut record.destination, destination);
        if record.direction.is_none() && self.known.has_networks() {
            let is_local = |address| self.known.is_local(address);
            record.direction = Some(TrafficDirection::of(is_local(source), is_local(destination)));
        }
    }

    /// What another agent said of a collected record stays, and so does the autonomous system that its exporter knows.
    fn place(&mut self, end: &mut ProcessEnd, address: IpAddr) {
        let has_place = end.place.as_ref().is_some_and(|place| !place.country.is_empty() || !place.city.is_empty());
        if has_place || !self.known.has_databases() {
            return;
        }
        let known = &self.known;
        let Some(found) = self.cache.get_or_insert(address, || known.place(address)) else { return };
        end.place = Some(match end.place.as_ref().map(|place| place.system).filter(|system| *system != 0) {
            Some(system) if system != found.system => {
                Arc::new(Place { system, organisation: Arc::default(), ..Place::clone(found) })
            }
            _ => Arc::clone(found),
        });
    }
}
