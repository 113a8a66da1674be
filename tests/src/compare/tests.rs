use super::*;
use crate::truth;

/// A comparison that finds nothing wrong with anything would pass every test of the agent: these show that it can fail.
const TRUTH: &str = r#"{"scenario":"t","protocol":6,"source":"127.0.0.1","source_port":1000,"destination":"127.0.0.1","destination_port":80,"start_ns":1000000000,"end_ns":1010000000,"source_end":{"process":{"pid":7,"name":"client","uid":0,"user":"root","ppid":6,"parent":"sh"}},"destination_end":{"process":{"pid":8,"name":"server","uid":1,"user":"daemon","ppid":1,"parent":"init"}}}"#;

fn record() -> serde_json::Value {
    serde_json::json!({
        "IPV4_SRC_ADDR": "127.0.0.1", "IPV4_DST_ADDR": "127.0.0.1", "L4_SRC_PORT": 1000, "L4_DST_PORT": 80, "PROTOCOL": 6,
        "FLOW_START_MILLISECONDS": 1000, "FLOW_END_MILLISECONDS": 1009,
        "SRC_PROC_PID": 7, "SRC_PROC_NAME": "client", "SRC_PROC_UID": 0, "SRC_PROC_USER_NAME": "root",
        "SRC_FATHER_PROC_PID": 6, "SRC_FATHER_PROC_NAME": "sh",
        "DST_PROC_PID": 8, "DST_PROC_NAME": "server", "DST_PROC_UID": 1, "DST_PROC_USER_NAME": "daemon",
        "DST_FATHER_PROC_PID": 1, "DST_FATHER_PROC_NAME": "init"
    })
}

fn outcome(records: &[serde_json::Value]) -> Outcome {
    let records: Vec<_> = records.iter().map(|record| Record::parse(&record.to_string()).unwrap()).collect();
    compare(&truth::parse(TRUTH).unwrap(), &records)
}

fn with(key: &str, value: impl Into<serde_json::Value>) -> serde_json::Value {
    let mut record = record();
    record[key] = value.into();
    record
}

#[test]
fn what_is_true_is_right() {
    let outcome = outcome(&[record()]);
    assert!(outcome.perfect() && outcome.passes(), "{outcome}");
}

#[test]
fn every_field_of_both_ends_counts() {
    for key in ["PROC_PID", "PROC_UID", "FATHER_PROC_PID"] {
        assert_eq!(outcome(&[with(&format!("SRC_{key}"), 9)]).wrong, 1, "{key}");
        assert_eq!(outcome(&[with(&format!("DST_{key}"), 9)]).wrong, 1, "{key}");
    }
    for key in ["PROC_NAME", "PROC_USER_NAME", "FATHER_PROC_NAME"] {
        assert_eq!(outcome(&[with(&format!("SRC_{key}"), "x")]).wrong, 1, "{key}");
    }
}

#[test]
fn missing_ends_are_missing_and_not_wrong() {
    let mut silent = record();
    silent.as_object_mut().unwrap().remove("DST_PROC_PID");
    for records in [vec![], vec![silent], vec![with("FLOW_START_MILLISECONDS", 5000)]] {
        let outcome = outcome(&records);
        assert_eq!((outcome.right, outcome.missing, outcome.wrong), (0, 1, 0), "{outcome}");
    }
}

#[test]
fn a_second_record_and_an_invented_error_count() {
    assert_eq!(outcome(&[record(), record()]).surplus, 1);
    assert_eq!(outcome(&[with("CONNECT_ERROR", 111)]).wrong, 1);
}

#[test]
fn a_surplus_record_is_shown_beside_the_one_that_matches() {
    let mut late = with("FLOW_END_DETAIL", "socket-changed");
    late["FLOW_START_MILLISECONDS"] = 1010.into();
    late["FLOW_END_MILLISECONDS"] = 1012.into();
    let text = outcome(&[record(), late]).to_string();
    assert!(
        text.contains("- surplus protocol 6 127.0.0.1:1000 -> 127.0.0.1:80, beside an exchange of 10 ms"),
        "{text}"
    );
    assert!(text.contains("surplus: +10 to +12 ms") && text.contains("socket-changed"), "{text}");
    assert!(text.contains("matching: +0 to +9 ms"), "{text}");
}

/// The same member of the other end.
fn turned_key(key: &str) -> String {
    if key.contains("SRC") { key.replace("SRC", "DST") } else { key.replace("DST", "SRC") }
}

#[test]
fn a_turned_flow_is_wrong() {
    let truth = record();
    let mut turned = truth.clone();
    for (key, value) in truth.as_object().unwrap() {
        turned[turned_key(key)] = value.clone();
    }
    for basis in ["syn", "socket"] {
        turned["INITIATOR_BASIS"] = basis.into();
        assert_eq!(outcome(std::slice::from_ref(&turned)).wrong, 1, "{basis}");
    }
    turned["INITIATOR_BASIS"] = "first-packet".into();
    let unsure = outcome(&[turned]);
    assert_eq!((unsure.wrong, unsure.missing, unsure.unrecorded), (0, 1, 0), "it does not say that it is the client");
    assert!(!unsure.perfect() && !unsure.passes());
}
