//! Work that makes a process wait for the disk.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A buffer with the alignment that direct I/O requires on today's disks.
#[repr(C, align(4096))]
struct Block([u8; 4096]);

/// Writes to a new file in `dir` without the page cache and flushes it, repeatedly, for `time`.
pub(super) fn wait_for_disk(dir: &Path, time: Duration) -> Result<()> {
    let path = dir.join(format!("pidflow-disk-{}", std::process::id()));
    let opened = OpenOptions::new().write(true).create(true).truncate(true).custom_flags(libc::O_DIRECT).open(&path);
    let mut file = opened.with_context(|| format!("open {} for direct I/O", path.display()))?;
    let outcome = write_and_flush(&mut file, time);
    std::fs::remove_file(&path)?;
    outcome
}

fn write_and_flush(file: &mut File, time: Duration) -> Result<()> {
    let block = Block([0x5a; 4096]);
    let start = Instant::now();
    while start.elapsed() < time {
        file.write_all(&block.0).context("direct write")?;
        file.sync_data().context("flush")?;
    }
    Ok(())
}
