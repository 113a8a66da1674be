//! The summary at the end: what was read, exported, discarded and lost.

use std::fmt::Write;

use pidflow_collector::{Event, Protocol};
use pidflow_engine::decode::FrameCount;
use pidflow_exporters::Snapshot;

use crate::collect::GlueFigures;
use crate::figures::grouped;
use crate::ledger::{SAMPLED_OUT, SEEN_ELSEWHERE};
use crate::pipeline::{CollectEnded, Ended};
use pidflow_capture::CaptureCounters;

/// The summary after capture files.
pub(crate) fn reading(e: &Ended) -> String {
    let mut parts = vec![totals(e)];
    parts.extend(without_flow(&e.capture, e.table.seen_elsewhere));
    parts.extend(undecoded(&e.capture));
    parts.extend(bad_blocks(&e.capture));
    parts.extend(e.exporters.iter().map(exporter));
    parts.join("\n")
}

/// The summary after live traffic.
pub(crate) fn running(e: &Ended) -> String {
    let drops = e.capture.kernel_drops + e.capture.interface_drops;
    let mut said = format!("{}\ndropped by the kernel: {} packets", reading(e), grouped(drops));
    let _ = e.shed.said().map(|shed| write!(said, "\n{shed}"));
    if e.left_over > 0 {
        let _ = write!(
            said,
            "\nin no record: {} packets; the time limit for the end (--drain-timeout) had passed",
            grouped(e.left_over)
        );
    }
    said
}

/// The summary after records of exporters.
pub(crate) fn collecting(e: &CollectEnded) -> String {
    let CollectEnded { figures, glue, exporters } = e;
    let by_protocol = Protocol::ALL.iter().filter(|p| figures.counters.datagrams(**p) > 0).map(|p| {
        let (records, datagrams) = (figures.counters.records(*p), figures.counters.datagrams(*p));
        format!("{}: {} records in {} datagrams", p.name(), grouped(records), grouped(datagrams))
    });
    let events = Event::ALL.iter().map(|event| (event.name(), figures.counters.events(*event)));
    let events: Vec<_> = events.filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {}", grouped(n))).collect();
    let mut parts = vec![figures.received()];
    parts.extend(by_protocol);
    parts.extend((!events.is_empty()).then(|| format!("counted: {}", events.join(", "))));
    parts.push(format!("dropped by the kernel: {} datagrams", grouped(figures.kernel_drops)));
    parts.extend(glue.as_ref().map(glued));
    parts.extend(exporters.iter().map(exporter));
    parts.join("\n")
}

fn glued(figures: &GlueFigures) -> String {
    let c = &figures.counters;
    format!(
        "glue: {} records held, {} glued from both ends, {} without the other end, {} repeated, {} ambiguous, {} late, {} pushed out, {} passed",
        grouped(c.held),
        grouped(c.glued),
        grouped(c.alone),
        grouped(c.repeated),
        grouped(c.ambiguous),
        grouped(c.late),
        grouped(c.pushed_out),
        grouped(c.passed)
    )
}

fn totals(e: &Ended) -> String {
    let (c, t) = (&e.capture, &e.table);
    let bytes = grouped(c.frame_octets);
    format!(
        "{} packets ({bytes} bytes on the wire): {} in {} flows",
        grouped(c.packets),
        grouped(t.packets),
        grouped(t.flows)
    )
}

/// Packets that are in no flow, by reason.
fn without_flow(c: &CaptureCounters, seen_elsewhere: FrameCount) -> Option<String> {
    let decoded = c.discards.iter().map(|(reason, d)| (reason.name(), d));
    let others = [
        ("filtered", c.filtered),
        ("loopback-copy", c.loopback_copies),
        (SAMPLED_OUT, c.sampled_out),
        (SEEN_ELSEWHERE, seen_elsewhere),
    ];
    let all: Vec<_> = decoded
        .chain(others.into_iter().filter(|(_, d)| d.packets > 0))
        .map(|(name, d)| format!("{name} {} ({} bytes)", grouped(d.packets), grouped(d.frame_octets)))
        .collect();
    (!all.is_empty()).then(|| format!("in no flow: {}", all.join(", ")))
}

/// The protocols that are not decoded, by number.
fn undecoded(c: &CaptureCounters) -> Option<String> {
    let all: Vec<_> = c.discards.by_protocol().map(|(name, n)| format!("{name}: {}", grouped(n))).collect();
    (!all.is_empty()).then(|| format!("not decoded: {}", all.join(", ")))
}

fn bad_blocks(c: &CaptureCounters) -> Option<String> {
    (c.bad_blocks > 0).then(|| format!("malformed blocks skipped: {}", grouped(c.bad_blocks)))
}

fn exporter(s: &Snapshot) -> String {
    let lost: Vec<_> = losses(s).collect();
    let lost = if lost.is_empty() { String::new() } else { format!(", lost {}", lost.join(", ")) };
    format!("{}: {} records{lost}", s.exporter, grouped(s.exported))
}

fn losses(s: &Snapshot) -> impl Iterator<Item = String> + '_ {
    s.lost.iter().filter(|(_, n)| *n > 0).map(|(why, n)| format!("{} {}", grouped(*n), why.name()))
}

/// The records that exporters lost, for an error message.
pub(crate) fn lost(exporters: &[Snapshot]) -> Option<String> {
    let lost = exporters.iter().filter(|s| s.lost_total() > 0);
    let said: Vec<_> = lost
        .map(|s| {
            format!("{} lost {} records: {}", s.exporter, s.lost_total(), losses(s).collect::<Vec<_>>().join(", "))
        })
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}
