//! Records per second of each encoder, for the default template and for the usual flow elements with `@PROCESS@`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
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

fn templates() -> [(&'static str, Template); 3] {
    let parse = |text| Template::parse(text).unwrap_or_default();
    [("talks", parse(TALKS)), ("flow+process", parse("@FLOW@ @PROCESS@")), ("all", Template::default())]
}

fn records() -> Vec<FlowRecord> {
    (0..BATCH as u64).map(sample::full).collect()
}

fn encoders(c: &mut Criterion) {
    let records = records();
    for (name, template) in templates() {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(BATCH as u64));
        let mut ipfix = IpfixEncoder::new(template.clone(), IpfixOptions::default());
        group.bench_function("ipfix", |b| b.iter(|| ipfix.encode(&records, NOW_NS, &mut |m| { black_box(m); })));
        let mut v9 = Netflow9Encoder::new(template.clone(), Netflow9Options::default());
        group.bench_function("netflow9", |b| b.iter(|| v9.encode(&records, NOW_NS, &mut |m| { black_box(m); })));
        let json = JsonEncoder::new(&template, JsonKeys::Names, OWN_PEN);
        let mut out = Vec::new();
        group.bench_function("json", |b| {
            b.iter(|| {
                out.clear();
                json.encode(&records, &mut out);
                black_box(&out);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, encoders);
criterion_main!(benches);
