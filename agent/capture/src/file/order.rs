//! Byte orders of numbers in capture files.

/// The byte order of one pcap file, or of one section of a pcapng file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    #[inline]
    pub(super) const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(super) const fn i64(self, bytes: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(bytes),
            Self::Big => i64::from_be_bytes(bytes),
        }
    }

    /// Consecutive 32-bit numbers.
    #[inline]
    pub(super) fn numbers<const BYTES: usize, const NUMBERS: usize>(self, bytes: &[u8; BYTES]) -> [u32; NUMBERS] {
        let mut numbers = [0; NUMBERS];
        let (chunks, _) = bytes.as_chunks::<4>();
        for (number, chunk) in numbers.iter_mut().zip(chunks) {
            *number = self.u32(*chunk);
        }
        numbers
    }
}
