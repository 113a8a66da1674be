//! Permissions of the files that an exporter creates.

use serde::Deserialize;

/// Permission bits of a file, as chmod(1) takes them: `"0640"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FileMode(u32);

/// The owner reads and writes.
const REQUIRED_BITS: u32 = 0o600;
/// Read and write, for owner, group and others.
const ALLOWED_BITS: u32 = 0o666;

impl FileMode {
    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for FileMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let bits = if is_octal { u32::from_str_radix(&text, 8).ok() } else { None };
        bits.filter(|bits| bits & REQUIRED_BITS == REQUIRED_BITS && bits & !ALLOWED_BITS == 0).map(Self).ok_or_else(
            || {
                "write three or four octal digits, as in \"0640\": the owner reads and writes, nobody executes"
                    .to_owned()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_and_let_the_owner_write() {
        for (text, bits) in [("0600", 0o600), ("640", 0o640), ("0666", 0o666)] {
            assert_eq!(FileMode::try_from(text.to_owned()).map(FileMode::bits), Ok(bits));
        }
        for wrong in ["", "0", "0o640", "0680", "0755", "0440", "1640", "00640", "-640", "+640", "rw-r-----", " 640"] {
            assert!(FileMode::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
