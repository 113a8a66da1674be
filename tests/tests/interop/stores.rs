//! Exporters to stores against the real ones: ClickHouse's engine, InfluxDB, and nginx that terminates TLS before a
//! strict server.

use crate::http::{Reply, Server};
use crate::influxdb::InfluxDb;
use crate::{capture, clickhouse, expected, http, nginx, tools};
use pidflow_exporters::{ExporterConfig, ExporterSet, Loss, Snapshot, sample};
use pidflow_schema::FlowRecord;
use serde_json::{Value, json};

fn assert_same(mut found: Vec<Value>, records: &[FlowRecord]) {
    let mut wanted: Vec<_> = expected::objects(records).into_iter().map(Value::Object).collect();
    assert_eq!(found.len(), wanted.len());
    found.sort_by_key(Value::to_string);
    wanted.sort_by_key(Value::to_string);
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found, wanted);
    }
}

/// Sends the records, without asserting that they are exported.
fn run(config: ExporterConfig, records: &[FlowRecord]) -> Snapshot {
    let set = ExporterSet::start(&[config], &capture::context()).unwrap();
    set.send(&records.to_vec().into());
    let end = set.shutdown(capture::EXPORT_TIMEOUT).remove(0);
    assert_eq!(end.accepted, end.exported + end.lost_total(), "{end:?}");
    end
}

fn lost(snapshot: &Snapshot, why: Loss) -> u64 {
    snapshot.lost.iter().find(|(w, _)| *w == why).unwrap().1
}

#[test]
fn clickhouse_has_in_its_table_what_json_says() {
    let Some(python) = tools::python("clickhouse_has_in_its_table_what_json_says", "chdb") else {
        return;
    };
    let records = clickhouse::recent(300);
    let requests = clickhouse::requests(&records, None);
    assert_eq!(requests.len(), 3);
    // One request is sent again, as after a lost answer.
    let again = [&requests[..], &requests[1..2]].concat();
    assert_same(clickhouse::rows(&python, &again), &records);
}

#[test]
fn clickhouse_keeps_rows_of_a_template_without_times() {
    let Some(python) = tools::python("clickhouse_keeps_rows_of_a_template_without_times", "chdb") else {
        return;
    };
    let records = sample::records(50);
    let rows = clickhouse::rows(&python, &clickhouse::requests(&records, Some("%IN_BYTES")));
    let mut octets: Vec<_> = rows.iter().map(|r| r["IN_BYTES"].as_u64().unwrap()).collect();
    octets.sort_unstable();
    assert_eq!(octets, records.iter().map(|r| r.flow.forward.octets).collect::<Vec<_>>());
}

#[test]
fn influxdb_has_in_its_points_what_json_says() {
    if !tools::programs("influxdb_has_in_its_points_what_json_says", &["influxd"]) {
        return;
    }
    let (influx, mut records) = (InfluxDb::start(), sample::records(300));
    // No point must overwrite another one of the same time.
    let time = records[0].flow.last_ns;
    records.iter_mut().take(150).for_each(|r| r.flow.last_ns = time);
    capture::export(&[influx.exporter(&json!({}))], &records, 1000);
    let point = |mut point: serde_json::Map<String, Value>| {
        assert_eq!(point.remove("host"), Some("interop".into()));
        let time = point.remove("time").unwrap().as_u64().unwrap();
        assert_eq!(time / 1_000_000, point["FLOW_END_MILLISECONDS"].as_u64().unwrap());
        // A tag is text.
        let protocol: u8 = point["PROTOCOL"].as_str().unwrap().parse().unwrap();
        point.insert("PROTOCOL".into(), protocol.into());
        Value::Object(point)
    };
    assert_same(influx.points().into_iter().map(point).collect(), &records);
}

#[test]
fn influxdb_refuses_and_what_it_refuses_is_counted() {
    if !tools::programs("influxdb_refuses_and_what_it_refuses_is_counted", &["influxd"]) {
        return;
    }
    let (influx, records) = (InfluxDb::start(), sample::records(100));
    // The field is a string in the database: numbers of that name are rejected, and the other points accepted.
    influx.write(&format!("flow ICMP_TYPE=\"x\" {}", records[0].flow.last_ns));
    let template = json!({"template": "%ICMP_TYPE %IN_BYTES", "tags": "%PROTOCOL"});
    let end = run(influx.exporter(&template), &records);
    let refused = expected::objects(&records).iter().filter(|o| o.contains_key("ICMP_TYPE")).count() as u64;
    assert!(refused > 0);
    assert_eq!((end.exported, lost(&end, Loss::Rejected)), (100 - refused, refused), "{end:?}");
    assert_eq!(influx.points().len() as u64, 100 - refused + 1);
    // With a wrong password, or a database that does not exist, the records wait.
    for mut wrong in [json!({"password": "guess"}), json!({"database": "none"})] {
        wrong["give-up-seconds"] = 1.into();
        let end = run(influx.exporter(&wrong), &records);
        assert_eq!((end.exported, lost(&end, Loss::Unreachable)), (0, 100), "{end:?}");
        assert!(end.retries > 0, "{end:?}");
    }
}

/// The answer of Elasticsearch when it has accepted every document.
fn taken(request: &http::Request) -> Reply {
    let documents = request.body.split_inclusive(|b| *b == b'\n').count() / 2;
    let items = vec![json!({"create": {"status": 201}}); documents];
    Reply::Answer(200, vec![], json!({"errors": false, "items": items}).to_string().into_bytes())
}

#[test]
fn nginx_lets_through_who_shows_a_certificate() {
    if !tools::programs("nginx_lets_through_who_shows_a_certificate", &["nginx"]) {
        return;
    }
    let (dir, server, records) = (tempfile::tempdir().unwrap(), Server::start(None, taken), sample::records(300));
    nginx::certificates(dir.path());
    let (_nginx, port) = nginx::start(dir.path(), server.address);
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let exporter = |more: Value| {
        let mut config =
            json!({"kind": "elastic", "url": format!("https://localhost:{port}"), "tls-ca": file("ca.pem")});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    };
    let shown = json!({"tls-cert": file("client.pem"), "tls-key": file("client.key")});
    capture::export(&[exporter(shown)], &records, 1000);
    let requests = server.requests();
    assert!(requests.iter().all(|r| r.headers["x-client"] == "CN=client"), "{requests:?}");
    let documents = requests.iter().flat_map(|r| r.body.split_inclusive(|b| *b == b'\n').skip(1).step_by(2));
    let documents = documents.map(|l| {
        let mut document: Value = serde_json::from_slice(l).unwrap();
        document.as_object_mut().unwrap().retain(|name, _| !name.starts_with('@'));
        document
    });
    assert_same(documents.collect(), &records);
    // Without a client certificate nginx refuses permanently; a server certificate of the wrong authority fails the
    // handshake.
    let end = run(exporter(json!({})), &records);
    assert_eq!((end.exported, lost(&end, Loss::Rejected)), (0, 300), "{end:?}");
    let end = run(exporter(json!({"tls-ca": file("other.pem"), "give-up-seconds": 1})), &records);
    assert_eq!((end.exported, lost(&end, Loss::Unreachable)), (0, 300), "{end:?}");
    assert_eq!(server.requests().len(), requests.len());
}
