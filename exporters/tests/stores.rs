//! Exporters to stores against servers that take every request apart, refuse, put off, and break off.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

#[path = "common/http.rs"]
mod http;
#[path = "common/lines.rs"]
mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Reply, Request, Server};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Loss, Mode, Snapshot, Template, sample};
use pidflow_schema::FlowRecord;
use serde_json::{Value, json};

const TEST_TIMEOUT: Duration = Duration::from_secs(30);
const RECORDS: usize = 100;
/// Beside the address.
const COMMON: &str = "batch-records = 40\n";

fn exporter(server: &Server, toml: &str) -> ExporterConfig {
    let text = format!("url = \"{}\"\n{COMMON}{toml}", server.url());
    ExporterConfig::from_table(toml::from_str(&text).unwrap()).unwrap()
}

/// Sends the records and waits for the end.
fn run(server: &Server, toml: &str, records: &[FlowRecord]) -> Snapshot {
    let context = ExportContext { mode: Mode::Offline, host_name: "web 1".into(), ..ExportContext::default() };
    let set = ExporterSet::start(&[exporter(server, toml)], &context).unwrap();
    set.send(&records.to_vec().into());
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!(end.accepted, end.exported + end.lost_total(), "{end:?}");
    end
}

fn lost(snapshot: &Snapshot, why: Loss) -> u64 {
    snapshot.lost.iter().find(|(w, _)| *w == why).unwrap().1
}

/// The records as JSON has them.
fn documents(records: &[FlowRecord], timestamp: bool) -> Vec<Value> {
    let encoder = JsonEncoder::new(&Template::default(), JsonKeys::Names, ExportContext::default().own_pen);
    let (encoder, mut out) = (if timestamp { encoder.with_timestamp() } else { encoder }, Vec::new());
    encoder.encode(records, &mut out);
    out.split_inclusive(|b| *b == b'\n').map(|l| serde_json::from_slice(l).unwrap()).collect()
}

fn assert_same(mut found: Vec<Value>, mut wanted: Vec<Value>) {
    found.sort_by_key(Value::to_string);
    wanted.sort_by_key(Value::to_string);
    assert_eq!(found.len(), wanted.len());
    assert!(found == wanted, "the records differ");
}

/// What a cluster holds: documents by index and id.
type Documents = Arc<Mutex<BTreeMap<(String, String), Value>>>;

/// Takes a bulk request apart: pairs of a `create` action and a document, each line ended.
fn pairs(request: &Request) -> Vec<((String, String), Value)> {
    assert!(request.path.starts_with("/_bulk?filter_path="), "{}", request.path);
    assert_eq!(request.headers["content-type"], "application/x-ndjson");
    assert_eq!(request.headers["content-encoding"], "gzip");
    let text = std::str::from_utf8(&request.body).unwrap();
    assert!(text.ends_with('\n') && !text.contains("\n\n"));
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len() % 2, 0);
    let action = |action: &Value| {
        assert_eq!(action.as_object().unwrap().keys().collect::<Vec<_>>(), ["create"]);
        let create = action["create"].as_object().unwrap();
        assert_eq!(create.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&"_id".to_owned(), &"_index".to_owned()]));
        (create["_index"].as_str().unwrap().to_owned(), create["_id"].as_str().unwrap().to_owned())
    };
    lines.chunks(2).map(|pair| (action(&pair[0]), pair[1].clone())).collect()
}

/// Does what Elasticsearch does, with `fate` as the status of the document with that number.
fn bulk(store: &Documents, request: &Request, fate: impl Fn(usize) -> u16) -> Vec<u8> {
    let mut store = store.lock().unwrap();
    let items = pairs(request).into_iter().enumerate().map(|(n, (key, document))| {
        let status = match fate(n) {
            201 if store.contains_key(&key) => 409,
            201 => {
                store.insert(key, document);
                201
            }
            other => other,
        };
        match status {
            201 => json!({"create": {"status": 201}}),
            _ => json!({"create": {"status": status, "error": {"type": "a_reason", "reason": "because\nof it"}}}),
        }
    });
    let items: Vec<_> = items.collect();
    let errors = items.iter().any(|i| i["create"]["status"] != 201);
    json!({"errors": errors, "items": items}).to_string().into_bytes()
}

fn elastic(script: impl Fn(usize, &Documents, &Request) -> Reply + Send + 'static) -> (Server, Documents) {
    cut_elastic(None, script)
}

