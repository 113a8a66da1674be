//! Files made by hand: classic format, compression, damage; and what the tests of pcapng share.

use std::fs;
use std::io::Write;

use super::*;

/// Bytes of an Ethernet frame with a UDP datagram to this port.
pub(super) fn frame(port: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9]);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 8, 0, 0]);
    frame
}

type Write32 = fn(u32) -> [u8; 4];

/// Parameters of a classic file: magic number, version, bytes of a record header, whether the captured length comes
/// second.
#[derive(Clone, Copy)]
struct Classic {
    magic: u32,
    version: [u16; 2],
    record: usize,
    is_swapped: bool,
}

const V2_4: Classic = Classic { magic: MICRO, version: [2, 4], record: 16, is_swapped: false };

impl Classic {
    /// A file with one packet per port; numbers are written by `order`.
    fn file(self, order: Write32, ports: &[u16]) -> Vec<u8> {
        let mut file = order(self.magic).to_vec();
        let [major, minor] = self.version.map(u32::from);
        let is_big = order(1)[3] == 1;
        file.extend(order(if is_big { major << 16 | minor } else { minor << 16 | major }));
        [0, 0, 65_535, 1].iter().for_each(|n| file.extend(order(*n)));
        for port in ports {
            let frame = frame(*port);
            let mut lengths = [frame.len() as u32, 60];
            if self.is_swapped {
                lengths.reverse();
            }
            [5, 7, lengths[0], lengths[1]].iter().for_each(|n| file.extend(order(*n)));
            file.resize(file.len() + self.record - 16, 0xee);
            file.extend(frame);
        }
        file
    }
}

fn pcap(magic: u32, order: Write32, ports: &[u16]) -> Vec<u8> {
    Classic { magic, ..V2_4 }.file(order, ports)
}

pub(super) struct Outcome {
    pub(super) packets: Vec<Packet>,
    pub(super) errors: Vec<String>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) counters: CaptureCounters,
}

fn read_with(files: &[&[u8]], options: FileOptions) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..files.len()).map(|n| dir.path().join(format!("{n}.pcap"))).collect();
    paths.iter().zip(files).for_each(|(path, content)| fs::write(path, content).unwrap());
    let mut source = CaptureFiles::new(paths, options);
    let (mut packets, mut errors) = (Vec::new(), Vec::new());
    loop {
        match source.next_batch(&mut packets) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => errors.push(e.to_string()),
        }
    }
    let interfaces = source.new_interfaces().to_vec();
    Outcome { packets, errors, interfaces, counters: source.counters().clone() }
}

pub(super) fn read(files: &[&[u8]]) -> Outcome {
    read_with(files, FileOptions::default())
}

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;

#[test]
fn classic_files_in_both_byte_orders_and_resolutions() {
    for (magic, order, time_ns) in [
        (MICRO, u32::to_le_bytes as Write32, 5_000_007_000),
        (MICRO, u32::to_be_bytes, 5_000_007_000),
        (NANO, u32::to_le_bytes, 5_000_000_007),
        (NANO, u32::to_be_bytes, 5_000_000_007),
    ] {
        let outcome = read(&[&pcap(magic, order, &[1, 2])]);
        assert_eq!((outcome.errors.len(), outcome.packets.len()), (0, 2), "{:?}", outcome.errors);
        assert_eq!((outcome.packets[1].time_ns, outcome.packets[1].destination_port), (time_ns, 2));
        assert_eq!((outcome.counters.packets, outcome.counters.frame_octets), (2, 120));
    }
}

#[test]
fn older_versions_and_the_modified_format() {
    let old = |version, is_swapped| Classic { version, is_swapped, ..V2_4 };
    let modified = Classic { magic: 0xa1b2_cd34, record: 24, ..V2_4 };
    for classic in [
        old([2, 0], true),
        old([2, 1], true),
        old([2, 2], true),
        old([2, 3], true),
        old([2, 3], false),
        old([543, 0], true),
        Classic { magic: NANO, ..old([2, 2], true) },
        modified,
        Classic { version: [2, 2], is_swapped: true, ..modified },
    ] {
        for order in [u32::to_le_bytes as Write32, u32::to_be_bytes] {
            let outcome = read(&[&classic.file(order, &[1, 2])]);
            assert_eq!((outcome.errors.len(), outcome.packets.len()), (0, 2), "{:?}", outcome.errors);
            assert_eq!((outcome.packets[1].destination_port, outcome.counters.frame_octets), (2, 120));
        }
    }
}

#[test]
fn versions_that_do_not_exist_are_refused() {
    for version in [[1, 0], [2, 5], [3, 0], [4, 2], [0, 0], [543, 1], [u16::MAX, u16::MAX]] {
        let outcome = read(&[&Classic { version, ..V2_4 }.file(u32::to_le_bytes, &[1])]);
        assert_eq!((outcome.packets.len(), outcome.counters.damaged_files), (0, 1));
        let said = format!("pcap version {}.{};", version[0], version[1]);
        assert!(outcome.errors[0].contains(&said), "{:?}", outcome.errors);
    }
}

