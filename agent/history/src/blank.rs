//! A record of which nothing is known, from which stored ones are built.

use std::sync::LazyLock;

use pidflow_schema::{Attribution, ELEMENTS, Flow, FlowRecord, UnknownCounters, Value};

/// The record.
pub(crate) fn blank() -> FlowRecord {
    let nobody = ([0, 0, 0, 0].into(), 0);
    let mut flow = Flow::new(0, nobody, nobody, (0, 0));
    // The other counters are in columns.
    flow.forward.set(UnknownCounters::FRAME_OCTETS, None);
    flow.reverse.set(UnknownCounters::FRAME_OCTETS, None);
    FlowRecord::without_processes(flow, Attribution::Offline)
}

static BLANK: LazyLock<FlowRecord> = LazyLock::new(blank);

/// The values of all elements of that record, in the order of the table. A value that equals it is not stored.
pub(crate) static BLANK_VALUES: LazyLock<Vec<Option<Value<'static>>>> =
    LazyLock::new(|| ELEMENTS.iter().map(|e| (e.read)(&BLANK)).collect());
