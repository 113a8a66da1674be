//! Files of the host as text, whatever bytes are in them: a byte that is not UTF-8 affects only itself, and a line that
//! cannot be understood takes nothing but that line.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pidflow_exporters::regular_file;

/// Lines that could not be understood, of all files.
static SKIPPED: AtomicU64 = AtomicU64::new(0);
/// Files for which that has been logged.
static WARNED_FILES: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// The greatest number of bytes read of a file: enough for a passwd file with half a million users.
const MAX_BYTES: u64 = 32 << 20;
/// The text of a file, at most its first [`MAX_BYTES`]; bytes that are not UTF-8 become U+FFFD.
///
/// # Errors
/// It cannot be read, or is a pipe, a device or a folder.
pub(crate) fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let mut bytes = Vec::new();
    regular_file::open(path.as_ref())?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(lossy(bytes))
}

/// Bytes as text, without a copy where they are UTF-8.
pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Parses each line. Lines that cannot be parsed are counted, and the first one of each file is logged. `file` is the
/// name to log.
pub(super) fn parse_lines<'a, T>(
    file: &'static str,
    text: &'a str,
    parse: impl Fn(&'a str) -> Option<T>,
) -> impl Iterator<Item = T> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.filter_map(move |line| parse(line).or_else(|| skip(file, line)))
}

fn skip<T>(file: &'static str, line: &str) -> Option<T> {
    SKIPPED.fetch_add(1, Ordering::Relaxed);
    if WARNED_FILES.lock().unwrap_or_else(PoisonError::into_inner).insert(file) {
        // The text after a colon may be the hash of a password.
        let begin: String = line.chars().take_while(|c| *c != ':').take(MAX_LOGGED_CHARACTERS).collect();
        tracing::warn!("{file}: skipped a line that cannot be parsed: {begin:?}; further ones are only counted");
    }
    None
}

/// Characters of a line that the log shows.
const MAX_LOGGED_CHARACTERS: usize = 40;

/// Lines that were skipped so far.
pub(super) fn skipped() -> u64 {
    SKIPPED.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_line_is_skipped_and_counted() {
        let before = skipped();
        let numbers: Vec<u32> = parse_lines("a test's file", "1\n\nx\n3\ny\n", |line| line.parse().ok()).collect();
        assert_eq!(numbers, [1, 3]);
        assert!(skipped() >= before + 2);
    }

    #[test]
    fn bytes_that_are_not_utf8_take_nothing_else() {
        assert_eq!(lossy(b"m\xfcller\n".to_vec()), "m\u{fffd}ller\n");
        assert_eq!(lossy("müller".into()), "müller");
    }

    #[test]
    fn no_file_keeps_anybody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("passwd");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&*pipe, dir.path(), Path::new("/dev/zero")] {
            read(path).unwrap_err();
        }
        assert!(read("/proc/self/status").unwrap().contains("Name:"));
    }
}
