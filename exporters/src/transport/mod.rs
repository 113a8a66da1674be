//! From configuration to a sink: where one exporter's records go.

mod check;
mod datagram;
mod datagram_link;
mod encoder;
mod file;
mod line_datagram;
mod line_file;
mod lines;
mod named_file;
mod notice;
mod pace;
mod stream;
mod write;

use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::config::{ExporterConfig, JsonConfig, JsonOutput, Output, Target, WireConfig};
use crate::delivery::{Delivery, Receiver};
use crate::exporter::{Control, Counters, ExportContext, Link, StartError};
use crate::json::JsonEncoder;
use crate::net::{DatagramTarget, StreamTarget};
use crate::stores::{ClickHouse, Elastic, Halving, Influx, Loki};
use crate::template::Template;

pub(crate) use check::try_out;
pub use check::{Unusable, check};
pub(crate) use encoder::Encoder;
pub(crate) use notice::Notice;

use datagram::DatagramSink;
use datagram_link::DatagramLink;
use file::MessageFile;
use line_datagram::LineDatagrams;
use lines::LineSink;
use stream::{LineStream, StreamReceiver, WireStream};

/// Time was up before all records were delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    /// With a spool: those from this index on stay there, and are counted nowhere else.
    pub(crate) from: usize,
    /// Without: so many were not delivered, and are counted nowhere yet.
    pub(crate) left: usize,
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
        Output::ClickHouse(config) => parts.reliable(ClickHouse::new(config, parts).map(Halving::new)),
        Output::Elastic(config) => parts.reliable(Elastic::new(config, parts).map(Halving::new)),
        Output::Influx(config) => parts.reliable(Influx::new(config, parts).map(Halving::new)),
        Output::Loki(config) => parts.reliable(Loki::new(config, parts).map(Halving::new)),
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
            let link = DatagramLink::new(DatagramTarget::Udp(to.clone()), wire.packets_per_second, parts);
            let link = if wire.max_message.is_none() { link.whole() } else { link };
            Ok(Box::new(DatagramSink::new(encoder, link)))
        }
        Target::Tcp(to) => {
            parts.reliable(Ok(StreamReceiver::new(StreamTarget::Tcp(to.clone()), WireStream(encoder), parts)))
        }
        Target::Tls(to) => parts.reliable(StreamReceiver::with_tls(to, &wire.tls, WireStream(encoder), parts)),
        Target::File(path) => Ok(Box::new(MessageFile::open(path, wire.mode, encoder, parts.counters)?)),
    }
}

fn json(parts: &Parts<'_>, json: &JsonConfig) -> Result<Box<dyn Sink>, StartError> {
    let encoder = parts.json_encoder(json);
    let datagrams = |target, encoder| {
        let sink = LineDatagrams::new(encoder, DatagramLink::new(target, None, parts));
        Ok(Box::new(sink) as Box<dyn Sink>)
    };
    let stream = |target, encoder| parts.reliable(Ok(StreamReceiver::new(target, LineStream(encoder), parts)));
    match &json.output {
        JsonOutput::Stdout | JsonOutput::File(_) => Ok(Box::new(LineSink::open(json, encoder, parts)?)),
        JsonOutput::Udp(to) => datagrams(DatagramTarget::Udp(to.clone()), encoder),
        JsonOutput::UnixDatagram(path) => datagrams(DatagramTarget::Unix(path.clone()), encoder),
        JsonOutput::Tcp(to) => stream(StreamTarget::Tcp(to.clone()), encoder),
        JsonOutput::Unix(path) => stream(StreamTarget::Unix(path.clone()), encoder),
        JsonOutput::Tls(to, tls) => parts.reliable(StreamReceiver::with_tls(to, tls, LineStream(encoder), parts)),
    }
}

impl Parts<'_> {
    /// Counters, end and warnings of the exporter.
    pub(crate) fn link(&self) -> Link {
        Link::new(self.config.name(), self.counters, self.control)
    }

    fn json_encoder(&self, json: &JsonConfig) -> JsonEncoder {
        let template = self.context.template(self.config.template.as_ref(), Template::default);
        let encoder = JsonEncoder::new(&template, json.keys, self.context.own_pen);
        if json.timestamp { encoder.with_timestamp() } else { encoder }
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
        self.error(format!("`kind`: this build has no {feature}; build it with the feature `{feature}`"))
    }
}
