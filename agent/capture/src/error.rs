//! Errors of packet sources: what failed, where, and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A packet source failed.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("{}: cannot open the capture file: {source}", name(path))]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file begins with the magic number of no supported format.
    #[error(
        "{}: not a capture file (it begins with {magic}); pcap and pcapng are read, plain or as gzip or zstd",
        name(path)
    )]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// Its first four bytes in hexadecimal.
        magic: String,
    },
    /// The file is empty or ends within its header.
    #[error("{}: {}", name(path), too_short(*bytes))]
    TooShort {
        /// The file.
        path: PathBuf,
        /// How many bytes it has, decompressed.
        bytes: usize,
    },
    /// No reader knows this version of the format.
    #[error("{}: {version}{}", name(path), kept(*packets))]
    Version {
        /// The file.
        path: PathBuf,
        /// The format, its version, and those that are read.
        version: String,
        /// Packets read from this file.
        packets: u64,
    },
    /// Blocks were skipped, the rest was read.
    #[error("{}: {blocks} malformed blocks were skipped, the first at byte {offset}: {what}", name(path))]
    BadBlocks {
        /// The file.
        path: PathBuf,
        /// How many.
        blocks: u64,
        /// Where the first one begins, bytes from the start (of the decompressed data).
        offset: u64,
        /// Which rule it breaks.
        what: String,
    },
    /// The file ends within a record.
    #[error("{}: the file ends in the middle of a record at byte {offset}{}", name(path), kept(*packets))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the record begins, bytes from the start (of the decompressed data).
        offset: u64,
        /// Packets read from this file.
        packets: u64,
    },
    /// A record contradicts the format.
    #[error("{}: record at byte {offset} is malformed: {what}{}", name(path), kept(*packets))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where the record begins, bytes from the start (of the decompressed data).
        offset: u64,
        /// Which rule it breaks.
        what: String,
        /// Packets read from this file.
        packets: u64,
    },
    /// Reading the file failed after it was opened.
    #[error("{}: cannot read on from byte {offset}: {source}{}", name(path), kept(*packets))]
    Read {
        /// The file.
        path: PathBuf,
        /// Where reading stopped, bytes from the start (of the decompressed data).
        offset: u64,
        /// The reason.
        source: io::Error,
        /// Packets read from this file.
        packets: u64,
    },
    /// The filter expression is wrong.
    #[error("filter `{expression}`: {message}; see pcap-filter(7)")]
    Filter {
        /// As given.
        expression: String,
        /// libpcap's message.
        message: String,
    },
    /// An interface cannot be opened.
    #[error("interface {name}: cannot capture: {message}{}", remedy(message))]
    Interface {
        /// Its name.
        name: String,
        /// libpcap's message.
        message: String,
    },
    /// `any` and `all` were both named, and each captures every packet.
    #[error("interfaces \"any\" and \"all\": both capture every packet; name one of them")]
    AnyAndAll,
    /// A thread cannot be started.
    #[error("cannot start a capture thread: {0}")]
    Thread(io::Error),
    /// No interface is up.
    #[error("no network interface is up")]
    NoInterface,
}

fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

fn kept(packets: u64) -> String {
    if packets == 0 { String::new() } else { format!("; the {packets} packets before it are kept") }
}

fn too_short(bytes: usize) -> String {
    match bytes {
        0 => "the file is empty".to_owned(),
        _ => format!("the file is too short for a capture file: {bytes} bytes"),
    }
}

fn remedy(message: &str) -> &'static str {
    if message.contains("permi") || message.contains("Permi") || message.contains("Operation not") {
        "; run as root or with the capability CAP_NET_RAW"
    } else if message.contains("No such device") {
        "; `ip link` lists the interfaces"
    } else {
        ""
    }
}
