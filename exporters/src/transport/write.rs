//! Writing lines and knowing how many of them stay.

use std::io::{self, ErrorKind, Write};

/// The outcome of lines.
pub(super) struct Written {
    /// Lines that stay.
    pub(super) lines: usize,
    /// Bytes of them, as written.
    pub(super) octets: usize,
    pub(super) result: io::Result<()>,
}

impl Written {
    pub(super) const fn nothing(e: io::Error) -> Self {
        Self { lines: 0, octets: 0, result: Err(e) }
    }
}

/// How many lines end in it.
pub(super) fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

/// As `write_all`, but returns how much was written.
pub(super) fn write_counting(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|r| !r.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (written, Err(e)),
        }
    }
    (written, Ok(()))
}
