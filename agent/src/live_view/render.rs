//! The live view as lines of text: a pure function of its data and the size of the screen.

use crate::figures::{bytes, clock, count, first_columns, fit, grouped};
use crate::printable::clean_line;

use super::rows::Rows;
use crate::host::HostNow;

/// The figures of the header lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// Names of the interfaces, joined.
    pub(crate) interfaces: String,
    /// Seconds since the start.
    pub(crate) seconds: u64,
    /// Packets seen.
    pub(crate) packets: u64,
    /// Bytes of them.
    pub(crate) octets: u64,
    /// Flows in the table.
    pub(crate) active: u64,
    /// Records made.
    pub(crate) records: u64,
    /// Total of lost packets, events and records.
    pub(crate) lost: u64,
    /// Ends on this host with a process, and all ends on this host.
    pub(crate) attributed: (u64, u64),
    /// The host's figures; none: they have not been read twice yet.
    pub(crate) host: Option<HostNow>,
}

impl Totals {
    /// `99.2 %` of this host's ends.
    pub(crate) fn attributed_share(&self) -> String {
        match self.attributed {
            (_, 0) => "-".into(),
            (known, all) => format!("{:.1} %", 100.0 * known as f64 / all as f64),
        }
    }
}

/// Total width of the fixed columns: service, bytes, rate, packets, and the blanks.
const FIXED_COLUMNS: usize = 10 + 7 + 9 + 6 + 4 + 3;

/// The screen, at most `height` lines of at most `width` columns.
pub(crate) fn screen(totals: &Totals, rows: &Rows, (width, height): (usize, usize), note: &str) -> Vec<String> {
    let mut lines = vec![first_line(totals, width), second_line(totals, width)];
    lines.extend(totals.host.as_ref().map(|host| host_line(host, width)));
    lines.push(heading(width));
    let room = height.saturating_sub(lines.len() + 1);
    let top = rows.top(room, totals.seconds);
    if top.is_empty() {
        lines.push(fit("No flow has ended or been reported yet.", width));
    }
    for row in &top {
        let figures = [bytes(row.bytes), format!("{}/s", bytes(row.rate)), count(row.packets)];
        lines.push(line(width, row.texts.each_ref().map(String::as_str), &figures));
    }
    lines.resize(height.saturating_sub(1), String::new());
    lines.push(fit(if note.is_empty() { "Ctrl-C ends it." } else { note }, width).trim_end().to_owned());
    lines.truncate(height);
    lines
}

fn first_line(t: &Totals, width: usize) -> String {
    let text = format!(
        "pidflow {}  on {}  {} packets  {}",
        clock(t.seconds),
        t.interfaces,
        grouped(t.packets),
        bytes(t.octets)
    );
    first_columns(&clean_line(&text), width).to_owned()
}

fn second_line(t: &Totals, width: usize) -> String {
    let text = format!(
        "{} flows active  {} records  lost {}  attributed {} of local ends",
        grouped(t.active),
        grouped(t.records),
        grouped(t.lost),
        t.attributed_share()
    );
    first_columns(&clean_line(&text), width).to_owned()
}

/// The host's processors, memory and load. A figure that does not fit is left out.
fn host_line(host: &HostNow, width: usize) -> String {
    let memory = format!("mem {} of {}", bytes(host.memory_used), bytes(host.memory_total));
    let parts = [
        format!("CPU {:.0} %", host.cpu_load),
        format!("I/O wait {:.0} %", host.iowait),
        memory,
        format!("load {}", host.load.map(short).join(" ")),
    ];
    let shares: Vec<_> = host.pressure.iter().map(|share| format!("{share:.0}")).collect();
    let pressure = (!shares.is_empty()).then(|| format!("PSI {} %", shares.join("/")));
    let mut line = String::new();
    for part in parts.into_iter().chain(pressure) {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + gap.len() + part.chars().count() > width {
            break;
        }
        line = line + gap + &part;
    }
    line
}

/// `0.52`, `12.3`, `123`.
fn short(number: f64) -> String {
    let decimals = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.decimals$}")
}

fn heading(width: usize) -> String {
    let titles = ["BYTES".to_owned(), "RATE".to_owned(), "PKTS".to_owned()];
    // Reverse video; the escape sequences take no column.
    format!("\x1b[7m{}\x1b[0m", line(width, ["SOURCE", "DESTINATION", "SERVICE"], &titles))
}

