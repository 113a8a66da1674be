//! One file of a process in /proc.

use std::io::Read;

use procfs::process::Process;

/// The first bytes of the file; none: it may not be read, or the process is gone.
pub(super) fn read(p: &Process, file: &str, max: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    p.open_relative(file).ok()?.take(max as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
