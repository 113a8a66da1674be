//! Records that a compiled expression tests per second of one core.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pidflow_expression::Expression;
use pidflow_schema::{Attribution, Flow, FlowRecord, Process, Protocol};

const EXPRESSIONS: [&str; 5] = [
    "L4_DST_PORT == 443 && IN_BYTES > 1000000",
    "port == 443 && bytes > 1e6",
    "process == \"nginx\" && dst.port == 443 && bytes > 1e6 && user != \"root\"",
    "cidr(\"10.0.0.0/8\").containsIP(dst.address)",
    "command.matches(\"--port=[0-9]+\")",
];

fn records() -> Vec<FlowRecord> {
    let process = Arc::new(Process {
        name: "nginx".into(),
        user: "www-data".into(),
        command_line: "nginx: worker process --config=/etc/nginx/nginx.conf --port=8080".into(),
        ..Process::default()
    });
    (0..1000_u32)
        .map(|n| {
            let (source, destination) = (Ipv4Addr::from(n).into(), Ipv4Addr::from(0x0a00_0000 + n).into());
            let port = if n % 2 == 0 { 443 } else { 80 };
            let mut flow = Flow::new(Protocol::TCP, (source, 40_000), (destination, port), (0, 0));
            flow.forward.octets = u64::from(n) * 2000;
            let mut record = FlowRecord::without_processes(flow, Attribution::Remote);
            record.destination.process = Some(Arc::clone(&process));
            record
        })
        .collect()
}

fn expressions(c: &mut Criterion) {
    let records = records();
    let mut group = c.benchmark_group("expression");
    group.throughput(Throughput::Elements(records.len() as u64));
    for text in EXPRESSIONS {
        let expression = Expression::parse(text).unwrap();
        group.bench_function(text, |b| b.iter(|| records.iter().filter(|r| expression.matches(r)).count()));
    }
    group.finish();
}

criterion_group!(benches, expressions);
criterion_main!(benches);
