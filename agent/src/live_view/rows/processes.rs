//! The rows of the list of processes.

use std::collections::HashMap;

use pidflow_schema::Process;

use super::{Row, RowId, Sums, Wanted};
use crate::live_view::book::{KnownFlow, ProcessKey};
use crate::live_view::cell::Cell;

/// One row for each process with a flow.
pub(super) fn rows(flows: &[&KnownFlow], wanted: Wanted<'_>) -> Vec<Row> {
    let mut found: HashMap<ProcessKey, (&Process, Sums)> = HashMap::new();
    for flow in flows {
        for (is_source, _, process) in flow.processes() {
            let (_, sums) = found.entry(ProcessKey::of(process)).or_insert_with(|| (process, Sums::default()));
            sums.add(flow, is_source, wanted.now_s);
        }
    }
    found.into_iter().map(|(id, (process, sums))| row(id, process, &sums, wanted)).collect()
}

fn row(id: ProcessKey, process: &Process, sums: &Sums, wanted: Wanted<'_>) -> Row {
    let usage = wanted.book.process(id).and_then(|known| known.usage).unwrap_or_default();
    let units = [&process.placement.unit, &process.placement.user_unit];
    let unit = units.into_iter().find(|unit| !unit.is_empty());
    let cells = vec![
        Cell::Text(process.name.to_string()),
        Cell::Number(process.pid.into()),
        Cell::Text(process.user.to_string()),
        unit.map_or(Cell::Unknown, |unit| Cell::Text(unit.to_string())),
        usage.cpu_load.map_or(Cell::Unknown, Cell::Percent),
        usage.memory_actual.map_or(Cell::Unknown, Cell::Bytes),
        Cell::Count(sums.flows),
        Cell::Count(sums.failed),
        Cell::Bytes(sums.sent),
        Cell::Bytes(sums.received),
        Cell::Bytes(sums.bytes()),
        Cell::Rate(sums.rate),
    ];
    sums.mark(Row::new(RowId::Process(id), cells))
}
