//! Generates a capture like that of a busy network, always the same one.

use std::fs::File;
use std::io::{BufWriter, Write};

/// Start: 2026-01-01.
const START_NS: u64 = 1_767_225_600_000_000_000;
/// Packets per second of capture time.
const RATE: u64 = 100_000;

/// xorshift64*: good enough, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// One conversation: its number decides about addresses, ports, protocol and tags.
#[derive(Clone, Copy)]
struct Conversation {
    number: u64,
    sent: u32,
    left: u32,
}

/// Writes `packets` packets of `flows` conversations; one in ten conversations is under way at any time.
pub(super) fn write(path: &str, packets: u64, flows: u64, snap_length: usize) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    out.write_all(&header(snap_length)).expect("written");
    let window = usize::try_from((flows / 10).max(flows.min(1000))).expect("fits");
    let mut begun = 0;
    let mut under_way: Vec<Conversation> = Vec::with_capacity(window);
    for i in 0..packets {
        // Every conversation gets its turn, and the packets that are left are spread over them.
        let due = begun < flows && (under_way.len() < window.min(1 + i as usize) || begun * packets < i * flows);
        let at = if due {
            begun += 1;
            begin(&mut under_way, window, begun, &mut random)
        } else {
            random.below(under_way.len() as u64) as usize
        };
        let conversation = &mut under_way[at];
        conversation.sent += 1;
        conversation.left = conversation.left.saturating_sub(1);
        let time_ns = START_NS + i * 1_000_000_000 / RATE;
        let (wire, frame) = frame(*conversation, &mut random);
        record(&mut out, time_ns, wire, frame.get(..snap_length).unwrap_or(&frame));
    }
    out.flush().expect("written");
}

/// Puts a new conversation in the place of one that has ended, or of any other.
fn begin(under_way: &mut Vec<Conversation>, window: usize, number: u64, random: &mut Random) -> usize {
    // Most conversations are short, a few are long.
    let left = 2 + (1_000_000 / (1 + random.below(500_000))) as u32;
    let new = Conversation { number, sent: 0, left };
    if under_way.len() < window {
        under_way.push(new);
        return under_way.len() - 1;
    }
    let tries: Vec<usize> = (0..4).map(|_| random.below(window as u64) as usize).collect();
    let at = tries.into_iter().min_by_key(|at| under_way[*at].left).expect("four of them");
    under_way[at] = new;
    at
}

/// Of the file: nanoseconds, Ethernet.
fn header(snap_length: usize) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(0xa1b2_3c4d_u32.to_le_bytes());
    header.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.extend((snap_length as u32).to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header
}

/// Length on the wire and the bytes.
fn frame(conversation: Conversation, random: &mut Random) -> (usize, Vec<u8>) {
    let Conversation { number, sent, .. } = conversation;
    let (from_client, mut frame) = (sent == 1 || !random.below(5).is_multiple_of(2), Vec::with_capacity(1518));
    let payload = if sent <= 2 { 0 } else { [0, 0, 60, 300, 600, 1400, 1400][random.below(7) as usize] };
    link(&mut frame, number);
    let six = number % 4 == 1;
    frame.extend(if six { [0x86, 0xdd] } else { [8, 0] });
    let (protocol, transport) = transport(number, sent, from_client, six);
    let length = transport.len() + payload;
    let (client, server) = (number as u32, (number % 50_021) as u32);
    let (source, destination) = if from_client { (client, server) } else { (server, client) };
    let side = |client: bool| if client == from_client { 10 } else { 172 };
    if six {
        frame.extend([0x60, 0, 0, 0]);
        frame.extend((length as u16).to_be_bytes());
        frame.extend([protocol, 64]);
        for (side, host) in [(side(true), source), (side(false), destination)] {
            frame.extend([0x20, 1, 0xd, 0xb8, side, 0, 0, 0, 0, 0, 0, 0]);
            frame.extend(host.to_be_bytes());
        }
    } else {
        frame.extend([0x45, 0]);
        frame.extend((20 + length as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        for (side, host) in [(side(true), source), (side(false), destination)] {
            frame.extend((u32::from(side) << 24 | host & 0xff_ffff).to_be_bytes());
        }
    }
    frame.extend(transport);
    let wire = (frame.len() + payload).max(60);
    frame.resize(wire, 0);
    (wire, frame)
}

/// MAC addresses and tags: 5 % VLAN, 1.2 % QinQ.
fn link(frame: &mut Vec<u8>, number: u64) {
    frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    let vlan = [0x81, 0, 0, (number % 250) as u8];
    match number % 1000 {
        0..50 => frame.extend(vlan),
        50..62 => frame.extend([&[0x88, 0xa8, 0, 100], &vlan[..]].concat()),
        _ => {}
    }
}

/// 70 % TCP, 25 % UDP, 5 % ICMP echo.
fn transport(number: u64, sent: u32, from_client: bool, six: bool) -> (u8, Vec<u8>) {
    let (client_port, server_port) = (1024 + (number % 60_000) as u16, [443, 80, 53, 22][(number % 4) as usize]);
    let (source, destination) = if from_client { (client_port, server_port) } else { (server_port, client_port) };
    let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    match number % 20 {
        0..14 => {
            let flags = match (sent, from_client) {
                (1, _) => 0x02,
                (2, false) => 0x12,
                _ => 0x10,
            };
            (6, [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 1, 0, 0, 0, 0, 0]].concat())
        }
        14..19 => (17, [&ports[..], &[0, 8, 0, 0]].concat()),
        _ => {
            let kind = match (six, from_client) {
                (false, true) => 8,
                (false, false) => 0,
                (true, true) => 128,
                (true, false) => 129,
            };
            let [high, low] = client_port.to_be_bytes();
            (if six { 58 } else { 1 }, vec![kind, 0, 0, 0, high, low, 0, 1])
        }
    }
}

fn record(out: &mut impl Write, time_ns: u64, wire: usize, frame: &[u8]) {
    let numbers = [(time_ns / 1_000_000_000) as u32, (time_ns % 1_000_000_000) as u32, frame.len() as u32, wire as u32];
    let head: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    out.write_all(&head).and_then(|()| out.write_all(frame)).expect("written");
}
