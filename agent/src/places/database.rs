//! A database in MaxMind's format.

use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use maxminddb::Reader;
use serde::de::{Deserialize, Deserializer};

use super::record::{Leaf, Wanted};

/// Greater files are refused, bytes.
const MAX_BYTES: u64 = 512 << 20;

/// Identifies the state of a file: inode, length, and time of the last change in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64);

impl Stamp {
    /// None: there is no such file at the moment.
    pub(super) fn of(file: &Path) -> Option<Self> {
        file.metadata().ok().map(|m| Self::from(&m))
    }
}

impl From<&Metadata> for Stamp {
    fn from(m: &Metadata) -> Self {
        Self(m.ino(), m.len(), m.mtime(), m.mtime_nsec())
    }
}

/// The database, in memory.
#[derive(Debug)]
pub(super) struct Database {
    file: PathBuf,
    stamp: Option<Stamp>,
    reader: Reader<Vec<u8>>,
    /// Whether a record that cannot be read was reported.
    is_reported: AtomicBool,
}

/// Names of a country and of a city.
struct City([Leaf; 2]);

impl<'de> Deserialize<'de> for City {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, [&["country", "iso_code"], &["city", "names", "en"]]).map(Self)
    }
}

/// Number and organisation of an autonomous system.
struct System([Leaf; 2]);

impl<'de> Deserialize<'de> for System {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, [&["autonomous_system_number"], &["autonomous_system_organization"]]).map(Self)
    }
}

fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
    paths: [&'static [&'static str]; 2],
) -> Result<[Leaf; 2], D::Error> {
    let (mut found, cost) = (<[Leaf; 2]>::default(), Cell::new(0));
    deserializer.deserialize_any(Wanted::new(paths, &mut found, &cost))?;
    Ok(found)
}

impl Database {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or is no database.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = || format!("cannot read the database {}", path.display());
        let mut file = File::open(path).with_context(failed)?;
        let metadata = file.metadata().with_context(failed)?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            bail!("{} is no database: it is not a file, or longer than {MAX_BYTES} bytes", path.display());
        }
        let mut bytes = Vec::new();
        file.by_ref().take(MAX_BYTES).read_to_end(&mut bytes).with_context(failed)?;
        // The library is not trusted not to panic on a damaged file.
        let reader = catch_unwind(|| Reader::from_source(bytes)).ok().and_then(Result::ok);
        let no_database = || format!("{} is no database in MaxMind's format, or is damaged", path.display());
        let reader = reader.with_context(no_database)?;
        Ok(Self { file: path.into(), stamp: Some((&metadata).into()), reader, is_reported: AtomicBool::new(false) })
    }

    pub(super) const fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Country and city of the address.
    pub(super) fn city(&self, address: IpAddr) -> Option<[Arc<str>; 2]> {
        let City(found) = self.look_up(address)?;
        Some(found.map(|leaf| leaf.text().into()))
    }

    /// Number and organisation of the address's autonomous system.
    pub(super) fn system(&self, address: IpAddr) -> Option<(u32, Arc<str>)> {
        let System([number, organisation]) = self.look_up(address)?;
        let number = if let Leaf::Number(number) = number { u32::try_from(number).unwrap_or(0) } else { 0 };
        Some((number, organisation.text().into()))
    }

    /// The record of the address; none: there is none, or it cannot be read, which is reported once.
    fn look_up<'a, T: Deserialize<'a>>(&'a self, address: IpAddr) -> Option<T> {
        // A database of IPv4 addresses has no others.
        if address.is_ipv6() && self.reader.metadata.ip_version == 4 {
            return None;
        }
        let look = || self.reader.lookup(address).and_then(|found| found.decode());
        match catch_unwind(AssertUnwindSafe(look)) {
            Ok(Ok(found)) => found,
            Ok(Err(e)) => self.report(&e.to_string()),
            Err(_) => self.report("the library cannot read it"),
        }
    }

    #[cold]
    fn report<T>(&self, why: &str) -> Option<T> {
        if !self.is_reported.swap(true, Ordering::Relaxed) {
            tracing::warn!("{} is damaged: a record in it cannot be read: {why}", self.file.display());
        }
        None
    }
}
