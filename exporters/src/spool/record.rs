//! One record in a segment: length and checksum (CRC-32 of the record), each 32 bits in little endian, and the record in
//! postcard's format.

use pidflow_schema::FlowRecord;

/// Octets before each record.
const HEADER: usize = 8;
/// Longer ones are damage: texts of a record are at most a few thousand octets.
const LARGEST: usize = 16 << 20;

/// Appends the record.
pub(super) fn put(record: &FlowRecord, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    // Into memory it cannot fail, and every record can be written: its types have no map or unsized sequence.
    if let Ok(rest) = postcard::to_extend(record, std::mem::take(out)) {
        *out = rest;
    }
    let Some((header, body)) = out.get_mut(start..).and_then(|o| o.split_at_mut_checked(HEADER)) else { return };
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc32fast::hash(body).to_le_bytes();
    header.copy_from_slice(&[length, sum].concat());
}

/// The first record of `octets` and how many octets it has; none where it is damaged or not all there.
pub(super) fn take(octets: &[u8]) -> Option<(FlowRecord, usize)> {
    let body = whole(octets)?;
    Some((postcard::from_bytes(body).ok()?, HEADER + body.len()))
}

/// Octets of the first record of `octets`, if its checksum is right.
pub(super) fn skip(octets: &[u8]) -> Option<usize> {
    Some(HEADER + whole(octets)?.len())
}

fn whole(octets: &[u8]) -> Option<&[u8]> {
    let (length, rest) = octets.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|n| (1..=LARGEST).contains(n))?;
    let body = rest.get(..length)?;
    (crc32fast::hash(body) == u32::from_le_bytes(*sum)).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_record_comes_back() {
        for record in sample::records(50) {
            let mut out = vec![1, 2, 3];
            put(&record, &mut out);
            assert_eq!(take(&out[3..]), Some((record, out.len() - 3)));
            assert_eq!(skip(&out[3..]), Some(out.len() - 3));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let mut out = Vec::new();
        put(&sample::full(1), &mut out);
        for at in 0..out.len() {
            let mut bad = out.clone();
            bad[at] ^= 0x10;
            assert_eq!(take(&bad), None, "octet {at}");
            assert_eq!(take(&out[..at]), None, "cut at {at}");
        }
    }

    /// Records of another shape must not be read as this one: raise [`super::super::segment::FORMAT`], then this.
    #[test]
    fn the_format_is_the_one_that_its_number_stands_for() {
        let mut out = Vec::new();
        put(&sample::full(1), &mut out);
        assert_eq!((super::super::segment::FORMAT, crc32fast::hash(&out)), (4, 3_859_740_362));
    }
}
