//! Sizes as people write them: `500MB`, `10GB`.

use std::str::FromStr;

use serde::Deserialize;

/// A number of bytes from the command line or the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Text")]
pub(crate) struct Size(pub(crate) u64);

/// A size in the configuration file: `"10GB"`, or a bare number of bytes.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a size is written as \"500MB\", \"10GB\" or \"1TB\"")]
enum Text {
    Text(String),
    Bytes(u64),
}

/// The smallest size: less does not contain even a few files.
const MIN: u64 = 10_000_000;
/// Units of sizes and their bytes.
pub(super) const SIZE_UNITS: [(&str, u64); 4] =
    [("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)];

impl TryFrom<Text> for Size {
    type Error = String;

    fn try_from(text: Text) -> Result<Self, String> {
        match text {
            Text::Text(text) => text.parse(),
            Text::Bytes(bytes) => bounded(bytes, &bytes.to_string()),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size: it is written as 500MB, 10GB or 1TB");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
        let unit = unit.trim_start();
        let factor = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor);
        let factor = factor.or_else(|| unit.is_empty().then_some(1)).ok_or_else(wrong)?;
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(wrong)?;
        bounded(bytes, text)
    }
}

fn bounded(bytes: u64, given: &str) -> Result<Size, String> {
    if bytes < MIN { Err(format!("{given:?} is too small: at least 10MB are needed")) } else { Ok(Size(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, bytes) in
            [("10MB", 10_000_000), ("2 GB", 2_000_000_000), ("1tb", 1_000_000_000_000), ("10000000", 10_000_000)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for wrong in ["", "GB", "10 bananas", "-1GB", "1.5GB", "99999999999TB", "9MB", "ö"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
