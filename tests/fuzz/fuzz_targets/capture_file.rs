//! Capture files of every format, compressed ones too: each packet is decoded or discarded, and a fault ends the file.
#![no_main]

#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../../agent/src/capture/counters.rs"]
mod counters;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../../agent/src/capture/error.rs"]
mod error;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../../agent/src/capture/file/mod.rs"]
mod file;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../../agent/src/capture/filter.rs"]
mod filter;

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use counters::CaptureCounters;
use error::CaptureError;
use file::{CaptureFiles, FileOptions};
use filter::Filter;
use libfuzzer_sys::fuzz_target;

const BATCH: usize = 1024;

/// As in the program's `capture` module, whose other half needs network interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(dead_code, reason = "the program uses more of it")]
pub(crate) struct Interface {
    pub(crate) number: u32,
    pub(crate) index: u32,
    pub(crate) name: Arc<str>,
}

/// A file in memory, and a path by which it can be opened.
fn in_memory(content: &[u8]) -> (File, PathBuf) {
    // SAFETY: the name is a string that ends with a NUL.
    let descriptor = unsafe { libc::memfd_create(c"capture".as_ptr(), 0) };
    assert!(descriptor >= 0);
    // SAFETY: the descriptor was just made and belongs to nobody else.
    let mut file = unsafe { File::from_raw_fd(descriptor) };
    file.write_all(content).expect("memory takes it");
    (file, format!("/proc/self/fd/{descriptor}").into())
}

fuzz_target!(|input: &[u8]| {
    let (_file, path) = in_memory(input);
    let mut files = CaptureFiles::new([path], FileOptions::default());
    let (mut packets, mut decoded, mut faults) = (Vec::new(), 0, 0);
    loop {
        match files.next_batch(&mut packets) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                assert!(!error.to_string().contains('\n'));
                faults += 1;
            }
        }
        decoded += packets.len() as u64;
        packets.clear();
    }
    let counters = files.counters();
    assert_eq!(decoded + counters.discards.total().packets, counters.packets);
    assert!(faults <= 1 && counters.damaged_files == faults);
});
