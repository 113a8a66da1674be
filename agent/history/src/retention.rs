//! Which files are kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::HistoryError;
use crate::file_name::{BESIDE, FileName, HOUR_NS};

/// How long and how much is kept. Whole files are removed, the oldest first; the one that is written stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Files whose hour ended longer ago are removed; none: never.
    pub max_age: Option<Duration>,
    /// Files are removed as long as all together are larger, bytes.
    pub max_bytes: u64,
}

impl Retention {
    /// How large a file may become until another one is begun in the same hour, bytes: so that old records of a busy hour can
    /// be removed.
    pub(crate) const fn max_file_bytes(&self) -> u64 {
        self.max_bytes / 4
    }

    /// Removes files.
    pub(crate) fn apply(&self, folder: &Path, current: FileName, now_ns: u64) -> Result<(), HistoryError> {
        let names = FileName::all(folder)?;
        let mut total: u64 = names.iter().map(|name| size(folder, *name)).sum();
        for name in names.into_iter().filter(|name| *name != current) {
            if self.is_old(name, now_ns) || total > self.max_bytes {
                total = total.saturating_sub(size(folder, name));
                remove(folder, name)?;
            }
        }
        Ok(())
    }

    fn is_old(&self, name: FileName, now_ns: u64) -> bool {
        let max_age = self.max_age.map(|age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
        max_age.is_some_and(|age| name.start_ns().saturating_add(HOUR_NS).saturating_add(age) < now_ns)
    }
}

/// The file, and those that SQLite keeps beside it while it is open.
fn files(folder: &Path, name: FileName) -> impl Iterator<Item = PathBuf> {
    let file = name.path(folder);
    let beside = BESIDE.map(|suffix| suffixed(&file, suffix));
    std::iter::once(file).chain(beside)
}

fn suffixed(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The size of a file, bytes.
pub(crate) fn size(folder: &Path, name: FileName) -> u64 {
    files(folder, name).filter_map(|path| fs::metadata(path).ok()).map(|m| m.len()).sum()
}

fn remove(folder: &Path, name: FileName) -> Result<(), HistoryError> {
    for path in files(folder, name) {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(HistoryError::io(&path, e)),
            _ => {}
        }
    }
    Ok(())
}

/// Renames a damaged file, so that it is neither read nor written any more; returns its new name.
pub(crate) fn set_aside(folder: &Path, name: FileName) -> Result<PathBuf, HistoryError> {
    let file = name.path(folder);
    let free = (1..u32::MAX).map(|n| suffixed(&file, &format!(".damaged-{n}"))).find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| suffixed(&file, ".damaged"));
    fs::rename(&file, &aside).map_err(|e| HistoryError::io(&file, e))?;
    for suffix in BESIDE {
        // Most of them do not exist.
        let _ = fs::rename(suffixed(&file, suffix), suffixed(&aside, suffix));
    }
    Ok(aside)
}
