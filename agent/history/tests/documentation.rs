//! The tables that `docs/history.md` describes, and its examples.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use pidflow_exporters::sample;
use pidflow_history::{Retention, Writer};
use rusqlite::Connection;

const PAGE: &str = include_str!("../../../docs/history.md");

/// A file with made records.
fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(folder.path(), Retention { max_age: None, max_bytes: u64::MAX }).unwrap();
    writer.add(&sample::records(100), 1_800_000_000_000_000_000);
    assert_eq!(writer.commit(1_800_000_000_000_000_000).records, 100);
    drop(writer);
    let path = folder.path().join("2027-01-15T08.sqlite");
    assert!(path.exists());
    (folder, path)
}

#[test]
fn every_example_has_rows() {
    let (_folder, path) = file();
    let connection = Connection::open(path).unwrap();
    let blocks: Vec<&str> =
        PAGE.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() >= 3);
    for block in blocks {
        let mut statement = connection.prepare(block).unwrap();
        assert!(statement.query([]).unwrap().next().unwrap().is_some(), "{block}");
    }
}

#[test]
fn every_column_is_described_and_exists() {
    let (_folder, path) = file();
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'",
        )
        .unwrap();
    let columns: BTreeSet<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let (mut table, mut described) = (String::new(), BTreeSet::new());
    for line in PAGE.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        table = names(cells.get(1).unwrap()).pop().unwrap_or(table);
        described.extend(names(cells.get(2).unwrap()).iter().map(|column| format!("{table}.{column}")));
    }
    assert_eq!(columns, described);
}
