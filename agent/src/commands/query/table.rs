//! Answers as tables for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pidflow_expression::Selector;
use pidflow_history::{Group, Point, Sums};
use pidflow_schema::{FlowRecord, ProcessEnd, Protocol};

use crate::figures::{bytes, grouped};
use crate::printable::{clean_line, width};

/// Maximum width of a text, columns; the rest of a longer one is not shown.
const MAX_WIDTH: usize = 48;
const UNKNOWN: &str = "-";

/// One line for each record.
pub(super) fn records(records: impl Iterator<Item = FlowRecord>, zone: &TimeZone) -> String {
    let rows = records.map(|r| {
        let f = &r.flow;
        let protocol = Protocol::name(f.protocol).map_or_else(|| f.protocol.to_string(), str::to_owned);
        let end = |address: std::net::IpAddr, port: u16| match address {
            std::net::IpAddr::V6(address) if port > 0 => format!("[{address}]:{port}"),
            address if port > 0 => format!("{address}:{port}"),
            address => address.to_string(),
        };
        vec![
            time(f.first_ns, zone),
            protocol,
            end(f.source, f.source_port),
            process(&r.source),
            end(f.destination, f.destination_port),
            process(&r.destination),
            grouped(f.forward.packets + f.reverse.packets),
            bytes(f.forward.octets.saturating_add(f.reverse.octets)),
        ]
    });
    let head = ["START", "PROTOCOL", "SOURCE", "PROCESS", "DESTINATION", "PROCESS", "PACKETS", "BYTES"];
    render(&head.map(str::to_owned), rows.collect(), 2)
}

/// One line for each group.
pub(super) fn groups(by: &[Selector], groups: &[Group]) -> String {
    let names = by.iter().map(|name| name.name().to_uppercase());
    let head: Vec<String> = names.chain(SUMS.map(str::to_owned)).collect();
    let rows = groups.iter().map(|group| {
        let key = group.key.iter().map(|value| value.as_ref().map_or_else(|| UNKNOWN.into(), ToString::to_string));
        key.chain(sums(&group.sums)).collect()
    });
    render(&head, rows.collect(), SUMS.len())
}

/// One line for each interval.
pub(super) fn points(points: &[Point], zone: &TimeZone) -> String {
    let head: Vec<String> = std::iter::once("START").chain(SUMS).map(str::to_owned).collect();
    let rows = points.iter().map(|p| std::iter::once(time(p.start_ns, zone)).chain(sums(&p.sums)).collect());
    render(&head, rows.collect(), SUMS.len())
}

const SUMS: [&str; 3] = ["RECORDS", "PACKETS", "BYTES"];

fn sums(sums: &Sums) -> [String; 3] {
    [grouped(sums.records), grouped(sums.packets), bytes(sums.bytes)]
}

fn process(end: &ProcessEnd) -> String {
    end.process.as_ref().map_or_else(|| UNKNOWN.into(), |p| format!("{}({}) {}", p.name, p.pid, p.user))
}

/// A local time.
fn time(ns: u64, zone: &TimeZone) -> String {
    let time = Timestamp::from_nanosecond(ns.into()).map(|t| t.to_zoned(zone.clone()));
    time.map_or_else(|_| UNKNOWN.into(), |t| t.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Columns of equal width; the last `numbers` of them are aligned to the right.
fn render(head: &[String], rows: Vec<Vec<String>>, numbers: usize) -> String {
    let shown = |text: &String| clean_line(text).chars().take(MAX_WIDTH).collect::<String>();
    let rows: Vec<Vec<String>> =
        std::iter::once(head.to_vec()).chain(rows).map(|row| row.iter().map(shown).collect()).collect();
    let widest = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|text| width(text)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(n, (text, widest))| {
            let blanks = " ".repeat(widest.saturating_sub(width(text)));
            if n + numbers >= head.len() { blanks + text } else { text.clone() + &blanks }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_in_their_column() {
        let rows = vec![vec!["\u{1b}[31mred\n".to_owned(), "7".to_owned()], vec!["x".repeat(99), "12".to_owned()]];
        let text = render(&["NAME".to_owned(), "N".to_owned()], rows, 1);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines.iter().all(|line| width(line) == MAX_WIDTH + 4), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
