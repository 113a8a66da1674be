//! Tries exporters without starting them: it connects to nothing and writes nothing.

use std::sync::Arc;

use crate::config::{ExporterConfig, JsonOutput, Output, Target};
use crate::net::TlsClient;
use crate::sink::{Control, Counters, ExportContext, Parts, StartError};
use crate::transport::Encoder;

use super::writable::{self, Unwritable};
use super::{Exclusive, open};

/// An exporter that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unusable {
    /// Index of the exporter in the configuration.
    pub index: usize,
    /// The reason.
    #[source]
    pub error: StartError,
}

/// Checks which of these exporters could not be started, whatever the receivers do, and which of them need the same
/// resource.
///
/// # Errors
/// The error of the first such exporter.
pub fn check(configs: &[ExporterConfig], context: &ExportContext) -> Result<(), Unusable> {
    for (index, config) in configs.iter().enumerate() {
        let (counters, control) = (Arc::new(Counters::default()), Arc::new(Control::default()));
        let parts = Parts { config, context, counters: &counters, control: &control };
        let before = configs.get(..index).unwrap_or_default();
        let tried = Exclusive::check(config, before).and_then(|()| try_out(&parts)).and_then(|()| can_write(config));
        tried.map_err(|error| Unusable { index, error })?;
    }
    Ok(())
}

/// Checks that the files and folders of an exporter can be written.
pub(crate) fn can_write(config: &ExporterConfig) -> Result<(), StartError> {
    writable::check(config).map_err(|Unwritable { key, path, source }| StartError::Write {
        exporter: config.name(),
        key,
        path,
        source,
    })
}

/// Checks an exporter that must not be opened just to try it.
pub(crate) fn try_out(parts: &Parts<'_>) -> Result<(), StartError> {
    match &parts.config.output {
        Output::Ipfix(wire) | Output::Netflow9(wire) => {
            Encoder::new(parts.config, wire, parts.context)?;
            let Target::Tls(to) = &wire.target else { return Ok(()) };
            TlsClient::new(&wire.tls, &to.host).map(drop).map_err(|reason| parts.error(reason))
        }
        // These open their files.
        Output::Json(json) => {
            let JsonOutput::Tls(to, tls) = &json.output else { return Ok(()) };
            TlsClient::new(tls, &to.host).map(drop).map_err(|reason| parts.error(reason))
        }
        // It listens.
        #[cfg(feature = "zmq")]
        Output::Zmq(zmq) => crate::brokers::check_zmq(zmq).map_err(|reason| parts.error(reason)),
        // It creates its folder.
        #[cfg(feature = "parquet")]
        Output::Parquet(parquet) => crate::parquet::check(parquet, parts),
        // Its client connects by itself.
        #[cfg(feature = "kafka")]
        Output::Kafka(kafka) => crate::brokers::check_kafka(kafka).map_err(|reason| parts.error(reason)),
        _ => open(parts).map(drop),
    }
}
