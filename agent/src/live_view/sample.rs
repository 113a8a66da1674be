//! Generated records for tests of the view.

use std::sync::Arc;

use pidflow_schema::{FlowEndReason, FlowRecord, Process, ProcessUsage};

/// A record of a flow that goes on: `curl`, with the port as its PID, to a port of 10.0.0.2.
pub(super) fn active(port: u16, octets: u64) -> FlowRecord {
    let mut r = crate::sample::record(0x0a00_0001, port, octets);
    r.flow.end_reason = FlowEndReason::ActiveTimeout;
    let process = Process {
        pid: port.into(),
        start_ns: 1,
        name: "curl".into(),
        user: "ann".into(),
        parent_pid: 10,
        parent_name: "sh".into(),
        ancestors: "sh(10)<init(1)".into(),
        ..Process::default()
    };
    r.source.process = Some(Arc::new(process));
    r.source.usage =
        Some(ProcessUsage { cpu_load: Some(150), memory_actual: Some(5_000_000), ..ProcessUsage::default() });
    r
}

/// The last record of such a flow.
pub(super) fn ended(port: u16, octets: u64) -> FlowRecord {
    let mut r = active(port, octets);
    r.flow.end_reason = FlowEndReason::EndOfFlow;
    r
}

/// A record of a flow of a process with that name.
pub(super) fn named(port: u16, name: &str) -> FlowRecord {
    let mut r = active(port, 100);
    let process = r.source.process.take().map(Arc::unwrap_or_clone).unwrap_or_default();
    r.source.process = Some(Arc::new(Process { name: name.into(), ..process }));
    r
}
