//! Describes a surplus record beside the record that it should have been part of.

use std::fmt::Write;

use super::{overlap, said, tuple};
use crate::records::Record;
use crate::truth::Exchange;

/// An exchange and the record that was taken for it.
pub(super) type Taken<'a> = (&'a Exchange, Option<&'a Record>);

/// One line for the tuple, one for the surplus record and one for the other record of the exchange, each with its time
/// relative to the exchange's first system call.
pub(super) fn describe(surplus: &Record, taken: &[Taken<'_>]) -> String {
    let mut text = format!("- surplus protocol {} {}", surplus.protocol, tuple(surplus.source, surplus.destination));
    let nearest = taken.iter().min_by_key(|(exchange, _)| distance_ns(surplus, exchange));
    let Some((exchange, record)) = nearest else { return text };
    let lasted_ms = (exchange.end_ns - exchange.start_ns) / 1_000_000;
    let _ = write!(text, ", beside an exchange of {lasted_ms} ms ({})", exchange.scenario);
    for (which, record) in [("surplus", Some(surplus)), ("matching", *record)] {
        let line = record.map_or_else(|| "none".to_owned(), |record| line(record, exchange));
        let _ = write!(text, "\n    {which}: {line}");
    }
    text
}

fn line(record: &Record, exchange: &Exchange) -> String {
    let start_ms = (exchange.start_ns / 1_000_000).cast_signed();
    let [first, last] = [record.first_ms, record.last_ms].map(|ms| ms.cast_signed() - start_ms);
    format!("{first:+} to {last:+} ms {}", said(record))
}

/// Sort key: overlapping records come first, those that overlap longest before others; then the records by the time
/// between.
fn distance_ns(record: &Record, exchange: &Exchange) -> i64 {
    match overlap(record, exchange.start_ns, exchange.end_ns) {
        Some(overlap_ns) => -overlap_ns.cast_signed(),
        None => (record.first_ms * 1_000_000).abs_diff(exchange.start_ns).cast_signed(),
    }
}
