//! Spool segments of another time: any bytes are records, or damage that costs what it is in.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// In memory where there is such a file system.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = Some(PathBuf::from("/dev/shm")).filter(|p| p.is_dir()).unwrap_or_else(std::env::temp_dir);
    base.join(format!("pidflow-fuzz-{}", std::process::id()))
});

fuzz_target!(|data: (u8, &[u8])| {
    pidflow_exporters::fuzz::segment_of_any_octets(&FOLDER, usize::from(data.0), data.1);
});
