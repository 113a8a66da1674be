//! Odd capture files, made by hand: what is right in them is read, what is not costs itself alone and is said in one line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use pidflow_tests::process;

/// 2023-11-14 22:13:20 UTC, in microseconds.
const STAMP: u64 = 1_700_000_000_000_000;

/// Byte order of a section.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u32(self, n: u32) -> [u8; 4] {
        match self {
            Self::Little => n.to_le_bytes(),
            Self::Big => n.to_be_bytes(),
        }
    }

    fn u16(self, n: u16) -> [u8; 2] {
        match self {
            Self::Little => n.to_le_bytes(),
            Self::Big => n.to_be_bytes(),
        }
    }

    fn words(self, all: &[u32]) -> Vec<u8> {
        all.iter().flat_map(|n| self.u32(*n)).collect()
    }

    fn block(self, kind: u32, mut body: Vec<u8>) -> Vec<u8> {
        body.resize(body.len().next_multiple_of(4), 0);
        let length = body.len() as u32 + 12;
        [self.words(&[kind, length]), body, self.words(&[length])].concat()
    }

    fn section(self) -> Vec<u8> {
        let version = [self.u16(1), self.u16(0)].concat();
        self.block(0x0a0d_0d0a, [self.words(&[0x1a2b_3c4d]), version, vec![0xff; 8]].concat())
    }

    fn interface(self, snaplen: u32, options: &[u8]) -> Vec<u8> {
        self.block(1, [&self.u16(1)[..], &[0, 0], &self.u32(snaplen), options].concat())
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut option = [&self.u16(code)[..], &self.u16(value.len() as u16), value].concat();
        option.resize(option.len().next_multiple_of(4), 0);
        option
    }

    /// A packet of the interface; its captured length may be a lie.
    fn packet(self, interface: u32, captured: u32) -> Vec<u8> {
        let frame = frame();
        let head = [interface, (STAMP >> 32) as u32, STAMP as u32, captured, frame.len() as u32];
        self.block(6, [self.words(&head), frame].concat())
    }
}

/// 42 bytes of UDP over Ethernet.
fn frame() -> Vec<u8> {
    let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    f.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0, 53, 0, 8, 0, 0]);
    f
}

fn pcap(order: Order, magic: u32, snaplen: u32, more: &[u8]) -> Vec<u8> {
    let version = [order.u16(2), order.u16(4)].concat();
    let head = [order.u32(magic).to_vec(), version, order.words(&[0, 0, snaplen, 1])].concat();
    [head, order.words(&[1_700_000_000, 4_000_000_000, 42, 42]), more.to_vec(), frame()].concat()
}

/// Packets that are told, and the exit code.
fn read(dir: &Path, capture: &[u8]) -> (u64, Option<i32>, String) {
    let (file, json) = (dir.join("capture"), dir.join("flows.json"));
    fs::write(&file, capture).unwrap();
    let _ = fs::remove_file(&json);
    let mut command = Command::new(process::binary("pidflow").unwrap());
    let output = command.arg("read").arg(&file).arg("--json").arg(&json).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let records = fs::read_to_string(&json).unwrap_or_default();
    let packets = records.lines().map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["IN_PKTS"].as_u64().unwrap() + record["OUT_PKTS"].as_u64().unwrap()
    });
    (packets.sum(), output.status.code(), said)
}

