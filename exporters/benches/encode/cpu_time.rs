//! CPU time of the thread instead of time on the wall, so that a busy machine does not change the figures much.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

const SECOND_NS: f64 = 1e9;

/// Nanoseconds of `CLOCK_THREAD_CPUTIME_ID` (`clock_gettime(2)`).
pub(crate) struct CpuTime;

fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        now_ns()
    }

    fn end(&self, start: u64) -> u64 {
        now_ns() - start
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &PerCpuSecond
    }
}

struct PerCpuSecond;

fn scale(values: &mut [f64], factor: impl Fn(f64) -> f64) {
    for value in values {
        *value = factor(*value);
    }
}

impl ValueFormatter for PerCpuSecond {
    fn scale_values(&self, _: f64, values: &mut [f64]) -> &'static str {
        scale(values, |ns| ns / 1000.0);
        "CPU-µs"
    }

    fn scale_throughputs(&self, _: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        let each = match throughput {
            Throughput::Elements(n) | Throughput::Bytes(n) => *n as f64,
            _ => 1.0,
        };
        scale(values, |ns| each / ns * SECOND_NS / 1e6);
        "M records per CPU-second"
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "ns"
    }
}
