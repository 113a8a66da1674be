//! Spool segments of an earlier run: any bytes are read as records, or as damage that loses only the records that it is
//! in.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// A folder in memory (tmpfs) where the host has one.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = Some(PathBuf::from("/dev/shm")).filter(|p| p.is_dir()).unwrap_or_else(std::env::temp_dir);
    base.join(format!("pidflow-fuzz-{}", std::process::id()))
});

fuzz_target!(|data: (u8, &[u8])| {
    pidflow_exporters::fuzz::segment_of_any_octets(&FOLDER, usize::from(data.0), data.1);
});
