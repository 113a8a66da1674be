//! Finds folders of output files that are replaced while the agent runs: logrotate or an operator moves one and creates it anew.
//!
//! Landlock permits an output thread to write below the folders that existed when it started; the rule applies to the folder, not to
//! its name. To write to a new folder of the same name, the exporter must be started again with new threads.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why a folder that replaced another one cannot be written.
static TROUBLE: Mutex<Option<String>> = Mutex::new(None);

/// One line for the operator if a new folder cannot be written; none: all can be written.
pub(crate) fn trouble() -> Option<String> {
    TROUBLE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Sets the line that [`trouble`] returns; true: it is different from the one before.
pub(crate) fn set_trouble(new: Option<String>) -> bool {
    let mut trouble = TROUBLE.lock().unwrap_or_else(PoisonError::into_inner);
    let is_other = *trouble != new;
    *trouble = new;
    is_other
}

/// Device and inode.
type Identity = (u64, u64);

/// The folder of each output file at the time when its exporter was started.
#[derive(Debug, Default)]
pub(crate) struct OutputFolders {
    /// By the path of the file; none: the folder did not exist.
    started: BTreeMap<PathBuf, Option<Identity>>,
}

impl OutputFolders {
    /// Sets the files that have exporters. Exporters of files that are new here were started just now.
    pub(crate) fn set(&mut self, files: &[PathBuf]) {
        self.started.retain(|file, _| files.contains(file));
        for file in files {
            self.started.entry(file.clone()).or_insert_with(|| identity(folder(file)));
        }
    }

    /// Files whose folder has been replaced since their exporter was started.
    pub(crate) fn replaced(&self) -> BTreeSet<PathBuf> {
        let is_other = |(file, before): &(&PathBuf, &Option<Identity>)| {
            identity(folder(file)).is_some_and(|now| **before != Some(now))
        };
        self.started.iter().filter(is_other).map(|(file, _)| file.clone()).collect()
    }

    /// Records that the exporters of these files were started again.
    pub(crate) fn renewed(&mut self, files: &BTreeSet<PathBuf>) {
        self.started.iter_mut().filter(|(file, _)| files.contains(*file)).for_each(|(file, known)| {
            *known = identity(folder(file));
        });
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn identity(folder: &Path) -> Option<Identity> {
    folder.metadata().ok().filter(std::fs::Metadata::is_dir).map(|is| (is.dev(), is.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_that_was_moved_or_deleted_and_created_anew_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        let file = out.join("flows.json");
        let (mut folders, all) = (OutputFolders::default(), BTreeSet::from([file.clone()]));
        folders.set(std::slice::from_ref(&file));
        assert!(folders.replaced().is_empty());
        fs::rename(&out, dir.path().join("out.1")).unwrap();
        assert!(folders.replaced().is_empty(), "nothing could be written there");
        fs::create_dir(&out).unwrap();
        assert_eq!(folders.replaced(), all);
        folders.renewed(&all);
        assert!(folders.replaced().is_empty());
        folders.set(&[]);
        fs::rename(&out, dir.path().join("out.2")).unwrap();
        fs::create_dir(&out).unwrap();
        assert!(folders.replaced().is_empty(), "its exporter was removed");
    }

    /// A link such as `/var/log/current -> /var/log/1`.
    #[test]
    fn a_changed_link_is_another_folder_and_so_is_a_new_link() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("now"), dir.path().join("now/flows.json"));
        let mut folders = OutputFolders::default();
        folders.set(std::slice::from_ref(&file));
        fs::create_dir(dir.path().join("1")).unwrap();
        std::os::unix::fs::symlink("1", &link).unwrap();
        assert_eq!(folders.replaced().len(), 1);
        folders.renewed(&BTreeSet::from([file]));
        fs::create_dir(dir.path().join("2")).unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("2", &link).unwrap();
        assert_eq!(folders.replaced().len(), 1);
    }
}
