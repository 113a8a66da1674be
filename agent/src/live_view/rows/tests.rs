use std::sync::Arc;

use pidflow_schema::{FlowRecord, Process};

use super::super::sample::{active, ended, named};
use super::*;

fn book(records: &[FlowRecord]) -> Book {
    let mut book = Book::default();
    records.iter().for_each(|r| book.add(r, 5));
    book
}

fn shown(records: &[FlowRecord], tab: Tab, sorting: Sorting, is_tree: bool) -> Vec<Vec<String>> {
    let book = book(records);
    let flows: Vec<_> = book.flows().collect();
    let rows = rows(&flows, Wanted { tab, sorting, is_tree, book: &book, now_s: 5 });
    let line = |row: &Row| {
        assert_eq!(row.cells.len(), tab.columns().len());
        let mut cells: Vec<_> = row.cells.iter().map(Cell::text).collect();
        cells[0] = " ".repeat(row.depth) + &cells[0];
        cells
    };
    rows.iter().map(line).collect()
}

fn by(tab: Tab, title: &str, is_reversed: bool) -> Sorting {
    Sorting { column: tab.columns().iter().position(|c| c.title == title).unwrap(), is_reversed }
}

fn column(lines: &[Vec<String>], tab: Tab, title: &str) -> Vec<String> {
    let at = by(tab, title, false).column;
    lines.iter().map(|cells| cells[at].clone()).collect()
}

#[test]
fn every_column_of_every_tab_sorts_both_ways() {
    let records: Vec<_> = (1..6).map(|n| active(n, u64::from(n * 1000))).collect();
    for tab in Tab::ALL {
        for (column, c) in tab.columns().iter().enumerate() {
            let sorted = |is_reversed| {
                let lines = shown(&records, tab, Sorting { column, is_reversed }, false);
                lines.iter().map(|cells| cells[column].clone()).collect::<Vec<_>>()
            };
            let mut backwards = sorted(true);
            backwards.reverse();
            assert_eq!(sorted(false), backwards, "{tab:?} {}", c.title);
        }
    }
    let lines = shown(&records, Tab::Flows, by(Tab::Flows, "BYTES", false), false);
    assert_eq!(column(&lines, Tab::Flows, "BYTES"), ["5 kB", "4 kB", "3 kB", "2 kB", "1 kB"], "largest first");
    let lines = shown(&records, Tab::Flows, by(Tab::Flows, "SOURCE", false), false);
    assert_eq!(column(&lines, Tab::Flows, "SOURCE")[0], "curl(1)", "names ascend");
}

#[test]
fn flows_say_how_they_stand() {
    let failed = FlowRecord { connect_error: Some(111), ..ended(3, 1) };
    let lines = shown(&[active(1, 1), ended(2, 1), failed], Tab::Flows, by(Tab::Flows, "SERVICE", false), false);
    assert_eq!(column(&lines, Tab::Flows, "STATE"), ["active", "ended", "refused"]);
    assert_eq!(lines[0][..3], ["curl(1)", "10.0.0.2", "tcp:1"]);
}

#[test]
fn several_processes_of_a_name_are_one_pair() {
    let other_process = |pid: u32| {
        let mut r = active(443, 100);
        r.flow.source_port = pid as u16;
        let process = Process { pid, ..Process::clone(r.source.process.as_ref().unwrap()) };
        r.source.process = Some(Arc::new(process));
        r
    };
    let lines = shown(&[other_process(7), active(80, 1)], Tab::Pairs, by(Tab::Pairs, "BYTES", false), false);
    assert_eq!(lines[0][..4], ["curl(7)", "10.0.0.2", "tcp:443", "1"]);
    let records: Vec<_> = (7..10).map(other_process).collect();
    let lines = shown(&records, Tab::Pairs, by(Tab::Pairs, "BYTES", false), false);
    assert_eq!(lines, [["curl ×3", "10.0.0.2", "tcp:443", "3", "0", "3", "300 B", "60 B/s"].map(String::from)]);
}

#[test]
fn hosts_and_users_have_what_they_sent_and_received() {
    let mut r = active(443, 1000);
    r.flow.reverse = pidflow_schema::Counters { packets: 1, octets: 10, ..Default::default() };
    let hosts = shown(&[r.clone()], Tab::Hosts, by(Tab::Hosts, "HOST", false), false);
    assert_eq!(hosts[0], ["10.0.0.1", "-", "1", "1", "0", "1 kB", "10 B", "202 B/s"]);
    assert_eq!(hosts[1], ["10.0.0.2", "-", "1", "1", "0", "10 B", "1 kB", "202 B/s"]);
    let users = shown(&[r], Tab::Users, by(Tab::Users, "USER", false), false);
    assert_eq!(users, [["ann", "1", "1", "0", "1 kB", "10 B", "202 B/s"].map(String::from)]);
}

#[test]
fn a_flow_within_one_address_or_one_user_counts_once() {
    let mut r = active(443, 1000);
    r.flow.destination = r.flow.source;
    r.destination = r.source.clone();
    for tab in [Tab::Hosts, Tab::Users] {
        let lines = shown(std::slice::from_ref(&r), tab, by(tab, "FLOWS", false), false);
        assert_eq!(column(&lines, tab, "FLOWS"), ["1"]);
    }
}

#[test]
fn processes_stand_below_their_parents() {
    let lines = shown(&[active(20, 1), active(30, 2)], Tab::Processes, by(Tab::Processes, "BYTES", false), true);
    assert_eq!(column(&lines, Tab::Processes, "PROCESS"), ["init", " sh", "  curl", "  curl"]);
    assert_eq!(column(&lines, Tab::Processes, "PID"), ["1", "10", "30", "20"]);
    assert_eq!(column(&lines, Tab::Processes, "CPU"), ["-", "-", "1.5 %", "1.5 %"]);
}

#[test]
fn a_parent_with_flows_is_one_row() {
    let of_parent = |pid: u32, port: u16, ancestors: &str| {
        let mut r = active(port, 1);
        let process = r.source.process.take().map(Arc::unwrap_or_clone).unwrap();
        r.source.process = Some(Arc::new(Process { pid, ancestors: ancestors.into(), ..process }));
        r
    };
    let records = [of_parent(10, 1, "init(1)"), of_parent(20, 2, "curl(10)<init(1)")];
    let lines = shown(&records, Tab::Processes, by(Tab::Processes, "PID", true), true);
    assert_eq!(column(&lines, Tab::Processes, "PID"), ["1", "10", "20"]);
    let circle = [of_parent(10, 1, "a(20)"), of_parent(20, 2, "b(10)")];
    assert_eq!(shown(&circle, Tab::Processes, by(Tab::Processes, "PID", true), true).len(), 2);
}

#[test]
fn chains_of_parents_are_read_with_their_escapes() {
    let read = |text: &str| tree::parse(text);
    assert_eq!(read(r"sh(10)<a\(b\<(7)"), [("sh".into(), 10), ("a(b<".into(), 7)]);
    assert_eq!((read(""), read("x(y)")), (vec![], vec![]));
}

#[test]
fn hostile_names_stay_names() {
    let lines = shown(&[named(1, "\x1b[2J")], Tab::Flows, by(Tab::Flows, "RATE", false), false);
    assert_eq!(lines[0][0], "\x1b[2J(1)", "only drawing replaces what could control the terminal");
}
