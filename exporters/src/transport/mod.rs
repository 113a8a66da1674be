//! From configuration to a sink: where one exporter's records go.

mod datagram;
mod encoder;
mod file;
mod lines;
mod notice;
mod stream;

use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::config::{ExporterConfig, JsonConfig, Output, Target, WireConfig};
use crate::delivery::{Delivery, Receiver};
use crate::exporter::{Control, Counters, ExportContext, Link, StartError};
use crate::stores::{ClickHouse, Elastic, Influx, Loki};

pub(crate) use encoder::Encoder;
pub(crate) use notice::Notice;

use datagram::DatagramSink;
use file::MessageFile;
use lines::LineSink;
use stream::{StreamReceiver, WireStream};

/// Time was up before all records were delivered: those from this index on were not, and are counted nowhere yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) from: usize,
}

/// Where one exporter's records go.
pub(crate) trait Sink: Send {
    /// Delivers the records, or counts them as lost. `now_ns` is the clock of the messages, nanoseconds since the epoch.
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Kept>;

    /// Writes what is buffered, hears of what went wrong; called when there is nothing to export, and at the end.
    fn flush(&mut self) {}
}

/// What every sink is made from.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a ExporterConfig,
    pub(crate) context: &'a ExportContext,
    pub(crate) counters: &'a Arc<Counters>,
    pub(crate) control: &'a Arc<Control>,
}

/// Makes the sink that the configuration asks for.
pub(crate) fn open(parts: &Parts<'_>) -> Result<Box<dyn Sink>, StartError> {
    match &parts.config.output {
        Output::Ipfix(wire) | Output::Netflow9(wire) => self::wire(parts, wire),
        Output::Json(json) => self::json(parts, json),
        Output::ClickHouse(config) => parts.reliable(ClickHouse::new(config, parts)),
        Output::Elastic(config) => parts.reliable(Elastic::new(config, parts)),
        Output::Influx(config) => parts.reliable(Influx::new(config, parts)),
        Output::Loki(config) => parts.reliable(Loki::new(config, parts)),
        #[cfg(feature = "otlp")]
        Output::Otlp(otlp) => parts.reliable(crate::otlp::OtlpReceiver::new(otlp, parts)),
        #[cfg(not(feature = "otlp"))]
        Output::Otlp(_) => Err(parts.not_built("otlp")),
        #[cfg(feature = "redis")]
        Output::Redis(redis) => parts.reliable(crate::brokers::RedisList::new(redis, parts)),
        #[cfg(not(feature = "redis"))]
        Output::Redis(_) => Err(parts.not_built("redis")),
        #[cfg(feature = "nats")]
        Output::Nats(nats) => parts.reliable(crate::brokers::Nats::new(nats, parts)),
        #[cfg(not(feature = "nats"))]
        Output::Nats(_) => Err(parts.not_built("nats")),
        #[cfg(feature = "zmq")]
        Output::Zmq(zmq) => {
            let publisher = crate::brokers::ZmqPublisher::open(zmq, parts).map_err(|reason| parts.error(reason))?;
            Ok(Box::new(publisher))
        }
        #[cfg(not(feature = "zmq"))]
        Output::Zmq(_) => Err(parts.not_built("zmq")),
        #[cfg(feature = "kafka")]
        Output::Kafka(kafka) => parts.reliable(crate::brokers::Kafka::new(kafka, parts)),
        #[cfg(not(feature = "kafka"))]
        Output::Kafka(_) => Err(parts.not_built("kafka")),
    }
}

fn wire(parts: &Parts<'_>, wire: &WireConfig) -> Result<Box<dyn Sink>, StartError> {
    let encoder = Encoder::new(parts.config, wire, parts.context)?;
    match &wire.target {
        Target::Udp(to) => {
            let sink = DatagramSink::new((wire, to), encoder, parts.context.mode, parts.counters);
            Ok(Box::new(sink))
        }
        Target::Tcp(to) => parts.reliable(Ok(StreamReceiver::new(to, WireStream(encoder), None, parts))),
        Target::Tls(to) => {
            let receiver = StreamReceiver::with_tls(to, WireStream(encoder), &wire.tls, parts);
            parts.reliable(receiver)
        }
        Target::File(path) => Ok(Box::new(MessageFile::open(path, encoder, parts.counters)?)),
    }
}

fn json(parts: &Parts<'_>, json: &JsonConfig) -> Result<Box<dyn Sink>, StartError> {
    Ok(Box::new(LineSink::open(json, parts)?))
}

impl Parts<'_> {
    /// Counters, end and warnings of the exporter.
    pub(crate) fn link(&self) -> Link {
        Link::new(self.config.name(), self.counters, self.control)
    }

    /// The sink of a receiver that says what it took; the error says what is wrong with its configuration.
    fn reliable<R: Receiver + 'static>(&self, receiver: Result<R, String>) -> Result<Box<dyn Sink>, StartError> {
        let receiver = receiver.map_err(|reason| self.error(reason))?;
        Ok(Box::new(Delivery::new(receiver, &self.config.delivery, self.link())))
    }

    fn error(&self, reason: String) -> StartError {
        StartError::Client { exporter: self.config.name(), reason }
    }

    /// Of a kind that was left out when the program was built.
    #[allow(dead_code, reason = "with every feature there is no such kind")]
    fn not_built(&self, feature: &str) -> StartError {
        self.error(format!("this build has no {feature}; build it with the feature `{feature}`"))
    }
}
