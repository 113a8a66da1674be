//! The file that a process runs, as the kernel names it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use procfs::process::Process;

/// The kernel's mark at the end of a path whose file was deleted (`d_path`).
const DELETED: &str = " (deleted)";

/// Path without the kernel's mark, and whether it had it; none: it may not be read, or the process has no executable.
pub(super) fn of(p: &Process) -> Option<(String, bool)> {
    let path = p.exe().ok()?;
    let text = path.to_string_lossy();
    let unmarked = text.strip_suffix(DELETED).filter(|_| !is_there(p, &path));
    Some(match unmarked {
        Some(unmarked) => (unmarked.to_owned(), true),
        None => (text.into_owned(), false),
    })
}

/// Whether the file of the process has exactly this name, because a file name may itself end with the mark.
fn is_there(p: &Process, path: &Path) -> bool {
    let proc = PathBuf::from("/proc").join(p.pid().to_string());
    let below = path.strip_prefix("/").unwrap_or(path);
    let file = |m: Metadata| (m.dev(), m.ino());
    let running = fs::metadata(proc.join("exe")).map(file);
    let named = fs::symlink_metadata(proc.join("root").join(below)).map(file);
    matches!((running, named), (Ok(running), Ok(named)) if running == named)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a copy of sleep in a new folder is told to run after `change`.
    fn running(name: &str, change: impl FnOnce(&Path)) -> (String, bool) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(name);
        fs::copy("/bin/sleep", &program).unwrap();
        let mut child = Command::new(&program).arg("60").spawn().unwrap();
        change(&program);
        let (path, is_deleted) = of(&Process::new(child.id() as i32).unwrap()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        (path.rsplit('/').next().unwrap().to_owned(), is_deleted)
    }

    #[test]
    fn a_deleted_or_replaced_file_is_named_without_the_mark() {
        assert_eq!(running("daemon", |_| ()), ("daemon".into(), false));
        assert_eq!(running("daemon", |path| fs::remove_file(path).unwrap()), ("daemon".into(), true));
        let upgrade = |path: &Path| {
            let new = path.with_extension("new");
            fs::copy("/bin/cat", &new).unwrap();
            fs::rename(new, path).unwrap();
        };
        assert_eq!(running("daemon", upgrade), ("daemon".into(), true));
        let folder = |path: &Path| fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(running("daemon", folder), ("daemon".into(), true));
    }

    #[test]
    fn a_file_may_be_called_like_the_mark() {
        let name = "tool (deleted)";
        assert_eq!(running(name, |_| ()), (name.into(), false));
        assert_eq!(running(name, |path| fs::remove_file(path).unwrap()), (name.into(), true));
        let replaced = |path: &Path| {
            fs::remove_file(path).unwrap();
            fs::write(path, "").unwrap();
        };
        assert_eq!(running(name, replaced), (name.into(), true));
        // Of `tool`, deleted, while another file has the name that /proc shows.
        let decoy = |path: &Path| {
            fs::write(path.with_file_name(name), "").unwrap();
            fs::remove_file(path).unwrap();
        };
        assert_eq!(running("tool", decoy), ("tool".into(), true));
    }
}
