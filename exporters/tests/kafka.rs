//! Kafka against librdkafka's mock cluster: brokers of a real implementation, in this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_exporters::config::{KafkaConfig, KafkaLogin, Secret};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Mode, Output, Snapshot, Template, sample};
use pidflow_schema::{Enterprise, FlowRecord};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

const TEST_TIMEOUT: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 4;
const TOPIC: &str = "flows";

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 3).unwrap();
    cluster
}

fn exporter(brokers: &str) -> ExporterConfig {
    Output::Kafka(KafkaConfig::new(brokers, TOPIC)).into()
}

fn start(config: ExporterConfig) -> ExporterSet {
    let context = ExportContext { mode: Mode::Offline, ..ExportContext::default() };
    ExporterSet::start(&[config], &context).unwrap()
}

fn send(set: &ExporterSet, records: &[FlowRecord]) {
    records.chunks(100).for_each(|batch| set.send(&Arc::from(batch)));
}

fn assert_all_sent(end: &Snapshot, records: usize) {
    assert_eq!((end.exported, end.lost_total()), (records as u64, 0), "{end:?}");
}

/// A message's partition, key and JSON.
type Received = (i32, String, String);

/// So many messages, in the order of each partition, and those that come soon after them.
fn consume(brokers: &str, messages: usize) -> Vec<Received> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "test").set("check.crcs", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut got, mut end) = (Vec::new(), Instant::now() + TEST_TIMEOUT);
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        let Some(Ok(message)) = consumer.poll(left.min(Duration::from_millis(200))) else { continue };
        let text = |octets: Option<&[u8]>| String::from_utf8(octets.unwrap().to_vec()).unwrap();
        got.push((message.partition(), text(message.key()), text(message.payload())));
        if got.len() == messages {
            end = Instant::now() + Duration::from_millis(300);
        }
    }
    got
}

fn lines(records: &[FlowRecord]) -> Vec<String> {
    let mut out = Vec::new();
    JsonEncoder::new(&Template::default(), JsonKeys::Names, Enterprise::DEFAULT_OWN_PEN).encode(records, &mut out);
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

/// Records of 300 flows, five of each, those of one flow in both directions.
fn five_of_each() -> Vec<FlowRecord> {
    let again = |round: u64, mut record: FlowRecord| {
        record.flow.last_ns += round;
        record.flow.forward.packets = round;
        if round % 2 == 1 {
            std::mem::swap(&mut record.flow.source, &mut record.flow.destination);
            std::mem::swap(&mut record.flow.source_port, &mut record.flow.destination_port);
        }
        record
    };
    (0..5).flat_map(|round| sample::records(300).into_iter().map(move |r| again(round, r))).collect()
}

/// Each partition has its flows' records in the order in which they were sent, and nothing is missing.
fn assert_in_order(got: &[Received], records: &[FlowRecord]) {
    let wanted = lines(records);
    let number: HashMap<_, _> = wanted.iter().enumerate().map(|(n, line)| (line.as_str(), n)).collect();
    let (mut home, mut last, mut seen) = (HashMap::new(), HashMap::new(), vec![false; wanted.len()]);
    for (partition, key, line) in got {
        assert_eq!(home.entry(key.clone()).or_insert(*partition), partition, "{key} is in two partitions");
        let n = number[line.as_str()];
        if !std::mem::replace(&mut seen[n], true) {
            let before = last.insert(key.clone(), n);
            assert!(before.is_none_or(|before| before < n), "{key}: {n} after {before:?}");
        }
    }
    assert!(seen.iter().all(|s| *s), "{} are missing", seen.iter().filter(|s| !**s).count());
    assert!(home.values().collect::<std::collections::HashSet<_>>().len() > 1, "one partition has everything");
}

#[test]
fn every_record_is_there_once_in_the_order_of_its_flow() {
    let cluster = cluster();
    let brokers = cluster.bootstrap_servers();
    let set = start(exporter(&brokers));
    let records = five_of_each();
    send(&set, &records);
    assert_all_sent(&set.shutdown(TEST_TIMEOUT)[0], records.len());
    let got = consume(&brokers, records.len());
    assert_eq!(got.len(), records.len());
    assert_in_order(&got, &records);
}

#[test]
fn errors_of_brokers_cost_neither_records_nor_their_order() {
    let cluster = cluster();
    let brokers = cluster.bootstrap_servers();
    let set = start(exporter(&brokers));
    let records = five_of_each();
    let (first, second) = records.split_at(700);
    send(&set, first);
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ];
    cluster.request_errors(RDKafkaApiKey::Produce, &errors);
    cluster.broker_down(2).unwrap();
    send(&set, second);
    std::thread::sleep(Duration::from_millis(500));
    cluster.broker_up(2).unwrap();
    assert_all_sent(&set.shutdown(TEST_TIMEOUT)[0], records.len());
    assert_in_order(&consume(&brokers, records.len()), &records);
}

#[test]
fn brokers_that_are_away_keep_records_waiting() {
    let cluster = cluster();
    let brokers = cluster.bootstrap_servers();
    (1..=3).for_each(|broker| cluster.broker_down(broker).unwrap());
    let mut config = exporter(&brokers);
    config.delivery.timeout = Duration::from_secs(1);
    let set = start(config);
    let records = sample::records(500);
    send(&set, &records);
    let end = Instant::now() + TEST_TIMEOUT;
    while set.counters()[0].errors == 0 {
        assert!(Instant::now() < end, "no attempt has failed");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(set.counters()[0].exported, 0);
    (1..=3).for_each(|broker| cluster.broker_up(broker).unwrap());
    assert_all_sent(&set.shutdown(TEST_TIMEOUT)[0], records.len());
    assert_in_order(&consume(&brokers, records.len()), &records);
}

#[test]
fn errors_in_the_settings_show_no_secrets() {
    let mut kafka = KafkaConfig::new("localhost:9092", TOPIC);
    let login = KafkaLogin { mechanism: "PLAIN".into(), user: "u".into(), password: Secret::new("hush") };
    kafka.login = Some(login);
    kafka.settings.insert("no.such.setting".into(), Secret::new("hush"));
    let config = ExporterConfig::from(Output::Kafka(kafka));
    let error = ExporterSet::start(&[config], &ExportContext::default()).err().unwrap().to_string();
    assert!(error.contains("no.such.setting") && !error.contains("hush"), "{error}");
}
