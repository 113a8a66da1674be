//! File names that contain the time.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::time::TimePattern;

/// A file's path; its name may contain the time as a [`TimePattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    given: String,
    folder: PathBuf,
    name: TimePattern,
}

impl FileName {
    /// Reads a path.
    ///
    /// # Errors
    /// The path names no file, or has an unknown placeholder, or has a placeholder in its folder.
    pub fn parse(given: &str) -> Result<Self, &'static str> {
        let (folder, name) =
            given.rsplit_once('/').map_or(("", given), |(f, n)| (if f.is_empty() { "/" } else { f }, n));
        if name.is_empty() {
            return Err("it names no file");
        }
        if folder.contains('%') {
            return Err("the time (%) is allowed in the file's name only, not in its folder");
        }
        Ok(Self { given: given.to_owned(), folder: folder.into(), name: TimePattern::parse(name)? })
    }

    /// Whether the name contains the time.
    pub(super) fn has_time(&self) -> bool {
        self.name.has_time()
    }

    /// The folder; empty: the current one.
    pub(crate) fn folder(&self) -> &Path {
        if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder }
    }

    /// The path at `now_ns`, nanoseconds since the epoch; the `number`th of that name when it is not 0.
    pub(crate) fn at(&self, now_ns: u64, number: u32) -> PathBuf {
        let mut name = self.name.render(now_ns);
        if number > 0 {
            name.push_str(&format!(".{number}"));
        }
        self.folder.join(name)
    }

    /// Whether [`Self::at`] may have made the name.
    pub(crate) fn made(&self, name: &OsStr) -> bool {
        let rest = name.to_str().and_then(|name| self.name.strip(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(is_number))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-12-31T23:59:58Z.
    const MOMENT: u64 = 1_767_225_598_000_000_000;

    #[test]
    fn the_time_stands_where_it_was_asked_for() {
        let name = FileName::parse("/var/log/flows-%Y%m%d-%H%M%S.100%%.json").unwrap();
        assert_eq!(name.at(MOMENT, 0), Path::new("/var/log/flows-20251231-235958.100%.json"));
        assert_eq!(name.at(MOMENT, 2), Path::new("/var/log/flows-20251231-235958.100%.json.2"));
        assert!(name.made(OsStr::new("flows-20251231-235958.100%.json.2")));
        for other in ["flows-20251231-235958.100%.json.x", "flows-2025123-235958.100%.json", "flows-", "ä"] {
            assert!(!name.made(OsStr::new(other)), "{other}");
        }
        assert_eq!(FileName::parse("/flows").unwrap().at(0, 0), Path::new("/flows"));
        assert_eq!(FileName::parse("flows").unwrap().folder(), Path::new("."));
    }

    #[test]
    fn other_placeholders_are_refused() {
        assert!(FileName::parse("a/").unwrap_err().contains("no file"));
        assert!(FileName::parse("%Y/flows.json").unwrap_err().contains("folder"));
        assert!(FileName::parse("flows-%y").unwrap_err().contains("Y, m, d, H, M, S"));
        assert!(FileName::parse("flows%").is_err());
    }
}
