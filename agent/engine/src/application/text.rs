//! Makes text of foreign bytes that is safe to show.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The greatest length of a text, bytes; the rest is cut off.
const MAX_TEXT: usize = 1024;

/// Texts that most flows have: methods of HTTP and lists of ALPN. All flows share them.
static COMMON: LazyLock<Vec<Arc<str>>> = LazyLock::new(|| {
    ["GET", "POST", "HEAD", "PUT", "CONNECT", "OPTIONS", "h2,http/1.1", "http/1.1", "h2", "h3"].map(Arc::from).into()
});

/// Words of protocols that were seen. There are only as many as the lists of protocols have.
static WORDS: Mutex<BTreeMap<&'static str, Arc<str>>> = Mutex::new(BTreeMap::new());

/// A word of a protocol's list. All flows share it.
pub(super) fn of_list(word: &'static str) -> Arc<str> {
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(words.entry(word).or_insert_with(|| word.into()))
}

/// The bytes as text: visible ASCII characters as they are, all others and backslashes as `\DDD` (RFC 1035 section 5.1), so that
/// no control character, deceiving mark or invalid UTF-8 gets into a record.
pub(super) fn visible(bytes: &[u8]) -> Arc<str> {
    if let Some(common) = COMMON.iter().find(|common| common.as_bytes() == bytes) {
        return Arc::clone(common);
    }
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
