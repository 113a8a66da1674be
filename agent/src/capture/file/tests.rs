//! Files made by hand: formats, time resolutions, compression, damage.

use std::fs;
use std::io::Write;

use super::*;

/// Octets of an Ethernet frame with a UDP datagram to this port.
fn frame(port: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9]);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 8, 0, 0]);
    frame
}

/// A classic file with one packet per port; numbers are written by `order`.
fn pcap(magic: u32, order: fn(u32) -> [u8; 4], ports: &[u16]) -> Vec<u8> {
    let mut file = order(magic).to_vec();
    [0, 0, 0, 65_535, 1].iter().for_each(|n| file.extend(order(*n)));
    for port in ports {
        let frame = frame(*port);
        [5, 7, frame.len() as u32, 60].iter().for_each(|n| file.extend(order(*n)));
        file.extend(frame);
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (12 + body.len().next_multiple_of(4)) as u32;
    let mut block = [kind.to_le_bytes(), length.to_le_bytes()].concat();
    block.extend(body);
    block.resize(length as usize - 4, 0);
    block.extend(length.to_le_bytes());
    block
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat())
}

/// An interface: Ethernet, with these options.
fn interface(options: &[u8]) -> Vec<u8> {
    block(1, &[&[1, 0, 0, 0, 0, 0, 0, 0][..], options].concat())
}

fn enhanced(interface: u32, units: u64, frame: &[u8]) -> Vec<u8> {
    let numbers = [interface, (units >> 32) as u32, units as u32, frame.len() as u32, 60];
    let mut body: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    body.extend(frame);
    block(6, &body)
}

struct Outcome {
    packets: Vec<Packet>,
    errors: Vec<String>,
    interfaces: Vec<Interface>,
    counters: CaptureCounters,
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

fn read(files: &[&[u8]]) -> Outcome {
    read_with(files, FileOptions::default())
}

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;

#[test]
fn classic_files_in_both_byte_orders_and_resolutions() {
    for (magic, order, time_ns) in [
        (MICRO, u32::to_le_bytes as fn(u32) -> [u8; 4], 5_000_007_000),
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
fn pcapng_resolutions_names_and_sections() {
    let nano = interface(&[9, 0, 1, 0, 9, 0, 0, 0, 2, 0, 4, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0]);
    let binary = interface(&[9, 0, 1, 0, 0x80 | 10, 0, 0, 0, 14, 0, 8, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let simple = block(3, &[&60_u32.to_le_bytes()[..], &frame(4), &[0; 18]].concat());
    let file = [
        section(),
        interface(&[]),
        nano,
        binary,
        enhanced(0, 5_000_007, &frame(1)),
        enhanced(1, 5_000_000_007, &frame(2)),
        enhanced(2, 2 * 1024 + 512, &frame(3)),
        simple,
        section(),
        interface(&[]),
        enhanced(0, 6_000_000, &frame(5)),
    ]
    .concat();
    let outcome = read(&[&file]);
    assert_eq!(outcome.errors, Vec::<String>::new());
    let seen: Vec<(u64, u16, u32)> =
        outcome.packets.iter().map(|p| (p.time_ns, p.destination_port, p.interface)).collect();
    let expected = [
        (5_000_007_000, 1, 0),
        (5_000_000_007, 2, 1),
        (102_500_000_000, 3, 2),
        (102_500_000_000, 4, 0),
        (6_000_000_000, 5, 3),
    ];
    assert_eq!(seen, expected);
    assert_eq!(&*outcome.interfaces[1].name, "eth0");
}

#[test]
fn a_file_cut_in_the_middle_is_one_line_and_the_others_go_on() {
    let whole = pcap(MICRO, u32::to_le_bytes, &[1, 2, 3]);
    let outcome = read(&[&whole[..whole.len() - 5], &whole]);
    assert_eq!((outcome.packets.len(), outcome.counters.damaged_files), (5, 1));
    let [error] = outcome.errors.as_slice() else { panic!("{:?}", outcome.errors) };
    let offset = whole.len() - 16 - frame(1).len();
    assert!(error.contains(&format!("at octet {offset}")) && error.contains("2 packets"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn what_is_no_capture_is_refused() {
    for content in [&b"GET / HTTP/1.1\r\n\r\n and so on and on"[..], b"", &[0; 100]] {
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
    let undescribed = [section(), enhanced(0, 1, &frame(1))].concat();
    assert!(read(&[&undescribed]).errors[0].contains("interface 0, which is not described"));
}

#[test]
fn the_filter_is_counted() {
    let filter = Some(Filter::new("udp dst port 2").unwrap());
    let file = pcap(MICRO, u32::to_le_bytes, &[1, 2, 3]);
    let outcome = read_with(&[&file], FileOptions { filter, ..FileOptions::default() });
    assert_eq!((outcome.packets.len(), outcome.counters.filtered.packets), (1, 2));
    assert_eq!(outcome.counters.packets, 3);
}