fn line(width: usize, [source, destination, service]: [&str; 3], [bytes, rate, packets]: &[String; 3]) -> String {
    let ends = width.saturating_sub(FIXED_COLUMNS);
    let (left, right) = (ends.div_ceil(2), ends / 2);
    let text = format!(
        "{} → {} {} {bytes:>7} {rate:>9} {packets:>6}",
        fit(source, left),
        fit(destination, right),
        fit(service, 10)
    );
    fit(&text, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(line: &str) -> usize {
        line.replace("\x1b[7m", "").replace("\x1b[0m", "").chars().map(crate::printable::columns).sum()
    }

    #[test]
    fn it_fits_any_screen() {
        let host = Some(host([100.0; 3]));
        let totals =
            Totals { interfaces: "any".into(), packets: u64::MAX, octets: u64::MAX, host, ..Totals::default() };
        for size in [(80, 24), (40, 10), (200, 50), (1, 1), (10, 3), (0, 0)] {
            let lines = screen(
                &totals,
                &Rows::default(),
                size,
                "a note that is longer than the screen is wide, by far and away",
            );
            assert!(lines.len() <= size.1 && lines.iter().all(|l| columns(l) <= size.0), "{size:?}: {lines:#?}");
        }
    }

    fn host(pressure: [f64; 3]) -> HostNow {
        let (cpu_load, iowait) = (99.6, 0.4);
        let (memory_used, memory_total) = (999_000_000_000, 999_000_000_000);
        HostNow { cpu_load, iowait, memory_used, memory_total, load: [123.4, 12.34, 0.5], pressure: pressure.into() }
    }

    #[test]
    fn the_hosts_figures_fit_eighty_columns_and_are_never_cut() {
        let usual = HostNow { load: [0.52, 1.5, 9.99], memory_used: 3_400_000_000, ..host([1.4, 0.0, 12.0]) };
        let line = "CPU 100 %  I/O wait 0 %  mem 3.4 GB of 999 GB  load 0.52 1.50 9.99  PSI 1/0/12 %";
        assert_eq!(host_line(&usual, 120), line);
        let quiet = HostNow { cpu_load: 12.0, memory_total: 64_000_000_000, ..usual.clone() };
        let line = "CPU 12 %  I/O wait 0 %  mem 3.4 GB of 64 GB  load 0.52 1.50 9.99  PSI 1/0/12 %";
        assert_eq!((host_line(&quiet, 80), line.len() <= 80), (line.to_owned(), true));
        let busy = host_line(&host([100.0; 3]), 80);
        assert_eq!(busy, "CPU 100 %  I/O wait 0 %  mem 999 GB of 999 GB  load 123 12.3 0.50");
        let none = HostNow { pressure: Vec::new(), ..usual };
        assert_eq!(host_line(&none, 80), "CPU 100 %  I/O wait 0 %  mem 3.4 GB of 999 GB  load 0.52 1.50 9.99");
        assert_eq!((host_line(&none, 24), host_line(&none, 3)), ("CPU 100 %  I/O wait 0 %".into(), String::new()));
        let shown = |host| screen(&Totals { host, ..Totals::default() }, &Rows::default(), (80, 24), "");
        assert_eq!((shown(None).len(), shown(Some(none)).len()), (24, 24));
    }

    #[test]
    fn a_row_at_eighty_columns_says_all() {
        let figures = ["1.2 MB".to_owned(), "999 kB/s".to_owned(), "123 k".to_owned()];
        let text = line(80, ["python3(12345)", "2001:db8:1:2:3:4:5:6", "tcp:8080"], &figures);
        assert_eq!(text, "python3(12345)        → 2001:db8:1:2:3:4:5:6 tcp:8080    1.2 MB  999 kB/s  123 k");
        assert_eq!(columns(&text), 80);
    }

    #[test]
    fn names_are_measured_in_columns_and_cannot_steer_the_screen() {
        let figures = ["1 B".to_owned(), "1 B/s".to_owned(), "1".to_owned()];
        for name in [
            "プロセスの名前がとても長い",
            "a\u{202e}gpj.exe",
            "x\u{200b}\u{fe0f}",
            "\u{9b}2J",
            "e\u{301}\u{301}\u{301}\u{301}\u{301}",
        ] {
            let text = line(80, [name, name, "tcp:80"], &figures);
            assert_eq!(columns(&text), 80, "{text}");
            assert!(
                !text.contains(['\u{202e}', '\u{200b}', '\u{fe0f}', '\u{9b}'])
                    && !text.contains("\u{301}\u{301}\u{301}"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn attribution_is_of_this_hosts_ends() {
        let totals = Totals { attributed: (995, 1000), ..Totals::default() };
        assert_eq!(totals.attributed_share(), "99.5 %");
        assert_eq!(Totals::default().attributed_share(), "-");
    }
}
