//! Records per CPU-second of each encoder: for the talks' template, for `@FLOW@ @PROCESS@`, for what collectors
//! get by default, and for every element.

mod cpu_time;

use std::hint::black_box;

use cpu_time::CpuTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{Template, sample};
use pidflow_schema::FlowRecord;

const NOW_NS: u64 = 1_767_230_000_000_000_000;
const BATCH: usize = 1000;
const OWN_PEN: u32 = 32473;

/// The flow elements of the talks, and the 20 of `@PROCESS@`.
const TALKS: &str = "%IPV4_SRC_ADDR %L4_SRC_PORT %IPV4_DST_ADDR %L4_DST_PORT %IN_PKTS %IN_BYTES %FIRST_SWITCHED \
                     %LAST_SWITCHED %TCP_FLAGS %PROTOCOL @PROCESS@";

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

fn encoders(c: &mut Criterion<CpuTime>) {
    let records = records();
    for (name, template) in templates() {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(BATCH as u64));
        let mut ipfix = IpfixEncoder::new(template.clone(), IpfixOptions::default());
        group.bench_function("ipfix", |b| {
            b.iter(|| {
                ipfix.encode(&records, NOW_NS, &mut |m| {
                    black_box(m);
                })
            })
        });
        let mut v9 = Netflow9Encoder::new(template.clone(), Netflow9Options::default());
        group.bench_function("netflow9", |b| {
            b.iter(|| {
                v9.encode(&records, NOW_NS, &mut |m| {
                    black_box(m);
                })
            })
        });
        let json = JsonEncoder::new(&template, JsonKeys::Names, OWN_PEN);
        let mut out = Vec::new();
        group.bench_function("json", |b| {
            b.iter(|| {
                out.clear();
                json.encode(&records, &mut out);
                black_box(&out);
            });
        });
        #[cfg(feature = "otlp")]
        otlp(&mut group, &template, &records);
        group.finish();
    }
}

/// Requests of 500 records, as octets.
#[cfg(feature = "otlp")]
fn otlp(group: &mut BenchmarkGroup<'_, CpuTime>, template: &Template, records: &[FlowRecord]) {
    let encoder = pidflow_exporters::otlp::LogEncoder::new(template, pidflow_exporters::otlp::resource("host", "", []));
    let requests = || records.chunks(500).map(|part| prost::Message::encode_to_vec(&encoder.request(part, NOW_NS)));
    group.bench_function("otlp", |b| b.iter(|| requests().for_each(|octets| drop(black_box(octets)))));
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = encoders
}
criterion_main!(benches);
