//! An independent count of a capture file's packets: nothing but the framing of pcap and pcapng.

/// Packets and octets on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Total {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

impl Total {
    fn add(&mut self, octets: u32) {
        self.packets += 1;
        self.octets += u64::from(octets);
    }
}

/// Of a whole file, plain pcap or pcapng, written by a little-endian machine.
pub(crate) fn count(file: &[u8]) -> Total {
    if file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) { pcapng(file) } else { pcap(file) }
}

fn number(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap())
}

fn pcap(file: &[u8]) -> Total {
    assert!(matches!(number(file, 0), 0xa1b2_c3d4 | 0xa1b2_3c4d), "a big-endian capture");
    let (mut total, mut at) = (Total::default(), 24);
    while at + 16 <= file.len() {
        total.add(number(file, at + 12));
        at += 16 + number(file, at + 8) as usize;
    }
    total
}

fn pcapng(file: &[u8]) -> Total {
    assert_eq!(number(file, 8), 0x1a2b_3c4d, "a big-endian capture");
    let (mut total, mut at) = (Total::default(), 0);
    while at + 12 <= file.len() {
        match number(file, at) {
            // Enhanced and simple packet blocks.
            6 => total.add(number(file, at + 24)),
            3 => total.add(number(file, at + 8)),
            _ => {}
        }
        at += number(file, at + 4) as usize;
    }
    total
}