fn cut_elastic(
    cut: Option<usize>,
    script: impl Fn(usize, &Documents, &Request) -> Reply + Send + 'static,
) -> (Server, Documents) {
    let store = Documents::default();
    let (held, mut n) = (store.clone(), 0);
    let server = Server::start(cut, move |request| {
        n += 1;
        script(n - 1, &held, request)
    });
    (server, store)
}

fn taken(store: &Documents, request: &Request) -> Reply {
    Reply::Answer(200, vec![], bulk(store, request, |_| 201))
}

fn stored(store: &Documents) -> Vec<Value> {
    store.lock().unwrap().values().cloned().collect()
}

#[test]
fn elastic_gets_every_document_in_the_index_of_its_day() {
    let (server, store) = elastic(|_, store, request| taken(store, request));
    let mut records = sample::records(RECORDS);
    // The day after.
    records[7].flow.last_ns += 86_400_000_000_000;
    let end = run(&server, "kind = \"elastic\"\nuser = \"ann\"\npassword = \"pw\"", &records);
    assert_eq!((end.exported, end.messages, end.errors), (100, 3, 0));
    assert_same(stored(&store), documents(&records, true));
    let days: Vec<_> =
        store.lock().unwrap().iter().map(|((index, _), d)| (index.clone(), d["@timestamp"].clone())).collect();
    for (index, timestamp) in &days {
        assert_eq!(index.strip_prefix("pidflow-").unwrap().replace('.', "-"), timestamp.as_str().unwrap()[..10]);
    }
    assert_eq!(days.iter().filter(|(index, _)| index == "pidflow-2026.01.02").count(), 1);
    assert_eq!(server.requests()[0].headers["authorization"], "Basic YW5uOnB3");
    assert_eq!(server.connections(), 1);
}

#[test]
fn elastic_sends_again_what_was_put_off_and_counts_what_was_refused() {
    let (server, store) = elastic(|n, store, request| match n {
        0 => Reply::Answer(429, vec![("retry-after", "1".into())], b"slow down".to_vec()),
        1 => Reply::status(503),
        // Of 40: 5 refused, 20 put off, some because their index is not there.
        2 => Reply::Answer(200, vec![], bulk(store, request, |i| [201, 400, 429, 201, 503, 201, 429, 404][i % 8])),
        _ => taken(store, request),
    });
    let records = sample::records(RECORDS);
    let end = run(&server, "kind = \"elastic\"\napi-key = \"id:key\"", &records);
    assert_eq!((end.exported, lost(&end, Loss::Rejected), end.retries), (95, 5, 3));
    let requests = server.requests();
    assert_eq!(requests.iter().map(|r| pairs(r).len()).collect::<Vec<_>>(), [40, 40, 40, 20, 40, 20]);
    assert!(requests.iter().all(|r| r.headers["authorization"] == "ApiKey aWQ6a2V5"));
    let all = documents(&records, true);
    let kept = all.into_iter().enumerate().filter(|(i, _)| *i >= 40 || i % 8 != 1);
    assert_same(stored(&store), kept.map(|(_, d)| d).collect());
}

#[test]
fn elastic_has_each_document_once_however_the_answer_is_lost() {
    let (server, store) = cut_elastic(Some(0), |n, store, request| match n {
        // The documents are in, and nobody hears of it.
        0 => Reply::CutAnswer(bulk(store, request, |_| 201)),
        1 => match taken(store, request) {
            Reply::Answer(..) => Reply::Hangup,
            other => other,
        },
        2 => Reply::json("{\"errors\":false,\"items\":[]}"),
        3 => Reply::json("<html>"),
        _ => taken(store, request),
    });
    let records = sample::records(RECORDS);
    let end = run(&server, "kind = \"elastic\"", &records);
    assert_eq!((end.exported, end.lost_total(), end.retries), (100, 0, 5));
    assert_same(stored(&store), documents(&records, true));
}

#[test]
fn denied_records_wait_until_access_is_granted() {
    for status in [301, 401, 402, 403, 404, 407] {
        let (server, store) = elastic(move |n, store, request| match n {
            0 | 1 => Reply::Answer(status, vec![("location", "/".into())], b"{\"status\":\"no\"}".to_vec()),
            _ => taken(store, request),
        });
        let records = sample::records(RECORDS);
        let end = run(&server, "kind = \"elastic\"", &records);
        assert_eq!((end.exported, end.lost_total(), end.retries, end.errors), (100, 0, 2, 2), "{status}");
        assert_same(stored(&store), documents(&records, true));
    }
}

