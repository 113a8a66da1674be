//! Incomplete files of agents that were killed.

use std::fs::{self, DirEntry, File};
use std::io;
use std::path::Path;

use super::part_file::is_part;

/// Removes incomplete files in the partitions of a folder that no process has open: one that is being written is locked, and a lock ends
/// with its process. Returns how many there were.
pub(super) fn remove(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for date in partitions(folder, "date=")? {
        for hour in partitions(&date.path(), "hour=")? {
            removed += remove_in(&hour.path())?;
        }
    }
    Ok(removed)
}

fn partitions(folder: &Path, start: &str) -> io::Result<Vec<DirEntry>> {
    let is_one = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(start) && entry.path().is_dir();
    Ok(fs::read_dir(folder)?.filter_map(Result::ok).filter(is_one).collect())
}

fn remove_in(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)?.filter_map(Result::ok) {
        if is_part(&entry.file_name().to_string_lossy()) && is_abandoned(&entry.path()) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}
