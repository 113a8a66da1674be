//! Exporters of JSON lines.

use std::fmt;
use std::path::PathBuf;

use super::output::OutputConfig;
use super::table::Table;
use super::target::address;
use super::{Address, ConfigError, FileMode, FileName, TlsConfig};
use crate::json::JsonKeys;

const MEBIBYTE: u64 = 1 << 20;
/// A year.
const MAX_ROTATE_SECONDS: u64 = 366 * 86_400;

/// Where JSON lines go. Displays as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonOutput {
    /// Standard output.
    Stdout,
    /// Files.
    File(LineFileConfig),
    /// One record per UDP datagram.
    Udp(Address),
    /// Over TCP.
    Tcp(Address),
    /// Like `Tcp`, inside TLS.
    Tls(Address, TlsConfig),
    /// Over a Unix socket.
    Unix(PathBuf),
    /// One record per datagram of a Unix socket.
    UnixDatagram(PathBuf),
}

/// A sequence of files of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFileConfig {
    /// The file is appended to, and created if it is missing.
    pub name: FileName,
    /// Number of bytes after which the next file is begun; none: no rotation by size.
    pub rotate_octets: Option<u64>,
    /// The next file is begun at each multiple of this many seconds since the epoch; none: no rotation by time.
    pub rotate_seconds: Option<u64>,
    /// Number of files kept, including the current one; none: all.
    pub keep: Option<usize>,
    /// Compression of the files.
    pub compression: FileCompression,
    /// Mode of new files; none: accessible to the owner only. An existing file keeps its mode.
    pub mode: Option<FileMode>,
}

/// How a file is compressed: in complete parts, so that a crash cannot damage the parts already written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileCompression {
    /// Not compressed.
    #[default]
    None,
    /// gzip (RFC 1952), a member per part.
    Gzip,
    /// Zstandard (RFC 8878), a frame per part.
    Zstd,
}

/// An exporter of JSON lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonConfig {
    /// The destination.
    pub output: JsonOutput,
    /// Names or numbers.
    pub keys: JsonKeys,
    /// Whether each object has the members `@timestamp` and `@version`, as Elasticsearch's users expect.
    pub timestamp: bool,
}

impl OutputConfig for JsonConfig {
    fn target(&self) -> String {
        self.output.to_string()
    }

    fn is_reliable(&self) -> bool {
        self.output.is_stream()
    }
}

impl JsonConfig {
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let output = match (table.take::<String>("file")?, table.take::<String>("url")?) {
            (Some(file), None) if file == "-" => JsonOutput::Stdout,
            (Some(file), None) => JsonOutput::File(LineFileConfig::read(&file, table)?),
            (None, Some(url)) => JsonOutput::url(&url)?.read_tls(table)?,
            (Some(_), Some(_)) => return Err(value("url", "`file` is set too; give one of them")),
            (None, None) => return Err(ConfigError::Missing { kind: "json", key: "file` or `url" }),
        };
        let keys = table.take("keys")?.unwrap_or_default();
        Ok(Self { output, keys, timestamp: table.take("timestamp")?.unwrap_or(false) })
    }
}

impl LineFileConfig {
    /// One file that is never rotated.
    fn new(given: &str) -> Result<Self, ConfigError> {
        let name = FileName::parse(given).map_err(|reason| value("file", reason))?;
        let compression = FileCompression::None;
        Ok(Self { name, rotate_octets: None, rotate_seconds: None, keep: None, compression, mode: None })
    }

    fn read(given: &str, table: &mut Table) -> Result<Self, ConfigError> {
        let rotate_octets = table.optional("rotate-mebibytes", (1, 1 << 20))?.map(|n| n * MEBIBYTE);
        let rotate_seconds = table.optional("rotate-seconds", (1, MAX_ROTATE_SECONDS))?;
        let keep = table.optional("keep", (1, 1_000_000))?.and_then(|n| n.try_into().ok());
        let compression = table.take("compression")?.unwrap_or_default();
        let mode = table.take("mode")?;
        let config = Self { rotate_octets, rotate_seconds, keep, compression, mode, ..Self::new(given)? };
        let rotates = rotate_octets.is_some() || rotate_seconds.is_some();
        match keep {
            Some(_) if !rotates => Err(value("keep", "it needs `rotate-mebibytes` or `rotate-seconds`")),
            _ if rotates && !config.name.has_time() => {
                Err(value("file", "rotation needs the time in the file's name, as in flows-%Y%m%d-%H%M%S.json"))
            }
            _ => Ok(config),
        }
    }
}

impl JsonOutput {
    /// A file, `-` for standard output, or a receiver's URL.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        match text {
            "-" => Ok(Self::Stdout),
            url if url.contains("://") => Self::url(url),
            file => LineFileConfig::new(file).map(Self::File),
        }
    }

    fn url(url: &str) -> Result<Self, ConfigError> {
        let error = |reason: &str| {
            let allowed = "write udp://, tcp:// or tls://HOST:PORT, unix:///PATH or unixgram:///PATH";
            value(
                "url",
                &format!("\"{}\" is not a receiver's address ({reason}); {allowed}", super::http::without_secrets(url)),
            )
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| error("it has no scheme"))?;
        let host = || address(rest, None).map_err(error);
        let path =
            || if rest.starts_with('/') { Ok(rest.into()) } else { Err(error("its path does not begin with /")) };
        match scheme {
            "udp" => host().map(Self::Udp),
            "tcp" => host().map(Self::Tcp),
            "tls" => Ok(Self::Tls(host()?, TlsConfig::default())),
            "unix" => path().map(Self::Unix),
            "unixgram" => path().map(Self::UnixDatagram),
            _ => Err(error("its scheme is not udp, tcp, tls, unix or unixgram")),
        }
    }

    fn read_tls(self, table: &mut Table) -> Result<Self, ConfigError> {
        match self {
            Self::Tls(address, _) => Ok(Self::Tls(address, TlsConfig::read_with_name(table)?)),
            other => Ok(other),
        }
    }

    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Tls(..) | Self::Unix(_))
    }
}

fn value(key: &'static str, reason: &str) -> ConfigError {
    ConfigError::Value { key, reason: reason.to_owned() }
}

impl fmt::Display for JsonOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("-"),
            Self::File(file) => file.name.fmt(f),
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address, _) => write!(f, "tls://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::UnixDatagram(path) => write!(f, "unixgram://{}", path.display()),
        }
    }
}