#[test]
fn records_denied_for_too_long_are_dropped_as_unreachable() {
    let (server, _) = elastic(|_, _, _| Reply::status(401));
    let end = run(&server, "kind = \"elastic\"\ngive-up-seconds = 1", &sample::records(10));
    assert_eq!((end.exported, lost(&end, Loss::Unreachable), lost(&end, Loss::Rejected)), (0, 10, 0));
}

#[test]
fn large_requests_are_halved_and_a_single_large_record_is_refused() {
    let too_large = |request: &Request| {
        let pairs = pairs(request);
        pairs.len() > 6 || pairs.iter().any(|(_, document)| document["IN_BYTES"] == 7_007_007)
    };
    let (server, store) = elastic(move |n, store, request| match n {
        _ if too_large(request) => Reply::status(413),
        // A half is as whole batches are.
        3 => Reply::status(503),
        _ => taken(store, request),
    });
    let mut records = sample::records(RECORDS);
    records[50].flow.forward.octets = 7_007_007;
    let end = run(&server, "kind = \"elastic\"", &records);
    assert_eq!((end.exported, lost(&end, Loss::Rejected), end.retries), (99, 1, 1), "{end:?}");
    let mut wanted = documents(&records, true);
    wanted.remove(50);
    assert_same(stored(&store), wanted);
}

#[test]
fn a_pause_that_the_receiver_asks_for_is_waited_for() {
    let mut n = 0;
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let held = times.clone();
    let server = Server::start(None, move |_| {
        held.lock().unwrap().push(Instant::now());
        n += 1;
        match n {
            1 => Reply::Answer(429, vec![("retry-after", "2".into())], vec![]),
            2 => {
                let until = std::time::SystemTime::now() + Duration::from_secs(3);
                Reply::Answer(503, vec![("retry-after", httpdate::fmt_http_date(until))], vec![])
            }
            _ => Reply::status(200),
        }
    });
    let end = run(&server, "kind = \"clickhouse\"", &sample::records(10));
    assert_eq!((end.exported, end.retries), (10, 2));
    let times = times.lock().unwrap();
    let pauses: Vec<_> = times.windows(2).map(|t| t[1] - t[0]).collect();
    assert!(pauses.iter().all(|p| (Duration::from_secs(2)..Duration::from_secs(5)).contains(p)), "{pauses:?}");
}

/// Takes a push request apart as Loki does, and returns its lines.
fn push(request: &Request) -> Vec<(u64, Value)> {
    assert_eq!(request.path, "/loki/api/v1/push");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["x-scope-orgid"], "tenant");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let [stream] = &body["streams"].as_array().unwrap()[..] else { panic!("{body}") };
    assert_eq!(stream["stream"], json!({"job": "pidflow", "host": "web 1", "env": "test"}));
    let entry = |entry: &Value| {
        let [Value::String(time), Value::String(line)] = &entry.as_array().unwrap()[..] else { panic!("{entry}") };
        (time.parse().unwrap(), serde_json::from_str(line).unwrap())
    };
    stream["values"].as_array().unwrap().iter().map(entry).collect()
}

const LOKI: &str = "kind = \"loki\"\nheaders = { X-Scope-OrgID = \"tenant\" }\nlabels = { env = \"test\" }";

#[test]
fn loki_gets_every_line_in_order_and_once() {
    // As Loki does: what is there with the same time and text is not stored again.
    let lines: Arc<Mutex<BTreeSet<(u64, String)>>> = Arc::default();
    let (held, mut n) = (lines.clone(), 0);
    let server = Server::start(Some(0), move |request| {
        let entries = push(request);
        assert!(entries.is_sorted_by_key(|(time, _)| *time));
        n += 1;
        let store = || held.lock().unwrap().extend(entries.iter().map(|(t, line)| (*t, line.to_string())));
        match n {
            1 => return Reply::Answer(429, vec![("Retry-After", "1".into())], b"ingestion rate limit".to_vec()),
            2 => {
                store();
                return Reply::Hangup;
            }
            3 => return Reply::status(500),
            _ => store(),
        }
        Reply::status(204)
    });
    let records = sample::records(RECORDS);
    let end = run(&server, LOKI, &records);
    assert_eq!((end.exported, end.lost_total(), end.retries, server.requests().len()), (100, 0, 4, 6));
    let lines: Vec<_> = lines.lock().unwrap().iter().map(|(_, l)| serde_json::from_str(l).unwrap()).collect();
    assert_same(lines, documents(&records, false));
    let times: BTreeSet<_> = server.requests().iter().flat_map(push).map(|(t, _)| t).collect();
    assert_eq!(times, records.iter().map(|r| r.flow.last_ns).collect());
}

