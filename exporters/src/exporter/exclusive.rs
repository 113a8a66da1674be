//! What only one exporter at a time can have.

use std::path::PathBuf;

use crate::config::{ExporterConfig, JsonOutput, Output, Target};

/// An exporter that wants what another one has goes on after that one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exclusive {
    /// The folder of a spool.
    Spool(PathBuf),
    /// A socket that listens there.
    Listener(String),
    /// A file that is written.
    File(String),
}

impl Exclusive {
    /// What an exporter of that configuration needs for itself.
    pub(super) fn of(config: &ExporterConfig) -> Option<Self> {
        let spool = config.delivery.spool.as_ref().filter(|_| config.output.is_reliable());
        spool.map(|s| Self::Spool(s.folder.clone())).or_else(|| Self::of_output(&config.output))
    }

    /// What the output needs for itself, and cannot be opened while another one has it.
    pub(super) fn of_output(output: &Output) -> Option<Self> {
        match output {
            Output::Zmq(zmq) if !zmq.connect => Some(Self::Listener(zmq.url())),
            Output::Ipfix(wire) | Output::Netflow9(wire) => match &wire.target {
                Target::File(path) => Some(Self::File(path.display().to_string())),
                _ => None,
            },
            Output::Json(json) => match &json.output {
                JsonOutput::File(file) => Some(Self::File(file.name.to_string())),
                _ => None,
            },
            _ => None,
        }
    }
}
