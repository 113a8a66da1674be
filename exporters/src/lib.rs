//! Encoders (records to bytes) and transports (bytes to receivers).
//!
//! An encoder is pure: it converts records to bytes in a buffer of its own, and never uses a socket, a file or a clock.
//! A transport sends bytes and knows nothing about records.
//!
//! Kinds of exporters: [`config::Output`]. Connections to receivers: `net`. Retries until records are accepted:
//! `delivery`. Threads and queues: `exporter`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(any(feature = "kafka", feature = "nats", feature = "redis", feature = "zmq"))]
mod brokers;
pub mod config;
mod delivery;
mod exporter;
pub mod ipfix;
pub mod json;
mod kinds;
mod metric_source;
mod net;
pub mod netflow9;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "parquet")]
mod parquet;
mod private_files;
mod random;
pub mod regular_file;
#[cfg(feature = "sample")]
pub mod sample;
mod sink;
mod spool;
mod stores;
pub mod template;
pub mod threads;
pub mod time;
mod transport;
pub use spool::SpoolError;
pub mod wire;

pub use config::{ConfigError, ExporterConfig, Output, WireVersion};
pub use exporter::{ExporterSet, Reloaded, Stopper};
pub use json::JsonKeys;
pub use kinds::{Unusable, check};
pub use metric_source::MetricSource;
#[cfg(feature = "parquet")]
pub use parquet::ParquetEncoder;
pub use sink::{ExportContext, LOSSES, Loss, Mode, Snapshot, StartError};
pub use stores::{InfluxEncoder, NoPoint};
pub use template::{Template, TemplateError};
pub use wire::{EncoderStats, Message, Resend};

/// Entry points for fuzz targets only.
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz {
    #[cfg(feature = "otlp")]
    pub use crate::otlp::fuzz::otlp_answer_of_any_octets;
    pub use crate::spool::fuzz::segment_of_any_octets;
    pub use crate::stores::fuzz::store_answer_of_any_octets;
}