#[test]
fn odd_captures_give_what_is_right_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let (le, be) = (Order::Little, Order::Big);
    let ng = |interface: &[u8], more: &[u8]| [&le.section()[..], interface, &le.packet(0, 42), more].concat();
    let plain = le.interface(0, &[]);
    let resolution = |r: u8| le.interface(0, &le.option(9, &[r]));
    let simple = le.block(3, [&le.u32(42)[..], &frame()].concat());
    let two_orders = [be.section(), be.interface(0, &[]), be.packet(0, 42), le.section(), plain.clone()].concat();
    for (what, capture, packets, code) in [
        ("nanoseconds, other order", pcap(be, 0xa1b2_3c4d, 65535, &[]), 1, 0),
        ("modified, other order", pcap(be, 0xa1b2_cd34, 65535, &[0; 8]), 1, 0),
        ("no snaplen", pcap(le, 0xa1b2_c3d4, 0, &[]), 1, 0),
        ("a snaplen that is too short", pcap(le, 0xa1b2_c3d4, 1, &[]), 1, 0),
        ("sections of both orders", ng(&plain, &[two_orders, le.packet(0, 42)].concat()), 3, 0),
        ("simple packets", ng(&plain, &simple), 2, 0),
        ("a block without content", ng(&plain, &le.block(0xbad, vec![])), 1, 0),
        (
            "an unknown block of a megabyte",
            ng(&plain, &[le.block(0xbad, vec![1; 1 << 20]), le.packet(0, 42)].concat()),
            2,
            0,
        ),
        ("seconds", ng(&resolution(0), &[]), 1, 0),
        ("10^-127 seconds", ng(&resolution(127), &[]), 1, 0),
        ("2^-127 seconds", ng(&resolution(255), &[]), 1, 0),
        ("the largest offset", ng(&le.interface(0, &le.option(14, &i64::MAX.to_le_bytes())), &[]), 1, 0),
        ("the smallest offset", ng(&le.interface(0, &le.option(14, &i64::MIN.to_le_bytes())), &[]), 1, 0),
        ("an offset of two bytes", ng(&le.interface(0, &le.option(14, &[1, 2])), &[]), 1, 0),
        ("no resolution", ng(&le.interface(0, &le.option(9, &[])), &[]), 1, 0),
        ("an option longer than its block", ng(&le.interface(0, &[2, 0, 0x60, 0xea, 1, 2, 3, 4]), &[]), 1, 0),
        ("a name of 60,000 bytes", ng(&le.interface(0, &le.option(2, &[0xff; 60_000])), &[]), 1, 0),
        ("a thousand interfaces", [le.section(), plain.repeat(1000), le.packet(999, 42)].concat(), 1, 0),
        ("an interface that is not described", ng(&plain, &[le.packet(7, 42), le.packet(0, 42)].concat()), 2, 1),
        ("a section without interfaces", ng(&plain, &[le.section(), le.packet(0, 42)].concat()), 1, 1),
        ("a packet longer than its block", ng(&plain, &[le.packet(0, 5000), le.packet(0, 42)].concat()), 2, 1),
        ("a block of length 0", ng(&plain, &le.words(&[6, 0, 0])), 1, 1),
        ("a block of odd length", ng(&plain, &le.words(&[6, 13, 0, 13])), 1, 1),
        ("a block longer than the file", ng(&plain, &le.words(&[6, 0xffff_fff0, 0])), 1, 1),
    ] {
        let (found, ended, said) = read(dir.path(), &capture);
        assert_eq!((found, ended), (packets, Some(code)), "{what}: {said}");
        let errors = said.lines().filter(|line| line.starts_with("pidflow: ")).count();
        assert_eq!(errors, usize::from(code == 1), "{what}: {said}");
    }
}

#[test]
fn no_capture_is_written_to_while_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link, hard) = (dir.path().join("capture"), dir.path().join("link"), dir.path().join("hard"));
    let capture = pcap(Order::Little, 0xa1b2_c3d4, 65535, &[]);
    fs::write(&file, &capture).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    fs::hard_link(&file, &hard).unwrap();
    for output in [&file, &link, &hard] {
        let mut command = Command::new(process::binary("pidflow").unwrap());
        let said = command.arg("read").arg(&file).arg("--json").arg(output).output().unwrap();
        assert_eq!(said.status.code(), Some(2), "{said:?}");
        assert_eq!(fs::read(&file).unwrap(), capture);
    }
}
