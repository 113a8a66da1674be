//! Sums of records by the values of names.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pidflow_expression::{End, Selector, SelectorValue};
use pidflow_schema::FlowRecord;

use super::scan::Scan;
use crate::HistoryError;
use crate::answer::{Group, Sums};
use crate::facet::{Column, Facet, facet};
use crate::narrow::{address_column, expression, process_column};
use crate::stored_file::{StoredFile, set_amount};

/// Maximum number of groups that are summed up.
const MAX_GROUPS: usize = 500_000;
/// Maximum number of combinations of columns that are summed up before their values are read.
const MAX_COMBINATIONS: usize = 500_000;

/// The number of a counter that is not known.
const UNKNOWN: i64 = -1;

type Key = Vec<Option<SelectorValue>>;

/// The sums so far.
pub(super) struct Groups<'a> {
    by: &'a [Selector],
    sums: HashMap<Key, Sums, RandomState>,
}

impl<'a> Groups<'a> {
    /// No records yet.
    pub(super) fn new(by: &'a [Selector]) -> Self {
        Self { by, sums: HashMap::default() }
    }

    /// Adds the selected records of a file.
    pub(super) fn add_file(&mut self, scan: &Scan<'_>) -> Result<(), HistoryError> {
        match self.facets().filter(|_| scan.is_exact()) {
            Some(facets) => self.add_rows(scan, &facets),
            None => scan.each_record(|record| self.add(record, Sums::of(record))),
        }
    }

    /// Where the values of all names are stored; none: not where the rows of the file refer to.
    fn facets(&self) -> Option<Vec<Facet>> {
        let ends = [End::Source, End::Destination];
        let elements = self.by.iter().flat_map(|name| ends.into_iter().flat_map(|end| name.elements(end)));
        let mut facets: Vec<Facet> = elements.map(facet).collect();
        let is_referred =
            |facet: &Facet| matches!(facet, Facet::Process(_) | Facet::Address(_) | Facet::Column(_) | Facet::Detail);
        // A detail is the beginning of a record, to which the others are added.
        facets.sort_by_key(|facet| (*facet != Facet::Detail, format!("{facet:?}")));
        facets.dedup();
        facets.iter().all(is_referred).then_some(facets)
    }

    /// Sums up rows by what they refer to, and reads the values only once for each combination.
    fn add_rows(&mut self, scan: &Scan<'_>, facets: &[Facet]) -> Result<(), HistoryError> {
        let columns: Vec<String> = facets.iter().map(|facet| column_of(scan.file, *facet)).collect();
        let mut combinations = HashMap::<Box<[i64]>, Sums, RandomState>::default();
        scan.each_row(&columns, |values, sums| {
            match combinations.get_mut(values) {
                Some(known) => known.add(sums),
                None => {
                    if combinations.len() >= MAX_COMBINATIONS {
                        self.add_combinations(scan.file, facets, combinations.drain())?;
                    }
                    combinations.insert(values.into(), sums);
                }
            }
            Ok(())
        })?;
        self.add_combinations(scan.file, facets, combinations.drain())
    }

    fn add_combinations(
        &mut self,
        file: &StoredFile,
        facets: &[Facet],
        combinations: impl Iterator<Item = (Box<[i64]>, Sums)>,
    ) -> Result<(), HistoryError> {
        for (values, sums) in combinations {
            let record = partial(file, facets, &values)?;
            self.add(&record, sums)?;
        }
        Ok(())
    }

    /// Adds the sums of records that have the same values as this one.
    fn add(&mut self, record: &FlowRecord, sums: Sums) -> Result<(), HistoryError> {
        for key in keys(self.by, record) {
            self.sums.entry(key).or_default().add(sums);
        }
        if self.sums.len() > MAX_GROUPS { Err(HistoryError::TooManyGroups(MAX_GROUPS)) } else { Ok(()) }
    }

    /// The groups with the most bytes.
    pub(super) fn top(self, count: usize) -> Vec<Group> {
        let mut groups: Vec<Group> = self.sums.into_iter().map(|(key, sums)| Group { key, sums }).collect();
        groups.sort_unstable_by(|a, b| {
            let order = (b.sums.bytes, b.sums.records).cmp(&(a.sums.bytes, a.sums.records));
            order.then_with(|| a.key.cmp(&b.key))
        });
        groups.truncate(count);
        groups
    }
}

/// The groups to which a record belongs: one, or two if names mean either end. An end of which nothing is known is left out if something
/// is known of the other one.
pub(crate) fn keys(by: &[Selector], record: &FlowRecord) -> Vec<Key> {
    let at = |end| by.iter().map(|name| name.read(record, end)).collect::<Key>();
    let source = at(End::Source);
    if !by.iter().any(Selector::is_of_either_end) {
        return vec![source];
    }
    let destination = at(End::Destination);
    let is_known = |key: &Key| by.iter().zip(key).any(|(name, value)| name.is_of_either_end() && value.is_some());
    match (is_known(&source), is_known(&destination)) {
        (true, true) if source != destination => vec![source, destination],
        (false, true) => vec![destination],
        _ => vec![source],
    }
}

/// The column of a row that refers to this, or contains it.
fn column_of(file: &StoredFile, facet: Facet) -> String {
    match facet {
        Facet::Process(end) => process_column(end).into(),
        Facet::Address(end) => address_column(end).into(),
        Facet::Column(column) => format!("ifnull({}, {UNKNOWN})", expression(file, column)),
        _ => "detail".into(),
    }
}

/// A record with these values only.
fn partial(file: &StoredFile, facets: &[Facet], values: &[i64]) -> Result<FlowRecord, HistoryError> {
    let detail = facets.first().zip(values.first()).filter(|(facet, _)| **facet == Facet::Detail);
    let mut record = file.partial(detail.map(|(_, id)| *id))?;
    for (facet, value) in facets.iter().zip(values) {
        match facet {
            Facet::Process(End::Source) => record.source.process = file.process(*value)?,
            Facet::Process(End::Destination) => record.destination.process = file.process(*value)?,
            Facet::Address(End::Source) => record.flow.source = file.address(*value)?,
            Facet::Address(End::Destination) => record.flow.destination = file.address(*value)?,
            Facet::Column(column) => set_column(&mut record, *column, *value),
            _ => {}
        }
    }
    Ok(record)
}

/// A negative value is [`UNKNOWN`].
fn set_column(record: &mut FlowRecord, column: Column, value: i64) {
    let f = &mut record.flow;
    let port = u16::try_from(value).unwrap_or_default();
    let time_ns = u64::try_from(value).unwrap_or_default();
    match column {
        Column::First => f.first_ns = time_ns,
        Column::Last => f.last_ns = time_ns,
        Column::SourcePort => f.source_port = port,
        Column::DestinationPort => f.destination_port = port,
        Column::Protocol => f.protocol = u8::try_from(value).unwrap_or_default(),
        Column::Bytes | Column::ReverseBytes | Column::Packets | Column::ReversePackets => {
            set_amount(f, column, u64::try_from(value).ok());
        }
    }
}