#[test]
fn loki_says_how_many_lines_it_ignored() {
    let mut n = 0;
    let server = Server::start(None, move |_| {
        n += 1;
        let body = match n {
            1 => {
                "entry with timestamp x ignored, reason: 'entry too far behind',\nuser 'fake', total ignored: 3 out of 40 for stream: {}"
            }
            2 => "entry for stream '{}' has timestamp too old",
            _ => return Reply::Answer(200, vec![], b"<html>log in".to_vec()),
        };
        Reply::Answer(400, vec![], body.into())
    });
    let end = run(&server, LOKI, &sample::records(RECORDS));
    assert_eq!((end.exported, lost(&end, Loss::Rejected), end.retries), (37, 63, 0));
}

/// The points of a request: tags and fields as JSON has the values, by time.
fn points(request: &Request) -> Vec<(u64, Value)> {
    assert_eq!(request.headers["content-type"], "text/plain; charset=utf-8");
    let text = std::str::from_utf8(&request.body).unwrap();
    lines::parse(text)
        .into_iter()
        .map(|p| {
            assert_eq!((p.measurement.as_str(), p.tags["host"].as_str()), ("flow", "web 1"));
            assert_eq!(
                p.tags
                    .keys()
                    .filter(|k| !["host", "PROTOCOL", "SRC_PROC_NAME", "DST_PROC_NAME"].contains(&k.as_str()))
                    .count(),
                0
            );
            let mut members: serde_json::Map<_, _> = p.fields.into_iter().collect();
            for (key, value) in p.tags.into_iter().filter(|(key, _)| key != "host") {
                let value = if key == "PROTOCOL" { json!(value.parse::<u8>().unwrap()) } else { json!(value) };
                assert!(members.insert(key, value).is_none());
            }
            (p.time, Value::Object(members))
        })
        .collect()
}

const INFLUX: &str =
    "kind = \"influx\"\ndatabase = \"net flows\"\nretention-policy = \"week\"\nuser = \"u\"\npassword = \"p\"";

#[test]
fn influx_gets_every_point_once() {
    let store: Arc<Mutex<BTreeMap<u64, Value>>> = Arc::default();
    let (held, mut n) = (store.clone(), 0);
    let server = Server::start(Some(0), move |request| {
        assert_eq!(request.path, "/write?db=net%20flows&rp=week&precision=ns");
        assert_eq!(request.headers["authorization"], "Basic dTpw");
        // As InfluxDB does: a point of the same series and time takes the place of the first.
        held.lock().unwrap().extend(points(request));
        n += 1;
        match n {
            1 => Reply::Hangup,
            2 => Reply::Answer(503, vec![("retry-after", "1".into())], vec![]),
            _ => Reply::status(204),
        }
    });
    let mut records = sample::records(RECORDS);
    // All at the same time: no point may take another's place.
    let time = records[0].flow.last_ns;
    records.iter_mut().for_each(|r| r.flow.last_ns = time);
    let end = run(&server, INFLUX, &records);
    assert_eq!((end.exported, end.lost_total(), end.retries), (100, 0, 3));
    let found: Vec<_> = store.lock().unwrap().values().cloned().collect();
    assert_same(found, documents(&records, false));
    assert!(store.lock().unwrap().keys().all(|t| t / 1_000_000 == time / 1_000_000));
}

#[test]
fn influx_says_how_many_points_it_dropped() {
    let mut n = 0;
    let server = Server::start(None, move |request| {
        assert_eq!(request.path, "/api/v2/write?org=o%26o&bucket=b&precision=ns");
        assert_eq!(request.headers["authorization"], "Token secret");
        n += 1;
        let (status, body) = match n {
            1 => (
                422,
                json!({"code": "unprocessable entity", "message": "failure writing points to database: partial write: points beyond retention policy dropped=4"}),
            ),
            2 => (400, json!({"error": "partial write: field type conflict: input field \"X\" dropped=2"})),
            3 => (401, json!({"code": "unauthorized", "message": "unauthorized access"})),
            _ => (400, json!({"code": "invalid", "message": "unable to parse"})),
        };
        Reply::Answer(status, vec![], body.to_string().into())
    });
    let toml = "kind = \"influx\"\norganization = \"o&o\"\nbucket = \"b\"\ntoken = \"secret\"";
    let end = run(&server, toml, &sample::records(RECORDS));
    assert_eq!((end.exported, lost(&end, Loss::Rejected), end.retries), (74, 26, 1));
}

