//! Creates cgroups as a container runtime does.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A cgroup below the root. It is removed when dropped, if its processes have ended.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// Creates the cgroup `name`; needs root.
    pub fn new(name: &str) -> Result<Self> {
        Self::below(&["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"], name)
    }

    /// Creates a cgroup in systemd's hierarchy (with cgroup v1 that is a hierarchy of its own); needs root.
    pub fn of_systemd(name: &str) -> Result<Self> {
        Self::below(&["/sys/fs/cgroup/systemd", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"], name)
    }

    /// Creates the cgroup below the first of `roots` that exists.
    fn below(roots: &[&str], name: &str) -> Result<Self> {
        let root = roots.iter().map(Path::new).find(|r| r.join("cgroup.procs").exists()).context("no cgroups")?;
        let path = root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Creates a cgroup whose processes may use at most `bytes` of memory; none where this host has no memory
    /// controller.
    pub fn with_memory_limit(name: &str, bytes: u64) -> Result<Option<Self>> {
        let versions = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/unified", "memory.max"),
        ];
        for (root, limit) in versions {
            let root = Path::new(root);
            // Cgroup v2 has the controller in child groups only if it is enabled in the parent.
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

    /// How often the kernel killed a process of this cgroup because of the memory limit.
    pub fn memory_kills(&self) -> Result<u64> {
        let file = ["memory.events", "memory.oom_control"].map(|f| self.0.join(f)).into_iter().find(|f| f.exists());
        let text = fs::read_to_string(file.context("no number of kills in memory.events")?)?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.context("no number of kills in memory.events")?.parse().context("the number of kills is not a number")
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // This fails while a process is still in the cgroup; then the empty cgroup stays behind.
        let _ = fs::remove_dir(&self.0);
    }
}