#[test]
fn a_file_that_ends_within_its_header_is_named_so() {
    let whole = pcap(MICRO, u32::to_le_bytes, &[1]);
    let gzip = |content: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(content).unwrap();
        gzip.finish().unwrap()
    };
    for (content, said) in [
        (Vec::new(), "the file is empty"),
        (gzip(b""), "the file is empty"),
        (b"a".to_vec(), "too short for a capture file: 1 bytes"),
        (whole[..3].to_vec(), "too short for a capture file: 3 bytes"),
        (whole[..4].to_vec(), "too short for a capture file: 4 bytes"),
        (whole[..23].to_vec(), "too short for a capture file: 23 bytes"),
        (gzip(&whole[..23]), "too short for a capture file: 23 bytes"),
        (vec![0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0], "too short for a capture file: 8 bytes"),
    ] {
        let outcome = read(&[&content]);
        assert!(outcome.errors[0].contains(said), "{said}: {:?}", outcome.errors);
    }
    let outcome = read(&[&whole[..24]]);
    assert_eq!((outcome.errors.len(), outcome.packets.len()), (0, 0), "{:?}", outcome.errors);
}

#[test]
fn compressed_files_and_several_in_one_run() {
    let plain = pcap(NANO, u32::to_le_bytes, &[1]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let outcome = read(&[&plain, &gzip, &zstd]);
    assert_eq!((outcome.errors.len(), outcome.packets.len()), (0, 3));
    assert_eq!(outcome.interfaces.iter().map(|i| i.number).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(outcome.packets.iter().map(|p| p.interface).collect::<Vec<_>>(), [0, 1, 2]);
    for cut in [&gzip[..gzip.len() - 20], &zstd[..zstd.len() - 8]] {
        let outcome = read(&[cut, &plain]);
        assert_eq!((outcome.errors.len(), outcome.counters.damaged_files), (1, 1), "{:?}", outcome.errors);
        assert!(outcome.errors[0].contains("ends in the middle"), "{:?}", outcome.errors);
    }
}

#[test]
fn a_file_cut_in_the_middle_is_one_line_and_the_others_go_on() {
    let whole = pcap(MICRO, u32::to_le_bytes, &[1, 2, 3]);
    let outcome = read(&[&whole[..whole.len() - 5], &whole]);
    assert_eq!((outcome.packets.len(), outcome.counters.damaged_files), (5, 1));
    let [error] = outcome.errors.as_slice() else { panic!("{:?}", outcome.errors) };
    let offset = whole.len() - 16 - frame(1).len();
    assert!(error.contains(&format!("at byte {offset}")) && error.contains("2 packets"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn files_that_are_not_captures_are_refused() {
    for content in [&b"GET / HTTP/1.1\r\n\r\n and so on and on"[..], &[0; 100], b"PK\x03\x04"] {
        let outcome = read(&[content]);
        assert!(outcome.errors[0].contains("not a capture file"), "{:?}", outcome.errors);
    }
    let mut source = CaptureFiles::new([PathBuf::from("/nonexistent/x.pcap")], FileOptions::default());
    let error = source.next_batch(&mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/x.pcap: cannot open"), "{error}");
    assert!(!source.next_batch(&mut Vec::new()).unwrap());
}

#[test]
fn impossible_lengths_are_damage() {
    let mut file = pcap(MICRO, u32::to_le_bytes, &[1, 2]);
    let at = 24 + 16 + frame(1).len() + 8;
    file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let outcome = read(&[&file]);
    assert_eq!(outcome.packets.len(), 1);
    assert!(outcome.errors[0].contains("captured length 4294967295"), "{:?}", outcome.errors);
}

#[test]
fn the_filter_is_counted() {
    let filter = Some(Filter::new("udp dst port 2").unwrap());
    let file = pcap(MICRO, u32::to_le_bytes, &[1, 2, 3]);
    let outcome = read_with(&[&file], FileOptions { filter, ..FileOptions::default() });
    assert_eq!((outcome.packets.len(), outcome.counters.filtered.packets), (1, 2));
    assert_eq!(outcome.counters.packets, 3);
}

/// A file of each format with one byte changed: nothing panics, every frame that is counted is a packet or a discard, and at
/// most one error is reported for a file.
#[test]
fn damage_anywhere_is_accounted_for() {
    let files = [
        pcap(MICRO, u32::to_le_bytes, &[1, 2, 3]),
        Classic { magic: 0xa1b2_cd34, record: 24, version: [2, 2], is_swapped: true }
            .file(u32::to_be_bytes, &[1, 2, 3]),
        include_bytes!("../../../../tests/captures/own-mixed.pcapng")[..900].to_vec(),
    ];
    let (mut read_on, mut damaged) = (0, 0);
    for file in files {
        for at in 0..file.len() {
            for value in [0xff, file[at].wrapping_add(1)] {
                let mut changed = file.clone();
                changed[at] = value;
                let outcome = read(&[&changed]);
                let c = &outcome.counters;
                assert_eq!(outcome.packets.len() as u64 + c.discards.total().packets, c.packets);
                assert_eq!(outcome.errors.len() as u64, c.damaged_files);
                assert!(outcome.errors.len() <= 1 && outcome.errors.iter().all(|e| !e.contains('\n')));
                read_on += u64::from(c.bad_blocks > 0 && c.packets > 0);
                damaged += c.damaged_files;
            }
        }
    }
    assert!(read_on > 50 && damaged > read_on, "{read_on} of {damaged} files were read on");
}
