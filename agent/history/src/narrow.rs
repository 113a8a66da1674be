//! From an expression to a condition in SQL that holds for every row whose record it selects.

use std::collections::BTreeSet;

use pidflow_expression::{End, Number, NumberTest, Outline, Quantity, Test};
use pidflow_schema::FlowRecord;

use crate::HistoryError;
use crate::blank::blank;
use crate::facet::{Column, Facet, column, facet};
use crate::stored_file::StoredFile;

/// A longer list of row numbers is put into a table.
const MAX_LISTED: usize = 64;

/// A condition on rows of the table `flows`.
#[derive(Debug, Clone)]
pub(crate) struct Narrowed {
    /// Holds for every row whose record is selected.
    pub(crate) sql: String,
    /// Holds for no other row.
    pub(crate) is_exact: bool,
}

impl Narrowed {
    /// Nothing is known of the rows.
    fn all() -> Self {
        Self { sql: "1".into(), is_exact: false }
    }

    fn exact(sql: String) -> Self {
        Self { sql, is_exact: true }
    }

    fn joined(self, operator: &str, other: &Self) -> Self {
        Self { sql: format!("({} {operator} {})", self.sql, other.sql), is_exact: self.is_exact && other.is_exact }
    }
}

/// Translates the outline for one file.
pub(crate) fn narrow(file: &StoredFile, outline: &Outline<'_>) -> Result<Narrowed, HistoryError> {
    Ok(match outline {
        Outline::Constant(is_true) => Narrowed::exact(i32::from(*is_true).to_string()),
        Outline::Test(test, result) => narrow_test(file, test, *result)?,
        Outline::And(a, b) => narrow(file, a)?.joined("AND", &narrow(file, b)?),
        Outline::Or(a, b) => narrow(file, a)?.joined("OR", &narrow(file, b)?),
        Outline::Not(inner) => match narrow(file, inner)? {
            Narrowed { sql, is_exact: true } => Narrowed::exact(format!("NOT {sql}")),
            _ => Narrowed::all(),
        },
    })
}

/// The rows for which the test has this result.
fn narrow_test(file: &StoredFile, test: &Test<'_>, result: bool) -> Result<Narrowed, HistoryError> {
    let facets: Vec<Facet> = test.elements().into_iter().map(facet).collect();
    let only = facets.first().filter(|first| facets.iter().all(|facet| facet == *first));
    let ids = match only {
        Some(Facet::Process(end)) => (process_column(*end), ids_of_processes(file, test, *end, result)?),
        Some(Facet::Address(end)) => (address_column(*end), ids_of_addresses(file, test, *end, result)?),
        Some(Facet::Detail) => ("detail", ids_of_details(file, test, result)?),
        _ => {
            return Ok(test.number_test().and_then(|test| compared(file, &test, result)).unwrap_or_else(Narrowed::all));
        }
    };
    listed(file, ids.0, &ids.1).map(Narrowed::exact)
}

/// The column of the process at this end.
pub(crate) const fn process_column(end: End) -> &'static str {
    match end {
        End::Source => "source_process",
        End::Destination => "destination_process",
    }
}

/// The column of the address at this end.
pub(crate) const fn address_column(end: End) -> &'static str {
    match end {
        End::Source => "source_address",
        End::Destination => "destination_address",
    }
}

/// The test is evaluated as for whole records, but once for each process.
fn ids_of_processes(file: &StoredFile, test: &Test<'_>, end: End, result: bool) -> Result<BTreeSet<i64>, HistoryError> {
    let (mut record, mut ids) = (blank(), BTreeSet::new());
    file.each_process(|id, process| {
        match end {
            End::Source => record.source.process = process,
            End::Destination => record.destination.process = process,
        }
        keep(&mut ids, id, test, &record, result);
    })?;
    Ok(ids)
}

fn ids_of_addresses(file: &StoredFile, test: &Test<'_>, end: End, result: bool) -> Result<BTreeSet<i64>, HistoryError> {
    let (mut record, mut ids) = (blank(), BTreeSet::new());
    file.each_address(|id, address| {
        match end {
            End::Source => record.flow.source = address,
            End::Destination => record.flow.destination = address,
        }
        keep(&mut ids, id, test, &record, result);
    })?;
    Ok(ids)
}

fn ids_of_details(file: &StoredFile, test: &Test<'_>, result: bool) -> Result<BTreeSet<i64>, HistoryError> {
    let mut ids = BTreeSet::new();
    file.each_detail(|id, record| keep(&mut ids, id, test, record, result))?;
    Ok(ids)
}

fn keep(ids: &mut BTreeSet<i64>, id: i64, test: &Test<'_>, record: &FlowRecord, result: bool) {
    if test.evaluate(record) == Some(result) {
        ids.insert(id);
    }
}

/// The condition that the column has one of these values.
fn listed(file: &StoredFile, column: &str, ids: &BTreeSet<i64>) -> Result<String, HistoryError> {
    if ids.is_empty() {
        return Ok("0".into());
    }
    if ids.len() <= MAX_LISTED {
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        return Ok(format!("{column} IN ({})", ids.join(",")));
    }
    let table = file.temporary(ids).map_err(|e| file.failed(e))?;
    Ok(format!("{column} IN (SELECT id FROM {table})"))
}

/// The comparison in SQL; none: not all of it is in columns.
fn compared(file: &StoredFile, test: &NumberTest, result: bool) -> Option<Narrowed> {
    let left = match &test.quantity {
        Quantity::Sum(elements) => {
            let columns: Vec<String> =
                elements.iter().map(|name| Some(expression(file, column(name)?))).collect::<Option<_>>()?;
            sum_of_known(&columns)
        }
        Quantity::Elapsed(from, to) => match (column(from)?, column(to)?) {
            (Column::First, Column::Last) => "duration".to_owned(),
            _ => return None,
        },
    };
    let tests: Vec<String> = test.numbers.iter().map(|n| format!("{left} {} {}", test.operator, literal(*n))).collect();
    let any = if tests.is_empty() { "0".to_owned() } else { format!("({})", tests.join(" OR ")) };
    Some(Narrowed::exact(if result { any } else { format!("NOT {any}") }))
}

/// The sum of the columns that are not null; null if all are.
fn sum_of_known(columns: &[String]) -> String {
    if let [column] = columns {
        return column.clone();
    }
    let zero = columns.iter().map(|column| format!("ifnull({column}, 0)")).collect::<Vec<_>>().join(" + ");
    let is_known = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" OR ");
    format!("iif({is_known}, {zero}, NULL)")
}

fn literal(number: Number) -> String {
    match number {
        Number::Integer(n) => n.to_string(),
        Number::Real(x) => format!("{x:?}"),
    }
}

/// The value of the element in SQL.
pub(crate) fn expression(file: &StoredFile, column: Column) -> String {
    let text = match column {
        Column::Last => return format!("(last + {})", file.base_ns),
        Column::First => return format!("(last - duration + {})", file.base_ns),
        Column::SourcePort => "source_port",
        Column::DestinationPort => "destination_port",
        Column::Protocol => "protocol",
        Column::Bytes => "bytes",
        Column::ReverseBytes => "reverse_bytes",
        Column::Packets => "packets",
        Column::ReversePackets => "reverse_packets",
    };
    text.into()
}
