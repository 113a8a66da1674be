//! Spool segments of another time: any octets are records, or damage that ends the segment.
//!
//! The first octets are given a right length and checksum, which chance would not find.
#![no_main]

#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../../exporters/src/spool/record.rs"]
mod record;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../../exporters/src/spool/segment.rs"]
mod segment;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// In memory where there is such a file system.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = Some(PathBuf::from("/dev/shm")).filter(|p| p.is_dir()).unwrap_or_else(std::env::temp_dir);
    base.join(format!("pidflow-fuzz-{}", std::process::id()))
});

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [length.as_slice(), &crc32fast::hash(body).to_le_bytes(), body].concat()
}

fuzz_target!(|data: (u8, &[u8])| {
    let (body, rest) = data.1.split_at(usize::from(data.0).min(data.1.len()));
    let octets = [framed(body).as_slice(), rest].concat();
    if let Some((record, length)) = record::take(&octets) {
        assert!(length <= octets.len());
        let mut again = Vec::new();
        record::put(&record, &mut again);
        // NaN would not be equal, but no field has fractions.
        assert_eq!(record::take(&again).map(|(r, n)| (r == record, n)), Some((true, again.len())));
    }
    std::fs::create_dir_all(&*FOLDER).unwrap();
    segment::Segment::create(&FOLDER, 7).unwrap();
    let path = FOLDER.join(format!("{:020}.records", 7));
    File::options().append(true).open(path).unwrap().write_all(&octets).unwrap();
    let segments = segment::scan(&FOLDER).unwrap();
    let segment = segments.front().expect("its header is right");
    let read = segment.read(segment.first, None, 1000).unwrap();
    assert!(read.records.len() as u64 <= segment.records && read.until == segment.end());
    assert!(segment.octets <= 20 + octets.len() as u64);
    std::fs::remove_dir_all(&*FOLDER).unwrap();
});
