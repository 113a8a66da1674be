//! Queries on all files of a folder.

mod groups;
mod scan;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pidflow_expression::{Expression, Selector};
use pidflow_schema::FlowRecord;

use crate::answer::{Answer, Group, Point, Sums};
use crate::file_name::FileName;
use crate::stored_file::StoredFile;
use crate::{HistoryError, Place};
use groups::Groups;
use scan::{Scan, series_of};

/// Which records are read. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct Selected {
    /// True for the record.
    pub filter: Option<Arc<Expression>>,
    /// The flow had a packet at this time or later, nanoseconds since the epoch.
    pub since_ns: Option<u64>,
    /// The flow had a packet at this time or earlier.
    pub until_ns: Option<u64>,
}

impl Selected {
    /// Whether a flow from `first_ns` to `last_ns` has a part in the time.
    fn overlaps(&self, first_ns: i64, last_ns: i64) -> bool {
        let signed = crate::hour::to_signed;
        self.since_ns.is_none_or(|ns| signed(ns) <= last_ns) && self.until_ns.is_none_or(|ns| signed(ns) >= first_ns)
    }
}

/// Bounds of a query.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When the query fails if it is not finished.
    pub deadline: Instant,
    /// Maximum number of entries.
    pub entries: usize,
}

/// Reads a folder, also while it is written.
#[derive(Debug, Clone)]
pub struct Reader {
    folder: PathBuf,
}

impl Reader {
    /// A reader of that folder.
    ///
    /// # Errors
    /// The folder does not exist or cannot be read.
    pub fn new(folder: &Path) -> Result<Self, HistoryError> {
        let folder = folder.canonicalize().map_err(|e| HistoryError::io(folder, e))?;
        FileName::all(&folder)?;
        Ok(Self { folder })
    }

    /// The records before a position, the latest first.
    ///
    /// # Errors
    /// The folder cannot be read, or the time is over. Files that cannot be read are left out.
    pub fn records(
        &self,
        selected: &Selected,
        before: Option<Place>,
        limits: Limits,
    ) -> Result<Answer<(Place, FlowRecord)>, HistoryError> {
        let mut entries = Vec::new();
        let skipped = self.each_file(selected, limits.deadline, |file| {
            if entries.len() >= limits.entries || before.is_some_and(|place| file.name > place.file) {
                return Ok(());
            }
            let before = before.filter(|place| place.file == file.name).map(|place| place.id);
            let mut found = Vec::new();
            Scan::new(file, selected)?.records(before, limits.entries - entries.len(), &mut found)?;
            entries.append(&mut found);
            Ok(())
        })?;
        Ok(Answer { entries, skipped })
    }

    /// Sums of the records with the same values of these names, the most bytes first. A name that means either end is read at both, and
    /// the record counts in the groups of both ends, once if they are the same.
    ///
    /// # Errors
    /// The folder cannot be read, the time is over, or there are too many groups.
    pub fn groups(&self, selected: &Selected, by: &[Selector], limits: Limits) -> Result<Answer<Group>, HistoryError> {
        let mut groups = Groups::new(by);
        let skipped = self.each_file(selected, limits.deadline, |file| groups.add_file(&Scan::new(file, selected)?))?;
        Ok(Answer { entries: groups.top(limits.entries), skipped })
    }

    /// Sums of the records by the time at which they ended, in steps of `step_ns`; the earliest first. Steps without records are
    /// left out.
    ///
    /// # Errors
    /// The folder cannot be read, the time is over, or there are too many steps.
    pub fn series(&self, selected: &Selected, step_ns: u64, limits: Limits) -> Result<Answer<Point>, HistoryError> {
        let mut points = std::collections::BTreeMap::<u64, Sums>::new();
        let skipped = self.each_file(selected, limits.deadline, |file| {
            let of_file = series_of(&Scan::new(file, selected)?, step_ns.max(1))?;
            of_file.into_iter().for_each(|(start_ns, sums)| points.entry(start_ns).or_default().add(sums));
            if points.len() > limits.entries { Err(HistoryError::TooManyGroups(limits.entries)) } else { Ok(()) }
        })?;
        let entries = points.into_iter().map(|(start_ns, sums)| Point { start_ns, sums });
        Ok(Answer { entries: entries.collect(), skipped })
    }

    /// Calls `use_file` with each file that has records of the time, the latest first; returns a line for each one that cannot be
    /// read.
    fn each_file(
        &self,
        selected: &Selected,
        deadline: Instant,
        mut use_file: impl FnMut(&StoredFile) -> Result<(), HistoryError>,
    ) -> Result<Vec<String>, HistoryError> {
        let mut skipped = Vec::new();
        for name in FileName::all(&self.folder)?.into_iter().rev() {
            let opened = StoredFile::open(&self.folder, name, deadline);
            let done = opened.and_then(|file| match file.period {
                Some((first_ns, last_ns)) if selected.overlaps(first_ns, last_ns) => use_file(&file),
                _ => Ok(()),
            });
            match done {
                Err(e @ (HistoryError::TimeOver | HistoryError::TooManyGroups(_))) => return Err(e),
                // It has been removed meanwhile, because it is too old.
                Err(_) if !name.path(&self.folder).exists() => {}
                Err(e) => skipped.push(e.to_string()),
                Ok(()) => {}
            }
            if Instant::now() > deadline {
                return Err(HistoryError::TimeOver);
            }
        }
        Ok(skipped)
    }
}
