//! Entry point of the fuzz target `spool_segment`.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::record::{self, Header};
use super::segment;

/// Reads any bytes as the records of a segment in that folder, which is created and removed. The first `framed` records
/// get a valid header, which random bytes would not contain.
///
/// # Panics
/// A property of the spool does not hold.
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "a surprise is what fuzzing looks for")]
pub fn segment_of_any_octets(folder: &Path, framed: usize, octets: &[u8]) {
    let (body, rest) = octets.split_at(framed.min(octets.len()));
    let octets = [record::frame(body, 0).as_slice(), rest].concat();
    let found = Header::read(&octets).and_then(|h| Some((record::decode(h.body(&octets)?)?, h.octets())));
    if let Some((found, length)) = found {
        assert!(length <= octets.len());
        let mut again = Vec::new();
        record::put(&found, 0, &mut again);
        let read = Header::read(&again).and_then(|h| record::decode(h.body(&again)?));
        // NaN would not equal itself, but no field is a floating-point number.
        assert_eq!(read.as_ref(), Some(&found));
    }
    std::fs::create_dir_all(folder).unwrap();
    drop(segment::Segment::create(folder, 7).unwrap());
    let path = folder.join(format!("{:020}.records", 7));
    File::options().append(true).open(path).unwrap().write_all(&octets).unwrap();
    let segments = segment::scan(folder).unwrap();
    let segment = segments.front().expect("its header is right");
    let read = segment.read(segment.first, None, 1000).unwrap();
    assert!(read.records.len() as u64 <= segment.records && read.until <= segment.end());
    std::fs::remove_dir_all(folder).unwrap();
}
