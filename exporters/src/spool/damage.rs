//! Damage to a spool's files loses only the damaged records.

use std::ops::Range;
use std::path::PathBuf;

use super::record::Header;
use super::*;
use crate::sample;

/// Bytes of a segment's header.
const SEGMENT_HEADER: usize = 24;

struct Damaged {
    folder: tempfile::TempDir,
    records: Vec<FlowRecord>,
}

impl Damaged {
    /// Two segments of 100 records each, closed in order.
    fn new() -> Self {
        let (folder, records) = (tempfile::tempdir().unwrap(), sample::records(200));
        let new = Self { folder, records };
        for part in new.records.chunks(100) {
            let (spool, _) = new.open();
            spool.expect(part.len());
            spool.append(part).1.unwrap();
            spool.close();
        }
        new
    }

    fn open(&self) -> (Spool, Found) {
        Spool::open(&SpoolConfig { folder: self.folder.path().into(), max_octets: 64 << 20 }).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn first(&self) -> PathBuf {
        self.file("00000000000000000000.records")
    }

    fn last(&self) -> PathBuf {
        self.file("00000000000000000100.records")
    }

    /// Where each record of a segment stands, header included.
    fn places(&self, segment: &Path) -> Vec<Range<usize>> {
        let octets = fs::read(segment).unwrap();
        let mut places: Vec<Range<usize>> = Vec::new();
        while let Some(h) = octets.get(places.last().map_or(SEGMENT_HEADER, |p| p.end)..).and_then(Header::read) {
            let start = places.last().map_or(SEGMENT_HEADER, |p| p.end);
            places.push(start..start + h.octets());
        }
        assert_eq!(places.len(), 100);
        places
    }

    /// What is read after `change` of that file: the indices of the records, and how many are reported as damaged and
    /// as lost by a crash.
    fn after(&self, file: &Path, change: impl Fn(&mut Vec<u8>)) -> (Vec<usize>, u64, u64) {
        let mut octets = fs::read(file).unwrap();
        change(&mut octets);
        fs::write(file, octets).unwrap();
        let (spool, found) = self.open();
        let (mut indices, mut damaged) = (Vec::new(), 0);
        while let SpoolRead::Records { records, damaged: more } = spool.next(7, Duration::ZERO) {
            damaged += more;
            spool.delivered(records.len());
            let index = |r: &FlowRecord| self.records.iter().position(|known| known == r).unwrap();
            indices.extend(records.iter().map(index));
        }
        assert_eq!(spool.waiting(), 0);
        assert!(indices.is_sorted_by(|a, b| a < b), "{indices:?}");
        (indices, damaged, found.lost)
    }
}

fn all_but(missing: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..200).filter(|n| !missing(*n)).collect()
}

#[test]
fn a_flipped_bit_costs_its_record_alone() {
    // In the record, and in each part of its header: marker, index, length, checksums.
    for at in [100, 0, 3, 4, 7, 8, 10, 11, 12, 16, 19] {
        let spool = Damaged::new();
        let place = spool.places(&spool.first())[40].clone();
        let (indices, damaged, lost) = spool.after(&spool.first(), |octets| octets[place.start + at] ^= 0x10);
        assert_eq!((indices, damaged, lost), (all_but(|n| n == 40), 1, 0), "octet {at}");
    }
}

#[test]
fn the_first_and_the_last_record_are_as_good_as_others() {
    for (n, file) in [(0, "first"), (99, "first"), (100, "last"), (199, "last")] {
        for at in [5, 8, 30] {
            let spool = Damaged::new();
            let path = if file == "first" { spool.first() } else { spool.last() };
            let place = spool.places(&path)[n % 100].clone();
            let (indices, damaged, lost) = spool.after(&path, |octets| octets[place.start + at] ^= 1);
            assert_eq!((indices, damaged, lost), (all_but(|other| other == n), 1, 0), "{n} {at}");
        }
    }
}

#[test]
fn a_segments_damaged_header_costs_nothing() {
    for at in 0..SEGMENT_HEADER {
        let spool = Damaged::new();
        assert_eq!(spool.after(&spool.first(), |octets| octets[at] ^= 0x20), (all_but(|_| false), 0, 0), "octet {at}");
    }
}

