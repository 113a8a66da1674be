//! The databases and networks as they are now.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use ipnet::IpNet;
use pidflow_schema::Place;

use super::Settings;
use super::database::{Database, Stamp};
use super::networks;
use crate::privileges::Role;
use crate::threads;

/// How often files and interfaces are looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// What records are described with.
#[derive(Debug, Default)]
pub(super) struct Known {
    databases: [Option<Arc<Database>>; 2],
    networks: Vec<IpNet>,
}

impl Known {
    pub(super) const fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    pub(super) fn has_databases(&self) -> bool {
        self.databases.iter().any(Option::is_some)
    }

    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        networks::contains(&self.networks, address)
    }

    /// Where the address is; none: no database knows it.
    pub(super) fn place(&self, address: IpAddr) -> Option<Arc<Place>> {
        let mut place = Place::default();
        let [cities, systems] = &self.databases;
        if let Some(found) = cities.as_ref().and_then(|cities| cities.city(address)) {
            [place.country, place.city] = found;
        }
        if let Some(found) = systems.as_ref().and_then(|systems| systems.system(address)) {
            (place.system, place.organisation) = found;
        }
        place.is_known().then(|| Arc::new(place))
    }
}

/// What is known now, shared by the thread that reads it and those who describe records.
#[derive(Debug, Clone)]
pub(super) struct Current {
    settings: Arc<Settings>,
    known: Arc<RwLock<Arc<Known>>>,
}

impl Current {
    /// None: nothing is wanted.
    pub(super) fn read(settings: Settings) -> Result<Option<Self>> {
        if settings.networks.is_empty() && settings.databases.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut databases = [None, None];
        for (database, file) in databases.iter_mut().zip(&settings.databases) {
            *database = file.as_deref().map(Database::open).transpose()?.map(Arc::new);
        }
        let known = Known { databases, networks: networks::resolve(&settings.networks) };
        Ok(Some(Self { settings: Arc::new(settings), known: Arc::new(RwLock::new(Arc::new(known))) }))
    }

    pub(super) fn get(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts the thread that keeps it up to date.
    pub(super) fn watch(&self) -> Result<()> {
        let current = self.clone();
        let mut refused = [None, None];
        let watch = move || {
            loop {
                thread::sleep(CHECK_INTERVAL);
                current.refresh(&mut refused);
            }
        };
        threads::spawn_as(Role::Places, "places", watch)?;
        Ok(())
    }

    /// Reads again what has changed. A file that cannot be used is reported once; the one before it stays in use.
    pub(super) fn refresh(&self, refused: &mut [Option<Stamp>; 2]) {
        let old = self.get();
        let mut databases = old.databases.clone();
        for ((database, refused), file) in databases.iter_mut().zip(refused).zip(&self.settings.databases) {
            let Some(file) = file else { continue };
            let now = Stamp::of(file);
            if now == database.as_ref().and_then(|database| database.stamp()) || now == *refused {
                continue;
            }
            match Database::open(file) {
                Ok(new) => (*database, *refused) = (Some(Arc::new(new)), None),
                Err(e) => {
                    tracing::warn!("{e:#}; the database before it stays in use");
                    *refused = now;
                }
            }
        }
        let networks = networks::resolve(&self.settings.networks);
        let same = |(a, b): (&Option<Arc<Database>>, &Option<Arc<Database>>)| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if networks != old.networks || !databases.iter().zip(&old.databases).all(same) {
            let new = Arc::new(Known { databases, networks });
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }
}
