//! The kinds of exporters: makes a sink from a configuration.
//!
//! A kind is a file in `config` (its keys), a row of the table in `config/output.rs`, and an arm of [`open`].

mod check;
mod exclusive;
mod writable;

use crate::config::Output;
use crate::delivery::reliable;
use crate::sink::{Parts, Sink, StartError};
use crate::stores::{ClickHouse, Elastic, Halving, Influx, Loki};
use crate::transport;

pub use check::{Unusable, check};
pub(crate) use check::{can_write, try_out};
pub(crate) use exclusive::Exclusive;

/// Makes the sink for the configuration.
pub(crate) fn open(parts: &Parts<'_>) -> Result<Box<dyn Sink>, StartError> {
    match &parts.config.output {
        Output::Ipfix(wire) | Output::Netflow9(wire) => transport::wire(parts, wire),
        Output::Json(json) => transport::json(parts, json),
        Output::ClickHouse(config) => reliable(parts, ClickHouse::new(config, parts).map(Halving::new)),
        Output::Elastic(config) => reliable(parts, Elastic::new(config, parts).map(Halving::new)),
        Output::Influx(config) => reliable(parts, Influx::new(config, parts).map(Halving::new)),
        Output::Loki(config) => reliable(parts, Loki::new(config, parts).map(Halving::new)),
        #[cfg(feature = "otlp")]
        Output::Otlp(otlp) => reliable(parts, crate::otlp::OtlpReceiver::new(otlp, parts)),
        #[cfg(not(feature = "otlp"))]
        Output::Otlp(_) => Err(parts.not_built("otlp")),
        #[cfg(feature = "redis")]
        Output::Redis(redis) => reliable(parts, crate::brokers::RedisList::new(redis, parts)),
        #[cfg(not(feature = "redis"))]
        Output::Redis(_) => Err(parts.not_built("redis")),
        #[cfg(feature = "nats")]
        Output::Nats(nats) => reliable(parts, crate::brokers::Nats::new(nats, parts)),
        #[cfg(not(feature = "nats"))]
        Output::Nats(_) => Err(parts.not_built("nats")),
        #[cfg(feature = "zmq")]
        Output::Zmq(zmq) => {
            let publisher = crate::brokers::ZmqPublisher::open(zmq, parts).map_err(|reason| parts.error(reason))?;
            Ok(Box::new(publisher))
        }
        #[cfg(not(feature = "zmq"))]
        Output::Zmq(_) => Err(parts.not_built("zmq")),
        #[cfg(feature = "parquet")]
        Output::Parquet(parquet) => Ok(Box::new(crate::parquet::ParquetSink::open(parquet, parts)?)),
        #[cfg(not(feature = "parquet"))]
        Output::Parquet(_) => Err(parts.not_built("parquet")),
        #[cfg(feature = "kafka")]
        Output::Kafka(kafka) => reliable(parts, crate::brokers::Kafka::new(kafka, parts)),
        #[cfg(not(feature = "kafka"))]
        Output::Kafka(_) => Err(parts.not_built("kafka")),
    }
}
