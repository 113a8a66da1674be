//! Bytes to the world: sockets, files, and the OTLP client.

mod datagram;
mod encoder;
mod file;
mod lines;
mod notice;
mod stream;

use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::config::{ExporterConfig, Target, WireConfig};
#[cfg(feature = "otlp")]
use crate::exporter::wall_ns;
use crate::exporter::{Control, Counters, ExportContext, Mode, StartError};

pub(crate) use encoder::Encoder;
pub(crate) use notice::Notice;

use datagram::DatagramSink;
use file::MessageFile;
use lines::LineSink;
use stream::StreamSink;

/// Where one exporter's records go.
pub(crate) enum Sink {
    Datagram(Box<DatagramSink>),
    Stream(Box<StreamSink>),
    File(Box<MessageFile>),
    Lines(Box<LineSink>),
    #[cfg(feature = "otlp")]
    Otlp(Box<crate::otlp::OtlpSink>),
}

impl Sink {
    /// Makes the sink that `config` asks for.
    pub(crate) fn open(
        config: &ExporterConfig,
        context: &ExportContext,
        counters: &Arc<Counters>,
        control: &Arc<Control>,
    ) -> Result<Self, StartError> {
        match config {
            ExporterConfig::Ipfix(wire) | ExporterConfig::Netflow9(wire) => {
                let encoder = Encoder::new(config, wire, context)?;
                Self::wire(wire, encoder, context.mode, (counters, control))
            }
            ExporterConfig::Json(json) => Ok(Self::Lines(Box::new(LineSink::open(json, context, counters)?))),
            #[cfg(feature = "otlp")]
            ExporterConfig::Otlp(otlp) => {
                let sink = crate::otlp::OtlpSink::new(otlp, config.name(), context, (counters, control))?;
                Ok(Self::Otlp(Box::new(sink)))
            }
            #[cfg(not(feature = "otlp"))]
            ExporterConfig::Otlp(_) => {
                let reason = "this build has no OTLP; build it with the feature `otlp`".to_owned();
                Err(StartError::Client { exporter: config.name(), reason })
            }
        }
    }

    fn wire(
        wire: &WireConfig,
        encoder: Encoder,
        mode: Mode,
        (counters, control): (&Arc<Counters>, &Arc<Control>),
    ) -> Result<Self, StartError> {
        Ok(match &wire.target {
            Target::Udp(to) => Self::Datagram(Box::new(DatagramSink::new((wire, to), encoder, mode, counters))),
            Target::Tcp(to) => Self::Stream(Box::new(StreamSink::new(to, encoder, counters, control))),
            Target::File(path) => Self::File(Box::new(MessageFile::open(path, encoder, counters)?)),
        })
    }

    /// Sends the records, or counts them as lost. `now_ns` is the clock of the messages, nanoseconds since the epoch.
    pub(crate) fn export(&mut self, records: &[FlowRecord], now_ns: u64) {
        match self {
            Self::Datagram(sink) => sink.export(records, now_ns),
            Self::Stream(sink) => sink.export(records, now_ns),
            Self::File(sink) => sink.export(records, now_ns),
            Self::Lines(sink) => sink.export(records),
            #[cfg(feature = "otlp")]
            // A log record is observed when it is made, also from a capture of last year.
            Self::Otlp(sink) => sink.export(records, wall_ns()),
        }
    }

    /// Writes what is buffered, hears of what went wrong.
    pub(crate) fn flush(&mut self) {
        match self {
            Self::Lines(sink) => sink.flush(),
            Self::Datagram(sink) => sink.flush(),
            Self::Stream(_) | Self::File(_) => {}
            #[cfg(feature = "otlp")]
            Self::Otlp(_) => {}
        }
    }
}
