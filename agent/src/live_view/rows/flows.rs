//! A row of the list of flows.

use pidflow_schema::FlowRecord;

use super::{Row, RowId, end_label, service};
use crate::live_view::book::KnownFlow;
use crate::live_view::cell::Cell;

/// The row of a flow.
pub(super) fn row(flow: &KnownFlow, now_s: u64) -> Row {
    let (r, f) = (&flow.record, &flow.record.flow);
    let user = r.source.process.as_ref().or(r.destination.process.as_ref()).map(|p| p.user.to_string());
    let cells = vec![
        Cell::Text(end_label(&r.source, f.source)),
        Cell::Text(end_label(&r.destination, f.destination)),
        Cell::Text(service(r)),
        name(r).map_or(Cell::Unknown, Cell::Text),
        user.map_or(Cell::Unknown, Cell::Text),
        Cell::Text(state(flow)),
        Cell::Seconds(f.last_ns.saturating_sub(f.first_ns) / 1_000_000_000),
        Cell::Count(f.forward.packets + f.reverse.packets),
        Cell::Bytes(flow.bytes()),
        Cell::Rate(flow.rate(now_s)),
    ];
    let (has_failed, is_past) = (r.connect_error.is_some(), !flow.is_active);
    Row { has_failed, is_past, ..Row::new(RowId::Flow(flow.id), cells) }
}

/// The name that the client requested.
fn name(r: &FlowRecord) -> Option<String> {
    let application = r.flow.application.as_ref().and_then(|a| a.server_name());
    let endpoint = r.destination.endpoint.as_ref().map(|e| &*e.name).filter(|name| !name.is_empty());
    application.or(endpoint).map(str::to_owned)
}

/// `active`, `ended`, or why it failed.
pub(in crate::live_view) fn state(flow: &KnownFlow) -> String {
    match flow.record.connect_error {
        Some(error) => failure(error),
        None if flow.is_active => "active".into(),
        None => "ended".into(),
    }
}

/// A failed connect in one word, from its errno (include/uapi/asm-generic/errno.h).
fn failure(errno: u16) -> String {
    match errno {
        111 => "refused".into(),
        110 => "timeout".into(),
        113 | 101 => "no route".into(),
        104 => "reset".into(),
        other => format!("error{other}"),
    }
}