#[test]
fn influx_counts_records_without_a_field() {
    let server = Server::start(None, |_| Reply::status(204));
    let end = run(&server, &format!("{INFLUX}\ntemplate = \"%SRC_PROC_PID %PROTOCOL\""), &sample::records(70));
    // Of 7 records each, two have no process at their source.
    assert_eq!((end.exported, lost(&end, Loss::NoElements), lost(&end, Loss::Rejected)), (50, 20, 0));
}

#[test]
fn clickhouse_has_each_batch_once() {
    // As ClickHouse does: of two inserts with the same token the second is not made.
    let store: Arc<Mutex<BTreeMap<String, Vec<Value>>>> = Arc::default();
    let (held, mut n) = (store.clone(), 0);
    let server = Server::start(Some(0), move |request| {
        let (path, token) = request.path.rsplit_once("&insert_deduplication_token=").unwrap();
        assert_eq!(
            path,
            "/?query=INSERT%20INTO%20net.flows%20FORMAT%20JSONEachRow&input_format_skip_unknown_fields=1&async_insert=1&wait_for_async_insert=1"
        );
        assert_eq!(request.headers["x-clickhouse-key"], "k");
        n += 1;
        let rows = std::str::from_utf8(&request.body).unwrap().lines().map(|l| serde_json::from_str(l).unwrap());
        let store = || held.lock().unwrap().insert(token.to_owned(), rows.clone().collect());
        match n {
            1 => {
                store();
                Reply::Hangup
            }
            2 => Reply::Answer(503, vec![("retry-after", "1".into())], vec![]),
            4 => Reply::Answer(400, vec![], b"Code: 27. DB::Exception: Cannot parse input".to_vec()),
            _ => {
                store();
                Reply::status(200)
            }
        }
    });
    let toml =
        "kind = \"clickhouse\"\ntable = \"net.flows\"\nsettings = { async_insert = true, wait_for_async_insert = 1 }
headers = { X-ClickHouse-User = \"u\", X-ClickHouse-Key = \"k\" }";
    let records = sample::records(RECORDS);
    let end = run(&server, toml, &records);
    assert_eq!((end.exported, lost(&end, Loss::Rejected), end.retries), (60, 40, 3));
    let found: Vec<_> = store.lock().unwrap().values().flatten().cloned().collect();
    let wanted = documents(&records, false).into_iter().enumerate().filter(|(i, _)| *i < 40 || *i >= 80);
    assert_same(found, wanted.map(|(_, d)| d).collect());
}

#[test]
fn a_store_that_stays_away_is_given_up() {
    let (server, _) = elastic(|_, _, _| Reply::Hangup);
    let end = run(&server, "kind = \"elastic\"\ngive-up-seconds = 1", &sample::records(10));
    assert_eq!((end.exported, lost(&end, Loss::Unreachable)), (0, 10));
    assert!(end.retries > 0);
}

#[test]
fn configuration_mistakes_name_the_key() {
    let error = |toml: &str| {
        let text = format!("url = \"http://127.0.0.1:1\"\n{toml}");
        ExporterConfig::from_table(toml::from_str(&text).unwrap()).unwrap_err().to_string()
    };
    let key = |toml: &str| error(toml).split('`').nth(1).unwrap().to_owned();
    assert_eq!(key("kind = \"elastic\"\nindex = \"A\""), "index");
    assert_eq!(key("kind = \"elastic\"\nuser = \"a\"\napi-key = \"x\""), "api-key");
    assert_eq!(key("kind = \"elastic\"\nheaders = { Authorization = \"a\" }\napi-key = \"x\""), "api-key");
    assert_eq!(key("kind = \"loki\"\nlabels = { a-b = \"c\" }"), "labels");
    assert_eq!(key("kind = \"loki\"\nlabel = { a = \"c\" }"), "label");
    assert_eq!(key("kind = \"influx\""), "database");
    assert_eq!(key("kind = \"influx\"\ndatabase = \"d\"\nbucket = \"b\""), "database");
    assert_eq!(key("kind = \"influx\"\ndatabase = \"d\"\ntags = \"%NO\""), "tags");
    assert_eq!(key("kind = \"influx\"\ndatabase = \"d\"\ntoken = \"x\"\nuser = \"a\""), "token");
    assert_eq!(key("kind = \"clickhouse\"\nsettings = { \"a&b\" = 1 }"), "settings");
    assert_eq!(key("kind = \"clickhouse\"\ntable = \"a;b\""), "table");
}

/// 2100, the end of 2106's 32 bits, 2107, 2262, 2263 and the last moment that the agent knows.
const LATE: [u64; 6] = [
    4_102_444_800_000_000_000,
    4_294_967_295_999_999_999,
    4_323_369_600_000_000_000,
    9_223_372_036_853_000_000,
    9_246_182_400_000_000_000,
    u64::MAX,
];

/// Records of that time, and one of today in each request.
fn late_records() -> Vec<FlowRecord> {
    let at = |time_ns: u64| {
        let mut record = sample::full(1);
        (record.flow.first_ns, record.flow.last_ns) = (time_ns, time_ns);
        record
    };
    [0, 1_767_225_600_000_000_000].into_iter().chain(LATE).map(at).collect()
}

/// Seconds since 1970 of late records that a receiver has, and how many of all were counted as having no time there.
fn late(toml: &str, status: u16, times: impl Fn(&Request) -> Vec<u64>) -> (Vec<u64>, u64) {
    let server = Server::start(None, move |_| Reply::status(status));
    let end = run(&server, toml, &late_records());
    assert_eq!(
        (end.exported, end.lost_total()),
        (8 - lost(&end, Loss::TimeOutOfRange), lost(&end, Loss::TimeOutOfRange))
    );
    let mut times: Vec<_> = server.requests().iter().flat_map(times).collect();
    times.sort_unstable();
    (times, lost(&end, Loss::TimeOutOfRange))
}

fn seconds(until: usize) -> Vec<u64> {
    late_records().iter().map(|r| r.flow.last_ns / 1_000_000_000).take(until).collect()
}

#[test]
fn a_time_that_a_store_does_not_have_is_counted_and_never_another_one() {
    let of = |pairs: Vec<(u64, Value)>| pairs.into_iter().map(|(time, _)| time / 1_000_000_000).collect();
    assert_eq!(late(LOKI, 204, |r| of(push(r))), (seconds(6), 2));
    assert_eq!(late(INFLUX, 204, |r| of(points(r))), (seconds(6), 2));
    let rows = |r: &Request| -> Vec<u64> {
        let rows = std::str::from_utf8(&r.body).unwrap().lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        rows.map(|row| row["LAST_SWITCHED"].as_u64().unwrap()).collect()
    };
    assert_eq!(late("kind = \"clickhouse\"", 200, rows), (seconds(4), 4));
    let only_milliseconds = |r: &Request| -> Vec<u64> {
        let rows = std::str::from_utf8(&r.body).unwrap().lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        rows.map(|row| row["FLOW_END_MILLISECONDS"].as_u64().unwrap() / 1000).collect()
    };
    let toml = "kind = \"clickhouse\"\ntemplate = \"%FLOW_END_MILLISECONDS\"";
    assert_eq!(late(toml, 200, only_milliseconds), (seconds(8), 0));
}

#[test]
fn elastic_has_every_time() {
    let (server, documents) = elastic(|_, store, request| taken(store, request));
    let end = run(&server, "kind = \"elastic\"", &late_records());
    assert_eq!((end.exported, end.lost_total()), (8, 0));
    let mut times: Vec<_> =
        stored(&documents).iter().map(|d| d["@timestamp"].as_str().unwrap()[..4].to_owned()).collect();
    times.sort();
    assert_eq!(times, ["1970", "2026", "2100", "2106", "2107", "2262", "2263", "2554"]);
}

/// A request of which nothing is left is none.
#[test]
fn where_no_record_has_a_time_nothing_is_sent() {
    let mut records = sample::records(50);
    records.iter_mut().for_each(|r| r.flow.last_ns = u64::MAX);
    for (toml, status) in [(LOKI, 204), (INFLUX, 204), ("kind = \"clickhouse\"", 200)] {
        let server = Server::start(None, move |_| Reply::status(status));
        let end = run(&server, toml, &records);
        assert_eq!((lost(&end, Loss::TimeOutOfRange), end.messages, server.requests().len()), (50, 0, 0), "{toml}");
    }
}
