//! Opens the root of the cgroup2 hierarchy. Programs attached there see the sockets of every process.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use procfs::process::{MountInfo, Process};

/// The root, opened.
///
/// # Errors
/// No cgroup2 hierarchy is mounted, or only a part of it.
pub(super) fn root() -> Result<File> {
    let mounts: Vec<_> =
        Process::myself().and_then(|me| me.mountinfo()).context("read /proc/self/mountinfo")?.into_iter().collect();
    let path = root_of(mounts.iter().map(|m: &MountInfo| (m.fs_type.as_str(), m.mount_point.as_path())))?;
    File::open(&path).with_context(|| format!("open {}", path.display()))
}

/// The mount that shows the whole hierarchy. In a container, a mount may show only the container's own group, and
/// programs attached there would miss the sockets of all others.
fn root_of<'a>(mounts: impl Iterator<Item = (&'a str, &'a Path)>) -> Result<PathBuf> {
    let mut mounts = mounts.filter(|(kind, _)| *kind == "cgroup2").map(|(_, path)| path).peekable();
    if mounts.peek().is_none() {
        return Err(anyhow!("no cgroup2 hierarchy is mounted; mount the host's at /sys/fs/cgroup"));
    }
    let whole = mounts.find(|path| is_root(path)).map(Path::to_owned);
    whole.ok_or_else(|| anyhow!("only a part of the cgroup2 hierarchy is mounted; mount the host's /sys/fs/cgroup"))
}

/// Every group except the root has a type (Documentation/admin-guide/cgroup-v2.rst, "Core Interface Files").
fn is_root(path: &Path) -> bool {
    path.join("cgroup.procs").exists() && !path.join("cgroup.type").exists()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::root_of;

    #[test]
    fn the_root_is_the_group_without_a_type() {
        let dir = tempfile::tempdir().unwrap();
        let (part, whole) = (dir.path().join("part"), dir.path().join("whole"));
        for folder in [&part, &whole] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("cgroup.procs"), "").unwrap();
        }
        fs::write(part.join("cgroup.type"), "domain\n").unwrap();
        let mounts = [("cgroup", whole.as_path()), ("cgroup2", part.as_path()), ("cgroup2", whole.as_path())];
        assert_eq!(root_of(mounts.into_iter()).unwrap(), whole);
        let reason = |mounts: &[(&str, &std::path::Path)]| root_of(mounts.iter().copied()).unwrap_err().to_string();
        assert!(reason(&mounts[..2]).contains("only a part"), "{}", reason(&mounts[..2]));
        assert!(reason(&mounts[..1]).contains("no cgroup2"), "{}", reason(&mounts[..1]));
    }
}
