//! Blocks made by hand.

use super::super::tests::{Outcome, frame, read};

/// Numbers of 32 bits in the byte order of a section.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    Little,
    Big,
}
use Written::{Big, Little};

impl Written {
    fn u16(self, n: u16) -> [u8; 2] {
        if self == Big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn u32(self, n: u32) -> [u8; 4] {
        if self == Big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let length = (12 + body.len().next_multiple_of(4)) as u32;
        let mut block = [self.u32(kind), self.u32(length)].concat();
        block.extend(body);
        block.resize(length as usize - 4, 0);
        block.extend(self.u32(length));
        block
    }

    fn section_of_version(self, version: [u16; 2], options: &[u8]) -> Vec<u8> {
        let version = version.map(|n| self.u16(n)).concat();
        self.block(super::kind::SECTION_HEADER, &[&self.u32(0x1a2b_3c4d)[..], &version, &[0xff; 8], options].concat())
    }

    fn section(self) -> Vec<u8> {
        self.section_of_version([1, 0], &[])
    }

    /// An interface of this link type with these options.
    fn link(self, link: u16, options: &[u8]) -> Vec<u8> {
        self.block(1, &[&self.u16(link)[..], &[0; 6], options].concat())
    }

    fn interface(self, options: &[u8]) -> Vec<u8> {
        self.link(1, options)
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut option = [self.u16(code), self.u16(value.len() as u16)].concat();
        option.extend(value);
        option.resize(option.len().next_multiple_of(4), 0);
        option
    }

    /// `first` is the interface, in the obsolete block also the count of drops.
    fn packet(self, kind: u32, first: u32, units: u64, rest: (&[u8], &[u8])) -> Vec<u8> {
        let (frame, options) = rest;
        let numbers = [first, (units >> 32) as u32, units as u32, frame.len() as u32, 60];
        let mut body: Vec<u8> = numbers.iter().flat_map(|n| self.u32(*n)).collect();
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(options);
        self.block(kind, &body)
    }

    fn enhanced(self, interface: u32, units: u64, port: u16) -> Vec<u8> {
        self.packet(6, interface, units, (&frame(port), &[]))
    }

    fn simple(self, port: u16) -> Vec<u8> {
        self.block(3, &[&self.u32(60)[..], &frame(port), &[0; 18]].concat())
    }
}

fn read_blocks(blocks: &[Vec<u8>]) -> Outcome {
    read(&[&blocks.concat()])
}

fn ports(outcome: &Outcome) -> Vec<u16> {
    outcome.packets.iter().map(|p| p.destination_port).collect()
}

#[track_caller]
fn reads_all(blocks: &[Vec<u8>], expected: &[u16]) -> Outcome {
    let outcome = read_blocks(blocks);
    assert_eq!((&outcome.errors, outcome.counters.bad_blocks), (&Vec::new(), 0));
    assert_eq!(ports(&outcome), expected);
    outcome
}

/// Everything but bad blocks is read, and the bad blocks are reported.
#[track_caller]
fn reads_around(blocks: &[Vec<u8>], expected: &[u16], bad: u64, said: &str) -> Outcome {
    let outcome = read_blocks(blocks);
    assert_eq!((ports(&outcome), outcome.counters.bad_blocks), (expected.to_vec(), bad), "{:?}", outcome.errors);
    assert_eq!((outcome.errors.len(), outcome.counters.damaged_files), (1, 1));
    let error = &outcome.errors[0];
    assert!(error.contains(&format!("{bad} malformed blocks were skipped")) && error.contains(said), "{error}");
    outcome
}

#[test]
fn resolutions_names_and_sections() {
    let nano = Little.interface(&[9, 0, 1, 0, 9, 0, 0, 0, 2, 0, 4, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0]);
    let binary = Little.interface(&[9, 0, 1, 0, 0x80 | 10, 0, 0, 0, 14, 0, 8, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let blocks = [
        Little.section(),
        Little.interface(&[]),
        nano,
        binary,
        Little.enhanced(0, 5_000_007, 1),
        Little.enhanced(1, 5_000_000_007, 2),
        Little.enhanced(2, 2 * 1024 + 512, 3),
        Little.simple(4),
        Little.section(),
        Little.interface(&[]),
        Little.enhanced(0, 6_000_000, 5),
    ];
    let outcome = reads_all(&blocks, &[1, 2, 3, 4, 5]);
    let seen: Vec<(u64, u32)> = outcome.packets.iter().map(|p| (p.time_ns, p.interface)).collect();
    let expected =
        [(5_000_007_000, 0), (5_000_000_007, 1), (102_500_000_000, 2), (102_500_000_000, 0), (6_000_000_000, 3)];
    assert_eq!(seen, expected);
    assert_eq!(&*outcome.interfaces[1].name, "eth0");
}

#[test]
fn times_that_are_out_of_range_are_the_nearest_ones() {
    let resolution = |value: u8, offset_s: i64| {
        Little.interface(&[Little.option(9, &[value]), Little.option(14, &offset_s.to_le_bytes())].concat())
    };
    let cases = [
        (resolution(19, 7), 10_000_000_000_000_000_000, 8_000_000_000),
        (resolution(0x80 | 63, 0), 1 << 62, 500_000_000),
        (resolution(0, 0), u64::MAX, u64::MAX),
        (resolution(0xff, i64::MIN), u64::MAX, 0),
        (resolution(6, i64::MAX), 0, u64::MAX),
        (resolution(6, -5), 7_000_000, 2_000_000_000),
        (resolution(0x7f, 3), u64::MAX, 3_000_000_000),
    ];
    for (interface, units, time_ns) in cases {
        let outcome = reads_all(&[Little.section(), interface, Little.enhanced(0, units, 1)], &[1]);
        assert_eq!(outcome.packets[0].time_ns, time_ns);
    }
}

#[test]
fn sections_of_both_byte_orders_and_the_obsolete_block() {
    let mut blocks = Vec::new();
    for (order, interface_1) in [(Little, 9 << 16 | 1), (Big, 1 << 16 | 9), (Little, 0xffff_0001)] {
        let nano = order.interface(&order.option(9, &[9]));
        blocks.extend([order.section_of_version([1, 2], &[]), order.interface(&[]), nano]);
        blocks.extend([order.enhanced(0, 7, 1), order.packet(2, interface_1, 7, (&frame(2), b"options\xff"))]);
        blocks.push(order.simple(3));
    }
    let outcome = reads_all(&blocks, &[1, 2, 3, 1, 2, 3, 1, 2, 3]);
    assert!(outcome.packets.chunks(3).all(|p| [p[0].time_ns, p[1].time_ns] == [7000, 7]));
}

/// In each of these lists no option but the needed ones is well-formed.
#[test]
fn unused_options_are_not_validated() {
    for order in [Little, Big] {
        let o = |code, value: &[u8]| order.option(code, value);
        let cut = [&order.u16(3)[..], &order.u16(500), b"short"].concat();
        let lists = [
            vec![o(2, b"eth0")],
            vec![o(2, b"eth0"), o(6, &[1, 2, 3])],
            vec![o(3, b"R\xe9seau"), o(2, b"eth0"), o(1, b"caf\xe9"), o(0, b"")],
            vec![o(11, b""), o(12, b"\xff"), o(13, b""), o(10, b"1"), o(4, b"1"), o(5, b"1"), o(2, b"eth0\0\0")],
            vec![o(2, b"eth0"), cut.clone()],
            vec![o(2, b"eth0"), vec![0xff; 2]],
            vec![o(2, b"eth0"), o(0, b"with a length"), o(2, b"eth1")],
            vec![o(9, b""), o(14, b"short"), o(2, b"eth0"), o(0x8bad, b"abcde"), o(2988, b""), o(0, b"")],
        ];
        for list in lists {
            let list = list.concat();
            let blocks = [
                order.section_of_version([1, 0], &[o(1, b"caf\xe9"), o(4, b"\xff"), cut.clone()].concat()),
                order.interface(&list),
                order.packet(6, 0, 5_000_000, (&frame(1), &[o(1, b"\xe9"), o(2, b"x"), cut.clone()].concat())),
            ];
            let outcome = reads_all(&blocks, &[1]);
            assert_eq!((&*outcome.interfaces[0].name, outcome.packets[0].time_ns), ("eth0", 5_000_000_000));
        }
    }
}

#[test]
fn names_that_are_no_utf8_or_too_long_are_kept_as_well_as_can_be() {
    let name = |value: &[u8]| {
        let blocks = [Little.section(), Little.interface(&Little.option(2, value)), Little.enhanced(0, 1, 1)];
        reads_all(&blocks, &[1]).interfaces[0].name.to_string()
    };
    assert_eq!(name(b"R\xe9seau"), "R\u{fffd}seau");
    assert_eq!(name(&[b'x'; 60_000]).len(), 256);
    assert!(name(b"").ends_with(".pcap") && name(b"\0\0").ends_with(".pcap"), "the file's");
}

#[test]
fn other_blocks_are_passed_over() {
    let others: Vec<Vec<u8>> = [
        (4, &b"\x01\0\x09\0\x0a\0\0\x01caf\xe9\0\0\0\0"[..]),
        (5, b"\0\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\x04\0caf\xe9"),
        (9, b"MESSAGE=hello\n"),
        (10, b"KSLT\xff\xff\xff\xffabc"),
        (0xbad, b""),
        (0x4000_0bad, b"1234"),
        (0x8000_0000, &[0xff; 100_000]),
    ]
    .into_iter()
    .map(|(kind, body)| Little.block(kind, body))
    .collect();
    let start = [Little.section(), Little.interface(&[])];
    let blocks = [&start[..], &others, &[Little.enhanced(0, 1, 1)], &others, &[Little.enhanced(0, 1, 2)]].concat();
    reads_all(&blocks, &[1, 2]);
    let frame_relay = [Little.section(), Little.link(107, &[]), Little.interface(&[])];
    let blocks = [&frame_relay[..], &[Little.enhanced(0, 1, 1), Little.enhanced(1, 1, 2)]].concat();
    let outcome = reads_all(&blocks, &[2]);
    let undecoded: Vec<_> = outcome.counters.discards.by_protocol().collect();
    assert_eq!(undecoded, [("link type 107".to_owned(), 1)]);
}

#[test]
fn a_bad_packet_block_costs_itself() {
    let (start, good) = ([Little.section(), Little.interface(&[])], Little.enhanced(0, 1, 9));
    let mut long = Little.enhanced(0, 1, 8);
    long[8 + 12..][..4].copy_from_slice(&5000_u32.to_le_bytes());
    let mut trailer = Little.enhanced(0, 1, 8);
    *trailer.last_mut().unwrap() = 1;
    let simple_alone = [Little.section(), Little.simple(1), Little.interface(&[]), good.clone()];
    reads_around(&simple_alone, &[9], 1, "interface 0, which is not described");
    for (bad, said) in [
        (Little.enhanced(1, 1, 8), "interface 1, which is not described"),
        (Little.enhanced(u32::MAX, 1, 8), "interface 4294967295"),
        (Little.packet(2, 0xffff, 1, (&frame(8), &[])), "interface 65535"),
        (Little.block(6, &[0; 16]), "shorter than its fields"),
        (Little.block(3, &[]), "shorter than its fields"),
        (Little.block(3, &[60, 0, 0, 0, 1, 2, 3, 4]), "longer than its block"),
        (long, "longer than its block"),
        (trailer, "at its start and"),
    ] {
        let blocks = [&start[..], &[good.clone(), bad.clone(), good.clone(), bad, good.clone()]].concat();
        let outcome = reads_around(&blocks, &[9, 9, 9], 2, said);
        let offset = blocks[..3].concat().len();
        assert!(outcome.errors[0].contains(&format!("at byte {offset}:")), "{:?}", outcome.errors);
    }
}

#[test]
fn behind_a_bad_description_interfaces_keep_their_numbers() {
    let mut trailer = Little.interface(&[]);
    *trailer.last_mut().unwrap() = 1;
    for bad in [trailer, Little.block(1, &[1, 0, 0, 0])] {
        let blocks = [
            Little.section(),
            bad,
            Little.interface(&Little.option(2, b"eth1")),
            Little.enhanced(0, 1, 1),
            Little.enhanced(1, 1, 2),
        ];
        let outcome = reads_around(&blocks, &[2], 2, "byte 28");
        assert_eq!(&*outcome.interfaces[0].name, "eth1");
    }
}

#[test]
fn a_section_header_with_a_bad_end_begins_its_section() {
    let mut bad = Big.section();
    *bad.last_mut().unwrap() = 1;
    let blocks = [Little.section(), Little.interface(&[]), Little.enhanced(0, 1, 1)];
    let more = [bad, Big.interface(&[]), Big.enhanced(0, 1, 2)];
    reads_around(&[blocks, more].concat(), &[1, 2], 1, "at its start and");
}

/// A block of 70 MB, which is never held as a whole.
#[test]
fn a_huge_block_is_passed_over_or_cut() {
    let start = [Little.section(), Little.interface(&[]), Little.enhanced(0, 1, 1)].concat();
    let huge = |kind| Little.block(kind, &vec![0; 70_000_000]);
    let good = Little.enhanced(0, 1, 2);
    reads_around(&[start.clone(), huge(6), good.clone()], &[1, 2], 1, "70000012 bytes, more than");
    reads_all(&[start.clone(), huge(10), good.clone()], &[1, 2]);
    for length in [u32::MAX - 3, 0x7fff_fffc, 100_000_000, 1_000_000] {
        let cut = [&6_u32.to_le_bytes()[..], &length.to_le_bytes(), &[0; 1000]].concat();
        let outcome = read(&[&[&start[..], &cut].concat()]);
        assert_eq!(ports(&outcome), [1]);
        assert!(outcome.errors[0].contains("ends in the middle of a record"), "{:?}", outcome.errors);
    }
}

#[test]
fn where_the_next_block_begins_must_be_known() {
    let start = [Little.section(), Little.interface(&[]), Little.enhanced(0, 1, 1)].concat();
    for length in [0_u32, 4, 11, 13, 34, u32::MAX] {
        let broken = [&6_u32.to_le_bytes()[..], &length.to_le_bytes(), &[0; 1000]].concat();
        let outcome = read(&[&[&start[..], &broken].concat()]);
        assert_eq!(ports(&outcome), [1]);
        assert!(outcome.errors[0].contains(&format!("block length {length}; the 1 packets")), "{:?}", outcome.errors);
    }
}

#[test]
fn versions_that_do_not_exist_are_refused() {
    for version in [[0, 0], [1, 1], [1, 3], [2, 0], [0xffff, 0xffff]] {
        let said = format!("pcapng version {}.{}", version[0], version[1]);
        let first = read_blocks(&[Little.section_of_version(version, &[]), Little.interface(&[])]);
        assert!(first.errors[0].contains(&said), "{:?}", first.errors);
        let start = [Little.section(), Little.interface(&[]), Little.enhanced(0, 1, 1)].concat();
        let later = read_blocks(&[start, Big.section_of_version(version, &[])]);
        assert!(later.errors[0].contains(&said) && ports(&later) == [1], "{:?}", later.errors);
    }
    let mut no_order = Little.section();
    no_order[8] = 0;
    assert!(read_blocks(&[no_order]).errors[0].contains("byte-order magic"));
}

#[test]
fn interfaces_have_a_bound() {
    let mut blocks = vec![Little.section()];
    blocks.extend(std::iter::repeat_n(Little.interface(&[]), 66_000));
    blocks.extend([Little.enhanced(65_535, 1, 1), Little.enhanced(65_536, 1, 2)]);
    let outcome = reads_around(&blocks, &[1], 66_000 - 65_536 + 1, "65,536");
    assert_eq!(outcome.interfaces.len(), 65_536);
}
