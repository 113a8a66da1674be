//! What is read from a record can be written into another one.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

use pidflow_exporters::sample;
use pidflow_schema::{Attribution, Counters, ELEMENTS, Flow, FlowRecord, Value};

fn blank() -> FlowRecord {
    let nowhere = (std::net::Ipv4Addr::UNSPECIFIED.into(), 0);
    let flow =
        Flow { forward: Counters::UNKNOWN, reverse: Counters::UNKNOWN, ..Flow::new(0, nowhere, nowhere, (0, 0)) };
    FlowRecord::without_processes(flow, Attribution::Remote)
}

/// Elements that follow from others, or say less than the record has.
const DERIVED: [&str; 26] = [
    "IS_GLUED",
    "LAYER2_SEGMENT_ID",
    "IP_PROTOCOL_VERSION",
    "TCP_FLAGS",
    "APPL_LATENCY_MS",
    "HTTP_LATENCY_AVG",
    "SRC_PROC_NUM_PAGE_FAULTS",
    "DST_PROC_NUM_PAGE_FAULTS",
    "BIFLOW_DIRECTION",
    "FLOW_KEY",
    "FLOW_KEY_BASIS",
    "COMMUNITY_ID",
    "NUM_PKTS_UP_TO_128_BYTES",
    "NUM_PKTS_128_TO_256_BYTES",
    "NUM_PKTS_256_TO_512_BYTES",
    "NUM_PKTS_512_TO_1024_BYTES",
    "NUM_PKTS_1024_TO_1514_BYTES",
    "NUM_PKTS_OVER_1514_BYTES",
    "SRC_TO_DST_IAT_MIN",
    "SRC_TO_DST_IAT_MAX",
    "SRC_TO_DST_IAT_AVG",
    "SRC_TO_DST_IAT_STDDEV",
    "DST_TO_SRC_IAT_MIN",
    "DST_TO_SRC_IAT_MAX",
    "DST_TO_SRC_IAT_AVG",
    "DST_TO_SRC_IAT_STDDEV",
];

#[test]
fn a_record_written_from_its_values_has_the_same_values() {
    for record in (0..2000).map(sample::record).chain([sample::full(1)]) {
        let mut copy = blank();
        for e in ELEMENTS.iter() {
            if let (Some(value), Some(write)) = ((e.read)(&record), e.write) {
                assert_eq!(write(&mut copy, &value), Some(()), "{}", e.name);
            }
        }
        for e in ELEMENTS.iter().filter(|e| !DERIVED.contains(&e.name)) {
            assert_eq!((e.read)(&copy), (e.read)(&record), "{}", e.name);
        }
        assert_eq!(
            (copy.source.process, copy.destination.process),
            (record.source.process, record.destination.process)
        );
    }
}

#[test]
fn every_element_that_is_not_derived_can_be_written() {
    for e in ELEMENTS.iter().filter(|e| e.write.is_none()) {
        assert!(DERIVED.contains(&e.name), "{}", e.name);
    }
}

#[test]
fn a_value_of_another_type_or_out_of_range_leaves_the_record_as_it_is() {
    let values = [
        Value::Unsigned(u64::MAX),
        Value::Signed(-1),
        Value::text("no such name"),
        Value::Time(7),
        Value::Mac([1; 6]),
        Value::Ipv4(std::net::Ipv4Addr::LOCALHOST),
        Value::Ipv6(std::net::Ipv6Addr::LOCALHOST),
    ];
    for (e, write) in ELEMENTS.iter().filter_map(|e| Some((e, e.write?))) {
        for value in &values {
            let mut record = blank();
            if write(&mut record, value).is_none() {
                assert_eq!(record, blank(), "{} from {value:?}", e.name);
            } else {
                assert_ne!(record, blank(), "{} from {value:?}", e.name);
            }
        }
    }
}
