//! What can go wrong while packets are read: what, where, and the remedy.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A packet source failed.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("{}: cannot open the capture file: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file begins like none of the formats.
    #[error("{}: not a capture file (it begins with {magic}); pcap and pcapng are read, plain or as gzip or zstd", path.display())]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// Its first octets in hexadecimal.
        magic: String,
    },
    /// The file ends within a record.
    #[error("{}: the file ends in the middle of a record at octet {offset}; the {packets} packets before it are kept", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the record begins, octets from the start (of the decompressed data).
        offset: u64,
        /// Packets read from this file.
        packets: u64,
    },
    /// A record contradicts the format.
    #[error("{}: record at octet {offset} is malformed: {what}; the {packets} packets before it are kept", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where the record begins, octets from the start (of the decompressed data).
        offset: u64,
        /// Which rule it breaks.
        what: String,
        /// Packets read from this file.
        packets: u64,
    },
    /// The file cannot be read on.
    #[error("{}: cannot read behind octet {offset}: {source}; the {packets} packets before it are kept", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where reading stopped, octets from the start (of the decompressed data).
        offset: u64,
        /// Why.
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
    /// No interface is up.
    #[error("no network interface is up")]
    NoInterface,
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
