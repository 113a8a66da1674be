//! Kafka: one message per record; all records of a flow go to one partition.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};

use crate::config::KafkaConfig;
use crate::delivery::{Failure, Receiver, Sent};
use crate::sink::Parts;
use crate::sink::{Counters, Loss};

use super::Objects;
use super::kafka_settings::{client_config, what_is_wrong};

/// Maximum time of one poll for delivery reports.
const POLL_TIMEOUT: Duration = Duration::from_millis(1);

/// One topic. librdkafka retries in order; its delivery report tells whether a record was accepted.
pub(crate) struct Kafka {
    settings: ClientConfig,
    reports: Reports,
    producer: BaseProducer<Reports>,
    topic: String,
    objects: Objects,
    /// The key of each object.
    keys: Vec<Vec<u8>>,
    states: Vec<RecordState>,
    /// Number of the first of these messages. No number is used twice, so that late reports on records that were given
    /// up are recognised.
    first: usize,
    counters: Arc<Counters>,
}

/// The state of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordState {
    /// Not handed to librdkafka, or returned by it.
    Here,
    /// Handed to librdkafka.
    OnTheWay,
    /// Accepted, or left out.
    Done,
}

/// librdkafka's reports that have not been collected yet.
#[derive(Clone, Default)]
struct Reports {
    exporter: String,
    told: Arc<Mutex<ReportState>>,
}

#[derive(Default)]
struct ReportState {
    /// Message numbers with their results.
    delivered: Vec<(usize, Result<(), RDKafkaErrorCode>)>,
    /// The latest error.
    error: Option<String>,
}

impl Reports {
    fn take(&self) -> ReportState {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, tell: impl FnOnce(&mut ReportState)) {
        tell(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ClientContext for Reports {
    /// librdkafka's own lines contain no settings. The exporter logs once a minute why records wait.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let exporter = &self.exporter;
        match level {
            RDKafkaLogLevel::Debug => tracing::trace!("{exporter}: {facility}: {message}"),
            _ => tracing::debug!("{exporter}: {facility}: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().map_or_else(String::new, |code| code.to_string());
        self.tell(|told| told.error = Some(format!("{code}: {reason}")));
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let result = result.as_ref().map(drop).map_err(|(error, _)| code(error));
        self.tell(|told| told.delivered.push((number, result)));
    }
}

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

impl Kafka {
    pub(crate) fn new(config: &KafkaConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let settings = client_config(config)?;
        let reports = Reports { exporter: parts.config.name(), told: Arc::default() };
        let producer = settings.create_with_context(reports.clone()).map_err(|e| what_is_wrong(config, &e))?;
        Ok(Self {
            settings,
            reports,
            producer,
            topic: config.topic.clone(),
            objects: Objects::new(config.keys, parts),
            keys: Vec::new(),
            states: Vec::new(),
            first: 0,
            counters: parts.counters.clone(),
        })
    }

    /// Replaces the producer after a fatal error; messages that the old one held are sent again.
    fn renew(&mut self) -> Result<(), Failure> {
        let Some((_, reason)) = self.producer.client().fatal_error() else { return Ok(()) };
        tracing::warn!("{}: {reason}; starting a new producer", self.reports.exporter);
        let producer = self.settings.create_with_context(self.reports.clone());
        self.producer = producer.map_err(|e| Failure::passing(format!("cannot make a producer: {}", code(&e))))?;
        self.reports.take();
        self.states.iter_mut().filter(|s| **s == RecordState::OnTheWay).for_each(|s| *s = RecordState::Here);
        Ok(())
    }

    /// Hands waiting messages to librdkafka in order, as long as it has room.
    fn hand_over(&mut self, brought: &mut Sent) -> Result<(), RDKafkaErrorCode> {
        for (index, (object, key)) in self.objects.iter().zip(&self.keys).enumerate() {
            let Some(state) = self.states.get_mut(index).filter(|s| **s == RecordState::Here) else { continue };
            let record =
                BaseRecord::with_opaque_to(&self.topic, self.first + index).payload(object).key(key.as_slice());
            match self.producer.send(record).map_err(|(error, _)| code(&error)) {
                Ok(()) => *state = RecordState::OnTheWay,
                Err(RDKafkaErrorCode::QueueFull) => break,
                Err(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    *state = RecordState::Done;
                    brought.left_out += 1;
                    self.counters.lost(Loss::TooLarge, 1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Collects librdkafka's reports. The error is that of the last message that was returned.
    fn take_in(&mut self, brought: &mut Sent) -> Result<(), String> {
        self.producer.poll(POLL_TIMEOUT);
        let told = self.reports.take();
        let mut result = Ok(());
        for (number, delivered) in told.delivered {
            let index = number.wrapping_sub(self.first);
            let Some(state) = self.states.get_mut(index) else { continue };
            match delivered {
                Ok(()) => {
                    *state = RecordState::Done;
                    brought.records += 1;
                    brought.octets += self.objects.get(index).map_or(0, <[u8]>::len);
                }
                Err(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    *state = RecordState::Done;
                    brought.rejected += 1;
                }
                Err(error) => {
                    *state = RecordState::Here;
                    result = Err(error.to_string());
                }
            }
        }
        if told.error.is_some() {
            self.reports.tell(|t| t.error = t.error.take().or(told.error));
        }
        result
    }

    fn has(&self, state: RecordState) -> bool {
        self.states.contains(&state)
    }

    /// Waits until everything is done, time is up, or a message was returned. A returned message is sent again when no
    /// other is in transit, to keep the order.
    fn bring(&mut self, brought: &mut Sent, limit: Duration) -> Result<(), String> {
        let end = Instant::now() + limit;
        let mut came_back = Ok(());
        while self.has(RecordState::Here) || self.has(RecordState::OnTheWay) {
            if came_back.is_ok() {
                self.hand_over(brought).map_err(|e| e.to_string())?;
            } else if !self.has(RecordState::OnTheWay) {
                return came_back;
            }
            came_back = self.take_in(brought).and(came_back);
            if Instant::now() >= end {
                return came_back.and(Err("no acknowledgement in time".into()));
            }
        }
        Ok(())
    }
}

impl Receiver for Kafka {
    fn begin(&mut self, records: &[FlowRecord], _now_ns: u64) {
        if self.has(RecordState::OnTheWay) {
            // The record was given up.
            self.producer.purge(PurgeConfig::default().queue().inflight());
        }
        self.first = self.first.wrapping_add(self.states.len());
        self.objects.fill(records);
        self.keys.resize_with(records.len(), Vec::new);
        for (record, key) in records.iter().zip(&mut self.keys) {
            key.clear();
            key.extend_from_slice(record.flow.key().hex().as_bytes());
        }
        self.states.clear();
        self.states.resize(records.len(), RecordState::Here);
    }

    fn attempt(&mut self, _records: &[FlowRecord], _now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        self.renew()?;
        let mut brought = Sent::default();
        match self.bring(&mut brought, limit) {
            Ok(()) => Ok(brought),
            Err(message) => {
                let mut why = None;
                self.reports.tell(|told| why = told.error.take());
                let why = why.map_or_else(String::new, |error| format!(" ({error})"));
                Err(Failure { sent: brought, ..Failure::passing(message + &why) })
            }
        }
    }

    fn idle(&mut self) {
        self.producer.poll(Duration::ZERO);
    }
}
