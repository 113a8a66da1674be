//! Message brokers and queues: one JSON object per record.

#[cfg(feature = "kafka")]
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_settings;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "zmq")]
mod ntopng;
mod objects;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "zmq")]
mod zmq;

#[cfg(feature = "kafka")]
pub(crate) use self::kafka::Kafka;
#[cfg(feature = "kafka")]
pub(crate) use self::kafka_settings::check as check_kafka;
#[cfg(feature = "nats")]
pub(crate) use self::nats::Nats;
#[cfg(feature = "redis")]
pub(crate) use self::redis::RedisList;
#[cfg(feature = "zmq")]
pub(crate) use self::zmq::{ZmqPublisher, check_zmq};
use objects::Objects;
