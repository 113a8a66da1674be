//! Cgroups as a container runtime makes them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A cgroup below the root; whoever was in it has to be gone before this is dropped.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes it; needs root.
    pub fn new(name: &str) -> Result<Self> {
        Self::below(&["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"], name)
    }

    /// Makes one as systemd has them, with version 1 of cgroups in its own hierarchy; needs root.
    pub fn of_systemd(name: &str) -> Result<Self> {
        Self::below(&["/sys/fs/cgroup/systemd", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"], name)
    }

    /// Below the first of these that is the root of a hierarchy.
    fn below(roots: &[&str], name: &str) -> Result<Self> {
        let root = roots.iter().map(Path::new).find(|r| r.join("cgroup.procs").exists()).context("no cgroups")?;
        let path = root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Makes one whose processes may use no more memory than that; none: this host lets nobody limit memory.
    pub fn with_memory_limit(name: &str, bytes: u64) -> Result<Option<Self>> {
        let versions = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/unified", "memory.max"),
        ];
        for (root, limit) in versions {
            let root = Path::new(root);
            // Version 2 gives the controller to groups below only if it was told to.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
            let group = Self(root.join(name));
            let is_made = root.join("cgroup.procs").exists() && fs::create_dir_all(&group.0).is_ok();
            if is_made && group.0.join(limit).exists() {
                fs::write(group.0.join(limit), bytes.to_string()).context("set the memory limit")?;
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    /// How often its processes were killed for memory.
    pub fn memory_kills(&self) -> Result<u64> {
        let file = ["memory.events", "memory.oom_control"].map(|f| self.0.join(f)).into_iter().find(|f| f.exists());
        let text = fs::read_to_string(file.context("no account of kills")?)?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.context("no account of kills")?.parse().context("kills are no number")
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Fails while somebody is in it: then it stays, empty soon.
        let _ = fs::remove_dir(&self.0);
    }
}
