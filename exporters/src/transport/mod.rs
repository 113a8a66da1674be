//! Sends flow records as datagrams, over connections and to files: IPFIX, NetFlow v9 and JSON lines.

mod datagram;
mod datagram_link;
mod encoder;
mod file;
mod line_datagram;
mod line_file;
mod lines;
mod message_pipe;
mod named_file;
mod pace;
mod pipe;
mod stream;
mod write;

use std::path::Path;

use crate::config::{JsonConfig, JsonOutput, Target, WireConfig};
use crate::delivery::reliable;
use crate::json::JsonEncoder;
use crate::net::{DatagramTarget, StreamTarget};
use crate::sink::{Parts, Sink, StartError};
use crate::template::Template;

pub(crate) use encoder::Encoder;

use datagram::DatagramSink;
use datagram_link::DatagramLink;
use file::MessageFile;
use line_datagram::LineDatagrams;
use lines::LineSink;
use message_pipe::MessagePipe;
use pipe::Pipe;
use stream::{LineStream, StreamReceiver, WireStream};

/// The sink of an exporter of IPFIX or NetFlow v9.
pub(crate) fn wire(parts: &Parts<'_>, wire: &WireConfig) -> Result<Box<dyn Sink>, StartError> {
    let encoder = Encoder::new(parts.config, wire, parts.context)?;
    match &wire.target {
        Target::Udp(to) => {
            let link = DatagramLink::new(DatagramTarget::Udp(to.clone()), wire.packets_per_second, parts);
            let link = if wire.max_message.is_none() { link.whole() } else { link };
            Ok(Box::new(DatagramSink::new(encoder, link)))
        }
        Target::Tcp(to) => {
            reliable(parts, Ok(StreamReceiver::new(StreamTarget::Tcp(to.clone()), WireStream(encoder), parts)))
        }
        Target::Tls(to) => reliable(parts, StreamReceiver::with_tls(to, &wire.tls, WireStream(encoder), parts)),
        Target::File(path) => message_file(path, wire, encoder, parts),
    }
}

fn message_file(
    path: &Path,
    wire: &WireConfig,
    encoder: Encoder,
    parts: &Parts<'_>,
) -> Result<Box<dyn Sink>, StartError> {
    let error = |source| StartError::Open { path: path.into(), source };
    match Pipe::open(path, parts.control).map_err(error)? {
        Some(pipe) => Ok(Box::new(MessagePipe::new(encoder, pipe, parts.link()))),
        None => Ok(Box::new(MessageFile::open(path, wire.mode, encoder, parts.counters)?)),
    }
}

/// The sink of an exporter of JSON lines.
pub(crate) fn json(parts: &Parts<'_>, json: &JsonConfig) -> Result<Box<dyn Sink>, StartError> {
    let encoder = json_encoder(parts, json);
    let datagrams = |target, encoder| {
        let sink = LineDatagrams::new(encoder, DatagramLink::new(target, None, parts));
        Ok(Box::new(sink) as Box<dyn Sink>)
    };
    let stream = |target, encoder| reliable(parts, Ok(StreamReceiver::new(target, LineStream(encoder), parts)));
    match &json.output {
        JsonOutput::Stdout | JsonOutput::File(_) => Ok(Box::new(LineSink::open(json, encoder, parts)?)),
        JsonOutput::Udp(to) => datagrams(DatagramTarget::Udp(to.clone()), encoder),
        JsonOutput::UnixDatagram(path) => datagrams(DatagramTarget::Unix(path.clone()), encoder),
        JsonOutput::Tcp(to) => stream(StreamTarget::Tcp(to.clone()), encoder),
        JsonOutput::Unix(path) => stream(StreamTarget::Unix(path.clone()), encoder),
        JsonOutput::Tls(to, tls) => reliable(parts, StreamReceiver::with_tls(to, tls, LineStream(encoder), parts)),
    }
}

fn json_encoder(parts: &Parts<'_>, json: &JsonConfig) -> JsonEncoder {
    let template = parts.context.template(parts.config.template.as_ref(), Template::default);
    let encoder = JsonEncoder::new(&template, json.keys, parts.context.own_pen);
    if json.timestamp { encoder.with_timestamp() } else { encoder }
}
