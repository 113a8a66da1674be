//! Makes text of foreign bytes that is safe to show.

use std::fmt::Write;
use std::sync::Arc;

/// The greatest length of a text, bytes; the rest is cut off.
const MAX_TEXT: usize = 1024;

/// The bytes as text: visible ASCII characters as they are, all others and backslashes as `\DDD` (RFC 1035 section 5.1), so that
/// no control character, deceiving mark or invalid UTF-8 gets into a record.
pub(super) fn visible(bytes: &[u8]) -> Arc<str> {
    escaped(bytes, u8::is_ascii_graphic)
}

/// The same for a line of several words: blanks stay.
pub(super) fn visible_line(bytes: &[u8]) -> Arc<str> {
    escaped(bytes, |byte| byte.is_ascii_graphic() || *byte == b' ')
}

fn escaped(bytes: &[u8], stays: impl Fn(&u8) -> bool) -> Arc<str> {
    let mut text = String::with_capacity(bytes.len().min(MAX_TEXT));
    for byte in bytes.iter().take(MAX_TEXT) {
        if stays(byte) && *byte != b'\\' {
            text.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\{byte:03}");
        }
    }
    text.into()
}