#[test]
fn a_block_of_zeros_costs_the_records_that_it_touches() {
    let spool = Damaged::new();
    let places = spool.places(&spool.first());
    let block = 4096..8192;
    let touched = |n: usize| places.get(n).is_some_and(|p| p.start < block.end && block.start < p.end);
    let (indices, damaged, lost) = spool.after(&spool.first(), |octets| octets[block.clone()].fill(0));
    assert!((2..60).contains(&damaged), "{damaged}");
    assert_eq!((indices.len() as u64 + damaged, lost), (200, 0));
    assert_eq!(indices, all_but(touched));
}

#[test]
fn a_gap_in_the_middle_costs_only_the_records_in_it() {
    for length in [1, 30, 1000, 5000] {
        let spool = Damaged::new();
        let places = spool.places(&spool.first());
        let cut = places[30].start + 50..places[30].start + 50 + length;
        let touched = |n: usize| places.get(n).is_some_and(|p| p.start < cut.end && cut.start < p.end);
        let (indices, damaged, lost) = spool.after(&spool.first(), |octets| drop(octets.drain(cut.clone())));
        assert_eq!((indices.len() as u64 + damaged, lost), (200, 0), "{length}");
        assert_eq!(indices, all_but(touched), "{length}");
    }
}

#[test]
fn duplicates_are_returned_once() {
    let spool = Damaged::new();
    let places = spool.places(&spool.first());
    let twice = places[10].start..places[20].end;
    let (indices, damaged, lost) = spool.after(&spool.first(), |octets| {
        let copy = octets[twice.clone()].to_vec();
        octets.splice(twice.end..twice.end, copy);
    });
    assert_eq!((indices, damaged, lost), (all_but(|_| false), 0, 0));
}

#[test]
fn a_cut_end_is_damage_after_an_orderly_stop_and_a_crash_after_none() {
    let spool = Damaged::new();
    let places = spool.places(&spool.last());
    let cut = |octets: &mut Vec<u8>| octets.truncate(places[97].start + 10);
    assert_eq!(spool.after(&spool.last(), cut), (all_but(|n| n >= 197), 3, 0));
    let spool = Damaged::new();
    drop(spool.open());
    assert_eq!(spool.after(&spool.last(), cut), (all_but(|n| n >= 197), 0, 3));
}

#[test]
fn a_missing_segment_is_damage() {
    for gone in 0..2 {
        let spool = Damaged::new();
        let path = [spool.first(), spool.last()][gone].clone();
        fs::remove_file(path).unwrap();
        let other = [spool.last(), spool.first()][gone].clone();
        assert_eq!(spool.after(&other, |_| {}), (all_but(|n| n / 100 == gone), 100, 0), "{gone}");
    }
}

#[test]
fn a_damaged_state_file_costs_no_record() {
    for at in 0..48 {
        let spool = Damaged::new();
        let (indices, damaged, lost) = spool.after(&spool.file("state"), |octets| octets[at] ^= 1);
        assert_eq!((indices, damaged, lost), (all_but(|_| false), 0, 0), "octet {at}");
    }
    for octets in [vec![], vec![0; 48], vec![0xff; 48], vec![7; 5]] {
        let spool = Damaged::new();
        assert_eq!(spool.after(&spool.file("state"), |o| o.clone_from(&octets)), (all_but(|_| false), 0, 0));
    }
}

#[test]
fn wherever_a_bit_flips_at_most_one_record_is_missing() {
    let mut chance: u64 = 88_172_645_463_325_252;
    for _ in 0..100 {
        // Marsaglia, "Xorshift RNGs", 2003.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let spool = Damaged::new();
        let (indices, damaged, lost) = spool.after(&spool.last(), |octets| {
            let at = chance as usize % octets.len();
            octets[at] ^= 1 << (chance >> 60 & 7);
        });
        assert!(damaged <= 1 && lost == 0 && indices.len() as u64 + damaged == 200, "{chance}: {damaged} {lost}");
    }
}
