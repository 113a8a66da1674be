//! Counts the packets of a capture file independently, by the framing of pcap and pcapng alone.

/// Packets and bytes on the wire.
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

/// Counts the packets of an uncompressed little-endian pcap or pcapng file; an incomplete record at its end does not
/// count.
pub(crate) fn count(file: &[u8]) -> Total {
    records(file).0
}

/// Whether the file ends at the end of a record.
pub(crate) fn is_whole(file: &[u8]) -> bool {
    records(file).1
}

/// The packets of a file, and whether it ends at the end of a record.
fn records(file: &[u8]) -> (Total, bool) {
    if file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) { pcapng(file) } else { pcap(file) }
}

fn number(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap())
}

fn pcap(file: &[u8]) -> (Total, bool) {
    let (mut total, mut at) = (Total::default(), 24);
    if file.len() < at {
        return (total, false);
    }
    assert!(matches!(number(file, 0), 0xa1b2_c3d4 | 0xa1b2_3c4d), "a big-endian capture");
    while at + 16 <= file.len() {
        let end = at + 16 + number(file, at + 8) as usize;
        if end > file.len() {
            break;
        }
        total.add(number(file, at + 12));
        at = end;
    }
    (total, at == file.len())
}

fn pcapng(file: &[u8]) -> (Total, bool) {
    assert!(file.len() < 12 || number(file, 8) == 0x1a2b_3c4d, "a big-endian capture");
    let (mut total, mut at) = (Total::default(), 0);
    while at + 12 <= file.len() {
        let end = at + number(file, at + 4) as usize;
        if end > file.len() {
            break;
        }
        match number(file, at) {
            // Enhanced and simple packet blocks.
            6 => total.add(number(file, at + 24)),
            3 => total.add(number(file, at + 8)),
            _ => {}
        }
        at = end;
    }
    (total, at > 0 && at == file.len())
}
