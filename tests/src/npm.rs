//! Packages from npm for tests that need Node.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;

/// The folder `node_modules` with the packages of `folder/package.json`, in the cache under this name. They are
/// installed if the cache has none or others; if there is a `package-lock.json`, exactly its versions.
pub fn packages(folder: &Path, name: &str) -> Result<PathBuf> {
    let dir = process::cache().join(name);
    std::fs::create_dir_all(&dir)?;
    // Tests run at the same time.
    let lock_file = File::create(dir.join("lock"))?;
    lock_file.lock()?;
    let (wanted, lock) = (read(folder, "package.json")?, read(folder, "package-lock.json").ok());
    let complete = dir.join("complete");
    let state = wanted.clone() + lock.as_deref().unwrap_or_default();
    if std::fs::read_to_string(&complete).is_ok_and(|found| found == state) {
        return Ok(dir.join("node_modules"));
    }
    std::fs::write(dir.join("package.json"), &wanted)?;
    if let Some(lock) = &lock {
        std::fs::write(dir.join("package-lock.json"), lock)?;
    }
    // Not `npm ci`: it demands packages for other systems too, which a mirror of the registry may lack.
    let options = ["--silent", "--no-fund", "--no-audit", "--legacy-peer-deps"];
    let installed = Command::new("npm").arg("install").args(options).current_dir(&dir).status();
    ensure!(installed.context("npm cannot be run")?.success(), "npm could not install the packages for {name}");
    std::fs::write(complete, state)?;
    Ok(dir.join("node_modules"))
}

fn read(folder: &Path, name: &str) -> Result<String> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}
