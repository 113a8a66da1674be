//! One record in a segment: a header and the record in postcard's format.
//!
//! The header consists of a marker, the record's index in its segment, its length, its CRC-32, and the CRC-32 of these
//! four, each 32 bits in little endian. So the length is known even if the record is damaged, and the numbers of the
//! following records are known even if a header is damaged.

use pidflow_schema::FlowRecord;

/// Must be increased when the encoding of records changes: a segment of another format is not read.
pub(super) const FORMAT: u32 = 14;

/// Bytes before each record.
pub(super) const HEADER: usize = 20;
/// Bytes of a header that its own checksum covers.
const CHECKED: usize = 16;
/// Maximum length of a record; a longer one is damage, because texts of a record have a few thousand bytes.
const MAX_BODY: usize = 16 << 20;
/// Maximum index of a record; a higher one is damage, because a segment has at most 16 MiB.
const MAX_INDEX: u32 = 1 << 20;

/// The marker at the beginning of each header. Records of another format have another marker; UTF-8 text cannot contain
/// it.
const MARKER: [u8; 4] = (0xf1_70_77_00 | FORMAT).to_be_bytes();

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The record's index in its segment, from 0.
    pub(super) index: u32,
    /// Length of the record in bytes, without the header.
    pub(super) length: usize,
    sum: u32,
}

impl Header {
    /// The header at the beginning of the bytes; none: there is no header, or it is damaged or incomplete.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let rest = octets.strip_prefix(&MARKER)?;
        let (index, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        let right = crc32fast::hash(octets.get(..CHECKED)?).to_le_bytes();
        let index = u32::from_le_bytes(*index);
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let plausible = rest.starts_with(&right) && index < MAX_INDEX && (1..=MAX_BODY).contains(&length);
        plausible.then_some(Self { index, length, sum: u32::from_le_bytes(*sum) })
    }

    /// Bytes of header and record.
    pub(super) const fn octets(&self) -> usize {
        HEADER + self.length
    }

    /// The record after the header at the beginning of the bytes; none: it is damaged or incomplete.
    pub(super) fn body<'a>(&self, octets: &'a [u8]) -> Option<&'a [u8]> {
        let body = octets.get(HEADER..self.octets())?;
        (crc32fast::hash(body) == self.sum).then_some(body)
    }
}

/// The first possible position of a header, at `from` or later.
pub(super) fn find_marker(octets: &[u8], from: usize) -> Option<usize> {
    let rest = octets.get(from..)?;
    rest.windows(MARKER.len()).position(|w| w == MARKER).map(|at| from + at)
}

/// Appends the record, which is the segment's `index`th.
pub(super) fn put(record: &FlowRecord, index: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    // Writing to memory cannot fail, and every record can be serialized: its types contain no map or sequence of
    // unknown length.
    if let Ok(rest) = postcard::to_extend(record, std::mem::take(out)) {
        *out = rest;
    }
    let Some((header, body)) = out.get_mut(start..).and_then(|o| o.split_at_mut_checked(HEADER)) else { return };
    for (to, from) in header.iter_mut().zip(header_of(body, index)) {
        *to = from;
    }
}

/// A valid header for these bytes of a record.
fn header_of(body: &[u8], index: u32) -> impl Iterator<Item = u8> + use<> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let checked = [MARKER, index.to_le_bytes(), length, crc32fast::hash(body).to_le_bytes()].concat();
    let sum = crc32fast::hash(&checked).to_le_bytes();
    checked.into_iter().chain(sum)
}

/// These bytes of a record, with a valid header.
#[cfg(feature = "fuzz")]
pub(super) fn frame(body: &[u8], index: u32) -> Vec<u8> {
    header_of(body, index).chain(body.iter().copied()).collect()
}

/// The record that [`Header::body`] found.
pub(super) fn decode(body: &[u8]) -> Option<FlowRecord> {
    postcard::from_bytes(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn take(octets: &[u8]) -> Option<(FlowRecord, usize)> {
        let header = Header::read(octets)?;
        Some((decode(header.body(octets)?)?, header.octets()))
    }

    #[test]
    fn a_record_comes_back() {
        for record in sample::records(50) {
            let mut out = vec![1, 2, 3];
            put(&record, 7, &mut out);
            assert_eq!(take(&out[3..]), Some((record, out.len() - 3)));
            assert_eq!(Header::read(&out[3..]).map(|h| h.index), Some(7));
            assert_eq!(find_marker(&out, 0), Some(3));
        }
    }

    /// So that nobody can put into a command line what is taken for a record where the one around it is damaged.
    #[test]
    fn no_text_holds_a_marker() {
        assert!(std::str::from_utf8(&MARKER).is_err() && std::str::from_utf8(&MARKER[..2]).is_err());
    }

    #[test]
    fn damage_is_noticed() {
        let mut out = Vec::new();
        put(&sample::full(1), 0, &mut out);
        for at in 0..out.len() {
            let mut bad = out.clone();
            bad[at] ^= 0x10;
            assert_eq!(take(&bad), None, "octet {at}");
            assert_eq!(take(&out[..at]), None, "cut at {at}");
        }
    }

    /// Records of another shape must not be read as this one: raise [`FORMAT`], then this.
    #[test]
    fn the_format_is_the_one_that_its_number_stands_for() {
        let mut out = Vec::new();
        // Together they have every member that a record can have.
        [sample::full(1)].iter().chain(&sample::records(84)).for_each(|record| put(record, 0, &mut out));
        assert_eq!((FORMAT, crc32fast::hash(&out)), (14, 1_787_739_210));
    }
}
