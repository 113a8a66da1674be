//! Values that are checked when they are read, so that flags, variables and the file accept the same values.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use pidflow_expression::Expression;
use serde::Deserialize;

/// Longest name of a network interface (`IFNAMSIZ` without its zero byte).
const MAX_INTERFACE_NAME: usize = 15;
/// Longest host name (RFC 1035 section 2.3.4).
const MAX_HOST_NAME: usize = 253;
/// Longest path (`PATH_MAX` without its zero byte).
const MAX_PATH: usize = 4095;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub(crate) struct Ranged<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Ranged<MIN, MAX> {
    /// The number.
    pub(crate) const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> TryFrom<i64> for Ranged<MIN, MAX> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let fits = u32::try_from(number).ok().filter(|n| (MIN..=MAX).contains(n));
        fits.map(Self).ok_or_else(|| format!("{number} is out of range; allowed are {MIN} to {MAX}"))
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Ranged<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: i64 = text.trim().parse().map_err(|_| format!("not a whole number; allowed are {MIN} to {MAX}"))?;
        number.try_into()
    }
}

/// A text that is read by [`FromStr`] from a flag, a variable and the file.
macro_rules! text_value {
    ($type:ident) => {
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    };
}

pub(super) use text_value;

/// An expression that selects records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Selection(pub(crate) Arc<Expression>);
text_value!(Selection);

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Expression::parse(text).map(|expression| Self(expression.into())).map_err(|e| e.to_string())
    }
}

/// The name of a file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct FilePath(PathBuf);
text_value!(FilePath);

impl FromStr for FilePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("the path is empty".into()),
            _ if text.contains('\0') => Err("a path cannot contain a zero byte".into()),
            _ if text.len() > MAX_PATH => Err(format!("the path is longer than {MAX_PATH} bytes")),
            _ => Ok(Self(text.into())),
        }
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Deref for FilePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

/// The name of a network interface, `any` or `all`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct InterfaceName(String);
text_value!(InterfaceName);

impl FromStr for InterfaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = !text.is_empty() && text.len() <= MAX_INTERFACE_NAME && text != "." && text != "..";
        let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
        let wrong =
            || format!("{text:?} is not an interface name: it has 1 to {MAX_INTERFACE_NAME} bytes, no blanks and no /");
        if is_name && is_plain { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

impl Deref for InterfaceName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The name of a host in records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HostName(String);
text_value!(HostName);

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let fits = (1..=MAX_HOST_NAME).contains(&text.len());
        let wrong = || format!("{text:?} is not a host name: it has 1 to {MAX_HOST_NAME} bytes and no blanks");
        if fits && is_plain { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

impl Deref for HostName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Where HTTP is served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Listen {
    /// Nowhere.
    Off,
    /// At `HOST:PORT`.
    At(String),
}
text_value!(Listen);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let wrong = |why: &str| {
            format!("{text:?} is not an address to listen on ({why}); write HOST:PORT, such as 127.0.0.1:9435, or off")
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        let _: u16 = port.parse().map_err(|_| wrong("the port is not a number up to 65535"))?;
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let is_host =
            !inner.is_empty() && !inner.contains(|c: char| c.is_whitespace() || c.is_control() || "/[]@".contains(c));
        let is_v6 = inner.contains(':');
        match (is_host, is_v6 == (inner.len() < host.len())) {
            (false, _) => Err(wrong("the host is not a name or an address")),
            (true, false) => Err(wrong("an IPv6 address needs brackets: [::1]:9435")),
            (true, true) => Ok(Self::At(text.to_owned())),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_range() {
        type Small = Ranged<1, 100>;
        assert_eq!("100".parse::<Small>().map(Small::get), Ok(100));
        for text in ["0", "101", "-1", "99999999999999999999", "", "1.5", "x"] {
            assert!(text.parse::<Small>().unwrap_err().contains("allowed are 1 to 100"), "{text}");
        }
        assert!(Small::try_from(-1).is_err() && Small::try_from(i64::MAX).is_err());
    }

    #[test]
    fn addresses_to_listen_on() {
        for text in ["off", "127.0.0.1:9435", "[::1]:0", "localhost:80", "0.0.0.0:65535"] {
            assert_eq!(text.parse::<Listen>().map(|l| l.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", ":9435", "::1:80", "a b:1", "http://a:1", "a:", "[::1]"]
        {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_and_paths() {
        assert!("eth0".parse::<InterfaceName>().is_ok() && "br-0123456789ab".parse::<InterfaceName>().is_ok());
        for text in ["", "0123456789abcdef", "a b", "a/b", "..", "a\n"] {
            assert!(text.parse::<InterfaceName>().is_err(), "{text:?}");
        }
        assert!("web-1.example".parse::<HostName>().is_ok());
        for text in ["", " ", "a b", "a\u{1b}[2J", &"x".repeat(254)] {
            assert!(text.parse::<HostName>().is_err(), "{text:?}");
        }
        assert!("/a".parse::<FilePath>().is_ok() && "".parse::<FilePath>().is_err());
        assert!("a\0b".parse::<FilePath>().is_err());
    }
}
