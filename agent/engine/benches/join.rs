//! Nanoseconds per record with a process at each end: `cargo bench -p pidflow-engine --bench join`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may panic and is not read as documentation")]

mod hosts;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use hosts::Host;

/// Records per round.
const RECORDS: u32 = 10_000;

/// One long-lived server answers clients; each client process makes `flows_each` connections.
fn join(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("join");
    group.throughput(Throughput::Elements(u64::from(RECORDS))).sample_size(20);
    for flows_each in [1, 100] {
        let host = Host::new(RECORDS, flows_each);
        let mut joiner = host.joiner();
        group.bench_function(BenchmarkId::new("records", flows_each), |bencher| {
            let joined = |flows: Vec<_>| flows.into_iter().map(|flow| joiner.join(flow)).collect::<Vec<_>>();
            bencher.iter_batched(|| host.flows(), joined, BatchSize::LargeInput);
        });
        group.bench_function(BenchmarkId::new("facts", flows_each), |bencher| {
            bencher.iter_batched(|| (), |()| black_box(host.joiner()), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, join);
criterion_main!(benches);
