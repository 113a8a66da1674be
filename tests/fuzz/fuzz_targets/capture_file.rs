//! Capture files of every format, compressed or not: each packet is decoded or discarded, and at most one error is
//! reported for the file.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use pidflow_capture::{CaptureFiles, FileOptions};

/// A file in memory, and a path by which it can be opened.
fn in_memory(content: &[u8]) -> (File, PathBuf) {
    // SAFETY: the name is a string that ends with a NUL.
    let descriptor = unsafe { libc::memfd_create(c"capture".as_ptr(), 0) };
    assert!(descriptor >= 0);
    // SAFETY: the descriptor was just created and has no other owner.
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
