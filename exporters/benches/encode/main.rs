//! Records per CPU-second, and bytes allocated per record, of each encoder: for the talks' template, for `@FLOW@ @PROCESS@`, for what collectors
//! get by default, and for every element.

mod allocated;
mod cpu_time;

use std::hint::black_box;

use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{InfluxEncoder, Template, sample};
use pidflow_schema::FlowRecord;

const NOW_NS: u64 = 1_767_230_000_000_000_000;
const BATCH: usize = 1000;
const OWN_PEN: u32 = 32473;

/// The flow elements of the talks, and the 20 of `@PROCESS@`.
const TALKS: &str = "%IPV4_SRC_ADDR %L4_SRC_PORT %IPV4_DST_ADDR %L4_DST_PORT %IN_PKTS %IN_BYTES %FIRST_SWITCHED \
                     %LAST_SWITCHED %TCP_FLAGS %PROTOCOL @PROCESS@";

/// The tags of InfluxDB's points as usual; the other elements are fields.
const TAGS: &str = "%PROTOCOL %SRC_PROC_NAME %DST_PROC_NAME";

fn templates() -> [(&'static str, Template); 4] {
    let parse = |text| Template::parse(text).unwrap_or_default();
    [
        ("talks", parse(TALKS)),
        ("flow+process", parse("@FLOW@ @PROCESS@")),
        ("collectors", Template::for_collectors()),
        ("all", Template::default()),
    ]
}

fn records() -> Vec<FlowRecord> {
    (0..BATCH as u64).map(sample::full).collect()
}

/// Lets the compiler believe that the result is wanted.
fn sink<T>(result: T) {
    let _ = black_box(result);
}

/// One encoder at work on all records.
type Run<'a> = Box<dyn FnMut() + 'a>;

/// Each encoder. ClickHouse, Loki, Elasticsearch and the brokers get what `json` makes, with a frame around it.
fn encoders<'a>(template: &Template, records: &'a [FlowRecord]) -> Vec<(&'static str, Run<'a>)> {
    let mut ipfix = IpfixEncoder::new(template.clone(), IpfixOptions::default());
    let mut v9 = Netflow9Encoder::new(template.clone(), Netflow9Options::default());
    let json = JsonEncoder::new(template, JsonKeys::Names, OWN_PEN);
    let mut influx = InfluxEncoder::new(template, &Template::parse(TAGS).unwrap_or_default(), "host");
    let (mut objects, mut lines) = (Vec::new(), Vec::new());
    let mut all: Vec<(&'static str, Run<'a>)> = vec![
        ("ipfix", Box::new(move || ipfix.encode(records, NOW_NS, &mut |m| sink(m)))),
        ("netflow9", Box::new(move || v9.encode(records, NOW_NS, &mut |m| sink(m)))),
        (
            "json",
            Box::new(move || {
                objects.clear();
                json.encode(records, &mut objects);
                black_box(&objects);
            }),
        ),
        (
            "influx",
            Box::new(move || {
                lines.clear();
                records.iter().for_each(|r| sink(influx.put(r, &mut lines)));
                black_box(&lines);
            }),
        ),
    ];
    #[cfg(feature = "otlp")]
    all.extend(otlp(template, records));
    all
}

/// Requests of 500 records, as bytes.
#[cfg(feature = "otlp")]
fn otlp<'a>(template: &Template, records: &'a [FlowRecord]) -> [(&'static str, Run<'a>); 2] {
    use pidflow_exporters::otlp::{LogEncoder, SpanEncoder, resource};
    use prost::Message;
    let logs = LogEncoder::new(template, resource("host", "", []));
    let spans = SpanEncoder::new(template, resource("host", "", []));
    let parts = || records.chunks(500);
    [
        (
            "otlp-logs",
            Box::new(move || {
                parts().for_each(|part| sink(logs.request(part, NOW_NS).encode_to_vec()));
            }),
        ),
        (
            "otlp-spans",
            Box::new(move || {
                parts().for_each(|part| sink(spans.request(part).encode_to_vec()));
            }),
        ),
    ]
}

fn speed(c: &mut Criterion<CpuTime>) {
    let records = records();
    for (name, template) in templates() {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(BATCH as u64));
        for (encoder, mut run) in encoders(&template, &records) {
            group.bench_function(encoder, |b| b.iter(&mut run));
        }
        group.finish();
    }
}

/// Whole files: their columns have an end, which costs the same however many records there are.
#[cfg(feature = "parquet")]
fn parquet(c: &mut Criterion<CpuTime>) {
    const RECORDS: usize = 50_000;
    for (kind, records) in
        [("full", (0..RECORDS as u64).map(sample::full).collect()), ("mixed", sample::records(RECORDS))]
    {
        let mut group = c.benchmark_group(format!("parquet of {kind} records"));
        group.sample_size(10).throughput(Throughput::Elements(RECORDS as u64));
        for (name, template) in templates() {
            let Ok(encoder) = pidflow_exporters::ParquetEncoder::new(&template) else { continue };
            group.bench_function(name, |b| b.iter(|| sink(encoder.encode(&records, Vec::new()))));
            let octets = encoder.encode(&records, Vec::new()).map_or(0, |file| file.len());
            println!("{name}: {} octets of file per record", octets / RECORDS);
        }
        group.finish();
    }
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &mut Criterion<CpuTime>) {}

fn memory(_: &mut Criterion<CpuTime>) {
    let records = records();
    for (name, template) in templates() {
        for (encoder, mut run) in encoders(&template, &records) {
            println!("{name}/{encoder}: {} octets allocated per record", allocated::by(&mut run) / BATCH as u64);
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = speed, parquet, memory
}
criterion_main!(benches);
