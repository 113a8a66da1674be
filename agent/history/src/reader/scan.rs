//! Reads the selected rows of one file.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pidflow_expression::Expression;
use pidflow_schema::FlowRecord;
use rusqlite::Row;

use super::Selected;
use crate::answer::Sums;
use crate::hour::to_signed;
use crate::narrow::narrow;
use crate::stored_file::{StoredFile, WHOLE};
use crate::{HistoryError, Place};

/// The columns from which sums are made.
const SUMS: &str = "ifnull(bytes, 0), ifnull(reverse_bytes, 0), ifnull(packets, 0), ifnull(reverse_packets, 0)";

/// The selected rows of one file.
pub(super) struct Scan<'a> {
    pub(super) file: &'a StoredFile,
    /// The condition in SQL.
    condition: String,
    /// What must be evaluated for each record too, because the condition selects more.
    filter: Option<&'a Expression>,
}

impl<'a> Scan<'a> {
    /// Translates the selection for this file.
    pub(super) fn new(file: &'a StoredFile, selected: &'a Selected) -> Result<Self, HistoryError> {
        let mut condition = String::from("1");
        if let Some(ns) = selected.since_ns {
            condition += &format!(" AND last >= {}", to_signed(ns).saturating_sub(file.base_ns));
        }
        if let Some(ns) = selected.until_ns {
            condition += &format!(" AND last - duration <= {}", to_signed(ns).saturating_sub(file.base_ns));
        }
        let mut filter = selected.filter.as_deref();
        if let Some(expression) = filter {
            let narrowed = narrow(file, &expression.outline())?;
            condition += &format!(" AND {}", narrowed.sql);
            filter = filter.filter(|_| !narrowed.is_exact);
        }
        Ok(Self { file, condition, filter })
    }

    /// Whether the rows are all that is needed to know which records are selected.
    pub(super) const fn is_exact(&self) -> bool {
        self.filter.is_none()
    }

    /// Appends at most `limit` records before that one, the latest first.
    pub(super) fn records(
        &self,
        before: Option<i64>,
        limit: usize,
        found: &mut Vec<(Place, FlowRecord)>,
    ) -> Result<(), HistoryError> {
        let before = before.unwrap_or(i64::MAX);
        let rest = format!("AND id < {before} ORDER BY id DESC");
        self.rows(WHOLE, &rest, |row| {
            let record = self.file.record(row)?;
            if self.matches(&record) {
                let id = row.get(0).map_err(|e| self.file.failed(e))?;
                found.push((Place { file: self.file.name, id }, record));
            }
            Ok(found.len() < limit)
        })
    }

    /// Calls `use_record` with each selected record.
    pub(super) fn each_record(
        &self,
        mut use_record: impl FnMut(&FlowRecord) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        self.rows(WHOLE, "", |row| {
            let record = self.file.record(row)?;
            if self.matches(&record) {
                use_record(&record)?;
            }
            Ok(true)
        })
    }

    /// Calls `use_row` with the first `columns` of each row and the sums of its record, as long as the condition is exact.
    pub(super) fn each_row(
        &self,
        columns: &[String],
        mut use_row: impl FnMut(&[i64], Sums) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        let mut values = vec![0; columns.len()];
        let list = columns.iter().map(|column| format!("{column}, ")).collect::<String>() + SUMS;
        self.rows(&list, "", |row| {
            let get = |n: usize| row.get::<_, i64>(n).map_err(|e| self.file.failed(e));
            for (n, value) in values.iter_mut().enumerate() {
                *value = get(n)?;
            }
            let amount = |n: usize| Ok::<_, HistoryError>(u64::try_from(get(columns.len() + n)?).unwrap_or_default());
            let bytes = amount(0)?.saturating_add(amount(1)?);
            let packets = amount(2)?.saturating_add(amount(3)?);
            use_row(&values, Sums { records: 1, packets, bytes })?;
            Ok(true)
        })
    }

    fn matches(&self, record: &FlowRecord) -> bool {
        self.filter.is_none_or(|filter| filter.matches(record))
    }

    /// Calls `use_row` with each row that meets the condition, until it returns false.
    fn rows(
        &self,
        columns: &str,
        rest: &str,
        mut use_row: impl FnMut(&Row<'_>) -> Result<bool, HistoryError>,
    ) -> Result<(), HistoryError> {
        let failed = |e| self.file.failed(e);
        let select = format!("SELECT {columns} FROM flows WHERE {} {rest}", self.condition);
        let mut statement = self.file.connection.prepare(&select).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !use_row(row)? {
                break;
            }
        }
        Ok(())
    }
}

/// Sums by the beginning of the step in which a record ended.
pub(super) fn series_of(scan: &Scan<'_>, step_ns: u64) -> Result<HashMap<u64, Sums, RandomState>, HistoryError> {
    let mut points = HashMap::<u64, Sums, RandomState>::default();
    let mut add = |last_ns: u64, sums| {
        points.entry(last_ns / step_ns * step_ns).or_default().add(sums);
        Ok(())
    };
    if scan.is_exact() {
        let base_ns = scan.file.base_ns;
        scan.each_row(&["last".to_owned()], |values, sums| {
            let last_ns = values.first().map_or(0, |last| base_ns.saturating_add(*last));
            add(u64::try_from(last_ns).unwrap_or_default(), sums)
        })?;
    } else {
        scan.each_record(|record| add(record.flow.last_ns, Sums::of(record)))?;
    }
    Ok(points)
}
