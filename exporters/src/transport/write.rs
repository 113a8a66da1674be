//! Writes lines, and counts how many were written completely.

use std::io::{self, ErrorKind, Write};

/// The result of writing lines.
pub(super) struct Written {
    /// Number of complete lines written.
    pub(super) lines: usize,
    /// Bytes written for them.
    pub(super) octets: usize,
    pub(super) result: io::Result<()>,
}

impl Written {
    pub(super) const fn nothing(e: io::Error) -> Self {
        Self { lines: 0, octets: 0, result: Err(e) }
    }
}

/// Number of lines that end in it.
pub(super) fn lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// Like `write_all`, but returns how much was written.
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
